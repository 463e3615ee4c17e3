"""A scripted GitHub with one pull request, where anything may happen between two of our reads.

It keeps what really was: at every request it notes whether the judged head was wholly green. The
law of the gate is judged from these notes alone.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import TypeAlias

import httpx2

from mcp_server.clock import LoopClock

REPO = "owner/tool"
URL = f"https://github.com/{REPO}/pull/7"
WORKFLOW = ".github/workflows/ci.yml"
JOBS = ("ci", "lint")
CI_YML = "name: CI\non:\n  push:\n    branches: [main]\n  pull_request:\njobs: {}\n"
App: TypeAlias = Mapping[str, object]
APP: App = {"id": 15368, "slug": "github-actions"}
OTHER_APP: App = {"id": 77, "slug": "other"}
APART = 30.0


@dataclass
class Word:
    """One check run; a job that is asked for again has another in its place."""

    id: int
    name: str
    conclusion: str | None = None
    app: App = field(default_factory=lambda: APP)

    @property
    def green(self) -> bool:
        """Whether it ended well."""
        return self.conclusion == "success"


@dataclass
class Commit:
    """What stands at one commit; a name that has not registered is not among `words`."""

    sha: str
    words: dict[str, Word] = field(default_factory=dict[str, Word])
    statuses: dict[str, str] = field(default_factory=dict[str, str])
    approval: bool = False

    @property
    def green(self) -> bool:
        """Whether everything that belongs to it is there, has ended, and is well."""
        words = [self.words.get(name) for name in JOBS]
        settled = all(word is not None and word.green for word in words)
        rest = all(word.green for word in self.words.values())
        return settled and rest and not self.approval and set(self.statuses.values()) <= {"success"}


@dataclass(frozen=True)
class Note:
    """What was true at one moment: in which look of ours, of which head."""

    look: int
    at: float
    sha: str
    green: bool


@dataclass
class FakeGitHub(httpx2.AsyncBaseTransport):
    """Answers for GitHub, and for a Jules with the one session that opened the pull request.

    `script` holds what happens, and how many requests after the thing before. `candid` is a GitHub
    whose `mergeable_state` tells of red checks, as the real one does. `instead` has answers by path
    below the repository.
    """

    clock: LoopClock
    title: str
    script: list[tuple[int, str]]
    candid: bool = False
    fine_grained: bool = False
    commits: list[Commit] = field(default_factory=list[Commit])
    base: Commit = field(default_factory=lambda: Commit(f"{99:040x}"))
    base_known: bool = False
    behind: bool = False
    draft: bool = False
    lost: str = ""
    instead: dict[str, tuple[int, object]] = field(default_factory=dict[str, tuple[int, object]])
    base_moved_answers: int = 0
    lose_answer: bool = False
    merged: str | None = None
    asked: list[str] = field(default_factory=list[str])
    notes: list[Note] = field(default_factory=list[Note])
    looks: int = 0
    serial: int = 100

    def __post_init__(self) -> None:
        """Begin with a head that nothing has registered on, and a base that is all green."""
        self.push()
        self.settle(self.base)

    @property
    def head(self) -> Commit:
        """The commit that the pull request stands at."""
        return self.commits[-1]

    # What may happen.

    def push(self) -> None:
        """Put a new commit on the branch."""
        self.commits.append(Commit(f"{len(self.commits) + 1:040x}"))

    def push_base(self) -> None:
        """Put a new commit on the base; once we know its checks, the new ones have not begun.

        What a branch runs of which nobody ever saw a finished commit, nobody can know.
        """
        self.base, self.behind = Commit(f"{self._next():040x}"), True
        if not self.base_known:
            self.settle(self.base)

    def update(self) -> None:
        """Merge the base into the branch, as `update-branch` does."""
        if self.behind:
            self.push()
            self.behind = False

    def say(self, name: str, conclusion: str | None, app: App = APP) -> None:
        """Let a check of the head register, or end, or begin again (without a conclusion)."""
        self.head.words[name] = Word(self._next(), name, conclusion, app)

    def settle(self, commit: Commit) -> None:
        """Let everything at a commit end well."""
        for name in {*JOBS, *commit.words}:
            app = commit.words[name].app if name in commit.words else APP
            commit.words[name] = Word(self._next(), name, "success", app)
        commit.statuses = dict.fromkeys(commit.statuses, "success")
        commit.approval = False

    def mend(self) -> None:
        """Leave everything fair and green."""
        self.update()
        self.draft, self.lost, self.script = False, "", []
        self.settle(self.head)
        self.settle(self.base)

    # The wire.

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request, after what was to happen before it."""
        path = request.url.path
        if request.url.host != "api.github.com":
            return self._reply(request, 200, {"sessions": [self._session()]})
        self._note()
        await self._let_happen()
        self.asked.append(f"{request.method} {path}")
        if path == f"/repos/{REPO}/pulls/7" and request.method == "GET":
            self.looks += 1
        self._note()
        status, body = self._answer(request, path.removeprefix(f"/repos/{REPO}"))
        return self._reply(request, status, body)

    async def _let_happen(self) -> None:
        while self.script:
            wait, event = self.script[0]
            if wait > 0:
                self.script[0] = (wait - 1, event)
                return
            self.script.pop(0)
            if event == "slow":
                await self.clock.sleep_until(self.clock.now() + timedelta(seconds=25))
            EVENTS[event](self)

    def _note(self) -> None:
        if self.merged is None:
            moment, green = self.clock.elapsed(), self.head.green
            self.notes.append(Note(self.looks, moment, self.head.sha, green))

    def _reply(self, request: httpx2.Request, status: int, body: object) -> httpx2.Response:
        headers = {"date": format_datetime(self.clock.now(), usegmt=True)}
        if status == 204:
            return httpx2.Response(204, headers=headers, request=request)
        return httpx2.Response(status, json=body, headers=headers, request=request)

    def _answer(self, request: httpx2.Request, path: str) -> tuple[int, object]:
        if request.method == "PUT":
            return self._merge(request)
        if self.lost == "all" or (self.lost and self.lost in path):
            return 403, {"message": "Resource not accessible by personal access token"}
        if path in self.instead:
            return self.instead[path]
        if self.lost == "down":
            return 502, {"message": "Server Error"}
        if self.fine_grained and path.startswith("/commits/") and "/check-" in path:
            return 403, {"message": "Resource not accessible by personal access token"}
        found = self._read(path, dict(request.url.params))
        return (404, {"message": "Not Found"}) if found is None else found

    def _read(self, path: str, query: dict[str, str]) -> tuple[int, object] | None:
        if path.startswith("/commits/"):
            _, _, ref, what = path.split("/")
            self.base_known |= ref == self.base.sha and what == "check-runs"
            return 200, self._of_commit(self._commit(ref), what)
        if path.startswith("/actions/runs/"):
            return 200, self._jobs(self._by_run(int(path.split("/")[3])))
        fixed: dict[str, Callable[[], tuple[int, object]]] = {
            "": lambda: (200, {"allow_squash_merge": True}),
            "/pulls/7": lambda: (200, self._pull()),
            "/pulls/7/files": lambda: (200, [{"filename": "a.py", "status": "modified"}]),
            "/pulls/7/merge": lambda: (204 if self.merged else 404, {"message": "Not Found"}),
            "/actions/runs": lambda: (200, self._runs(self._commit(query["head_sha"]))),
            "/actions/workflows": lambda: (200, WORKFLOWS),
            f"/contents/{WORKFLOW}": lambda: (200, CONTENT),
            "/rules/branches/main": lambda: (403, {"message": "Upgrade to GitHub Pro"}),
            "/branches/main/protection": lambda: (403, {"message": "Upgrade to GitHub Pro"}),
        }
        return fixed[path]() if path in fixed else None

    def _commit(self, ref: str) -> Commit:
        everything = [self.base, *self.commits]
        return next((one for one in everything if one.sha == ref), self.base)

    def _by_run(self, run_id: int) -> Commit:
        return self._commit(f"{run_id:040x}")

    def _pull(self) -> dict[str, object]:
        side = {"repo": {"full_name": REPO}}
        word = "draft" if self.draft else "behind" if self.behind else "clean"
        if word == "clean" and self.candid and not self._quiet():
            word = "unstable"
        return {
            "number": 7,
            "html_url": URL,
            "state": "closed" if self.merged else "open",
            "merged": self.merged is not None,
            "merge_commit_sha": self.merged,
            "draft": self.draft,
            "base": {**side, "ref": "main", "sha": self.base.sha},
            "head": {**side, "ref": "work", "sha": self.head.sha},
            "mergeable": True,
            "mergeable_state": word,
            "created_at": "2026-11-23T09:00:00Z",
            "updated_at": "2026-11-23T09:00:00Z",
        }

    def _quiet(self) -> bool:
        """Whether nothing that has registered is red or unfinished: all that GitHub looks at."""
        words, statuses = self.head.words.values(), self.head.statuses.values()
        return all(word.green for word in words) and set(statuses) <= {"success"}

    def _of_commit(self, commit: Commit, what: str) -> dict[str, object]:
        if what == "status":
            rows = [{"context": name, "state": say} for name, say in commit.statuses.items()]
            return {"sha": commit.sha, "total_count": len(rows), "statuses": rows}
        if what == "check-suites":
            return {"total_count": 0, "check_suites": []}
        runs = [
            {
                "id": word.id,
                "name": word.name,
                "head_sha": commit.sha,
                "status": "completed" if word.conclusion else "queued",
                "conclusion": word.conclusion,
                "app": word.app,
                "check_suite": {"id": 9 if word.app is APP else 8},
            }
            for word in commit.words.values()
        ]
        return {"total_count": len(runs), "check_runs": runs}

    def _runs(self, commit: Commit) -> dict[str, object]:
        words = [word for word in commit.words.values() if word.app is APP]
        if not words and not commit.approval:
            return {"total_count": 0, "workflow_runs": []}
        ended = len(words) == len(JOBS) and all(word.conclusion for word in words)
        conclusion = "success" if all(word.green for word in words) else "failure"
        run = {
            "id": int(commit.sha, 16),
            "check_suite_id": 9,
            "name": "CI",
            "path": WORKFLOW,
            "event": "pull_request",
            "status": "completed" if ended or commit.approval else "in_progress",
            "conclusion": "action_required" if commit.approval else conclusion if ended else None,
            "created_at": "2026-11-23T09:00:00Z",
        }
        return {"total_count": 1, "workflow_runs": [run]}

    def _jobs(self, commit: Commit) -> dict[str, object]:
        jobs = [
            {
                "id": word.id,
                "name": word.name,
                "status": "completed" if word.conclusion else "queued",
                "conclusion": word.conclusion,
            }
            for word in commit.words.values()
            if word.app is APP
        ]
        return {"total_count": len(jobs), "jobs": jobs}

    def _merge(self, request: httpx2.Request) -> tuple[int, object]:
        if f'"{self.head.sha}"'.encode() not in request.content:
            return 409, {"message": "Head branch was modified. Review and try the merge again."}
        if self.draft or self.merged:
            return 405, {"message": "Pull Request is not mergeable"}
        if self.base_moved_answers:
            self.base_moved_answers -= 1
            return 405, {"message": "Base branch was modified. Review and try the merge again."}
        self.merged = self.head.sha
        if self.lose_answer:
            return 502, {"message": "Server Error"}
        return 200, {"sha": "f" * 40, "merged": True, "message": "merged"}

    def _session(self) -> dict[str, object]:
        pull = {"url": URL, "baseRef": "main", "headRef": "work"}
        source = {"source": f"sources/github/{REPO}"}
        return {
            "name": "sessions/1",
            "id": "1",
            "title": self.title,
            "state": "COMPLETED",
            "createTime": "2026-11-23T09:00:00Z",
            "updateTime": "2026-11-23T09:00:00Z",
            "outputs": [{"pullRequest": pull}],
            "sourceContext": {**source, "githubRepoContext": {"startingBranch": "main"}},
        }

    def _next(self) -> int:
        self.serial += 1
        return self.serial


WORKFLOWS = {"total_count": 1, "workflows": [{"id": 1, "path": WORKFLOW, "state": "active"}]}
CONTENT = {"content": base64.b64encode(CI_YML.encode()).decode(), "encoding": "base64"}


def _set(name: str, value: object) -> Callable[[FakeGitHub], None]:
    return lambda github: setattr(github, name, value)


EVENTS: dict[str, Callable[[FakeGitHub], None]] = {
    "push": FakeGitHub.push,
    "base moves": FakeGitHub.push_base,
    "branch is updated": FakeGitHub.update,
    "all green": lambda github: github.settle(github.head),
    **{
        f"{name} {word or 'starts'}": lambda github, name=name, word=word: github.say(name, word)
        for name in JOBS
        for word in (None, "success", "failure", "skipped", "cancelled")
    },
    "late check starts": lambda github: github.say("late", None, OTHER_APP),
    "late check fails": lambda github: github.say("late", "failure", OTHER_APP),
    "late check succeeds": lambda github: github.say("late", "success", OTHER_APP),
    "status pending": lambda github: github.head.statuses.update(cov="pending"),
    "status fails": lambda github: github.head.statuses.update(cov="failure"),
    "status succeeds": lambda github: github.head.statuses.update(cov="success"),
    "approval needed": lambda github: setattr(github.head, "approval", True),
    "draft": _set("draft", True),
    "ready": _set("draft", False),
    "no right at all": _set("lost", "all"),
    "no right to checks": _set("lost", "/check-"),
    "no right to statuses": _set("lost", "/status"),
    "no right to actions": _set("lost", "/actions/"),
    "service down": _set("lost", "down"),
    "rights again": _set("lost", ""),
    "base moved, says the merge": _set("base_moved_answers", 1),
    "the merge's answer is lost": _set("lose_answer", True),
    "slow": lambda _: None,
}


def broken(github: FakeGitHub) -> str | None:
    """Judge a merge by the notes: two looks at that head, 30 s apart, green and none red between.

    A look is green if there was a moment in it at which all was green; what was true is asked, not
    what we were told.
    """
    if github.merged is None:
        return None
    looks = _looks(github.notes, github.merged)
    ends = [moments[-1] for moments in looks if moments]
    last, first = (ends[-1] if ends else None), None
    for moments in reversed(looks):
        if not moments:
            break
        first = moments[0]
    if last is None or first is None:
        return f"{github.merged} was merged, and was not green when last looked at"
    if last - first < APART:
        return f"{github.merged} was merged, and had been green for {last - first} s"
    return None


def _looks(notes: Sequence[Note], sha: str) -> list[list[float]]:
    """Return, look by look at this head, the moments at which it was green."""
    looks: dict[int, list[float]] = {}
    for note in notes:
        if note.sha == sha:
            looks.setdefault(note.look, [])
            looks[note.look] += [note.at] if note.green else []
    return [moments for look, moments in sorted(looks.items()) if look > 0]

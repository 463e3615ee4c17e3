"""Requests that must never leave, each by what is wrong with it; and how a test sends one.

Whoever adds a row to the policy adds here what stands nearest to it and is refused.
"""

import json
from dataclasses import dataclass, field

import httpx2

from mcp_server.clients import github
from mcp_server.guard.request import Prepared
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import (
    GITHUB,
    JULES,
    LOG,
    LOG_PATH,
    REPORT,
    SHA,
    SITE,
    ManualClock,
    Network,
    OpenDoor,
    guard,
    start,
    title,
)

REPO = "/repos/owner/tool"


@dataclass(frozen=True)
class Case:
    """One request; `body` is sent as it stands when bytes, as plain JSON otherwise."""

    method: str
    url: str
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def send(self, network: Network, tickets: OpenDoor) -> None:
        """Send it through the guard, with a ticket that would fit anything."""

        async def go() -> None:
            async with httpx2.AsyncClient(
                transport=guard(network, tickets, ManualClock())
            ) as client:
                await client.request(
                    self.method,
                    self.url,
                    content=self.body if isinstance(self.body, bytes) else plain(self.body),
                    headers=self.headers,
                    extensions={"ticket": "t1"},
                )

        run_virtual(go())


def plain(data: object) -> bytes:
    """Return JSON written as `bodies.encode` writes it: what is refused is then what it says."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def whole(prepared: Prepared) -> dict[str, object]:
    """Return the body of a mutation as the client builds it."""
    return json.loads(prepared.content or b"{}")


CREATE = whole(github.create_repository("new-tool", "a new tool"))
TREE = whole(github.create_tree("owner/tool", SHA, [("a.py", "x = 1\n")]))
SESSION = whole(start())
MERGE = f"{GITHUB}{REPO}/pulls/7/merge"
WORDS = {"merge_method": "squash", "commit_title": "fix: x", "commit_message": "Tested"}
MAIN = f"{GITHUB}{REPO}/git/refs/heads/main"
NEW = f"{GITHUB}/user/repos"


def tree(**entry: str) -> dict[str, object]:
    """Return a tree of one entry, a plain file but for what `entry` says."""
    plain = {"path": "a.py", "mode": "100644", "type": "blob", "content": "x = 1\n"}
    return {"base_tree": SHA, "tree": [{**plain, **entry}]}


REFUSED: dict[str, Case] = {
    "visibility by PATCH": Case("PATCH", f"{GITHUB}{REPO}", {"private": False}),
    "visibility by word": Case("PATCH", f"{GITHUB}{REPO}", {"visibility": "public"}),
    "visibility beside a description": Case(
        "PATCH", f"{GITHUB}{REPO}", {"description": "x", "private": False}
    ),
    "a homepage": Case("PATCH", f"{GITHUB}{REPO}", {"homepage": "https://x.example"}),
    "an issue that is no report": Case(
        "POST", f"{GITHUB}{REPO}/issues", {"title": "x", "body": "y"}
    ),
    "an issue closed": Case(
        "PATCH", f"{GITHUB}{REPO}/issues/7", {"title": "x", "body": REPORT, "state": "closed"}
    ),
    "an issue locked": Case("PUT", f"{GITHUB}{REPO}/issues/7/lock", {}),
    "a workflow enabled": Case("PUT", f"{GITHUB}{REPO}/actions/workflows/7/enable"),
    "a workflow disabled by its name": Case(
        "PUT", f"{GITHUB}{REPO}/actions/workflows/ci.yml/disable"
    ),
    "rename": Case("PATCH", f"{GITHUB}{REPO}", {"name": "other"}),
    "archive a repository": Case("PATCH", f"{GITHUB}{REPO}", {"archived": True}),
    "delete a repository": Case("DELETE", f"{GITHUB}{REPO}"),
    "delete a branch": Case("DELETE", MAIN),
    "delete a session": Case("DELETE", f"{JULES}/sessions/s1"),
    "delete a file": Case("DELETE", f"{GITHUB}{REPO}/contents/a.py", {"sha": SHA}),
    "write a file": Case("PUT", f"{GITHUB}{REPO}/contents/a.py", {"content": "eA=="}),
    "transfer": Case("POST", f"{GITHUB}{REPO}/transfer", {"new_owner": "else"}),
    "fork": Case("POST", f"{GITHUB}{REPO}/forks", {}),
    "create from a template": Case("POST", f"{GITHUB}{REPO}/generate", {"name": "x"}),
    "create in an organisation for all": Case(
        "POST", f"{GITHUB}/orgs/acme/repos", {**CREATE, "visibility": "internal"}
    ),
    "an App's installations": Case("GET", f"{GITHUB}/app/installations"),
    "a token of an App": Case("POST", f"{GITHUB}/app/installations/7/access_tokens"),
    "create a branch": Case("POST", f"{GITHUB}{REPO}/git/refs", {"ref": "refs/heads/x"}),
    "force a branch": Case("PATCH", MAIN, {"sha": SHA, "force": True}),
    "force by word": Case("PATCH", MAIN, {"sha": SHA, "force": "false"}),
    "move a tag": Case("PATCH", f"{GITHUB}{REPO}/git/refs/tags/v1", {"sha": SHA}),
    "move a branch nowhere": Case("PATCH", MAIN, {"sha": "main", "force": False}),
    "merge without sha": Case("PUT", MERGE, WORDS),
    "merge with a short sha": Case("PUT", MERGE, {**WORDS, "sha": "abc1234"}),
    "merge with no sha": Case("PUT", MERGE, {**WORDS, "sha": None}),
    "merge in no known way": Case("PUT", MERGE, {**WORDS, "sha": SHA, "merge_method": "x"}),
    "merge without words": Case("PUT", MERGE, {"sha": SHA, "merge_method": "squash"}),
    "merge in any words": Case("PUT", MERGE, {**WORDS, "sha": SHA, "commit_title": "Mine"}),
    "merge a branch": Case("POST", f"{GITHUB}{REPO}/merges", {"base": "main", "head": "x"}),
    "auto-merge": Case("PUT", f"{GITHUB}{REPO}/pulls/7/auto-merge", {"sha": SHA}),
    "update branch blindly": Case("PUT", f"{GITHUB}{REPO}/pulls/7/update-branch", {}),
    "private as text": Case("POST", NEW, {**CREATE, "private": "true"}),
    "private false": Case("POST", NEW, {**CREATE, "private": False}),
    "private null": Case("POST", NEW, {**CREATE, "private": None}),
    "private twice": Case("POST", NEW, plain(CREATE)[:-1] + b',"private":true}'),
    "private undone": Case("POST", NEW, b'{"private":false,' + plain(CREATE)[1:]),
    "private as one": Case("POST", NEW, {**CREATE, "private": 1}),
    "private as a fraction": Case("POST", NEW, {**CREATE, "private": 1.0}),
    "private unsaid": Case("POST", NEW, {"name": "new-tool", "description": "x"}),
    "auto-merge as nought": Case("POST", NEW, {**CREATE, "allow_auto_merge": 0}),
    "auto-merge unsaid": Case(
        "POST", NEW, plain(CREATE).replace(b',"allow_auto_merge":false', b"")
    ),
    "force as nought": Case("PATCH", MAIN, {"sha": SHA, "force": 0}),
    "force as a fraction": Case("PATCH", MAIN, {"sha": SHA, "force": 0.0}),
    "force unsaid": Case("PATCH", MAIN, {"sha": SHA}),
    "a merge of no method": Case("PUT", MERGE, {"sha": SHA}),
    "a body nested deep": Case("POST", NEW, b"[" * 100_000),
    "a body in UTF-16": Case("POST", NEW, json.dumps(CREATE).encode("utf-16")),
    "approval without a body": Case("POST", f"{JULES}/sessions/s1:approvePlan"),
    "visibility beside private": Case("POST", NEW, {**CREATE, "visibility": "public"}),
    "auto-merge allowed": Case("POST", NEW, {**CREATE, "allow_auto_merge": True}),
    "deleting on merge": Case("POST", NEW, {**CREATE, "delete_branch_on_merge": True}),
    "a name with a path": Case("POST", NEW, {**CREATE, "name": "../x"}),
    "a body that is no JSON": Case("POST", NEW, b"private=true"),
    "a body that is a list": Case("POST", NEW, [CREATE]),
    "an empty body": Case("POST", NEW),
    "a body too long": Case("POST", f"{JULES}/sessions", {**SESSION, "prompt": "x" * 1_000_001}),
    "a session without marker": Case("POST", f"{JULES}/sessions", {**SESSION, "title": "x"}),
    "a marker in the middle": Case(
        "POST", f"{JULES}/sessions", {**SESSION, "title": f"x {title()}"}
    ),
    "a session without title": Case(
        "POST", f"{JULES}/sessions", {"prompt": "do it", "automationMode": "AUTO_CREATE_PR"}
    ),
    "a session field too many": Case("POST", f"{JULES}/sessions", {**SESSION, "state": "QUEUED"}),
    "a source elsewhere": Case(
        "POST",
        f"{JULES}/sessions",
        {**SESSION, "sourceContext": {"source": "sources/gitlab/a/b", "githubRepoContext": {}}},
    ),
    "a source of dots": Case(
        "POST",
        f"{JULES}/sessions",
        {
            **SESSION,
            "sourceContext": {
                "source": "sources/github/owner/..",
                "githubRepoContext": {"startingBranch": "main"},
            },
        },
    ),
    "an empty message": Case("POST", f"{JULES}/sessions/s1:sendMessage", {"prompt": ""}),
    "approval with a body": Case("POST", f"{JULES}/sessions/s1:approvePlan", {"force": True}),
    "unknown verb": Case("POST", f"{JULES}/sessions/s1:delete", {}),
    "pause": Case("POST", f"{JULES}/sessions/s1:pause", {}),
    "patch a session": Case("PATCH", f"{JULES}/sessions/s1", {"title": "x"}),
    "override by header": Case(
        "POST", f"{JULES}/sessions", SESSION, {"X-HTTP-Method-Override": "DELETE"}
    ),
    "override of a read": Case("GET", f"{GITHUB}{REPO}", b"", {"x-http-method-override": "DELETE"}),
    "override, short": Case("GET", f"{GITHUB}{REPO}", b"", {"X-HTTP-Method": "DELETE"}),
    "override, other": Case("GET", f"{GITHUB}{REPO}", b"", {"X-Method-Override": "DELETE"}),
    "override by query": Case("GET", f"{JULES}/sessions/s1?$httpMethod=DELETE"),
    "override by encoded query": Case("GET", f"{JULES}/sessions/s1?%24httpMethod=DELETE"),
    "override by bare query": Case("GET", f"{JULES}/sessions/s1?$httpMethod"),
    "query on a mutation": Case("POST", f"{JULES}/sessions?pageSize=1", SESSION),
    "key in the query": Case("GET", f"{JULES}/sessions?key=abc"),
    "a read with a body": Case("GET", f"{JULES}/sessions", b"{}"),
    "HEAD": Case("HEAD", f"{GITHUB}{REPO}"),
    "OPTIONS": Case("OPTIONS", f"{GITHUB}{REPO}"),
    "dot segments encoded": Case("GET", f"{GITHUB}{REPO}/git/trees/%2e%2e/%2e%2e/x"),
    "encoded slash": Case("GET", f"{GITHUB}/repos/owner%2Ftool"),
    "encoded letter": Case("POST", f"{JULES}/session%73", SESSION),
    "double slash": Case("GET", f"{GITHUB}//repos/owner/tool"),
    "double slash inside": Case("GET", f"{GITHUB}/repos/owner//tool"),
    "trailing slash": Case("POST", f"{JULES}/sessions/", SESSION),
    "trailing slash of a branch": Case("PATCH", f"{MAIN}/", {"sha": SHA, "force": False}),
    "said to be a form": Case(
        "POST",
        f"{JULES}/sessions/s1:sendMessage",
        {"prompt": "&_method=DELETE&"},
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    "said to be UTF-16": Case(
        "POST", NEW, CREATE, {"content-type": "application/json; charset=utf-16"}
    ),
    "said to be packed": Case("POST", NEW, CREATE, {"content-encoding": "gzip"}),
    "a field mask": Case("GET", f"{JULES}/sessions?fields=sessions"),
    "a source of another host": Case("GET", f"{JULES}/sources/gitlab/owner/tool"),
    "a source with more behind it": Case("GET", f"{JULES}/sources/github/owner/tool/x"),
    "another version": Case("GET", "https://jules.googleapis.com/v1/sessions"),
    "above the base": Case("GET", f"{JULES}/../v1/sessions"),
    "GraphQL": Case("POST", f"{GITHUB}/graphql", {"query": "mutation { x }"}),
    "GraphQL by GET": Case("GET", f"{GITHUB}/graphql?query=x"),
    "workflow dispatch": Case(
        "POST", f"{GITHUB}{REPO}/actions/workflows/1/dispatches", {"ref": "main"}
    ),
    "repository dispatch": Case("POST", f"{GITHUB}{REPO}/dispatches", {"event_type": "x"}),
    "hooks": Case("POST", f"{GITHUB}{REPO}/hooks", {"config": {"url": "https://x.example"}}),
    "deploy keys": Case("POST", f"{GITHUB}{REPO}/keys", {"key": "ssh-ed25519 x"}),
    "secrets": Case("PUT", f"{GITHUB}{REPO}/actions/secrets/X", {"encrypted_value": "x"}),
    "secrets read": Case("GET", f"{GITHUB}{REPO}/actions/secrets"),
    "collaborators": Case("PUT", f"{GITHUB}{REPO}/collaborators/else", {}),
    "releases": Case("POST", f"{GITHUB}{REPO}/releases", {"tag_name": "v1"}),
    "protection": Case("DELETE", f"{GITHUB}{REPO}/branches/main/protection"),
    "pages": Case("POST", f"{GITHUB}{REPO}/pages", {"source": {"branch": "main"}}),
    "gists": Case("POST", f"{GITHUB}/gists", {"public": True, "files": {}}),
    "symlink": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(mode="120000")),
    "submodule": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(mode="160000", type="commit")),
    "path up": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="../a")),
    "path up inside": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="a/../../b")),
    "path absolute": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="/etc/passwd")),
    "path into .git": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path=".git/config")),
    "path into .GIT": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="a/.GIT/hooks/x")),
    "path into .git.": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path=".git. /config")),
    "a tree entry by sha": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(sha=SHA)),
    "a tree on nothing": Case("POST", f"{GITHUB}{REPO}/git/trees", {"tree": TREE["tree"]}),
    "an empty tree": Case("POST", f"{GITHUB}{REPO}/git/trees", {"base_tree": SHA, "tree": []}),
    "a commit without parent": Case(
        "POST", f"{GITHUB}{REPO}/git/commits", {"message": "x", "tree": SHA, "parents": []}
    ),
    "a merge commit": Case(
        "POST", f"{GITHUB}{REPO}/git/commits", {"message": "x", "tree": SHA, "parents": [SHA, SHA]}
    ),
    "another host": Case("GET", "https://example.com/sessions"),
    "a host that ends like ours": Case("GET", "https://evil-api.github.com/user"),
    "a host that begins like ours": Case("GET", "https://api.github.com.evil.example/user"),
    "a host with a dot behind": Case("GET", "https://api.github.com./user"),
    "an address": Case("GET", "http://169.254.169.254/latest/meta-data"),
    "another port": Case("GET", "https://api.github.com:8443/user"),
    "userinfo": Case("GET", "https://me:pw@api.github.com/user"),
    "http": Case("GET", "http://api.github.com/user"),
    "a post to a log": Case("POST", f"{LOG}{LOG_PATH}", {}),
    "something else beside the logs": Case("GET", f"{LOG}/actions-results/x"),
    "another's storage": Case("GET", f"https://productionresults.blob.core.windows.net{LOG_PATH}"),
    "storage that ends like GitHub's": Case(
        "GET", f"https://x-productionresultssa7.blob.core.windows.net{LOG_PATH}"
    ),
    "a log without encryption": Case("GET", LOG.replace("https", "http") + LOG_PATH),
    "a post to a site": Case("POST", f"{SITE}/api/v1/search", {}),
}

"""What the GitHub tokens may do, and what each thing costs that one of them may not (pure)."""

from collections.abc import Collection, Iterator, Mapping

from mcp_server.clients.github_tokens import DELETES
from mcp_server.identity import Identity, faults
from mcp_server.models import Finding
from mcp_server.models.doctor import Level

WORK, MAKER = "GITHUB_TOKEN", "GITHUB_CREATE_TOKEN"
# What a classic token cannot do without a scope (facts/github.md 1.8, 2026-11-22): all of it, then
# what is left where another token makes the repositories, and what is left to that one.
_NO_REPO = "nothing private can be read or changed"
_NO_FIRST = "no new repository gets its first commit, which holds a workflow"
_NO_CI = "no repository is offered CI, and no schedule's end is proposed"
_SCOPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "": (("repo", _NO_REPO), ("workflow", f"{_NO_FIRST}; {_NO_CI}")),
    WORK: (("repo", _NO_REPO), ("workflow", _NO_CI)),
    MAKER: (("repo", "no repository is made"), ("workflow", _NO_FIRST)),
}


def judge(identity: Identity) -> Iterator[Finding]:
    """Say what the tokens lack, what they should not have, and what forbids to use them."""
    for fault in faults(identity):
        yield _finding("error", fault, "github.com/settings/tokens shows them")
    if identity.maker is None:
        yield from judge_token(identity.work.scopes)
        return
    yield from judge_token(identity.work.scopes, WORK)
    yield from judge_token(identity.maker.scopes, MAKER)


def judge_token(scopes: Collection[str] | None, name: str = "") -> Iterator[Finding]:
    """Say what a token lacks and what it needs not have; scopes None: it is no classic one.

    `name` says which of two it is, `WORK` or `MAKER`; empty: it is the only one.
    """
    who, needed = name or "the token", dict(_SCOPES[name])
    if scopes is None:
        yield _finding("note", f"{who} is {_FINE_GRAINED}", _FINE_GRAINED_NEEDS[name])
        return
    for scope, cost in needed.items():
        if scope not in scopes:
            level = "error" if scope == "repo" else "warning"
            yield _finding(level, f"{who} has no {scope}: {cost}", f"add {scope} to it")
    extra = sorted(set(scopes) - needed.keys() - {DELETES})
    if set(scopes) == set(needed):
        yield _finding("ok", f"{who}: a classic one with {', '.join(sorted(scopes))}")
    if extra:
        said = f"{who} may do more than is ever needed: {', '.join(extra)}"
        yield _finding("note", said, "make one with repo and workflow only")


_FINE_GRAINED = (
    "a fine-grained or an app's token: GitHub does not tell what it may do. Where it cannot read "
    "check runs, Actions' jobs and commit statuses are judged instead"
)
_WORK_NEEDS = "Metadata, Actions and Commit statuses to read, Contents, Pull requests and Issues"
_FINE_GRAINED_NEEDS: Mapping[str, str] = {
    "": f"it needs {_WORK_NEEDS} and Workflows to write, Administration to make repositories, and "
    "all repositories in its reach; a classic one needs repo and workflow",
    WORK: f"it needs {_WORK_NEEDS} to write, and all repositories in its reach",
    MAKER: "it needs Metadata to read, Contents, Workflows and Administration to write, and all "
    "repositories in its reach",
}


def _finding(level: Level, text: str, fix: str | None = None) -> Finding:
    return Finding(check="github", level=level, text=text, fix=fix)

"""What the GitHub tokens may do, and what each thing costs that one of them may not (pure)."""

from collections.abc import Collection, Iterator, Mapping
from typing import Literal

from mcp_server.clients.github_tokens import DELETES, TokenOwner
from mcp_server.errors import SettingsError
from mcp_server.guard.installation import Installed
from mcp_server.identity import Identity, faults
from mcp_server.models import Finding
from mcp_server.models.doctor import Level

Permission = tuple[str, Literal["read", "write"]]
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
# What anything but a classic token cannot do without a permission ("Permissions required for
# fine-grained personal access tokens" and "... for GitHub Apps", docs.github.com, 2026-11).
COSTS: Mapping[Permission, str] = {
    ("metadata", "read"): "no repository is seen at all",
    ("contents", "read"): "no file is read: nothing is known of a repository's health",
    ("contents", "write"): "no patch becomes a branch, and nothing is merged",
    ("pull_requests", "read"): "no pull request is seen: nothing is merged",
    ("pull_requests", "write"): "none is opened, or brought up to its base",
    ("issues", "read"): "no comment and no report of ours is found again",
    ("issues", "write"): "no pull request is commented on, and no report is written",
    ("actions", "read"): "no run is seen that waits for a person: nothing is ever green",
    ("actions", "write"): "no schedule that competes is switched off",
    ("statuses", "read"): "commit statuses are not seen: nothing is ever green",
    ("checks", "read"): "what other apps than Actions check is not seen: where that is expected, "
    "a person merges",
    ("workflows", "write"): _NO_CI,
    ("administration", "write"): "descriptions and topics stay as they are",
}
# And those of it that make a repository.
_MAKING: Mapping[Permission, str] = {
    ("workflows", "write"): _NO_FIRST,
    ("administration", "write"): "no repository is made",
}
# Without these there is nothing that could be done.
_VITAL = frozenset({("metadata", "read"), ("contents", "read"), ("pull_requests", "read")})
_ENOUGH = {"read": ("read", "write", "admin"), "write": ("write", "admin")}
_APPS = "github.com/settings/apps"


def judge(identity: Identity, owner: str | None) -> Iterator[Finding]:
    """Say what the tokens lack, what they should not have, and what forbids to use them."""
    for fault in faults(identity, owner):
        yield _finding("error", fault, "github.com/settings/tokens shows them")
    work, maker = identity.work, identity.maker
    if isinstance(work, Installed):
        yield from judge_app(work, alone=maker is None)
        yield from _makes(identity)
    else:
        yield from judge_token(work.scopes, WORK if maker else "")
    if maker is not None:
        yield from judge_token(maker.scopes, MAKER)
        yield from _elsewhere(identity, maker)


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


def judge_reads(repo: str, refused: Mapping[str, str], name: str = "") -> Iterator[Finding]:
    """Say what a token may not read, by what GitHub refused of `repo` and what it asks for.

    Check runs no fine-grained token reads: that is no fault of this one.
    """
    who = name or "the token"
    for permission, asked in refused.items():
        read: Permission = (permission, "read")
        text = f"{who} may not read {permission} (of {repo}): {COSTS[read]}"
        fix = f"give it what GitHub asks for: {asked}"
        if permission == "checks":
            yield _finding("note", text, "only a classic token or a GitHub App reads them")
        else:
            yield _finding("error" if read in _VITAL else "warning", text, fix)
    if not refused.keys() - {"checks"}:
        text = f"{who} reads all that is needed of {repo}"
        yield _finding("ok", f"{text}; what it may write shows when it is tried")


def judge_app(app: Installed, *, alone: bool) -> Iterator[Finding]:
    """Say what an App's installation lacks; `alone` means that it makes the repositories too."""
    who, lacks = f"the GitHub App {app.app_slug}, installed for {app.login},", 0
    for permission, cost in COSTS.items():
        name, level = permission
        if app.permissions.get(name) not in _ENOUGH[level]:
            lacks += 1
            more = f"{_MAKING[permission]}; " if alone and permission in _MAKING else ""
            text = f"{who} may not {level} {name}: {more}{cost}"
            severe = "error" if permission in _VITAL else "warning"
            yield _finding(severe, text, f"give it {name}: {level} ({_APPS}), and accept it there")
    if app.repository_selection != "all":
        text = f"{who} reaches chosen repositories only: no others are worked on"
        yield _finding("warning", text, "github.com/settings/installations: all repositories")
    elif not lacks:
        yield _finding("ok", f"{who} may do all that is needed; its tokens live an hour")


def _makes(identity: Identity) -> Iterator[Finding]:
    try:
        identity.makes_for()
    except SettingsError as error:
        yield _finding("warning", str(error), "until then no repository is made")


def _elsewhere(identity: Identity, maker: TokenOwner) -> Iterator[Finding]:
    if isinstance(identity.work, Installed) and identity.work.organization:
        text = f"{MAKER} is {maker.login}'s, and makes repositories for {identity.login}"
        yield _finding("note", text, f"{maker.login} must be a member who may make private ones")


_FINE_GRAINED = (
    "a fine-grained one: GitHub does not tell what it may do, and lets none read check runs; "
    "Actions' jobs and commit statuses are judged instead"
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

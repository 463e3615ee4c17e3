"""The tokens that open GitHub's account here, and what each may do (facts/github.md 1.8)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_server.sandbox.github_json import refuse
from mcp_server.sandbox.http import Call, Problem
from mcp_server.sandbox.repository import OWNER

GITHUB_TOKEN = "sandbox-github-token"  # noqa: S105 -- the made-up token of a made-up world
_WORKFLOW = b'".github/workflows/'
# The first row that fits tells what a request needs, by GitHub's "Permissions required for
# fine-grained personal access tokens" (2026-11); where none does, to see the repository is enough.
_NEEDED: tuple[tuple[str, re.Pattern[str], str, str], ...] = tuple(
    (method, re.compile(path), permission, level)
    for method, path, permission, level in (
        ("POST", r"/(?:user|orgs/[^/]+)/repos", "administration", "write"),
        ("GET", r"/repos/.+/branches/.+/protection", "administration", "read"),
        ("PATCH", r"/repos/[^/]+/[^/]+", "administration", "write"),
        ("PUT", r"/repos/.+/topics", "administration", "write"),
        ("GET", r".+/check-(?:runs|suites)", "checks", "read"),
        ("GET", r".+/commits/.+/status", "statuses", "read"),
        ("GET", r"/repos/.+/(?:git|contents)/.+", "contents", "read"),
        ("P[A-Z]+", r"/repos/.+/git/.+", "contents", "write"),
        ("PUT", r"/repos/.+/pulls/\d+/merge", "contents", "write"),
        ("GET", r".+/pulls(?:/.+)?", "pull_requests", "read"),
        ("P[A-Z]+", r"/repos/.+/pulls(?:/.+)?", "pull_requests", "write"),
        ("GET", r".+/issues(?:/.+)?", "issues", "read"),
        ("P[A-Z]+", r"/repos/.+/issues(?:/.+)?", "issues", "write"),
        ("GET", r"/repos/.+/actions/.+", "actions", "read"),
        ("PUT", r"/repos/.+/actions/.+", "actions", "write"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Token:
    """Whose it is and what it may do.

    `scopes` are a classic token's; None: GitHub does not tell them. `may` holds the permissions of
    any other, each with `read` or `write`; None: all that its owner may.
    """

    login: str = OWNER
    writes_as: str = OWNER
    scopes: tuple[str, ...] | None = ("repo", "workflow")
    may: Mapping[str, str] | None = None
    what: str = "personal access token"

    def check(self, call: Call) -> None:
        """Raise the refusal of what it may not do, which names the permission that is missing."""
        for permission, level in _needs(call):
            granted = None if self.may is None else self.may.get(permission, "")
            if granted is not None and granted not in (level, "write"):
                problem = refuse(403, f"Resource not accessible by {self.what}").reply
                told = {"X-Accepted-GitHub-Permissions": f"{permission}={level}"}
                raise Problem(403, problem.body, told)


def _needs(call: Call) -> list[tuple[str, str]]:
    rows = (
        (permission, level)
        for method, path, permission, level in _NEEDED
        if re.fullmatch(method, call.method) and path.fullmatch(call.path)
    )
    needed = [row for row in (next(rows, None),) if row is not None]
    if call.path.endswith("/git/trees") and _WORKFLOW in call.content:
        needed.append(("workflows", "write"))
    return needed

"""A repository's words over REST (version 2022-11-28): description, topics, comments, the report.

Nothing else about a repository can be said here: `bodies.py` has no field for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from mcp_server.clients.wire import Wire, get_json, github_write, read, rows
from mcp_server.errors import Unreadable
from mcp_server.guard import bodies
from mcp_server.guard.request import Prepared

PAGE = 100
MOST_PAGES_OF_COMMENTS = 10
# The report is changed daily: among the issues changed last it stands at the top.
MOST_PAGES_OF_ISSUES = 3

W = TypeVar("W", bound=Wire)


class _Comment(Wire):
    body: str | None = None


class _User(Wire):
    login: str = ""


class _Issue(Wire):
    number: int
    html_url: str
    title: str = ""
    body: str | None = None
    state: str
    # Null where the account is deleted.
    user: _User | None = None
    pull_request: object = None


@dataclass(frozen=True, kw_only=True)
class Issue:
    """An issue, no pull request; `state` is `open` or `closed`, `author` a login, empty: gone."""

    number: int
    url: str
    author: str
    title: str
    body: str
    state: str


class CareClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def comments(self, repo: str, number: int) -> tuple[str, ...]:
        """Return the words of every comment on an issue or pull request, oldest first.

        Raises:
            Unreadable: there are more than 1,000.
        """
        path = f"/repos/{repo}/issues/{number}/comments"
        found, complete = await self._pages(path, (), _Comment, MOST_PAGES_OF_COMMENTS)
        if not complete:
            raise Unreadable(f"{repo}#{number} has more comments than are read")
        return tuple(one.body or "" for one in found)

    async def issues(self, repo: str) -> tuple[Issue, ...]:
        """Return up to 300 issues, open and closed, the last changed first."""
        params = (("state", "all"), ("sort", "updated"))
        found, _ = await self._pages(f"/repos/{repo}/issues", params, _Issue, MOST_PAGES_OF_ISSUES)
        return tuple(
            Issue(
                number=one.number,
                url=one.html_url,
                author=one.user.login if one.user else "",
                title=one.title,
                body=one.body or "",
                state=one.state,
            )
            for one in found
            if one.pull_request is None
        )

    async def _pages(
        self, path: str, params: Sequence[tuple[str, str]], schema: type[W], most: int
    ) -> tuple[list[W], bool]:
        """Return what the first pages show, and whether that is all."""
        found: list[W] = []
        for page in range(1, most + 1):
            asked = [*params, ("per_page", str(PAGE)), ("page", str(page))]
            answer = await get_json(self._http, self._base + path, asked)
            found += [read(schema, raw) for raw in rows(answer)]
            if answer.next_url is None:
                return found, True
        return found, False


def set_description(repo: str, description: str) -> Prepared:
    """Build the change of a repository's description, and of nothing else."""
    body = bodies.SetDescription(description=description)
    return github_write("set_description", "PATCH", f"/repos/{repo}", body)


def set_topics(repo: str, topics: Sequence[str]) -> Prepared:
    """Build the replacement of a repository's topics."""
    body = bodies.SetTopics(names=list(topics))
    return github_write("set_topics", "PUT", f"/repos/{repo}/topics", body)


def comment_pull(repo: str, number: int, text: str) -> Prepared:
    """Build a comment on a pull request; GitHub files it under the issue of that number."""
    path = f"/repos/{repo}/issues/{number}/comments"
    return github_write("comment_pull", "POST", path, bodies.CommentPull(body=text))


def open_report(repo: str, title: str, text: str) -> Prepared:
    """Build the report issue; `text` begins with its marker."""
    body = bodies.Report(title=title, body=text)
    return github_write("open_report", "POST", f"/repos/{repo}/issues", body)


def update_report(repo: str, number: int, title: str, text: str) -> Prepared:
    """Build the change of the report issue's words; `text` begins with its marker."""
    body = bodies.Report(title=title, body=text)
    return github_write("update_report", "PATCH", f"/repos/{repo}/issues/{number}", body)

"""GitHub's search over REST (version 2022-11-28): repositories, and issues or pull requests.

It shows what the token may see, at most the first 1,000 hits, and says when it gave up early. Its
limit is its own: 30 requests a minute (docs.github.com/rest/search/search, 2026-11-22).
"""

import re
from dataclasses import dataclass
from typing import Literal

import httpx2

from mcp_server.clients.wire import Timestamp, Wire, get_json, read
from mcp_server.models import SearchHit

Kind = Literal["repositories", "issues"]
MOST_HITS = 1_000
# Without one of these a search for issues is refused, or gives both kinds mixed.
_SAYS_WHICH = re.compile(r"\b(?:is|type):(?:issue|pr|pull-request)\b", re.IGNORECASE)
_OF_REPO = re.compile(r"/repos/([^/]+/[^/]+)$")


class _Repository(Wire):
    full_name: str
    html_url: str
    description: str | None = None
    private: bool = True
    archived: bool = False
    stargazers_count: int = 0
    updated_at: Timestamp


class _Issue(Wire):
    repository_url: str
    number: int
    html_url: str
    title: str
    state: str
    updated_at: Timestamp


class _Repositories(Wire):
    total_count: int
    incomplete_results: bool
    items: tuple[_Repository, ...]


class _Issues(Wire):
    total_count: int
    incomplete_results: bool
    items: tuple[_Issue, ...]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """One page; `total` counts all there are, `complete` False where GitHub ran out of time."""

    hits: tuple[SearchHit, ...]
    total: int
    complete: bool


class SearchClient:
    """Asks through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def search(self, kind: Kind, query: str, *, page: int, size: int) -> Hits:
        """Return the `page`-th so many hits, from 1, the best first.

        Raises:
            Refused: GitHub cannot read the query, or the page is past the first 1,000 hits.
        """
        asked = query
        if kind == "issues" and _SAYS_WHICH.search(query) is None:
            asked = f"{query} is:issue"
        params = [("q", asked), ("per_page", str(size)), ("page", str(page))]
        data = (await get_json(self._http, f"{self._base}/search/{kind}", params)).data
        if kind == "repositories":
            found = read(_Repositories, data)
            hits = tuple(map(_repository, found.items))
        else:
            found = read(_Issues, data)
            hits = tuple(map(_issue, found.items))
        return Hits(hits=hits, total=found.total_count, complete=not found.incomplete_results)


def _repository(wire: _Repository) -> SearchHit:
    return SearchHit(
        repo=wire.full_name,
        url=wire.html_url,
        text=wire.description or "",
        state="archived" if wire.archived else "private" if wire.private else "public",
        stars=wire.stargazers_count,
        updated_at=wire.updated_at,
    )


def _issue(wire: _Issue) -> SearchHit:
    repo = _OF_REPO.search(wire.repository_url)
    return SearchHit(
        repo=repo[1] if repo else None,
        number=wire.number,
        url=wire.html_url,
        text=wire.title,
        state=wire.state,
        updated_at=wire.updated_at,
    )

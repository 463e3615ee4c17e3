"""Conditional reads: what GitHub says is unchanged (304, free of charge) is given from the cache.

A 304 is as good as an answer: it has a `Date` of its own, and vouches for the body kept with the
tag (facts/github.md 1.2). Tags are per address and token; that of the cache's owner is meant.
"""

from collections.abc import Sequence
from typing import Any

import httpx2

from mcp_server.cache import Cache, Entry
from mcp_server.clients.wire import Answer, date_of, parse
from mcp_server.json_text import json_of

KIND = "answer"
# The longest page of a list that GitHub gives.
WHOLE_PAGE = 100


class ConditionalReads:
    """Reads JSON by GET, with `If-None-Match` where an answer is kept."""

    def __init__(self, http: httpx2.AsyncClient, cache: Cache) -> None:
        """Read over `http`, keep in `cache`."""
        self._http = http
        self._cache = cache

    async def get(self, url: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        """Read `url`; raises the error that its status means.

        The answer's `date` is of this reading, whether the body is new or kept.
        """
        request = self._http.build_request("GET", url, params=list(params) or None)
        kept = self._cache.find(KIND, str(request.url))
        if kept is not None and not _may_go_on(kept):
            request.headers["if-none-match"] = kept.tag
        response = await self._http.send(request)
        if kept is not None and response.status_code == 304:
            return _answer(kept, response)
        answer = parse(response)
        if tag := response.headers.get("etag"):
            following = (answer.next_url or "").encode()
            body = following + b"\n" + response.content
            entry = Entry(tag=tag, read_at=answer.date, body=body)
            self._cache.keep(KIND, {str(request.url): entry})
        return answer


def _answer(kept: Entry, response: httpx2.Response) -> Answer:
    following, _, content = kept.body.partition(b"\n")
    return Answer(
        data=json_of(content), date=date_of(response), next_url=following.decode() or None
    )


def _may_go_on(kept: Entry) -> bool:
    """Whether more may follow by now: a last page that is full, for a tag is of the body alone.

    A new repository behind it would change nothing but the `Link` header.
    """
    following, _, content = kept.body.partition(b"\n")
    if following:
        return False
    data: Any = json_of(content)
    # Bare, or in an object beside their number: the longest list of an answer is the page.
    lists: list[Any] = [*data.values()] if isinstance(data, dict) else [data]  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    return any(isinstance(one, list) and len(one) >= WHOLE_PAGE for one in lists)  # pyright: ignore[reportUnknownArgumentType]

"""Brave Search: one request, one list. The key is the transport's, and so is the day's cap."""

import html
import re
from dataclasses import dataclass
from typing import Literal

import httpx2
from pydantic import BaseModel, ValidationError

from mcp_server.errors import SettingsError, Unavailable, Unreadable
from mcp_server.trends.signal import web_url

# Fixed: a key that costs money goes nowhere else (facts/trend-sources.md, 2026-11-22).
URL = "https://api.search.brave.com"
TOKEN_HEADER = "x-subscription-token"  # noqa: S105 -- a header's name
KIND = "search_web"
MOST_RESULTS = 20
Freshness = Literal["day", "week", "month", "year"]
_FRESHNESS = {"day": "pd", "week": "pw", "month": "pm", "year": "py"}
_MARK = re.compile(r"</?strong>", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One result; its texts are untrusted. `age` is Brave's own word, e.g. "2 days ago"."""

    title: str
    url: str
    description: str
    age: str


class BraveClient:
    """Searches the web, at a price for each query."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Search over `http`, which is guarded."""
        self._http = http

    async def search(
        self, query: str, *, count: int = MOST_RESULTS, freshness: Freshness | None = None
    ) -> tuple[Found, ...]:
        """Return results, best first, `count` at most.

        Raises:
            Refused: the day's cap is reached.
            SettingsError: Brave does not take the key.
            Unavailable: no good answer; the query counts all the same.
            Unreadable: an answer of another shape.
        """
        asked = {"q": query, "count": str(count), "text_decorations": "false"}
        if freshness is not None:
            asked["freshness"] = _FRESHNESS[freshness]
        response = await self._http.get(
            f"{URL}/res/v1/web/search", params=asked, headers={"accept": "application/json"}
        )
        return parse(response.status_code, response.content)[:count]


class _Result(BaseModel):
    title: str
    url: str
    description: str = ""
    age: str | None = None


class _Web(BaseModel):
    results: tuple[_Result, ...]


class _Answer(BaseModel):
    type: Literal["search"]
    web: _Web | None = None


def parse(status: int, body: bytes) -> tuple[Found, ...]:
    """Read an answer: every result or none; one without `web` found nothing."""
    # A missing, a wrong and a worn-out token (facts/trend-sources.md: 401 and 422).
    if status in (401, 403, 422):
        raise SettingsError(f"Brave answered {status}: check BRAVE_API_KEY and its plan")
    if status != 200:
        raise Unavailable(f"Brave answered {status}; the query counts all the same", status=status)
    try:
        answer = _Answer.model_validate_json(body)
    except ValidationError as error:
        where = ", ".join(str(item["loc"]) for item in error.errors(include_input=False)[:5])
        raise Unreadable(f"Brave's answer is not a list of results, see {where}") from None
    return tuple(_found(one) for one in (answer.web.results if answer.web else ()))


def _found(result: _Result) -> Found:
    url = web_url(result.url)
    if url is None:
        raise Unreadable("Brave gave a result without a web address")
    return Found(
        title=_plain(result.title),
        url=url,
        description=_plain(result.description),
        age=_plain(result.age or ""),
    )


def _plain(text: str) -> str:
    return " ".join(html.unescape(_MARK.sub("", text)).split())

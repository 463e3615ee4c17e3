"""Wikipedia's most read articles of a day: what everybody looks up is no idea for software."""

from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel

from mcp_server.errors import Unreadable
from mcp_server.trends.signal import (
    Answer,
    Fetch,
    Reading,
    SourceFacts,
    json_field,
    json_list,
    plain,
    read_rows,
)

_API = "https://wikimedia.org/api/rest_v1/metrics/pageviews/top/en.wikipedia/all-access"

FACTS = SourceFacts(
    name="wikipedia",
    hosts=("wikimedia.org",),
    addresses=(f"{_API}/YYYY/MM/DD",),
    refresh_seconds=12 * 3600,
    rate="a low shared limit unless the User-Agent names a contact (martin-majlis/Wikipedia-API "
    "issue 569, spring 2026); one or two requests a run",
    terms="https://wikitech.wikimedia.org/wiki/API_User_Agent; CC0",
    numbers="no signals: titles that other sources' general topics are held against",
)


class _Article(BaseModel):
    article: str
    views: int
    rank: int


class Wikipedia:
    """The list of the newest day that there is."""

    facts = FACTS

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Ask for yesterday, and while that is not counted yet (404) for the day before."""
        answer = await fetch(_address(now, days=1), {})
        if answer.status == 404:
            answer = await fetch(_address(now, days=2), {})
        titles = parse(answer)
        return Reading(signals=(), noise=titles, notes=(f"{len(titles)} titles as noise",))


def parse(answer: Answer) -> tuple[str, ...]:
    """Return the titles, most read first.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: not the one day, or no articles; `Torn`: a row cannot be read.
    """
    days = json_field(answer, "items")
    day = cast(dict[str, object], days[0]) if len(days) == 1 and isinstance(days[0], dict) else {}
    titles = read_rows(json_list(day.get("articles"), answer.url), _read_title, answer.url)
    if not titles:
        raise Unreadable(f"{answer.url!r} holds 0 articles")
    return titles


def _read_title(_rank: int, row: object) -> str:
    return plain(_Article.model_validate(row).article.replace("_", " "))


def _address(now: datetime, *, days: int) -> str:
    return f"{_API}/{now - timedelta(days=days):%Y/%m/%d}"


SOURCE = Wikipedia()

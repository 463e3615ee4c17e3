"""Mastodon: links and tags that rise on one large server; its counts are a day's, of a week."""

from datetime import datetime
from functools import partial

from pydantic import BaseModel

from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    json_list,
    json_value,
    plain,
    read_rows,
    repo_of,
    web_url,
)

_API = "https://mastodon.social/api/v1/trends"

FACTS = SourceFacts(
    name="mastodon",
    hosts=("mastodon.social",),
    addresses=(f"{_API}/links?limit=20", f"{_API}/tags?limit=20"),
    refresh_seconds=3 * 3600,
    rate="300 requests in 5 minutes (facts of 2026-11-22); two a run",
    terms="https://docs.joinmastodon.org/methods/trends/; posts belong to who wrote them",
    numbers="points: uses today and yesterday; velocity: these over the hours since (measured)",
    general=True,
)


class _Day(BaseModel):
    """A day, the newest first; the numbers come as texts."""

    uses: int


class _Trend(BaseModel):
    """A link has a title, a tag has a name."""

    title: str | None = None
    name: str | None = None
    url: str
    description: str = ""
    history: tuple[_Day, ...]


def parse(answer: Answer, now: datetime, *, name: str) -> tuple[Signal, ...]:
    """Return links (`name` is `title`) or tags (`name`) in the answer's order; none is no fault."""
    rows = json_list(json_value(answer), answer.url)
    return read_rows(rows, lambda rank, row: _read_trend(rank, row, now, name), answer.url)


def _read_trend(rank: int, row: object, now: datetime, name: str) -> Signal:
    trend = _Trend.model_validate(row)
    title, url = plain((trend.title if name == "title" else trend.name) or ""), web_url(trend.url)
    if not title or url is None or len(trend.history) < 2:
        raise ValueError("a trend without name, address or two days")
    uses = trend.history[0].uses + trend.history[1].uses
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        description=plain(trend.description),
        url=url,
        repo=repo_of(url),
        points=uses,
        velocity_per_hour=uses / (24 + now.hour + now.minute / 60),
        velocity_estimated=False,
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [
        Listing(
            name=kind,
            address=address,
            parse=partial(parse, name=name),
            may_be_empty=f"{kind}: an empty list is what a server answers on a quiet day",
        )
        for kind, name, address in zip(
            ("links", "tags"), ("title", "name"), FACTS.addresses, strict=True
        )
    ],
)

"""Bluesky: what its members post about; an interface that is said to be unstable."""

from datetime import datetime

from pydantic import BaseModel

from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    json_field,
    per_hour,
    plain,
    read_rows,
    web_url,
)

FACTS = SourceFacts(
    name="bluesky",
    hosts=("public.api.bsky.app",),
    addresses=("https://public.api.bsky.app/xrpc/app.bsky.unspecced.getTrends?limit=25",),
    refresh_seconds=3 * 3600,
    rate="not stated for this call; one request a run",
    terms="https://docs.bsky.app; `unspecced`: it may change or go any day",
    numbers="points: posts; velocity: posts since it began, an hour (estimate)",
    general=True,
)


class _Trend(BaseModel):
    topic: str
    displayName: str
    link: str
    postCount: int
    startedAt: Time


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the topics in the answer's order; raises as `read_rows` does, or `Unavailable`."""
    rows = json_field(answer, "trends")
    return read_rows(rows, lambda rank, row: _read_trend(rank, row, now), answer.url)


def _read_trend(rank: int, row: object, now: datetime) -> Signal:
    trend = _Trend.model_validate(row)
    # The link is a path of the app.
    link = f"https://bsky.app{trend.link}" if trend.link.startswith("/") else trend.link
    title, url = plain(trend.displayName), web_url(link)
    if not title or url is None:
        raise ValueError("a topic without name or address")
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        url=url,
        points=trend.postCount,
        velocity_per_hour=per_hour(trend.postCount, trend.startedAt, now),
        at=trend.startedAt,
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [Listing(name="topics", address=FACTS.addresses[0], parse=parse)],
)

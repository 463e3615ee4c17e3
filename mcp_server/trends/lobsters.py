"""Lobsters: what its members vote up at the moment, 25 stories."""

from datetime import datetime

from pydantic import BaseModel

from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    json_list,
    json_value,
    per_hour,
    plain,
    read_rows,
    repo_of,
    web_url,
)

FACTS = SourceFacts(
    name="lobsters",
    hosts=("lobste.rs",),
    addresses=("https://lobste.rs/hottest.json",),
    refresh_seconds=3600,
    rate="undocumented and tight: an empty 500 after fewer than 10 requests, one a second "
    "(lobsters/lobsters issue 1167, 2023); one request a run",
    terms="https://lobste.rs/about; name the client",
    numbers="points: votes; velocity: votes over the age, an hour (estimate)",
)


class _Story(BaseModel):
    """A story; its submitter was an object until 2023 and is a name since, and is not read."""

    title: str
    url: str
    comments_url: str
    score: int
    comment_count: int
    created_at: Time
    tags: tuple[str, ...]


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the stories in the list's order; raises as `read_rows` does, or `Unavailable`."""
    rows = json_list(json_value(answer), answer.url)
    return read_rows(rows, lambda rank, row: _read_story(rank, row, now), answer.url)


def _read_story(rank: int, row: object, now: datetime) -> Signal:
    story = _Story.model_validate(row)
    # A text has no address of its own: its page is the thing.
    title, url = plain(story.title), web_url(story.url or story.comments_url)
    if not title or url is None:
        raise ValueError("a story without title or address")
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        url=url,
        repo=repo_of(url),
        tags=story.tags,
        points=story.score,
        comments=story.comment_count,
        velocity_per_hour=per_hour(story.score, story.created_at, now),
        at=story.created_at,
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [Listing(name="hottest", address=FACTS.addresses[0], parse=parse)],
)

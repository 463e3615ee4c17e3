"""Product Hunt: what was launched since yesterday, by votes; with a developer's token only."""

from datetime import datetime, timedelta
from typing import cast

from pydantic import BaseModel

from mcp_server.errors import Unreadable
from mcp_server.guard import bodies
from mcp_server.guard.queries import LAUNCHES, AskLaunches, Since
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    SourceKey,
    Time,
    json_list,
    json_value,
    per_hour,
    plain,
    read_rows,
    web_url,
)

FACTS = SourceFacts(
    name="producthunt",
    hosts=("api.producthunt.com",),
    addresses=("https://api.producthunt.com/v2/api/graphql",),
    refresh_seconds=6 * 3600,
    rate="6,250 points of complexity in 15 minutes (producthunt/producthunt-api issue 340); "
    "one request a run",
    terms="https://api.producthunt.com/v2/docs: not for commercial use unless they agree; "
    "Cloudflare refuses many scripts (issues 266, 322, 324, 329)",
    numbers="points: votes; velocity: votes over the age, an hour (estimate)",
    key=SourceKey(host="api.producthunt.com", header="authorization", scheme="Bearer"),
)


class _Post(BaseModel):
    name: str
    tagline: str
    url: str
    votesCount: int
    commentsCount: int
    createdAt: Time


class _Edge(BaseModel):
    node: _Post


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the launches in the answer's order.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: GraphQL's errors, or no posts; `Torn`: a post cannot be read.
    """
    held = json_value(answer)
    if isinstance(held, dict) and "errors" in held:
        raise Unreadable(f"{answer.url!r} answered with errors: is the token good?")
    for name in ("data", "posts", "edges"):
        held = cast(dict[str, object], held).get(name) if isinstance(held, dict) else None
    rows = json_list(held, answer.url)
    return read_rows(rows, lambda rank, row: _read_post(rank, row, now), answer.url)


def _read_post(rank: int, row: object, now: datetime) -> Signal:
    post = _Edge.model_validate(row).node
    title, url = plain(post.name), web_url(post.url)
    if not title or url is None:
        raise ValueError("a post without name or address")
    tagline = plain(post.tagline)
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=f"{title}: {tagline}" if tagline else title,
        description=tagline,
        # Without what tells them that we came by their API.
        url=url.partition("?")[0],
        points=post.votesCount,
        comments=post.commentsCount,
        velocity_per_hour=per_hour(post.votesCount, post.createdAt, now),
        at=post.createdAt,
    )


def _listings(now: datetime) -> list[Listing]:
    since = Since(after=f"{now - timedelta(days=1):%Y-%m-%dT00:00:00Z}")
    return [
        Listing(
            name="launches",
            address=FACTS.addresses[0],
            parse=parse,
            headers={"content-type": "application/json", "accept": "application/json"},
            body=bodies.encode(AskLaunches(query=LAUNCHES, variables=since)),
        )
    ]


SOURCE = ListedSource(facts=FACTS, listings=_listings)

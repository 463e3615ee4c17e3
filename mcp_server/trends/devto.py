"""Dev.to (Forem API v1): the most popular articles of the last day, and what rises."""

from datetime import datetime
from urllib.parse import urlencode

from pydantic import BaseModel, field_validator

from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Count,
    Moment,
    Signal,
    SourceFacts,
    json_list,
    json_value,
    per_hour,
    plain,
    read_rows,
    repo_of,
    web_url,
)

# `top` is in days; there is no `sort` (developers.forem.com/api, read 2026-11-22).
_LISTS = {
    name: f"https://dev.to/api/articles?{urlencode({**query, 'per_page': 50})}"
    for name, query in (("top", {"top": 1}), ("rising", {"state": "rising"}))
}

FACTS = SourceFacts(
    name="devto",
    hosts=("dev.to",),
    addresses=tuple(_LISTS.values()),
    refresh_seconds=6 * 3600,
    rate="3 reads a second for everyone (forem/forem issue 12737, 2021); two requests a run",
    terms="https://dev.to/terms; name the client, an unnamed one gets an empty 403",
    numbers="points: reactions; velocity: reactions and comments over the age, an hour (estimate)",
)


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the articles in the list's order.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: not a list; `Torn`: an article without title or address.
    """
    rows = json_list(json_value(answer), answer.url)
    return read_rows(rows, lambda rank, row: _read_article(rank, row, now), answer.url)


class _Article(BaseModel):
    title: str
    url: str
    description: str | None = None
    tag_list: tuple[str, ...] = ()
    # Older answers hold only positive_reactions_count.
    public_reactions_count: Count | None = None
    positive_reactions_count: Count = 0
    comments_count: Count = 0
    published_timestamp: Moment = None
    published_at: Moment = None

    @field_validator("tag_list", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Lists give an array, single articles a string of comma-separated tags."""
        if isinstance(value, str):
            return tuple(tag.strip() for tag in value.split(",") if tag.strip())
        return value or ()


def _read_article(rank: int, row: object, now: datetime) -> Signal:
    article = _Article.model_validate(row)
    title, url = plain(article.title), web_url(article.url)
    if not title or url is None:
        raise ValueError("an article without title or address")
    at = article.published_timestamp or article.published_at
    reactions = article.public_reactions_count
    points = article.positive_reactions_count if reactions is None else reactions
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        description=plain(article.description or ""),
        url=url,
        repo=repo_of(url),
        tags=article.tag_list,
        points=points,
        comments=article.comments_count,
        velocity_per_hour=per_hour(points + article.comments_count, at, now),
        at=at,
    )


# A day without articles does not happen: an empty list is a failure.
SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [
        Listing(
            name=name,
            address=address,
            parse=parse,
            headers={"Accept": "application/vnd.forem.api-v1+json"},
        )
        for name, address in _LISTS.items()
    ],
)

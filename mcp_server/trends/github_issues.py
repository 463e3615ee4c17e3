"""Open issues of public repositories that many people want solved: pain points."""

from datetime import datetime, timedelta
from urllib.parse import urlencode

from pydantic import BaseModel

from mcp_server.trends.github_search import found_rows
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    per_hour,
    plain,
    read_rows,
    web_url,
)

_API = "https://api.github.com/search/issues"
_OPENED_WITHIN = timedelta(days=90)

FACTS = SourceFacts(
    name="github-issues",
    hosts=("api.github.com",),
    addresses=(_API,),
    refresh_seconds=12 * 3600,
    rate="30 searches a minute with a token (docs.github.com/rest/search, 2026-11-22); one a run",
    terms="https://docs.github.com/site-policy/github-terms; the API is meant for it",
    numbers="points: reactions; velocity: reactions over the age, an hour (estimate)",
)


class _Reactions(BaseModel):
    total_count: int


class _Issue(BaseModel):
    title: str
    html_url: str
    comments: int
    reactions: _Reactions
    created_at: Time


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the issues in the answer's order; raises as `found_rows` and `read_rows` do."""
    return read_rows(found_rows(answer), lambda rank, row: _read_issue(rank, row, now), answer.url)


def _read_issue(rank: int, row: object, now: datetime) -> Signal:
    issue = _Issue.model_validate(row)
    title, url = plain(issue.title), web_url(issue.html_url)
    if not title or url is None:
        raise ValueError("an issue without title or address")
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        # Not the repository's: an issue is a thing of its own, and two of one are two.
        url=url,
        points=issue.reactions.total_count,
        comments=issue.comments,
        velocity_per_hour=per_hour(issue.reactions.total_count, issue.created_at, now),
        at=issue.created_at,
    )


def _listings(now: datetime) -> list[Listing]:
    terms = (
        f'is:public is:issue is:open label:"help wanted" created:>{now - _OPENED_WITHIN:%Y-%m-%d}'
    )
    query = {"q": terms, "sort": "reactions-+1", "per_page": 50}
    return [
        Listing(
            name="wanted",
            address=f"{_API}?{urlencode(query)}",
            parse=parse,
            may_be_empty="GitHub says that it has looked everywhere",
        )
    ]


SOURCE = ListedSource(facts=FACTS, listings=_listings)

"""GitHub's search for new repositories that are being starred, and new browser extensions.

It asks for public ones only: with the user's token a search would find private ones, too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlencode

from pydantic import BaseModel

from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    Torn,
    json_field,
    json_value,
    per_hour,
    plain,
    read_rows,
    repo_of,
    web_url,
)

_API = "https://api.github.com/search/repositories"
_SEARCHES = (
    ("new", timedelta(days=7), "stars:>50"),
    ("chrome extensions", timedelta(days=60), "topic:chrome-extension stars:>5"),
    ("browser extensions", timedelta(days=60), "topic:browser-extension stars:>5"),
)

FACTS = SourceFacts(
    name="github-search",
    hosts=("api.github.com",),
    addresses=(_API,),
    refresh_seconds=6 * 3600,
    rate="30 searches a minute with a token (docs.github.com/rest/search, 2026-11-22); "
    "three a run, one after the other",
    terms="https://docs.github.com/site-policy/github-terms; the API is meant for it",
    numbers="points: all stars; velocity: stars over the repository's age, an hour (estimate)",
)


class _Repository(BaseModel):
    full_name: str
    html_url: str
    description: str | None
    language: str | None
    topics: tuple[str, ...] = ()
    stargazers_count: int
    open_issues_count: int
    created_at: Time
    private: bool


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the repositories in the answer's order; raises as `found_rows` and `read_rows` do."""
    return read_rows(
        found_rows(answer), lambda rank, row: _read_repository(rank, row, now), answer.url
    )


def found_rows(answer: Answer) -> list[object]:
    """Return the rows of a search.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: no list of items.
        Torn: GitHub ran out of time and says that it has not looked everywhere.
    """
    rows = json_field(answer, "items")
    told = cast(dict[str, object], json_value(answer))
    # Answers of 2014 do not have it.
    if told.get("incomplete_results", False) is not False:
        raise Torn(f"{answer.url!r} is not a whole answer", rows=(), expected=len(rows))
    return rows


def _read_repository(rank: int, row: object, now: datetime) -> Signal:
    found = _Repository.model_validate(row)
    url = web_url(found.html_url)
    if url is None or repo_of(url) != found.full_name or found.private:
        raise ValueError(f"{found.full_name!r} is no public repository")
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=found.full_name,
        description=plain(found.description or ""),
        url=url,
        repo=found.full_name,
        language=found.language,
        tags=found.topics,
        points=found.stargazers_count,
        velocity_per_hour=per_hour(found.stargazers_count, found.created_at, now),
        at=found.created_at,
    )


def _listings(now: datetime) -> Sequence[Listing]:
    return [
        Listing(
            name=name,
            address=f"{_API}?"
            + urlencode(
                {
                    "q": f"is:public {terms} created:>{now - age:%Y-%m-%d}",
                    "sort": "stars",
                    "per_page": 50,
                }
            ),
            parse=parse,
            may_be_empty=f"{name}: GitHub says that it has looked everywhere",
        )
        for name, age, terms in _SEARCHES
    ]


SOURCE = ListedSource(facts=FACTS, listings=_listings, at_once=False)

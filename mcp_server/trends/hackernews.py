"""Hacker News: the front page and the questions from Algolia's index, Show HN from Firebase.

Each of the three listings fails alone; of Show HN that is each of its items.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import urlencode

from pydantic import AliasChoices, BaseModel, Field
from selectolax.lexbor import LexborHTMLParser

from mcp_server.errors import FactoryError, Unreadable
from mcp_server.trends.listing import read_parts
from mcp_server.trends.signal import (
    Answer,
    Count,
    Fetch,
    Lost,
    Moment,
    Reading,
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

_ALGOLIA = "https://hn.algolia.com/api/v1"
_FIREBASE = "https://hacker-news.firebaseio.com/v0"
_FRONT = f"{_ALGOLIA}/search?{urlencode({'tags': 'front_page', 'hitsPerPage': 50})}"
_SHOW = f"{_FIREBASE}/showstories.json"

FACTS = SourceFacts(
    name="hackernews",
    hosts=("hn.algolia.com", "hacker-news.firebaseio.com"),
    addresses=(_FRONT, f"{_ALGOLIA}/search_by_date?tags=ask_hn", _SHOW),
    refresh_seconds=3600,
    rate="Firebase states none; Algolia 10,000 an hour by hearsay (facts of 2026-11-22)",
    terms="https://github.com/HackerNews/API; https://hn.algolia.com/api",
    numbers="points: votes; velocity: votes over the age, an hour (estimate)",
)

# One request an item, and Show HN's later places hardly have votes: one screen of the site.
SHOW_ITEMS = 30
# Questions older than this have had their answers; fewer comments are no shared pain.
_ASK_HOURS = 48
_ASK_COMMENTS = 3
# Of a question, which may be anything: more than is shown of one, and no work.
_READ_CHARACTERS = 2_000


class HackerNews:
    """Front page, questions and Show HN."""

    facts = FACTS

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Read the three listings at once; a story of several is kept where it came first."""
        return await read_parts(
            [
                ("front page", lambda: _front_page(fetch, now)),
                ("Ask HN", lambda: _questions(fetch, now)),
                ("Show HN", lambda: _show(fetch, now)),
            ]
        )


SOURCE = HackerNews()


def parse_hits(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the stories of an Algolia answer in its order.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: no list of hits, or a hit without id or title.
    """
    value = json_value(answer)
    if not isinstance(value, dict):
        raise Unreadable(f"{answer.url!r} holds no hits")
    hits = json_list(cast(dict[str, object], value).get("hits"), answer.url)
    stories = read_rows(hits, lambda rank, hit: _read_story(rank, hit, now), answer.url)
    return tuple(story for story in stories if story)


def parse_ids(answer: Answer) -> tuple[int, ...]:
    """Return the item ids of a Firebase listing, best first; an empty one is `Unreadable`."""
    ids = read_rows(json_list(json_value(answer), answer.url), _read_id, answer.url)
    if not ids:
        raise Unreadable(f"{answer.url!r} holds 0 ids")
    return ids


def parse_item(answer: Answer, rank: int, now: datetime) -> Signal | None:
    """Return the story of a Firebase item.

    None for what is no story (any more): null, deleted, dead, a job, a comment.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: a story without id or title.
    """
    value = json_value(answer)
    if value is None:
        return None
    return read_rows([value], lambda _, row: _read_story(rank, row, now), answer.url)[0]


async def _front_page(fetch: Fetch, now: datetime) -> Reading:
    signals = parse_hits(await fetch(_FRONT, {}), now)
    if not signals:
        raise Unreadable(f"{_FRONT!r} holds 0 stories")
    return Reading(signals=signals)


async def _questions(fetch: Fetch, now: datetime) -> Reading:
    """Rank recent questions by comments: the index itself sorts by date or relevance only."""
    # Whole hours, so that runs of one hour ask for one address and a cache can serve them.
    since = (now - timedelta(hours=_ASK_HOURS)).replace(minute=0, second=0, microsecond=0)
    filters = f"created_at_i>{int(since.timestamp())},num_comments>={_ASK_COMMENTS}"
    query = urlencode({"tags": "ask_hn", "numericFilters": filters, "hitsPerPage": 50})
    found = parse_hits(await fetch(f"{_ALGOLIA}/search_by_date?{query}", {}), now)
    ordered = sorted(found, key=lambda signal: (-signal.comments, signal.rank))
    return Reading(signals=tuple(replace(s, rank=rank) for rank, s in enumerate(ordered, 1)))


async def _show(fetch: Fetch, now: datetime) -> Reading:
    ids = parse_ids(await fetch(_SHOW, {}))[:SHOW_ITEMS]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_show_item(fetch, item_id, rank, now))
            for rank, item_id in enumerate(ids, 1)
        ]
    outcomes = [task.result() for task in tasks]
    failures = [outcome for outcome in outcomes if isinstance(outcome, FactoryError)]
    signals = tuple(outcome for outcome in outcomes if isinstance(outcome, Signal))
    if failures and not signals:
        raise failures[0]
    if failures:
        said = f"{len(failures)} of {len(ids)} Show HN items failed: {failures[0]}"
        return Reading(signals=signals, lost=(Lost(reason=said),))
    # A few dead items are an ordinary day; more than half are worth a word.
    gone = outcomes.count(None)
    said = f"{gone} of {len(ids)} Show HN items are gone"
    return Reading(signals=signals, notes=(said,) if gone > len(ids) / 2 else ())


async def _show_item(
    fetch: Fetch, item_id: int, rank: int, now: datetime
) -> Signal | FactoryError | None:
    try:
        return parse_item(await fetch(f"{_FIREBASE}/item/{item_id}.json", {}), rank, now)
    except FactoryError as error:
        return error


class _Story(BaseModel):
    """A story in either API's words; Algolia sends no `type`, and only stories are asked of it."""

    id: int = Field(validation_alias=AliasChoices("objectID", "id"))
    type: str = "story"
    deleted: bool = False
    dead: bool = False
    title: str | None = None
    url: str | None = None
    text: str | None = Field(default=None, validation_alias=AliasChoices("story_text", "text"))
    points: Count = Field(default=0, validation_alias=AliasChoices("points", "score"))
    comments: Count = Field(default=0, validation_alias=AliasChoices("num_comments", "descendants"))
    at: Moment = Field(default=None, validation_alias=AliasChoices("created_at_i", "time"))
    tags: tuple[str, ...] = Field(default=(), validation_alias="_tags")


def _read_id(_rank: int, row: object) -> int:
    if isinstance(row, int):
        return row
    raise ValueError("an id that is no number")


def _read_story(rank: int, row: object, now: datetime) -> Signal | None:
    story = _Story.model_validate(row)
    if story.deleted or story.dead or story.type != "story":
        return None
    title = plain(story.title or "")
    if not title:
        raise ValueError("a story without title")
    # Questions have no address of their own: their page is the thing.
    url = web_url(story.url) or f"https://news.ycombinator.com/item?id={story.id}"
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        description=_shown(story.text) if story.text else "",
        url=url,
        repo=repo_of(url),
        # author_NAME and story_ID say nothing about the subject.
        tags=tuple(tag for tag in story.tags if not tag.startswith(("author_", "story_"))),
        points=story.points,
        comments=story.comments,
        velocity_per_hour=per_hour(story.points, story.at, now),
        at=story.at,
    )


def _shown(markup: str) -> str:
    return plain(LexborHTMLParser(markup[:_READ_CHARACTERS]).text(separator=" "))

"""Stack Overflow (Stack Exchange API 2.3): new, hot, and read by many without an answer."""

from datetime import datetime, timedelta
from typing import Annotated, cast
from urllib.parse import urlencode

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mcp_server.errors import Unreadable
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    json_field,
    json_value,
    per_hour,
    plain,
    read_rows,
    web_url,
)

_API = "https://api.stackexchange.com/2.3"
# Tags are joined by AND: one request a tag.
_TAG = "google-chrome-extension"
# Whoever asked earlier has had an answer or has given up.
_ASKED_WITHIN = timedelta(days=30)
_MANY_VIEWS = 100
_SECONDS: TypeAdapter[float] = TypeAdapter(Annotated[float, Field(ge=0, allow_inf_nan=False)])

FACTS = SourceFacts(
    name="stackexchange",
    hosts=("api.stackexchange.com",),
    addresses=(f"{_API}/questions", f"{_API}/questions/unanswered"),
    refresh_seconds=6 * 3600,
    rate="300 a day for an address without a key, and `backoff` is obeyed (api.stackexchange.com/"
    "docs/throttle, 2026-11-22); three requests, one after the other",
    terms="https://stackoverflow.com/legal/api-terms-of-use; texts are CC BY-SA",
    numbers="points: votes, even negative; velocity: views over the age, an hour (estimate)",
)


class _Question(BaseModel):
    title: str
    link: str
    tags: tuple[str, ...]
    score: int
    view_count: int
    answer_count: int
    creation_date: Time


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the questions in the answer's order; raises as `read_rows` does, or `Unavailable`."""
    rows = json_field(answer, "items")
    return read_rows(rows, lambda rank, row: _read(rank, row, now)[0], answer.url)


def parse_unanswered(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return those that many have read and nobody has answered."""
    rows = json_field(answer, "items")
    read = read_rows(rows, lambda rank, row: _read(rank, row, now), answer.url)
    return tuple(signal for signal, views in read if views >= _MANY_VIEWS)


def backoff(answer: Answer) -> float:
    """Return the seconds for which the API wants no more of such requests; 0: it does not say."""
    value = json_value(answer)
    said = cast(dict[str, object], value).get("backoff", 0.0) if isinstance(value, dict) else 0.0
    try:
        return _SECONDS.validate_python(said)
    except ValidationError as error:
        raise Unreadable(f"{answer.url!r} wants a backoff that is no number of seconds") from error


def _read(rank: int, row: object, now: datetime) -> tuple[Signal, int]:
    question = _Question.model_validate(row)
    title, url = plain(question.title), web_url(question.link)
    if not title or url is None:
        raise ValueError("a question without title or address")
    signal = Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        url=url,
        tags=question.tags,
        points=question.score,
        comments=question.answer_count,
        velocity_per_hour=per_hour(question.view_count, question.creation_date, now),
        at=question.creation_date,
    )
    return signal, question.view_count


def _listings(now: datetime) -> list[Listing]:
    # A whole day, so that the address is the same all day long.
    since = (now - _ASKED_WITHIN).replace(hour=0, minute=0, second=0, microsecond=0)
    lists = (
        (f"new of {_TAG}", "questions", {"sort": "creation", "tagged": _TAG}, parse),
        ("hot", "questions", {"sort": "hot"}, parse),
        (
            "unanswered",
            "questions/unanswered",
            {"sort": "votes", "fromdate": int(since.timestamp())},
            parse_unanswered,
        ),
    )
    return [
        Listing(
            name=name,
            address=f"{_API}/{path}?"
            + urlencode({"site": "stackoverflow", "order": "desc", "pagesize": 50, **query}),
            parse=read,
            may_be_empty=f"no question of the last month has {_MANY_VIEWS} readers and no answer"
            if read is parse_unanswered
            else "",
            wait=backoff,
        )
        for name, path, query, read in lists
    ]


SOURCE = ListedSource(facts=FACTS, listings=_listings, at_once=False)

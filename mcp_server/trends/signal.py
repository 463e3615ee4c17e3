"""What a trend source gives, and how an answer is judged before anything is read from it.

Leaves HTTP to the guarded transport behind `Fetch`, and the merging of signals to cluster.py.
"""

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from mcp_server.errors import Unavailable, Unreadable
from mcp_server.json_text import json_of
from mcp_server.settings import SOURCE_VARIABLES

Row = TypeVar("Row")
Read = TypeVar("Read")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_REPO_PATH = re.compile(r"/([A-Za-z0-9][\w-]*)/([\w.-]+?)(?:\.git)?(?:/.*)?", re.ASCII)
# Characters no address holds: controls, spaces, direction and zero-width marks, lone surrogates.
_UNPRINTABLE = re.compile(
    r"[\s\x00-\x20\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# Half a character, and what our parsers put in its place.
_BROKEN = re.compile(r"[\ud800-\udfff\ufffd]")
# First path segments of github.com that are GitHub's own pages, not owners (seen 2026-11-22).
_NOT_OWNERS = re.compile(
    r"about|apps|blog|collections|contact|customer-stories|enterprise|events|explore|"
    r"features|login|marketplace|notifications|orgs|pricing|readme|search|security|settings|site|sponsors|"
    r"stars|team|topics|trending|users"
)
# A time before this stands for "none": Go's zero time (year 1) is what some Forem mirrors send.
_FIRST_YEAR = 2000
# What a column of the database holds.
_TOO_MANY = 2**63


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One item of one source, as it came; its texts are untrusted.

    `rank` is the place in its listing, from 1. `points` and `velocity_per_hour` mean what the
    source's `SourceFacts.numbers` says and compare only within that source. An estimated velocity
    is the count over the age, and 0 when the source gave no time.

    Raises:
        ValueError: a count or a text that no store can hold, no rank, or no web address.
    """

    source: str
    rank: int
    title: str
    url: str
    description: str = ""
    repo: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    points: int = 0
    comments: int = 0
    velocity_per_hour: float = 0.0
    velocity_estimated: bool = True
    at: datetime | None = None

    def __post_init__(self) -> None:
        if self.rank < 1 or web_url(self.url) is None:
            raise ValueError("a rank below 1, or no web address")
        counts = (self.points, self.comments)
        if any(abs(one) >= _TOO_MANY for one in counts) or not math.isfinite(
            self.velocity_per_hour
        ):
            raise ValueError("a count beyond all counting")
        texts = (self.title, self.url, self.description, self.repo, self.language, *self.tags)
        # Half a character is a `ValueError` here; later it would cost every other source.
        "".join(filter(None, texts)).encode()


@dataclass(frozen=True, kw_only=True)
class SourceKey:
    """How a source is asked with a key: a header that the transport adds, for one host only."""

    host: str
    header: str
    scheme: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What is declared of a source: where it lives and how far it may be used and believed.

    Nothing but `hosts` can be read by it. With a `key` it is off until `variable` is set. Of a
    `general` one is dropped what Wikipedia's readers look up too: it is not about software.
    """

    name: str
    hosts: tuple[str, ...]
    addresses: tuple[str, ...]
    refresh_seconds: int
    rate: str
    terms: str
    numbers: str
    key: SourceKey | None = None
    general: bool = False

    @property
    def variable(self) -> str:
        """The environment variable of its key: by its name, so that no other source takes it."""
        derived = f"FACTORY_KEY_{self.name.upper().replace('-', '_')}"
        return SOURCE_VARIABLES.get(self.name, derived)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A complete HTTP answer; `url` is the address that was asked."""

    status: int
    content_type: str
    body: bytes
    url: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A listing that was not read in full: why, and of how many rows those `aside` were."""

    reason: str
    aside: tuple[Signal, ...] = ()
    expected: int = 0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one source gave: the signals of the listings that were read in full.

    `notes` say what is worth knowing of these, `lost` which others there are. `noise` are titles
    of what the whole world talks about. The site is left alone for `wait_seconds`.
    """

    signals: tuple[Signal, ...]
    notes: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    noise: tuple[str, ...] = ()
    wait_seconds: float = 0.0


class Torn(Unreadable):
    """Some rows of a listing cannot be read: `rows` could, of `expected`."""

    def __init__(self, message: str, *, rows: Sequence[object], expected: int) -> None:
        super().__init__(message)
        self.rows = tuple(rows)
        self.expected = expected


class Fetch(Protocol):
    """Asks a site; a `body` makes it a POST, which the guard lets out where it knows its words."""

    async def __call__(
        self, url: str, headers: Mapping[str, str], /, *, body: bytes = b""
    ) -> Answer:
        """Return what the address answers; raises `Unavailable` or `Refused`."""
        ...


class TrendSource(Protocol):
    """A place that says what software people are talking about."""

    @property
    def facts(self) -> SourceFacts:
        """Return what is declared of this source."""
        ...

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Ask and parse; raises `Unavailable` or `Unreadable` when nothing can be trusted."""
        ...


def json_value(answer: Answer) -> object:
    """Return the value of an answer that is JSON by its type and by its first bytes."""
    demand_success(answer)
    body = answer.body.strip()
    if "json" not in answer.content_type.lower() or not body.startswith((b"{", b"[", b"null")):
        raise Unreadable(f"{answer.url!r} is not JSON ({answer.content_type!r})")
    try:
        return json_of(body)
    except ValueError as error:
        raise Unreadable(f"{answer.url!r} holds broken JSON") from error


def json_list(value: object, url: str) -> list[object]:
    """Return `value` if it is a JSON array; anything else is `Unreadable`."""
    if isinstance(value, list):
        return cast(list[object], value)
    raise Unreadable(f"{url!r} gave {type(value).__name__} where a list was due")


def json_field(answer: Answer, name: str) -> list[object]:
    """Return the list under `name` of an answer that is one JSON object."""
    value = json_value(answer)
    held = cast(dict[str, object], value).get(name) if isinstance(value, dict) else None
    return json_list(held, f"{answer.url} {name}")


def read_rows(rows: Sequence[Row], read: Callable[[int, Row], Read], url: str) -> tuple[Read, ...]:
    """Read every row (with its rank, from 1) or none.

    Raises:
        Torn: `read` raised `ValueError` (or, of a time near the end of all times,
            `OverflowError`) for at least one row; says how many were well.
    """
    found: list[Read] = []
    troubles: list[tuple[int, ValueError | OverflowError]] = []
    for rank, row in enumerate(rows, 1):
        try:
            found.append(read(rank, row))
        except (ValueError, OverflowError) as error:
            troubles.append((rank, error))
    if troubles:
        rank, first = troubles[0]
        counted = f"{len(found)} of {len(rows)} rows could be read, the first bad one is {rank}"
        raise Torn(f"{url!r}: {counted}", rows=found, expected=len(rows)) from first
    return tuple(found)


def plain(text: str) -> str:
    """Return one line of text: entities resolved (double-escaped ones too), spaces collapsed."""
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    return " ".join(_BROKEN.sub("", text).split())


def web_url(text: str | None) -> str | None:
    """Return `text` if it is an http(s) address with a host, else None."""
    if not text or _UNPRINTABLE.search(text):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme.lower() in {"http", "https"} and parts.hostname else None


def repo_of(url: str) -> str | None:
    """Return the `owner/name` that a web address belongs to, None if it is no repository's."""
    parts = urlsplit(url)
    if (parts.hostname or "").removeprefix("www.") != "github.com":
        return None
    found = _REPO_PATH.fullmatch(parts.path)
    if found is None or _NOT_OWNERS.fullmatch(found[1].lower()):
        return None
    return f"{found[1]}/{found[2]}"


def per_hour(count: int, at: datetime | None, now: datetime) -> float:
    """Return `count` over the age in hours, an hour at least; 0 when the age is unknown."""
    return count / max(1.0, (now - at).total_seconds() / 3600) if at else 0.0


def _count(value: object) -> object:
    """Missing counts are none; `"1,234"` is a number to every reader but int()."""
    if value is None:
        return 0
    return value.replace(",", "") if isinstance(value, str) else value


def _given(value: object) -> object:
    return value or None


def utc(at: datetime | None) -> datetime | None:
    """Return a time in UTC; None for none, and for one that stands for none."""
    return at.astimezone(UTC) if at and at.year >= _FIRST_YEAR else None


Count = Annotated[int, BeforeValidator(_count)]
"""A wire number that may be missing, null or a string."""

Time = Annotated[AwareDatetime, AfterValidator(lambda at: at.astimezone(UTC))]
"""A wire time that is always there: epoch seconds or ISO with offset; becomes aware UTC."""

Moment = Annotated[AwareDatetime | None, BeforeValidator(_given), AfterValidator(utc)]
"""A wire time: epoch seconds, ISO with offset, null or empty; becomes aware UTC or None."""


def demand_success(answer: Answer) -> None:
    """Raise `Unavailable` for any status but 200; an empty body is told."""
    if answer.status == 200:
        return
    # An empty 403 is an edge's, not the application's (dev.to's Varnish: probes of 2026-09-25).
    empty = " with an empty body: is the client named?" if not answer.body.strip() else ""
    raise Unavailable(
        f"{answer.url!r} answered {answer.status}{empty}",
        status=answer.status,
        retry_after_seconds=answer.retry_after_seconds,
    )

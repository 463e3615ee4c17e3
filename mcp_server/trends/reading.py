"""Reads trend sources at once, each alone in its failure, and none before its time has come again.

A source's last answer is kept until it may be asked again; what cannot be kept is asked for anew.
"""

import asyncio
import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from mcp_server.cache import Cache, Entry
from mcp_server.clock import Clock
from mcp_server.errors import FactoryError, Refused, Unavailable, Unreadable
from mcp_server.models import SourceStatus
from mcp_server.trends.listing import torn
from mcp_server.trends.signal import (
    Answer,
    Fetch,
    Lost,
    Reading,
    Signal,
    SourceFacts,
    Torn,
    TrendSource,
)

_KIND = "trend"
# However long a site wants to be left alone: a slip of its own would silence it for good.
LONGEST_PATIENCE_SECONDS = 7 * 24 * 3600.0
# Of one source; its lists are asked for a few hundred. What is done with them grows faster than
# their number and with the length of each: eight seconds at worst (measured 2026-11-23).
MOST_SIGNALS = 2_000
MOST_DESCRIPTION = 2_000
# Addresses are long, and every reason is read by a model.
_MOST_SAID = 400

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What came of one source; it is left alone until `again_at`."""

    status: SourceStatus
    again_at: datetime
    signals: tuple[Signal, ...] = ()
    aside: tuple[Signal, ...] = ()
    noise: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What all sources gave, in the order they were asked for.

    `aside` are rows of lists that could not be read in full: they are told, and count nowhere.
    """

    signals: tuple[Signal, ...]
    statuses: tuple[SourceStatus, ...]
    aside: tuple[Signal, ...] = ()


async def read_all(
    sources: Sequence[TrendSource],
    fetch: Fetch,
    clock: Clock,
    deadline_seconds: float,
    *,
    cache: Cache | None = None,
    keyed: Collection[str] = (),
) -> Gathered:
    """Read all sources at once, each alone in its failure, and none longer than the deadline.

    Args:
        sources: whose results come in this order, whichever answered first.
        fetch: asks a site.
        clock: time and time-outs.
        deadline_seconds: for all of them together, as they run at once.
        cache: where their last answers are kept; None: every source is asked.
        keyed: the variables of keys that are set; sources that need another are off.
    """
    now = clock.now()
    kept = cache.all(_KIND) if cache else {}
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_read_one(one, fetch, clock, deadline_seconds, kept, keyed))
            for one in sources
        ]
    outcomes = [task.result() for task in tasks]
    if cache:
        cache.keep(_KIND, _fresh(sources, outcomes, kept, now))
    return _gathered(sources, outcomes)


async def _read_one(
    source: TrendSource,
    fetch: Fetch,
    clock: Clock,
    deadline_seconds: float,
    kept: Mapping[str, Entry],
    keyed: Collection[str],
) -> _Outcome:
    facts, now = source.facts, clock.now()
    if facts.key and facts.variable not in keyed:
        off = SourceStatus(name=facts.name, status="off", reason=f"set {facts.variable}")
        return _Outcome(status=off, again_at=now)
    last = _last(facts, kept.get(facts.name))
    if last is not None and now < last.again_at:
        return last
    return await _read_alone(source, fetch, clock, deadline_seconds)


async def _read_alone(
    source: TrendSource, fetch: Fetch, clock: Clock, deadline_seconds: float
) -> _Outcome:
    facts, now = source.facts, clock.now()
    limit = clock.timeout(deadline_seconds)
    try:
        async with limit:
            reading = _bounded(await source.read(_within(facts, fetch), now))
    except Torn as error:
        return _judged(facts, Reading(signals=(), lost=(torn(error, _told(error)),)), now)
    except FactoryError as error:
        patience = error.retry_after_seconds if isinstance(error, Unavailable) else None
        lost = Reading(signals=(), lost=(Lost(reason=_told(error)),), wait_seconds=patience or 0.0)
        return _judged(facts, lost, now)
    except Exception as error:  # noqa: BLE001 - a source's bug costs its signals, nothing else
        if isinstance(error, TimeoutError) and limit.expired():
            broke = f"no answer within {deadline_seconds:g} s"
        else:
            _log.exception("trend source broke", extra={"source": facts.name})
            broke = f"unexpected {type(error).__name__}, see the log"
        return _judged(facts, Reading(signals=(), lost=(Lost(reason=broke),)), now)
    return _judged(facts, reading, now)


def _within(facts: SourceFacts, fetch: Fetch) -> Fetch:
    """Return `fetch` for the declared hosts alone: what is not declared is nobody's to ask."""

    async def ask(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        if urlsplit(url).hostname not in facts.hosts:
            raise Refused(f"{facts.name} does not declare the host of {url!r}", limit="source")
        return await fetch(url, headers, body=body)

    return ask


def _bounded(reading: Reading) -> Reading:
    """Cut descriptions; more signals than anybody asked for are no list of ours: `Unreadable`."""
    if len(reading.signals) > MOST_SIGNALS:
        raise Unreadable(f"{len(reading.signals):,} rows: {MOST_SIGNALS:,} at most are read")
    cut = (replace(one, description=one.description[:MOST_DESCRIPTION]) for one in reading.signals)
    return replace(reading, signals=tuple(cut))


def _told(error: FactoryError) -> str:
    return f"{error.code}: {error}"


def _judged(facts: SourceFacts, reading: Reading, now: datetime) -> _Outcome:
    """Say how a source did: whatever was not read in full makes it no better than partial."""
    aside = tuple(row for one in reading.lost for row in one.aside)
    if reading.lost:
        status = "partial" if reading.signals or reading.noise or aside else "failed"
    else:
        status = "ok" if reading.signals or reading.noise else "empty"
    # What failed may be asked again at once, unless the site itself wants to be left alone.
    patience = facts.refresh_seconds if status in ("ok", "empty") else 0.0
    wished = min(reading.wait_seconds, LONGEST_PATIENCE_SECONDS)
    return _Outcome(
        status=SourceStatus(
            name=facts.name,
            status=status,
            signals=len(reading.signals),
            expected=sum(one.expected for one in reading.lost),
            parsed=len(aside),
            reason="; ".join((*(one.reason for one in reading.lost), *reading.notes))[:_MOST_SAID],
            read_at=now,
        ),
        again_at=now + timedelta(seconds=max(patience, wished)),
        signals=reading.signals,
        aside=aside,
        noise=reading.noise,
    )


def _gathered(sources: Sequence[TrendSource], outcomes: Sequence[_Outcome]) -> Gathered:
    noise = {_letters(title) for one in outcomes for title in one.noise}
    quiet = [
        _without(noise, one) if source.facts.general else one
        for source, one in zip(sources, outcomes, strict=True)
    ]
    return Gathered(
        signals=tuple(signal for one in quiet for signal in one.signals),
        statuses=tuple(one.status for one in quiet),
        aside=tuple(row for one in quiet for row in one.aside),
    )


def _without(noise: Collection[str], outcome: _Outcome) -> _Outcome:
    """Drop what everybody looks up: the name of a person, a match or a film is no idea."""
    kept = tuple(one for one in outcome.signals if _letters(one.title) not in noise)
    if len(kept) == len(outcome.signals):
        return outcome
    dropped = f"{len(outcome.signals) - len(kept)} are among what Wikipedia is read for"
    reason = "; ".join(filter(None, (outcome.status.reason, dropped)))
    status = outcome.status.model_copy(update={"signals": len(kept), "reason": reason})
    return replace(outcome, signals=kept, status=status)


def _letters(title: str) -> str:
    """Return a title as a tag has it: no case, no spaces."""
    return "".join(letter for letter in title.casefold() if letter.isalnum())


def _tag(facts: SourceFacts) -> str:
    """What an answer is good for: a source that declares something else is asked anew."""
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def _last(facts: SourceFacts, entry: Entry | None) -> _Outcome | None:
    if entry is None or entry.tag != _tag(facts):
        return None
    try:
        return _adapter().validate_json(entry.body)
    except ValidationError:  # kept by another version of this program
        return None


def _fresh(
    sources: Sequence[TrendSource],
    outcomes: Sequence[_Outcome],
    kept: Mapping[str, Entry],
    now: datetime,
) -> dict[str, Entry]:
    """Return what is worth keeping: answers of this time that hold for longer."""
    fresh: dict[str, Entry] = {}
    for source, outcome in zip(sources, outcomes, strict=True):
        facts = source.facts
        if outcome.again_at > now and outcome != _last(facts, kept.get(facts.name)):
            body = _adapter().dump_json(outcome)
            fresh[facts.name] = Entry(tag=_tag(facts), read_at=now, body=body)
    return fresh


def _adapter() -> TypeAdapter[_Outcome]:
    return TypeAdapter(_Outcome)

"""Sources that are lists: each list is asked, parsed and judged alone, then they are put together.

What an answer means is its parser's business; retries are the transport's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from mcp_server.errors import FactoryError, Unavailable, Unreadable
from mcp_server.trends.signal import (
    Answer,
    Fetch,
    Lost,
    Reading,
    Signal,
    SourceFacts,
    Torn,
)

Part = Callable[[], Awaitable[Reading]]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One list of a source.

    `parse` gives all rows or raises. An answer without rows is believed where `may_be_empty` says
    why, and `Unreadable` elsewhere. `wait` reads how long the site wants to be left alone.
    """

    name: str
    address: str
    parse: Callable[[Answer, datetime], tuple[Signal, ...]]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    may_be_empty: str = ""
    wait: Callable[[Answer], float] | None = None


@dataclass(frozen=True, kw_only=True)
class ListedSource:
    """A source that is a few lists; `listings` are those of a moment.

    Without `at_once` they are asked one after the other, for sites that count or say when to stop.
    A `note` is told with whatever they give.
    """

    facts: SourceFacts
    listings: Callable[[datetime], Sequence[Listing]]
    at_once: bool = True
    note: str = ""

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Read the lists, each alone in its failure; raises only when all of them fail."""
        parts = [(one.name, _reader(one, fetch, now)) for one in self.listings(now)]
        reading = await read_parts(parts, at_once=self.at_once)
        return replace(reading, notes=(*reading.notes, self.note)) if self.note else reading


async def read_listing(listing: Listing, fetch: Fetch, now: datetime) -> Reading:
    """Read one list; raises `Unavailable` or `Unreadable`, `Torn` among them."""
    answer = await fetch(listing.address, listing.headers, body=listing.body)
    signals = listing.parse(answer, now)
    if not signals and not listing.may_be_empty:
        raise Unreadable(f"{answer.url!r} holds 0 rows")
    return Reading(
        signals=signals,
        notes=() if signals else (listing.may_be_empty,),
        wait_seconds=listing.wait(answer) if listing.wait else 0.0,
    )


async def read_parts(parts: Sequence[tuple[str, Part]], *, at_once: bool = True) -> Reading:
    """Put named parts of a source together; a signal of several parts stays where it came first.

    One after the other, those behind a wish for patience are not asked.

    Raises:
        Unavailable: no part was read, and no row of any.
        Unreadable: likewise, of the only part there is.
    """
    outcomes = await (_all_at_once(parts) if at_once else _in_turn(parts))
    readings = [one for one in outcomes if isinstance(one, Reading)]
    errors = [one for one in outcomes if isinstance(one, FactoryError)]
    if not readings and len(errors) == 1:
        raise errors[0]
    lost = [
        _lost(name, one)
        for (name, _), one in zip(parts, outcomes, strict=True)
        if isinstance(one, FactoryError)
    ]
    wait = max([_wait(one) for one in outcomes], default=0.0)
    if not readings and not any(one.aside for one in lost):
        statuses = [one.status for one in errors if isinstance(one, Unavailable)]
        raise Unavailable(
            "; ".join(one.reason for one in lost),
            status=next(iter(statuses), None),
            retry_after_seconds=wait or None,
        )
    signals: dict[str, Signal] = {}
    for signal in (signal for reading in readings for signal in reading.signals):
        signals.setdefault(signal.url, signal)
    return Reading(
        signals=tuple(signals.values()),
        notes=tuple(note for reading in readings for note in reading.notes),
        lost=(*lost, *(one for reading in readings for one in reading.lost)),
        wait_seconds=wait,
    )


def _reader(listing: Listing, fetch: Fetch, now: datetime) -> Part:
    return lambda: read_listing(listing, fetch, now)


async def _all_at_once(parts: Sequence[tuple[str, Part]]) -> list[Reading | FactoryError]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_alone(part)) for _, part in parts]
    return [task.result() for task in tasks]


async def _in_turn(parts: Sequence[tuple[str, Part]]) -> list[Reading | FactoryError]:
    outcomes: list[Reading | FactoryError] = []
    wait = 0.0
    for _, part in parts:
        if wait:
            outcomes.append(Unavailable(f"not asked: the site wants {wait:g} s of patience"))
            continue
        outcomes.append(await _alone(part))
        wait = _wait(outcomes[-1])
    return outcomes


async def _alone(part: Part) -> Reading | FactoryError:
    try:
        return await part()
    except FactoryError as error:
        return error


def _wait(outcome: Reading | FactoryError) -> float:
    if isinstance(outcome, Reading):
        return outcome.wait_seconds
    return (isinstance(outcome, Unavailable) and outcome.retry_after_seconds) or 0.0


def _lost(name: str, error: FactoryError) -> Lost:
    reason = f"{name} failed: {error}"
    if isinstance(error, Torn):
        return torn(error, reason)
    return Lost(reason=reason)


def torn(error: Torn, reason: str) -> Lost:
    """Return what is left of a list of which not every row could be read."""
    aside = tuple(row for row in error.rows if isinstance(row, Signal))
    return Lost(reason=reason, aside=aside, expected=error.expected)

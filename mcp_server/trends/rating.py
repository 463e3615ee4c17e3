"""How fast a signal moves, by its own source's measure, and how new an idea is.

Numbers of two sources are never compared: only places among a source's own signals are.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from mcp_server.trends.address import normal_url
from mcp_server.trends.signal import Signal

NOVELTY_DAYS = 30
# Between two looks at less than this, a vote more or less would be most of the velocity.
LEAST_BETWEEN = timedelta(hours=1)
# The part of a score that other sources' agreement gives; full with this many others.
_CORROBORATION = 0.3
_OTHERS = 2

Item = tuple[str, str]
"""A source, and a hash of the normal address of what it lists."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a source's count was at a moment."""

    at: datetime
    points: int


@dataclass(frozen=True, kw_only=True)
class Past:
    """What earlier discoveries saw: the last look at each item, and each idea's days.

    `days` counts by idea key on how many of the `NOVELTY_DAYS` before today it was seen.
    """

    looks: Mapping[Item, Look] = field(default_factory=dict[Item, Look])
    days: Mapping[str, int] = field(default_factory=dict[str, int])


def item_of(signal: Signal) -> Item:
    """Return what a signal is recognised by in its source at the next look."""
    return signal.source, _hash(normal_url(signal.url))


def content_hash(signal: Signal) -> str:
    """Return 16 hex characters that change with what a source says of an item, not its numbers."""
    return _hash("\x1f".join((signal.source, signal.url, signal.title, signal.description)))


def measured(
    signals: Iterable[Signal], looks: Mapping[Item, Look], now: datetime
) -> tuple[Signal, ...]:
    """Replace estimated velocities by what was gained an hour since the last look, where known.

    A source that counts nothing stays estimated, and so does what was seen within the hour.
    """
    return tuple(_measured(signal, looks.get(item_of(signal)), now) for signal in signals)


def _measured(signal: Signal, before: Look | None, now: datetime) -> Signal:
    if before is None or not signal.velocity_estimated or not (signal.points or before.points):
        return signal
    between = now - before.at
    if between < LEAST_BETWEEN:
        return signal
    gained = (signal.points - before.points) / (between / timedelta(hours=1))
    return replace(signal, velocity_per_hour=gained, velocity_estimated=False)


def percentiles(signals: Sequence[Signal]) -> list[float]:
    """Return for each signal the share of its source's others that are slower, ties half."""
    by_source: defaultdict[str, list[float]] = defaultdict(list)
    for signal in signals:
        by_source[signal.source].append(signal.velocity_per_hour)
    for velocities in by_source.values():
        velocities.sort()

    def percentile(signal: Signal) -> float:
        every = by_source[signal.source]
        others = len(every) - 1
        slower = bisect_left(every, signal.velocity_per_hour)
        equal = bisect_right(every, signal.velocity_per_hour) - slower - 1
        return (slower + equal / 2) / others if others else 0.5

    return [percentile(signal) for signal in signals]


def score(best_percentile: float, sources: int) -> float:
    """Return 0.7 of the best percentile within a source, and 0.15 for each further source."""
    others = min(sources - 1, _OTHERS)
    return round((1 - _CORROBORATION) * best_percentile + _CORROBORATION * others / _OTHERS, 4)


def novelty(days_seen: int) -> float:
    """Return the share of the last days on which an idea was not seen."""
    return round(1 - min(days_seen, NOVELTY_DAYS) / NOVELTY_DAYS, 2)


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()

"""Trend sources: what software people talk about, one module a source (docs/sources.md)."""

import asyncio
import logging
from collections.abc import Sequence

from mcp_server.clock import Clock
from mcp_server.errors import FactoryError
from mcp_server.models import SourceStatus
from mcp_server.trends.devto import DevTo
from mcp_server.trends.github_trending import GithubTrending
from mcp_server.trends.hackernews import HackerNews
from mcp_server.trends.signal import Answer, Fetch, Reading, Signal, SourceFacts, TrendSource

__all__ = [
    "SOURCES",
    "Answer",
    "Fetch",
    "Reading",
    "Signal",
    "SourceFacts",
    "TrendSource",
    "read_all",
]

SOURCES: tuple[TrendSource, ...] = (GithubTrending(), HackerNews(), DevTo())

_log = logging.getLogger(__name__)


async def read_all(
    sources: Sequence[TrendSource], fetch: Fetch, clock: Clock, deadline_seconds: float
) -> tuple[tuple[Signal, ...], tuple[SourceStatus, ...]]:
    """Read all sources at once, each alone in its failure, and none longer than the deadline.

    Both results are in the order of `sources`, whichever answered first. An `ok` status carries
    what was missing from it as its reason.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_read_alone(source, fetch, clock, deadline_seconds))
            for source in sources
        ]
    outcomes = [task.result() for task in tasks]
    signals = tuple(signal for found, _ in outcomes for signal in found)
    return signals, tuple(status for _, status in outcomes)


async def _read_alone(
    source: TrendSource, fetch: Fetch, clock: Clock, deadline_seconds: float
) -> tuple[tuple[Signal, ...], SourceStatus]:
    name = source.facts.name
    limit = clock.timeout(deadline_seconds)
    try:
        async with limit:
            reading = await source.read(fetch, clock.now())
    except FactoryError as error:
        return (), SourceStatus(name=name, status="failed", reason=f"{error.code}: {error}")
    except Exception as error:  # noqa: BLE001 - a source's bug costs its signals, nothing else
        if isinstance(error, TimeoutError) and limit.expired():
            late = f"no answer within {deadline_seconds:g} s"
            return (), SourceStatus(name=name, status="failed", reason=late)
        _log.exception("trend source broke", extra={"source": name})
        broke = f"unexpected {type(error).__name__}, see the log"
        return (), SourceStatus(name=name, status="failed", reason=broke)
    count = len(reading.signals)
    return reading.signals, SourceStatus(
        name=name,
        status="ok" if count else "empty",
        signals=count,
        reason="; ".join(reading.notes),
    )

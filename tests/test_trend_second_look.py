"""What a source gave before, and was not asked for again, is no second look at it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mcp_server.cache import Cache
from mcp_server.clock import LoopClock
from mcp_server.guard.redact import Redactor
from mcp_server.models import Provenance
from mcp_server.sandbox.loop import run_virtual
from mcp_server.store import open_engine
from mcp_server.trends import Fetch, Reading, Signal, SourceFacts
from mcp_server.trends.discovery import discover
from mcp_server.trends.history import TrendHistory
from mcp_server.trends.rating import item_of
from tests.test_trend_sources import NOW, nothing

REFRESH = timedelta(hours=6)


@dataclass
class Counter:
    """A source with one story, whose votes are told by the hour."""

    facts = SourceFacts(
        name="counter",
        hosts=(),
        addresses=(),
        refresh_seconds=int(REFRESH.total_seconds()),
        rate="",
        terms="",
        numbers="",
    )

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Give the story."""
        del fetch
        return Reading(signals=(story(now),))


def story(at: datetime) -> Signal:
    return Signal(
        source="counter",
        rank=1,
        title="A terminal tool that sorts tabs",
        url="https://a.example/tabs",
        points=10 + int((at - NOW) / timedelta(hours=1)),
        velocity_per_hour=3.0,
    )


@pytest.mark.parametrize(
    ("later", "estimated", "looked_at"),
    [(timedelta(hours=5), True, NOW), (timedelta(hours=7), False, NOW + timedelta(hours=7))],
)
def test_only_what_was_asked_again_is_a_second_look(
    tmp_path: Path, later: timedelta, estimated: bool, looked_at: datetime
):
    """Else every kept answer would say that nothing moves any more."""
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    history, cache = TrendHistory(engine, Redactor(())), Cache(engine, owner="token")

    def discovered(at: datetime) -> Provenance:
        found = run_virtual(
            discover(
                [Counter()], nothing, LoopClock(at), history, cache=cache, keyed=(), whole=True
            )
        )
        return found.ideas[0].provenance[0]

    assert discovered(NOW).velocity_estimated
    assert discovered(NOW + later).velocity_estimated == estimated
    looks = history.past(NOW + later + timedelta(hours=1)).looks
    assert looks[item_of(story(NOW))].at == looked_at

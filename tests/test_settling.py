"""A new ledger looks twice before its first session; a rival's ledger stops this one."""

from datetime import timedelta
from pathlib import Path

import pytest

from mcp_server.errors import Refused
from mcp_server.guard.ledger import Ledger
from tests.guard_cases import (
    START,
    ManualClock,
    alarms,
    listing,
    open_ledger,
    session,
    start,
    title,
)


def test_a_new_ledger_settles_for_ten_minutes_before_its_first_session(
    tmp_path: Path, clock: ManualClock
):
    """An earlier one may have sent what Jules does not show yet."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    for minutes in (0, 5, 4.99):
        clock.advance(minutes=minutes)
        ledger.record_listing(listing(clock))
        with pytest.raises(Refused) as refused:
            ledger.hold_session(start(), listing(clock))
        assert refused.value.limit == "settling"
        assert refused.value.retry_at == (START + timedelta(minutes=10)).isoformat()
    clock.advance(minutes=0.01)
    ledger.record_listing(listing(clock))
    assert ledger.hold_session(start(), listing(clock)).state == "held"


def test_a_new_ledger_that_never_looked_starts_nothing(tmp_path: Path, clock: ManualClock):
    """Time alone settles nothing."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    clock.advance(days=2)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "settling"


def test_two_looks_settle_only_when_the_second_shows_what_the_first_did(
    tmp_path: Path, clock: ManualClock
):
    """What went missing may hide more: the ten minutes begin again, from the later look."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    pair = [session(name, START - timedelta(hours=1)) for name in ("f1", "f2")]
    for shown, settles in ((pair, 10), (pair[:1], 20), (pair[:1], None)):
        ledger.record_listing(listing(clock, *shown))
        expected = None if settles is None else START + timedelta(minutes=settles)
        assert ledger.settles_at() == expected
        clock.advance(minutes=10)
    assert ledger.hold_session(start(), listing(clock)).state == "held"
    (again,) = [event for event in ledger.events() if event.data.get("missing")]
    assert again.data["missing"] == ["f2"]


def test_what_has_left_the_window_or_was_new_at_the_second_look_settles_as_well(
    tmp_path: Path, clock: ManualClock
):
    """Listings need not reach past the window, and the world goes on."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    old = session("f1", START - timedelta(hours=24))
    ledger.record_listing(listing(clock, old))
    clock.advance(minutes=10)
    ledger.record_listing(listing(clock, session("f2", clock.now())))
    assert ledger.settles_at() is None


def test_a_look_between_the_two_neither_settles_nor_disturbs(tmp_path: Path, clock: ManualClock):
    """Only the first and the one ten minutes on are laid side by side."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    ledger.record_listing(listing(clock))
    clock.advance(minutes=5)
    ledger.record_listing(listing(clock, session("f1", START - timedelta(minutes=1))))
    clock.advance(minutes=5)
    ledger.record_listing(listing(clock))
    assert ledger.settles_at() is None


def test_another_ledgers_new_session_stops_this_one_for_a_day(ledger: Ledger, clock: ManualClock):
    """Two ledgers cannot count exactly; share one, or stop the other and wait."""
    rival = session("r1", clock.now(), text=title(ledger="feedface"))
    ledger.record_listing(listing(clock, rival))
    assert alarms(ledger) == ["another ledger is starting sessions"]
    clock.advance(hours=24)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "rival_ledger"
    clock.advance(minutes=5)
    ledger.hold_session(start("task2"), listing(clock))


def test_an_earlier_life_of_this_account_is_counted_and_no_rival(
    tmp_path: Path, clock: ManualClock
):
    """A headless runner's disk is new; what its forerunner started is in the first listing."""
    ledger = open_ledger(tmp_path / "state.db", clock)
    mine = session("s1", START - timedelta(hours=1), text=title(ledger="feedface"))
    ledger.record_listing(listing(clock, mine))
    clock.advance(minutes=10)
    ledger.record_listing(listing(clock, mine))
    assert (alarms(ledger), ledger.usage(clock.now()).count) == ([], 1)
    ledger.hold_session(start("task2"), listing(clock))
    with pytest.raises(Refused, match=r"task1\.a1 was started already: session s1"):
        ledger.hold_session(start(), listing(clock))


def test_the_latest_of_two_rivals_counts_whatever_their_order(ledger: Ledger, clock: ManualClock):
    """Listings come newest first: the older one must not shorten the wait."""
    first = clock.now()
    clock.advance(hours=20)
    pair = [
        session(name, at, text=title(name, ledger="feedface"))
        for name, at in (("r1", first), ("r2", clock.now()))
    ]
    ledger.record_listing(listing(clock, *pair))
    clock.advance(hours=24)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "rival_ledger"
    clock.advance(minutes=5)
    ledger.hold_session(start(), listing(clock))

"""Where Jules itself refused: a ceiling until fewer count, fewer run, or a day has passed."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_server.errors import Refused
from mcp_server.guard import evidence
from mcp_server.guard.counted import Listing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.models import Session
from tests.guard_cases import ManualClock, listing, send, session, settled_ledger, start

QUOTA_REFUSAL = Outcome(state="released", evidence=evidence.QUOTA)


def refused_by_jules(ledger: Ledger, clock: ManualClock, *shown: Session) -> None:
    """Let Jules refuse a start as beyond its quota, after a listing that shows these."""
    ledger.record_listing(listing(clock, *shown))
    ticket = ledger.hold_session(start("refused", repo="owner/other"), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, QUOTA_REFUSAL)


@pytest.fixture
def at_the_ceiling(ledger: Ledger, clock: ManualClock) -> list[Session]:
    """Three sessions count, two of them run, and Jules has just refused a fourth."""
    shown = [session(f"f{hour}", clock.now() - timedelta(hours=hour)) for hour in (20, 3, 2)]
    shown[0] = shown[0].model_copy(update={"state": "COMPLETED"})
    refused_by_jules(ledger, clock, *shown)
    return shown


def test_where_jules_refused_no_more_is_started(
    ledger: Ledger, clock: ManualClock, at_the_ceiling: list[Session]
):
    """Its word is learnt, not asked again with every task (facts/jules-api.md 5.3)."""
    for minutes in (0, 60):
        clock.advance(minutes=minutes)
        with pytest.raises(Refused, match="3 counted and 2 ran") as refused:
            ledger.hold_session(start(), listing(clock, *at_the_ceiling))
        assert refused.value.limit == "jules_quota"
    usage = ledger.usage(clock.now())
    assert (usage.count, usage.refused_by_jules) == (3, True)


def test_a_unit_that_leaves_the_window_may_be_used_again(
    ledger: Ledger, clock: ManualClock, at_the_ceiling: list[Session]
):
    clock.advance(hours=4, minutes=6)
    ledger.record_listing(listing(clock, *at_the_ceiling))
    assert ledger.hold_session(start(), listing(clock)).state == "held"


def test_a_session_that_ends_lets_one_more_be_tried(
    ledger: Ledger, clock: ManualClock, at_the_ceiling: list[Session]
):
    """The refusal may have been for too many at once; another one lowers what is tried."""
    at_the_ceiling[2] = at_the_ceiling[2].model_copy(update={"state": "COMPLETED"})
    ledger.record_listing(listing(clock, *at_the_ceiling))
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, QUOTA_REFUSAL)
    with pytest.raises(Refused, match="3 counted and 1 ran"):
        ledger.hold_session(start("later"), listing(clock))


def test_a_day_later_the_refusal_is_forgotten(
    ledger: Ledger, clock: ManualClock, at_the_ceiling: list[Session]
):
    clock.advance(hours=23)
    later = [
        session(f"g{number}", clock.now() - timedelta(hours=1)) for number in range(4)
    ] + at_the_ceiling
    ledger.record_listing(listing(clock, *later))
    with pytest.raises(Refused, match="jules_quota"):
        ledger.hold_session(start(), listing(clock))
    clock.advance(hours=1, minutes=1)
    ledger.hold_session(start(), listing(clock))


@pytest.mark.parametrize("hours", [-25, 25])
def test_a_wrong_local_clock_neither_hides_nor_stretches_the_refusal(
    tmp_path: Path, clock: ManualClock, hours: int
):
    """It is learnt at Jules' time, as everything that is counted."""
    ledger = settled_ledger(tmp_path / "state.db", clock)
    truth = clock.now()
    clock.set_wall(truth + timedelta(hours=hours))

    def told() -> Listing:
        """Give a listing that carries Jules' own, true time."""
        return replace(listing(clock, session("f1", truth)), date=truth)

    ledger.record_listing(told())
    ticket = ledger.hold_session(start("refused"), told())
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, QUOTA_REFUSAL)
    with pytest.raises(Refused, match="1 counted and 1 ran"):
        ledger.hold_session(start(), told())


def test_a_person_may_say_that_the_refusal_had_another_cause(
    ledger: Ledger, clock: ManualClock, at_the_ceiling: list[Session]
):
    """A source without Jules' GitHub app is refused with the same words."""
    ledger.pause(None)
    ledger.hold_session(start(), listing(clock, *at_the_ceiling))
    assert ledger.verify().agrees

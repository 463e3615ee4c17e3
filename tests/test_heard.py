"""A `Date` that runs ahead of real time frees nothing: no unit, no place, no proof of absence."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_server.clients import github
from mcp_server.errors import Refused
from mcp_server.guard.budget import Limits
from mcp_server.guard.counted import Listing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.reconcile import reconcile_sessions
from mcp_server.models import Session
from mcp_server.store import open_engine
from tests.guard_cases import (
    LEDGER_ID,
    UNKNOWN,
    WIDE,
    WORLD,
    ManualClock,
    alarms,
    listing,
    make_repository,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    start,
    start_one,
    title,
)

AHEAD = timedelta(hours=25)


@pytest.fixture
def full(tmp_path: Path, clock: ManualClock) -> Ledger:
    """A ledger whose two units are used and whose one repository is made."""
    limits = Limits(sessions=2, repair_reserve=0, repository_share=1.0, repositories=1)
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=limits)
    for number in range(2):
        start_one(ledger, clock, f"task{number}", f"s{number}")
    make_repository(ledger, clock, "new")
    return ledger


def told(clock: ManualClock, ahead: timedelta, *sessions: Session) -> Listing:
    """Return a listing whose `Date` is so much ahead."""
    return replace(listing(clock, *sessions), date=clock.now() + ahead)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "another process"])
def test_a_date_that_jumps_ahead_frees_no_unit(
    tmp_path: Path, clock: ManualClock, full: Ledger, elsewhere: bool
):
    """One answer of a broken proxy would give the whole allowance again."""
    ledger = open_ledger(tmp_path / "state.db", clock, limits=full.limits) if elsewhere else full
    clock.advance(seconds=30)
    for _ in range(3):
        with pytest.raises(Refused, match="sessions: 2 of 2"):
            ledger.hold_session(start("more"), told(clock, AHEAD))
        clock.advance(minutes=1)
    assert alarms(ledger) == ["a Date ran ahead"]


@pytest.mark.parametrize("ahead", [timedelta(), AHEAD])
def test_a_date_that_jumps_ahead_frees_no_repository(
    clock: ManualClock, full: Ledger, ahead: timedelta
):
    """GitHub's header is bounded as Jules' is."""
    seen = replace(repositories(clock), date=clock.now() + ahead)
    prepared = github.create_repository("other", "x")
    with pytest.raises(Refused, match="repositories"):
        full.hold_repository(prepared, key="other", repo="owner/other", listing=seen)


def test_a_date_that_goes_on_evenly_for_ten_minutes_is_believed(clock: ManualClock, full: Ledger):
    """After a wrong local clock was put right, or the machine slept, the window moves on."""
    full.record_listing(told(clock, AHEAD))
    clock.advance(minutes=9)
    with pytest.raises(Refused, match="sessions: 2 of 2"):
        full.hold_session(start("more"), told(clock, AHEAD))
    clock.advance(minutes=2)
    assert full.hold_session(start("more"), told(clock, AHEAD)).state == "held"


def test_a_date_that_jumps_about_is_never_believed(clock: ManualClock, full: Ledger):
    for hours in (25, 40, 26, 60):
        full.record_listing(told(clock, timedelta(hours=hours)))
        clock.advance(minutes=11)
    with pytest.raises(Refused, match="sessions: 2 of 2"):
        full.hold_session(start("more"), told(clock, AHEAD))


def test_time_that_really_passed_frees_what_it_should(
    tmp_path: Path, clock: ManualClock, full: Ledger
):
    """A day later, in this process or in a new one, by the local clock."""
    clock.advance(days=1, minutes=6)
    other = open_ledger(tmp_path / "state.db", clock, limits=full.limits)
    assert other.hold_session(start("more"), listing(clock)).state == "held"
    assert full.hold_session(start("another"), listing(clock)).state == "held"


def test_a_local_clock_that_was_set_back_holds_nothing_up(clock: ManualClock, full: Ledger):
    """Elapsed seconds say how much time has passed, whatever the wall clock says."""
    truth = clock.now()
    clock.set_wall(truth - timedelta(days=2))
    clock.advance(days=1, minutes=6)
    there = replace(listing(clock), date=truth + timedelta(days=1, minutes=6))
    assert full.hold_session(start("more"), there).state == "held"


@pytest.mark.parametrize("ahead", [timedelta(minutes=11), AHEAD])
def test_a_date_that_jumps_ahead_settles_no_new_ledger(
    tmp_path: Path, clock: ManualClock, ahead: timedelta
):
    """Two looks ten minutes apart are ten minutes of real time."""
    ledger = open_ledger(tmp_path / "new.db", clock)
    ledger.record_listing(listing(clock))
    clock.advance(seconds=1)
    ledger.record_listing(told(clock, ahead))
    assert ledger.settles_at() is not None


def test_a_date_that_jumps_ahead_proves_no_absence(tmp_path: Path, clock: ManualClock):
    """A session that a listing shows late would be started again."""
    ledger = settled_ledger(tmp_path / "state.db", clock)
    start_one(ledger, clock, "control", "s0", repo="owner/other")
    text = title("control", repo="owner/other")
    control = session("s0", clock.now(), text=text, repo="owner/other")
    clock.advance(minutes=1)
    ticket = ledger.hold_session(start(), listing(clock, control))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    for ahead in (timedelta(), timedelta(minutes=11), AHEAD):
        clock.advance(seconds=2)
        shown = replace(listing(clock, control), date=clock.now() + ahead)
        reconcile_sessions(ledger, shown)
    found = ledger.find("start_session", "task1.a1")
    assert found is not None
    assert found.state == "sent"


def test_a_leap_that_is_believed_proves_no_absence(tmp_path: Path, clock: ManualClock):
    """A says since when a ticket is absent by the bounded clock, then believes 25 hours more."""
    ledger = settled_ledger(tmp_path / "state.db", clock)
    start_one(ledger, clock, "control", "s0", repo="owner/other")
    text = title("control", repo="owner/other")
    control = session("s0", clock.now(), text=text, repo="owner/other")
    other = open_ledger(tmp_path / "state.db", clock)
    clock.advance(minutes=1)
    reconcile_sessions(ledger, told(clock, AHEAD, control))
    clock.advance(minutes=9)
    ticket = other.hold_session(start(), told(clock, AHEAD, control))
    send(other, ticket)
    other.record_outcome(ticket.id, UNKNOWN)
    clock.advance(seconds=5)
    reconcile_sessions(ledger, told(clock, AHEAD, control))
    assert [one.absent_since is None for one in ledger.open_tickets()] == [False]
    clock.advance(minutes=1)
    reconcile_sessions(ledger, told(clock, AHEAD, control))
    assert [one.state for one in ledger.open_tickets()] == ["sent"]
    assert ledger.verify().agrees
    clock.advance(minutes=10)
    reconcile_sessions(ledger, told(clock, AHEAD, control))
    assert ledger.open_tickets() == ()


def test_a_leap_that_is_believed_settles_no_new_ledger(tmp_path: Path, clock: ManualClock):
    """The first look was dated before the leap, the second after it, a minute later."""
    ledger = open_ledger(tmp_path / "new.db", clock)
    ledger.record_repositories(repositories(clock))
    clock.advance(minutes=1)
    ledger.record_repositories(replace(repositories(clock), date=clock.now() + AHEAD))
    clock.advance(minutes=9, seconds=30)
    ledger.record_listing(told(clock, AHEAD))
    clock.advance(minutes=1)
    ledger.record_listing(told(clock, AHEAD))
    assert ledger.settles_at() == clock.now() + AHEAD + timedelta(minutes=10)
    assert ledger.verify().agrees


def test_a_date_that_runs_fast_gains_nothing_by_being_asked_often(clock: ManualClock, full: Ledger):
    """Each answer may be off by five minutes; a hundred of them may not be off by eight hours."""
    ahead = timedelta()
    for _ in range(300):
        clock.advance(seconds=1)
        ahead += timedelta(minutes=4, seconds=55)
        full.record_listing(told(clock, ahead))
    with pytest.raises(Refused, match="sessions: 2 of 2"):
        full.hold_session(start("more"), told(clock, ahead))
    assert set(alarms(full)) == {"a Date ran ahead"}


@pytest.mark.parametrize("hours", [-49, -25, 0, 25])
def test_an_effect_that_no_answer_dates_is_dated_by_the_service_s_clock(
    ledger: Ledger, clock: ManualClock, hours: int
):
    """The wall is wrong by days; the unit counts for a day of Jules' own time all the same."""
    now = clock.now()
    clock.set_wall(now + timedelta(hours=hours))
    here = replace(listing(clock), date=now)
    ticket = ledger.hold_session(start(), here)
    send(ledger, ticket)
    clock.advance(seconds=20)
    thin = Outcome(state="spent", evidence="HTTP 200", result={"name": "sessions/s1"})
    ledger.record_outcome(ticket.id, thin)
    used = [ledger.usage(now + timedelta(hours=later)).count for later in (0, 24, 25)]
    assert used == [1, 1, 0]
    assert ledger.verify().agrees


@pytest.mark.parametrize("hours", [-49, 0, 25])
def test_a_repository_that_no_answer_dates_is_dated_by_githubs_clock(
    ledger: Ledger, clock: ManualClock, hours: int
):
    """As a session: ten a day, whatever the wall says."""
    now = clock.now()
    clock.set_wall(now + timedelta(hours=hours))
    seen = replace(repositories(clock), date=now)
    prepared = github.create_repository("new", "x")
    ticket = ledger.hold_repository(prepared, key="new", repo="owner/new", listing=seen)
    send(ledger, ticket)
    made = {"full_name": "owner/new", "private": True}
    ledger.record_outcome(ticket.id, Outcome(state="spent", evidence="HTTP 201", result=made))
    assert ledger.usage(now).repositories == 1
    assert ledger.usage(now + timedelta(hours=24)).repositories == 1
    assert ledger.verify().agrees


def test_a_listing_does_not_outlive_a_machine_that_slept(ledger: Ledger, clock: ManualClock):
    """A laptop's own seconds stand still while it sleeps; its wall goes on."""
    seen, made = listing(clock), repositories(clock)
    clock.set_wall(clock.now() + timedelta(hours=3))
    with pytest.raises(Refused, match="10800 s old"):
        ledger.hold_session(start(), seen)
    prepared = github.create_repository("new", "x")
    with pytest.raises(Refused, match="10800 s old"):
        ledger.hold_repository(prepared, key="new", repo="owner/new", listing=made)


def test_a_service_on_loopback_has_a_time_of_its_own(tmp_path: Path, clock: ManualClock):
    """A double's day passes in seconds: its `Date` is believed as it is."""
    engine = open_engine(f"sqlite:///{tmp_path}/double.db")
    ledger = Ledger(
        engine, world=WORLD, limits=WIDE, clock=clock, new_id=lambda: LEDGER_ID, own_time=True
    )
    ledger.record_listing(listing(clock))
    ledger.record_listing(told(clock, timedelta(minutes=10)))
    assert ledger.settles_at() is None
    assert alarms(ledger) == []

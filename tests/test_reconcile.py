"""Settling what was lost: by marker found, by absence with a positive control, or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mcp_server.clients import github
from mcp_server.guard import marker
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.reconcile import reconcile_repositories, reconcile_sessions
from mcp_server.guard.tickets import Ticket
from mcp_server.models import Session
from tests.guard_cases import (
    MARKER_KEY,
    START,
    UNKNOWN,
    ManualClock,
    listing,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    start,
    start_one,
    title,
)


@dataclass
class Lost:
    """A ledger whose session `task1` was sent and its answer lost."""

    ledger: Ledger
    clock: ManualClock
    control: Session
    sent_at: datetime

    def look(self, *shown: Session) -> tuple[str, ...]:
        """Reconcile with a listing that shows these sessions."""
        return reconcile_sessions(self.ledger, listing(self.clock, *shown))

    @property
    def ticket(self) -> Ticket:
        """The ticket as it stands now."""
        found = self.ledger.find("start_session", "task1.a1")
        assert found is not None
        return found


@pytest.fixture
def lost(tmp_path: Path) -> Lost:
    clock = ManualClock()
    ledger = settled_ledger(tmp_path / "state.db", clock)
    start_one(ledger, clock, "control", "s0", repo="owner/other")
    text = title("control", repo="owner/other")
    control = session("s0", clock.now(), text=text, repo="owner/other")
    clock.advance(minutes=1)
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    sent_at = clock.now()
    clock.advance(seconds=5)
    return Lost(ledger, clock, control, sent_at)


def test_a_lost_session_that_shows_its_marker_is_spent(lost: Lost):
    """With the id and time that Jules gave it, so that it counts once and ages rightly."""
    found = session("s1", lost.sent_at, text=title())
    assert lost.look(lost.control, found) == ("task1.a1: spent, found by its marker",)
    assert lost.ticket.state == "spent"
    assert lost.ledger.ticket_of_session("s1") == lost.ticket.id
    assert lost.ledger.usage(lost.clock.now()).count == 2
    assert lost.look(lost.control, found) == ()


def test_a_lost_session_absent_twice_beside_a_control_is_released(lost: Lost):
    """Ten minutes apart; then the unit is free again."""
    assert lost.look(lost.control) == ()
    lost.clock.advance(minutes=10)
    assert len(lost.look(lost.control)) == 1
    assert lost.ticket.state == "released"
    assert lost.ledger.usage(lost.clock.now()).count == 1


@pytest.mark.parametrize("minutes", [0.0, 5.0, 9.99])
def test_two_looks_less_than_ten_minutes_apart_prove_nothing(lost: Lost, minutes: float):
    """A new session may not be visible at once (facts/safety.md 1.3)."""
    lost.look(lost.control)
    lost.clock.advance(minutes=minutes)
    assert lost.look(lost.control) == ()
    assert lost.ticket.state == "sent"


def test_one_look_proves_nothing_however_late(lost: Lost):
    """A single listing may be a bad one."""
    lost.clock.advance(days=3)
    lost.look(lost.control)
    assert lost.ticket.state == "sent"


def looks(lost: Lost, shown: Sequence[Session]) -> str:
    """Look often enough for any proof; return the state."""
    for _ in range(4):
        lost.look(*shown)
        lost.clock.advance(minutes=11)
    return lost.ticket.state


@pytest.mark.parametrize("days", [0, 2])
def test_absence_without_a_control_proves_nothing(lost: Lost, days: int):
    """A listing that shows nothing of ours may be another account's, or empty by fault.

    After two days nothing known is in the window any more, and only the control is left to miss.
    """
    lost.clock.advance(days=days)
    assert looks(lost, []) == "sent"
    foreign = session("f1", lost.sent_at - timedelta(hours=1), repo="owner/other")
    assert looks(lost, [foreign]) == "sent"


def test_a_listing_that_leaves_out_what_is_known_shows_no_absence(lost: Lost):
    """It is old, whatever its `Date` says: the control alone does not make it whole."""
    start_one(lost.ledger, lost.clock, "later", "s2", repo="owner/other")
    text = title("later", repo="owner/other")
    later = session("s2", lost.clock.now(), text=text, repo="owner/other")
    assert looks(lost, [lost.control]) == "sent"
    assert looks(lost, [lost.control, later]) == "released"


@pytest.mark.parametrize("mangled", ["key", "ledger"])
def test_a_control_must_be_an_intact_marker_of_this_ledger(lost: Lost, mangled: str):
    """A forged one, or another ledger's, shows nothing about ours."""
    text = (
        title("control", repo="owner/other", key=b"another key")
        if mangled == "key"
        else title("control", repo="owner/other", ledger="feedface")
    )
    bad = session("s9", lost.sent_at - timedelta(hours=1), text=text, repo="owner/other")
    assert looks(lost, [bad]) == "sent"


def test_the_ten_minutes_begin_with_the_first_look_that_shows_a_control(lost: Lost):
    """Both listings must have been able to show a marker of ours."""
    lost.look()
    lost.clock.advance(minutes=11)
    for state in ("sent", "released"):
        lost.look(lost.control)
        assert lost.ticket.state == state
        lost.clock.advance(minutes=11)


def test_a_control_made_after_the_first_look_is_none(lost: Lost):
    """It shows that markers are kept now, not that they were then."""
    lost.look(lost.control)
    lost.clock.advance(minutes=1)
    start_one(lost.ledger, lost.clock, "later", "s2", repo="owner/other")
    text = title("later", repo="owner/other")
    later = session("s2", lost.clock.now(), text=text, repo="owner/other")
    assert looks(lost, [later]) == "sent"


@pytest.mark.parametrize(
    ("repo", "minutes", "state"),
    [
        ("owner/tool", 0.0, "sent"),
        ("owner/tool", -4.9, "sent"),
        (None, 0.0, "sent"),
        ("owner/tool", -5.1, "released"),
        ("owner/third", 0.0, "released"),
    ],
)
def test_an_unexplained_session_since_the_send_keeps_the_ticket_open(
    lost: Lost, repo: str | None, minutes: float, state: str
):
    """It could be ours with its title lost: on that source, or shown without one."""
    other = session("x1", lost.sent_at + timedelta(minutes=minutes), repo=repo)
    assert looks(lost, [lost.control, other]) == state


@pytest.mark.parametrize(
    "thin",
    [
        {"repo": None, "branch": None},
        {"branch": None},
        {"branch": "other"},
        {"repo": "owner/renamed"},
    ],
)
def test_a_session_of_ours_that_is_shown_in_part_is_not_absent(
    lost: Lost, thin: dict[str, str | None]
):
    """Its marker does not fit what is shown of it; once shown whole it is found."""
    real = session("s1", lost.sent_at, text=title())
    shown = real.model_copy(
        update={**thin, "marker": marker.read(title(), [MARKER_KEY], **_place(real, thin))}
    )
    assert not shown.mine
    assert looks(lost, [lost.control, shown]) == "sent"
    lost.look(lost.control, real)
    assert lost.ticket.state == "spent"
    assert lost.ledger.ticket_of_session("s1") == lost.ticket.id


def _place(real: Session, thin: dict[str, str | None]) -> dict[str, str | None]:
    return {"repo": real.repo, "branch": real.branch, **thin}


def test_a_listing_older_than_the_send_shows_no_absence(lost: Lost):
    """Its `Date` is what counts."""
    old = listing(lost.clock, lost.control)
    old.date = lost.sent_at
    reconcile_sessions(lost.ledger, old)
    assert lost.ticket.absent_since is None


def test_another_process_may_settle_what_this_one_lost(lost: Lost, tmp_path: Path):
    """The first absence and the last look need not be of the same process."""
    lost.look(lost.control)
    lost.clock.advance(minutes=10)
    other = open_ledger(tmp_path / "state.db", lost.clock)
    reconcile_sessions(other, listing(lost.clock, lost.control))
    assert lost.ticket.state == "released"


def test_a_held_ticket_is_voided_by_a_look_not_settled_by_it(lost: Lost):
    """It has sent nothing, so there is nothing to look for."""
    lost.ledger.hold_session(start("task2"), listing(lost.clock))
    lost.clock.advance(seconds=61)
    lost.look(lost.control)
    found = lost.ledger.find("start_session", "task2.a1")
    assert found is not None
    assert (found.state, found.evidence) == ("released", "never sent")


def lost_repository(path: Path) -> tuple[Ledger, ManualClock]:
    """Send the creation of `owner/new` and lose the answer."""
    clock = ManualClock()
    ledger = settled_ledger(path / "state.db", clock)
    prepared = github.create_repository("new", "x")
    seen = repositories(clock, old=START)
    ticket = ledger.hold_repository(prepared, key="new", repo="owner/new", listing=seen)
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    clock.advance(seconds=5)
    return ledger, clock


@pytest.mark.parametrize(
    ("born_minutes", "state"), [(0.0, "spent"), (-4.9, "spent"), (-5.1, "sent"), (-9999.0, "sent")]
)
def test_a_lost_repository_is_spent_when_listed_as_made_since(
    tmp_path: Path, born_minutes: float, state: str
):
    """One of that name that was there before is not the effect of this send."""
    ledger, clock = lost_repository(tmp_path)
    seen = repositories(clock, old=START, new=clock.now() + timedelta(minutes=born_minutes))
    reconcile_repositories(ledger, seen)
    found = ledger.find("create_repository", "new")
    assert found is not None
    assert found.state == state
    assert ledger.usage(clock.now()).repositories >= 1


@pytest.mark.parametrize(
    ("minutes", "shown", "state"),
    [(10.0, True, "released"), (9.9, True, "sent"), (10.0, False, "sent"), (9999.0, False, "sent")],
)
def test_a_lost_repository_is_released_when_absent_twice(
    tmp_path: Path, minutes: float, shown: bool, state: str
):
    """Ten minutes apart, from listings that show anything at all."""
    ledger, clock = lost_repository(tmp_path)
    for _ in range(2):
        seen = repositories(clock, old=START) if shown else repositories(clock)
        reconcile_repositories(ledger, seen)
        clock.advance(minutes=minutes)
    found = ledger.find("create_repository", "new")
    assert found is not None
    assert found.state == state

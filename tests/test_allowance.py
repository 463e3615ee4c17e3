"""The allowance holds whatever comes: state machines over the real ledger, and clocks in a table.

The machines are `allowance_machine.py` and `repository_machine.py`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mcp_server.clients import github
from mcp_server.guard.reconcile import reconcile_repositories
from tests.allowance_machine import Allowance
from tests.allowance_world import play
from tests.guard_cases import (
    START,
    UNKNOWN,
    ManualClock,
    listing,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
)
from tests.repository_machine import NewRepositories

# What no run may be without: else it proves nothing.
HAPPENED = {"held", "sent", "spent", "released", "lost files"}
REFUSED = {"refused sessions", "refused settling", "refused listing"}


@pytest.mark.parametrize(
    ("examples", "number"),
    [
        (200, 1),
        pytest.param(200, 2, marks=pytest.mark.deep),
        pytest.param(2000, 3, marks=pytest.mark.deep),
    ],
)
def test_no_schedule_starts_more_sessions_than_the_allowance(examples: int, number: int):
    """facts/safety.md 7, rows 1, 6 to 9 and 11; the oracle is the machine's own truth."""
    tally = play(Allowance, examples=examples, steps=50, number=number)
    assert set(tally.of) >= HAPPENED | REFUSED


@pytest.mark.parametrize(
    ("examples", "number"), [(80, 1), pytest.param(800, 2, marks=pytest.mark.deep)]
)
def test_no_schedule_makes_more_repositories_than_the_limit(examples: int, number: int):
    """facts/safety.md 7, row 2: in the rolling day and in the UTC day."""
    tally = play(NewRepositories, examples=examples, steps=50, number=number)
    assert set(tally.of) >= HAPPENED | {"refused repositories", "refused settling"}


@pytest.mark.parametrize("hours", [-25, 0, 25])
@pytest.mark.parametrize(
    "born",
    [
        "2026-12-31T23:59:59.900000+00:00",
        "2027-01-01T00:00:00+00:00",
        "2028-02-28T23:59:59.900000+00:00",  # the day before a leap day
        "2028-02-29T12:00:00+00:00",
        "2027-03-28T01:30:00+01:00",  # clocks go forward in Berlin
        "2027-10-31T02:30:00+02:00",  # and back: half past two comes twice
        "2027-11-07T01:30:00-04:00",  # back, in New York
        "2027-06-01T12:00:00+13:45",
    ],
)
def test_a_session_counts_a_day_by_jules_clock_on_any_date(tmp_path: Path, born: str, hours: int):
    """facts/safety.md 7, row 11; whatever the wall shows, and when its `Date` goes back as well."""
    clock = ManualClock()
    ledger = open_ledger(tmp_path / "state.db", clock)
    at = datetime.fromisoformat(born)
    seen = listing(clock, session("s1", at))
    seen.date = at + timedelta(seconds=0.1)
    ledger.record_listing(seen)
    clock.set_wall(at + timedelta(hours=hours))
    ages = {
        timedelta(hours=-25): 1,
        timedelta(): 1,
        timedelta(hours=23, minutes=59, seconds=59.9): 1,
        timedelta(hours=24): 1,
        timedelta(hours=24, minutes=5): 0,
    }
    assert {age: ledger.usage(at + age).count for age in ages} == ages


@pytest.mark.parametrize("hours", [-25, -1, 0, 1, 25])
def test_a_repository_that_is_listed_is_not_absent_whatever_the_wall_shows(
    tmp_path: Path, hours: int
):
    """I4: the clock on the wall was wrong when it was sent, and is right when it is looked for."""
    clock = ManualClock()
    ledger = settled_ledger(tmp_path / "state.db", clock)
    now = clock.now()
    clock.set_wall(now + timedelta(hours=hours))
    seen = replace(repositories(clock, old=START), date=now)
    ticket = ledger.hold_repository(
        github.create_repository("new", "x"), key="new", repo="owner/new", listing=seen
    )
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    clock.set_wall(now)
    for minutes in (1, 27 * 60, 11):
        clock.advance(minutes=minutes)
        reconcile_repositories(ledger, repositories(clock, old=START, new=now))
    found = ledger.find("create_repository", "new")
    assert found is not None
    assert found.state != "released"

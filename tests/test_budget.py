"""The allowance: each limit where it bites, and the arithmetic of what is free when."""

import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.clients import github, jules
from mcp_server.errors import Refused
from mcp_server.guard import budget
from mcp_server.guard.budget import Limits, Unit, Usage
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.models import Lane
from tests.guard_cases import (
    RELEASED,
    START,
    UNKNOWN,
    ManualClock,
    alarms,
    listing,
    make_repository,
    merge_of,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    spent,
    start,
    start_one,
    title,
)

MESSAGE = jules.send_message("s1", "go on")


LIMITS = Limits(
    sessions=10,
    concurrent=6,
    parallel_creates=2,
    trend_sessions=2,
    repair_reserve=3,
    manual_sessions=1,
    repository_share=0.3,
)


def fill(ledger: Ledger, clock: ManualClock, lanes: str, *, same_repo: bool = False) -> None:
    """Start and finish a session for each lane named."""
    for number, lane in enumerate(lanes.split()):
        repo = "owner/tool" if same_repo else f"owner/r{number}"
        start_one(ledger, clock, f"{lane}{number}", f"s{number}", lane=lane, repo=repo)
        done = session(
            f"s{number}", clock.now(), text=title(lane, repo=repo), repo=repo, state="COMPLETED"
        )
        ledger.record_listing(listing(clock, done))


@pytest.mark.parametrize(
    ("lanes", "lane", "limit"),
    [
        ("create update", "create", "trend_sessions"),
        ("create create", "update", "trend_sessions"),
        ("create create", "optimize", None),
        ("manual", "manual", "manual_sessions"),
        ("manual", "optimize", None),
        ("optimize " * 6, "optimize", None),
        ("optimize " * 7, "optimize", "repair_reserve"),
        ("optimize " * 7, "create", "repair_reserve"),
        ("optimize " * 7, "manual", "repair_reserve"),
        ("optimize " * 7, "repair", None),
        ("optimize " * 7 + "repair repair repair", "repair", "sessions"),
        ("repair " * 9, "optimize", None),
        ("repair " * 10, "optimize", "sessions"),
    ],
)
def test_each_lane_has_its_ceiling(
    tmp_path: Path, clock: ManualClock, lanes: str, lane: Lane, limit: str | None
):
    """DESIGN.md section 5, Limits: what one more session of `lane` is told after `lanes`."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    fill(ledger, clock, lanes)
    if limit is None:
        assert ledger.hold_session(start("new", lane=lane), listing(clock)).state == "held"
        return
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("new", lane=lane), listing(clock))
    assert refused.value.limit == limit


def test_a_repository_gets_its_share_of_the_day_and_no_more(tmp_path: Path, clock: ManualClock):
    """A poison task cannot eat the allowance; other repositories and lanes go on."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    fill(ledger, clock, "optimize repair optimize", same_repo=True)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("new", lane="repair"), listing(clock))
    assert refused.value.limit == "per_repository"
    ledger.hold_session(start("new", repo="owner/other"), listing(clock))


def test_so_many_run_at_once_and_a_finished_one_makes_room(tmp_path: Path, clock: ManualClock):
    """Concurrent: what the listing shows as running, foreign ones too, plus open tickets."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    running = [session(f"f{number}", clock.now()) for number in range(6)]
    ledger.record_listing(listing(clock, *running))
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "concurrent"
    running[0] = running[0].model_copy(update={"state": "COMPLETED"})
    ledger.record_listing(listing(clock, *running))
    ledger.hold_session(start(), listing(clock))


def test_a_deleted_session_gives_its_place_back_and_never_its_unit(
    tmp_path: Path, clock: ManualClock
):
    """Missed by complete listings for ten minutes; a single bad listing frees nothing."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    ledger.record_listing(listing(clock, session("f1", clock.now())))
    places: list[int] = []
    for minutes in (0, 9.9, 0.2, 60):
        clock.advance(minutes=minutes)
        ledger.record_listing(listing(clock))
        places.append(ledger.usage(clock.now()).running)
    assert places == [1, 1, 0, 0]
    assert ledger.usage(clock.now()).count == 1
    ledger.record_listing(listing(clock, session("f1", START)))
    assert ledger.usage(clock.now()).running == 1, "it was only hidden"


@pytest.mark.parametrize(("hours", "counts"), [(25.0, True), (71.0, True), (73.0, False)])
def test_a_session_that_runs_for_more_than_a_day_still_runs(
    tmp_path: Path, clock: ManualClock, hours: float, counts: bool
):
    """Out of the window, not out of the way; one that no listing reaches is let go at last."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=Limits(concurrent=1))
    waits = session("o", clock.now(), state="AWAITING_USER_FEEDBACK")
    ledger.record_listing(listing(clock, waits))
    clock.advance(hours=hours)
    ledger.record_listing(listing(clock))
    assert ledger.usage(clock.now()).count == 0
    if not counts:
        ledger.hold_session(start(), listing(clock))
        return
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "concurrent"
    ledger.record_listing(listing(clock, waits.model_copy(update={"state": "COMPLETED"})))
    ledger.hold_session(start(), listing(clock))


def test_so_many_creates_are_in_flight_and_a_lost_one_blocks_for_two_minutes(
    tmp_path: Path, clock: ManualClock
):
    """Parallel creates; an answer lost long ago is in doubt, not in flight."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    for task in ("a", "b"):
        send(ledger, ledger.hold_session(start(task, repo=None), listing(clock)))
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("c"), listing(clock))
    assert refused.value.limit == "parallel_creates"
    clock.advance(minutes=2)
    ledger.hold_session(start("c"), listing(clock))
    assert ledger.usage(clock.now()).count == 3


def test_every_session_counts_for_a_day_and_five_minutes_by_the_listings_date(
    tmp_path: Path, clock: ManualClock
):
    """I7: foreign, archived, failed and since deleted ones; the local clock has no say."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    born = clock.now()
    seen = [
        session("f1", born),
        session("f2", born, archived=True),
        session("f3", born, state="FAILED", repo=None),
        *(session(f"d{number}", born, state="COMPLETED") for number in range(7)),
    ]
    ledger.record_listing(listing(clock, *seen))
    clock.set_wall(born + timedelta(days=30))
    clock.advance(hours=1)
    for age in (timedelta(days=1), timedelta(hours=24, minutes=4, seconds=59)):
        short = listing(clock)
        short.date = born + age
        ledger.record_listing(short)
        assert ledger.usage(short.date).count == 10
        with pytest.raises(Refused) as refused:
            ledger.hold_session(start(), short)
        assert refused.value.limit == "sessions"
    last = listing(clock)
    last.date = born + timedelta(hours=24, minutes=5)
    assert ledger.hold_session(start(), last).state == "held"


@pytest.mark.parametrize("hours", [-25, 25, -24 * 365, 24 * 365])
def test_setting_the_clock_frees_no_unit(tmp_path: Path, clock: ManualClock, hours: int):
    """Promise 11: neither spent nor lost ones, forward or back."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=LIMITS)
    fill(ledger, clock, "repair " * 9)
    send(ledger, ledger.hold_session(start("lost"), listing(clock)))
    date = clock.now()
    clock.set_wall(date + timedelta(hours=hours))
    ledger.void_stale()
    seen = listing(clock)
    seen.date = date + timedelta(minutes=1)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("more", lane="repair"), seen)
    assert refused.value.limit == "sessions"


def test_an_open_ticket_never_ages_out(ledger: Ledger, clock: ManualClock):
    """Its session may be as young as the moment it is found."""
    send(ledger, ledger.hold_session(start(), listing(clock)))
    clock.advance(days=40)
    assert ledger.usage(clock.now()).count == 1


def test_a_released_ticket_counts_no_more_and_a_spent_one_counts_once(
    ledger: Ledger, clock: ManualClock
):
    """Its session is the same unit, whether the answer or a listing names it first."""
    lost = ledger.hold_session(start("lost"), listing(clock))
    send(ledger, lost)
    ledger.record_outcome(lost.id, RELEASED)
    assert ledger.usage(clock.now()).count == 0
    for task, first in (("a", "answer"), ("b", "listing")):
        ticket = ledger.hold_session(start(task), listing(clock))
        send(ledger, ticket)
        shown = session(f"s-{task}", clock.now(), text=title(task))
        if first == "listing":
            ledger.record_listing(listing(clock, shown))
        ledger.record_outcome(ticket.id, spent(f"s-{task}", clock.now()))
        ledger.record_listing(listing(clock, shown))
        assert ledger.ticket_of_session(f"s-{task}") == ticket.id
    assert ledger.usage(clock.now()).count == 2
    assert alarms(ledger) == []


def test_repositories_are_limited_in_the_window_and_in_the_utc_day(
    tmp_path: Path, clock: ManualClock
):
    """Both: ten before midnight and ten after would be twenty in a night."""
    limits = Limits(repositories=2)
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=limits)
    evening = datetime(2026, 11, 23, 22, tzinfo=START.tzinfo)
    clock.advance(evening - clock.now())
    make_repository(ledger, clock, "a")
    made = github.create_repository("b", "x")
    theirs = evening - timedelta(hours=1)
    for later in (0.0, 3.0, 23.0):
        clock.advance(evening + timedelta(hours=later) - clock.now())
        seen = repositories(clock, theirs=theirs, old=START - timedelta(days=9))
        with pytest.raises(Refused) as refused:
            ledger.hold_repository(made, key="b", repo="owner/b", listing=seen)
        assert refused.value.limit == "repositories"
    clock.advance(minutes=6)
    assert make_repository(ledger, clock, "b").state == "held"


def test_a_lost_creation_of_a_repository_keeps_its_place(tmp_path: Path, clock: ManualClock):
    """Promise 2: held and sent ones count."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=Limits(repositories=1))
    lost = github.create_repository("a", "x")
    seen = repositories(clock)
    send(ledger, ledger.hold_repository(lost, key="a", repo="owner/a", listing=seen))
    clock.advance(days=3)
    with pytest.raises(Refused):
        make_repository(ledger, clock, "b")


def test_a_session_is_sent_so_many_messages(tmp_path: Path, clock: ManualClock):
    """A refused message does not count; another session is another matter."""
    ledger = open_ledger(tmp_path / "state.db", clock, limits=Limits(messages_per_session=2))
    for key in ("a", "b", "c"):
        ticket = ledger.hold(MESSAGE, key=key)
        send(ledger, ticket)
        ledger.record_outcome(ticket.id, RELEASED if key == "a" else UNKNOWN)
    with pytest.raises(Refused) as refused:
        ledger.hold(MESSAGE, key="d")
    assert refused.value.limit == "messages"
    ledger.hold(jules.send_message("s2", "go on"), key="d")


@pytest.mark.parametrize(
    ("limits", "span", "limit"),
    [
        (Limits(writes_per_minute=3), timedelta(minutes=1), "writes_per_minute"),
        (Limits(writes_per_hour=3), timedelta(hours=1), "writes_per_hour"),
    ],
)
def test_writes_keep_their_pace(
    tmp_path: Path, clock: ManualClock, limits: Limits, span: timedelta, limit: str
):
    """GitHub's secondary limits are met before GitHub has to say so."""
    ledger = open_ledger(tmp_path / "state.db", clock, limits=limits)
    for number in range(3):
        ledger.hold(merge_of(), key=f"k{number}")
    clock.advance(span - timedelta(seconds=1))
    with pytest.raises(Refused) as refused:
        ledger.hold(MESSAGE, key="k")
    assert refused.value.limit == limit
    clock.advance(seconds=1)
    ledger.hold(MESSAGE, key="k")


def test_the_limits_of_the_pro_plan_are_the_designs():
    """DESIGN.md section 5, Limits."""
    limits = Limits()
    assert limits == Limits.for_allowance(100)
    assert (limits.sessions, limits.concurrent, limits.parallel_creates) == (100, 15, 3)
    assert (limits.repositories, limits.repair_reserve, limits.per_repository) == (10, 5, 20)
    assert budget.lane_limits(limits) == {
        "create": 15,
        "update": 15,
        "optimize": 95,
        "repair": 100,
        "manual": 10,
    }


@given(st.integers(1, 300))
def test_a_smaller_allowance_scales_its_parts_and_a_bigger_one_does_not(sessions: int):
    """Above the default a part grows by its own setting only; none is ever nought."""
    limits = Limits.for_allowance(sessions)
    share = min(100, sessions)
    assert limits.sessions == sessions
    assert limits.repositories == math.ceil(share / 10)
    assert 1 <= limits.trend_sessions <= 15
    assert 1 <= limits.manual_sessions <= 10
    assert limits.repair_reserve == share // 20
    assert limits.repair_reserve < sessions
    assert 1 <= limits.per_repository <= math.ceil(sessions / 5)


_TIMES = st.lists(
    st.integers(0, 86_400_000).map(lambda ms: START - timedelta(milliseconds=ms)),
    max_size=20,
)


def usage(times: list[datetime], *, held: int = 0) -> Usage:
    """Return the usage of sessions of these times and so many open tickets."""
    units = [Unit(at=at, lane="optimize", repo=None, ours=True) for at in times]
    units += [Unit(at=None, lane="optimize", repo=None, ours=True)] * held
    return Usage(
        now=START,
        units=units,
        running=0,
        creates_in_flight=0,
        repositories=0,
        repositories_today=0,
        held=held,
    )


@given(_TIMES, st.integers(0, 3))
def test_the_schedule_gives_every_aged_unit_once_and_never_too_early(
    times: list[datetime], held: int
):
    """A promise that a start may be planned on; open tickets promise nothing."""
    found = budget.releases(usage(times, held=held))
    assert sum(release.units for release in found) == len(times)
    assert list(found) == sorted(found, key=lambda release: release.at)
    for release in found:
        gone = [at for at in times if at <= budget.window_start(release.at)]
        promised = sum(other.units for other in found if other.at <= release.at)
        assert len(gone) >= promised


@given(_TIMES)
def test_a_refusal_says_when_the_next_unit_falls_free(times: list[datetime]):
    """The text that a tool gives a model is the schedule's own first moment."""
    limits = Limits(sessions=max(1, len(times)), concurrent=99, repair_reserve=0)
    counted = usage(times, held=0 if times else 1)
    with pytest.raises(Refused) as refused:
        budget.check_session(limits, counted, lane="repair", repo=None)
    soonest = budget.next_release(counted)
    assert refused.value.limit == "sessions"
    assert refused.value.retry_at == (soonest.isoformat() if soonest else None)


def test_the_utc_day_limits_repositories_when_the_window_does_not():
    """The window is a day and five minutes; a clock ahead at GitHub may still make the two part."""
    limits = Limits(repositories=2)
    counted = Usage(
        now=START,
        units=[],
        running=0,
        creates_in_flight=0,
        repositories=1,
        repositories_today=2,
    )
    with pytest.raises(Refused) as refused:
        budget.check_repository(limits, counted)
    assert refused.value.limit == "repositories_utc_day"


def test_one_name_is_made_once_a_day(ledger: Ledger, clock: ManualClock):
    """Repositories are counted by name: one that a person deleted meanwhile still counts."""
    make_repository(ledger, clock, "new")
    again = github.create_repository("new", "x")
    with pytest.raises(Refused) as refused:
        ledger.hold_repository(again, key="again", repo="owner/new", listing=repositories(clock))
    assert refused.value.limit == "duplicate"
    clock.advance(days=1, minutes=6)
    held = ledger.hold_repository(again, key="again", repo="owner/new", listing=repositories(clock))
    send(ledger, held)
    result = {"full_name": "owner/new", "private": True, "created_at": clock.now().isoformat()}
    ledger.record_outcome(held.id, Outcome(state="spent", evidence="HTTP 201", result=result))
    assert ledger.usage(clock.now()).repositories == 1
    assert ledger.verify().agrees

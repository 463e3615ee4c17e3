"""The controller over the real server and a sandbox world: what it makes of lost answers and lives.

Days here carry out a given plan of a few tasks, so that each shows one thing.
"""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from agent.answers import drop
from agent.run import Options
from agent.state import State
from mcp_server.guard.ledger import Ledger
from mcp_server.models import Lane
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.life import Life
from mcp_server.sandbox.visitor import scripted
from tests.day_cases import (
    CARE,
    NEW,
    OTHER,
    REFUSED,
    SECOND,
    Day,
    Strike,
    carry_out,
    elsewhere,
    plan_of,
)
from tests.guard_cases import ManualClock, open_ledger

LOST = (
    Fault("reset_after"),
    Fault("timeout_after"),
    Fault("truncated_after"),
    *(Fault("status_after", status) for status in (500, 503, 429, 408)),
)


def test_a_session_whose_create_was_lost_is_adopted_by_its_marker(tmp_path: Path) -> None:
    """DESIGN.md section 5: no such answer proves anything; a create is never sent twice."""
    tasks = elsewhere(len(LOST))
    strike = Strike("/sessions", dict(enumerate(LOST, start=1)))
    day = carry_out(tmp_path, *tasks, fault=strike)
    assert set(day.ends.values()) == {"merged"}
    assert sorted(day.sessions) == sorted(f"{one.key}.a1" for one in tasks)
    assert day.sent("/sessions") == len(LOST)
    assert day.nights.rules_broken == []


def test_a_refused_connection_is_another_attempt(tmp_path: Path) -> None:
    """A failure to connect proves that nothing was sent: the unit is free again."""
    day = carry_out(tmp_path, CARE, fault=Strike("/sessions", {1: REFUSED}))
    assert day.ends == {"kcare": "merged"}
    assert day.sessions == ["kcare.a2"]
    assert day.result.report.allowance.released == 1


def test_connections_that_are_always_refused_end_the_task(tmp_path: Path) -> None:
    """Three attempts, then a person reads why."""
    strike = Strike("/sessions", dict.fromkeys(range(1, 9), REFUSED))
    day = carry_out(tmp_path, CARE, fault=strike)
    assert day.ends == {"kcare": "failed"}
    assert day.sent("/sessions") == 3
    assert day.sessions == []
    assert day.result.report.run.exit == 3


def test_a_create_that_never_arrived_is_tried_again_only_when_that_is_proved(
    tmp_path: Path,
) -> None:
    """Absent from listings ten minutes apart that show an earlier marker of ours."""
    strike = Strike("/sessions", {2: Fault("reset_before")})
    day = carry_out(tmp_path, CARE, SECOND, fault=strike)
    assert day.ends == {"kcare": "merged", "ksecond": "merged"}
    assert day.sessions == ["kcare.a1", "ksecond.a2"]
    ends = {event.ticket: event for event in day.result.events if event.kind == "released"}
    assert [event.data["evidence"] for event in ends.values()] == [
        "absent from complete listings ten minutes apart"
    ]
    assert day.nights.rules_broken == []


def test_a_merge_whose_answer_was_lost_is_not_sent_again(tmp_path: Path) -> None:
    """The next look sees that it is merged."""
    day = carry_out(tmp_path, CARE, fault=Strike("/merge", {1: Fault("timeout_after")}))
    assert day.ends == {"kcare": "merged"}
    assert day.sent("/merge") == 1


def test_an_answer_to_a_session_that_was_lost_is_not_said_twice(tmp_path: Path) -> None:
    """It is read back in the session's activities."""
    strike = Strike(":sendMessage", {1: Fault("status_after", 503)})
    day = carry_out(tmp_path, CARE, fault=strike, script=scripted(asks_at=1))
    assert day.ends == {"kcare": "merged"}
    assert day.sent(":sendMessage") == 1


@pytest.mark.parametrize("fault", [REFUSED, Fault("reset_after")], ids=["refused", "lost"])
def test_a_new_repository_goes_on_at_the_step_that_was_lost(tmp_path: Path, fault: Fault) -> None:
    """DESIGN.md section 6, the saga: one repository, private, with one first commit."""
    steps = ("/git/trees", "/git/commits", "/git/refs/heads/main")
    strikes = [Strike(step, {1: fault}) for step in steps]

    def each(exchange: Exchange) -> Fault | None:
        return next(filter(None, [strike(exchange) for strike in strikes]), None)

    day = carry_out(tmp_path, NEW, fault=each)
    assert day.ends == {"knew": "merged"}
    assert all(strike.seen for strike in strikes)
    assert day.sent("/user/repos") == 1
    repo = day.nights.world.github.repo(NEW.repo)
    assert repo is not None
    assert repo.private
    assert day.nights.rules_broken == []


LIVES: dict[str, tuple[dict[str, object], str, int]] = {
    "it works": ({}, "merged", 0),
    "it asks": ({"asks_at": 1}, "merged", 1),
    "it falls silent": ({"silent_at": 1}, "merged", 1),
    "it pauses": ({"outcome": "pause"}, "failed", 1),
    "it fails": ({"outcome": "fail", "reason": "No disk."}, "failed", 0),
    "it opens no pull request": ({"opens_pull": False}, "merged", 1),
    "it leaves its diff in an activity": (
        {"opens_pull": False, "outputs_empty": True},
        "merged",
        1,
    ),
    "it leaves a diff that must not be": (
        {"opens_pull": False, "touches_workflow": True},
        "parked",
        1,
    ),
    "it is red and mends itself": ({"first_push_red": True, "fixes_itself": True}, "merged", 0),
    "it is red and is told": ({"first_push_red": True, "fixes_itself": False}, "merged", 1),
    "it conflicts": ({"conflicts": True}, "merged", 1),
    "it touches a workflow": ({"touches_workflow": True}, "parked", 0),
}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """One day in which every life of the table is lived, each in a repository of its own."""
    tasks = elsewhere(len(LIVES))
    by_title = dict(zip((one.title for one in tasks), LIVES.values(), strict=True))

    def script(title: str, life: Life) -> Life:
        changes = by_title[title.partition("] ")[2]][0]
        return scripted(**changes)(title, life)

    return carry_out(tmp_path_factory.mktemp("lives"), *tasks, script=script)


@pytest.mark.parametrize(("nth", "name"), list(enumerate(LIVES)), ids=list(LIVES))
def test_every_life_of_a_session_has_its_end(lives: Day, nth: int, name: str) -> None:
    """DESIGN.md section 6 step 4: watched, answered, mended, merged, or parked with a reason."""
    _, end, messages = LIVES[name]
    told = lives.result.report.tasks[nth]
    assert (told.state, told.sessions_spent) == (end, 1)
    assert told.reason
    assert lives.sent(f"/{told.sessions[0]}:sendMessage") == messages


def test_a_day_of_all_lives_breaks_no_rule_and_says_that_some_failed(lives: Day) -> None:
    """Exit 3; every session of ours is at rest."""
    assert lives.nights.rules_broken == []
    assert lives.result.report.run.exit == 3
    assert lives.result.report.allowance.spent == len(LIVES)


def test_a_parked_pull_request_keeps_its_session(tmp_path: Path) -> None:
    """A person has to look at it: however often the day is run, it is not archived."""
    script = scripted(touches_workflow=True)
    day = carry_out(tmp_path, CARE, runs=(Options(), Options()), script=script)
    assert day.ends == {"kcare": "parked"}
    assert day.archived == [False]
    assert day.result.report.needs_you == (f"{CARE.repo}: {day.tasks['kcare'].reason}",)


def test_two_tasks_of_one_repository_follow_each_other(tmp_path: Path) -> None:
    """Two sessions at once would meet in conflicts."""
    day = carry_out(tmp_path, CARE, SECOND)
    assert day.ends == {"kcare": "merged", "ksecond": "merged"}
    assert day.archived[0]
    sessions = list(day.nights.world.jules.sessions.values())
    merged = next(
        effect.at for effect in day.nights.world.oracle.effects if effect.kind == "pull_merged"
    )
    assert sessions[1].created >= merged


def test_a_task_whose_tool_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    """A failing tool is that task's misfortune for a round; the report tells it."""
    strike = Strike(":sendMessage", {1: REFUSED, 2: REFUSED})
    day = carry_out(tmp_path, CARE, OTHER, fault=strike, script=scripted(asks_at=1))
    assert day.ends == {"kcare": "merged", "kother": "merged"}
    assert any("no connection" in error for error in day.result.report.errors)


def test_a_dry_run_changes_nothing_in_the_world(tmp_path: Path) -> None:
    """Not one mutation is sent, and nothing is remembered that a real run would resume."""
    day = carry_out(tmp_path, CARE, NEW, runs=(Options(dry_run=True), Options()))
    dry, real = day.nights.results
    assert [one.state for one in dry.report.tasks] == ["skipped", "skipped"]
    assert (dry.report.allowance.spent, dry.report.archived) == (0, ())
    assert not any(event.kind in ("held", "sent") for event in dry.events)
    assert real.report.run.resumed is False
    assert {one.state for one in real.report.tasks} == {"merged"}


def test_a_day_that_was_cut_off_is_resumed_without_a_second_session(tmp_path: Path) -> None:
    """Exit 6 with work left; the next run takes up the session by its marker."""
    short = Options(until=timedelta(minutes=90))
    day = carry_out(tmp_path, CARE, runs=(short, Options()), script=scripted(gaps=(300.0,) * 20))
    first, second = day.nights.results
    assert (first.report.run.exit, first.report.tasks[0].state) == (6, "running")
    assert (second.report.run.exit, second.report.run.resumed) == (0, True)
    assert day.ends == {"kcare": "merged"}
    assert day.sessions == ["kcare.a1"]


def test_a_started_task_is_found_again_from_an_empty_disk(tmp_path: Path) -> None:
    """DESIGN.md section 6: its key is in the marker; it is neither lost nor doubled."""
    runs = (Options(until=timedelta(minutes=90)), Options())
    long = scripted(gaps=(300.0,) * 20)
    day = carry_out(tmp_path, CARE, runs=runs, empty_disks=True, script=long)
    assert day.ends == {"kcare": "merged"}
    assert day.result.report.run.resumed is False
    assert day.sessions == ["kcare.a1"]
    assert day.nights.rules_broken == []


SHORT = Options(until=timedelta(minutes=90))
LONG = scripted(gaps=(300.0,) * 20)


@pytest.mark.parametrize("only", [None, frozenset({"update"})], ids=["all lanes", "another lane"])
def test_a_started_task_that_no_plan_names_any_more_is_brought_to_its_end(
    tmp_path: Path, only: frozenset[Lane] | None
) -> None:
    """DESIGN.md section 6: with an empty disk, its session is all that is left to tell of it."""
    later = Options(plan=plan_of(OTHER), only=only)
    day = carry_out(tmp_path, CARE, runs=(SHORT, later, later), empty_disks=True, script=LONG)
    first, second, third = (one.report for one in day.nights.results)
    assert first.tasks[0].state == "running"
    told = {one.id: one for one in second.tasks}
    assert (told["kcare"].state, told["kcare"].lane, told["kcare"].repo) == (
        "merged",
        "optimize",
        CARE.repo,
    )
    assert told["kcare"].sessions == first.tasks[0].sessions
    assert ("kother" in told) == (only is None)
    # All over: a third life finds nothing of it to do.
    assert "kcare" not in {one.id for one in third.tasks}
    assert day.sessions == (["kcare.a1"] if only else ["kcare.a1", "kother.a1"])
    assert all(day.archived)
    assert day.nights.rules_broken == []


def test_a_repository_that_was_made_for_a_task_that_no_plan_names_gets_its_session(
    tmp_path: Path,
) -> None:
    """One repository, one session; and it stands in the review list as any new one."""
    runs = (replace(SHORT, until=timedelta(minutes=86)), Options(plan=plan_of(CARE)))
    day = carry_out(tmp_path, NEW, runs=runs, empty_disks=True)
    assert day.nights.results[0].report.tasks[0].state == "running"
    assert day.ends == {"knew": "merged", "kcare": "merged"}
    assert sorted(day.sessions) == ["kcare.a1", "knew.a1"]
    assert day.sent("/user/repos") == 1
    assert [one.repo for one in day.result.report.review_before_public] == [NEW.repo]
    assert day.nights.rules_broken == []


def test_what_was_begun_and_may_not_go_on_today_is_not_given_up(tmp_path: Path) -> None:
    """A pause refuses its next step all day long: cut off with work left, never skipped."""
    disk = tmp_path / "1.db"
    paused: list[Ledger] = []

    def strike(exchange: Exchange) -> Fault | None:
        if not disk.exists():
            return REFUSED if exchange.path.endswith("/git/trees") else None
        if exchange.path.endswith("/sessions") and not paused:
            paused.append(open_ledger(disk, ManualClock(), world="sandbox:7"))
            paused[0].pause("by hand")
        return None

    runs = (replace(SHORT, until=timedelta(minutes=86)), replace(SHORT, plan=plan_of()))
    day = carry_out(tmp_path, NEW, runs=runs, empty_disks=True, fault=strike)
    assert day.ends == {"knew": "running"}
    assert day.result.report.run.exit == 6
    assert "by hand" in day.tasks["knew"].reason


def test_a_dry_run_takes_nothing_up(tmp_path: Path) -> None:
    """It shows a plan; what was begun stays as it is, for a real run."""
    dry = Options(plan=plan_of(OTHER), dry_run=True)
    day = carry_out(tmp_path, CARE, runs=(SHORT, dry), empty_disks=True, script=LONG)
    assert list(day.ends) == ["kother"]
    assert day.sessions == ["kcare.a1"]
    assert day.archived == [False]


@pytest.mark.parametrize(
    ("at", "nth", "spent"),
    [("GET", 3, 0), ("POST", 1, 1)],
    ids=["between two looks", "while it starts"],
)
def test_a_task_that_a_person_drops_beside_a_run_stays_dropped(
    tmp_path: Path, at: str, nth: int, spent: int
) -> None:
    """The run does not write its own view over the answer; a unit that was spent is told."""
    seen: list[Exchange] = []

    def drop_it(exchange: Exchange) -> None:
        state = State(f"sqlite:///{tmp_path}/0.db")
        if exchange.path.endswith("/sessions") and exchange.method == at and state.task("kcare"):
            seen.append(exchange)
            if len(seen) == nth:
                drop(state, "kcare")
        state.close()

    day = carry_out(tmp_path, CARE, OTHER, fault=drop_it)
    assert day.ends == {"kcare": "skipped", "kother": "merged"}
    told = day.tasks["kcare"]
    assert (told.reason, told.sessions_spent) == ("dropped by a person", spent)
    assert sorted(day.sessions) == [*["kcare.a1"] * spent, "kother.a1"]


def test_a_day_that_was_done_is_done_when_it_is_run_again(tmp_path: Path) -> None:
    """A rerun is a no-op."""
    day = carry_out(tmp_path, CARE, runs=(Options(), Options()))
    first, second = day.nights.results
    assert second.report.tasks == first.report.tasks
    assert day.sent("/sessions") == 1
    assert day.sent(":archive") == 1

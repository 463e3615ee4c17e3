"""How tasks and runs end when something was in the way; each case was once wrong."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.planner.plan import Plan, Task
from agent.report.model import Report
from agent.run import Options
from agent.wiring import SANDBOX_JULES_KEY, WorldFlags, make_world
from mcp_server.clock import LoopClock
from mcp_server.errors import BadArgument
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.session import Order
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.world import EPOCH, World
from tests.agent_cases import NOW, REPO, Desk, at_desk
from tests.day_cases import CARE, NEW, OTHER, SPLIT, Day, Strike, carry_out
from tests.days import Nights, run_once

TODAY = f"{EPOCH:%Y-%m-%d}"


def a_plan(*tasks: Task, date: str = TODAY) -> Plan:
    """Return a frozen plan of these tasks."""
    return Plan(date=date, created_at=NOW, split=SPLIT, ideas=(), tasks=tasks, notes=())


def runs(folder: Path, *options: Options) -> list[Report]:
    """Run once for each of `options`, in one world and on one state."""

    async def play() -> list[Report]:
        clock = LoopClock(EPOCH)
        nights = Nights(world=make_world(WorldFlags(sandbox=True), clock, CALM))
        for one in options:
            await run_once(nights, clock, f"sqlite:///{folder}/state.db", one, CALM)
        return [result.report for result in nights.results]

    return run_virtual(play())


def refused(words: str) -> pytest.RaisesGroup[BadArgument]:
    """Expect a `BadArgument`, inside the groups that the SDK's tasks wrap around it."""
    return pytest.RaisesGroup(pytest.RaisesExc(BadArgument, match=words), flatten_subgroups=True)


def open_tickets(day: Day) -> set[str | None]:
    """Return the tickets that were sent and have no end in the ledger."""
    sent = {event.ticket for event in day.result.events if event.kind == "sent"}
    ended = {event.ticket for event in day.result.events if event.kind in ("spent", "released")}
    return sent - ended


def test_the_session_of_the_last_task_is_archived_too(tmp_path: Path) -> None:
    """DESIGN.md section 6: the round that ends the last task is not the last round."""
    day = carry_out(tmp_path, CARE)
    assert day.archived == [True]
    assert len(day.result.report.archived) == 1
    assert open_tickets(day) == set()


def test_a_merge_whose_answer_was_lost_is_settled_by_what_is_seen(tmp_path: Path) -> None:
    """The pull request is merged: its ticket does not stay open for ever."""
    day = carry_out(tmp_path, CARE, fault=Strike("/merge", {1: Fault("timeout_after")}))
    assert day.ends == {"kcare": "merged"}
    assert open_tickets(day) == set()


def test_a_message_that_never_gets_through_parks_its_task(tmp_path: Path) -> None:
    """Not asked for until the deadline, and again on each following day."""
    never = Strike(":sendMessage", dict.fromkeys(range(1, 999), Fault("refuse_connect")))
    day = carry_out(tmp_path, CARE, fault=never, script=scripted(asks_at=1))
    assert day.ends == {"kcare": "parked"}
    assert "came to nothing" in day.tasks["kcare"].reason


def test_a_pull_request_that_nobody_shows_any_more_parks_its_task(tmp_path: Path) -> None:
    """Deleted with its repository, or out of the token's reach: not asked for on every day."""

    def gone(exchange: Exchange) -> Fault | None:
        hidden = exchange.method == "GET" and "/pulls/" in exchange.path
        return Fault("status_after", 404) if hidden else None

    day = carry_out(tmp_path, CARE, fault=gone)
    assert day.ends == {"kcare": "parked"}
    assert "could not be read" in day.tasks["kcare"].reason


def test_a_branch_of_somebody_s_in_the_place_of_a_proposal_parks_its_task(tmp_path: Path) -> None:
    """The name is the task's: no later call would find another."""

    def taken(world: World) -> None:
        repo = world.github.repo(CARE.repo)
        assert repo is not None
        repo.git.branches["daily-factory/kcare-a1"] = repo.git.branches["main"]

    day = carry_out(tmp_path, CARE, prepare=taken, script=scripted(opens_pull=False))
    assert day.ends == {"kcare": "parked"}
    assert "choose another" in day.tasks["kcare"].reason


def test_work_that_had_no_time_is_cut_off_not_out_of_allowance(tmp_path: Path) -> None:
    """Exit 4 says that nothing is free; here the ledger settled past the last useful start."""
    day = carry_out(tmp_path, CARE, runs=(Options(until=timedelta(minutes=76)),))
    report = day.result.report
    assert report.allowance.remaining == report.allowance.limit
    assert report.run.exit == 6


def test_a_secret_in_somebody_s_title_is_masked_in_answers() -> None:
    """DESIGN.md section 5: redaction by exact value on everything that leaves towards a model."""

    async def play(desk: Desk) -> tuple[str, str]:
        order = Order(prompt="x", title=f"key {SANDBOX_JULES_KEY}", repo=REPO, branch="main")
        desk.world.jules.create(order, foreign=True)
        told = await desk.call("jules_list_sessions")
        return told.text, str(told.content)

    for shown in at_desk(play):
        assert "key ***" in shown
        assert SANDBOX_JULES_KEY not in shown


def test_an_age_of_nothing_reads_anew_even_at_the_same_moment() -> None:
    """In virtual time two calls can share an instant."""

    async def play(desk: Desk) -> int:
        await desk.settle()
        before = desk.world.requests["jules.googleapis.com"]
        await desk.ask("jules_list_sessions", max_age=0)
        await desk.ask("jules_list_sessions", max_age=0)
        return desk.world.requests["jules.googleapis.com"] - before

    assert at_desk(play) == 2


def test_a_plan_of_another_day_is_refused(tmp_path: Path) -> None:
    """Its task keys carry its date: carried out today it would be other work."""
    with refused("this plan is for 2026-11-22"):
        runs(tmp_path, Options(plan=a_plan(CARE, date="2026-11-22")))


def test_a_second_plan_for_a_begun_day_is_refused(tmp_path: Path) -> None:
    """Exactly the reviewed plan is carried out, or nothing."""
    with refused("begun with another plan"):
        runs(tmp_path, Options(plan=a_plan(CARE)), Options(plan=a_plan(OTHER)))


def test_only_picks_lanes_of_a_given_plan_and_leaves_the_rest_for_later(tmp_path: Path) -> None:
    """And a later run without it takes up what was left."""
    plan = a_plan(CARE, NEW)
    first, second = runs(
        tmp_path, Options(plan=plan, only=frozenset({"optimize"})), Options(plan=plan)
    )
    assert [task.id for task in first.tasks] == ["kcare"]
    assert {task.id: task.state for task in second.tasks} == {"kcare": "merged", "knew": "merged"}

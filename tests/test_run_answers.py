"""What answers come to over one world: another attempt, archiving, a ledger that breaks."""

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agent.answers import retry
from agent.planner.plan import Plan, Split, Task
from agent.run import Options
from agent.state import Day, State
from agent.tidy import tidy
from agent.wiring import Wired, WorldFlags, in_memory, make_world, sandbox_settings
from mcp_server.clock import LoopClock
from mcp_server.models import Budget, Discovery, Events, Paused, Started
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM, FULL
from mcp_server.sandbox.repository import Pull
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.world import EPOCH, World
from tests.agent_cases import NOW, OTHER_REPO, REPO, Desk, at_desk, task
from tests.days import Nights, run_once

T = TypeVar("T")
DAY = f"{EPOCH:%Y-%m-%d}"


def test_a_session_with_an_open_pull_request_is_not_archived() -> None:
    """Issue 3 item 6: it would be left to nobody; once merged it is tidied away."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        one = (await desk.start())["session_id"]
        pull = await desk.completed(one)
        told = await desk.call("jules_archive_session", session_id=one)
        assert told.refusal == ("refused", "open_pull")
        assert not any("archive" in call for call in desk.tap.mutations)
        given = {"repo": REPO, "number": pull.number, "head_sha": pull.head}
        for _ in range(30):
            if (await desk.ask("github_merge_pull", **given))["merged"]:
                break
            await desk.wait(minutes=1)
        await desk.ask("jules_archive_session", session_id=one)
        assert desk.of_ours()[0].archived
        assert desk.broken == []

    at_desk(play)


def in_a_world(folder: Path, play: Callable[[Wired], Awaitable[T]]) -> T:
    """Run `play` with an agent over a calm world."""

    async def work() -> T:
        async with AsyncExitStack() as stack:
            clock = LoopClock(EPOCH)
            world = make_world(WorldFlags(sandbox=True), clock, CALM)
            world.jules.script = scripted()
            url = f"sqlite:///{folder}/state.db"
            settings = sandbox_settings(CALM.allowance)
            wired = await in_memory(stack, world=world, clock=clock, url=url, settings=settings)
            return await play(wired)

    return run_virtual(work())


@pytest.mark.parametrize("others", [False, True])
def test_sessions_of_somebody_else_are_archived_with_the_setting_only(
    tmp_path: Path, others: bool
) -> None:
    """Issue 3 item 6; one whose pull request is open stays in any case."""

    async def work() -> None:
        async with AsyncExitStack() as stack:
            clock = LoopClock(EPOCH)
            world = make_world(WorldFlags(sandbox=True), clock, FULL)
            url = f"sqlite:///{tmp_path}/state.db"
            settings = sandbox_settings(100, archive_others=others)
            wired = await in_memory(stack, world=world, clock=clock, url=url, settings=settings)
            found = await tidy(wired.tools, wired.state, others=True)
            theirs = [one for one in world.jules.sessions.values() if one.foreign]
            assert len(theirs) == FULL.foreign_sessions_per_day
            assert {one.id for one in theirs if one.archived} == set(found.archived)
            assert bool(found.archived) is others
            why = " ".join(one.why for one in found.left)
            assert ("is open" if others else "not this factory's") in why

    run_virtual(work())


async def started(wired: Wired, key: str, repo: str) -> str:
    """Start a session for a task, which must succeed, on a ledger that has settled."""
    for minutes in (0, 11):
        await wired.clock.sleep_until(EPOCH + timedelta(minutes=minutes))
        await wired.tools.call("budget_status", Budget)
    told = await wired.tools.call(
        "jules_start_session",
        Started,
        prompt="Add tests",
        repo=repo,
        lane="optimize",
        task_key=key,
        title=key,
    )
    return told.session_id


def test_what_is_finished_is_archived_and_the_rest_left_with_a_reason(tmp_path: Path) -> None:
    """Never one at work, one with an open pull request, or one a person is asked about."""

    async def play(wired: Wired) -> None:
        assert wired.world is not None
        tasks = tuple(task(key=key, repo=REPO) for key in ("kparked", "kopen", "kdone"))
        plan = plan_of(*tasks)
        nothing = Discovery(ideas=(), sources=())
        wired.state.begin(Day(plan=plan, discovery=nothing, started_at=NOW))
        repos = {"kparked": REPO, "kopen": OTHER_REPO, "kdone": REPO}
        ids = {key: await started(wired, key, repo) for key, repo in repos.items()}
        early = await tidy(wired.tools, wired.state, others=False)
        assert early.archived == ()
        assert {one.session for one in early.left} == set(ids.values())
        await wired.clock.sleep_until(EPOCH + timedelta(hours=6))
        wired.world.advance()
        for one in wired.state.tasks(DAY):
            status = {"kparked": "parked", "kopen": "failed", "kdone": "merged"}[one.task.key]
            update = {"status": status, "session_id": ids[one.task.key]}
            wired.state.save(one.model_copy(update=update))
        pull = pull_of(wired.world, ids["kdone"])
        pull.state = "closed"
        found = await tidy(wired.tools, wired.state, others=False)
        assert found.archived == (ids["kdone"],)
        why = {one.session: one.why for one in found.left}
        assert set(why) == {ids["kparked"], ids["kopen"]}
        assert "parked for a person" in why[ids["kparked"]]
        assert "is open" in why[ids["kopen"]]
        assert not any(one.failed for one in found.left)
        archived = [one.id for one in wired.world.jules.sessions.values() if one.archived]
        assert archived == [ids["kdone"]]

    in_a_world(tmp_path, play)


def test_the_next_run_takes_up_what_is_to_be_tried_again(tmp_path: Path) -> None:
    """As its next attempt, with a session of its own, even on another day."""
    url = f"sqlite:///{tmp_path}/state.db"

    async def play() -> list[str]:
        clock = LoopClock(EPOCH)
        nights = Nights(world=make_world(WorldFlags(sandbox=True), clock, CALM))
        nights.world.jules.script = scripted()
        nothing = Discovery(ideas=(), sources=())
        state = State(url)
        state.begin(Day(plan=plan_of(task(key="kone")), discovery=nothing, started_at=NOW))
        await run_once(nights, clock, url, Options(), CALM)
        [one] = state.tasks(DAY)
        state.save(one.model_copy(update={"status": "failed"}))
        await clock.sleep_until(EPOCH + timedelta(days=1, minutes=5))
        tomorrow = f"{clock.now():%Y-%m-%d}"
        state.begin(Day(plan=plan_of(date=tomorrow), discovery=nothing, started_at=NOW))
        retry(state, "kone", clock.now())
        await run_once(nights, clock, url, Options(), CALM)
        [again] = state.tasks(tomorrow)
        assert (again.task.key, again.attempt, len(again.sessions)) == ("kone", 2, 2)
        assert again.status == "merged"
        state.close()
        return nights.rules_broken

    assert run_virtual(play()) == []


def plan_of(*tasks: Task, date: str = DAY) -> Plan:
    split = Split(startable=0, creates=0, updates=0, optimizations=0, repair_reserve=0, unused=0)
    return Plan(date=date, created_at=NOW, split=split, ideas=(), tasks=tasks, notes=())


def pull_of(world: World, session_id: str) -> Pull:
    one = world.jules.sessions[session_id]
    repo = world.github.repo(one.order.repo or "")
    assert repo is not None
    assert one.pull is not None
    return repo.pulls[one.pull]


DAMAGE: dict[str, tuple[str, set[str], int | None]] = {
    "a changed event": ("UPDATE ledger_events SET data = '{}' WHERE seq = 3", {"chain"}, 3),
    "a missing event": ("DELETE FROM ledger_events WHERE seq = 3", {"chain", "count"}, 3),
    "a lost end": ("DELETE FROM ledger_events WHERE seq > 4", {"count", "head"}, 5),
    "another head": ("UPDATE ledger SET head = 'x'", {"head"}, None),
    "another count": ("UPDATE ledger SET events = 2", {"count"}, None),
    "a changed table": ("UPDATE ledger SET paused = NULL", {"tables"}, None),
}


@pytest.mark.parametrize(("damage", "broken", "seq"), DAMAGE.values(), ids=list(DAMAGE))
def test_a_ledger_that_breaks_while_it_is_open_is_found(
    tmp_path: Path, damage: str, broken: set[str], seq: int | None
) -> None:
    """A closed one is refused at its opening; which part disagrees, and from which event on."""

    async def play(wired: Wired) -> None:
        for reason in ("one", "two", "three", "four", "five"):
            await wired.tools.call("budget_pause", Paused, reason=reason)
        with closing(sqlite3.connect(tmp_path / "state.db")) as file, file:
            file.execute(damage)
        found = await wired.tools.call("audit_events", Events, verify=True)
        assert found.verified is not None
        told = found.verified.model_dump()
        disagree = {part for part in ("chain", "count", "head", "tables") if not told[part]}
        assert not told["agrees"]
        assert broken <= disagree
        assert disagree == broken or not told["chain"]
        assert told["first_bad_seq"] == seq
        assert all(event.seq < (seq or 1_000) for event in found.events)

    in_a_world(tmp_path, play)

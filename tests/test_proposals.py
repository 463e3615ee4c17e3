"""Work that has no pull request of its own, and what the merges made of their bases."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.run import Options
from agent.wiring import WorldFlags, make_world
from mcp_server.clock import LoopClock
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.life import Life
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.world import EPOCH, World
from tests.day_cases import (
    CARE,
    NEW,
    NO_SOURCE,
    REFUSED,
    SECOND,
    Strike,
    carry_out,
    elsewhere,
    plan_of,
)
from tests.days import Nights, run_once


def test_a_source_that_never_appears_is_done_without(tmp_path: Path) -> None:
    """DESIGN.md section 6 step 4: a session without a repository, its diff as pull request."""
    day = carry_out(tmp_path, NEW, size=NO_SOURCE)
    assert day.ends == {"knew": "merged"}
    assert day.sessions == ["knew.a1"]
    (session,) = [one for one in day.nights.world.jules.sessions.values() if not one.foreign]
    assert session.order.repo is None
    assert NEW.repo in session.order.prompt
    assert [one.repo for one in day.result.report.review_before_public] == [NEW.repo]
    assert day.result.report.needs_you == (
        f"{NEW.repo}: Jules does not reach it: give its GitHub app this repository",
    )
    assert day.archived == [True]
    assert day.nights.rules_broken == []


def test_a_session_without_a_repository_is_taken_up_on_an_empty_disk(tmp_path: Path) -> None:
    """Its marker names the task, and the task's repository carries the same."""
    runs = (Options(until=timedelta(minutes=115)), Options())
    script = scripted(gaps=(600.0,) * 10)
    day = carry_out(tmp_path, NEW, size=NO_SOURCE, runs=runs, empty_disks=True, script=script)
    assert day.nights.results[0].report.tasks[0].state == "running"
    assert day.ends == {"knew": "merged"}
    assert day.sessions == ["knew.a1"]
    assert day.nights.rules_broken == []


@pytest.mark.parametrize("end", ["/pulls", "/git/refs", "/git/commits"])
@pytest.mark.parametrize("fault", [REFUSED, Fault("reset_after")], ids=["refused", "lost"])
def test_a_diff_is_proposed_once_whatever_step_was_lost(
    tmp_path: Path, end: str, fault: Fault
) -> None:
    """One branch, one pull request, merged."""
    strike = Strike(end, {1: fault})
    day = carry_out(tmp_path, CARE, fault=strike, script=scripted(opens_pull=False))
    assert strike.seen
    assert day.ends == {"kcare": "merged"}
    repo = day.nights.world.github.repo(CARE.repo)
    assert repo is not None
    assert len([one for one in repo.pulls.values() if one.head_ref.startswith("daily-")]) == 1
    assert day.nights.rules_broken == []


def test_work_that_conflicts_for_good_is_done_anew_from_the_new_base(tmp_path: Path) -> None:
    """Its session is asked once; then a fresh one in the repair lane; the old one is a person's."""
    day = carry_out(tmp_path, CARE, script=rests_in_conflict)
    first, anew = day.tasks["kcare"], next(one for one in day.tasks.values() if one.id != "kcare")
    assert (first.state, anew.state, anew.lane) == ("parked", "merged", "repair")
    assert anew.title == first.title
    assert day.sent(f"/{first.sessions[0]}:sendMessage") == 1
    assert (first.pull_request or "?") in first.reason
    assert day.result.report.needs_you == (f"{CARE.repo}: {first.reason}",)
    assert day.nights.rules_broken == []


def test_what_was_done_anew_is_not_done_anew_again_on_the_next_day_from_an_empty_disk(
    tmp_path: Path,
) -> None:
    """The old pull request is open still, and is parked again: its work has a session already."""

    async def play() -> Nights:
        clock = LoopClock(EPOCH)
        nights = Nights(world=make_world(WorldFlags(sandbox=True), clock, CALM))
        nights.world.jules.script = rests_in_conflict
        midnight = EPOCH.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        await clock.sleep_until(midnight - timedelta(hours=7))
        today = Options(plan=plan_of(CARE), until=timedelta(hours=6, minutes=50))
        await run_once(nights, clock, f"sqlite:///{tmp_path}/0.db", today, CALM)
        await clock.sleep_until(midnight + timedelta(minutes=2))
        nothing = plan_of().model_copy(update={"date": f"{midnight:%Y-%m-%d}"})
        await run_once(nights, clock, f"sqlite:///{tmp_path}/1.db", Options(plan=nothing), CALM)
        return nights

    nights = run_virtual(play())
    started = [one.title for one in nights.world.jules.sessions.values() if not one.foreign]
    assert [one.split(" ")[3] for one in started] == ["optimize", "repair"], nights.log
    assert "parked" in {one.state for one in nights.results[-1].report.tasks}


class Dying(list[str]):
    """A terminal that is gone when the first task is parked."""

    dead = False

    def append(self, line: str, /) -> None:
        """Take a line."""
        if line.startswith("parked") and not self.dead:
            self.dead = True
            raise BrokenPipeError
        super().append(line)


def test_what_is_to_be_done_anew_outlives_a_death_at_that_moment(tmp_path: Path) -> None:
    """The end of a task and what follows from it are kept together."""

    async def play() -> Nights:
        clock = LoopClock(EPOCH)
        world = make_world(WorldFlags(sandbox=True), clock, CALM)
        nights = Nights(world=world, log=Dying())
        world.jules.script = rests_in_conflict
        options = Options(plan=plan_of(CARE))
        died = pytest.RaisesGroup(BrokenPipeError, flatten_subgroups=True, allow_unwrapped=True)
        with died:
            await run_once(nights, clock, f"sqlite:///{tmp_path}/0.db", options, CALM)
        await run_once(nights, clock, f"sqlite:///{tmp_path}/0.db", options, CALM)
        return nights

    ends = {one.lane: one.state for one in run_virtual(play()).results[-1].report.tasks}
    assert ends == {"optimize": "parked", "repair": "merged"}


def rests_in_conflict(title: str, life: Life) -> Life:
    """Let planned work conflict with its base for good, and what is done anew go well."""
    first = " optimize " in title
    return scripted(conflicts=first, rests_for_good=first)(title, life)


def breaks_main(world: World) -> None:
    """Let whatever is merged into the repository fail there, however green it was before."""
    repo = world.github.repo(CARE.repo)
    assert repo is not None
    repo.broken["main"] = True


def test_a_base_that_is_red_after_a_merge_is_told_with_that_merge(tmp_path: Path) -> None:
    """Checks of a pull request do not prove what its merge makes of the base."""
    day = carry_out(tmp_path, CARE, *elsewhere(2)[1:], prepare=breaks_main)
    assert set(day.ends.values()) == {"merged"}
    told = f"{CARE.repo}: main fails: ci, since {day.tasks['kcare'].pull_request} was merged"
    assert day.result.report.needs_you == (told,)


def test_a_base_is_watched_after_a_merge_whose_answer_was_lost(tmp_path: Path) -> None:
    """The pull request itself then says which commit it became."""
    lost = Strike("/merge", {1: Fault("timeout_after")})
    day = carry_out(tmp_path, CARE, prepare=breaks_main, fault=lost)
    assert day.ends == {"kcare": "merged"}
    (told,) = day.result.report.needs_you
    assert told.endswith(f"since {day.tasks['kcare'].pull_request} was merged")


def test_a_token_that_sees_no_check_runs_merges_and_watches_the_base_all_the_same(
    tmp_path: Path,
) -> None:
    """Fine-grained (facts/github.md 1.8): by the jobs at the merge's own commit."""

    def prepare(world: World) -> None:
        breaks_main(world)
        world.graphql.reads_checks = False

    def hidden(exchange: Exchange) -> Fault | None:
        seen = "/check-runs" in exchange.path or "/check-suites" in exchange.path
        return Fault("status_after", 403) if seen else None

    day = carry_out(tmp_path, CARE, prepare=prepare, fault=hidden)
    assert day.ends == {"kcare": "merged"}
    (told,) = day.result.report.needs_you
    assert told.endswith(f"since {day.tasks['kcare'].pull_request} was merged")


def test_of_several_merges_the_one_that_broke_the_base_is_named(tmp_path: Path) -> None:
    """The first whose own commit is red."""
    worlds: list[World] = []

    def script(title: str, life: Life) -> Life:
        if title.endswith(SECOND.title):
            breaks_main(worlds[0])
        return scripted()(title, life)

    day = carry_out(tmp_path, CARE, SECOND, script=script, prepare=worlds.append)
    assert set(day.ends.values()) == {"merged"}
    urls = [one.pull_request for one in sorted(day.tasks.values(), key=lambda one: one.sessions)]
    (told,) = day.result.report.needs_you
    assert any(told.endswith(f"since {url} was merged") for url in urls)
    assert "one of" not in told


def test_a_base_that_holds_is_not_told(tmp_path: Path) -> None:
    """Nor does the look at it keep the run any longer than its checks take."""
    day = carry_out(tmp_path, CARE, script=scripted())
    assert day.result.report.needs_you == ()
    assert not any("bases" in line for line in day.result.report.errors)

"""Our own CI is merged by the factory itself where the operator says so, and nowhere else."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from agent.ci_first import merge_ci, offer_ci
from agent.tools import Tools
from agent.wiring import sandbox_settings
from mcp_server.guard import own_ci
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.repository import OWNER
from mcp_server.sandbox.world import World
from tests.agent_cases import REPO, Desk, at_desk
from tests.days import Nights, run_nights
from tests.test_offers import with_files

ALLOWED = sandbox_settings(CALM.allowance).model_copy(update={"merge_own_ci": True})
BARE = replace(CALM, odds=replace(CALM.odds, without_ci=1.0), repositories=5)


def permit(world: World) -> None:
    """Tell the judge what the operator permits."""
    world.oracle.may_add = frozenset(f"{own_ci.PATH}@{blob}" for blob in own_ci.TEXTS)


def test_our_own_ci_is_merged_once_its_own_run_was_green_twice():
    """Issue 6 point 5: its run counts, because its content is ours, byte for byte."""

    async def play(desk: Desk) -> None:
        permit(desk.world)
        repo = with_files(desk)
        offer = await desk.ask("github_add_ci", repo=REPO)
        place = {"repo": REPO, "number": offer["number"]}
        early = await desk.ask("github_merge_pull", **place, head_sha=offer["head_sha"])
        assert (early["merged"], early["decision"]["verdict"]) == (False, "wait")
        await desk.wait(minutes=20)
        first = await desk.ask("github_get_pull", **place)
        assert first["decision"]["verdict"] == "wait"
        await desk.wait(seconds=31)
        done = await desk.ask("github_merge_pull", **place, head_sha=offer["head_sha"])
        assert done["merged"]
        assert own_ci.PATH in repo.git.files(repo.git.branches["main"])
        assert (desk.of_ours(), desk.broken) == ([], [])

    at_desk(play, keys=ALLOWED)


def test_what_somebody_adds_to_it_is_a_persons_to_merge():
    """The marker stands for the commit that we made, and for no other."""

    async def play(desk: Desk) -> None:
        permit(desk.world)
        repo = with_files(desk)
        offer = await desk.ask("github_add_ci", repo=REPO)
        hub, branch = desk.world.github, offer["branch"]
        head = repo.git.branches[branch]
        hub.push(repo, branch, hub.commit(repo, head, {"evil.py": "x = 1\n"}, "More", OWNER))
        await desk.wait(minutes=20)
        view = await desk.ask("github_get_pull", repo=REPO, number=offer["number"])
        assert view["decision"]["verdict"] == "human"

    at_desk(play, keys=ALLOWED)


def test_a_repository_that_is_left_alone_is_left_alone_now():
    """The operator may say so after the pull request was opened."""
    alone: list[str] = []
    settings = ALLOWED.model_copy(update={"never_touch": alone})

    async def play(desk: Desk) -> None:
        with_files(desk)
        offer = await desk.ask("github_add_ci", repo=REPO)
        alone.append(REPO)
        await desk.wait(minutes=20)
        view = await desk.ask("github_get_pull", repo=REPO, number=offer["number"])
        assert view["decision"]["verdict"] == "human"

    at_desk(play, keys=settings)


def test_a_day_waits_for_nobody_where_a_person_merges():
    """The gate says it at once; what is offered stands in the report."""

    async def play(desk: Desk) -> None:
        with_files(desk)
        tools, said = Tools(desk.client), list[str]()
        offers = await offer_ci(tools, [REPO], said.append)
        before = desk.clock.now()
        until = before + timedelta(hours=1)
        left = await merge_ci(tools, desk.clock, offers, say=said.append, until=until)
        assert (left, desk.clock.now()) == (offers, before)

    at_desk(play)


def test_what_cannot_be_merged_in_time_is_left_for_the_next_day():
    """A pull request that is gone costs only itself; the deadline of the run holds."""

    async def play(desk: Desk) -> None:
        with_files(desk)
        tools, said = Tools(desk.client), list[str]()
        offers = await offer_ci(tools, [REPO], said.append)
        gone = offers[0].model_copy(update={"number": 999})
        until = desk.clock.now() + timedelta(seconds=90)
        both = (gone, *offers)
        assert await merge_ci(tools, desk.clock, both, say=said.append, until=until) == both
        assert desk.clock.now() == until
        assert any("is not merged" in line for line in said)

    at_desk(play, keys=ALLOWED)


def test_a_day_merges_its_own_ci_where_that_is_allowed(tmp_path: Path):
    """Then nothing waits for a person; no session is spent there before the next day's look."""

    def allow(nights: Nights) -> None:
        permit(nights.world)
        usual = sandbox_settings(BARE.allowance)
        nights.settings = usual.model_copy(update={"merge_own_ci": True})

    nights = run_virtual(run_nights(tmp_path, size=BARE, prepare=allow))
    report = nights.results[0].report
    assert nights.rules_broken == []
    assert sum("has CI now" in line for line in nights.log) == 2
    assert not any("have no CI" in line for line in report.needs_you)
    assert not any(one.lane == "optimize" and one.sessions for one in report.tasks)

"""A day offers CI where there is none, a few at a time, and tells what waits for a person."""

from dataclasses import replace

from agent.ci_first import MOST_NEW, Offer, offer_ci, waiting
from agent.tools import Tools
from mcp_server.guard import own_ci
from mcp_server.sandbox.mix import CALM
from tests.agent_cases import Desk, at_desk

BARE = replace(CALM, odds=replace(CALM.odds, without_ci=1.0))


def test_ci_is_offered_a_few_at_a_time_and_a_no_is_a_no() -> None:
    """Ten pull requests are as many as a person reads; the next day brings the next ones."""
    said: list[str] = []

    async def play(desk: Desk) -> None:
        tools = Tools(desk.client)
        listed = (await desk.ask("github_list_repos"))["repositories"]
        repos = [one["repo"] for one in listed if not one["archived"] and not one["fork"]]
        first = await offer_ci(tools, repos, said.append)
        assert len(first) == sum(one.new for one in first) == min(MOST_NEW, len(repos))
        declined = desk.world.github.repo(first[0].repo)
        assert declined is not None
        [pull] = declined.pulls.values()
        assert set(declined.git.files(pull.head)) >= {own_ci.PATH}
        pull.state = "closed"
        await desk.wait(minutes=61)
        again = await offer_ci(tools, repos, said.append)
        assert first[0].repo not in {one.repo for one in again}
        assert {one.repo for one in again if not one.new} == {one.repo for one in first[1:]}
        assert (desk.of_ours(), desk.broken) == ([], [])

    at_desk(play, size=BARE)


def test_one_that_cannot_be_offered_costs_only_itself() -> None:
    """It is told in the log, and the next one is asked all the same."""
    said: list[str] = []

    async def play(desk: Desk) -> None:
        tools = Tools(desk.client)
        assert await offer_ci(tools, ["factory-owner/nobody"], said.append) == ()

    at_desk(play)
    assert len(said) == 1
    assert "factory-owner/nobody" in said[0]


def test_a_report_names_what_waits() -> None:
    """Where nothing waits, nothing is said."""
    offer = Offer(repo="me/tool", number=3, new=False)
    [line] = waiting([offer])
    assert (line[:1], "me/tool#3" in line, waiting(())) == ("1", True, ())

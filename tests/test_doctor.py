"""The doctor finds what is wrong, says how it is mended, and each check stands alone."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from agent.doctor import diagnose
from agent.tools import Tools
from agent.wiring import SANDBOX_GITHUB_TOKEN
from mcp_server.clients.jules_discovery import Drift
from mcp_server.doctor import judge_clock, judge_drift
from mcp_server.permissions import COSTS, judge_token
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.portfolio import SCHEDULED_YML
from mcp_server.sandbox.repository import OWNER
from mcp_server.sandbox.tokens import Token
from mcp_server.settings import Settings
from tests.agent_cases import REPO, Desk, at_desk
from tests.mutation_cases import repo_of

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("scopes", "levels"),
    [
        (("repo", "workflow"), ["ok"]),
        (("repo",), ["warning"]),
        ((), ["error", "warning"]),
        (("repo", "workflow", "gist", "admin:org"), ["note"]),
        (("delete_repo", "gist"), ["error", "warning", "note"]),
        (None, ["note"]),
    ],
)
def test_a_token_is_judged_by_what_it_may_do(scopes: Collection[str] | None, levels: list[str]):
    """facts/github.md 1.8: too much is told as well as too little, each with its fix."""
    found = list(judge_token(scopes))
    assert [one.level for one in found] == levels
    assert all(one.fix for one in found if one.level != "ok")


FINE = {
    **dict.fromkeys(("metadata", "statuses", "actions"), "read"),
    **dict.fromkeys(("contents", "pull_requests", "issues"), "write"),
}


@pytest.mark.parametrize(
    ("missing", "levels"),
    [
        (None, ["note", "note", "ok"]),
        ("contents", ["note", "error", "note"]),
        ("pull_requests", ["note", "error", "note"]),
        ("issues", ["note", "warning", "note"]),
        ("actions", ["note", "warning", "note"]),
        ("statuses", ["note", "warning", "note"]),
    ],
)
def test_what_a_fine_grained_token_cannot_read_is_tried_and_told_with_its_cost(
    missing: str | None, levels: list[str]
):
    """facts/github.md 1.8: GitHub names the permission only where it refuses."""
    may = {name: level for name, level in FINE.items() if name != missing}

    async def play(desk: Desk) -> None:
        token = Token(scopes=None, may=may)
        desk.world.github.tokens[SANDBOX_GITHUB_TOKEN] = token
        found = [one for one in (await desk.ask("doctor"))["findings"] if one["check"] == "github"]
        assert [one["level"] for one in found] == levels
        if missing is not None:
            [told] = [one for one in found if f"may not read {missing} " in one["text"]]
            assert COSTS[missing, "read"] in told["text"]
            assert f"{missing}=read" in told["fix"]

    at_desk(play)


@pytest.mark.parametrize(
    ("off", "level", "said"),
    [
        (timedelta(seconds=90), "ok", "90 s"),
        (timedelta(seconds=-120), "ok", "120 s"),
        (timedelta(minutes=3), "warning", "180 s ahead of"),
        (timedelta(hours=-25), "warning", "90000 s behind"),
    ],
)
def test_a_wrong_clock_is_told_with_its_side(off: timedelta, level: str, said: str):
    """It frees nothing; days and reports are named by it."""
    found = judge_clock(NOON + off, NOON)
    assert found.level == level
    assert said in found.text


def test_a_changed_api_is_a_warning_where_it_is_used_and_a_note_where_it_is_new():
    """A new field breaks nothing, a missing one may."""
    gone, new = Drift(kind="field gone", where="Session.state"), Drift(kind="word new", where="X")
    assert [one.level for one in judge_drift([gone, new])] == ["warning", "note"]
    assert [one.level for one in judge_drift([])] == ["ok"]


def test_a_sound_installation_has_nothing_to_mend():
    """The sandbox is one: what it says of itself is what every check sees."""

    async def play(desk: Desk) -> dict[str, list[str]]:
        await desk.settle()
        found = (await desk.ask("doctor"))["findings"]
        return {
            name: [one["level"] for one in found if one["check"] == name]
            for name in dict.fromkeys(one["check"] for one in found)
        }

    assert at_desk(play) == {
        "jules": ["ok", "note"],
        "github": ["ok"],
        "coverage": ["ok"],
        "clock": ["ok"],
        "ledger": ["ok"],
        "markers": ["note"],
        "words": ["ok"],
        "drift": ["ok"],
        "schedules": ["ok"],
    }


def test_a_token_that_can_delete_repositories_starts_nothing():
    """Issue 6 point 10: whoever steals it could; the doctor says so, and no run gets past it."""

    async def play(desk: Desk) -> None:
        too_much = Token(scopes=("repo", "workflow", "delete_repo"))
        desk.world.github.tokens[SANDBOX_GITHUB_TOKEN] = too_much
        found = (await desk.ask("doctor"))["findings"]
        assert "delete_repo" in next(one for one in found if one["level"] == "error")["text"]
        told = await desk.call("github_list_repos")
        assert told.refusal == ("settings", None)
        made = await desk.call("github_create_private_repo", name="new-app", description="x")
        assert made.refusal == ("settings", None)
        assert desk.tap.mutations == []

    at_desk(play)


def test_a_repository_out_of_reach_of_jules_is_named():
    """A session for it would be refused, and the refusal looks like a used-up quota."""

    async def play(desk: Desk) -> None:
        away = desk.world.github.create(
            "out-of-reach", private=True, description="x", by_client=True
        )
        found = (await desk.ask("doctor"))["findings"]
        [said] = [one for one in found if one["check"] == "coverage"]
        assert (said["level"], away.full_name in said["text"]) == ("warning", True)

    at_desk(play)


def test_a_schedule_that_competes_is_named_and_switched_off_when_asked():
    """Issue 6 point 9; asked again there is nothing left to do."""

    async def play(desk: Desk) -> None:
        hub, repo = desk.world.github, repo_of(desk)
        files = {".github/workflows/nightly.yml": SCHEDULED_YML}
        hub.push(repo, "main", hub.commit(repo, repo.git.branches["main"], files, "x", OWNER))
        tools = Tools(desk.client)
        seen = await diagnose(tools, fix=False)
        [competitor] = [one.competitor for one in seen.findings if one.competitor]
        assert (competitor.repo, seen.mended, repo.disabled) == (REPO, (), [])
        mended = await diagnose(tools, fix=True)
        assert [one.why for one in mended.mended] == [None]
        assert repo.disabled == [competitor.path]
        [removal] = mended.removals
        [pull] = repo.pulls.values()
        assert removal.url is not None
        assert removal.url.endswith(f"/pull/{pull.number}")
        assert (await diagnose(tools, fix=True)).mended == ()

    at_desk(play)


def test_a_service_that_is_down_spoils_its_own_checks_only():
    """Whoever asks the doctor has a reason: as much as can be told is told."""

    def down(exchange: Exchange) -> Fault | None:
        return Fault("refuse_connect") if exchange.host == "api.github.com" else None

    async def play(desk: Desk) -> dict[str, str]:
        found = (await desk.ask("doctor"))["findings"]
        return {one["check"]: one["level"] for one in found}

    levels = at_desk(play, fault=down)
    assert {name for name, level in levels.items() if level == "warning"} == {
        "github",
        "coverage",
        "schedules",
    }
    assert (levels["ledger"], levels["drift"]) == ("note", "ok")


def test_a_wrong_key_is_an_error_that_says_where_to_look():
    """The service's own words for it are misleading (facts/jules-api.md 5.3)."""

    async def play(desk: Desk) -> None:
        found = (await desk.ask("doctor"))["findings"]
        first = found[0]
        assert (first["check"], first["level"]) == ("jules", "error")
        assert "JULES_API_KEY" in first["fix"]

    keys = Settings(
        jules_api_key=SecretStr("another-key"), github_token=SecretStr(SANDBOX_GITHUB_TOKEN)
    )
    at_desk(play, keys=keys)

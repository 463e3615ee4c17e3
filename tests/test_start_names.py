"""A session is started under the names that Jules will show, so that it is ours afterwards."""

import httpx2
import pytest

from mcp_server.clients import jules_wire
from mcp_server.clients.jules_cursor import Cursor
from mcp_server.models import utc
from tests.agent_cases import REPO, Desk, at_desk
from tests.jules_cases import Chat, FakeJules, at_fake

SPELT: dict[str, dict[str, object]] = {
    "as it is": {"repo": REPO},
    "other letters": {"repo": REPO.upper()},
    "its address": {"repo": f"https://github.com/{REPO.title()}"},
    "an empty branch": {"repo": REPO, "branch": ""},
    "no repository": {},
    "no repository and an empty branch": {"branch": ""},
}


@pytest.mark.parametrize("given", SPELT.values(), ids=list(SPELT))
def test_a_session_is_ours_however_its_repository_was_spelt(given: dict[str, object]):
    """The marker is signed for what is sent; a unit for a stranger's session would be lost."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        started = await desk.ask("jules_start_session", prompt="Add tests", **given)
        name = started["session_id"]
        found = (await desk.ask("jules_get_session", session_id=name))["session"]
        assert found["marker"]["valid"]
        told = await desk.call("jules_send_message", session_id=name, message="Go on, please")
        assert not told.is_error

    at_desk(play)


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "Add tests", "branch": "main"},
        {"prompt": "", "repo": REPO},
        {"prompt": " \n", "repo": REPO},
    ],
)
def test_what_cannot_be_started_costs_no_unit(given: dict[str, object]):
    """Bad input gets a clear error, and nothing is sent."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        assert (await desk.call("jules_start_session", **given)).refusal == ("bad_argument", None)
        assert desk.tap.mutations == []

    at_desk(play)


def test_a_cursor_from_before_jules_was_starts_at_the_beginning():
    """Any time may be asked for; none is an error of ours."""
    assert Cursor(utc("0001-01-01T00:00:00Z")).since is None


@pytest.mark.parametrize("data", ["é", "a", "====", ""])
def test_a_picture_that_is_no_base64_is_no_picture(data: str):
    """One strange artifact must not hide an activity."""
    raw = {
        "name": "sessions/1/activities/a",
        "createTime": "2026-11-23T09:00:00Z",
        "artifacts": [{"media": {"data": data, "mimeType": "image/png"}}],
    }
    whole = jules_wire.whole_activity(raw, jules_wire.Unknown())
    assert [one.data for one in whole.media] == [b""]


def test_an_answer_without_a_body_is_no_empty_list():
    """A proxy that answers 200 with nothing must not make an account look unused."""

    async def play(chat: Chat) -> None:
        for tool in ("jules_list_sessions", "jules_list_sources", "budget_status"):
            assert (await chat.call(tool)).error["code"] == "unreadable"

    at_fake(FakeJules(before=lambda _: httpx2.Response(200)), play)

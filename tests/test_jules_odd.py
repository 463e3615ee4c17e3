"""One odd element in what Jules lists: shown around and counted; nothing is counted by it."""

from typing import Any

import httpx2
import pytest

from agent.survey import list_sources
from agent.tools import Tools
from mcp_server.errors import Unreadable
from mcp_server.insight.watching import read_signs
from mcp_server.models import UNREADABLE
from mcp_server.sandbox.loop import run_virtual
from tests.agent_cases import Answer
from tests.jules_cases import (
    ID,
    SOURCE,
    Chat,
    FakeJules,
    activity,
    at_fake,
    client_of,
    one,
    session,
)

ODD_SESSION = session(2, sourceContext={"source": f"sources/github/a/{'b' * 600}"})
ODD_SOURCE: dict[str, object] = {"name": "sources/github/a/b", "githubRepo": {"branches": 3}}
ODD_ACTIVITY = activity(2, artifacts=[{"changeSet": "lost"}])


def test_a_session_that_cannot_be_read_hides_no_other_and_stops_every_start():
    """What is shown leaves it out and says so; what is counted fails closed."""
    account = FakeJules(sessions=[session(1), ODD_SESSION, session(3)])

    async def play(chat: Chat) -> tuple[list[Answer], Answer]:
        given: list[dict[str, object]] = [{}, {"state": "COMPLETED"}, {"repo": "owner/tool"}]
        shown = [await chat.call("jules_list_sessions", **one) for one in given]
        return shown, await chat.call("jules_start_session", prompt="x")

    shown, start = at_fake(account, play)
    for told in shown:
        assert [item["id"] for item in told.content["sessions"]] == [ID, f"{10**18 + 3}"]
        assert told.content["unreadable"] == 1
        assert "1 of 3 could not be read" in told.text
    assert start.refusal == ("unreadable", None)
    assert account.sent == []


def test_a_page_that_cannot_be_read_is_no_empty_one():
    """Unknown is not absent: there is nothing around it that could be shown."""
    account = FakeJules(before=lambda _: httpx2.Response(200, json={"sessions": {"a": 1}}))

    async def play(chat: Chat) -> tuple[str, str | None]:
        return (await chat.call("jules_list_sessions")).refusal

    assert at_fake(account, play) == ("unreadable", None)


def test_a_source_that_cannot_be_read_hides_no_other():
    """Its number is told, here and by the doctor."""
    account = FakeJules(sources=[ODD_SOURCE, {"name": SOURCE}])

    def elsewhere(request: httpx2.Request) -> httpx2.Response | None:
        return None if "/v1alpha/" in request.url.path else httpx2.Response(404)

    account.before = elsewhere

    async def play(chat: Chat) -> tuple[Answer, Answer]:
        return await chat.call("jules_list_sources"), await chat.call("doctor")

    told, doctor = at_fake(account, play)
    assert [item["repo"] for item in told.content["sources"]] == ["owner/tool"]
    assert told.content["unreadable"] == 1
    assert "1 of 2 could not be read" in told.text
    assert "1 sources could not be read" in doctor.text


def test_an_activity_that_cannot_be_read_is_shown_as_one_and_proves_nothing():
    """It is counted, keeps its place, and may be what the last diff stands in."""
    patch = {"changeSet": {"gitPatch": {"unidiffPatch": "x"}}}
    account = one("COMPLETED", activity(1, artifacts=[patch]), ODD_ACTIVITY, activity(3))

    async def play(chat: Chat) -> list[Answer]:
        tools = ("jules_list_activities", "jules_get_session", "jules_get_patch")
        return [await chat.call(tool, session_id=ID) for tool in tools]

    listed, seen, left = at_fake(account, play)
    kinds = [item["kind"] for item in listed.content["activities"]]
    assert kinds == ["none", UNREADABLE, "progressUpdated"]
    assert "1 of 3 could not be read" in listed.text
    assert (seen.content["activities"], seen.content["unreadable"]) == (3, 1)
    assert "1 of 3 activities could not be read" in seen.text
    assert (left.content["found_in"], left.content["unreadable"]) == (f"{1:032x}", 1)
    assert "a later diff may be among them" in left.text


def test_what_is_acted_on_is_read_whole():
    """A message that may be the one that cannot be read is not taken for unsent."""
    fake = one("IN_PROGRESS", activity(1), ODD_ACTIVITY)
    with pytest.raises(Unreadable, match="1 activities"):
        run_virtual(client_of(fake).list_activities(ID))


def test_two_that_cannot_be_read_are_two():
    """Without a name that could be read they are still told apart."""
    fake = one("IN_PROGRESS", ODD_ACTIVITY, activity(3, artifacts=[{"changeSet": "lost"}]))

    async def play() -> list[Any]:
        return [item async for item in client_of(fake).activities(ID)]

    found = run_virtual(play())
    assert len({item.id for item in found}) == read_signs(found).unreadable == 2


HALF = b'"\\ud83d"'
DEEP = b"[" * 100_000 + b"]" * 100_000
# What stands where a character of a title, text, event, word or diff was cut in two.
HALVES: dict[str, dict[str, Any]] = {
    "a message": {"agentMessaged": {"agentMessage": "HALF"}},
    "a new kind": {"HALF": {"message": "m"}},
    "a new artifact": {"artifacts": [{"HALF": {}}]},
    "a diff": {"artifacts": [{"changeSet": {"gitPatch": {"unidiffPatch": "HALF"}}}]},
}
READINGS: tuple[tuple[str, dict[str, object]], ...] = (
    ("jules_list_sessions", {}),
    ("jules_get_session", {"session_id": ID}),
    ("jules_wait", {"session_id": ID, "timeout_seconds": 1}),
    ("jules_list_activities", {"session_id": ID}),
    ("jules_get_activity", {"session_id": ID, "activity_id": f"{1:032x}"}),
    ("jules_get_patch", {"session_id": ID}),
)


@pytest.mark.parametrize("odd", HALVES.values(), ids=HALVES)
def test_half_a_character_hides_nothing(odd: dict[str, Any]):
    """Who cuts a text inside an emoji leaves half of it, which no answer can hold as it is."""
    account = one("IN_PROGRESS", activity(1, **odd), title="HALF")
    whole = account.activities[ID][0]

    def halved(request: httpx2.Request) -> httpx2.Response:
        name = request.url.path.rpartition("/")[2]
        listed: dict[str, object] = {
            "sessions": {"sessions": account.sessions},
            "activities": {"activities": [whole]},
            ID: account.sessions[0],
        }
        said = httpx2.Response(200, json=listed.get(name, whole)).content
        return httpx2.Response(200, content=said.replace(b'"HALF"', HALF))

    account.before = halved

    async def play(chat: Chat) -> list[Answer]:
        return [await chat.call(tool, **given) for tool, given in READINGS]

    told = at_fake(account, play)
    assert not any(answer.is_error for answer in told)
    assert told[0].content["sessions"][0]["title"] == "\N{REPLACEMENT CHARACTER}"
    assert told[3].content["activities"][0]["kind"] != UNREADABLE


@pytest.mark.parametrize("code", [200, 400])
def test_an_answer_that_is_nested_without_end_is_no_json(code: int):
    """Whatever Jules sends: an error of ours, with its next step."""
    account = FakeJules(before=lambda _: httpx2.Response(code, content=b'{"error":' + DEEP + b"}"))

    async def play(chat: Chat) -> set[str]:
        return {(await chat.call(tool, **given)).refusal[0] for tool, given in READINGS}

    told = at_fake(account, play)
    assert told == ({"unreadable", "unavailable"} if code == 200 else {"unavailable"})


def test_where_a_source_could_not_be_read_no_repository_is_known_to_be_none():
    """The survey would leave it out of the plan: unknown is not absent."""

    async def play(chat: Chat) -> frozenset[str] | None:
        return await list_sources(Tools(chat.client))

    assert at_fake(FakeJules(sources=[{"name": SOURCE}]), play) == {"owner/tool"}
    assert at_fake(FakeJules(sources=[ODD_SOURCE, {"name": SOURCE}]), play) is None

"""Waiting for a session, and watching many: few requests, and an end to every wait."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from agent.look import Watch
from agent.tools import Tools
from tests.agent_cases import PULL_URL, Answer
from tests.jules_cases import (
    ID,
    NOW,
    Chat,
    FakeJules,
    activity,
    at_fake,
    one,
    refusal,
    session,
    when,
)

Change = Callable[[FakeJules], None]


def turn(state: str, **more: object) -> Change:
    """Return a change of the session's state."""

    def change(fake: FakeJules) -> None:
        fake.sessions[0].update({"state": state, "updateTime": when(NOW), **more})

    return change


# What happens after a minute; the word that ends the waiting, and after how many seconds.
ENDINGS: dict[str, tuple[Change, str]] = {
    "it asks": (turn("AWAITING_USER_FEEDBACK"), "asking"),
    "its plan waits": (turn("AWAITING_PLAN_APPROVAL"), "plan_ready"),
    "it ends": (turn("COMPLETED", outputs=[{"pullRequest": {"url": PULL_URL}}]), "done"),
    "it fails": (turn("FAILED"), "failed"),
    "it pauses": (turn("PAUSED"), "paused"),
    "it is archived": (turn("IN_PROGRESS", archived=True), "working"),
    "it says a new word": (turn("ASLEEP"), "unknown"),
}


@pytest.mark.parametrize(("change", "word"), ENDINGS.values(), ids=ENDINGS)
def test_waiting_ends_at_the_first_state_that_needs_somebody(change: Change, word: str):
    """Facts 1.4: a loop keyed on COMPLETED and FAILED would never end."""
    account = one("IN_PROGRESS", activity(1, at=NOW))

    def later(request: httpx2.Request) -> None:
        del request
        if account.clock is not None and account.clock.now() >= NOW + timedelta(minutes=1):
            change(account)

    account.before = later

    async def play(chat: Chat) -> tuple[dict[str, Any], list[str | None]]:
        said: list[str | None] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            del progress, total
            said.append(message)

        result = await chat.client.call_tool(
            "jules_wait", {"session_id": ID, "timeout_seconds": 600}, progress_callback=hear
        )
        assert not result.is_error
        return result.structured_content or {}, said

    told, said = at_fake(account, play)
    assert (told["health"], told["timed_out"], told["needs_somebody"]) == (word, False, True)
    assert 60 <= told["waited_seconds"] <= 90
    # After 5, 12.5, 23.75, 40.625 and 65.9 s; the session alone is read, as nothing was written.
    assert account.asked.count(f"/sessions/{ID}") == 6
    assert account.count("/activities") <= 2
    assert len(said) == 5
    assert all(message and message.startswith("working") for message in said)


def test_waiting_notices_silence_and_gives_up_in_time():
    """Fifteen minutes without a word of the agent; a time-out is no error."""
    account = one("IN_PROGRESS", activity(1, at=NOW))

    async def play(chat: Chat) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        short = await chat.ask("jules_wait", session_id=ID, timeout_seconds=10)
        at_once = await chat.ask("jules_wait", session_id=ID, until=["working"])
        return short, at_once, await chat.ask("jules_wait", session_id=ID, timeout_seconds=3600)

    short, at_once, long = at_fake(account, play)
    assert (short["timed_out"], short["waited_seconds"]) == (True, 8)
    assert (at_once["timed_out"], at_once["waited_seconds"]) == (False, 0)
    assert (long["health"], long["timed_out"]) == ("silent", False)
    assert 890 <= long["waited_seconds"] + short["waited_seconds"] <= 930


PASSING: dict[str, httpx2.Response] = {
    "too many requests": httpx2.Response(429, json=refusal(429, "RESOURCE_EXHAUSTED")),
    "a page instead of an answer": httpx2.Response(200, content=b"<html>sign in</html>"),
    "a proxy's refusal": httpx2.Response(403, content=b"<html>forbidden</html>"),
    "a proxy's own 404": httpx2.Response(404, content=b"<html>not here</html>"),
    "a way to a sign-in page": httpx2.Response(302),
    "an answer that is none": httpx2.Response(200, json={"name": 3}),
}


@pytest.mark.parametrize("seconds", [-1, 3])
@pytest.mark.parametrize("answer", PASSING.values(), ids=PASSING)
def test_waiting_outlasts_what_passes(answer: httpx2.Response, seconds: float):
    """429 waits (facts 5.3), and a page on the way says nothing; from the first look on or later.

    What was seen before stands until there is an answer again.
    """
    account = one("IN_PROGRESS", activity(1, at=NOW))

    def busy(request: httpx2.Request) -> httpx2.Response | None:
        del request
        minute = (account.clock.now() - NOW) if account.clock else timedelta()
        if timedelta(seconds=seconds) < minute < timedelta(minutes=2):
            return answer
        if minute >= timedelta(minutes=2):
            account.sessions[0]["state"] = "COMPLETED"
        return None

    account.before = busy

    async def play(chat: Chat) -> dict[str, Any]:
        return await chat.ask("jules_wait", session_id=ID, timeout_seconds=300)

    told = at_fake(account, play)
    assert (told["health"], told["timed_out"], told["last_failure"]) == ("done", False, "")


def test_waiting_in_vain_says_why_nothing_newer_is_known():
    """What was seen is told as old; where nothing was, it is no word about the session."""
    account = one("IN_PROGRESS", activity(1, at=NOW))
    page = httpx2.Response(403, content=b"<html>forbidden</html>")

    async def play(chat: Chat) -> tuple[Answer, Answer]:
        account.before = lambda _: page if chat.clock.now() > NOW else None
        seen = await chat.call("jules_wait", session_id=ID, timeout_seconds=20)
        return seen, await chat.call("jules_wait", session_id=ID, timeout_seconds=20)

    seen, nothing = at_fake(account, play)
    assert (seen.content["health"], seen.content["timed_out"]) == ("working", True)
    assert "403" in seen.content["last_failure"]
    assert "the last look failed" in seen.text
    assert nothing.refusal == ("unavailable", None)
    assert "403" in nothing.text


def test_a_refusal_of_jules_own_ends_the_waiting_at_once():
    """A key without access gets none by waiting."""
    account = one("IN_PROGRESS", activity(1, at=NOW))
    account.before = lambda _: httpx2.Response(403, json=refusal(403, "PERMISSION_DENIED"))

    async def play(chat: Chat) -> tuple[Answer, float]:
        told = await chat.call("jules_wait", session_id=ID)
        return told, (chat.clock.now() - NOW).total_seconds()

    told, seconds = at_fake(account, play)
    assert (told.refusal, seconds) == (("refused", "permission"), 0)


@pytest.mark.parametrize("timeout", [1, 7, 50])
@pytest.mark.parametrize("slow", [0.3, 4, 40])
def test_waiting_never_takes_longer_than_it_was_given(slow: float, timeout: int):
    """A host that gives a call a minute ends one that takes two, whatever it found."""
    account = one("IN_PROGRESS", activity(1, at=NOW))
    account.slow_seconds = slow

    async def play(chat: Chat) -> tuple[Answer, float]:
        started = chat.clock.now()
        told = await chat.call("jules_wait", session_id=ID, timeout_seconds=timeout)
        return told, (chat.clock.now() - started).total_seconds()

    told, seconds = at_fake(account, play)
    assert seconds <= timeout
    if told.is_error:
        assert told.refusal == ("unavailable", None)
    else:
        assert told.content["timed_out"]
        assert told.content["waited_seconds"] <= timeout


def test_a_hundred_sessions_are_watched_by_lists_not_by_polls():
    """Issue 5, item 3: activities are read for those that changed, once each."""
    made = when(NOW - timedelta(minutes=30))
    account = FakeJules(
        sessions=[session(n, "IN_PROGRESS", createTime=made, updateTime=made) for n in range(100)]
    )
    names = [str(item["id"]) for item in account.sessions]
    account.activities = {name: [activity(1, at=NOW)] for name in names}

    async def look(chat: Chat, watcher: Watch) -> int:
        before = len(account.asked)
        looked = await watcher.look()
        for name in names:
            told = await chat.ask("jules_list_activities", session_id=name)
            assert len(told["activities"]) == len(account.activities[name])
        assert looked.budget.concurrent == 100
        return len(account.asked) - before

    async def play(chat: Chat) -> list[int]:
        watcher = Watch(Tools(chat.client), chat.clock)
        requests = [await look(chat, watcher)]
        await chat.wait(minutes=1)
        requests.append(await look(chat, watcher))
        await chat.wait(minutes=1)
        for item in account.sessions[:7]:
            item["updateTime"] = when(chat.clock.now())
            account.activities[str(item["id"])].append(activity(2, at=chat.clock.now()))
        requests.append(await look(chat, watcher))
        return requests

    # A page of exactly a hundred says with its token whether there is another.
    assert at_fake(account, play) == [1 + 100, 1, 1 + 7]


def test_a_session_just_made_has_no_activities_yet():
    """Facts 5.3: 404 for a while after the create is no error, for an old session it is one."""
    new, old = when(NOW), when(NOW - timedelta(hours=1))

    async def play(chat: Chat) -> tuple[str, int, float]:
        told = await chat.ask("jules_get_session", session_id=ID)
        return told["health"], told["activities"], (chat.clock.now() - NOW).total_seconds()

    without = FakeJules(sessions=[session(1, "PLANNING", createTime=new)])
    assert at_fake(without, play) == ("working", 0, 15)
    without = FakeJules(sessions=[session(1, "PLANNING", createTime=old)])

    async def refused(chat: Chat) -> tuple[str, str | None]:
        return (await chat.call("jules_get_session", session_id=ID)).refusal

    assert at_fake(without, refused) == ("not_found", None)


def test_activities_that_could_not_be_read_yet_are_asked_for_again():
    """That there is nothing to be read is not that nothing is there: it is not kept."""
    fake = FakeJules(sessions=[session(1, "PLANNING", createTime=when(NOW))])

    async def play(chat: Chat) -> list[int]:
        seen = [(await chat.ask("jules_get_session", session_id=ID))["activities"]]
        fake.activities[ID] = [activity(1, at=NOW)]
        return [*seen, (await chat.ask("jules_get_session", session_id=ID))["activities"]]

    assert at_fake(fake, play) == [0, 1]


def test_what_does_not_say_that_it_changed_is_looked_at_every_quarter_of_an_hour():
    """That `updateTime` moves with every activity is measured, not promised."""
    account = one("IN_PROGRESS", activity(1, at=NOW))

    async def play(chat: Chat) -> list[int]:
        seen: list[int] = []
        for number in range(2, 5):
            told = await chat.ask("jules_get_session", session_id=ID)
            seen.append(told["activities"])
            account.activities[ID].append(activity(number, at=chat.clock.now()))
            await chat.wait(minutes=10)
        return seen

    assert at_fake(account, play) == [1, 1, 3]

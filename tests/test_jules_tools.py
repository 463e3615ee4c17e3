"""The Jules tools over an account whose answers are chosen: bounds, caps, costs, refusals."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from mcp_server.guard import marker
from tests.agent_cases import Answer
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

TOOLS_OF_SESSION = (
    "jules_get_session",
    "jules_list_activities",
    "jules_get_patch",
    "jules_wait",
    "jules_archive_session",
)


MISTAKES: dict[str, tuple[str, dict[str, object], str]] = {
    "a state": ("jules_list_sessions", {"state": "RUNNING"}, "AWAITING_PLAN_APPROVAL"),
    "a state in small letters": ("jules_list_sessions", {"state": "in_progress"}, "IN_PROGRESS"),
    "a cursor of sessions": ("jules_list_sessions", {"cursor": "100"}, "next_cursor"),
    "a time without a zone": ("jules_list_sessions", {"since": "2026-11-23T09:00:00"}, "since"),
    "a kind": ("jules_list_activities", {"kinds": ["messages"]}, "agentMessaged"),
    "a cursor of activities": ("jules_list_activities", {"cursor": "50"}, "resume_cursor"),
    "a session's name": ("jules_get_session", {"session_id": "sessions/"}, "jules_list_sessions"),
    "an activity's name": ("jules_get_activity", {"activity_id": "a/b/c"}, "jules_list_activities"),
    "a repository's name": ("jules_get_source", {"repo": "tool"}, "jules_list_sources"),
    "a word to wait for": ("jules_wait", {"until": ["finished"]}, "plan_ready"),
}


@pytest.mark.parametrize(("tool", "given", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_word_that_is_none_is_an_error_that_names_the_right_ones(
    tool: str, given: dict[str, object], named: str
):
    """Issue 5, item 2: it would otherwise be an empty answer, and silently wrong."""
    account = one("COMPLETED", activity(1))
    about = {} if tool in ("jules_list_sessions", "jules_get_source") else {"session_id": ID}

    async def play(chat: Chat) -> Answer:
        return await chat.call(tool, **{**about, **given})

    told = at_fake(account, play)
    assert told.is_error
    assert named in told.text


@pytest.mark.parametrize("tool", TOOLS_OF_SESSION)
def test_an_unknown_session_costs_two_requests_at_most(tool: str):
    """Issue 5: the official server takes 31 s and six requests."""
    account = FakeJules()

    async def play(chat: Chat) -> tuple[Answer, float]:
        told = await chat.call(tool, session_id=ID)
        return told, (chat.clock.now() - NOW).total_seconds()

    told, seconds = at_fake(account, play)
    assert told.refusal == ("not_found", None)
    assert "jules_list_sessions" in told.text
    assert len(account.asked) <= 2
    assert seconds == 0


def test_a_new_word_of_jules_is_shown_and_may_then_be_asked_for():
    """Issue 5, item 1: recorded and shown, never guessed."""
    account = one("HIBERNATING", activity(1, dreamed={"message": "Of sheep"}))

    async def play(chat: Chat) -> tuple[dict[str, Any], dict[str, Any], Answer]:
        seen = await chat.ask("jules_get_session", session_id=ID)
        await chat.ask("jules_list_activities", session_id=ID, kinds=["dreamed"])
        found = await chat.ask("jules_list_sessions", state="HIBERNATING")
        assert [item["id"] for item in found["sessions"]] == [ID]
        return seen, await chat.ask("budget_status"), await chat.call("budget_status")

    seen, budget, told = at_fake(account, play)
    assert (seen["health"], seen["needs_somebody"]) == ("unknown", True)
    assert budget["unknown"] == ["session state: HIBERNATING", "activity kind: dreamed"]
    assert "HIBERNATING" in told.text


def old(number: int, state: str = "COMPLETED", **more: Any) -> dict[str, object]:
    """Return a session that many half hours older than the window."""
    return session(
        number, state, createTime=when(NOW - timedelta(days=2, minutes=30 * number)), **more
    )


def test_among_2500_sessions_those_in_progress_cost_a_bounded_number_of_requests():
    """Issue 5: one page that ends the window, and at most ten of those not archived."""
    account = FakeJules(sessions=[old(n) for n in range(1, 2499)])
    account.sessions += [session(2500, "IN_PROGRESS", createTime=when(NOW))]
    account.sessions += [old(500, "IN_PROGRESS", name="sessions/1", id="1")]

    async def play(chat: Chat) -> list[tuple[list[str], int]]:
        seen: list[tuple[list[str], int]] = []
        for given in ({"state": "IN_PROGRESS"}, {"state": "IN_PROGRESS"}, {}, {"max_age": 0}):
            before = len(account.asked)
            told = await chat.ask("jules_list_sessions", **given)
            ids = [item["id"] for item in told["sessions"] if item["state"] == "IN_PROGRESS"]
            seen.append((ids, len(account.asked) - before))
        told = await chat.ask("jules_list_sessions", state="IN_PROGRESS")
        assert told["since"] == when(NOW - timedelta(days=2, minutes=30 * 998))
        return seen

    now, both = f"{10**18 + 2500}", [f"{10**18 + 2500}", "1"]
    assert at_fake(account, play) == [(both, 11), (both, 0), ([now], 0), ([now], 1)]


def test_since_reads_back_and_says_how_far():
    """Thirty pages at most; what was not looked at is told, not left out in silence."""
    account = FakeJules(sessions=[old(n) for n in range(1, 3202)])

    async def play(chat: Chat) -> None:
        since = NOW - timedelta(days=3)
        told = await chat.ask("jules_list_sessions", since=when(since))
        assert len(told["sessions"]) == 48
        assert told["since"] == when(since)
        told = await chat.call("jules_list_sessions", since=when(NOW - timedelta(days=400)))
        assert len(told.content["sessions"]) == 100
        assert told.content["since"] == when(NOW - timedelta(days=2, minutes=30 * 3000))
        assert "were not looked at" in told.text

    at_fake(account, play)


def test_the_pages_of_one_list_are_read_back_once():
    """Each page of sessions is one answer, not thirty requests; asked anew, it is read anew."""
    account = FakeJules(sessions=[old(n) for n in range(1, 1_001)])

    async def play(chat: Chat) -> list[int]:
        given: dict[str, Any] = {"since": when(NOW - timedelta(days=30)), "max_age": 0}
        requests, seen = list[int](), set[str]()
        for _ in range(10):
            before = len(account.asked)
            told = await chat.ask("jules_list_sessions", **given)
            requests.append(len(account.asked) - before)
            seen |= {item["id"] for item in told["sessions"]}
            given["cursor"] = told["next_cursor"]
            await chat.wait(seconds=20)
            assert told["age_seconds"] == 20 * (len(requests) - 1)
        assert (len(seen), given.pop("cursor")) == (1_000, None)
        before = len(account.asked)
        await chat.ask("jules_list_sessions", **given)
        return [*requests, len(account.asked) - before]

    # The window's own page is read each time: max_age=0 says so.
    assert at_fake(account, play) == [11, *[1] * 9, 11]


def test_what_is_not_found_says_how_far_it_was_looked_for_and_how_to_look_further():
    """Unknown is not absent: a session of last week is not one that never was."""
    other = {"source": "sources/github/owner/other"}
    account = FakeJules(sessions=[old(1, sourceContext=other), old(2)], page=1)

    async def play(chat: Chat) -> list[str]:
        week = {"since": when(NOW - timedelta(days=7))}
        asked: list[dict[str, Any]] = [{}, week, {**week, "state": "PAUSED"}]
        return [
            (await chat.call("jules_list_sessions", repo="owner/tool", **one)).text for one in asked
        ]

    day, week, paused = at_fake(account, play)
    assert day.splitlines() == [
        "no such session since 2026-11-22 10:55 UTC",
        "sessions before 2026-11-22 10:55 UTC were not looked at: give `since` to look further",
    ]
    assert week.startswith(f"{old(2)['id']} COMPLETED")
    assert paused == "no such session since 2026-11-16 12:00 UTC"


@pytest.mark.parametrize("listed", [[], [{"name": 3}]], ids=["empty", "unreadable"])
def test_pages_with_nothing_on_them_are_no_end_of_the_list(listed: list[object]):
    """Facts 1.2: an empty page may go on. What was not looked at is not absent."""
    account = FakeJules(sessions=[session(1)])

    def filtered(request: httpx2.Request) -> httpx2.Response | None:
        asked = request.url.params
        if request.url.path.endswith("/sessions") and "OR" not in asked["filter"]:
            token = int(asked.get("pageToken", "0")) + 1
            return httpx2.Response(200, json={"sessions": listed, "nextPageToken": str(token)})
        return None

    account.before = filtered

    async def play(chat: Chat) -> Answer:
        return await chat.call("jules_list_sessions", state="IN_PROGRESS")

    told = at_fake(account, play)
    # The day was read apart, and whole.
    assert told.content["since"] == when(NOW - timedelta(hours=25, minutes=5))
    assert "were not looked at" in told.text


def test_pages_of_sessions_hold_each_once_while_others_start_and_are_archived():
    """A cursor names a place, not a number: what comes in at the front moves nothing."""
    made = {n: when(NOW - timedelta(minutes=n // 3)) for n in range(1, 251)}
    account = FakeJules(sessions=[session(n, createTime=made[n]) for n in made])

    async def play(chat: Chat) -> list[str]:
        seen: list[str] = []
        cursor: dict[str, object] = {}
        while True:
            page = await chat.ask("jules_list_sessions", max_age=0, **cursor)
            seen += [item["id"] for item in page["sessions"]]
            if page["next_cursor"] is None:
                return seen
            cursor = {"cursor": page["next_cursor"]}
            account.sessions.append(session(900 + len(seen), createTime=when(NOW)))
            account.sessions[5]["archived"] = True

    seen = at_fake(account, play)
    assert len(seen) == len(set(seen)) == 250


def test_activities_are_read_on_without_loss_or_doubles():
    """Through the tool: a follower that comes back with `resume_cursor`, page by page."""
    written = [activity(n, at=NOW - timedelta(minutes=9, seconds=-(n // 4))) for n in range(130)]
    account = one("IN_PROGRESS", *written[:3])

    async def play(chat: Chat) -> list[str]:
        seen: list[str] = []
        told = await chat.ask("jules_list_activities", session_id=ID, last=50)
        seen += [item["id"] for item in told["activities"]]
        for upto in (3, 60, 128, 130):
            account.activities[ID] = written[:upto]
            while True:
                cursor = told["next_cursor"] or told["resume_cursor"]
                told = await chat.ask("jules_list_activities", session_id=ID, cursor=cursor)
                seen += [item["id"] for item in told["activities"]]
                if told["next_cursor"] is None:
                    break
        return seen

    assert at_fake(account, play) == [str(item["id"]) for item in written]


@pytest.mark.parametrize("after", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_after_the_beginning_of_time_is_everything(after: str):
    """The zero of a host's clock is a time like any other, also where there is nothing yet."""
    account = one("IN_PROGRESS")

    async def play(chat: Chat) -> list[int]:
        asked = {"session_id": ID, "after": after}
        nothing = await chat.ask("jules_list_activities", **asked)
        account.activities[ID].append(activity(1))
        told = [nothing, await chat.ask("jules_list_activities", **asked)]
        return [len(page["activities"]) for page in told]

    assert at_fake(account, play) == [0, 1]


def test_after_is_exclusive_and_kinds_pick():
    """INTERFACE.md: oldest first; what is picked out does not end a page early."""
    asked = [activity(n, agentMessaged={"agentMessage": f"m{n}"}) for n in range(120)]
    worked = [activity(n, at=NOW - timedelta(minutes=1, seconds=-n)) for n in range(200, 220)]
    account = one("IN_PROGRESS", *asked, *worked)
    after = str(asked[10]["createTime"])

    async def play(chat: Chat) -> tuple[list[int], list[str]]:
        given: dict[str, object] = {"session_id": ID, "after": after, "kinds": ["agentMessaged"]}
        sizes, texts = list[int](), list[str]()
        while True:
            told = await chat.ask("jules_list_activities", **given)
            sizes.append(len(told["activities"]))
            texts += [item["text"] for item in told["activities"]]
            if told["next_cursor"] is None:
                return sizes, texts
            given = {"session_id": ID, "cursor": told["next_cursor"], "kinds": ["agentMessaged"]}

    sizes, texts = at_fake(account, play)
    assert sizes == [50, 50, 9]
    assert texts == [f"m{n}" for n in range(11, 120)]


def test_a_used_up_quota_stops_the_starts_and_a_429_is_never_sent_again():
    """Issue 5, item 2: a create is sent once; what Jules refused is not tried again for nothing."""
    account = FakeJules(sessions=[session(1)])

    def refuse(request: httpx2.Request) -> httpx2.Response | None:
        if request.method != "POST":
            return None
        busy = b"busy" in request.content
        code, word = (429, "RESOURCE_EXHAUSTED") if busy else (400, "FAILED_PRECONDITION")
        return httpx2.Response(code, json=refusal(code, word))

    account.before = refuse

    async def play(chat: Chat) -> list[tuple[str, str | None]]:
        await chat.ask("budget_status")
        await chat.wait(minutes=10, seconds=1)
        await chat.ask("budget_status")
        told: list[tuple[str, str | None]] = []
        for prompt in ("busy", "first", "second"):
            told.append((await chat.call("jules_start_session", prompt=prompt)).refusal)
            await chat.wait(minutes=3)
        assert (await chat.ask("budget_status"))["ceiling"] == 1
        return told

    expected = [("ambiguous", None), ("refused", "jules_quota"), ("refused", "jules_quota")]
    assert at_fake(account, play) == expected
    assert account.sent == ["/sessions", "/sessions"]  # the third was refused here


def test_a_stranger_s_marker_makes_no_session_ours():
    """Thin answers are read leniently, ownership is not."""
    tag = marker.issue(
        b"another key",
        ledger="0badcafe",
        date="2026-11-23",
        lane="manual",
        task_key="kone",
        attempt=1,
        repo="owner/tool",
        branch="main",
    )
    account = one("COMPLETED", title=f"{tag} x")

    async def play(chat: Chat) -> tuple[str, str | None]:
        return (await chat.call("jules_unarchive_session", session_id=ID)).refusal

    assert at_fake(account, play) == ("refused", "foreign")

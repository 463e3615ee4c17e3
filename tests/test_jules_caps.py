"""However much Jules sends in any field, no answer of any tool is larger than one constant."""

import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

import pytest

from agent.tools import text_of
from mcp_server.clients import jules_wire
from mcp_server.clients.jules_cursor import Cursor
from mcp_server.errors import Unreadable
from mcp_server.tools.result import MOST_ANSWER_BYTES, size_of
from tests.jules_cases import ID, NOW, SOURCE, Chat, FakeJules, activity, at_fake, session, when

# Six bytes of JSON each, so that a single field without a bound is over the constant.
LONG = "\x01" * 160_000
MANY = 1_500
NAME = f"{1:032x}"
PATCH = {"unidiffPatch": "diff", "baseCommitId": "b", "suggestedCommitMessage": "m"}
SESSION = session(
    1,
    "IN_PROGRESS",
    outputs=[
        {"pullRequest": {"url": "u", "title": "t", "baseRef": "b", "headRef": "h"}},
        {"changeSet": {"source": SOURCE, "gitPatch": PATCH}},
    ],
)
ARTIFACTS: list[dict[str, Any]] = [
    {"changeSet": {"source": SOURCE, "gitPatch": PATCH}},
    {"media": {"mimeType": "image/png", "data": "AAAA"}},
    {"bashOutput": {"command": "c", "output": "o", "exitCode": 1}},
]
EVENTS: list[dict[str, Any]] = [
    {"planGenerated": {"plan": {"steps": [{"title": "t", "description": "d"}]}}},
    {"userMessaged": {"userMessage": "m"}},
    {"agentMessaged": {"agentMessage": "m"}},
    {"progressUpdated": {"title": "t", "description": "d"}},
    {"sessionFailed": {"reason": "r"}},
    {"dreamed": {"message": "m"}},
]
REPOSITORY = {
    "owner": "owner",
    "repo": "tool",
    "defaultBranch": {"displayName": "main"},
    "branches": [{"displayName": "main"}],
}
CONNECTED: dict[str, object] = {"name": SOURCE, "githubRepo": REPOSITORY}
Calls: TypeAlias = tuple[tuple[str, dict[str, Any]], ...]
MOST: dict[str, Any] = {"characters": 200_000}
OF_SESSION: Calls = (
    ("jules_list_sessions", {"max_age": 0}),
    ("jules_get_session", {"session_id": ID}),
    ("jules_wait", {"session_id": ID, "timeout_seconds": 1}),
    ("jules_get_patch", {"session_id": ID, **MOST}),
    ("jules_archive_session", {"session_id": ID}),
    ("jules_send_message", {"session_id": ID, "message": "m"}),
)
OF_ACTIVITY: Calls = (
    ("jules_get_session", {"session_id": ID}),
    ("jules_list_activities", {"session_id": ID}),
    ("jules_list_activities", {"session_id": ID, "after": "2026-01-01T00:00:00Z"}),
    ("jules_get_patch", {"session_id": ID, **MOST}),
)
OF_SOURCE: Calls = (
    ("jules_list_sources", {"max_age": 0}),
    ("jules_get_source", {"repo": "owner/tool"}),
)


def inflated(value: object) -> Iterator[object]:
    """Yield a value again and again, each time with one text, list, number or name made absurd."""
    if isinstance(value, str):
        yield LONG
    elif isinstance(value, bool | int):
        yield 10**4_000
    elif isinstance(value, list):
        items = cast("list[object]", value)
        yield items * MANY
        for nth, item in enumerate(items):
            yield from ([*items[:nth], one, *items[nth + 1 :]] for one in inflated(item))
    elif isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        yield {**fields, LONG: {"message": "m"}}
        for name, item in fields.items():
            yield {LONG if one == name else one: kept for one, kept in fields.items()}
            yield from ({**fields, name: one} for one in inflated(item))


async def ask(chat: Chat, calls: Calls) -> None:
    """Make all calls; none of their answers may be too large, and none is refused for that."""
    for tool, given in calls:
        result = await chat.client.call_tool(tool, given)
        assert size_of(result) <= MOST_ANSWER_BYTES, tool
        assert "cannot be told" not in text_of(result)


def all_inflated(
    account: FakeJules,
    value: Mapping[str, object],
    calls: Calls,
) -> None:
    """Put each absurd form of a session or source in the account's place for it, and ask."""
    kept = account.sessions if "createTime" in value else account.sources

    async def play(chat: Chat) -> None:
        for one in inflated(dict(value)):
            kept[0] = cast("dict[str, object]", one)
            await ask(chat, calls)

    at_fake(account, play)


def test_no_field_of_a_session_makes_an_answer_too_large():
    """Issue 5, item 4: the state, names and addresses as well as texts."""
    account = FakeJules(sessions=[dict(SESSION)], activities={ID: []})
    all_inflated(account, SESSION, OF_SESSION)


def test_no_field_of_a_source_makes_an_answer_too_large():
    """Issue 5, item 4."""
    all_inflated(FakeJules(sources=[dict(CONNECTED)]), CONNECTED, OF_SOURCE)


def written() -> Iterator[dict[str, object]]:
    """Yield activities, each absurd in one place: of one kind whole, of others in their event."""
    for event in EVENTS:
        yield from (activity(1, **cast("dict[str, Any]", one)) for one in inflated(event))
    yield from (
        cast("dict[str, object]", one)
        for one in inflated(activity(1, **EVENTS[-1], description="d", artifacts=ARTIFACTS))
    )


def test_no_field_of_an_activity_makes_an_answer_too_large():
    """Issue 5, item 4: words of every kind, names that are new, and the bulk that hangs on them."""
    account = FakeJules(sessions=[session(1, "FAILED")], activities={ID: []})

    async def play(chat: Chat) -> None:
        for nth, one in enumerate(written()):
            name = f"{nth:032x}"
            # Each is a new one to who reads on.
            account.activities[ID][:] = [{**one, "id": name} if one.get("id") == NAME else one]
            account.sessions[0]["updateTime"] = when(chat.clock.now())
            whole = ("jules_get_activity", {"session_id": ID, "activity_id": name, **MOST})
            await ask(chat, (*OF_ACTIVITY, whole))
            await chat.wait(minutes=1)

    at_fake(account, play)


TEXT = "\x01" * 6_000
NAMES = {
    "branches": [{"displayName": f"{n}{TEXT[:490]}"} for n in range(520)],
    "defaultBranch": {"displayName": TEXT[:500]},
}
REFS = {"url": "u" * 500, "title": TEXT, "baseRef": TEXT[:500], "headRef": TEXT[:500]}
DIFF = "".join(f"diff --git a/{n} b/{n}{TEXT[:400]}\n" for n in range(600))
IMAGE = {"mimeType": "image/png", "data": base64.b64encode(b"x" * 150_000).decode()}
BULK: list[dict[str, Any]] = [
    *({"bashOutput": {"command": TEXT, "output": TEXT}} for _ in range(30)),
    *({"media": IMAGE} for _ in range(5)),
    {"changeSet": {"gitPatch": {"unidiffPatch": DIFF, "suggestedCommitMessage": TEXT}}},
]
STEPS = {"plan": {"steps": [{"title": TEXT[:500]}] * 60}}


def full() -> FakeJules:
    """Return an account of many things, each just within its bounds or cut to them."""
    outputs = [{"pullRequest": REFS}]
    account = FakeJules(
        sessions=[session(n, title=TEXT, url=TEXT[:500], outputs=outputs) for n in range(1, 111)],
        sources=[{"name": f"{SOURCE}{n}", "githubRepo": NAMES} for n in range(1, 200)],
        activities={ID: [activity(n, planGenerated=STEPS, description=TEXT) for n in range(1, 61)]},
    )
    account.sources.append({"name": SOURCE, "githubRepo": NAMES})
    account.activities[ID][0]["artifacts"] = BULK
    return account


async def paged(chat: Chat, tool: str, kind: str, **given: object) -> int:
    """Return how many different things the pages of a list hold."""
    seen: set[str] = set()
    while True:
        told = await chat.ask(tool, **given)
        seen |= {item["repo" if kind == "sources" else "id"] for item in told[kind]}
        if told["next_cursor"] is None:
            return len(seen)
        given = {**given, "cursor": told["next_cursor"]}


def test_what_is_within_every_bound_does_not_add_up_to_too_much():
    """Pages get shorter and say where they go on, the rest says what is left out: no error."""

    async def play(chat: Chat) -> None:
        whole = ("jules_get_activity", {"session_id": ID, "activity_id": NAME, **MOST})
        await ask(chat, (*OF_SESSION, *OF_ACTIVITY, *OF_SOURCE, whole))
        assert await paged(chat, "jules_list_sessions", "sessions") == 110
        place = Cursor(NOW - timedelta(days=1), ((NOW, "0" * 12),)).text()
        read: dict[str, object] = {"session_id": ID, "cursor": place}
        assert await paged(chat, "jules_list_activities", "activities", **read) == 60
        told = await chat.ask("jules_get_activity", session_id=ID, activity_id=NAME)
        assert told["left_out"] == 10
        assert told["patch"]["left_out"]
        assert await paged(chat, "jules_list_sources", "sources") == 200
        source = (await chat.ask("jules_get_source", repo="owner/tool"))["source"]
        assert len(source["branches"]) + source["branches_left_out"] == 520

    at_fake(full(), play)


LONG_NAME = "n" * 501


def odd_session(**changes: Any) -> Callable[[], object]:
    """Return the reading of a session that differs so."""
    return lambda: jules_wire.session(session(1, **changes), (b"key",), jules_wire.Unknown())


def odd_activity(**changes: Any) -> Callable[[], object]:
    """Return the reading of an activity that differs so."""
    return lambda: jules_wire.whole_activity(activity(1, **changes), jules_wire.Unknown())


ODD_BRANCH = {"branches": [{"displayName": LONG_NAME}]}
TOO_LONG: dict[str, Callable[[], object]] = {
    "a session's id": odd_session(name=f"sessions/{'1' * 65}"),
    "its address": odd_session(url=LONG_NAME),
    "its source": odd_session(sourceContext={"source": f"sources/github/a/{LONG_NAME}"}),
    "its branch": odd_session(sourceContext={"githubRepoContext": {"startingBranch": LONG_NAME}}),
    "its pull request": odd_session(outputs=[{"pullRequest": {"url": LONG_NAME}}]),
    "its base": odd_session(outputs=[{"pullRequest": {"baseRef": LONG_NAME}}]),
    "its head": odd_session(outputs=[{"pullRequest": {"headRef": LONG_NAME}}]),
    "wrong fields without end": odd_session(outputs=[{"pullRequest": 3}] * 10_000),
    "an activity's id": odd_activity(id="a" * 65),
    "a base commit": odd_activity(
        artifacts=[{"changeSet": {"gitPatch": {"baseCommitId": LONG_NAME}}}]
    ),
    "an exit code": odd_activity(artifacts=[{"bashOutput": {"exitCode": 10**4000}}]),
    "a source's branch": lambda: jules_wire.source(
        {"name": "sources/github/a/b", "githubRepo": ODD_BRANCH}, jules_wire.Unknown()
    ),
    "a new session's id": lambda: jules_wire.created({"name": f"sessions/{'1' * 65}"}),
}


@pytest.mark.parametrize("reader", TOO_LONG.values(), ids=TOO_LONG)
def test_a_name_that_is_too_long_is_unreadable_and_never_cut(reader: Callable[[], object]):
    """Issue 5, item 4: a part of an id, a ref or an address would name something else."""
    with pytest.raises(Unreadable) as told:
        reader()
    assert len(str(told.value)) < 1_000


def test_a_long_new_state_is_cut_and_still_none_that_is_known():
    """A word only says something; it is kept short enough to be told."""
    found = jules_wire.session(session(1, "COMPLETED" * 100_000), (b"key",), jules_wire.Unknown())
    assert (found.state[:9], len(found.state)) == ("COMPLETED", jules_wire.LONGEST_WORD)

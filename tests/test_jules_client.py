"""The Jules client: names, odd answers, refusals, pages: what the wire may bring, and what is sent.

facts/jules-api.md sections 1, 2 and 5; over a fake account, for the sandbox is well-behaved.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.clients import jules_names
from mcp_server.clients.jules_cursor import OVERLAP, Cursor
from mcp_server.clients.jules_errors import error_of
from mcp_server.clients.jules_wire import (
    MOST_UNKNOWN,
    Unknown,
    created,
    whole_activity,
)
from mcp_server.clients.jules_wire import activity as read_activity
from mcp_server.clients.jules_wire import session as read_session
from mcp_server.clients.jules_wire import source as read_source
from mcp_server.errors import (
    BadArgument,
    FactoryError,
    NotFound,
    SettingsError,
    Unavailable,
    Unreadable,
)
from mcp_server.models import Activity
from mcp_server.sandbox.loop import run_virtual
from tests.jules_cases import NOW, FakeJules, activity, client_of, refusal, session, when

LONG = "14631891832099132522"
SESSION_NAMES = {
    LONG: LONG,
    f"sessions/{LONG}": LONG,
    f"https://jules.google.com/session/{LONG}": LONG,
    f"https://jules.google.com/task/{LONG}/": LONG,
    " abc123 ": "abc123",
    "sess_1-2": "sess_1-2",
    "../sources": None,
    "sessions/": None,
    f"{LONG}:delete": None,
    "sessions/1/activities/2": None,
    "https://evil.example/session/1": None,
    "": None,
    "1" * 65: None,
}
ACTIVITY_NAMES = {
    "a1": "a1",
    "sessions/1/activities/a1": "a1",
    "1234567/activities/act1": "act1",
    "sessions/1": None,
    "a/b": None,
}
REPO_NAMES = {
    "owner/tool": "owner/tool",
    "sources/github/owner/tool": "owner/tool",
    "github/owner/tool": "owner/tool",
    "https://github.com/owner/tool": "owner/tool",
    "https://github.com/owner/tool.git": "owner/tool",
    "sources/github-owner-tool": "owner/tool",
    "sources/github-my-org-my-app": "my-org/my-app",
    "sources/github-a-b-c": None,
    "sources/github-nobody-nothing": None,
    "owner/..": None,
    "../tool": None,
    "owner": None,
    "owner/tool/x": None,
    "https://evil.example/owner/tool": None,
}
KNOWN = ("owner/tool", "my-org/my-app", "a-b/c", "a/b-c")


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        *(("session", *row) for row in SESSION_NAMES.items()),
        *(("activity", *row) for row in ACTIVITY_NAMES.items()),
        *(("repo", *row) for row in REPO_NAMES.items()),
    ],
)
def test_every_form_of_a_name_is_read_and_nothing_else(kind: str, text: str, meant: str | None):
    """Facts 2.6: names in the wild. What two sources could mean is asked back, not guessed."""
    readers: dict[str, Callable[[str], str]] = {
        "session": jules_names.session_id,
        "activity": jules_names.activity_id,
        "repo": partial(jules_names.repo, known=KNOWN),
    }
    if meant is not None:
        assert readers[kind](text) == meant
        return
    with pytest.raises(BadArgument, match="jules_list_"):
        readers[kind](text)


@pytest.mark.parametrize(
    ("name", "repo"),
    [
        ("sources/github/my-org/my-app", "my-org/my-app"),
        ("sources/github-owner-tool", "owner/tool"),
        ("sources/github-my-org-my-app", None),
        ("sources/github/", None),
        ("sources/gitlab/owner/tool", None),
        (None, None),
    ],
)
def test_a_source_in_an_answer_is_the_repository_it_says_or_none(name: str | None, repo: str):
    """A dash of several may be the one between owner and name: that is not guessed."""
    assert jules_names.repo_of_source(name) == repo


# What is left out of a whole session, or added: what is read of it, and what is noted.
THIN: dict[str, tuple[dict[str, Any], dict[str, object], list[str]]] = {
    "an older state": ({"state": "ACTIVE"}, {"state": "ACTIVE"}, ["session state: ACTIVE"]),
    "no state": ({"state": None}, {"state": "QUEUED"}, []),
    "no context": ({"sourceContext": None}, {"repo": None, "branch": None}, []),
    "no branch": ({"sourceContext": {"source": "sources/github/a/b"}}, {"repo": "a/b"}, []),
    "no title": ({"title": None}, {"title": ""}, []),
    "no change since": ({"updateTime": None}, {"updated_at": NOW - timedelta(minutes=1)}, []),
    "a bare name": ({"name": LONG, "id": "abc"}, {"id": LONG}, []),
    "an id only": ({"name": None, "id": LONG}, {"id": LONG}, []),
    "an id as a number": ({"name": None, "id": int(LONG)}, {"id": LONG}, []),
    "nulls": ({"outputs": None, "archived": None}, {"archived": False, "pull": None}, []),
    "a new field": ({"workload": {"x": 1}}, {"title": "Session 1"}, []),
    "a pull without address": ({"outputs": [{"pullRequest": {"title": "x"}}]}, {"pull": None}, []),
    "a new output": (
        {"outputs": [{"release": {}}, {"changeSet": {}}]},
        {"has_patch": True},
        ["session output: release"],
    ),
}


@pytest.mark.parametrize(("changes", "read", "noted"), THIN.values(), ids=THIN)
def test_a_thin_or_odd_session_is_read_as_far_as_it_says(
    changes: dict[str, Any], read: dict[str, object], noted: list[str]
):
    """Issue 5, item 1: nothing is guessed, and new words are noted."""
    unknown = Unknown()
    found = read_session(session(1, **changes), (b"key",), unknown)
    assert {name: getattr(found, name) for name in read} == read
    assert list(unknown.words) == noted


@pytest.mark.parametrize("gone", [{"name": None, "id": None}, {"createTime": None}])
def test_a_session_without_name_or_time_is_unreadable(gone: dict[str, Any]):
    """It could not be counted (I1)."""
    with pytest.raises(Unreadable):
        read_session(session(1, **gone), (b"key",), Unknown())


STEPS = {"plan": {"steps": [{"title": "Read", "state": "DONE"}, {"id": "2"}]}}
MEDIA = {"media": {"mimeType": "image/png", "data": "AAAA"}}
BASH = {"bashOutput": {"command": "make", "output": "ok", "exitCode": 2}}
ODD: dict[str, tuple[dict[str, Any], dict[str, object], list[str]]] = {
    "no event": ({"description": "Session started"}, {"kind": "none"}, []),
    "a step's older state": ({"planGenerated": STEPS}, {"plan_steps": ("Read", "")}, []),
    "a step with a description only": (
        {"planGenerated": {"plan": {"steps": [{"description": "Look around"}]}}},
        {"plan_steps": ("Look around",)},
        [],
    ),
    "an older event": (
        {"planApprovalRequested": {"message": "Please look"}},
        {"kind": "planApprovalRequested", "text": "Please look"},
        ["activity kind: planApprovalRequested"],
    ),
    "a known event beside a new field": (
        {"trace": {"x": 1}, "agentMessaged": {"agentMessage": "Hi"}},
        {"kind": "agentMessaged", "text": "Hi"},
        [],
    ),
    "no originator": ({"originator": None, "agentMessaged": {}}, {"originator": None}, []),
    "a new originator": (
        {"originator": "robot", "agentMessaged": {}},
        {"originator": "robot"},
        ["originator: robot"],
    ),
    "no time": ({"createTime": None, "agentMessaged": {}}, {"at": None}, []),
    "a name only": ({"id": None, "name": "sessions/1/activities/a9"}, {"id": "a9"}, []),
    "progress without a title": (
        {"progressUpdated": {"description": "Went on"}},
        {"text": "Went on"},
        [],
    ),
    "a failure without a reason": (
        {"sessionFailed": {}},
        {"kind": "sessionFailed", "text": ""},
        [],
    ),
    "bulk": (
        {"artifacts": [MEDIA, BASH, {"changeSet": {"gitPatch": {"unidiffPatch": "x"}}}]},
        {"artifacts": ("media image/png", "command make", "change set, 1 characters")},
        [],
    ),
    "a new artifact": (
        {"artifacts": [{"video": {}}]},
        {"artifacts": ("video",)},
        ["artifact: video"],
    ),
}


@pytest.mark.parametrize(("changes", "read", "noted"), ODD.values(), ids=ODD)
def test_an_odd_activity_is_read_as_far_as_it_says(
    changes: dict[str, Any], read: dict[str, object], noted: list[str]
):
    """Facts 2.3 and 2.4: no event, a new one, no author, no time; the official SDK throws here."""
    unknown = Unknown()
    found = read_activity(activity(1, **changes), unknown)
    assert {name: getattr(found, name) for name in read} == read
    assert list(unknown.words) == noted


def test_activities_without_a_name_are_still_told_apart():
    """Two would otherwise be one to whoever counts each once."""
    raw = [activity(n, id=None, name=None, agentMessaged={}) for n in (1, 2, 1)]
    one, other, again = (read_activity(item, Unknown()).id for item in raw)
    assert one == again != other


@pytest.mark.parametrize(
    ("mime_type", "data"),
    [
        ("image/PNG", "+/+/AA=="),
        ("Image/png; charset=binary", "-_-_AA=="),
        ("image/png", "-_-_AA"),
        ("image/png", "+/-_AA="),
    ],
)
def test_an_image_is_read_in_every_way_that_json_may_write_it(mime_type: str, data: str):
    """Of proto3 JSON: either alphabet, padded or not; types compare without case (RFC 9110)."""
    artifact = {"media": {"mimeType": mime_type, "data": data}}
    (found,) = whole_activity(activity(1, artifacts=[artifact]), Unknown()).media
    assert (found.mime_type, found.data) == ("image/png", b"\xfb\xff\xbf\0")


def test_the_last_change_set_of_an_activity_is_the_diff():
    """Facts 2.4: they repeat what came before. Base64 that is none is no image."""
    sets = [{"changeSet": {"gitPatch": {"unidiffPatch": text}}} for text in ("one", "one two")]
    bad = {"media": {"mimeType": "image/png", "data": "###"}}
    whole = whole_activity(activity(1, artifacts=[*sets, MEDIA, bad, BASH]), Unknown())
    assert whole.change_set is not None
    assert whole.change_set.diff == "one two"
    assert [one.data for one in whole.media] == [b"\0\0\0", b""]
    assert [(one.command, one.exit_code) for one in whole.commands] == [("make", 2)]


def test_a_source_is_read_by_its_repository_and_another_kind_is_noted():
    """Facts 2.6: `displayName` and names with dashes are older clients'."""
    unknown = Unknown()
    github = {"owner": "my-org", "repo": "my-app", "defaultBranch": {"displayName": "main"}}
    dashed = {"name": "sources/github-my-org-my-app", "displayName": "x", "githubRepo": github}
    found = read_source(dashed, unknown)
    assert found is not None
    assert (found.repo, found.default_branch) == ("my-org/my-app", "main")
    assert read_source({"name": "sources/gitlab/a/b"}, unknown) is None
    assert unknown.words == ("source: sources/gitlab/a/b",)


def test_what_is_noted_is_bounded():
    """A service that makes up words fills no memory."""
    unknown = Unknown()
    for n in range(1000):
        unknown.note("session state", f"S{n}" * 100)
    assert len(unknown.words) == MOST_UNKNOWN
    assert max(map(len, unknown.words)) < 100


GET, POST = "GET", "POST"
# method, path, HTTP code, status, reason or field → code of the error, its limit, what to do next.
REFUSALS: list[tuple[str, str, int, str, str, str, str | None, str]] = [
    (POST, "/sessions", 400, "FAILED_PRECONDITION", "", "refused", "jules_quota", "budget_status"),
    (
        POST,
        "/sessions/1:approvePlan",
        400,
        "FAILED_PRECONDITION",
        "",
        "refused",
        "state",
        "jules_g",
    ),
    (POST, "/sessions", 400, "INVALID_ARGUMENT", "title", "bad_argument", None, "look at title"),
    (GET, "/sessions/1", 401, "UNAUTHENTICATED", "", "settings", None, "check the key"),
    (GET, "/sessions/1", 403, "PERMISSION_DENIED", "", "refused", "permission", "no access"),
    (GET, "/sessions/1", 404, "NOT_FOUND", "", "not_found", None, "jules_list_sessions"),
    (GET, "/sessions/1/activities/2", 404, "NOT_FOUND", "", "not_found", None, "jules_list_activ"),
    (GET, "/sources/github/a/b", 404, "NOT_FOUND", "", "not_found", None, "GitHub app"),
    (POST, "/sessions", 404, "NOT_FOUND", "", "not_found", None, "GitHub app"),
    (POST, "/sessions/1:archive", 409, "ABORTED", "", "refused", "state", "state"),
    (GET, "/sessions", 429, "RESOURCE_EXHAUSTED", "", "unavailable", None, "wait a minute"),
    (GET, "/sessions", 500, "INTERNAL", "", "unavailable", None, "later"),
    (GET, "/sessions", 503, "UNAVAILABLE", "", "unavailable", None, "later"),
    (GET, "/sessions", 418, "", "", "bad_argument", None, "not accepted"),
]


@pytest.mark.parametrize(
    ("method", "path", "code", "status", "named", "kind", "limit", "hint"), REFUSALS
)
def test_a_refusal_is_told_by_its_codes_and_says_what_to_do(
    method: str, path: str, code: int, status: str, named: str, kind: str, limit: str, hint: str
):
    """Facts 5.3: never by the message, which is false for a 401 and empty for a quota."""
    body = refusal(code, status, "SOME_REASON", named)
    request = httpx2.Request(method, f"https://jules.googleapis.com/v1alpha{path}")
    error = error_of(httpx2.Response(code, json=body, request=request))
    assert isinstance(error, FactoryError)
    assert (error.code, getattr(error, "limit", None)) == (kind, limit)
    assert hint in str(error)
    assert "all is well" not in str(error)
    assert "SOME_REASON" in str(error)


def test_a_key_that_another_answer_calls_invalid_is_the_operator_s_too():
    """Google's services say it with 400 as well: by the reason, not the code."""
    body = refusal(400, "INVALID_ARGUMENT", "API_KEY_INVALID")
    request = httpx2.Request("POST", "https://jules.googleapis.com/v1alpha/sessions")
    error = error_of(httpx2.Response(400, json=body, request=request))
    assert isinstance(error, SettingsError)


@pytest.mark.parametrize("code", [302, 400, 403, 404, 407, 409, 418])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"error": 3}',
        b'{"error": {"code": "403"}}',
        b'{"error": {"code": 1}}',
    ],
)
def test_a_refusal_that_jules_has_not_said_is_a_proxy_s_and_may_pass(code: int, body: bytes):
    """A page on the way says nothing of key or session; only a `google.rpc.Status` is final."""
    fake = FakeJules(before=lambda _: httpx2.Response(code, content=body))
    with pytest.raises(Unavailable, match="proxy") as told:
        run_virtual(client_of(fake).get_session("1"))
    assert told.value.status == code


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"error": {"details": 3}}'])
def test_a_refused_key_is_told_by_its_code(body: bytes):
    """A proxy's page says nothing more, and the key is what a person can look at."""
    fake = FakeJules(before=lambda _: httpx2.Response(401, content=body))
    with pytest.raises(SettingsError, match="check the key"):
        run_virtual(client_of(fake).get_session("1"))


def test_a_session_just_made_is_asked_for_again_and_an_unknown_one_is_not():
    """jules-sdk issue 19: 404 right after create. An unknown id costs one request."""
    new = when(NOW - timedelta(seconds=5))
    fake = FakeJules(sessions=[session(1, createTime=new)])
    client = client_of(fake)
    name = str(fake.sessions[0]["id"])
    refused = iter([404, 404])

    def hidden(request: httpx2.Request) -> httpx2.Response | None:
        early = request.url.path.endswith("/activities") and next(refused, None)
        return httpx2.Response(404, json=refusal(404, "NOT_FOUND")) if early else None

    async def play() -> tuple[int, int, int]:
        await client.get_session(name)
        fake.before = hidden
        fake.activities[name] = [activity(1)]
        found = await client.list_activities(name)
        asked = fake.count("/activities")
        with pytest.raises(NotFound):
            await client.get_session("999")
        with pytest.raises(NotFound):
            await client.list_activities("999")
        return len(found), asked, fake.count("/999") + fake.count("/999/activities")

    assert run_virtual(play()) == (1, 3, 2)


def listing(numbers: list[int]) -> list[dict[str, object]]:
    """Return sessions made in so many minutes before now, with ties."""
    return [
        session(nth, createTime=when(NOW - timedelta(minutes=number)))
        for nth, number in enumerate(numbers, 1)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 5), max_size=25),
    st.lists(st.integers(0, 5), max_size=6),
    st.integers(1, 7),
)
def test_pages_hold_each_session_once_while_others_come_in(
    before: list[int], coming: list[int], page: int
):
    """Issue 5: under inserts and ties in time, for the count and for the history alike."""
    for read in ("count", "history"):
        fake = FakeJules(sessions=listing(before), page=page)
        arriving = iter(coming)

        def arrive(
            request: httpx2.Request, fake: FakeJules = fake, arriving: Iterator[int] = arriving
        ) -> None:
            number = next(arriving, None) if "pageToken" in request.url.params else None
            if number is not None:
                made = when(NOW - timedelta(minutes=number))
                fake.sessions.append(session(100 + len(fake.sessions), createTime=made))

        fake.before = arrive
        client = client_of(fake)
        if read == "count":
            found = run_virtual(client.list_sessions()).sessions
        else:
            stretch = client.list_back(None, archived=True, most_pages=99)
            found = run_virtual(stretch).sessions
        ids = [one.id for one in found]
        assert len(ids) == len(set(ids))
        assert {one["id"] for one in fake.sessions[: len(before)]} <= set(ids)
        assert [one.created_at for one in found] == sorted(
            (one.created_at for one in found), reverse=True
        )


def light(number: int, second: float) -> Activity:
    return Activity(id=f"a{number}", at=NOW + timedelta(seconds=second), kind="agentMessaged")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(0, int(OVERLAP.total_seconds()) - 1), max_size=5),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_reading_on_loses_and_doubles_nothing(rounds: list[list[int]], as_text: bool):
    """Issue 5: with ties, and with what shows up a little later than it says it was written."""
    written: list[Activity] = []
    given_out: list[str] = []
    cursor = Cursor()
    for nth, late in enumerate(rounds):
        written += [light(len(written) + n, 3.0 * nth - late_by) for n, late_by in enumerate(late)]
        since = cursor.since
        listed = [one for one in written if since is None or (one.at or NOW) > since]
        fresh = cursor.fresh([*listed, *listed[:2]])
        given_out += [one.id for one in fresh]
        cursor = cursor.past(fresh)
        text = cursor.text()
        if as_text and text is not None:
            cursor = Cursor.parse(text)
            assert cursor.text() == text
    assert sorted(given_out) == sorted(one.id for one in written)


@pytest.mark.parametrize(
    "text", ["", "5", "next", "2026-11-23", "2026-11-23T09:00:00+00:00", "x~y"]
)
def test_what_is_no_cursor_is_no_beginning(text: str):
    """A bad cursor that reads from the start would double everything."""
    with pytest.raises(BadArgument, match="resume_cursor"):
        Cursor.parse(text)


def test_a_start_needs_only_its_name_in_the_answer():
    """Facts 1.1: the quickstart's answer has neither state nor times."""
    assert created(json.loads(f'{{"name": "sessions/{LONG}"}}')) == (LONG, "")
    assert created({"name": f"sessions/{LONG}", "url": "u" * 501}) == (LONG, "")


def test_pages_that_go_round_in_a_circle_are_no_listing():
    """A run must not hang on a token that leads back."""
    page = {"sessions": [session(1)], "nextPageToken": "again"}
    fake = FakeJules(before=lambda _: httpx2.Response(200, json=page))
    with pytest.raises(Unreadable, match="circle"):
        run_virtual(client_of(fake).list_sessions())


def test_reading_back_says_how_far_it_came():
    """Bounded, and told: what was not looked at is not absent."""
    fake = FakeJules(sessions=listing(list(range(1, 31))), page=10)
    client = client_of(fake)
    found = run_virtual(client.list_back(None, archived=False, most_pages=2))
    assert (len(found.sessions), found.since) == (20, NOW - timedelta(minutes=20))
    since = NOW - timedelta(minutes=5)
    found = run_virtual(client.list_back(since, archived=False, most_pages=2))
    assert (len(found.sessions), found.since) == (5, since)
    everything = run_virtual(client.list_back(None, archived=False, most_pages=3))
    assert (len(everything.sessions), everything.since) == (30, None)
    assert datetime(2026, 11, 23, 12, tzinfo=UTC) == NOW

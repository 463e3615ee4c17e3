"""What the product relies on of Jules' v1alpha; each names its section of facts/jules-api.md."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from mcp_server.errors import NotFound, SettingsError
from mcp_server.models import ACTIVITY_KINDS, STATES
from tests.contract.jules.peers import EVERY, Case, Peer, ask_live, ask_sandbox, moment

WHOLE = {"pageSize": "100", "filter": EVERY}


async def sessions_are_newest_first(peer: Peer) -> None:
    """Facts 1.2: the count stops at the window's start because of it."""
    listed = (await peer.get("/sessions", **WHOLE)).get("sessions", [])
    times = [moment(one["createTime"]) for one in listed]
    assert times == sorted(times, reverse=True)


async def pages_hold_each_session_once(peer: Peer) -> None:
    """Facts 1.2: an absent token ends a list; a page may be as small as one."""
    first = await peer.get("/sessions", pageSize="1", filter=EVERY)
    seen = [one["name"] for one in first.get("sessions", [])]
    token = first.get("nextPageToken")
    for _ in range(3):
        if not token:
            break
        page = await peer.get("/sessions", pageSize="1", filter=EVERY, pageToken=token)
        seen += [one["name"] for one in page.get("sessions", [])]
        token = page.get("nextPageToken")
    assert len(seen) == len(set(seen))


async def a_page_holds_a_hundred_at_most(peer: Peer) -> None:
    """Facts 1.2: more is coerced, not refused."""
    listed = await peer.get("/sessions", pageSize="1000", filter=EVERY)
    assert len(listed.get("sessions", [])) <= 100


async def archived_ones_are_listed_only_when_asked_for(peer: Peer) -> None:
    """Facts 1.3: three forms of the filter; none at all means not archived."""
    lists: dict[str, list[dict[str, Any]]] = {}
    for name, given in (
        ("default", {}),
        ("not", {"filter": "archived = false"}),
        ("archived", {"filter": "archived = true"}),
        ("all", {"filter": EVERY}),
    ):
        lists[name] = (await peer.get("/sessions", pageSize="100", **given)).get("sessions", [])
    names = {key: {one["name"] for one in listed} for key, listed in lists.items()}
    assert names["default"] == names["not"]
    assert not names["not"] & names["archived"]
    assert all(one.get("archived") is True for one in lists["archived"])
    assert not any(one.get("archived") for one in lists["not"])
    if len(lists["all"]) < 100:
        assert names["all"] == names["not"] | names["archived"]


async def a_session_reads_as_it_is_listed(peer: Peer) -> None:
    """Facts 2.2 and 2.6: its name, its decimal id, its times; a word of ours for its state."""
    listed = await peer.some_session()
    one = await peer.get(f"/{listed['name']}")
    assert (one["name"], one["createTime"]) == (listed["name"], listed["createTime"])
    assert re.fullmatch(r"sessions/[0-9]{15,21}", one["name"])
    assert one["name"] == f"sessions/{one['id']}"
    assert one["state"] in STATES
    found = await peer.client.get_session(one["id"])
    assert (found.id, found.state) == (one["id"], one["state"])
    assert found.created_at == moment(one["createTime"])


async def activities_are_oldest_first_and_of_known_kinds(peer: Peer) -> None:
    """Facts 1.2 and 2.3."""
    one = await peer.some_session()
    listed = (await peer.get(f"/{one['name']}/activities", pageSize="100")).get("activities", [])
    times = [moment(item["createTime"]) for item in listed]
    assert times == sorted(times)
    found = await peer.client.list_activities(one["id"])
    assert [item.id for item in found][: len(listed)] == [item["id"] for item in listed]
    assert {item.kind for item in found} <= {*ACTIVITY_KINDS, "none"}


async def the_filter_by_time_is_exclusive(peer: Peer) -> None:
    """Facts 1.3: what was written at that very moment is left out."""
    one = await peer.some_session()
    path = f"/{one['name']}/activities"
    listed = (await peer.get(path, pageSize="100")).get("activities", [])
    if len(listed) < 2:
        pytest.skip("this session has no two activities")
    after = listed[0]["createTime"]
    later = await peer.get(path, pageSize="100", filter=f'create_time > "{after}"')
    expected = [item["id"] for item in listed if moment(item["createTime"]) > moment(after)]
    assert [item["id"] for item in later.get("activities", [])] == expected


async def an_activity_reads_as_it_is_listed(peer: Peer) -> None:
    """Facts 1: activities never change once written."""
    one = await peer.some_session()
    listed = (await peer.get(f"/{one['name']}/activities")).get("activities", [])
    if not listed:
        pytest.skip("this session has no activity")
    found = await peer.client.get_activity(one["id"], listed[0]["id"])
    assert found.activity.id == listed[0]["id"]
    assert await peer.get(f"/{listed[0]['name']}") == listed[0]


async def sources_have_their_true_names_and_read_by_them(peer: Peer) -> None:
    """Facts 2.6: `sources/github/OWNER/REPO`; slashes are part of the name."""
    listed = (await peer.get("/sources", pageSize="100")).get("sources", [])
    if not listed:
        pytest.skip("this account has no source")
    assert all(one["name"].startswith("sources/github/") for one in listed)
    repo = listed[0]["githubRepo"]
    found = await peer.client.get_source(f"{repo['owner']}/{repo['repo']}")
    assert f"sources/github/{found.repo}" == listed[0]["name"]


async def what_is_unknown_is_404(peer: Peer) -> None:
    """Facts 5.3: NOT_FOUND in a `google.rpc.Status`."""
    answer = await peer.ask("/sessions/1")
    assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    with pytest.raises(NotFound):
        await peer.client.get_session("1")


async def a_wrong_key_is_401_whatever_its_text(peer: Peer) -> None:
    """Facts 5.3: the text asks for OAuth; the key is what is wrong."""
    answer = await peer.ask("/sessions", key="contract-test-no-key")
    error = answer.json()["error"]
    # Other services of Google's answer 400 with this reason.
    reasons = {detail.get("reason") for detail in error.get("details", [])}
    assert (answer.status_code, error["status"]) == (401, "UNAUTHENTICATED") or (
        answer.status_code == 400 and "API_KEY_INVALID" in reasons
    )


async def the_flat_time_parameter_is_refused(peer: Peer) -> None:
    """Facts 1.3: the changelog of January 2026 says otherwise."""
    one = await peer.some_session()
    answer = await peer.ask(f"/{one['name']}/activities", createTime="2026-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def every_answer_is_dated(peer: Peer) -> None:
    """DESIGN.md section 5: the window's `now` is this header, never our clock."""
    listing = await peer.client.list_sessions()
    assert listing.date.tzinfo is not None


async def nothing_here_is_new_to_us(peer: Peer) -> None:
    """A word in this list is one to read about and to add: the API is an alpha."""
    await peer.client.list_sources()
    listing = await peer.client.list_sessions()
    for one in listing.sessions[:3]:
        await peer.client.list_activities(one.id)
    assert peer.client.unknown.words == ()


CASES: tuple[Case, ...] = (
    sessions_are_newest_first,
    pages_hold_each_session_once,
    a_page_holds_a_hundred_at_most,
    archived_ones_are_listed_only_when_asked_for,
    a_session_reads_as_it_is_listed,
    activities_are_oldest_first_and_of_known_kinds,
    the_filter_by_time_is_exclusive,
    an_activity_reads_as_it_is_listed,
    sources_have_their_true_names_and_read_by_them,
    what_is_unknown_is_404,
    a_wrong_key_is_401_whatever_its_text,
    the_flat_time_parameter_is_refused,
    every_answer_is_dated,
    nothing_here_is_new_to_us,
)


@pytest.fixture(params=["sandbox", "live"])
def ask(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Return who is asked; the real service only with `--live` and a person's key."""
    if request.param == "sandbox":
        return ask_sandbox
    if not request.config.getoption("--live"):
        pytest.skip("the real service is asked with --live and JULES_API_KEY only")
    return ask_live


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_jules_keeps_what_we_rely_on(case: Case, ask: Callable[[Case], None]):
    """Issue 5, item 7: the sandbox is held to the same cases as the service."""
    ask(case)


def test_a_wrong_key_is_our_operator_s_to_mend():
    """Facts 5.3: shown as "check the key", never as the false text."""

    async def case(peer: Peer) -> None:
        peer.http.headers["x-goog-api-key"] = "contract-test-no-key"
        with pytest.raises(SettingsError, match="check the key"):
            await peer.client.list_sources()

    ask_sandbox(case)

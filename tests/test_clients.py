"""Answers that cannot be read: the clients say so in our own errors, and never guess."""

from collections.abc import Callable

import httpx2
import pytest

from mcp_server.clients.jules import JulesClient
from mcp_server.clock import LoopClock
from mcp_server.errors import Unreadable
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.world import EPOCH

URL = "https://jules.googleapis.com/v1alpha"
DATE = "Mon, 23 Nov 2026 00:00:00 GMT"


def client(reply: Callable[[httpx2.Request], httpx2.Response]) -> JulesClient:
    """Return a client whose every request `reply` answers."""
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(reply))
    return JulesClient(http, base=URL, clock=LoopClock(EPOCH), marker_keys=(b"key",))


def listed(date: str, created: object) -> httpx2.Response:
    """Return a listing of one session."""
    session = {"name": "sessions/1", "createTime": created}
    return httpx2.Response(200, json={"sessions": [session]}, headers={"date": date})


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Mon, 23 Nov 2026 00:00:00 -0000",
        "Mon, 23 Nov 9999 00:00:00 GMT",
        "Mon, 23 Nov 1970 00:00:00 GMT",
        "Mon, 23 Nov 2026 00:00:00 +999999999999",
    ],
)
def test_a_listing_without_a_usable_date_is_unreadable(date: str):
    """The allowance is counted by that clock (DESIGN.md section 5)."""
    with pytest.raises(Unreadable):
        run_virtual(client(lambda _: listed(date, "2026-11-22T00:00:00Z")).list_sessions())


@pytest.mark.parametrize(
    "created", ["", "yesterday", "2026-11-22T00:00:00", "0001-01-01T00:00:00Z", 5, None]
)
def test_a_session_without_a_usable_time_is_unreadable(created: object):
    """A session that cannot be placed in the window must not fall out of the count."""
    with pytest.raises(Unreadable):
        run_virtual(client(lambda _: listed(DATE, created)).list_sessions())


@pytest.mark.parametrize("digits", ["", ".1", ".123", ".123456", ".123456789"])
def test_times_with_any_number_of_digits_are_read(digits: str):
    """facts/jules-api.md 2.6: 0, 3, 6 or 9 of them."""
    created = f"2026-11-22T00:00:00{digits}Z"
    found = run_virtual(client(lambda _: listed(DATE, created)).list_sessions())
    assert found.sessions[0].created_at.isoformat()[:19] == "2026-11-22T00:00:00"

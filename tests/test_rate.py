"""GitHub's limits: heard from its answers, kept by reads and queries (facts/github.md 1.9)."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.utils import format_datetime

import httpx2
import pytest

from mcp_server.clients.github_graphql import GraphQLClient
from mcp_server.clients.wire import get_json
from mcp_server.errors import FactoryError, Refused, Unavailable
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import GITHUB, JULES, START, ManualClock, Network, OpenDoor, answer, guard
from tests.shared_data import capture

SECONDARY = {"documentation_url": "https://docs.github.com/x#about-secondary-rate-limits"}


def left(
    remaining: int, *, seconds: float = 600, limit: int = 5_000, **more: str
) -> dict[str, str]:
    """Return the headers of an answer after which so many requests are left, for so long."""
    return {
        "x_ratelimit_limit": str(limit),
        "x_ratelimit_remaining": str(remaining),
        "x_ratelimit_reset": str(int((START + timedelta(seconds=seconds)).timestamp())),
        **more,
    }


class Line:
    """A client of GitHub behind the guard; `replies` are its answers, then there is only 200."""

    def __init__(self, *replies: httpx2.Response) -> None:
        rest = iter(replies)
        self.network = Network(lambda _: next(rest, answer(200)))
        self.clock = ManualClock()
        self.http = httpx2.AsyncClient(transport=guard(self.network, OpenDoor(), self.clock))

    async def read(self, path: str = "/user", base: str = GITHUB) -> float:
        """Read; return the seconds that it took."""
        began = self.clock.elapsed()
        await get_json(self.http, base + path)
        return self.clock.elapsed() - began

    async def query(self) -> None:
        """Ask GraphQL about one repository."""
        async for _ in GraphQLClient(self.http, base=GITHUB).facts({"R_a": "owner/a"}):
            pass

    async def refusal(self, work: Callable[[], Awaitable[object]]) -> FactoryError:
        """Return what `work` raises."""
        with pytest.raises(FactoryError) as raised:
            await work()
        return raised.value


def play(line: Line, work: Callable[[Line], Awaitable[None]]) -> None:
    """Run `work` over `line`."""

    async def main() -> None:
        await work(line)

    run_virtual(main())


@pytest.mark.parametrize(("remaining", "limit"), [(50, 5_000), (0, 5_000), (10, 1_000), (0, 60)])
def test_near_the_end_of_the_hour_reads_stop_and_say_until_when(remaining: int, limit: int):
    """What is left is for merges in flight; a wait of more than a minute parks the caller."""

    async def work(line: Line) -> None:
        await line.read()
        told = await line.refusal(line.read)
        assert isinstance(told, Unavailable)
        assert told.retry_after_seconds == 600
        assert len(line.network.sent) == 1
        line.clock.advance(seconds=590)
        assert await line.read() == 10
        assert await line.read() == 0

    play(Line(answer(200, **left(remaining, limit=limit))), work)


def test_before_that_nothing_waits_and_after_the_hour_all_is_as_before():
    """What an answer said of an hour that is over holds no longer."""

    async def work(line: Line) -> None:
        await line.read()
        assert await line.read() == 0
        line.clock.advance(seconds=600)
        assert (await line.read(), await line.read()) == (0, 0)

    play(Line(answer(200, **left(51)), answer(200, **left(3)), answer(200, **left(4_999))), work)


def test_points_and_requests_are_counted_apart_and_jules_has_no_part_in_it():
    """GraphQL at its end stops no REST read, and the other way round."""
    full = answer(200, {"data": {"nodes": [None]}, "errors": [{"path": ["nodes", 0]}]}, **left(0))

    async def work(line: Line) -> None:
        await line.query()
        assert await line.read() == 0
        assert isinstance(await line.refusal(line.query), Unavailable)
        assert await line.read("/sessions", JULES) == 0

    play(Line(full, answer(200, **left(4_000))), work)


def test_searches_have_a_limit_of_their_own():
    """30 a minute: at its end a search waits, and no other read does (1.9)."""

    async def work(line: Line) -> None:
        await line.read("/search/issues")
        assert await line.read() == 0
        assert await line.read("/search/repositories") == 40

    play(Line(answer(200, **left(0, limit=30, seconds=40)), answer(200, **left(4_000))), work)


def test_githubs_own_clock_tells_how_long_it_is():
    """A local clock that is wrong makes nobody wait for hours."""

    async def work(line: Line) -> None:
        line.clock.set_wall(START - timedelta(hours=5))
        await line.read()
        assert await line.read() == 30

    play(Line(answer(200, **left(0, seconds=30))), work)


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize(
    ("headers", "body", "waits"),
    [
        ({"retry_after": "7"}, {}, 7),
        (
            {"retry_after": format_datetime(START + timedelta(seconds=30), usegmt=True)},
            {},
            30,
        ),
        (left(4_000, retry_after="20"), {}, 20),
        (left(4_000), SECONDARY, 60),
        ({}, SECONDARY, 60),
        (left(0, seconds=45), {}, 45),
    ],
)
def test_a_limit_is_waited_for_as_it_asks(
    status: int, headers: dict[str, str], body: dict[str, str], waits: float
):
    """403 or 429; a number, a date, the reset, or at least a minute where nothing is said."""

    async def work(line: Line) -> None:
        assert await line.read() == waits
        assert len(line.network.sent) == 2

    play(Line(answer(status, body, **headers)), work)


def test_a_secondary_limit_holds_for_everything_and_longer_each_time():
    """Going on while limited can get the token banned: the second time it parks the caller."""

    async def work(line: Line) -> None:
        told = await line.refusal(line.read)
        assert isinstance(told, Unavailable)
        assert told.retry_after_seconds == 118  # of 120, two of which were its own back-off
        assert len(line.network.sent) == 2
        assert isinstance(await line.refusal(line.query), Unavailable)
        assert len(line.network.sent) == 2

    play(Line(*[answer(403, SECONDARY)] * 3), work)


@pytest.mark.parametrize("asked", ["9" * 12, "9" * 400])
def test_no_wish_for_patience_lasts_longer_than_a_day(asked: str):
    """Nor is one that no clock can hold a crash: the caller is told to come back."""

    async def work(line: Line) -> None:
        told = await line.refusal(line.read)
        assert isinstance(told, Unavailable)
        line.clock.advance(hours=25)
        assert await line.read() == 0

    play(Line(answer(429, retry_after=asked)), work)


def test_a_limit_that_never_ends_is_unavailable_and_no_refusal():
    """After three tries the caller is told to come back, not that it may not."""

    async def work(line: Line) -> None:
        told = await line.refusal(line.read)
        assert isinstance(told, Unavailable)
        assert told.status == 403
        assert len(line.network.sent) == 3

    play(Line(*[answer(403, retry_after="1")] * 9), work)


def test_a_403_that_names_no_limit_forbids():
    """It is about permission (1.9): nothing waits, now or later."""

    async def work(line: Line) -> None:
        assert isinstance(await line.refusal(line.read), Refused)
        assert await line.read() == 0

    play(Line(answer(403, {"message": "Resource not accessible"}, **left(4_000))), work)


RECORDED = [
    "hub4j--AbuseLimitHandlerTest--testHandler_Wait_Secondary_Limits.json",
    "hub4j--AbuseLimitHandlerTest--testHandler_Wait_Secondary_Limits_Body_Marker_Only.json",
    "hub4j--AbuseLimitHandlerTest--testHandler_Wait_Secondary_Limits_Too_Many_Requests.json",
]


@pytest.mark.parametrize("name", RECORDED)
def test_limits_as_they_were_recorded_are_waited_for(name: str):
    """captures/github: hub4j's recordings; their times are templates and left out."""
    (first, *_) = [
        one["response"]
        for one in json.loads(capture(f"github/{name}"))
        if one["response"]["status"] in (403, 429)
    ]
    kept = {k.replace("-", "_"): v for k, v in first["headers"].items() if "{{" not in str(v)}
    kept = {k: v for k, v in kept.items() if k.startswith(("x_ratelimit", "retry"))}

    async def work(line: Line) -> None:
        assert await line.read() >= 1
        assert len(line.network.sent) == 2

    play(Line(answer(first["status"], first["body"], **kept)), work)


@pytest.mark.parametrize("date", ["yesterday", "Mon, 23 Nov 2026 09:00:00 -0000"])
def test_a_limit_without_a_usable_date_is_waited_for_by_our_own_clock(date: str):
    """The end of the hour is told in GitHub's time; where that is not, ours is all there is."""

    async def work(line: Line) -> None:
        response = await line.http.get(f"{GITHUB}/user")
        assert response.status_code == 200
        told = await line.refusal(line.read)
        assert isinstance(told, Unavailable)
        assert told.retry_after_seconds == 600

    play(Line(answer(200, **left(0), date=date)), work)

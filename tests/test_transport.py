"""The one way out: ticket before bytes, one send, evidence after; only reads are retried."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from mcp_server.clients import github, jules
from mcp_server.clients.jules import JulesClient
from mcp_server.clock import LoopClock
from mcp_server.errors import Ambiguous, FactoryError, Refused, Unavailable
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.request import Prepared
from mcp_server.guard.transport import GuardedTransport
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import (
    GITHUB,
    JULES,
    MARKER_KEY,
    START,
    Network,
    answer,
    guard,
    listing,
    open_ledger,
    repositories,
)

T = TypeVar("T")
MESSAGE = jules.send_message("s1", "go on")


@dataclass
class Bench:
    """A ledger on a file, a guard over a fake network, and a Jules client on top."""

    ledger: Ledger
    clock: LoopClock
    transport: GuardedTransport
    http: httpx2.AsyncClient
    jules: JulesClient

    def hold(self, prepared: Prepared = MESSAGE, key: str = "k1") -> str:
        """Hold a ticket for `prepared`."""
        return self.ledger.hold(prepared, key=key).id

    def state(self, ticket: str) -> str:
        """Return the state of one ticket, from the ledger's own file."""
        found = self.ledger.find("send_message", "k1")
        assert found is not None
        assert found.id == ticket
        return found.state


def on_bench(
    path: Path, network: httpx2.AsyncBaseTransport, work: Callable[[Bench], Awaitable[T]]
) -> T:
    """Do `work` in virtual time."""

    async def go() -> T:
        clock = LoopClock(START)
        ledger = open_ledger(path / "state.db", clock)
        transport = guard(network, ledger, clock)
        http = httpx2.AsyncClient(transport=transport, timeout=None)
        client = JulesClient(http, base=JULES, clock=clock, marker_keys=[MARKER_KEY])
        return await work(Bench(ledger, clock, transport, http, client))

    return run_virtual(go())


async def post(bench: Bench, ticket: object, prepared: Prepared = MESSAGE) -> httpx2.Response:
    """Send a mutation as a tool would that holds whatever it calls a ticket."""
    extensions = {} if ticket is None else {"ticket": ticket}
    return await bench.http.post(
        JULES + prepared.path, content=prepared.content, extensions=extensions
    )


@pytest.mark.parametrize("ticket", [None, "", "t-none", 7, b"t1", True])
def test_a_mutation_without_a_ticket_is_refused_and_nothing_is_sent(tmp_path: Path, ticket: object):
    """I2. A tool that forgets to ask the budget is refused here, not trusted."""
    network = Network()

    async def work(bench: Bench) -> None:
        bench.hold()
        with pytest.raises(Refused) as refused:
            await post(bench, ticket)
        assert refused.value.limit == "ticket"

    on_bench(tmp_path, network, work)
    assert (network.sent, network.opened) == ([], 0)


@pytest.mark.parametrize(
    "other",
    [
        jules.send_message("s1", "go on!"),
        jules.send_message("s2", "go on"),
        jules.approve_plan("s1"),
        jules.archive_session("s1"),
    ],
    ids=["another text", "another session", "another kind", "yet another kind"],
)
def test_a_ticket_for_another_request_is_refused_and_stays_held(tmp_path: Path, other: Prepared):
    """Promise 17: a ticket fits the request it was held for, only."""
    network = Network()

    async def work(bench: Bench) -> str:
        ticket = bench.hold()
        with pytest.raises(Refused):
            await post(bench, ticket, other)
        return bench.state(ticket)

    assert on_bench(tmp_path, network, work) == "held"
    assert network.sent == []


def test_a_ticket_lets_its_request_out_once(tmp_path: Path):
    """I3, also when the second sender has opened the ledger for himself."""
    network = Network()

    async def work(bench: Bench) -> None:
        ticket = bench.hold()
        await post(bench, ticket)
        for tickets in (bench.ledger, open_ledger(tmp_path / "state.db", bench.clock)):
            again = httpx2.AsyncClient(transport=guard(network, tickets, bench.clock))
            with pytest.raises(Refused):
                await again.post(
                    JULES + MESSAGE.path, content=MESSAGE.content, extensions={"ticket": ticket}
                )

    on_bench(tmp_path, network, work)
    assert len(network.sent) == 1


def test_sent_is_on_the_disk_before_the_first_byte(tmp_path: Path):
    """A crash after any byte must find the ticket `sent`: read by another connection meanwhile."""
    seen: list[tuple[str, str]] = []

    async def work(bench: Bench) -> None:
        other = open_ledger(tmp_path / "state.db", bench.clock)

        def look(_: httpx2.Request) -> httpx2.Response:
            (ticket,) = other.open_tickets()
            seen.append((ticket.id, ticket.state))
            return answer(200)

        sender = httpx2.AsyncClient(transport=guard(Network(look), bench.ledger, bench.clock))
        ticket = bench.hold()
        await sender.post(
            JULES + MESSAGE.path, content=MESSAGE.content, extensions={"ticket": ticket}
        )
        assert seen == [(ticket, "sent")]
        assert bench.state(ticket) == "spent"

    on_bench(tmp_path, Network(), work)


def _raising(error: Exception) -> Callable[[httpx2.Request], httpx2.Response]:
    def reply(_: httpx2.Request) -> httpx2.Response:
        raise error

    return reply


class _Broken(httpx2.AsyncByteStream):
    """A body that ends in the middle."""

    async def __aiter__(self):
        yield b'{"na'
        raise httpx2.RemoteProtocolError("peer closed connection without sending complete body")


REFUSAL = {"error": {"code": 400, "message": "no", "status": "INVALID_ARGUMENT"}}
FAULTS: dict[str, tuple[Callable[[httpx2.Request], httpx2.Response], str]] = {
    "connect error": (_raising(httpx2.ConnectError("refused")), "released"),
    "connect time-out": (_raising(httpx2.ConnectTimeout("slow")), "released"),
    "read error": (_raising(httpx2.ReadError("reset")), "sent"),
    "write error": (_raising(httpx2.WriteError("reset")), "sent"),
    "read time-out": (_raising(httpx2.ReadTimeout("slow")), "sent"),
    "write time-out": (_raising(httpx2.WriteTimeout("slow")), "sent"),
    "protocol error": (_raising(httpx2.RemoteProtocolError("no answer")), "sent"),
    "time-out of the loop": (_raising(TimeoutError()), "sent"),
    "truncated body": (lambda _: httpx2.Response(200, stream=_Broken()), "sent"),
    "undecodable body": (
        lambda _: httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=_Broken()),
        "sent",
    ),
    "body that is no JSON": (lambda _: httpx2.Response(200, text="<html>"), "sent"),
    "body that is a list": (lambda _: answer(200, []), "sent"),
    "other success": (lambda _: answer(202), "sent"),
    "redirect": (lambda _: answer(307, location="https://example.com/"), "sent"),
    "408": (lambda _: answer(408, REFUSAL), "sent"),
    "409": (lambda _: answer(409, REFUSAL), "sent"),
    "429": (lambda _: answer(429, REFUSAL), "sent"),
    "499": (lambda _: answer(499, REFUSAL), "sent"),
    "500": (lambda _: answer(500, REFUSAL), "sent"),
    "503": (lambda _: answer(503, REFUSAL, retry_after="1"), "sent"),
    "504": (lambda _: answer(504, REFUSAL), "sent"),
    "400 of another code": (lambda _: answer(403, REFUSAL), "sent"),
    "400 of a proxy": (lambda _: httpx2.Response(400, text="bad request"), "sent"),
}


@pytest.mark.parametrize(("reply", "left"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_leaves_the_ticket_where_the_evidence_puts_it(
    tmp_path: Path, reply: Callable[[httpx2.Request], httpx2.Response], left: str
):
    """Promise 6: only a proven non-effect gives back, and a mutation is attempted once."""
    network = Network(reply)

    async def work(bench: Bench) -> str:
        ticket = bench.hold()
        expected = Ambiguous if left == "sent" else Unavailable
        with pytest.raises(expected) as raised:
            await post(bench, ticket)
        if isinstance(raised.value, Ambiguous):
            assert raised.value.ticket == ticket
        return bench.state(ticket)

    assert on_bench(tmp_path, network, work) == left
    assert (len(network.sent), network.opened) == (1, 1)


def test_an_answer_that_does_not_fit_its_ticket_is_ambiguous(tmp_path: Path):
    """The ledger knows what was held: another repository in the answer proves nothing."""
    network = Network(lambda _: answer(201, {"full_name": "other/new", "private": True}))
    prepared = github.create_repository("new", "x")

    async def work(bench: Bench) -> str:
        for _ in range(2):
            bench.ledger.record_listing(listing(bench.clock))
            await bench.clock.sleep_until(bench.clock.now() + timedelta(minutes=10))
        seen = repositories(bench.clock)
        ticket = bench.ledger.hold_repository(prepared, key="k", repo="owner/new", listing=seen)
        with pytest.raises(Ambiguous):
            await bench.http.post(
                GITHUB + prepared.path, content=prepared.content, extensions={"ticket": ticket.id}
            )
        return bench.ledger.open_tickets()[0].state

    assert on_bench(tmp_path, network, work) == "sent"


def test_a_refusal_is_given_to_the_client_to_read(tmp_path: Path):
    """Released by Jules' own words; the error is the one that the client makes of the status."""

    async def work(bench: Bench) -> str:
        ticket = bench.hold()
        with pytest.raises(FactoryError) as raised:
            await bench.jules.send(MESSAGE, ticket)
        assert raised.value.code == "bad_argument"
        return bench.state(ticket)

    assert on_bench(tmp_path, Network(lambda _: answer(400, REFUSAL)), work) == "released"


class _Slow(httpx2.AsyncBaseTransport):
    """A network that answers after so many seconds."""

    def __init__(self, clock: LoopClock, seconds: float) -> None:
        self.sent = 0
        self._clock = clock
        self._wait = timedelta(seconds=seconds)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent += request.method != ""
        await self._clock.sleep_until(self._clock.now() + self._wait)
        return answer(200)


def _slowly(bench: Bench, seconds: float) -> tuple[_Slow, Bench]:
    """Return the bench with a network that takes its time."""
    network = _Slow(bench.clock, seconds)
    transport = guard(network, bench.ledger, bench.clock)
    http = httpx2.AsyncClient(transport=transport, timeout=None)
    return network, Bench(bench.ledger, bench.clock, transport, http, bench.jules)


def test_who_stops_waiting_stops_neither_the_send_nor_its_outcome(tmp_path: Path):
    """Cancellation and a client's time-out end the waiting (DESIGN.md section 5)."""

    async def work(bench: Bench) -> tuple[str, str, int]:
        network, slow = _slowly(bench, 20)
        ticket = bench.hold()
        with pytest.raises(TimeoutError):
            async with bench.clock.timeout(5):
                await post(slow, ticket)
        before = bench.state(ticket)
        await slow.transport.drain()
        return before, bench.state(ticket), network.sent

    assert on_bench(tmp_path, Network(), work) == ("sent", "spent", 1)


def test_closing_the_transport_waits_for_what_has_left(tmp_path: Path):
    """The server ends on stdin EOF; a send in flight still gets its outcome."""

    async def work(bench: Bench) -> str:
        _, slow = _slowly(bench, 20)
        ticket = bench.hold()
        waiting = asyncio.ensure_future(post(slow, ticket))
        await bench.clock.sleep_until(START + timedelta(seconds=1))
        waiting.cancel()
        await slow.http.aclose()
        return bench.state(ticket)

    assert on_bench(tmp_path, Network(), work) == "spent"


def test_a_send_without_an_answer_ends_after_a_minute_and_stays_open(tmp_path: Path):
    """A server that never answers must not hold a tool for ever."""

    async def work(bench: Bench) -> tuple[str, float]:
        _, slow = _slowly(bench, 3600)
        ticket = bench.hold()
        with pytest.raises(Ambiguous):
            await post(slow, ticket)
        return bench.state(ticket), bench.clock.elapsed()

    assert on_bench(tmp_path, Network(), work) == ("sent", 60.0)


def _after(times: int, *bad: httpx2.Response) -> Callable[[httpx2.Request], httpx2.Response]:
    """Answer badly so many times, well afterwards."""
    calls = iter([bad[number % len(bad)] for number in range(times)])
    return lambda _: next(calls, answer(200, {"nextPageToken": ""}))


def _reading(path: Path, network: Network) -> float:
    """List sessions; return the virtual seconds it took."""

    async def work(bench: Bench) -> float:
        await bench.jules.list_sessions()
        return bench.clock.elapsed()

    return on_bench(path, network, work)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 1.0),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "60"}, 60.0),
        ({"retry_after": format_datetime(START + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry_after": format_datetime(START - timedelta(days=1), usegmt=True)}, 1.0),
        ({"retry_after": "soon"}, 1.0),
        ({"retry_after": "-5"}, 1.0),
        ({"retry_after": "0"}, 1.0),
        ({"retry_after": "Mon, 23 Nov 2026 09:00:30 -0000"}, 30.0),
        ({"retry_after": f"Mon, 23 Nov {'9' * 30} 09:00:30 GMT"}, 1.0),
    ],
)
def test_a_read_waits_as_long_as_it_is_asked_to(
    tmp_path: Path, headers: dict[str, str], seconds: float
):
    """Promise 35: number, date, past date, garbage, nothing."""
    network = Network(_after(1, answer(429, **headers)))
    assert _reading(tmp_path, network) == seconds
    assert len(network.sent) == 2


def test_a_number_in_another_script_asks_for_nothing(tmp_path: Path):
    """`"²".isdigit()` is true and `float("²")` an error."""
    raw = httpx2.Response(429, headers=[(b"retry-after", b"\xb2")])
    assert _reading(tmp_path, Network(_after(1, raw))) == 1.0


@pytest.mark.parametrize(
    "text", ["61", "1000000000", format_datetime(START + timedelta(hours=1), usegmt=True)]
)
def test_a_read_asked_for_more_than_a_minute_parks_the_caller(tmp_path: Path, text: str):
    """No early request: the caller is told how long (facts/safety.md 5)."""
    network = Network(_after(9, answer(503, retry_after=text)))
    with pytest.raises(Unavailable) as raised:
        _reading(tmp_path, network)
    assert raised.value.retry_after_seconds is not None
    assert raised.value.retry_after_seconds > 60
    assert len(network.sent) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_tried_three_times_and_then_told_as_it_is(tmp_path: Path, status: int):
    """The last answer is the client's to read."""
    network = Network(_after(9, answer(status)))
    with pytest.raises(Unavailable) as raised:
        _reading(tmp_path, network)
    assert raised.value.status == status
    assert len(network.sent) == 3


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("x"), httpx2.ReadError("x"), httpx2.ReadTimeout("x")]
)
def test_a_read_whose_connection_breaks_is_tried_three_times(tmp_path: Path, error: Exception):
    """Then it is unavailable, never an empty answer."""
    network = Network(_raising(error))
    with pytest.raises(Unavailable):
        _reading(tmp_path, network)
    assert len(network.sent) == 3


def test_a_read_that_cannot_be_decoded_is_tried_three_times(tmp_path: Path):
    """A body cut by a proxy, said to be gzip: unavailable, like a broken connection."""
    network = Network(
        lambda _: httpx2.Response(
            200, headers={"content-encoding": "gzip"}, stream=httpx2.ByteStream(b"not gzip")
        )
    )
    with pytest.raises(Unavailable):
        _reading(tmp_path, network)
    assert len(network.sent) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_a_read_that_is_refused_is_not_tried_again(tmp_path: Path, status: int):
    """Nothing passes by waiting there."""
    network = Network(_after(9, answer(status)))
    with pytest.raises(FactoryError):
        _reading(tmp_path, network)
    assert len(network.sent) == 1


def test_a_read_that_hangs_is_cut_and_tried_again(tmp_path: Path):
    """Thirty seconds a try, back-off between: 30 + 1 + 30 + 2 + 30."""

    async def work(bench: Bench) -> tuple[int, float]:
        network, slow = _slowly(bench, 3600)
        with pytest.raises(Unavailable):
            await slow.http.get(f"{JULES}/sessions")
        return network.sent, bench.clock.elapsed()

    assert on_bench(tmp_path, Network(), work) == (3, 93.0)


def test_reads_go_out_while_the_ledger_is_paused_and_without_any_ticket(tmp_path: Path):
    """I9: looking is always allowed."""
    network = Network()

    async def work(bench: Bench) -> int:
        bench.ledger.pause("looking only")
        before = bench.ledger.head()[0]
        await bench.jules.list_sessions()
        return bench.ledger.head()[0] - before

    assert on_bench(tmp_path, network, work) == 0
    assert (len(network.sent), network.opened) == (1, 0)


def test_requests_are_counted_by_host_with_every_try(tmp_path: Path):
    """The report and `budget_status` show them."""

    async def work(bench: Bench) -> dict[str, int]:
        await bench.jules.list_sessions()
        ticket = bench.hold()
        await post(bench, ticket)
        return bench.transport.requests

    network = Network(_after(2, answer(500)))
    assert on_bench(tmp_path, network, work) == {"jules.googleapis.com": 4}

"""Requests that were tampered with: what leaves is, byte for byte, on a list that tests keep."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import product

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.errors import Ambiguous, Refused
from mcp_server.guard import policy
from mcp_server.guard.transport import GuardedTransport
from mcp_server.sandbox.loop import VirtualLoop
from tests.guard_cases import (
    GITHUB_TOKEN,
    JULES_KEY,
    ManualClock,
    Network,
    OpenDoor,
    guard,
)
from tests.policy_list import row_of
from tests.policy_tampering import BASES, MUTATORS, SERVED, TABLES, TOKENS, Ask, Mutator

Step = tuple[Mutator, int, str]
STEP = st.tuples(st.sampled_from(MUTATORS), st.integers(0, 9_999), st.sampled_from(TOKENS))


class Bench:
    """A guard over a network that keeps what leaves, with tickets that fit everything."""

    def __init__(self) -> None:
        self.network = Network()
        self.tickets = OpenDoor()
        self.guard: GuardedTransport = guard(self.network, self.tickets, ManualClock())

    async def send(self, ask: Ask) -> bool:
        """Send as a client would; returns whether it was refused, here or by the library."""
        try:
            request = httpx2.Request(
                ask.method,
                ask.origin + ask.path + ask.tail,
                headers=list(ask.headers),
                content=ask.body,
                extensions={"ticket": "t1"},
            )
        except (httpx2.InvalidURL, UnicodeError):
            return True  # cannot even be said
        try:
            with suppress(Ambiguous):  # the fake's `{}` proves few effects
                await self.guard.handle_async_request(request)
        except Refused:
            return True
        return False


def check_what_left(ask: Ask, bench: Bench, *, refused: bool) -> None:
    """The law: nothing, and no ticket taken; or one listed request with one ticket of its kind."""
    taken = [kind for _, kind, _ in bench.tickets.taken]
    if refused:
        assert (bench.network.sent, taken) == ([], []), ask
        return
    (left,) = bench.network.sent
    kind = row_of(left.method, _address(left), left.content)
    assert kind is not None, (ask, left.method, left.url, left.content)
    assert taken == (
        [] if left.method == "GET" or kind in ("ask_nodes", "ask_launches") else [kind]
    ), ask
    assert left.extensions == {}
    _check_headers(left)


def _address(request: httpx2.Request) -> str:
    """Return where it goes, from the very bytes that the connection is opened and asked with."""
    url = request.url
    port = "" if url.port is None else f":{url.port}"
    whole = url.raw_scheme + b"://" + url.raw_host + port.encode() + url.raw_path
    assert url.userinfo == b""
    return whole.decode("ascii")


def _check_headers(left: httpx2.Request) -> None:
    keys = {
        "api.github.com": {"authorization": f"Bearer {GITHUB_TOKEN}"},
        "jules.googleapis.com": {"x-goog-api-key": JULES_KEY},
    }.get(left.url.host, {})
    wanted = {"host": left.url.host, **keys}
    if left.method != "GET":
        wanted["content-length"] = str(len(left.content))
    harmless = {"accept", "accept-encoding", "if-none-match", "user-agent"}
    said = left.headers.multi_items()
    assert len(said) == len(dict(said)), said
    found = {name: value for name, value in said if name not in harmless}
    if left.method != "GET":
        assert found.pop("content-type", "application/json") == "application/json"
    found.pop("content-type", None)
    assert found == wanted


@pytest.mark.parametrize("ask", BASES, ids=lambda ask: f"{ask.method} {ask.path}"[:60])
def test_what_nobody_tampered_with_leaves_by_its_own_row(ask: Ask):
    """The list and the policy agree on what is allowed; else the fuzz below proves nothing."""
    bench = Bench()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert not runner.run(bench.send(ask))
    check_what_left(ask, bench, refused=False)


def check(ask: Ask, runner: asyncio.Runner) -> None:
    """Send it, and ask the policy alone: the law holds for both."""
    bench = Bench()
    refused = runner.run(bench.send(ask))
    check_what_left(ask, bench, refused=refused)
    decide_alone(ask)


@pytest.mark.parametrize(("mutate", "times"), TABLES, ids=[one.__name__ for one, _ in TABLES])
def test_each_known_trick_on_each_request_is_refused_or_leaves_no_trace(
    mutate: Mutator, times: int
):
    """The tables whole: what a draw may miss."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        for ask, n in product(BASES, range(times)):
            tampered = mutate(ask, n, "x")
            if tampered != ask:
                check(tampered, runner)


@pytest.mark.parametrize("requests", [5_000, pytest.param(100_000, marks=pytest.mark.deep)])
def test_what_was_tampered_with_leaves_as_a_listed_request_or_not_at_all(requests: int):
    """Promise 15 of facts/safety.md 7, at the transport: its own reading of addresses included."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        # Two requests an example: spoilt once, and once more.
        @settings(max_examples=requests // 2, deadline=None)
        @given(ask=st.sampled_from(BASES), steps=st.tuples(STEP, STEP))
        def tamper(ask: Ask, steps: tuple[Step, Step]) -> None:
            for mutate, n, text in steps:
                ask = mutate(ask, n, text)
                check(ask, runner)

        tamper()


def decide_alone(ask: Ask) -> None:
    """Ask the policy itself, with the path as written: another client might not tidy it up."""
    headers: Mapping[str, str] = {name.lower(): value for name, value in ask.headers}
    tail = ask.tail.partition("#")[0]
    query = policy.query_names(tail)
    try:
        rule = policy.decide(ask.service, ask.method, ask.path, query, headers, ask.body)
    except Refused:
        return
    if ask.service != "site":
        assert row_of(ask.method, SERVED[ask.service] + ask.path + tail, ask.body) == rule.kind, ask
    assert not {"x-http-method", "x-http-method-override", "x-method-override"} & set(headers), ask
    if rule.effect != "read":
        assert headers.get("content-type", "application/json") == "application/json", ask
        assert "content-encoding" not in headers, ask


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_mutation_is_never_sent_on(status: int):
    """facts/github.md 1.4: a renamed repository answers 307; even who follows does not."""
    for ask in (one for one in BASES if one.method != "GET" and "graphql" not in one.path):
        network = Network(lambda sent: httpx2.Response(status, headers={"location": str(sent.url)}))
        tickets = OpenDoor()
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(_follow(ask, network, tickets))
        assert (len(network.sent), len(tickets.taken)) == (1, 1)


async def _follow(ask: Ask, network: Network, tickets: OpenDoor) -> None:
    """Send as a client does that follows redirects."""
    client = httpx2.AsyncClient(
        transport=guard(network, tickets, ManualClock()), follow_redirects=True
    )
    with pytest.raises(Ambiguous):
        await client.request(
            ask.method,
            ask.origin + ask.path,
            headers=list(ask.headers),
            content=ask.body,
            extensions={"ticket": "t1"},
        )

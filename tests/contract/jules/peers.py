"""Who answers the contract's cases: the sandbox in memory, or Jules itself by a person's key."""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from mcp_server.clients.jules import JulesClient
from mcp_server.clock import Clock, LoopClock, SystemClock
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.session import Order
from mcp_server.sandbox.visitor import NoSites
from mcp_server.sandbox.world import EPOCH, World

BASE = "https://jules.googleapis.com/v1alpha"
REPO = "factory-owner/recipe-web"


@dataclass(frozen=True)
class Peer:
    """A Jules account to read: raw, and through our client."""

    http: httpx2.AsyncClient
    client: JulesClient

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return what a good answer holds."""
        answer = await self.ask(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, path: str, key: str | None = None, **query: str) -> httpx2.Response:
        """Return an answer as it is; `key` stands for the account's own."""
        headers = {"x-goog-api-key": key} if key is not None else {}
        return await self.http.get(f"{BASE}{path}", params=query or None, headers=headers)

    async def some_session(self) -> dict[str, Any]:
        """Return a session that has begun; skips where the account has none."""
        listed = await self.get("/sessions", pageSize="100", filter=EVERY)
        begun = [one for one in listed.get("sessions", []) if one["state"] != "QUEUED"]
        if not begun:
            pytest.skip("this account has no session to look at")
        return begun[-1]


EVERY = "archived = true OR archived = false"
Case = Callable[[Peer], Awaitable[None]]


class ReadOnly(httpx2.AsyncBaseTransport):
    """Refuses everything but GET, so that no case can change an account."""

    def __init__(self, under: httpx2.AsyncBaseTransport) -> None:
        self._under = under

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a read on."""
        assert request.method == "GET"
        return await self._under.handle_async_request(request)

    async def aclose(self) -> None:
        """Close what is under it."""
        await self._under.aclose()


def ask_sandbox(case: Case) -> None:
    """Ask a world with sessions of every age and one archived, in virtual time."""

    async def main() -> None:
        clock = LoopClock(EPOCH)
        world = World(seed=7, clock=clock, size=CALM, sites=NoSites())
        for nth in range(5):
            order = Order(prompt=f"Work {nth}", repo=REPO, branch="main", auto_pull=nth % 2 == 0)
            one = world.jules.create(order)
            await clock.sleep_until(clock.now() + timedelta(minutes=40))
            world.advance()
            if nth == 1:
                world.jules.archive(one)
        async with _peer(world.transport(), JULES_KEY, clock) as peer:
            await case(peer)

    run_virtual(main())


def ask_live(case: Case) -> None:
    """Ask the real service, by the key in the environment."""
    key = os.environ.get("JULES_API_KEY")
    if not key:
        pytest.skip("--live needs JULES_API_KEY in the environment")

    async def main() -> None:
        async with _peer(httpx2.AsyncHTTPTransport(), key, SystemClock()) as peer:
            await case(peer)

    asyncio.run(main())


@asynccontextmanager
async def _peer(under: httpx2.AsyncBaseTransport, key: str, clock: Clock) -> AsyncGenerator[Peer]:
    async with httpx2.AsyncClient(
        transport=ReadOnly(under), timeout=60, headers={"x-goog-api-key": key}
    ) as http:
        yield Peer(http, JulesClient(http, base=BASE, clock=clock, marker_keys=(b"contract",)))


def moment(text: str) -> datetime:
    """Read a time as the standard library does, to the microsecond."""
    head, dot, rest = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{head}{dot}{rest[:6]}").replace(tzinfo=UTC)

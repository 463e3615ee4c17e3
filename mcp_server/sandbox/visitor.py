"""A plain client of a world, without any guard: for tests, examples and the deliberately bad."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import httpx2

from mcp_server.clock import Clock, LoopClock
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.life import Life
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import SMALL, Size
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from mcp_server.sandbox.world import EPOCH, GITHUB_HOST, JULES_HOST, World

T = TypeVar("T")


class NoSites:
    """Trend sites that have nothing."""

    def answer(
        self, host: str, path: str, query: Mapping[str, str], now: datetime
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer 404 to everything."""
        del host, path, query, now
        return 404, {}, b"{}"


class Visitor:
    """Somebody with both keys, who may do anything."""

    def __init__(self, world: World, clock: Clock, http: httpx2.AsyncClient) -> None:
        """Visit `world` through `http`."""
        self.world = world
        self.clock = clock
        self.http = http

    async def wait(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Let the world's time pass."""
        await self.clock.sleep_until(self.clock.now() + timedelta(minutes=minutes, seconds=seconds))
        self.world.advance()

    async def jules(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Call Jules; `path` begins after `/v1alpha`, and may have a query."""
        url, headers = f"https://{JULES_HOST}/v1alpha{path}", {"x-goog-api-key": JULES_KEY}
        return await self.http.request(method, url, headers=headers, json=body)

    async def github(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Call GitHub; `path` may have a query."""
        key = {"Authorization": f"Bearer {GITHUB_TOKEN}"}
        url = f"https://{GITHUB_HOST}{path}"
        return await self.http.request(method, url, headers={**key, **(headers or {})}, json=body)

    async def start(self, repo: str | None, title: str = "", **fields: object) -> dict[str, Any]:
        """Start a session on the default branch of `repo`, with a pull request; return it."""
        body: dict[str, object] = {"prompt": "Add tests for the parser", "title": title, **fields}
        if repo:
            branch = {"startingBranch": "main"}
            body["sourceContext"] = {
                "source": f"sources/github/{repo}",
                "githubRepoContext": branch,
            }
            body.setdefault("automationMode", "AUTO_CREATE_PR")
        answer = await self.jules("POST", "/sessions", body)
        return answer.raise_for_status().json()


def scripted(**changes: object) -> Callable[[str, Life], Life]:
    """Return a script for `Jules.script` that changes fields of every drawn life."""
    return lambda _title, life: replace(life, **changes)  # pyright: ignore[reportArgumentType] -- the fields are checked when it runs


def visit(play: Callable[[Visitor], Awaitable[T]], *, seed: int = 7, size: Size = SMALL) -> T:
    """Run `play` from `EPOCH` on in a fresh world and in virtual time; return what it returns."""

    async def main() -> T:
        clock = LoopClock(EPOCH)
        world = World(seed=seed, clock=clock, size=size, sites=NoSites())
        async with httpx2.AsyncClient(transport=world.transport()) as http:
            return await play(Visitor(world, clock, http))

    return run_virtual(main())

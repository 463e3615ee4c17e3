"""A wall that is set ahead makes no send look old while somebody still waits for its answer."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from pydantic import SecretStr

from agent.wiring import EPOCH, SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.world import World
from mcp_server.server import build_server
from mcp_server.services import Services
from mcp_server.settings import Settings
from tests.agent_cases import REPO, Caller, Desk, Tap, at_desk

GIVEN: dict[str, object] = {"repo": REPO, "title": "Report", "body": "All is well"}


class Wall(LoopClock):
    """A clock whose wall can be set; its seconds go on as they do."""

    ahead = timedelta()

    def now(self) -> datetime:
        """Return what the wall shows."""
        return super().now() + self.ahead


@dataclass
class Slow(httpx2.AsyncBaseTransport):
    """A connection that takes 40 s to bring a request there."""

    inner: httpx2.AsyncBaseTransport

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Wait, then let it through."""
        await asyncio.sleep(40)  # noqa: TID251 -- virtual: the loop's own time
        return await self.inner.handle_async_request(request)


@dataclass(kw_only=True)
class Office:
    """Two processes on one ledger, and the wall of each."""

    world: World
    tap: Tap
    one: Caller
    two: Caller
    walls: tuple[Wall, Wall]


def in_office(folder: Path, play: Callable[[Office], Awaitable[None]]) -> None:
    """Run `play` with two servers whose mutations take 40 s."""

    def parts(world: World, wall: Wall) -> Services:
        return services.connect(
            Settings(
                jules_api_key=SecretStr(SANDBOX_JULES_KEY),
                github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
            ),
            clock=wall,
            engine=store.open_engine(f"sqlite:///{folder}/state.db"),
            network=services.Network(
                reads=world.transport(),
                fresh=lambda: Slow(world.transport()),
                pages=world.transport(),
            ),
            world="sandbox:7",
            new_id=lambda: hashlib.sha256(b"office").hexdigest()[:8],
        )

    async def main() -> None:
        walls = (Wall(EPOCH), Wall(EPOCH))
        size = replace(CALM, stale_pulls=0)
        world = World(
            seed=7, clock=LoopClock(EPOCH), sites=Sites(seed=7, directory=None), size=size
        )
        world.fault = tap = Tap(None)
        first, second = (parts(world, wall) for wall in walls)
        async with Client(build_server(first)) as here, Client(build_server(second)) as there:
            one = Caller(clock=walls[0], services=first, client=here)
            two = Caller(clock=walls[1], services=second, client=there)
            await play(Office(world=world, tap=tap, one=one, two=two, walls=walls))

    run_virtual(main())


@pytest.mark.parametrize("who", ["the same process", "another process"])
def test_a_wall_set_ahead_sends_nothing_twice(tmp_path: Path, who: str):
    """An hour on the wall is no hour of silence: the first one is still on its way."""

    async def play(office: Office) -> None:
        again = office.one if who == "the same process" else office.two
        sending = asyncio.create_task(office.one.call("github_report_issue", **GIVEN))
        await asyncio.sleep(5)  # noqa: TID251 -- virtual: the loop's own time
        for wall in office.walls:
            wall.ahead = timedelta(hours=1)
        told = await again.call("github_report_issue", **GIVEN)
        assert told.refusal == ("ambiguous", None)
        assert not (await sending).is_error
        assert len(office.tap.mutations) == 1
        assert not (await again.call("github_report_issue", **GIVEN)).is_error
        assert len(office.tap.mutations) == 1

    in_office(tmp_path, play)


def test_a_wall_set_ahead_makes_no_second_look():
    """Green must hold for half a minute that passed: an hour on the wall is none of it."""

    async def play(desk: Desk) -> list[bool]:
        await desk.settle()
        pull = await desk.completed((await desk.start())["session_id"])
        await desk.wait(minutes=15)
        wall = Wall(EPOCH)
        parts = replace(desk.services, clock=wall)
        judged = {"repo": REPO, "number": pull.number, "head_sha": pull.head}
        async with Client(build_server(parts)) as client:
            chat = Caller(clock=wall, services=parts, client=client)
            await chat.ask("github_get_pull", repo=REPO, number=pull.number)
            wall.ahead = timedelta(hours=1)
            first = await chat.ask("github_merge_pull", **judged)
            await desk.wait(minutes=2)
            second = await chat.ask("github_merge_pull", **judged)
        return [first["merged"], second["merged"]]

    assert at_desk(play) == [False, True]

"""A server over a sandbox world, with every request to GitHub written down: what a survey costs."""

import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import sqlalchemy as sa
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.models import Health
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import FULL, Size
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.services import Services
from mcp_server.settings import Settings
from tests import app_cases

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that reached GitHub; `ids` and `operation` are those of a query."""

    path: str
    status: int
    conditional: bool
    charged: int
    ids: tuple[str, ...] = ()
    operation: str = ""

    @property
    def is_query(self) -> bool:
        """Whether it went to GraphQL."""
        return self.path == "/graphql"


@dataclass
class Recorder(httpx2.AsyncBaseTransport):
    """Writes down what passes on its way to the world."""

    world: World
    asked: list[Asked] = field(default_factory=list[Asked])
    used: dict[str, int] = field(default_factory=dict[str, int])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass it on."""
        response = await self.world.transport().handle_async_request(request)
        body = await request.aread()
        resource = response.headers.get("x-ratelimit-resource", "")
        used = int(response.headers.get("x-ratelimit-used", "0"))
        asked: dict[str, Any] = json.loads(body) if body else {}
        one = Asked(
            path=request.url.path,
            status=response.status_code,
            conditional="if-none-match" in request.headers,
            charged=used - self.used.get(resource, 0),
            ids=tuple(asked["variables"]["ids"]) if body else (),
            operation=asked["query"].partition("(")[0].removeprefix("query ") if body else "",
        )
        self.used[resource] = used
        self.asked.append(one)
        return response

    def taken(self) -> list[Asked]:
        """Return what was asked since the last time."""
        asked, self.asked = self.asked, []
        return asked


@dataclass(kw_only=True)
class Place:
    """A world, the requests to it, and a server that can be started anew over its state."""

    world: World
    clock: LoopClock
    recorder: Recorder
    folder: Path
    parts: Services

    @property
    def engine(self) -> sa.Engine:
        """A way into the state, beside the server."""
        return store.open_engine(f"sqlite:///{self.folder}/state.db")

    async def wait(self, *, minutes: float) -> None:
        """Let the world's time pass."""
        await self.clock.sleep_until(self.clock.now() + timedelta(minutes=minutes))
        self.world.advance()

    async def health(self, *repos: str) -> dict[str, Health]:
        """Return the health of the named repositories, or of all, by name."""
        found = await self.parts.survey.health(repos or None)
        return {one.repo: one for one in found.health}

    def restart(self, state: str = "state") -> None:
        """Start a new process over the same state, or over one of another name."""
        self.recorder.taken()
        self.parts = _connect(self.world, self.clock, self.recorder, self.folder / f"{state}.db")


def at_place(play: Callable[[Place], Awaitable[T]], *, size: Size = FULL, seed: int = 7) -> T:
    """Run `play` over a fresh world, in virtual time."""

    async def main() -> T:
        clock = LoopClock(EPOCH)
        world = World(seed=seed, clock=clock, sites=Sites(seed=seed, directory=None), size=size)
        with tempfile.TemporaryDirectory() as folder:
            recorder = Recorder(world)
            parts = _connect(world, clock, recorder, Path(folder) / "state.db")
            place = Place(
                world=world, clock=clock, recorder=recorder, folder=Path(folder), parts=parts
            )
            return await play(place)

    return run_virtual(main())


def of(repositories: int) -> Size:
    """Return a full world of so many repositories."""
    return replace(FULL, repositories=repositories, foreign_sessions_per_day=0)


def _connect(world: World, clock: LoopClock, recorder: Recorder, state: Path) -> Services:
    token = Settings(
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    )
    return services.connect(
        app_cases.settings() if world.github.app else token,
        clock=clock,
        engine=store.open_engine(f"sqlite:///{state}"),
        network=services.Network(reads=recorder, fresh=world.transport, pages=world.transport()),
        world=f"sandbox:{world.seed}",
        new_id=lambda: "0badcafe",
    )

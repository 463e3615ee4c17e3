"""The composition root: the one module of the agent that may import server and sandbox."""

import asyncio
import hashlib
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from pydantic import SecretStr

from agent.state import State
from agent.tools import Tools
from mcp_server import services, store
from mcp_server.clock import Clock, LoopClock, SystemClock
from mcp_server.errors import SettingsError
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import SMALL, Size
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.weather import SHARES, Weather
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.server import build_server
from mcp_server.settings import Settings, load_settings

T = TypeVar("T")

SANDBOX_JULES_KEY = "sandbox-jules-key"
SANDBOX_GITHUB_TOKEN = "sandbox-github-token"  # noqa: S105  opens nothing but the sandbox


@dataclass(frozen=True, kw_only=True)
class WorldFlags:
    """The flags of every command that touches the world (INTERFACE.md)."""

    sandbox: bool = False
    seed: int = 7
    faults: str = "none"
    sites: Path | None = None
    server: str | None = None
    state: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wired:
    """A connected agent."""

    tools: Tools
    clock: Clock
    state: State
    name: str
    seed: int | None
    never_touch: tuple[str, ...]
    world: World | None


def within(flags: WorldFlags, work: Callable[[Wired], Awaitable[T]]) -> T:
    """Do `work` in the world that `flags` name: in virtual time when that is the sandbox."""

    async def connected() -> T:
        async with wire(flags) as wired:
            return await work(wired)

    try:
        return run_virtual(connected()) if flags.sandbox else asyncio.run(connected())
    except BaseExceptionGroup as group:
        raise _only(group) from group


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error inside groups: task groups of the SDK wrap what passes through them."""
    if len(group.exceptions) != 1:
        return group
    inner = group.exceptions[0]
    if isinstance(inner, BaseExceptionGroup):
        return _only(cast("BaseExceptionGroup[BaseException]", inner))
    return inner


@asynccontextmanager
async def wire(flags: WorldFlags) -> AsyncGenerator[Wired]:
    """Connect to the world that `flags` name, and let go of it at the end."""
    if flags.sandbox and flags.server:
        raise SettingsError("--sandbox and --server name two worlds: choose one")
    async with AsyncExitStack() as stack:
        if flags.sandbox:
            yield await _sandbox(flags, stack)
        else:
            yield await _real(flags, stack)


async def _sandbox(flags: WorldFlags, stack: AsyncExitStack) -> Wired:
    clock = LoopClock(EPOCH)
    world = make_world(flags, clock, SMALL)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="daily-factory-"))
    url = flags.state or f"sqlite:///{folder}/state.db"
    return await in_memory(stack, world=world, clock=clock, url=url, allowance=SMALL.allowance)


def make_world(flags: WorldFlags, clock: Clock, size: Size) -> World:
    """Make the sandbox world that `flags` describe."""
    if flags.faults not in SHARES:
        raise SettingsError(f"--faults {flags.faults!r}: choose {', '.join(SHARES)}")
    if flags.sites is not None and not flags.sites.is_dir():
        raise SettingsError(f"--sites {flags.sites}: no such folder")
    sites = Sites(seed=flags.seed, directory=flags.sites)
    world = World(seed=flags.seed, clock=clock, sites=sites, size=size)
    if flags.faults != "none":
        world.fault = Weather(seed=flags.seed, share=SHARES[flags.faults])
    return world


async def in_memory(
    stack: AsyncExitStack, *, world: World, clock: Clock, url: str, allowance: int
) -> Wired:
    """Connect an agent to a server over `world`, all in this process and its virtual time."""
    settings = Settings(
        allowance=allowance,
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    )
    engine = store.open_engine(url)
    stack.callback(engine.dispose)
    parts = services.connect(
        settings,
        clock=clock,
        engine=engine,
        network=services.Network(reads=world.transport(), fresh=world.transport),
        world=f"sandbox:{world.seed}",
        new_id=lambda: hashlib.sha256(f"ledger of world {world.seed}".encode()).hexdigest()[:8],
    )
    stack.push_async_callback(parts.transport.drain)
    client = await stack.enter_async_context(Client(build_server(parts)))
    state = State(url)
    stack.callback(state.close)
    return Wired(
        tools=Tools(client),
        clock=clock,
        state=state,
        name=f"sandbox:{world.seed}",
        seed=world.seed,
        never_touch=settings.never_touch,
        world=world,
    )


async def _real(flags: WorldFlags, stack: AsyncExitStack) -> Wired:
    settings = load_settings(os.environ, Path.cwd())
    url = flags.state or default_state()
    if flags.server is not None:
        client = Client(flags.server)
    else:
        # The child is the only process that is given the tokens.
        arguments = ["-m", "mcp_server", "--state", url]
        environment = dict(os.environ)
        client = Client(
            StdioServerParameters(command=sys.executable, args=arguments, env=environment)
        )
    connected = await stack.enter_async_context(client)
    state = State(url)
    stack.callback(state.close)
    return Wired(
        tools=Tools(connected),
        clock=SystemClock(),
        state=state,
        name=flags.server or "real",
        seed=None,
        never_touch=settings.never_touch,
        world=None,
    )


def default_state() -> str:
    """Return the URL of the user's own state database."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite:///{base}/daily-factory/state.db"

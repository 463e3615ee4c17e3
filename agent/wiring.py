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

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED
from pydantic import SecretStr

from agent.state import State
from agent.tools import Tools
from mcp_server import services, store
from mcp_server.clock import Clock, LoopClock, SystemClock
from mcp_server.errors import SettingsError, Unavailable
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


def _only(error: BaseException) -> BaseException:
    """Return the one error inside groups: task groups of the SDK wrap what passes through them."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _only(group.exceptions[0]) if len(group.exceptions) == 1 else group


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
    if flags.server is None:
        _check_keys(settings)
    else:
        _check_address(flags.server)
    store.open_engine(url).dispose()  # what is wrong with it is ours to say, before a child says it
    state = State(url)
    stack.callback(state.close)
    server = _child(url) if flags.server is None else _remote(flags.server)
    return Wired(
        tools=Tools(await stack.enter_async_context(server)),
        clock=SystemClock(),
        state=state,
        name=flags.server or "real",
        seed=None,
        never_touch=settings.never_touch,
        world=None,
    )


def _check_keys(settings: Settings) -> None:
    keys = {"JULES_API_KEY": settings.jules_api_key, "GITHUB_TOKEN": settings.github_token}
    for name, key in keys.items():
        if key is None:
            raise SettingsError(f"{name} is not set (or try everything with --sandbox, no key)")


def _check_address(server: str) -> None:
    try:
        url = httpx2.URL(server)
    except httpx2.InvalidURL as error:
        raise SettingsError(f"--server {server!r}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(f"--server {server!r} is no http or https URL")


@asynccontextmanager
async def _remote(url: str) -> AsyncGenerator[Client]:
    """Connect to a running server."""
    try:
        async with Client(url) as client:
            yield client
    except (MCPError, httpx2.HTTPError, ExceptionGroup) as error:
        reason = _only(error)
        if not isinstance(reason, MCPError | httpx2.HTTPError):
            raise
        raise Unavailable(f"--server {url} does not answer as a server: {reason}") from error


@asynccontextmanager
async def _child(url: str) -> AsyncGenerator[Client]:
    """Start a server of our own over stdio: the only process that is given the tokens."""
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server", "--state", url], env=dict(os.environ)
    )
    words = _Words()
    reading, writing = os.pipe()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: words, os.fdopen(reading, "rb", buffering=0)
    )
    with os.fdopen(writing, "w") as stderr:
        try:
            async with Client(stdio_client(parameters, errlog=stderr)) as client:
                words.pass_on()
                yield client
        except (MCPError, ExceptionGroup) as error:
            reason = _only(error)
            if not isinstance(reason, MCPError) or reason.code != CONNECTION_CLOSED:
                raise
            stderr.close()  # the child is dead: now its words have an end
            raise Unavailable(await words.last()) from error
        finally:
            pipe.close()


class _Words(asyncio.Protocol):
    """What a child says on stderr: held until it answers, then passed on as it comes."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = False
        self._ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take some words."""
        self._held += data
        if self._passing:
            self.pass_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Note that there will be no more."""
        self._ended.set()

    def pass_on(self) -> None:
        """Show what was held, and from now on everything as it comes."""
        self._passing = True
        _show(self._held)
        self._held = b""

    async def last(self) -> str:
        """Return the last line of a dead child, and show what it said before."""
        await self._ended.wait()
        if self._passing:
            return "the server has ended with work left; if it said why, that stands above"
        *before, last = self._held.splitlines(keepends=True) or [b"the server ended without a word"]
        _show(b"".join(before))
        return last.decode(errors="replace").strip()


def _show(words: bytes) -> None:
    sys.stderr.write(words.decode(errors="replace"))
    sys.stderr.flush()


def default_state() -> str:
    """Return the URL of the user's own state database."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite:///{base}/daily-factory/state.db"

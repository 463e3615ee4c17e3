"""The composition root: the one module of the agent that may import server and sandbox."""

import asyncio
import hashlib
import logging
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mcp.client import Client
from pydantic import SecretStr

from agent.connect import check_address, child_server, only_error, running_server
from agent.interruption import Interrupted, interruptible
from agent.state import State
from agent.tools import Tools
from mcp_server import services, store
from mcp_server.clock import Clock, LoopClock, SystemClock
from mcp_server.errors import SettingsError, Unavailable
from mcp_server.guard.redact import RedactingFilter
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import FULL, SMALL, Size
from mcp_server.sandbox.remote import Link, WorldLost, connect_remote, run_joined
from mcp_server.sandbox.serve import serve
from mcp_server.sandbox.served_clock import ServedClock
from mcp_server.sandbox.sites import KEYS, Sites
from mcp_server.sandbox.weather import SHARES, Weather
from mcp_server.sandbox.web import BRAVE_KEY
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.server import build_server
from mcp_server.settings import Settings, check_keys, load_settings

T = TypeVar("T")
log = logging.getLogger(__name__)

SIZES = {"small": SMALL, "full": FULL}
SANDBOX_JULES_KEY = "sandbox-jules-key"
SANDBOX_GITHUB_TOKEN = "sandbox-github-token"  # noqa: S105  opens nothing but the sandbox


@dataclass(frozen=True, kw_only=True)
class WorldFlags:
    """The flags of every command that touches the world (INTERFACE.md)."""

    sandbox: bool = False
    seed: int = 7
    faults: str = "none"
    sites: Path | None = None
    size: Literal["small", "full"] = "full"
    world: str | None = None
    server: str | None = None
    state: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wired:
    """A connected agent; `world` is at hand only when it lives in this process."""

    tools: Tools
    clock: Clock
    state: State
    name: str
    seed: int | None
    never_touch: tuple[str, ...]
    archive_others: bool
    world: World | None


def within(flags: WorldFlags, work: Callable[[Wired], Awaitable[T]]) -> T:
    """Do `work` in the world that `flags` name: in that world's time when it is a sandbox.

    Raises:
        Interrupted: a signal ended it, and `work` did not make that its own end.
    """
    named = {"--sandbox": flags.sandbox, "--world": flags.world, "--server": flags.server}
    chosen = [flag for flag, given in named.items() if given]
    if len(chosen) > 1:
        raise SettingsError(f"{' and '.join(chosen)} name {len(chosen)} worlds: choose one")

    async def connected(link: Link | None = None) -> T:
        with interruptible():
            async with wire(flags, link) as wired:
                return await work(wired)

    try:
        if flags.world:
            return run_joined(flags.world, connected)
        return run_virtual(connected()) if flags.sandbox else asyncio.run(connected())
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        raise Interrupted from error
    except BaseExceptionGroup as group:
        error = only_error(group)
        if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
            raise Interrupted from group
        raise error from group
    except WorldLost as error:
        raise Unavailable(f"--world {flags.world} is lost: {error}") from error


@asynccontextmanager
async def wire(flags: WorldFlags, link: Link | None) -> AsyncGenerator[Wired]:
    """Connect to the world that `flags` name, and let go of it at the end.

    `link` is this process's place in a served world; None anywhere else.
    """
    async with AsyncExitStack() as stack:
        if link:
            yield await _joined(flags, link, stack)
        elif flags.sandbox:
            yield await _sandbox(flags, stack)
        else:
            yield await _real(flags, stack)


async def _sandbox(flags: WorldFlags, stack: AsyncExitStack) -> Wired:
    clock = LoopClock(EPOCH)
    size = SIZES[flags.size]
    world = make_world(flags, clock, size)
    url = _state_of_a_sandbox(flags, stack)
    settings = sandbox_settings(size.allowance)
    return await in_memory(stack, world=world, clock=clock, url=url, settings=settings)


async def _joined(flags: WorldFlags, link: Link, stack: AsyncExitStack) -> Wired:
    if link.allowance is None:
        raise SettingsError(f"--world {flags.world}: that world does not tell its allowance")
    for other in link.others:
        log.warning(
            'the time of %s also waits for %s; if that has died: POST {"client": "%s"} to %s',
            *(flags.world, other, other, f"{flags.world}/world/kick"),
        )
    url = _state_of_a_sandbox(flags, stack)
    parts = await connect_remote(
        stack,
        link,
        state_url=url,
        allowance=link.allowance,
        new_id=lambda: secrets.token_hex(4),
    )
    return await _in_process(stack, parts, url=url, seed=link.seed, world=None)


def _state_of_a_sandbox(flags: WorldFlags, stack: AsyncExitStack) -> str:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="daily-factory-"))
    return flags.state or f"sqlite:///{folder}/state.db"


def hold_world(flags: WorldFlags, *, port: int, tell: Callable[[str], None]) -> None:
    """Serve the sandbox of `flags` on loopback until SIGINT or SIGTERM; `tell` gets its address.

    Raises:
        SettingsError: no such weather or sites, or a port that cannot be had.
    """
    asyncio.run(_hold_world(flags, port, tell))


async def _hold_world(flags: WorldFlags, port: int, tell: Callable[[str], None]) -> None:
    clock = ServedClock(EPOCH, real=SystemClock())
    size = SIZES[flags.size]
    world = make_world(flags, clock, size)
    ended = asyncio.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    serving = serve(world, clock, port=port, faults=flags.faults, allowance=size.allowance)
    async with serving as url:
        tell(url)
        await ended.wait()


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


def sandbox_settings(allowance: int, *, archive_others: bool = False) -> Settings:
    """Return settings that open a sandbox world."""
    return Settings(
        allowance=allowance,
        archive_others=archive_others,
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
        source_keys={name: SecretStr(key) for name, key in KEYS.items()},
        brave_api_key=SecretStr(BRAVE_KEY),
    )


async def in_memory(
    stack: AsyncExitStack, *, world: World, clock: Clock, url: str, settings: Settings
) -> Wired:
    """Connect an agent to a server over `world`, all in this process and its virtual time."""
    engine = store.open_engine(url)
    stack.callback(engine.dispose)
    parts = services.connect(
        settings,
        clock=clock,
        engine=engine,
        network=services.Network(
            reads=world.transport(), fresh=world.transport, pages=world.transport()
        ),
        world=f"sandbox:{world.seed}",
        new_id=lambda: hashlib.sha256(f"ledger of world {world.seed}".encode()).hexdigest()[:8],
    )
    stack.push_async_callback(parts.transport.drain)
    return await _in_process(stack, parts, url=url, seed=world.seed, world=world)


async def _in_process(
    stack: AsyncExitStack, parts: services.Services, *, url: str, seed: int, world: World | None
) -> Wired:
    """Connect an agent to the server made of `parts`, whose world is a sandbox."""
    masking = RedactingFilter(parts.redactor)
    for handler in logging.getLogger().handlers:
        handler.addFilter(masking)
        stack.callback(handler.removeFilter, masking)
    client = await stack.enter_async_context(Client(build_server(parts)))
    state = State(url)
    stack.callback(state.close)
    return Wired(
        tools=Tools(client),
        clock=parts.clock,
        state=state,
        name=f"sandbox:{seed}",
        seed=seed,
        never_touch=parts.settings.never_touch,
        archive_others=parts.settings.archive_others,
        world=world,
    )


async def _real(flags: WorldFlags, stack: AsyncExitStack) -> Wired:
    settings = load_settings(os.environ, Path.cwd())
    url = flags.state or default_state()
    if flags.server is None:
        check_keys(settings)
    else:
        check_address(flags.server)
    store.open_engine(url).dispose()  # what is wrong with it is ours to say, before a child says it
    state = State(url)
    stack.callback(state.close)
    server = child_server(url) if flags.server is None else running_server(flags.server)
    return Wired(
        tools=Tools(await stack.enter_async_context(server)),
        clock=SystemClock(),
        state=state,
        name=flags.server or "real",
        seed=None,
        never_touch=settings.never_touch,
        archive_others=settings.archive_others,
        world=None,
    )


def default_state() -> str:
    """Return the URL of the user's own state database."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return f"sqlite:///{base}/daily-factory/state.db"

"""A client process of a served world: its time and its network.

The event loop itself is the joined client: when nothing in the process can go on without time, it
asks the world for its next timer and is held until then. Every time-out is therefore the world's,
exactly as in process (`loop.py`); there too no thread and no other socket may take part.
"""

import asyncio
import http.client
import json
import selectors
from collections.abc import Callable, Coroutine, Generator
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
from pydantic import AwareDatetime, BaseModel, SecretStr, ValidationError

from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.errors import SettingsError
from mcp_server.guard.tripwire import passing
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.loop import NothingScheduled
from mcp_server.sandbox.serve import LOOPBACK
from mcp_server.sandbox.sites import KEYS
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from mcp_server.sandbox.web import BRAVE_KEY
from mcp_server.sandbox.world import GITHUB_HOST, JULES_HOST
from mcp_server.services import Network, Services
from mcp_server.settings import Settings

# Real seconds in which a world that stands still must answer: it works in milliseconds, and only
# a frozen mutation, whose sender is to be killed, takes longer.
PATIENCE_SECONDS = 600.0
# httpx2 writes these for the request that it sends itself.
_OWN_HEADERS = frozenset({"host", "connection", "content-length", "transfer-encoding"})
_PREFIXES = {JULES_HOST: "/jules", GITHUB_HOST: "/github"}

T = TypeVar("T")


class WorldLost(RuntimeError):
    """The served world is gone, is silent, or has sent this client away."""


class _Joined(BaseModel):
    client: str
    others: tuple[str, ...]
    now: AwareDatetime
    seed: int
    allowance: int | None


class _Woken(BaseModel):
    now: AwareDatetime


@dataclass(kw_only=True)
class Link:
    """This process's place in a served world; `in_flight` counts what waits for its answer.

    `others` had joined before; `allowance` is None when the world does not tell its own.
    """

    port: int
    client: str
    joined_at: datetime
    seed: int
    allowance: int | None
    others: tuple[str, ...]
    clock: LoopClock = field(init=False)
    in_flight: int = 0

    def __post_init__(self) -> None:
        """Show the world's time in the time of the loop that `run_joined` makes."""
        self.clock = LoopClock(self.joined_at)

    def network(self) -> Network:
        """Return connections to the world, for requests that name the real hosts."""
        rerouted = _Rerouted(self)
        return Network(reads=rerouted, fresh=lambda: _Rerouted(self), pages=rerouted)

    @contextmanager
    def awaiting_answer(self) -> Generator[None]:
        """Count a request: time stands still while one is under way."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection, not open yet."""
        return http.client.HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE_SECONDS)

    def leave(self) -> None:
        """Leave the world, which then no longer waits for this process."""
        with closing(self.connection()) as connection:
            _ask(connection, "/world/leave", {"client": self.client})


def join(url: str) -> Link:
    """Join the world served at `url`, `http://127.0.0.1:PORT`: its time now waits for us.

    Raises:
        SettingsError: no loopback address, or no world there.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname != LOOPBACK or parts.port is None:
        raise SettingsError(f"--world {url!r}: a served world is at http://{LOOPBACK}:PORT")
    connection = http.client.HTTPConnection(LOOPBACK, parts.port, timeout=PATIENCE_SECONDS)
    try:
        with closing(connection):
            joined = _Joined.model_validate_json(_ask(connection, "/world/join", {}))
    except (WorldLost, ValidationError) as error:
        raise SettingsError(f"--world {url}: no world is served there: {error}") from error
    return Link(
        port=parts.port,
        client=joined.client,
        joined_at=joined.now,
        seed=joined.seed,
        allowance=joined.allowance,
        others=joined.others,
    )


def run_joined(url: str, main: Callable[[Link], Coroutine[Any, Any, T]]) -> T:
    """Run `main` to its end in the time of the world at `url`, and leave that world.

    Raises:
        SettingsError: as `join`.
        WorldLost: the world went away meanwhile.
    """
    link = join(url)
    try:
        with asyncio.Runner(loop_factory=lambda: WorldLoop(link)) as runner:
            return runner.run(main(link))
    finally:
        link.leave()


async def connect_remote(
    stack: AsyncExitStack,
    link: Link,
    *,
    state_url: str,
    allowance: int,
    new_id: Callable[[], str],
) -> Services:
    """Build a server's parts over a served world; `stack` lets go of them.

    Args:
        stack: outlives every use of the parts.
        link: given to the `main` of `run_joined`.
        state_url: the database.
        allowance: sessions in any rolling 24 h, as the served world enforces it.
        new_id: names a ledger that is begun now; not by the seed, since it may be the second one.
    """
    settings = Settings(
        allowance=allowance,
        jules_api_key=SecretStr(JULES_KEY),
        github_token=SecretStr(GITHUB_TOKEN),
        source_keys={name: SecretStr(key) for name, key in KEYS.items()},
        brave_api_key=SecretStr(BRAVE_KEY),
    )
    engine = store.open_engine(state_url)
    stack.callback(engine.dispose)
    parts = services.connect(
        settings,
        clock=link.clock,
        engine=engine,
        network=link.network(),
        world=f"sandbox:{link.seed}",
        new_id=new_id,
    )
    stack.push_async_callback(parts.transport.aclose)
    return parts


class WorldLoop(asyncio.SelectorEventLoop):
    """A loop whose time is a served world's, 0 when it joined."""

    def __init__(self, link: Link) -> None:
        """Be the joined client `link`."""
        self._joined = _JoinedSelector(link)
        super().__init__(self._joined)

    def time(self) -> float:
        """Return world seconds since joining."""
        return self._joined.world_seconds


class _JoinedSelector(selectors.DefaultSelector):
    """Waits for answers in real time, and for timers in the world's.

    Awake means: something is ready, or a request is under way. Else every coroutine waits, in the
    end, for a timer: only then is the world asked to move, and only as far as the first of them.
    """

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link
        self.world_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._link.in_flight:
            ready = super().select(PATIENCE_SECONDS)
            if not ready:
                raise WorldLost(f"a request has no answer after {PATIENCE_SECONDS:.0f} s")
            return ready
        if timeout is None:
            raise NothingScheduled("every task is waiting and no timer is set")
        return self._sleep(self.world_seconds + timeout)

    def _sleep(self, wanted: float) -> list[tuple[selectors.SelectorKey, int]]:
        """Be held by the world until `wanted`, or until a signal writes to the loop's own pipe."""
        asked = {"client": self._link.client, "until": _at_least(self._link.joined_at, wanted)}
        with closing(self._link.connection()) as connection:
            _send(connection, "/world/sleep", asked)
            held = connection.sock
            self.register(held, selectors.EVENT_READ)
            try:
                ready = super().select(None)
            finally:
                self.unregister(held)
            others = [(key, events) for key, events in ready if key.fileobj is not held]
            if len(others) == len(ready):
                return others  # the sleep is dropped with its connection: we are awake again
            woken = _Woken.model_validate_json(_answer(connection))
        seconds = (woken.now - self._link.joined_at).total_seconds()
        self.world_seconds = max(wanted, seconds)
        return others


class _Rerouted(httpx2.AsyncBaseTransport):
    """Sends to the served path of a real host; an answer is read whole before it is given."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._sockets = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        prefix = _PREFIXES.get(request.url.host, f"/sites/{request.url.host}")
        path = request.url.raw_path.decode("ascii")
        rerouted = httpx2.Request(
            request.method,
            f"http://{LOOPBACK}:{self._link.port}{prefix}{path}",
            headers=[(k, v) for k, v in request.headers.items() if k not in _OWN_HEADERS],
            content=content or None,
        )
        with self._link.awaiting_answer():
            response = await self._sockets.handle_async_request(rerouted)
            body = await response.aread()
            await response.aclose()
        return httpx2.Response(response.status_code, headers=response.headers, content=body)

    async def aclose(self) -> None:
        await self._sockets.aclose()


def _at_least(start: datetime, seconds: float) -> str:
    """Return the first whole microsecond that is not before `seconds` after `start`."""
    when = start + timedelta(seconds=seconds)
    if (when - start).total_seconds() < seconds:
        when += timedelta(microseconds=1)
    return when.isoformat()


def _ask(connection: http.client.HTTPConnection, path: str, body: object) -> bytes:
    _send(connection, path, body)
    return _answer(connection)


def _send(connection: http.client.HTTPConnection, path: str, body: object) -> None:
    try:
        # Joining and sleeping are no requests of the product's: its transport never sees them.
        with passing(LOOPBACK):
            connection.request("POST", path, body=json.dumps(body))
    except OSError as error:
        raise WorldLost(f"{path}: {error}") from error


def _answer(connection: http.client.HTTPConnection) -> bytes:
    try:
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise WorldLost(f"the world went away: {error!r}") from error
    if response.status != http.client.OK:
        raise WorldLost(f"the world answered {response.status}: {body[:200]!r}")
    return body

"""The sandbox world on loopback sockets, for clients in other processes and in other languages.

What Jules, GitHub and the sites answer is the world's; time is `served_clock.py`'s. Where in
process an exception stands for a broken network, the connection is dropped without an answer.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import uvicorn
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mcp_server.errors import BadArgument, NotFound, SettingsError
from mcp_server.sandbox.faults import Exchange, Fault, Frozen, KillPoint
from mcp_server.sandbox.served_clock import ServedClock
from mcp_server.sandbox.weather import SHARES, Weather
from mcp_server.sandbox.world import GITHUB_HOST, JULES_HOST, World

LOOPBACK = "127.0.0.1"
# An idle connection is nobody's cost here, and one closed under a client is a fault it did not ask.
KEEP_ALIVE_SECONDS = 3600
# Said by a connection about itself: the world sees neither.
_OWN_HEADERS = frozenset({"host", "connection"})

Profile = Literal["none", "weather", "storm"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Client(_Asked):
    client: str


class _Sleep(_Asked):
    until: AwareDatetime
    client: str | None = None


class _Faults(_Asked):
    profile: Profile


class _Kill(_Asked):
    mutation: int = Field(ge=1)
    side: Literal["before", "after"]


@dataclass
class Strikes:
    """A world's `fault`: the weather, and one place to die that can be set while it runs."""

    seed: int
    profile: str = "none"
    _weather: Weather | None = None
    _kill: KillPoint | None = None
    _mutations: int = 0

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Return what strikes this exchange, if anything."""
        self._mutations = exchange.mutation or self._mutations
        fault = self._kill(exchange) if self._kill else None
        return fault or (self._weather(exchange) if self._weather else None)

    def set_weather(self, profile: str) -> None:
        """Let this weather of `SHARES` begin anew; "none" ends it."""
        self.profile = profile
        share = SHARES[profile]
        self._weather = Weather(seed=self.seed, share=share) if share else None

    def kill_at(self, nth: int, side: Literal["before", "after"]) -> None:
        """Freeze the `nth` mutation from now; there is one such place at a time."""
        self._kill = KillPoint(mutation=self._mutations + nth, side=side)


class Served:
    """A world, its clock and its faults, as HTTP sees them; takes over the world's `fault`."""

    def __init__(
        self, world: World, clock: ServedClock, faults: str, allowance: int | None
    ) -> None:
        """Serve `world`, which was made with `clock`, in the weather `faults`."""
        self._world = world
        self._clock = clock
        self._allowance = allowance
        self._strikes = Strikes(seed=world.seed)
        self._strikes.set_weather(faults)
        world.fault = self._strikes
        self._frozen: str | None = None
        self._freezing = asyncio.Event()

    def app(self) -> ASGIApp:
        """Return the application."""
        act = ["POST"]
        application = Starlette(
            routes=[
                Route("/world", self._show),
                Route("/world/clock", self._tell_time),
                Route("/world/frozen", self._wait_for_freeze),
                Route("/world/join", self._join, methods=act),
                Route("/world/leave", self._leave, methods=act),
                Route("/world/kick", self._leave, methods=act),
                Route("/world/sleep", self._sleep, methods=act),
                Route("/world/faults", self._set_faults, methods=act),
                Route("/world/kill", self._set_kill, methods=act),
                Mount("/jules", self._pass_on),
                Mount("/github", self._pass_on),
                Mount("/sites", self._pass_on),
            ],
            exception_handlers={
                ValidationError: _refusal(400),
                BadArgument: _refusal(409),
                NotFound: _refusal(404),
            },
        )
        application.router.redirect_slashes = False
        return application

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a request to the world under its real address, and its answer back as it is."""
        request = Request(scope, receive)
        url = _real_url(scope)
        if url is None:
            await JSONResponse({"error": "say /sites/HOST/PATH"}, 404)(scope, receive, send)
            return
        headers = [(k, v) for k, v in request.headers.items() if k not in _OWN_HEADERS]
        content = await request.body()
        passed = httpx2.Request(request.method, url, headers=headers, content=content)
        try:
            answer = await self._world.transport().handle_async_request(passed)
        except Frozen as frozen:
            await self._hold_frozen(str(frozen), receive)
            return
        except httpx2.TransportError:
            request.state.connection.abort()
            await _gone(receive)
            return
        response = Response(answer.content, answer.status_code)
        response.raw_headers = [(k.lower(), v) for k, v in answer.headers.raw]
        await response(scope, receive, send)

    async def _hold_frozen(self, what: str, receive: Receive) -> None:
        """Leave a request without an answer until its sender is gone, and tell who asks."""
        self._frozen = what
        self._freezing.set()
        try:
            await _gone(receive)
        finally:
            self._frozen = None
            self._freezing.clear()

    async def _show(self, _request: Request) -> Response:
        self._world.advance()
        oracle = self._world.oracle
        found = [
            {"rule": one.rule, "at": one.at.isoformat(), "detail": one.detail}
            for one in oracle.violations()
        ]
        told = {"violations": found, "effects": len(oracle.effects), **self._time()}
        stood = {"frozen": self._frozen, "faults": self._strikes.profile, "seed": self._world.seed}
        return JSONResponse({**self._world.snapshot(), **told, **stood})

    async def _tell_time(self, _request: Request) -> Response:
        return JSONResponse(self._time())

    def _time(self) -> dict[str, object]:
        sleeps = self._clock.clients()
        clients = {name: until and until.isoformat() for name, until in sleeps.items()}
        return {"now": self._clock.now().isoformat(), "clients": clients}

    async def _wait_for_freeze(self, request: Request) -> Response:
        """Answer once a mutation stands frozen."""
        await _while_there(request, self._freezing.wait())
        return JSONResponse({"frozen": self._frozen})

    async def _join(self, _request: Request) -> Response:
        others = sorted(self._clock.clients())
        client = self._clock.join()
        told = {"client": client, "others": others, "now": self._clock.now().isoformat()}
        return JSONResponse({**told, "seed": self._world.seed, "allowance": self._allowance})

    async def _leave(self, request: Request) -> Response:
        self._clock.leave(_Client.model_validate_json(await request.body()).client)
        return JSONResponse(self._time())

    async def _sleep(self, request: Request) -> Response:
        asked = _Sleep.model_validate_json(await request.body())
        if asked.client is None:
            await _while_there(request, self._clock.sleep_until(asked.until))
        else:
            await _while_there(request, self._clock.sleep(asked.client, asked.until))
        return JSONResponse({"now": self._clock.now().isoformat()})

    async def _set_faults(self, request: Request) -> Response:
        self._strikes.set_weather(_Faults.model_validate_json(await request.body()).profile)
        return JSONResponse({"faults": self._strikes.profile})

    async def _set_kill(self, request: Request) -> Response:
        asked = _Kill.model_validate_json(await request.body())
        self._strikes.kill_at(asked.mutation, asked.side)
        return JSONResponse({"mutation": asked.mutation, "side": asked.side})


@asynccontextmanager
async def serve(
    world: World,
    clock: ServedClock,
    *,
    port: int = 0,
    faults: str = "none",
    allowance: int | None = None,
) -> AsyncGenerator[str]:
    """Serve `world` on loopback while the block runs; gives the address, `http://127.0.0.1:PORT`.

    At the end every connection is dropped, held ones too. No signal is caught and nothing is
    written.

    Args:
        world: made with `clock`; its `fault` is replaced, since `/world/faults` may change it.
        clock: goes on in `/world/sleep`.
        port: 0 takes a free one.
        faults: the weather to begin with, a name of `SHARES`.
        allowance: of the world's `Size`, told to those who join; None tells them nothing.

    Raises:
        SettingsError: the port cannot be had.
    """
    # Not `uvicorn.Server`: it takes over the signals of its process.
    config = uvicorn.Config(
        Served(world, clock, faults, allowance).app(),
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    state = ServerState()
    try:
        listening = await asyncio.get_running_loop().create_server(
            lambda: _Connection(config, state, {}), LOOPBACK, port
        )
    except OSError as error:
        raise SettingsError(f"--port {port}: {error.strerror}") from error
    try:
        yield f"http://{LOOPBACK}:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()
        for connection in list(state.connections):
            if isinstance(connection, _Connection):
                connection.transport.abort()
        if state.tasks:
            await asyncio.wait(list(state.tasks))


class _Connection(H11Protocol):
    """Shows the application its connection, which it must be able to drop (uvicorn 0.54)."""

    def connection_made(  # pyright: ignore[reportIncompatibleMethodOverride] -- as in the base
        self, transport: asyncio.Transport
    ) -> None:
        super().connection_made(transport)
        self.app_state = {"connection": transport}


def _real_url(scope: Scope) -> str | None:
    """Return the address that a served path stands for; None when it names no host."""
    raw: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    service, _, rest = raw.decode("ascii").removeprefix("/").partition("/")
    host = {"jules": JULES_HOST, "github": GITHUB_HOST}.get(service)
    if host is None:
        host, _, rest = rest.partition("/")
    if not host:
        return None
    return f"https://{host}/{rest}" + (f"?{query.decode('ascii')}" if query else "")


def _refusal(status: int) -> Callable[[Request, Exception], Response]:
    def refuse(_request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return refuse


async def _gone(receive: Receive) -> None:
    """Wait until the connection is closed, from whichever end."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _while_there(request: Request, work: Coroutine[Any, Any, object]) -> None:
    """Await `work`, and cancel it when the asker goes: an answer has nobody to go to then."""
    working = asyncio.ensure_future(work)
    going = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait((working, going), return_when=asyncio.FIRST_COMPLETED)
    finally:
        going.cancel()
        working.cancel()
    await asyncio.wait((working, going))
    if not working.cancelled():
        working.result()

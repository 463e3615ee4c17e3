"""A web for tests: names, sockets that are none, pages of its own, and a clock that jumps."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ssl import SSLContext
from typing import Any

import httpcore2
import httpx2

from mcp_server.clients.web_pages import RawPage, WebPages
from mcp_server.clock import Clock, LoopClock
from mcp_server.errors import FactoryError
from mcp_server.guard.addresses import is_public
from mcp_server.guard.public_web import PublicWeb
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport, Origin
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import GITHUB, GITHUB_TOKEN, START, Network, OpenDoor
from tests.shared_data import capture

PUBLIC = "93.184.216.34"
# What the names of the shared corpus lead to; a name of digits to what `inet_aton` makes of it.
NAMES: Mapping[str, tuple[str, ...]] = {
    "public.test": (PUBLIC,),
    "other.test": ("2606:4700::6810:84e5",),
    "localhost": ("127.0.0.1", "::1"),
    "localhost.localdomain": ("127.0.0.1",),
    "loop.test": ("127.0.0.1",),
    "a-private.test": ("10.0.0.5",),
    "meta.test": ("169.254.169.254",),
    "mixed1.test": (PUBLIC, "127.0.0.1"),
    "mixed2.test": ("192.168.0.1", PUBLIC),
    "v6loop.test": ("::1",),
    "v6map.test": ("::ffff:127.0.0.1",),
    "v6meta.test": ("fd00:ec2::254",),
    "zero.test": ("0.0.0.0",),  # noqa: S104 -- one of the traps
    "sixto4.test": ("2002:7f00:1::",),
    "v6compat.test": ("::127.0.0.1",),
    "multicast.test": ("224.0.0.1",),
    "doc.test": ("192.0.2.1",),
    "bench.test": ("198.18.0.1",),
    "isatap.test": ("2a00:1450::5efe:a9fe:a9fe",),
    "0x7f000001": ("127.0.0.1",),
    "2852039166": ("169.254.169.254",),
}
# A request's host and path → what its connection says, in parts.
Site = Callable[[str, str], AsyncIterator[bytes]]


@dataclass(frozen=True, kw_only=True)
class Trap:
    """One row of the shared corpus."""

    category: str
    url: str


def traps() -> tuple[Trap, ...]:
    """Return the 92 addresses; a test that calls this skips where they are missing."""
    lines = capture("injections/ssrf_urls.jsonl").decode().splitlines()
    return tuple(Trap(**json.loads(line)) for line in lines)


@dataclass
class Names:
    """A resolver from a table, which counts; `rebinding` names turn inside at their n-th call."""

    table: Mapping[str, Sequence[str]] = field(default_factory=lambda: NAMES)
    rebinding: Mapping[str, int] = field(default_factory=lambda: {"rebind3.test": 3})
    asked: list[str] = field(default_factory=list[str])

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Answer from the table; a name that looks like an address is that address."""
        del port
        self.asked.append(host)
        turn = self.rebinding.get(host)
        if turn is not None:
            return ["127.0.0.1"] if self.asked.count(host) >= turn else [PUBLIC]
        found = self.table.get(host, (host,) if host[-1:].isdigit() or ":" in host else ())
        if not found:
            raise OSError(f"no such name: {host}")
        return found


class Sockets(httpcore2.AsyncNetworkBackend):
    """Dials nobody: keeps what would have been dialled, and lets a site of the test's answer."""

    def __init__(self, site: Site, *, dead: Sequence[str] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self.streams: list[Stream] = []
        self._site = site
        self._dead = dead

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Keep the address; a dead one does not answer."""
        del timeout, local_address, socket_options
        self.dialled.append((host, port))
        if host in self._dead:
            raise httpcore2.ConnectError
        self.streams.append(Stream(self._site))
        return self.streams[-1]

    @property
    def inside(self) -> list[tuple[str, int]]:
        """What was dialled and never should have been."""
        return [one for one in self.dialled if not is_public(one[0]) or one[1] not in (80, 443)]


class Stream(httpcore2.AsyncNetworkStream):
    """One connection: what is written to it, under what name, and what the site says to it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._parts: AsyncIterator[bytes] | None = None
        self._left = b""
        self.said = b""
        self.given = 0
        self.tls_name: str | None = None
        self.closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Give the next part, never more than asked for."""
        del timeout
        if self._parts is None:
            head = self.said.decode("latin-1").split("\r\n")
            host = next(line[6:] for line in head if line.lower().startswith("host: "))
            self._parts = self._site(host, head[0].split(" ")[1])
        part = self._left or await anext(self._parts, b"")
        self._left = part[max_bytes:]
        self.given += len(part[:max_bytes])
        return part[:max_bytes]

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Keep what is said."""
        del timeout
        self.said += buffer

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Keep the name that a certificate would be held against."""
        del ssl_context, timeout
        self.tls_name = server_hostname
        return self

    def get_extra_info(self, info: str) -> Any:
        """Know nothing."""
        del info


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Write an answer; a page unless it says otherwise, of its own length."""
    said = {"content-type": "text/html", "content-length": str(len(body))}
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def html(*paragraphs: str, title: str = "A page") -> bytes:
    """Write a page."""
    text = "".join(f"<p>{one}</p>" for one in paragraphs)
    return f"<html><head><title>{title}</title></head><body>{text}</body></html>".encode()


PAGE = http(200, html("Some words of a page, enough of them to be a paragraph of its own."))


def site(pages: Mapping[str, bytes], *, robots: bytes = http(404)) -> Site:
    """Answer by path; what is missing is 404."""

    async def answer(host: str, path: str) -> AsyncIterator[bytes]:
        del host
        yield robots if path == "/robots.txt" else pages.get(path, http(404))

    return answer


@dataclass(kw_only=True)
class Browser:
    """The reader of pages over the guard over a network that dials nobody."""

    pages: WebPages
    sockets: Sockets
    names: Names
    clock: Clock
    others: Network
    requests: Mapping[str, int]

    async def fails(self, url: str) -> FactoryError:
        """Return the error that reading ends with."""
        try:
            found = await self.pages.read(url)
        except FactoryError as error:
            return error
        raise AssertionError(found)

    async def read(self, url: str) -> RawPage:
        """Read a page."""
        return await self.pages.read(url)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))


def browse(
    answers: Site,
    play: Callable[[Browser], Awaitable[None]],
    *,
    names: Names | None = None,
    dead: Sequence[str] = (),
) -> Sockets:
    """Play with a reader in virtual time; return what was dialled."""
    sockets, resolver, others = Sockets(answers, dead=dead), names or Names(), Network()

    async def main() -> None:
        clock = LoopClock(START)
        guarded = GuardedTransport(
            origins=[
                Origin(
                    service="github",
                    base=GITHUB,
                    headers={"authorization": f"Bearer {GITHUB_TOKEN}"},
                )
            ],
            tickets=OpenDoor(),
            clock=clock,
            reads=others,
            fresh=others.fresh,
            redactor=Redactor([GITHUB_TOKEN]),
            pages=PublicWeb(resolver, sockets),
        )
        client = httpx2.AsyncClient(transport=guarded, trust_env=False, timeout=None)
        await play(
            Browser(
                pages=WebPages(client, clock=clock),
                sockets=sockets,
                names=resolver,
                clock=clock,
                others=others,
                requests=guarded.requests,
            )
        )
        await guarded.aclose()

    run_virtual(main())
    return sockets

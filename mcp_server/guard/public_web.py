"""The network under the guard for public pages: it cannot reach an address inside.

A name is resolved once for each connection; unless *all* its addresses are public nothing is
dialled, and what is dialled is one of those very addresses. TLS and `Host` keep the name.
"""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any, Protocol, cast

import httpcore2
import httpx2

from mcp_server.errors import Refused, Unreadable
from mcp_server.guard.addresses import is_public
from mcp_server.guard.tripwire import passing

# Of one connection, headers included; what is unpacked from it is the transport's to bound.
MOST_WIRE_BYTES = 1_000_000
# Of several addresses of a name; each has its own time to answer.
MOST_DIALLED = 3
_SECONDS = {"connect": 5.0, "read": 10.0, "write": 5.0, "pool": 10.0}
_MOST_AT_ONCE = 10
# The one kind of packing that is asked for and unpacked, once: others could hold a bomb in a bomb.
_PACKINGS = frozenset({"", "identity", "gzip", "deflate"})


class Resolver(Protocol):
    """Turns names into addresses."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return every address of `host`, best first; raises `OSError` when it has none."""
        ...


class SystemResolver:
    """The machine's own resolver, in a thread of the event loop's."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Ask `getaddrinfo` once."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port)
        return tuple(dict.fromkeys(str(one[4][0]) for one in found))


class PublicWeb(httpx2.AsyncBaseTransport):
    """Sends one request a connection, to public addresses only."""

    def __init__(
        self, resolver: Resolver, dialler: httpcore2.AsyncNetworkBackend | None = None
    ) -> None:
        """Connect where `resolver` says, by `dialler`; None: by real sockets."""
        # The package declares a second class of that name, for machines without anyio.
        sockets = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
        self._backend = _PublicBackend(resolver, dialler or sockets)
        self._made: httpcore2.AsyncConnectionPool | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send `request`; its answer is read as the caller goes on.

        Raises:
            Refused: the name leads to an address that is not public; nothing was dialled.
            Unreadable: a packing that is not unpacked here, or, while reading, too many bytes.
            httpx2.TransportError: no answer.
        """
        sent = httpcore2.Request(
            request.method,
            httpcore2.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=[*request.headers.raw, (b"connection", b"close")],
            extensions={"timeout": _SECONDS},
        )
        with _as_httpx():
            answer = await self._pool.handle_async_request(sent)
        response = httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), request=request
        )
        packing = response.headers.get("content-encoding", "").strip().lower()
        if packing not in _PACKINGS:
            await response.aclose()
            raise Unreadable(f"packed as {packing[:40]!r}, which was not asked for: not unpacked")
        return response

    async def aclose(self) -> None:
        """Close what is open."""
        if self._made is not None:
            await self._made.aclose()

    @property
    def _pool(self) -> httpcore2.AsyncConnectionPool:
        # Made when first used: to read the certificates takes longer than most starts have.
        if self._made is None:
            self._made = httpcore2.AsyncConnectionPool(
                ssl_context=httpx2.create_ssl_context(trust_env=False),
                max_connections=_MOST_AT_ONCE,
                max_keepalive_connections=0,
                network_backend=self._backend,
            )
        return self._made


class _PublicBackend(httpcore2.AsyncNetworkBackend):
    def __init__(self, resolver: Resolver, dialler: httpcore2.AsyncNetworkBackend) -> None:
        self._resolver = resolver
        self._dialler = dialler

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del local_address, socket_options
        try:
            found = await self._resolver.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} has no address") from error
        if not found or not all(map(is_public, found)):
            # Which address it is stays here: it would tell what names there are inside.
            raise Refused(f"{host} does not lead to public addresses only", limit="public")
        failed: list[httpcore2.NetworkError | httpcore2.TimeoutException] = []
        for address in found[:MOST_DIALLED]:
            try:
                with passing(host, to=address):
                    stream = await self._dialler.connect_tcp(address, port, timeout=timeout)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed.append(error)
            else:
                return _Counted(stream)
        raise failed[-1]


class _Counted(httpcore2.AsyncNetworkStream):
    """A stream that ends with an error when it has given too much."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner
        self._read = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part = await self._inner.read(max_bytes, timeout)
        self._read += len(part)
        if self._read > MOST_WIRE_BYTES:
            raise Unreadable(f"the answer has more than {MOST_WIRE_BYTES:,} bytes: not read")
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        return _Counted(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 -- httpcore2's signature
        return self._inner.get_extra_info(info)


class _Body(httpx2.AsyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


@contextmanager
def _as_httpx() -> Generator[None]:
    try:
        yield
    except (
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.TimeoutException,
    ) as error:
        raise httpx2.TransportError(type(error).__name__) from error

"""Connections to servers in other processes: one of our own over stdio, or a running one."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED

from agent.own_server import COMMAND
from mcp_server.errors import SettingsError, Unavailable
from mcp_server.guard import tripwire

# A tool may take long: a survey of thousands of repositories does.
PATIENCE_SECONDS = 300.0


class _Passing(httpx2.AsyncBaseTransport):
    """A way through the tripwire to the server that the user named, and no further."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        with tripwire.passing(request.url.raw_host.decode("ascii")):
            return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def check_address(server: str) -> None:
    """Raise `SettingsError` unless `server` is an http or https URL."""
    try:
        url = httpx2.URL(server)
    except httpx2.InvalidURL as error:
        raise SettingsError(f"--server {server!r}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingsError(f"--server {server!r} is no http or https URL")


@asynccontextmanager
async def running_server(url: str) -> AsyncGenerator[Client]:
    """Connect to a running server, over HTTP."""
    http = httpx2.AsyncClient(transport=_Passing(), timeout=PATIENCE_SECONDS)
    try:
        async with http, Client(streamable_http_client(url, http_client=http)) as client:
            yield client
    except (MCPError, httpx2.HTTPError, ExceptionGroup) as error:
        reason = only_error(error)
        if not isinstance(reason, MCPError | httpx2.HTTPError):
            raise
        raise Unavailable(f"--server {url} does not answer as a server: {reason}") from error


@asynccontextmanager
async def child_server(url: str) -> AsyncGenerator[Client]:
    """Start a server of our own over stdio: the only process that is given the tokens."""
    parameters = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], "--state", url], env=dict(os.environ)
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
            reason = only_error(error)
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


def only_error(error: BaseException) -> BaseException:
    """Return the one error inside groups: task groups of the SDK wrap what passes through them."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return only_error(group.exceptions[0]) if len(group.exceptions) == 1 else group

"""What a network or a service can do to an answer after the effect: nothing of it is evidence."""

import json
from collections.abc import AsyncGenerator
from datetime import timedelta

import httpx2

from mcp_server.clock import LoopClock
from tests.mutation_cases import Spoil, kind_of

# Whole answers to other requests, by the kind that is given one: they name nothing, or another.
_SESSION = {
    "name": "sessions/10000000000000000001",
    "id": "10000000000000000001",
    "title": f"[df1 0badcafe 2026-11-23 optimize kother.a1 {'a' * 26}] Other",
    "state": "COMPLETED",
    "createTime": "2026-11-23T00:01:00Z",
    "archived": True,
}
_REF = {"ref": "refs/heads/other", "object": {"type": "commit", "sha": "b" * 40}}
_OTHERS: dict[str, object] = {
    "create_repository": {"full_name": "factory-owner/other", "private": True},
    "create_tree": _REF,
    "create_commit": _REF,
    "create_branch": _REF,
    "open_pull": {"number": 99, "state": "open", "head": {"ref": "other"}},
    "move_branch": _REF,
    "merge_pull": {"sha": "b" * 40, "merged": False, "message": "queued"},
    "update_branch": {"sha": "b" * 40},
}


# What these faults make of an empty answer is an empty answer: they spoil nothing.
HARMLESS_TO_NOTHING = {
    "disable_workflow": frozenset({"204", "a body cut off", "the answer twice"}),
}


class _Drip(httpx2.AsyncByteStream):
    """A byte every ten seconds, without end."""

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while True:
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=10))
            yield b" "


def _error(kind: type[httpx2.TransportError]) -> Spoil:
    async def spoil(
        request: httpx2.Request, response: httpx2.Response, clock: LoopClock
    ) -> httpx2.Response:
        del response, clock
        raise kind("the answer is lost", request=request)

    return spoil


def _status(status: int, body: bytes | None = None) -> Spoil:
    """Answer with another status, and a body in the shape of both services where none is given."""
    error = {"code": status, "message": "later", "status": "UNAVAILABLE"}
    said = json.dumps({"error": error, "message": "later"}).encode()

    async def spoil(
        request: httpx2.Request, response: httpx2.Response, clock: LoopClock
    ) -> httpx2.Response:
        del request, clock
        return _like(response, status, said if body is None else body)

    return spoil


def _body(body: bytes) -> Spoil:
    """Answer with the status of success and another body."""

    async def spoil(
        request: httpx2.Request, response: httpx2.Response, clock: LoopClock
    ) -> httpx2.Response:
        del request, clock
        return _like(response, response.status_code, body)

    return spoil


async def _cut(
    request: httpx2.Request, response: httpx2.Response, clock: LoopClock
) -> httpx2.Response:
    del request, clock
    return _like(response, response.status_code, response.content[:-1])


async def _twice(
    request: httpx2.Request, response: httpx2.Response, clock: LoopClock
) -> httpx2.Response:
    del request, clock
    return _like(response, response.status_code, response.content * 2)


async def _another(
    request: httpx2.Request, response: httpx2.Response, clock: LoopClock
) -> httpx2.Response:
    del clock
    body = json.dumps(_OTHERS.get(kind_of(request) or "", _SESSION)).encode()
    return _like(response, response.status_code, body)


async def _dripping(
    request: httpx2.Request, response: httpx2.Response, clock: LoopClock
) -> httpx2.Response:
    del request
    return httpx2.Response(
        response.status_code, headers={"date": response.headers["date"]}, stream=_Drip(clock)
    )


def _like(response: httpx2.Response, status: int, body: bytes) -> httpx2.Response:
    headers = {"date": response.headers["date"], "content-type": "application/json"}
    return httpx2.Response(status, headers=headers, content=body)


FAULTS: dict[str, Spoil] = {
    "reset": _error(httpx2.ReadError),
    "read time-out": _error(httpx2.ReadTimeout),
    "broken protocol": _error(httpx2.RemoteProtocolError),
    **{str(status): _status(status) for status in (500, 502, 503, 504, 429, 408, 499)},
    "a body cut off": _cut,
    "HTML": _body(b"<!doctype html><title>Sign in</title>"),
    "JSON of another shape": _body(b'{"status": "ok", "result": []}'),
    "JSON that is no object": _body(b"[]"),
    "an endless drip": _dripping,
    "the answer twice": _twice,
    "another's answer": _another,
    "100": _status(100, b""),
    "204": _status(204, b""),
    "302": _status(302, b"{}"),
}

"""What the network can do to one exchange: before its effect, after it, or instead of an answer.

A world's `fault` is asked about every exchange; `Once` and `KillPoint` are the scripted ones.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import httpx2

from mcp_server.sandbox.http import Reply

FaultKind: TypeAlias = Literal[
    "refuse_connect",
    "reset_before",
    "reset_after",
    "timeout_after",
    "status_after",
    "truncated_after",
    "freeze_before",
    "freeze_after",
]


class Frozen(BaseException):
    """The exchange stands still for ever: what called it must be killed here."""


@dataclass(frozen=True)
class Fault:
    """A fault; `status` belongs to `status_after` (500, 502, 503, 504, 429 or 408)."""

    kind: FaultKind
    status: int = 503


@dataclass(frozen=True)
class Exchange:
    """A request that is about to be served.

    `mutation` is its place, from 1, among those sent to Jules and GitHub that could change
    something (any method but GET and HEAD, GraphQL's queries left out); None for the others.
    """

    host: str
    method: str
    path: str
    mutation: int | None


@dataclass
class Once:
    """Strikes one exchange: the `mutation`-th mutation, or the first one whose path has `path`."""

    fault: Fault
    mutation: int | None = None
    path: str | None = None
    struck: bool = False

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Return the fault the first time it fits."""
        by_path = self.path is not None and self.path in exchange.path
        fits = by_path or (self.mutation is not None and exchange.mutation == self.mutation)
        if self.struck or not fits:
            return None
        self.struck = True
        return self.fault


@dataclass(frozen=True)
class KillPoint:
    """A named place to die: the `mutation`-th mutation, before or after its effect."""

    mutation: int
    side: Literal["before", "after"]

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Freeze the named mutation."""
        if exchange.mutation != self.mutation:
            return None
        return Fault("freeze_before" if self.side == "before" else "freeze_after")


def strike_before(fault: Fault, request: httpx2.Request) -> None:
    """Raise what the client sees when the request never arrives."""
    match fault.kind:
        case "refuse_connect":
            raise httpx2.ConnectError("connection refused", request=request)
        case "reset_before":
            raise httpx2.ReadError("connection reset by peer", request=request)
        case "freeze_before":
            raise Frozen(f"before {request.method} {request.url}")
        case _:
            return


def strike_after(fault: Fault, request: httpx2.Request, reply: Reply) -> Reply:
    """Return or raise what the client sees of an exchange whose effect has happened."""
    match fault.kind:
        case "reset_after":
            raise httpx2.ReadError("connection reset by peer", request=request)
        case "timeout_after":
            raise httpx2.ReadTimeout("timed out", request=request)
        case "freeze_after":
            raise Frozen(f"after {request.method} {request.url}")
        case "truncated_after":
            content = reply.content()
            return Reply(reply.status, content[: len(content) // 2], reply.headers)
        case "status_after":
            error = {"code": fault.status, "message": "The service is unavailable."}
            return Reply(fault.status, {"error": error, "message": "Server Error"})
        case _:
            return reply

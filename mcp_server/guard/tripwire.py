"""Refuses connections and processes that go round the guarded transport, whoever begins them.

An audit hook: it cannot be taken away again, and arming twice can only forbid more. It is no
sandbox: code in C is not seen (libpq, cffi, `_posixsubprocess`), and whoever may run Python here
may open a pass. Only the transport and the entry points may import this (import-linter).
"""

import logging
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import cast

from mcp_server.errors import Refused

LOGGER = logging.getLogger(__name__)

# Names of this machine: to look them up asks nobody.
_OWN_NAMES = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})  # noqa: S104

# Where urllib3 probes for IPv6 (2.x, `util/connection.py`); port 0 is one that nobody knows.
_PROBE = ("::1", 0)


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What this process may do beside the transport's sends.

    `children` are beginnings of command lines, the program first; `listening` are addresses.
    """

    children: tuple[tuple[str, ...], ...] = ()
    listening: frozenset[str] = frozenset()


@dataclass(eq=False)
class _Pass:
    """A right to connect; ends with its block, also for tasks that outlive the block."""

    host: str
    to: str | None
    open: bool = True

    def leads_to(self, address: object) -> bool:
        """Whether it is good for a connection there."""
        return self.open and (self.to is None or _host(address) == self.to)


_PROBING: ContextVar[bool] = ContextVar("tripwire_probing", default=False)
_PASS: ContextVar[_Pass | None] = ContextVar("tripwire_pass", default=None)
# asyncio looks names up in a thread, which has no context of ours: there the name decides.
_LOOKED_UP: set[_Pass] = set()


@contextmanager
def passing(host: str, *, to: str | None = None) -> Generator[None]:
    """Let this block, and the tasks it begins, look up `host` and connect, until it ends.

    For the transport around a request that the policy has let through. The address is not held
    against the name, since a hook does not see what a look-up answered; who has looked it up says
    by `to` which single address this block may connect to.
    """
    mine = _Pass(host, to)
    token = _PASS.set(mine)
    _LOOKED_UP.add(mine)
    try:
        yield
    finally:
        mine.open = False
        _LOOKED_UP.discard(mine)
        _PASS.reset(token)


@contextmanager
def probing() -> Generator[None]:
    """Let this block bind a socket at `::1` without naming a port, as urllib3 does once.

    So it learns, on being imported, whether the machine knows IPv6, and closes it again.
    """
    token = _PROBING.set(True)
    try:
        yield
    finally:
        _PROBING.reset(token)


def arm(allowed: Allowed) -> None:
    """Arm this process for the rest of its life.

    From here `Refused` (limit `tripwire`) is raised where a connection, a look-up, a listening
    socket, a process or a foreign library is asked for outside `passing` and `allowed`. It is
    logged as well, since third-party code may swallow it.
    """

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        judge = _JUDGES.get(event)
        if judge is None:
            return
        refused = judge(allowed, arguments)
        if refused is not None:
            LOGGER.error("tripwire: %s: %s", event, refused)
            raise Refused(
                f"tripwire: {event}: {refused}: nothing leaves but through the guarded transport",
                limit="tripwire",
            )

    sys.addaudithook(hook)


# Says what is refused, None for nothing.
_Judge = Callable[[Allowed, tuple[object, ...]], str | None]


def _connect(_: Allowed, arguments: tuple[object, ...]) -> str | None:
    address = arguments[-1]
    held = _PASS.get()
    # A message on a connected socket names no address (socketmodule.c, `sock_sendmsg`).
    if address is None or (held and held.leads_to(address)):
        return None
    return f"a connection to {address!r}"


def _look_up(_: Allowed, arguments: tuple[object, ...]) -> str | None:
    name = _host(arguments[0])
    if name in _OWN_NAMES or any(one.host == name for one in tuple(_LOOKED_UP)):
        return None
    return f"a look-up of {name!r}"


def _listen(allowed: Allowed, arguments: tuple[object, ...]) -> str | None:
    address = _host(arguments[-1])
    if _PROBING.get() and arguments[-1] == _PROBE:
        return None
    return None if address in allowed.listening else f"a listening socket at {address!r}"


def _start(allowed: Allowed, arguments: tuple[object, ...]) -> str | None:
    program, line = arguments[:2]
    words = tuple(cast("list[object] | tuple[object, ...]", line))
    for child in allowed.children:
        if program == child[0] and words[: len(child)] == child:
            return None
    return f"a process {program!r}"  # without its arguments, which may hold a key


def _always(what: str) -> _Judge:
    return lambda _, __: what


def _library(_: Allowed, arguments: tuple[object, ...]) -> str | None:
    # `import ctypes` itself opens the running program, which has no name.
    return None if arguments[0] is None else "a foreign library"


def _host(place: object) -> str:
    """Return the host of an address, or of a name as libraries write it."""
    if isinstance(place, tuple):
        place = cast("tuple[object, ...]", place)[0]
    if isinstance(place, bytes | bytearray):
        place = place.decode("ascii", "replace")
    return "" if place is None else str(place).rstrip(".").lower()


_PROCESS = _always("a process")
# https://docs.python.org/3.11/library/audit_events.html, 2026-11-22. Clients of a protocol raise
# events of their own as well (`ftplib.connect`); each of them comes to one of these.
_JUDGES: Mapping[str, _Judge] = {
    "socket.connect": _connect,
    "socket.sendto": _connect,
    "socket.sendmsg": _connect,
    "socket.bind": _listen,
    "socket.getaddrinfo": _look_up,
    "socket.gethostbyname": _look_up,
    "socket.gethostbyaddr": _look_up,
    "socket.getnameinfo": _look_up,
    "subprocess.Popen": _start,
    "os.exec": _PROCESS,
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
    "os.posix_spawn": _PROCESS,
    "os.spawn": _PROCESS,
    "os.startfile": _PROCESS,
    "os.startfile/2": _PROCESS,
    "os.system": _PROCESS,
    "pty.spawn": _PROCESS,
    "_winapi.CreateProcess": _PROCESS,
    "ctypes.dlopen": _library,
    "ctypes.dlsym": _always("a function of a foreign library"),
    "sqlite3.enable_load_extension": _always("a foreign library"),
}

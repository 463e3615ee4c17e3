"""The processes of the tripwire's tests: `ways FOLDER`, `agent ARGUMENTS`, `server ARGUMENTS`.

`ways` tries every way out that a library or a program offers, first free and then armed. The other
two run our own commands to their end, and then try one way out of the very same process.
"""
# ruff: noqa: S310, S321, S602, S603, S605, S606, S607, TID251 -- they are the subject

import asyncio
import ctypes
import ftplib
import http.client
import imaplib
import json
import multiprocessing
import os
import poplib
import pty
import selectors
import shutil
import smtplib
import socket
import socketserver
import sqlite3
import subprocess
import sys
import threading
import urllib.request
import webbrowser
import xmlrpc.client
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.lowlevel
import httpx2
import requests
import urllib3
from mcp.client import Client

from mcp_server.guard import tripwire

LOOPBACK = "127.0.0.1"
PATIENCE_SECONDS = 10
ANSWER = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Outside:
    """What stands for the rest of the world: three open sockets on this machine, and a folder."""

    folder: Path
    reached: int = 0
    _count: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """Listen, in a thread of its own."""
        self.tcp = socket.create_server((LOOPBACK, 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((LOOPBACK, 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(self.unix_path)
        self.unix.listen()
        self.port: int = self.tcp.getsockname()[1]
        self.url = f"http://{LOOPBACK}:{self.port}/"
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def unix_path(self) -> str:
        """Address of the one that is a file."""
        return str(self.folder / "socket")

    def _hear(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for one in (self.tcp, self.udp, self.unix):
                waiting.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    self._answer(cast("socket.socket", key.fileobj))

    def _answer(self, one: socket.socket) -> None:
        if one is self.udp:
            one.recv(100)
        else:
            with closing(one.accept()[0]) as connection, suppress(OSError):
                connection.sendall(ANSWER)
        with self._count:
            self.reached += 1
            self._count.notify_all()

    def wait_for(self, reached: int) -> bool:
        """Wait until it was reached so often; return whether it was."""
        with self._count:
            return self._count.wait_for(lambda: self.reached >= reached, PATIENCE_SECONDS)


Way = Callable[[Outside], object]


def _http_client(there: Outside) -> None:
    with closing(http.client.HTTPConnection(LOOPBACK, there.port, timeout=5)) as connection:
        connection.request("GET", "/")


async def _httpx2_async(there: Outside) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        await client.get(there.url)


async def _streams(there: Outside) -> None:
    _, writer = await asyncio.open_connection(LOOPBACK, there.port)
    writer.close()


async def _anyio(there: Outside) -> None:
    await (await anyio.connect_tcp(LOOPBACK, there.port)).aclose()


async def _mcp(there: Outside) -> None:
    async with Client(there.url):
        pass


def _unix(there: Outside) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(there.unix_path)


def _datagram(there: Outside) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", there.udp.getsockname())


def _message(there: Outside) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendmsg([b"x"], [], 0, there.udp.getsockname())


# Each of them reaches the outside when nobody hinders it.
CONNECTIONS: Mapping[str, Way] = {
    "urllib": lambda there: urllib.request.urlopen(there.url, timeout=5),
    "http.client": _http_client,
    "httpx2": lambda there: httpx2.get(there.url, trust_env=False),
    "httpx2, async": lambda there: asyncio.run(_httpx2_async(there)),
    "requests": lambda there: requests.get(there.url, timeout=5),
    "urllib3": lambda there: urllib3.request("GET", there.url, timeout=5, retries=False),
    "asyncio": lambda there: asyncio.run(_streams(there)),
    "anyio": lambda there: asyncio.run(_anyio(there)),
    "mcp": lambda there: asyncio.run(_mcp(there)),
    "xmlrpc": lambda there: xmlrpc.client.ServerProxy(there.url).x(),
    "ftplib": lambda there: ftplib.FTP().connect(LOOPBACK, there.port, timeout=5),
    "smtplib": lambda there: smtplib.SMTP(LOOPBACK, there.port, timeout=5),
    "poplib": lambda there: poplib.POP3(LOOPBACK, there.port, timeout=5),
    "imaplib": lambda there: imaplib.IMAP4(LOOPBACK, there.port, timeout=5),
    "socket": lambda there: socket.create_connection((LOOPBACK, there.port), timeout=5).close(),
    "socket file": _unix,
    "datagram": _datagram,
    "message": _message,
    "curl": lambda there: subprocess.run(["curl", "-s", there.url], check=False),
}


async def _subprocess(path: str) -> None:
    await (await asyncio.create_subprocess_exec("touch", path)).wait()


async def _shell(path: str) -> None:
    await (await asyncio.create_subprocess_shell(f"touch {path}")).wait()


def _fork(path: str) -> None:
    child = multiprocessing.get_context("fork").Process(target=Path(path).touch)
    child.start()
    child.join()


def _posix_spawn(path: str) -> None:
    touch = shutil.which("touch") or "touch"
    os.waitpid(os.posix_spawn(touch, ["touch", path], os.environ), 0)


# Each of them makes the file that it is given when nobody hinders it.
PROCESSES: Mapping[str, Callable[[str], object]] = {
    "git": lambda path: subprocess.run(["git", "init", "-q", path], check=False),
    "subprocess, shell": lambda path: subprocess.run(f"touch {path}", shell=True, check=False),
    "our own child, other program": lambda path: subprocess.run(
        [sys.executable, "-m", "mcp_server", path], executable="touch", check=False
    ),
    "os.system": lambda path: os.system(f"touch {path}"),  # pyright: ignore[reportDeprecated]
    "os.popen": lambda path: os.popen(f"touch {path}").close(),  # pyright: ignore[reportDeprecated]
    "os.spawnvp": lambda path: os.spawnvp(os.P_WAIT, "touch", ["touch", path]),  # pyright: ignore[reportDeprecated]
    "os.posix_spawn": _posix_spawn,
    "pty": lambda path: pty.spawn(["touch", path]),
    "multiprocessing": _fork,
    "asyncio, exec": lambda path: asyncio.run(_subprocess(path)),
    "asyncio, shell": lambda path: asyncio.run(_shell(path)),
    "webbrowser": lambda path: webbrowser.GenericBrowser("touch").open(path),
    "ctypes": lambda path: ctypes.CDLL(None).system(f"touch {path}".encode()),
}

# What needs no proof that it would work, or would end this process.
ARMED_ONLY: Mapping[str, Way] = {
    "gh": lambda _: subprocess.run(["gh", "key-in-an-argument"], check=False),
    "os.execv": lambda _: os.execv("/bin/true", ["true"]),
    "os.fork": lambda _: os.fork(),
    "os.forkpty": lambda _: os.forkpty(),
    "look-up": lambda _: socket.getaddrinfo("a-secret.example", 443),
    "look-up, as bytes": lambda _: socket.getaddrinfo(b"a-secret.example", 443),
    "look-up, by name": lambda _: socket.gethostbyname("a-secret.example"),
    "look-up, backwards": lambda _: socket.gethostbyaddr("192.0.2.1"),
    "look-up of an address": lambda _: socket.getnameinfo(("192.0.2.1", 80), 0),
    "asyncio, by name": lambda _: asyncio.run(_look_up()),
    "socketserver": lambda _: socketserver.TCPServer(
        ("0.0.0.0", 0),  # noqa: S104 -- to be refused
        socketserver.BaseRequestHandler,
    ),
    "library": lambda _: ctypes.CDLL("libc.so.6"),
    # Of other systems, and of a sqlite3 that can: the event alone.
    "os.startfile": lambda _: sys.audit("os.startfile", "x", "open"),
    "CreateProcess": lambda _: sys.audit("_winapi.CreateProcess", "x", "x", None),
    "os.spawn": lambda _: sys.audit("os.spawn", 0, "x", [], None),
    "sqlite3": lambda _: sys.audit("sqlite3.enable_load_extension", None, True),
}


async def _look_up() -> None:
    await asyncio.open_connection("a-secret.example", 443)


def said(act: Callable[[], object]) -> str:
    """Do it; return the error it ended with, groups unwrapped, or "done"."""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the answer
        while isinstance(error, BaseExceptionGroup):
            error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
        return f"{type(error).__module__}.{type(error).__name__}: {error}"
    return "done"


def try_all(there: Outside, phase: str) -> dict[str, dict[str, Any]]:
    """Try every connection and every process; return what each said and whether it got out."""
    found: dict[str, dict[str, Any]] = {}
    for name, way in CONNECTIONS.items():
        before = there.reached
        word = said(lambda way=way: way(there))
        got_out = there.wait_for(before + 1) if phase == "free" else there.reached > before
        found[name] = {"said": word, "got_out": got_out}
    for name, start in PROCESSES.items():
        path = there.folder / f"{phase}-{len(found)}"
        word = said(lambda start=start, path=path: start(str(path)))
        found[name] = {"said": word, "got_out": path.exists()}
    return found


def ways(folder: Path) -> dict[str, Any]:
    """Try everything free, arm, and try everything again."""
    there = Outside(folder)
    free = try_all(there, "free")
    allowed = tripwire.Allowed(
        children=((sys.executable, "-m", "mcp_server"),), listening=frozenset({LOOPBACK})
    )
    tripwire.arm(allowed)
    before = there.reached
    armed = try_all(there, "armed")
    armed |= {
        name: {"said": said(lambda way=way: way(there)), "got_out": False}
        for name, way in ARMED_ONLY.items()
    }
    asyncio.run(_outlive(there, armed))
    # The one that may: behind it nothing is left in a queue, so that the count is whole.
    with tripwire.passing(LOOPBACK):
        passed = said(lambda: CONNECTIONS["asyncio"](there))
    there.wait_for(before + 1)
    return {
        "free": free,
        "armed": armed,
        "passed": passed,
        "reached": there.reached - before,
        "fine": {name: said(act) for name, act in fine().items()},
        "narrowed": _narrowed(),
    }


async def _outlive(there: Outside, found: dict[str, dict[str, Any]]) -> None:
    """Begin a task inside a pass, and let it connect when the pass has ended."""
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        await _streams(there)

    with tripwire.passing(LOOPBACK):
        task = asyncio.create_task(late())
    ended.set()
    with suppress(BaseException):
        await task
    found["a task that outlives its pass"] = {"said": said(task.result), "got_out": False}


def fine() -> dict[str, Callable[[], object]]:
    """Return what is ours, and must go on."""

    def look_up() -> None:
        with tripwire.passing("a-name.invalid"), suppress(socket.gaierror):
            socket.getaddrinfo(b"A-NAME.invalid.", 443)

    def look_up_in_a_thread() -> None:
        async def run() -> None:
            with tripwire.passing("a-name.invalid"), suppress(socket.gaierror):
                await asyncio.get_running_loop().getaddrinfo("a-name.invalid", 443)

        asyncio.run(run())

    def child() -> None:
        subprocess.run([sys.executable, "-m", "mcp_server", "--help"], check=True)

    def listen() -> None:
        socket.create_server((LOOPBACK, 0)).close()

    return {
        "its name looked up": look_up,
        "its name looked up in a thread": look_up_in_a_thread,
        "our own child": child,
        "our own listening socket": listen,
        "a loop": lambda: asyncio.run(anyio.lowlevel.checkpoint()),
        "a database": lambda: sqlite3.connect(":memory:").close(),
    }


def _narrowed() -> str:
    """Arm a second time, for nothing at all; return what our own child says then."""
    tripwire.arm(tripwire.Allowed())
    return said(fine()["our own child"])


def probe() -> str:
    """Try to get out of this process."""
    return said(lambda: socket.create_connection((LOOPBACK, 9), timeout=5))


def run(main: Callable[[], None]) -> dict[str, Any]:
    """Run a command of ours to its end, and try a way out of the same process."""
    try:
        main()
    except SystemExit as left:
        return {"exit": left.code or 0, "probe": probe()}
    return {"exit": 0, "probe": probe()}


def tell(path: str, document: object) -> None:
    """Write what was found where the test reads it: stdout is the command's."""
    Path(path).write_text(json.dumps(document), encoding="utf-8")


if __name__ == "__main__":
    what, told, *rest = sys.argv[1:]
    if what == "ways":
        tell(told, ways(Path(rest[0])))
    else:
        sys.argv[1:] = rest
        from agent.__main__ import main as agent_main  # `ways` needs neither, and both are slow
        from mcp_server.__main__ import main as server_main  # likewise

        tell(told, run(agent_main if what == "agent" else server_main))

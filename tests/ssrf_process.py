"""The process of `test_public_web.py`: every trap by real sockets; run it where no network is.

Writes what was dialled, as Python's own audit hook saw it, to the file that it is given.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

import httpx2

from mcp_server.clients.web_pages import WebPages
from mcp_server.clock import SystemClock
from mcp_server.errors import FactoryError
from mcp_server.guard import tripwire
from mcp_server.guard.addresses import is_public
from mcp_server.guard.public_web import PublicWeb
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport
from tests.guard_cases import Network, OpenDoor
from tests.web_cases import Names, traps


async def walk() -> None:
    """Ask for every trap, as a page and straight from the network under the guard."""
    names = Names(rebinding={"rebind3.test": 1})
    web = PublicWeb(names)
    guarded = GuardedTransport(
        origins=[],
        tickets=OpenDoor(),
        clock=SystemClock(),
        reads=Network(),
        fresh=Network,
        redactor=Redactor([]),
        pages=web,
    )
    pages = WebPages(httpx2.AsyncClient(transport=guarded), clock=SystemClock())
    for url in [*(trap.url for trap in traps()), "http://public.test/"]:
        try:
            await pages.read(url)
        except FactoryError:
            continue
        raise AssertionError(url)
    for trap in traps():
        if trap.category in ("literal", "encoding", "ipv6", "dns", "rebind"):
            try:
                await web.handle_async_request(httpx2.Request("GET", trap.url))
            except (FactoryError, httpx2.TransportError, httpx2.InvalidURL):
                continue
            raise AssertionError(trap.url)


def main(told: Path) -> None:
    """Walk with the tripwire armed, and tell."""
    dialled: list[list[object]] = []
    tripped: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            address = arguments[-1]
            dialled.append([*address][:2] if isinstance(address, tuple) else [str(address)])  # pyright: ignore[reportUnknownArgumentType]

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tripped.append(record.getMessage())

    sys.addaudithook(hook)
    tripwire.LOGGER.addHandler(Listener())
    tripwire.arm(tripwire.Allowed())
    asyncio.run(walk())
    inside = [one for one in dialled if not is_public(str(one[0]))]
    told.write_text(json.dumps({"dialled": dialled, "inside": inside, "tripped": tripped}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

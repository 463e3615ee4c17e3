"""`mcp-server`: the server over stdio, for a chat host or for `agent`."""

import argparse
import asyncio
import atexit
import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO, cast

from mcp_server.errors import FactoryError
from mcp_server.guard import tripwire

USAGE, REFUSED = 2, 7


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until stdin ends."""
    parser = argparse.ArgumentParser(prog="mcp-server", description="Daily Factory's MCP server.")
    parser.add_argument("--transport", choices=["stdio"], default="stdio")
    parser.add_argument("--state", help="database, sqlite:///PATH", required=True)
    arguments = parser.parse_args(argv)
    tripwire.arm(tripwire.Allowed())
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        asyncio.run(_serve(arguments.state))
    except FactoryError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(REFUSED if error.code == "ledger_unavailable" else USAGE)


async def _serve(state: str) -> None:
    gc.disable()  # a seventh of the start goes into collecting what imports keep (mcp-stack.md 2)
    from mcp_server import services, store  # after gc is off: that is the point
    from mcp_server.clock import SystemClock  # likewise
    from mcp_server.guard.redact import RedactedStream, RedactingFilter  # likewise
    from mcp_server.server import build_server  # likewise
    from mcp_server.settings import load_settings  # likewise

    gc.freeze()
    gc.enable()
    settings = load_settings(os.environ, Path.cwd())
    engine = store.open_engine(state)
    parts = services.connect(
        settings, clock=SystemClock(), engine=engine, network=services.real_network()
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(parts.redactor))
    # What dies unlogged is printed there, by the interpreter and after the last line of ours.
    stderr = RedactedStream(sys.stderr, parts.redactor)
    atexit.register(stderr.release)
    sys.stderr = cast("TextIO", stderr)
    try:
        await build_server(parts).run_stdio_async()
    finally:
        await parts.transport.drain()
        engine.dispose()


if __name__ == "__main__":
    main()

"""The processes of the kill tests: `serve SEED` holds a small world, `run URL STATE` lives there.

Both speak JSON lines on stdout; `serve` ends when its stdin does.
"""

import asyncio
import json
import secrets
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

from mcp.client import Client

from agent.run import Context, Options, Result, run_day
from agent.state import State
from agent.tools import Tools
from agent.wiring import WorldFlags, make_world
from mcp_server.clock import SystemClock
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.remote import Link, connect_remote, run_joined
from mcp_server.sandbox.serve import serve
from mcp_server.sandbox.served_clock import ServedClock
from mcp_server.sandbox.world import EPOCH
from mcp_server.server import build_server

# A few units: one creation with all its steps, and improvements.
SIZE = replace(CALM, repositories=4, allowance=5, empty=0, archived=0, forks=0)
OPTIONS = Options(until=timedelta(minutes=180))


async def hold_world(seed: int) -> None:
    """Serve a world, whose time stands still without a client, until stdin ends."""
    clock = ServedClock(EPOCH, real=SystemClock(), speed=0)
    world = make_world(WorldFlags(sandbox=True, seed=seed), clock, SIZE)
    async with serve(world, clock) as url:
        _tell({"url": url})
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        await reader.read()


def run(url: str, state_url: str) -> None:
    """Run the day in the world at `url`, and tell its report."""

    async def day(link: Link) -> Result:
        async with AsyncExitStack() as stack:
            parts = await connect_remote(
                stack,
                link,
                state_url=state_url,
                allowance=SIZE.allowance,
                new_id=lambda: secrets.token_hex(4),
            )
            client = await stack.enter_async_context(Client(build_server(parts)))
            state = State(state_url)
            stack.callback(state.close)
            context = Context(
                tools=Tools(client),
                clock=link.clock,
                state=state,
                world=f"sandbox:{link.seed}",
                seed=link.seed,
                never_touch=(),
                say=lambda line: _tell({"at": f"{link.clock.now():%H:%M:%S}", "line": line}),
            )
            return await run_day(context, OPTIONS)

    result = run_joined(url, day)
    _tell({"report": result.report.model_dump(mode="json")})


def _tell(document: object) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(hold_world(int(sys.argv[2])))
    else:
        run(sys.argv[2], sys.argv[3])

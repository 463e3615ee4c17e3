"""Commands that hold the sandbox for others; the world itself is made in `wiring.py`."""

import json
import sys
from typing import Annotated

import typer

from agent.cli_world import AsJson, Faults, Recorded, Seed, WorldSize

app = typer.Typer(help="The built-in world, for clients in other processes.", no_args_is_help=True)


@app.command("serve")
def serve_world(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0: any free one.")
    ] = 0,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: Recorded = None,
    size: WorldSize = "full",
    as_json: AsJson = False,
) -> None:
    """Serve a sandbox world on loopback, until Ctrl-C or SIGTERM."""
    from agent.wiring import WorldFlags, hold_world  # a command's own imports are heavy

    flags = WorldFlags(sandbox=True, seed=seed, faults=faults, sites=sites, size=size)

    def tell(url: str) -> None:
        line = json.dumps({"url": url}) if as_json else f"sandbox {seed} ({size}) at {url}"
        sys.stdout.write(line + "\n")
        sys.stdout.flush()  # a script that reads it through a pipe waits for this line

    hold_world(flags, port=port, tell=tell)

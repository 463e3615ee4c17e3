"""What it costs to know many repositories: `python -m bench.survey [--repositories N] [--seed N]`.

A row each for a first survey, one where nothing changed, one an hour later by a new process, and
the naive way: a request for every page, and one for every fact of every repository. All on one
sandbox, so `seconds` are CPU seconds of both sides, without a network between them;
`world_minutes` is the time that rate limits made them wait.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from mcp_server import store
from mcp_server.clock import LoopClock
from mcp_server.errors import FactoryError, Unavailable
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import FULL
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.services import Services
from tests.agent_cases import connect

REPOSITORIES = 3_000
HOST = "api.github.com"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A world of so many repositories, and the state between two processes."""

    world: World
    clock: LoopClock
    folder: Path

    def process(self, state: str) -> Services:
        """Return the parts of a new server over a state of this name."""
        engine = store.open_engine(f"sqlite:///{self.folder}/{state}.db")
        return connect(self.world, self.clock, engine, FULL)

    async def measure(
        self, name: str, services: Services, work: Callable[[Services], Awaitable[int]]
    ) -> None:
        """Print what one piece of work costs."""
        requests, cpu = services.transport.requests.get(HOST, 0), time.process_time()
        began = self.clock.now()
        repositories = await work(services)
        row = {
            "survey": name,
            "repositories": repositories,
            "requests": services.transport.requests.get(HOST, 0) - requests,
            "seconds": round(time.process_time() - cpu, 2),
            "world_minutes": round((self.clock.now() - began).total_seconds() / 60),
        }
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


async def surveyed(services: Services) -> int:
    """Ask for the health of all repositories; return of how many it is told."""
    return len((await services.survey.health(None)).health)


async def naively(services: Services) -> int:
    """Read one fact a request, and every page; wait whenever GitHub wants it."""
    hub, listed = services.github, await services.account.repositories(max_age=0)

    async def patiently(ask: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await ask()
            except Unavailable as error:
                wait = timedelta(seconds=error.retry_after_seconds or 60)
                await services.clock.sleep_until(services.clock.now() + wait)
            except FactoryError:  # an empty repository has neither tree nor checks
                return
            else:
                return

    for one in listed:
        repo, branch = one.repo, one.default_branch
        await patiently(lambda repo=repo, ref=branch: hub.get_tree(repo, ref))
        await patiently(lambda repo=repo, ref=branch: hub.list_checks(repo, ref))
        await patiently(lambda repo=repo: hub.list_pulls(repo))
    return len(listed)


async def run(repositories: int, seed: int, folder: Path) -> None:
    """Measure all four."""
    clock = LoopClock(EPOCH)
    size = replace(FULL, repositories=repositories)
    world = World(seed=seed, clock=clock, sites=Sites(seed=seed, directory=None), size=size)
    setting = Setting(world=world, clock=clock, folder=folder)
    first = setting.process("survey")
    await setting.measure("cold", first, surveyed)
    await clock.sleep_until(clock.now() + timedelta(minutes=6))
    await setting.measure("unchanged", first, surveyed)
    await clock.sleep_until(clock.now() + timedelta(hours=1))
    await setting.measure("an hour later, new process", setting.process("survey"), surveyed)
    await clock.sleep_until(clock.now() + timedelta(hours=1))
    await setting.measure("naive", setting.process("naive"), naively)


def main() -> None:
    """Print a row of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repositories", type=int, default=REPOSITORIES)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_virtual(run(arguments.repositories, arguments.seed, Path(folder)))


if __name__ == "__main__":
    main()

"""Whole days in one process and in virtual time, for the tests and benches that look at them."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from agent.run import Context, Options, Result, run_day
from agent.wiring import WorldFlags, in_memory, make_world, sandbox_settings
from mcp_server.clock import LoopClock
from mcp_server.sandbox.mix import SMALL, Size
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.settings import Settings


@dataclass(kw_only=True)
class Nights:
    """One world, and what each run in it came to."""

    world: World
    settings: Settings | None = None
    results: list[Result] = field(default_factory=list[Result])
    log: list[str] = field(default_factory=list[str])
    deaths: int = 0

    @property
    def rules_broken(self) -> list[str]:
        """Names of the oracle's violations; empty when it is content."""
        return [violation.rule for violation in self.world.oracle.violations()]


async def run_once(
    nights: Nights, clock: LoopClock, url: str, options: Options, size: Size
) -> None:
    """Run the day once with fresh objects over the same world and state."""
    async with AsyncExitStack() as stack:
        settings = nights.settings or sandbox_settings(size.allowance)
        wired = await in_memory(stack, world=nights.world, clock=clock, url=url, settings=settings)
        context = Context(
            tools=wired.tools,
            clock=clock,
            state=wired.state,
            world=wired.name,
            seed=wired.seed,
            never_touch=(),
            say=nights.log.append,
        )
        nights.results.append(await run_day(context, options))


async def run_nights(
    folder: Path,
    *,
    seed: int = 7,
    starts: Sequence[timedelta] = (timedelta(minutes=3),),
    size: Size = SMALL,
    faults: str = "none",
    sites: Path | None = None,
    options: Options | None = None,
    prepare: Callable[[Nights], None] | None = None,
) -> Nights:
    """Run the day once for each of `starts`, each so long after the world's begin.

    `prepare` may change the world, and the settings, before the first.
    """
    clock = LoopClock(EPOCH)
    flags = WorldFlags(sandbox=True, seed=seed, faults=faults, sites=sites)
    nights = Nights(world=make_world(flags, clock, size))
    if prepare is not None:
        prepare(nights)
    url = f"sqlite:///{folder}/state.db"
    for start in starts:
        await clock.sleep_until(EPOCH + start)
        await run_once(nights, clock, url, options or Options(), size)
    return nights

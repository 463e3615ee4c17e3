"""Days that carry out a given plan of a few tasks, and the tasks they are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.planner.plan import Plan, Split, Task
from agent.report.model import TaskLine
from agent.run import Options, Result
from agent.wiring import WorldFlags, make_world
from mcp_server.clock import LoopClock
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.life import Life
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM, Size
from mcp_server.sandbox.portfolio import KINDS, SUBJECTS
from mcp_server.sandbox.repository import OWNER
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.world import EPOCH, World
from tests.agent_cases import NOW, OTHER_REPO, Tap, task
from tests.days import Nights, run_once

CARE = task(key="kcare")
OTHER = task(key="kother", repo=OTHER_REPO, variables={"repo": OTHER_REPO, "evidence": "none"})
SECOND = task(key="ksecond", prompt="docs", title="Improve docs")
NEW = task(
    key="knew",
    lane="create",
    repo="factory-owner/new-app",
    title="Build: a new app",
    prompt="create",
    variables={
        "repo": "factory-owner/new-app",
        "idea_title": "New app",
        "idea_description": "An app",
        "idea_origin": "devto",
    },
)
SPLIT = Split(startable=2, creates=0, updates=0, optimizations=2, repair_reserve=0, unused=0)
REFUSED = Fault("refuse_connect")
AS_DRAWN = scripted()
NO_SOURCE = replace(CALM, odds=replace(CALM.odds, source_never=1.0))


@dataclass
class Strike:
    """Strikes mutations whose path ends so, by their place among those, from 1."""

    end: str
    faults: Mapping[int, Fault]
    seen: int = 0

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Return the fault where there is one."""
        if exchange.mutation is None or not exchange.path.endswith(self.end):
            return None
        self.seen += 1
        return self.faults.get(self.seen)


@dataclass(kw_only=True)
class Day:
    """What a day came to."""

    nights: Nights
    tap: Tap

    @property
    def result(self) -> Result:
        """The last run's."""
        return self.nights.results[-1]

    @property
    def tasks(self) -> dict[str, TaskLine]:
        """The last report's tasks by key."""
        return {one.id: one for one in self.result.report.tasks}

    @property
    def ends(self) -> dict[str, str]:
        """States of the last report's tasks by key."""
        return {key: one.state for key, one in self.tasks.items()}

    @property
    def sessions(self) -> list[str]:
        """Titles of the sessions that came over the API, without their MAC."""
        found = self.nights.world.jules.sessions.values()
        return [one.title.split(" ")[4] for one in found if not one.foreign]

    def sent(self, end: str) -> int:
        """Count the mutations whose path ends so."""
        return sum(call.endswith(end) for call in self.tap.mutations)

    @property
    def archived(self) -> list[bool]:
        """Whether each session of ours is archived."""
        found = self.nights.world.jules.sessions.values()
        return [one.archived for one in found if not one.foreign]


def elsewhere(number: int) -> list[Task]:
    """Return tasks that look alike, each for another of the first repositories."""
    names = [f"{SUBJECTS[n][0]}-{KINDS[n % len(KINDS)][0]}" for n in range(number)]
    return [
        task(key=f"kcare{n}", repo=f"{OWNER}/{name}", title=f"Improve tests, {n}")
        for n, name in enumerate(names)
    ]


def plan_of(*tasks: Task) -> Plan:
    return Plan(date="2026-11-23", created_at=NOW, split=SPLIT, ideas=(), tasks=tasks, notes=())


def carry_out(
    folder: Path,
    *tasks: Task,
    fault: Callable[[Exchange], Fault | None] | None = None,
    size: Size = CALM,
    runs: tuple[Options, ...] = (Options(),),
    empty_disks: bool = False,
    script: Callable[[str, Life], Life] = AS_DRAWN,
    prepare: Callable[[World], None] | None = None,
) -> Day:
    """Carry out a plan of `tasks`, in as many runs as there are options; some have their own plan.

    With `empty_disks` each run has a state of its own, as on another machine.
    """
    clock = LoopClock(EPOCH)
    plan = plan_of(*tasks)

    async def play() -> Day:
        nights = Nights(world=make_world(WorldFlags(sandbox=True), clock, size))
        nights.world.fault = tap = Tap(fault)
        nights.world.jules.script = script
        if prepare is not None:
            prepare(nights.world)
        for nth, options in enumerate(runs):
            disk = folder / f"{nth if empty_disks else 0}.db"
            wanted = replace(options, plan=options.plan or plan)
            await run_once(nights, clock, f"sqlite:///{disk}", wanted, size)
        return Day(nights=nights, tap=tap)

    return run_virtual(play())

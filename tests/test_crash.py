"""Killed at any point and started again: nothing doubled, nothing over, nothing lost.

A point is one side of a database write or one side of a send. The process's death is played by an
exception that nothing catches; all objects are dropped and only the files and the world remain.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, cast

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from agent.run import Options
from agent.wiring import WorldFlags, make_world
from mcp_server.clock import LoopClock
from mcp_server.sandbox.faults import Frozen, KillPoint
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.world import EPOCH
from tests.days import Nights, run_once

# Three units: one creation with all its steps, two improvements.
TINY = replace(CALM, repositories=2, allowance=3, empty=0, archived=0, forks=0)
OPTIONS = Options(until=timedelta(minutes=150))
WRITES = ("INSERT", "UPDATE", "DELETE")


Side = Literal["before", "after"]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Killer:
    """Dies at the n-th write to any database, before or after its commit; n 0 only counts."""

    at: int = 0
    side: Side = "before"
    writes: int = 0
    dead: bool = False
    _writing: set[int] = field(default_factory=set[int])

    def executing(self, connection: sa.Connection, statement: str) -> None:
        """Remember that this connection has something to commit."""
        if statement.lstrip().upper().startswith(WRITES):
            self._writing.add(id(connection))

    def committing(self, connection: sa.Connection) -> None:
        """Die here if this is the write."""
        if self.dead:
            raise Killed("already dead")
        if id(connection) not in self._writing:
            return
        self._writing.discard(id(connection))
        self.writes += 1
        if self.writes == self.at:
            self.dead = True
            if self.side == "after":
                connection.connection.cursor().execute("COMMIT")
            raise Killed(f"{self.side} write {self.at}")


@contextmanager
def killing(killer: Killer) -> Generator[None]:
    """Let `killer` watch every engine of this process."""

    def executing(
        connection: sa.Connection, _cursor: object, statement: str, *_rest: object
    ) -> None:
        killer.executing(connection, statement)

    event.listen(sa.Engine, "before_cursor_execute", executing)
    event.listen(sa.Engine, "commit", killer.committing)
    try:
        yield
    finally:
        event.remove(sa.Engine, "before_cursor_execute", executing)
        event.remove(sa.Engine, "commit", killer.committing)


async def _day(folder: Path, killer: Killer, kill_point: KillPoint | None) -> Nights:
    """Run the day with a death in it, then again until it is through."""
    clock = LoopClock(EPOCH)
    flags = WorldFlags(sandbox=True, seed=3)
    nights = Nights(world=make_world(flags, clock, TINY))
    nights.world.fault = kill_point
    url = f"sqlite:///{folder}/state.db"
    try:
        with killing(killer):
            await run_once(nights, clock, url, OPTIONS, TINY)
    except BaseException as death:
        if not _is_death(death):
            raise
        nights.deaths += 1
    else:
        return nights
    nights.world.fault = None
    await run_once(nights, clock, url, OPTIONS, TINY)
    return nights


def _is_death(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return any(_is_death(inner) for inner in group.exceptions)
    return isinstance(error, Killed | Frozen)


def run_killed(folder: Path, killer: Killer, kill_point: KillPoint | None = None) -> Nights:
    """Run the day with one death, or none, and what comes after it."""
    return run_virtual(_day(folder, killer, kill_point))


def check(nights: Nights, where: str) -> None:
    """Nothing forbidden happened, and every task of the frozen plan ends as it does undisturbed."""
    assert nights.rules_broken == [], where
    report = nights.results[-1].report
    open_tasks = [task for task in report.tasks if task.state == "running"]
    # A create whose answer died with the process may stay in doubt: counted, never sent again.
    assert len(open_tasks) <= report.allowance.held, (where, open_tasks)
    assert {task.state for task in report.tasks} <= {"merged", "running"}, (where, report.tasks)
    assert report.allowance.spent + report.allowance.held <= TINY.allowance, where


SLICES = range(8)
MOST_WRITES = 140
MOST_SENDS = 40


# What stands after a write stands before the next one, unless a send lies between them; that is
# tried below. So one side of every fourth write is everyday, and all the others are tried deep.
SOME = [part if part % 4 == 1 else pytest.param(part, marks=pytest.mark.deep) for part in SLICES]


@pytest.mark.parametrize("part", SOME)
@pytest.mark.parametrize("side", ["after", pytest.param("before", marks=pytest.mark.deep)])
def test_a_death_on_either_side_of_any_write_does_no_harm(
    tmp_path: Path, part: int, side: Side
) -> None:
    """facts/safety.md 7 row 5; DESIGN.md section 6: kill it anywhere and start it again."""
    for write in range(part + 1, MOST_WRITES, len(SLICES)):
        folder = tmp_path / str(write)
        folder.mkdir()
        killer = Killer(at=write, side=side)
        nights = run_killed(folder, killer)
        check(nights, f"{side} write {write}")
        if not killer.dead:
            return
    pytest.fail(f"the day has {MOST_WRITES} writes or more: not every point was tried")


@pytest.mark.parametrize("part", SLICES)
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_death_on_either_side_of_any_send_does_no_harm(
    tmp_path: Path, part: int, side: Side
) -> None:
    """The request may have arrived or not; nobody is left who knows."""
    for send in range(part + 1, MOST_SENDS, len(SLICES)):
        folder = tmp_path / str(send)
        folder.mkdir()
        nights = run_killed(folder, Killer(), KillPoint(mutation=send, side=side))
        check(nights, f"{side} send {send}")
        if nights.deaths == 0:
            return
    pytest.fail(f"the day has {MOST_SENDS} sends or more: not every point was tried")

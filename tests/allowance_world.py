"""What the machines of both allowances share: files, clocks, processes, and how a run is counted.

Which resource is used up, and what its truth is, the machines say (`allowance_machine.py`).
"""

import argparse
import itertools
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import ClassVar, NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,  # pyright: ignore[reportUnknownVariableType] hypothesis types it so
)

from mcp_server.guard.budget import Limits
from mcp_server.guard.ledger import Ledger
from mcp_server.store import open_engine
from tests.guard_cases import LEDGER_ID, WORLD, ManualClock, settled_ledger

DAY = timedelta(hours=24)
AN_HOUR = 3600
# How long a rule waits first, in seconds: mostly little, now and then a day.
PAUSES = st.sampled_from([1, 61, 240, 601, 3600, 30_000, 90_000])
# The longest that each of these takes, in seconds. All of them together stay below the ten
# minutes that lie between two looks: what they promise is worth no more than that.
TAKES = 59  # from a send to its effect (`transport.SEND_TIMEOUT_SECONDS`)
SHOWS_WITHIN = 120  # from an effect until listings may show it
BEHIND = 120  # a replica that answers behind the others
SLOW = 120  # from the `Date` of a first page to the end of the last
DATE_OFF = 60  # one answer's `Date`, either way: twice


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a listing comes out: `behind` by seconds, the newest `most` only, `Date` off by seconds.

    `before` is of a replica that stopped following just before the last effect but so many;
    `lies` says that it is not what the service promises: much too old, too short, or empty;
    `moves` that somebody adds to the list while its pages are read.
    """

    behind: int = 0
    before: int = 0
    most: int | None = None
    date_off: int = 0
    lies: bool = False
    moves: bool = False


# What a listing may be, first what it should be; then what it is not, a replica that stopped first.
WHOLE = (
    Reading(),
    Reading(behind=BEHIND),
    Reading(behind=SLOW, date_off=-SLOW, moves=True),
    Reading(date_off=DATE_OFF),
    Reading(date_off=-DATE_OFF),
)
STOPPED = Reading(before=2, lies=True)
EMPTY = Reading(most=0, lies=True)
LIES = (
    STOPPED,
    Reading(before=1, lies=True),
    Reading(behind=700, lies=True),
    EMPTY,
    Reading(most=1, lies=True),
    Reading(most=2, lies=True),
)


class Written(NamedTuple):
    """An event as it stands in the file; `data` is JSON."""

    seq: int
    kind: str
    ticket: str | None
    data: str


class Files:
    """One ledger's file in a folder of its own, put back to a prepared state for each example.

    Content comes in over SQLite's own backup: opening, and making the schema, cost more than an
    example does.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.clock = ManualClock()
        settled_ledger(folder / "settled.db", self.clock, limits=limits)
        self.settled_at = self.clock.now()
        open_engine(f"sqlite:///{folder / 'blank.db'}").dispose()
        self._prepared = {
            name: sqlite3.connect(folder / f"{name}.db") for name in ("settled", "blank")
        }
        path = folder / "state.db"
        self.engines = [open_engine(f"sqlite:///{path}") for _ in range(2)]
        self._record = sqlite3.connect(path, isolation_level=None)

    def fill(self, name: str) -> None:
        """Put the file back to the prepared state `name`."""
        raw = self.engines[0].raw_connection()
        into = raw.driver_connection
        assert isinstance(into, sqlite3.Connection)
        self._prepared[name].backup(into)
        raw.close()

    def events(self, after: int) -> list[Written]:
        """Return what was written after event `after`, read past the code under test."""
        found = self._record.execute(
            "SELECT seq, kind, ticket, data FROM ledger_events WHERE seq > ? ORDER BY seq", (after,)
        )
        return [Written(*row) for row in found]

    def close(self) -> None:
        """Close every connection."""
        self._record.close()
        for engine in self.engines:
            engine.dispose()
        for prepared in self._prepared.values():
            prepared.close()


@dataclass
class Tally:
    """What a run came to, over all its examples."""

    examples: int = 0
    steps: int = 0
    of: Counter[str] = field(default_factory=Counter[str])


class Processes(RuleBasedStateMachine):
    """Two processes on one file, a service with its own clock, and a wrong clock on the wall.

    The world's `age` is what has passed for the service, in seconds; its `date` may be set back.
    The local monotonic clock does not see what passes while the machine sleeps.
    """

    limits: ClassVar[Limits]
    files: ClassVar[Files]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.tally.examples += 1
        self.files.fill("settled")
        self.clock = ManualClock(self.files.settled_at)
        self.numbers = itertools.count()
        self.age = 0.0
        self.service = self.files.settled_at
        self.ledger_id = LEDGER_ID
        self.ledgers = [self.process(side) for side in range(2)]
        self.lives = 0
        self.started_anew()

    def process(self, side: int) -> Ledger:
        """Open the file as a new process does: it checks the whole record."""
        return Ledger(
            self.files.engines[side],
            world=WORLD,
            limits=self.limits,
            clock=self.clock,
            new_id=lambda: self.ledger_id,
        )

    def started_anew(self) -> None:
        """Follow a new record from its beginning."""
        self.read = 0
        self.states: dict[str, str] = {}
        self.keys: dict[str, str] = {}

    def date(self) -> datetime:
        """Return the service's clock."""
        return self.service + timedelta(seconds=self.age)

    def date_in(self, seconds: float) -> datetime:
        """Return what the service's clock will show, as it runs now."""
        return self.date() + timedelta(seconds=seconds)

    def wait(self, seconds: float) -> None:
        """Let time pass, for everybody."""
        self.age += seconds
        self.clock.advance(seconds=seconds)

    def count(self, what: str) -> None:
        """Tally something that must not be absent from a run."""
        self.tally.of[what] += 1

    @invariant()
    def step(self) -> None:
        """Tally it; what must hold is checked where it can break."""
        self.tally.steps += 1

    def new_events(self) -> Iterator[Written]:
        """Yield the events written since the last call; I3 and I6: a life is lived once."""
        after = {
            "held": (None,),
            "sent": ("held",),
            "spent": ("sent",),
            "released": ("held", "sent"),
        }
        for event in self.files.events(self.read):
            self.read += 1
            assert event.seq == self.read
            if event.kind in after:
                ticket = str(event.ticket)
                assert self.states.get(ticket) in after[event.kind], event
                self.states[ticket] = event.kind
                self.count(event.kind)
            yield event

    def open_count(self) -> int:
        """Return how many tickets are in doubt."""
        return sum(state in ("held", "sent") for state in self.states.values())

    @rule(hours=st.sampled_from([-25, -1, 1, 25]))
    def set_wall(self, hours: int) -> None:
        """Somebody sets the clock on the wall: to nobody's gain."""
        self.clock.set_wall(self.date() + timedelta(hours=hours))

    @rule(hours=st.sampled_from([-25, -1, 1, 25]))
    def leap(self, hours: int) -> None:
        """The service's clock is set back, or goes on while this machine sleeps."""
        if hours > 0:
            self.age += hours * AN_HOUR
            self.clock.set_wall(self.clock.now() + timedelta(hours=hours))
        else:
            self.service += timedelta(hours=hours)

    @rule(side=st.integers(0, 1))
    def restart(self, side: int) -> None:
        """A process ends and another one begins."""
        self.ledgers[side] = self.process(side)

    def lose_file(self) -> None:
        """Both processes end, the file goes, and two new ones begin a ledger of their own."""
        self.files.fill("blank")
        self.lives += 1
        self.ledger_id = f"feed{self.lives:04}"
        self.ledgers = [self.process(side) for side in range(2)]
        self.started_anew()
        self.count("lost files")

    def teardown(self) -> None:
        """The record is whole, and its tables are as its events say."""
        assert self.ledgers[0].verify().agrees


@contextmanager
def prepared(machine: type[Processes]) -> Generator[Tally]:
    """Give the machine its file, in memory where the system has such a place."""
    memory = Path("/dev/shm")  # noqa: S108 a folder of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        machine.files, machine.tally = Files(Path(folder), machine.limits), Tally()
        try:
            yield machine.tally
        finally:
            machine.files.close()


def play(
    machine: type[Processes], *, examples: int, steps: int, number: int, shrink: bool = False
) -> Tally:
    """Run so many examples from the seed `number`; a broken invariant raises at once.

    Making the failing example smaller takes Hypothesis minutes here: `shrink` is for who asks.
    """
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    with prepared(machine) as tally:
        run_state_machine_as_test(seed(number)(machine), settings=chosen)
    return tally


def main(machine: type[Processes]) -> None:
    """Run a machine for long, as the command line says, and print one line about it."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--examples", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shrink", action="store_true", help="make what fails smaller: minutes")
    asked = parser.parse_args()
    began = perf_counter()
    overspends = 1
    try:
        play(
            machine,
            examples=asked.examples,
            steps=asked.steps,
            number=asked.seed,
            shrink=asked.shrink,
        )
        overspends = 0
    finally:
        tally, seconds = machine.tally, perf_counter() - began
        sys.stdout.write(
            f"{tally.examples} examples, {tally.steps} steps, {seconds:.0f} s, "
            f"{overspends} overspends\n"
        )

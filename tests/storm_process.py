"""Storms: eight processes on one ledger in one served world, killed by SIGKILL while they act.

`python -m tests.storm_process --storms N --seed S` prints the figures of N storms as one JSON line.
Processes are forked from this one, which is why it holds no connection and starts no thread.
"""

import argparse
import asyncio
import importlib
import json
import os
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from mcp.client import Client

from agent.tools import ToolFailed, Tools
from agent.wiring import WorldFlags, make_world
from mcp_server import store
from mcp_server.clock import SystemClock
from mcp_server.guard.budget import Limits
from mcp_server.guard.ledger import Ledger
from mcp_server.models import Budget, CreatedRepository, Learnt, Paused, Started, Value
from mcp_server.sandbox.chance import between, draw, pick
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.remote import Link, connect_remote, run_joined
from mcp_server.sandbox.serve import serve
from mcp_server.sandbox.served_clock import ServedClock
from mcp_server.sandbox.world import EPOCH
from mcp_server.server import build_server
from tests.test_sigkill import MARKER, PATIENCE_SECONDS, Place

V = TypeVar("V", bound=Value)

PROCESSES = 8
KILLS = 12
ALLOWANCE = 6
# Nobody but our own guard stands before the oracle: the world's Jules would take more.
SIZE = replace(
    CALM, repositories=6, empty=0, archived=0, forks=0, allowance=ALLOWANCE, cap_enforced=False
)
KEYS = 24
BEAT = timedelta(seconds=35)
LEFT = "left"
# What a process would import when it first needs it: eight times, and again after every kill.
WARM = ("anyio._backends._asyncio", "httpcore2", "jsonschema", "rich.logging", "truststore")
LONGEST = timedelta(hours=6)
# What a process may be told; anything else is a defect.
EXPECTED = frozenset({"refused", "ambiguous", "unavailable", "unreadable"})


@dataclass
class Figures:
    """What storms came to; `stuck` units of `units` could not be used although nothing had."""

    storms: int = 0
    processes: int = 0
    kills: int = 0
    kills_in_flight: int = 0
    starts: int = 0
    units: int = 0
    doubles: int = 0
    overspends: int = 0
    unticketed: int = 0
    stuck: int = 0
    failures: list[str] = field(default_factory=list[str])


# One of the eight


@dataclass
class Hand:
    """A process' way of acting: calls drawn by its seed, told before each is made."""

    tools: Tools
    link: Link
    seed: int
    repos: tuple[str, ...]
    tell: Callable[[str, str], None]
    attempts: dict[str, int] = field(default_factory=dict[str, int])

    async def act(self, nth: int) -> Budget | None:
        """Make the `nth` call; returns the allowance after it, when that could be read."""
        what = draw(self.seed, "what", "hand", nth)
        if what < 0.7:
            await self._start(nth)
        elif what < 0.75:
            await self._call("budget_pause", Paused, reason="storm")
            await self._call("budget_resume", Paused)
        elif what < 0.8:
            await self._call("budget_resume", Paused)
        elif what < 0.85:
            await self._call("budget_reconcile", Learnt)
        elif what < 0.9:
            await self._call(
                "github_create_private_repo",
                CreatedRepository,
                name="storm-made",
                description="Made in a storm",
                task_key="stormmade",
            )
        found = await self._call("budget_status", Budget)
        return found if isinstance(found, Budget) else None

    async def _start(self, nth: int) -> None:
        key = f"storm{int(draw(self.seed, 'key', 'hand', nth) * KEYS):02}"
        failed = await self._call(
            "jules_start_session",
            Started,
            prompt=f"Do {key}",
            lane=pick(("optimize", "repair", "update", "manual"), 0, "lane", key),
            repo=pick(self.repos, 0, "repo", key),
            task_key=key,
            attempt=self.attempts.get(key, 1),
        )
        if isinstance(failed, ToolFailed) and failed.limit == "attempt":
            self.attempts[key] = self.attempts.get(key, 1) + 1

    async def _call(self, tool: str, answer: type[V], **given: object) -> V | ToolFailed:
        self.tell(self.link.client, tool)
        try:
            return await self.tools.call(tool, answer, **given)
        except ToolFailed as error:
            if error.code not in EXPECTED:
                self.tell(self.link.client, f"failure {error}"[:200])
            return error


def _beat(now: datetime, beats: int) -> datetime:
    """Return the `beats`-th beat from now: all who wait for it wake at once, and contend."""
    return EPOCH + ((now - EPOCH) // BEAT + beats) * BEAT


def work(place: Place, seed: int, said: int) -> None:
    """Join the world and act until the allowance is used up, or for six hours of its time."""

    def tell(client: str, what: str) -> None:
        os.write(said, f"{os.getpid()} {client} {' '.join(what.split())}\n".encode())

    async def hammer(link: Link) -> None:
        tell(link.client, "joined")
        async with AsyncExitStack() as stack:
            parts = await connect_remote(
                stack,
                link,
                state_url=place.state_url,
                allowance=ALLOWANCE,
                new_id=lambda: f"{seed % 2**32:08x}",
            )
            client = await stack.enter_async_context(Client(build_server(parts)))
            hand = Hand(Tools(client), link, seed, tuple(sorted(place.portfolio)), tell)
            now = link.clock.now
            nth, end = 0, now() + LONGEST
            while now() < end:
                found = await hand.act(nth)
                if found is not None and found.remaining == found.held == 0:
                    return
                nth += 1
                settled = max((found and found.settles_at) or now(), now())
                await link.clock.sleep_until(_beat(settled, pick((1, 1, 1, 2), seed, "w", "", nth)))

    try:
        run_joined(place.url, hammer)
    finally:
        tell("nobody", LEFT)


def hold_world(seed: int, said: int) -> None:
    """Serve the storm's world until killed; tells its address first."""

    async def main() -> None:
        clock = ServedClock(EPOCH, real=SystemClock(), speed=0)
        world = make_world(WorldFlags(sandbox=True, seed=seed), clock, SIZE)
        async with serve(world, clock, faults="storm") as url:
            os.write(said, f"{url}\n".encode())
            await asyncio.Event().wait()

    asyncio.run(main())


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a process of its own; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)


# The storm


@dataclass
class Storm:
    """One storm: its world, who lives, and what each was last heard to do."""

    place: Place
    seed: int
    figures: Figures
    said: tuple[int, int] = field(default_factory=os.pipe)
    living: dict[int, str] = field(default_factory=dict[int, str])
    heard: int = 0
    killed: int = 0
    _rest: bytes = b""

    def begin(self) -> None:
        """Begin one more process."""
        self.figures.processes += 1
        seed = self.seed * 1000 + self.figures.processes
        self.living[fork(lambda: work(self.place, seed, self.said[1]))] = ""

    def rage(self) -> None:
        """Live through it: kill twelve processes, each replaced, then let the rest come home."""
        for _ in range(PROCESSES):
            self.begin()
        while self.living:
            if self.killed >= KILLS:
                self._hear(PATIENCE_SECONDS)
            elif self.killed % 2:
                self._kill_in_flight()
            else:
                self._kill_anywhere()

    def _kill_anywhere(self) -> None:
        """Kill whoever has spoken after a drawn number of words, wherever it stands by now."""
        until = self.heard + int(between(3, 30, self.seed, "words", "kill", self.killed))
        last = 0
        while self.heard < until and self.living:
            last = self._hear(PATIENCE_SECONDS) or last
        if self.living.get(last):
            self._kill(last)

    def _kill_in_flight(self) -> None:
        """Freeze a mutation before or after its effect, and kill who sent it."""
        draws = (self.seed, "frozen", "kill", self.killed)
        side = "before" if draw(*draws) < 0.5 else "after"
        mutation = 1 + int(2 * draw(*draws[:2], "mutation", self.killed))
        self.place.ask("/world/kill", {"mutation": mutation, "side": side})
        with closing(self.place.connection()) as frozen:
            frozen.request("GET", "/world/frozen")
            ends = [frozen.sock, self.said[0]]
            while frozen.sock not in select.select(ends, [], [], PATIENCE_SECONDS)[0]:
                self._hear(0)
                if not self.living:
                    return
        # Time stands still: in the end everybody but the frozen one sleeps, or has gone.
        while len(awake := self._awake()) > 1:
            self._hear(0.01)
        for one in [pid for pid, client in self.living.items() if client in awake]:
            self.figures.kills_in_flight += 1
            self._kill(one)
        while self.place.ask("/world")["frozen"]:
            pass

    def _awake(self) -> set[str]:
        clients = self.place.ask("/world/clock")["clients"]
        return {name for name, until in clients.items() if until is None}

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        client = self.living.pop(pid)
        if client in self.place.ask("/world/clock")["clients"]:  # else it was on its way out
            self.place.ask("/world/kick", {"client": client})
        self.killed += 1
        self.figures.kills += 1
        self.begin()

    def _hear(self, patience: float) -> int:
        """Take the words that have come; returns who spoke last, 0: nobody."""
        if not select.select([self.said[0]], [], [], patience)[0]:
            return 0
        *lines, self._rest = (self._rest + os.read(self.said[0], 65536)).split(b"\n")
        last = 0
        for line in lines:
            pid, client, what = line.decode().split(" ", 2)
            last = int(pid)
            if last in self.living and what != LEFT:
                self.living[last] = client
            if what.startswith("failure"):
                self.figures.failures.append(what)
            elif what == LEFT:
                self._bury(last)
        self.heard += len(lines)
        return last

    def _bury(self, pid: int) -> None:
        """Wait for the end of a process that has said its last word."""
        if pid in self.living:
            del self.living[pid]
            status = os.waitpid(pid, 0)[1]
            if status:
                self.figures.failures.append(f"a process ended with {status}")


def judge(place: Place, figures: Figures) -> None:
    """Lay the ledger beside the world, and add up what became of the storm."""
    world = place.ask("/world")
    ours = {
        name: found["key"]
        for name, session in world["sessions"].items()
        if (found := MARKER.match(session["title"]))
    }
    engine = store.open_engine(place.state_url)
    ledger = Ledger(
        engine,
        world=f"sandbox:{world['seed']}",
        limits=Limits.for_allowance(ALLOWANCE),
        clock=SystemClock(),
        new_id=lambda: "0" * 8,
    )
    table = store.tickets.c
    with engine.begin() as tx:
        query = sa.select(table.result).where(table.kind == "start_session", table.state == "spent")
        spent = [json.loads(text)["name"] for text in tx.execute(query).scalars()]
    if not ledger.verify().agrees:
        figures.failures.append("the ledger does not agree with itself")
    engine.dispose()
    figures.failures += [str(one) for one in world["violations"]]
    figures.starts += len(ours)
    figures.units += ALLOWANCE
    figures.doubles += len(ours) - len(set(ours.values()))
    figures.overspends += max(0, len(world["sessions"]) - ALLOWANCE)
    figures.unticketed += len(set(ours) ^ {name.removeprefix("sessions/") for name in spent})
    figures.stuck += max(0, ALLOWANCE - len(ours))


def check(figures: Figures) -> None:
    """Assert that the storms did no harm, and were storms."""
    assert figures.failures == []
    assert (figures.doubles, figures.overspends, figures.unticketed) == (0, 0, 0)
    assert figures.stuck <= figures.units / 100, "units that nobody could use"
    assert figures.kills >= 4 * figures.storms > 0
    assert 0 < figures.kills_in_flight < figures.kills


def storm(seed: int, figures: Figures) -> None:
    """Play the storm of `seed`, and add it to the figures."""
    reading, writing = os.pipe()
    world = fork(lambda: hold_world(seed, writing))
    try:
        url = os.read(reading, 200).decode().strip()
        with tempfile.TemporaryDirectory(prefix="storm-") as folder:
            place = Place(url=url, folder=Path(folder))
            place.portfolio = frozenset(place.ask("/world")["repositories"])
            one = Storm(place, seed, figures)
            one.rage()
            for end in one.said:
                os.close(end)
            judge(place, figures)
            figures.storms += 1
    finally:
        os.kill(world, signal.SIGKILL)
        os.waitpid(world, 0)
        os.close(reading)
        os.close(writing)


def main(argv: Sequence[str] | None = None) -> None:
    """Play storms and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm_process")
    parser.add_argument("--storms", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(argv)
    for module in WARM:
        importlib.import_module(module)
    figures = Figures()
    for seed in range(asked.seed, asked.seed + asked.storms):
        storm(seed, figures)
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")


if __name__ == "__main__":
    main()

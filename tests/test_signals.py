"""SIGINT and SIGTERM: no new ticket, a whole report or none, and the next run goes on."""

import asyncio
import json
import os
import pty
import select
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import pytest

from agent.interruption import Interrupted, interruptible
from tests.test_sandbox_command import PATIENCE_SECONDS, ROOT, Serving, served

INTERRUPTED = 6
CTRL_C = b"\x03"
SENTENCE = str(Interrupted())

Where = Literal["planning", "before", "after", "sleeping"]
How = Literal["terminal", "sigint", "sigterm", "group"]


@dataclass
class Running:
    """`agent run` in a served world, on a terminal of its own."""

    process: subprocess.Popen[str]
    terminal: int
    folder: Path

    def interrupt(self, how: How) -> None:
        """Stop it as a person at its terminal, or as whoever knows its number would."""
        if how == "terminal":
            os.write(self.terminal, CTRL_C)
        elif how == "group":
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            self.process.send_signal(signal.SIGINT if how == "sigint" else signal.SIGTERM)

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return its exit code and what it said."""
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, err

    def await_word(self) -> str:
        """Wait for the first line that it says, and return it."""
        said: IO[str] | None = self.process.stderr
        assert said is not None
        assert select.select([said], [], [], PATIENCE_SECONDS)[0]
        return said.readline()


@contextmanager
def running(folder: Path, there: Serving) -> Generator[Running]:
    """Run the day's creations in a served world; the process does not outlive the block."""
    state = f"sqlite:///{folder}/state.db"
    arguments = ("run", "--world", there.url, "--json", "--state", state, "--only", "create")
    master, slave = pty.openpty()
    try:
        with subprocess.Popen(  # noqa: S603 -- our own program
            [sys.executable, "-m", "tests.signal_process", *arguments, "--out", str(folder)],
            cwd=ROOT,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield Running(process, master, folder)
            finally:
                process.kill()
    finally:
        os.close(slave)
        os.close(master)


def tickets(folder: Path) -> int:
    """Return how many tickets the ledger has ever held."""
    with closing(sqlite3.connect(folder / "state.db")) as ledger:
        return ledger.execute("select count(*) from ledger_tickets").fetchone()[0]


def bring_to(where: Where, run: Running, there: Serving) -> None:
    """Return when the run stands at that point, and can go no further by itself."""
    if where == "planning":
        assert "survey: reading the account" in run.await_word()
    elif where == "sleeping":
        # Somebody else is awake: whoever sleeps now sleeps until that one goes.
        while not any(there.ask("/world/clock")["clients"].values()):
            assert run.process.poll() is None
    else:
        there.ask("/world/frozen")


def interrupted(folder: Path, there: Serving, where: Where, how: How) -> dict[str, Any] | None:
    """Begin or go on with the day, stop it there, and check how it ends; return its report."""
    observer = there.ask("/world/join", {})["client"] if where == "sleeping" else None
    if where in ("before", "after"):
        there.ask("/world/kill", {"mutation": 3, "side": where})
    with running(folder, there) as run:
        bring_to(where, run, there)
        held, effects = tickets(folder), there.ask("/world")["effects"]
        run.interrupt(how)
        code, out, err = run.end()
    assert (code, err.splitlines()[-1][-len(SENTENCE) :]) == (INTERRUPTED, SENTENCE), err
    assert "Traceback" not in out + err
    assert list(there.ask("/world/clock")["clients"]) == ([observer] if observer else [])
    if observer:
        there.ask("/world/kick", {"client": observer})
    assert there.ask("/world")["effects"] == effects
    # Nothing holds a plan back: it may have come as far as its first ticket.
    if where != "planning":
        assert tickets(folder) == held
    return written(folder)


def written(folder: Path) -> dict[str, Any] | None:
    """Return the report that lies in the folder of the day, whole; None: there is none."""
    found = list(folder.glob("20*/report.json"))
    return json.loads(found[0].read_text()) if found else None


def go_on(folder: Path, there: Serving, *, begun: bool) -> None:
    """Bring the day home that was interrupted, and let the world judge.

    `begun`: whether its plan was frozen before.
    """
    with running(folder, there) as run:
        code, out, err = run.end()
    assert code in (0, 3), err
    report, world = json.loads(out), there.ask("/world")
    assert report["run"]["resumed"] or not begun
    assert world["violations"] == []
    ours = [one for one in world["sessions"].values() if one["title"].startswith("[df1 ")]
    assert len(ours) == sum(task["sessions_spent"] for task in report["tasks"]) > 0


def test_a_day_that_is_interrupted_again_and_again_is_brought_home(tmp_path: Path):
    """DESIGN.md section 6: no new tickets, flush, report; with a person's hand and a host's."""
    with served(tmp_path, "--size", "small") as there:
        interrupted(tmp_path, there, "planning", "sigterm")
        for report in (
            interrupted(tmp_path, there, "after", "terminal"),
            interrupted(tmp_path, there, "sleeping", "group"),
        ):
            assert report is not None
            assert (report["run"]["exit"], report["errors"]) == (INTERRUPTED, [SENTENCE])
        go_on(tmp_path, there, begun=True)


@pytest.mark.deep
@pytest.mark.parametrize("how", ["terminal", "sigint", "sigterm", "group"])
@pytest.mark.parametrize("where", ["planning", "before", "after", "sleeping"])
def test_a_day_that_is_interrupted_anywhere_is_brought_home(tmp_path: Path, where: Where, how: How):
    """facts/safety.md section 7, row 36."""
    with served(tmp_path, "--size", "small") as there:
        interrupted(tmp_path, there, where, how)
        go_on(tmp_path, there, begun=where != "planning")


# The rules, in this process


def interrupt_twice(first: signal.Signals, second: signal.Signals) -> list[str]:
    """Be interrupted in a wait, and once more while tidying up; return what was noticed."""
    noticed: list[str] = []

    async def main() -> None:
        with interruptible():
            try:
                signal.raise_signal(first)
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                noticed.append("cancelled")
                signal.raise_signal(second)
                noticed.append("still there")

    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        noticed.append("out")
    return noticed


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGALRM])
def test_a_second_signal_or_the_end_of_the_grace_ends_at_once(
    first: signal.Signals, second: signal.Signals
):
    """GitHub sends SIGINT, then SIGTERM; the alarm is our own (facts/safety.md 5)."""
    assert interrupt_twice(first, second) == ["cancelled", "out"]


def test_what_was_there_before_is_there_again_and_no_alarm_is_left():
    """A command's way with signals is not its host's."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(kind) for kind in kinds]
    interrupt_twice(signal.SIGINT, signal.SIGTERM)
    assert [signal.getsignal(kind) for kind in kinds] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.fixture
def ignored() -> Generator[None]:
    """Ignore SIGINT, as a shell makes a command in the background do."""
    before: Callable[..., object] | int | None = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ignored")
def test_a_signal_that_is_to_be_ignored_stays_ignored():
    """The one at the terminal means somebody else then; SIGTERM means us."""

    async def main() -> None:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
            await asyncio.Event().wait()

    async def both() -> str:
        waiting = asyncio.create_task(main())
        await asyncio.wait([waiting], timeout=0)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait([waiting])
        return "cancelled" if waiting.cancelled() else "ended"

    assert asyncio.run(both()) == "cancelled"

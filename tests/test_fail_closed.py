"""A file that goes bad under a running process: no ticket, no send, and a message that helps."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from mcp_server import store
from mcp_server.clients import jules
from mcp_server.errors import LedgerUnavailable
from mcp_server.guard.ledger import Ledger
from tests.guard_cases import (
    JULES,
    ManualClock,
    Network,
    guard,
    listing,
    open_ledger,
    send,
    settled_ledger,
    start,
    start_one,
)

PAGE = 4096


def _hold(ledger: Ledger, clock: ManualClock) -> None:
    ledger.hold_session(start("later"), listing(clock))


def _deleted(path: Path) -> None:
    path.unlink()


def _emptied(path: Path) -> None:
    path.unlink()
    path.touch()


def _replaced(path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def _folder_gone(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize("change", [_deleted, _emptied, _replaced, _folder_gone])
@pytest.mark.parametrize("connected", [True, False])
def test_a_file_that_is_changed_for_another_closes_the_ledger(
    tmp_path: Path, change: Callable[[Path], None], connected: bool
):
    """Whoever holds the old one open must not go on with it while a new one begins."""
    path = tmp_path / "state" / "state.db"
    clock = ManualClock()
    settled_ledger(path, clock)
    engine = store.open_engine(f"sqlite:///{path}")
    ledger = Ledger(
        engine, world="sandbox:1", limits=open_ledger(path, clock).limits, clock=clock, new_id=str
    )
    ledger.head()
    if not connected:
        engine.dispose()
    change(path)
    with pytest.raises(LedgerUnavailable, match=r"state\.db"):
        _hold(ledger, clock)
    assert not path.exists() or change is not _deleted, "nobody makes it anew by looking"


def test_what_was_sent_before_the_file_went_is_not_sent_again(tmp_path: Path):
    """The answer cannot be recorded: that is said, and the request left once."""
    path = tmp_path / "state.db"
    clock = ManualClock()
    ledger = settled_ledger(path, clock)
    prepared = start("task1")
    ticket = ledger.hold_session(prepared, listing(clock))

    def answer(_: httpx2.Request) -> httpx2.Response:
        path.unlink()
        return httpx2.Response(200, json={"name": "sessions/1"})

    network = Network(answer)
    transport = guard(network, ledger, clock)

    async def go() -> None:
        async with httpx2.AsyncClient(transport=transport) as http:
            client = jules.JulesClient(http, base=JULES, clock=clock, marker_keys=[])
            for _ in range(2):
                with pytest.raises(LedgerUnavailable):
                    await client.send(prepared, ticket.id)

    asyncio.run(go())
    assert len(network.sent) == 1


@contextmanager
def full_disk(size: int) -> Generator[None]:
    """No file may grow past `size` bytes, as on a disk that is full there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize("room", [0, 512, PAGE, 3 * PAGE, 8 * PAGE])
def test_a_full_disk_gives_no_ticket_and_sends_nothing(tmp_path: Path, room: int):
    """Promise 10: wherever the write fails, in the journal or in the file, nothing is half done."""
    path = tmp_path / "state.db"
    clock = ManualClock()
    ledger = settled_ledger(path, clock)
    start_one(ledger, clock, "control", "s0")
    held = ledger.hold_session(start("task1"), listing(clock))
    network = Network()
    transport = guard(network, ledger, clock)
    before = ledger.head()

    async def go() -> None:
        async with httpx2.AsyncClient(transport=transport) as http:
            client = jules.JulesClient(http, base=JULES, clock=clock, marker_keys=[])
            with pytest.raises(LedgerUnavailable, match=r"full|disk"):
                await client.send(start("task1"), held.id)

    with full_disk(room):
        with pytest.raises(LedgerUnavailable, match=r"full|disk"):
            _hold(ledger, clock)
        asyncio.run(go())
    assert network.sent == []
    assert ledger.head() == before
    assert ledger.verify().agrees
    send(ledger, held)


def test_a_file_that_others_keep_in_wal_is_refused(tmp_path: Path):
    """WAL can lose commits on most libraries (facts/safety.md 1.2): left alone, it is undone."""
    path = tmp_path / "state.db"
    clock = ManualClock()
    settled_ledger(path, clock)
    other = sqlite3.connect(path)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("SELECT * FROM ledger").fetchone()
    with pytest.raises(LedgerUnavailable, match="journal mode 'wal'"):
        open_ledger(path, clock)
    other.close()
    open_ledger(path, clock)
    assert path.read_bytes()[18] == 1, "the file's own mark: rollback journal"


AS_NOBODY = """
import os, sys
import psutil
import sqlalchemy.dialects.sqlite
from mcp_server.errors import LedgerUnavailable
from mcp_server.store import open_engine
os.setgid(65534); os.setuid(65534)
try:
    open_engine("sqlite:///" + sys.argv[1])
except LedgerUnavailable as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("owner", "mode", "said"),
    [(0, 0o644, "belongs to user 0"), (65534, 0o400, "readonly"), (65534, 0o000, "open")],
)
def test_a_file_of_another_user_or_that_cannot_be_written_is_refused(
    owner: int, mode: int, said: str
):
    """Before anything is written beside it."""
    with TemporaryDirectory() as folder:  # not below pytest's own, which only root may enter
        Path(folder).chmod(0o777)
        path = Path(folder) / "state.db"
        settled_ledger(path, ManualClock())
        os.chown(path, owner, owner)
        path.chmod(mode)
        done = subprocess.run(  # noqa: S603 our own code
            [sys.executable, "-c", AS_NOBODY, str(path)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[1],
        )
        assert said in done.stdout, done.stderr
        assert [one.name for one in Path(folder).iterdir()] == ["state.db"]

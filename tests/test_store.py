"""The database file: what is not surely our ledger, whole and of this version, is refused."""

import sqlite3
from pathlib import Path

import pytest

from mcp_server.errors import LedgerUnavailable, Refused, SettingsError
from mcp_server.guard.ledger import Ledger
from mcp_server.store import open_engine
from tests.guard_cases import (
    START,
    ManualClock,
    listing,
    make_repository,
    open_ledger,
    session,
    settled_ledger,
    start,
    start_one,
)


def sql(path: Path, *statements: str) -> None:
    """Change the file behind the ledger's back."""
    connection = sqlite3.connect(path)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def used(path: Path) -> ManualClock:
    """Write a ledger with a session and a repository; return its clock."""
    clock = ManualClock()
    ledger = settled_ledger(path, clock)
    start_one(ledger, clock, "task1", "s1")
    make_repository(ledger, clock, "new")
    return clock


@pytest.mark.parametrize(
    "url",
    [
        *("", "state.db", "sqlite://", "sqlite:state.db", "mysql://x/y", "postgresql://x/y"),
        *("sqlite:///", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"),
    ],
)
def test_a_state_that_is_no_sqlite_file_is_a_settings_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
):
    """The operator's to mend: PostgreSQL is not known yet, and memory keeps no ledger."""
    monkeypatch.chdir(tmp_path)
    mode = tmp_path.stat().st_mode
    with pytest.raises(SettingsError):
        open_engine(url)
    assert (tmp_path.stat().st_mode, list(tmp_path.iterdir())) == (mode, [])


def test_a_path_that_can_hold_no_file_is_refused(tmp_path: Path):
    """Below a file, or a folder itself: no ledger, no ticket."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "state.db", tmp_path):
        with pytest.raises(LedgerUnavailable):
            open_ledger(path, ManualClock())


def test_the_file_and_its_folder_are_made_for_their_owner_alone(tmp_path: Path):
    """The ledger names private repositories."""
    path = tmp_path / "new" / "state.db"
    open_ledger(path, ManualClock())
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_open_to_others_is_closed_to_them(tmp_path: Path):
    """A copied or restored file may have lost its mode."""
    path = tmp_path / "state.db"
    open_ledger(path, ManualClock())
    path.chmod(0o644)
    open_ledger(path, ManualClock())
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_journal_is_a_rollback_journal_and_synced_to_the_utmost(tmp_path: Path):
    """WAL loses commits on SQLite before 3.51.3 (facts/safety.md 1.2)."""
    engine = open_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous")
        ]
    assert pragmas == ["delete", 3]


def test_a_ledger_of_another_world_is_refused(tmp_path: Path):
    """A sandbox day must never be counted against a real account, nor the other way round."""
    path = tmp_path / "state.db"
    open_ledger(path, ManualClock())
    with pytest.raises(LedgerUnavailable, match=r"sandbox:1.*sandbox:2"):
        open_ledger(path, ManualClock(), world="sandbox:2")


def test_a_ledger_keeps_its_name_and_its_count_when_opened_again(tmp_path: Path):
    """Markers carry the name; a new one would make its own sessions foreign."""
    path = tmp_path / "state.db"
    clock = used(path)
    again = open_ledger(path, clock, new_id="feedface")
    assert again.id == "0badcafe"
    assert (again.usage(clock.now()).count, again.usage(clock.now()).repositories) == (1, 1)


def test_a_newer_schema_is_refused(tmp_path: Path):
    """An older program would not know what the newer one counts."""
    path = tmp_path / "state.db"
    used(path)
    sql(path, "UPDATE ledger SET schema_version = schema_version + 1")
    with pytest.raises(LedgerUnavailable, match="newer"):
        open_ledger(path, ManualClock())


def test_events_without_a_head_are_refused(tmp_path: Path):
    """A ledger that has lost its head has lost its chain: it does not begin anew on top."""
    path = tmp_path / "state.db"
    used(path)
    sql(path, "DELETE FROM ledger")
    with pytest.raises(LedgerUnavailable, match="no head"):
        open_ledger(path, ManualClock())


def test_somebody_elses_database_is_left_alone(tmp_path: Path):
    """A wrong path must not put our tables into a browser's history."""
    path = tmp_path / "state.db"
    sql(path, "CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(LedgerUnavailable, match="somebody else"):
        open_ledger(path, ManualClock())


def test_the_agents_own_tables_may_be_there_first(tmp_path: Path):
    """Both sides share the file with disjoint tables (DESIGN.md section 4)."""
    path = tmp_path / "state.db"
    sql(path, "CREATE TABLE agent_tasks (key TEXT)")
    assert open_ledger(path, ManualClock()).head()[0] == 1


@pytest.mark.parametrize(
    "garbage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"x" * 99]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, garbage: bytes):
    """And left as it is, for a person to look at."""
    path = tmp_path / "state.db"
    path.write_bytes(garbage)
    with pytest.raises(LedgerUnavailable):
        open_ledger(path, ManualClock())
    assert path.read_bytes() == garbage


def _held(ledger: Ledger, clock: ManualClock) -> None:
    ledger.hold_session(start("task2"), listing(clock, session("s1", START)))


def _held_both(path: Path, clock: ManualClock) -> None:
    ledger = open_ledger(path, clock)
    _held(ledger, clock)
    make_repository(ledger, clock, "other")


def test_a_ledger_cut_short_at_any_page_gives_no_ticket(tmp_path: Path):
    """Promise 9: cut to nothing it is a new ledger that settles first; else it is damaged."""
    path = tmp_path / "state.db"
    clock = used(path)
    whole = path.read_bytes()
    page = int.from_bytes(whole[16:18])
    for size in range(0, len(whole), page):
        path.write_bytes(whole[:size])
        with pytest.raises((LedgerUnavailable, Refused)):
            _held(open_ledger(path, clock), clock)


@pytest.mark.parametrize(
    "table", ["ledger_events", "ledger_tickets", "ledger_sessions", "ledger_repositories"]
)
def test_a_ledger_that_lost_a_table_gives_no_ticket(tmp_path: Path, table: str):
    """No table is quietly made again."""
    path = tmp_path / "state.db"
    clock = used(path)
    sql(path, f"DROP TABLE {table}")
    with pytest.raises(LedgerUnavailable):
        _held_both(path, clock)


def test_a_lost_file_never_gives_the_allowance_again(tmp_path: Path):
    """Promise 9: the new ledger waits ten minutes, then counts what the listing shows."""
    path = tmp_path / "state.db"
    clock = used(path)
    path.unlink()
    ledger = open_ledger(path, clock, new_id="feedface")
    shown = session("s1", START + (clock.now() - START) / 2)
    ledger.record_listing(listing(clock, shown))
    settles = ledger.settles_at()
    assert settles is not None
    assert (settles - clock.now()).total_seconds() == 600
    clock.advance(minutes=10)
    ledger.record_listing(listing(clock, shown))
    assert ledger.settles_at() is None
    assert ledger.usage(clock.now()).count == 1

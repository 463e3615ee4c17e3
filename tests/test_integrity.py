"""A damaged or edited ledger is found out when it is opened, whatever was changed."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.clients import github, jules
from mcp_server.errors import LedgerUnavailable, Refused
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.reconcile import reconcile_repositories, reconcile_sessions
from mcp_server.store import open_engine
from tests.guard_cases import (
    RELEASED,
    UNKNOWN,
    ManualClock,
    listing,
    make_repository,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    start,
    start_one,
    title,
)


def edit(path: Path, statement: str) -> None:
    """Change the file behind the ledger's back."""
    with open_engine(f"sqlite:///{path}").begin() as connection:
        changed = connection.exec_driver_sql(statement).rowcount
    assert changed > 0, "the statement changes nothing"


def lived(path: Path) -> ManualClock:
    """Write a ledger in which everything has happened that an event is written for."""
    clock = ManualClock()
    ledger = settled_ledger(path, clock)
    born = clock.now()
    start_one(ledger, clock, "answered", "s1")
    make_repository(ledger, clock, "new")
    ledger.pause("look")
    ledger.pause(None)
    for task, outcome in (("lost", UNKNOWN), ("gone", UNKNOWN), ("refused", RELEASED)):
        ticket = ledger.hold_session(start(task), listing(clock))
        send(ledger, ticket)
        ledger.record_outcome(ticket.id, outcome)
    ledger.hold(jules.send_message("s1", "go on"), key="never sent")
    made = github.create_repository("lost", "x")
    seen = repositories(clock)
    send(ledger, ledger.hold_repository(made, key="lost", repo="owner/lost", listing=seen))
    clock.advance(minutes=2)
    shown = [
        session("s1", born, text=title("answered")),
        session("s2", clock.now(), text=title("lost")),
        session("f1", born, repo=None, archived=True),
        session("f2", born, text=title(key=b"another key")),
        session("r1", clock.now(), text=title(ledger="feedface")),
        session("r2", born, text=title("other", ledger="feedface")),
    ]
    reconcile_sessions(ledger, listing(clock, *shown))
    reconcile_repositories(ledger, repositories(clock, theirs=born))
    ledger.hold(jules.send_message("s1", "go on"), key="still held")
    ledger.pause("look again")
    return clock


def view(ledger: Ledger, clock: ManualClock) -> object:
    """Return what a ledger answers to every question, but for who runs: the next listing's."""
    return (
        ledger.id,
        ledger.head(),
        replace(ledger.usage(clock.now()), running=0),
        ledger.open_tickets(),
        ledger.events(limit=1000),
        ledger.settles_at(),
    )


def test_a_whole_ledger_is_opened_as_it_was(tmp_path: Path):
    """Every kind of event derives the very rows that were written with it."""
    path = tmp_path / "state.db"
    clock = lived(path)
    ledger = open_ledger(path, clock)
    kinds = {event.kind for event in ledger.events(limit=1000)}
    assert kinds == {
        *("opened", "settling", "ready", "paused", "resumed", "alarm"),
        *("held", "sent", "unknown", "absent", "spent", "released"),
        *("session_seen", "repository_seen"),
    }
    assert view(ledger, clock) == view(open_ledger(path, clock), clock)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_events SET data = '{}' WHERE seq = 4",
        "UPDATE ledger_events SET data = CAST(data AS BLOB) WHERE seq = 4",
        "UPDATE ledger_events SET kind = 'unknown' WHERE seq = 4",
        "UPDATE ledger_events SET at = '2026-01-01T00:00:00.000000Z' WHERE seq = 4",
        "UPDATE ledger_events SET ticket = 'x' WHERE seq = 4",
        "UPDATE ledger_events SET seq = 1000 WHERE seq = (SELECT max(seq) FROM ledger_events)",
        "UPDATE ledger_events SET seq = 0 WHERE seq = 1",
        "DELETE FROM ledger_events WHERE seq = 4",
        "DELETE FROM ledger_events WHERE seq = (SELECT max(seq) FROM ledger_events)",
        "DELETE FROM ledger_events",
    ],
)
def test_the_record_is_a_chain_that_any_edit_breaks(tmp_path: Path, statement: str):
    """Promise 40: recomputed from the file alone; the message says what to do."""
    path = tmp_path / "state.db"
    clock = lived(path)
    edit(path, statement)
    with pytest.raises(LedgerUnavailable, match="move the file away and start anew"):
        open_ledger(path, clock)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM ledger_sessions",
        "DELETE FROM ledger_sessions WHERE id = 'f1'",
        "UPDATE ledger_sessions SET id = 's9' WHERE id = 's2'",
        "UPDATE ledger_sessions SET created_at = '2026-01-01T00:00:00.000000Z' WHERE id = 's1'",
        "UPDATE ledger_sessions SET lane = 'repair' WHERE id = 's1'",
        "UPDATE ledger_sessions SET repo = NULL WHERE id = 's2'",
        "UPDATE ledger_sessions SET ticket = NULL WHERE id = 's2'",
        "INSERT INTO ledger_sessions (id, created_at, running) VALUES ('x', '2026', 0)",
        "DELETE FROM ledger_repositories",
        "UPDATE ledger_repositories SET created_at = '2026-01-01T00:00:00.000000Z'",
        "UPDATE ledger_tickets SET state = 'held' WHERE state = 'sent'",
        "UPDATE ledger_tickets SET state = 'released' WHERE state = 'sent'",
        "UPDATE ledger_tickets SET digest = 'x' WHERE state = 'held'",
        "UPDATE ledger_tickets SET absent_since = held_at WHERE state = 'sent'",
        "UPDATE ledger_tickets SET key = 'z' || key WHERE state = 'released'",
        "DELETE FROM ledger_tickets WHERE state = 'sent'",
        "DELETE FROM ledger_tickets",
        "UPDATE ledger SET paused = NULL",
        "UPDATE ledger SET rival_at = NULL",
        "UPDATE ledger SET ready_at = first_listing_at",
        "UPDATE ledger SET ledger_id = 'feedface'",
        "UPDATE ledger SET events = events - 1",
        "UPDATE ledger SET head = upper(head)",
    ],
)
def test_a_table_that_is_not_what_the_record_says_is_refused(tmp_path: Path, statement: str):
    """Each of these would give something spent back, or let something out again."""
    path = tmp_path / "state.db"
    clock = lived(path)
    edit(path, statement)
    with pytest.raises(LedgerUnavailable, match="move the file away and start anew"):
        open_ledger(path, clock)


def test_a_ledger_without_its_record_is_not_taken_for_a_new_one(tmp_path: Path):
    """Neither head nor events, but tables that still count."""
    path = tmp_path / "state.db"
    clock = lived(path)
    edit(path, "DELETE FROM ledger")
    edit(path, "DELETE FROM ledger_events")
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match="move the file away and start anew"):
            open_ledger(path, clock)


def test_a_ledger_cut_inside_its_last_page_gives_no_ticket(tmp_path: Path):
    """Promise 9, where the cut leaves every other page whole."""
    path = tmp_path / "state.db"
    clock = lived(path)
    whole = path.read_bytes()
    for cut in range(1, 4096, 512):
        path.write_bytes(whole[:-cut])
        with pytest.raises(LedgerUnavailable):
            open_ledger(path, clock)


@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80])
def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, bit: int):
    """A sample of the file's bytes; harmless are unused ones and the words of the schema."""
    path = tmp_path / "state.db"
    clock = lived(path)
    before, whole = view(open_ledger(path, clock), clock), path.read_bytes()
    written = [index for index, byte in enumerate(whole) if byte]
    refused = 0
    for index in written[:: len(written) // 60]:
        path.write_bytes(whole[:index] + bytes([whole[index] ^ bit]) + whole[index + 1 :])
        try:
            after = view(open_ledger(path, clock), clock)
        except LedgerUnavailable:
            refused += 1
            continue
        assert after == before, f"byte {index}"
    assert refused > 30


def test_a_table_whose_name_is_no_text_any_more_is_damage(tmp_path: Path):
    """One flipped bit in the schema does that; seen once, as a crash of ours."""
    path = tmp_path / "state.db"
    clock = lived(path)
    rename = "UPDATE sqlite_master SET name = CAST(name AS BLOB) WHERE name = 'ledger_sessions'"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(rename)
        database.commit()
    with pytest.raises(LedgerUnavailable, match="move the file away and start anew"):
        open_ledger(path, clock)


def test_a_head_that_vanishes_under_a_running_process_closes_the_ledger(tmp_path: Path):
    """What was whole at opening may be damaged since."""
    path = tmp_path / "state.db"
    clock = ManualClock()
    ledger = settled_ledger(path, clock)
    edit(path, "DELETE FROM ledger")
    with pytest.raises(LedgerUnavailable, match="head"):
        ledger.hold_session(start(), listing(clock))


def test_a_refused_ledger_is_left_as_it_is(tmp_path: Path):
    """For a person to look at; nothing is mended in silence."""
    path = tmp_path / "state.db"
    clock = lived(path)
    edit(path, "DELETE FROM ledger_sessions")
    damaged = path.read_bytes()
    with pytest.raises((LedgerUnavailable, Refused)):
        open_ledger(path, clock)
    assert path.read_bytes() == damaged


RULES: dict[str, tuple[str, ...]] = {
    "a trigger": (
        "CREATE TRIGGER t AFTER INSERT ON ledger_sessions BEGIN "
        "UPDATE ledger_sessions SET running = 0; END",
    ),
    "a view": ("CREATE VIEW v AS SELECT 1",),
    "no index of sends": ("DROP INDEX one_sent_per_ticket",),
    "another index of ends": (
        "DROP INDEX one_end_per_ticket",
        "CREATE UNIQUE INDEX one_end_per_ticket ON ledger_events (ticket) WHERE kind = 'spent'",
    ),
    "keys that may come twice": (
        "CREATE TABLE copied AS SELECT * FROM ledger_tickets",
        "DROP TABLE ledger_tickets",
        "ALTER TABLE copied RENAME TO ledger_tickets",
        "CREATE INDEX tickets_by_state ON ledger_tickets (state, kind)",
    ),
    "sessions that may come twice": (
        "CREATE TABLE copied AS SELECT * FROM ledger_sessions",
        "DROP TABLE ledger_sessions",
        "ALTER TABLE copied RENAME TO ledger_sessions",
    ),
}


@pytest.mark.parametrize("statements", RULES.values(), ids=list(RULES))
def test_a_rule_that_is_gone_or_was_put_in_closes_the_ledger(
    tmp_path: Path, clock: ManualClock, ledger: Ledger, statements: tuple[str, ...]
):
    """What the database itself keeps is a part of the record (hostile review, 2026-11-22)."""
    assert ledger.verify().agrees
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
        for statement in statements:
            raw.execute(statement)
    with pytest.raises(LedgerUnavailable, match="does not fit together"):
        open_ledger(tmp_path / "state.db", clock)

"""A file of an earlier version: brought up whole and on the record, or left exactly as it is."""

import json
import sqlite3
from pathlib import Path

import pytest

from mcp_server import store
from mcp_server.errors import LedgerUnavailable
from mcp_server.guard import chain
from tests.guard_cases import ManualClock, listing, open_ledger, settled_ledger, start_one

COLUMNS = (
    ("ledger", "ceiling"),
    ("ledger", "ceiling_running"),
    ("ledger", "ceiling_at"),
    ("ledger", "heard_at"),
    ("ledger", "heard_here_at"),
    ("ledger_sessions", "unseen_since"),
)


def version_1(path: Path, clock: ManualClock) -> None:
    """Write a used ledger as the first version left it."""
    start_one(settled_ledger(path, clock), clock, "task1", "s1")
    connection = sqlite3.connect(path)
    head = chain.GENESIS
    with connection:
        rows = connection.execute("SELECT seq, at, kind, ticket, data FROM ledger_events")
        for seq, at, kind, ticket, data in rows.fetchall():
            said = {name: value for name, value in json.loads(data).items() if name != "schema"}
            text = chain.canonical(said)
            head = chain.link(head, seq, at, kind, ticket, text)
            change = "UPDATE ledger_events SET data = ?, hash = ? WHERE seq = ?"
            connection.execute(change, (text, head, seq))
        connection.execute("UPDATE ledger SET schema_version = 1, head = ?", (head,))
        for table, column in COLUMNS:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.close()


def test_an_earlier_ledger_is_brought_up_and_says_so(tmp_path: Path):
    """What it counted still counts, and every later opening finds it as it was left."""
    path, clock = tmp_path / "state.db", ManualClock()
    version_1(path, clock)
    ledger = open_ledger(path, clock)
    last = ledger.events()[-1]
    changed = {"ledger": 1, "ledger_sessions": 1}
    assert (last.kind, last.data) == ("migrated", {"to": 2, "changed": changed})
    assert ledger.usage(listing(clock).date).count == 1
    assert ledger.verify().agrees
    assert open_ledger(path, clock).head() == ledger.head()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("UPDATE ledger_events SET data = '{}' WHERE seq = 2", "broken at event 2"),
        ("DELETE FROM ledger_events WHERE seq > 3", "ends at event 3"),
        ("UPDATE ledger SET schema_version = 0", "no way leads from schema 0"),
        ("UPDATE ledger SET world = 'sandbox:2'", "sandbox:2"),
    ],
)
def test_an_earlier_ledger_that_cannot_be_used_is_not_touched(tmp_path: Path, harm: str, said: str):
    """Migration and refusal are one transaction."""
    path, clock = tmp_path / "state.db", ManualClock()
    version_1(path, clock)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(harm)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LedgerUnavailable, match=said):
        open_ledger(path, clock)
    assert path.read_bytes() == before


def test_a_new_ledger_says_its_schema_in_its_first_event(tmp_path: Path):
    ledger = settled_ledger(tmp_path / "state.db", ManualClock())
    assert ledger.events()[0].data["schema"] == store.SCHEMA_VERSION

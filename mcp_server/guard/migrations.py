"""From an older schema to this one, in numbered steps; the record says what each changed.

A step runs in the transaction that opens the ledger, after the record it builds on was checked:
either the whole way to this version is gone, or none of it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import LedgerUnavailable
from mcp_server.guard import chain


def bring_up(tx: sa.Connection, now: datetime) -> None:
    """Migrate the ledger to `store.SCHEMA_VERSION`.

    Raises:
        LedgerUnavailable: its record is broken, or no step leads on from its version.
    """
    version = tx.execute(sa.select(store.ledger.c.schema_version)).scalar_one()
    if version == store.SCHEMA_VERSION:
        return
    for _ in chain.walk(tx):
        pass
    for number in range(version + 1, store.SCHEMA_VERSION + 1):
        step = _STEPS.get(number)
        if step is None:
            raise LedgerUnavailable(f"no way leads from schema {version}: {store.WAY_OUT}")
        changed = step(tx)
        tx.execute(sa.update(store.ledger).values(schema_version=number))
        chain.append(tx, now, "migrated", None, {"to": number, "changed": changed})


def _ceiling_and_unseen(tx: sa.Connection) -> Mapping[str, int]:
    """2: in the head what Jules' refusals and `Date` said; since when a session is not listed."""
    for column in (
        "ceiling INTEGER",
        "ceiling_running INTEGER",
        "ceiling_at TEXT",
        "heard_at TEXT",
        "heard_here_at TEXT",
    ):
        tx.exec_driver_sql(f"ALTER TABLE ledger ADD COLUMN {column}")
    tx.exec_driver_sql("ALTER TABLE ledger_sessions ADD COLUMN unseen_since TEXT")
    sessions = tx.execute(sa.select(sa.func.count()).select_from(store.sessions)).scalar_one()
    return {"ledger": 1, "ledger_sessions": sessions}


_STEPS: Mapping[int, Callable[[sa.Connection], Mapping[str, int]]] = {2: _ceiling_and_unseen}

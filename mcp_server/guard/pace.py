"""How fast, and how often to one session: GitHub and Jules have no patience for more.

Runs inside the ledger's transaction.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import Refused
from mcp_server.guard.budget import Limits
from mcp_server.guard.chain import stamp
from mcp_server.guard.request import Prepared


def refuse(tx: sa.Connection, prepared: Prepared, limits: Limits, now: datetime) -> None:
    """Raise `Refused` for a message too many, or a write too soon after the others."""
    table = store.tickets.c
    count = sa.select(sa.func.count())
    if prepared.kind == "send_message":
        same = (table.kind == prepared.kind, table.target == prepared.target)
        sent = tx.execute(count.where(*same, table.state != "released")).scalar_one()
        if sent >= limits.messages_per_session:
            raise Refused(f"{sent} messages to session {prepared.target} already", limit="messages")
    for name, span, most in (
        ("writes_per_minute", timedelta(minutes=1), limits.writes_per_minute),
        ("writes_per_hour", timedelta(hours=1), limits.writes_per_hour),
    ):
        writes = tx.execute(count.where(table.held_at > stamp(now - span))).scalar_one()
        if writes >= most:
            raise Refused(f"{name}: {writes} of {most}", limit=name)

"""The append-only, hash-chained record of events, and the one text form of a time in it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mcp_server import store
from mcp_server.models import Event

GENESIS = "0" * 64


def stamp(moment: datetime) -> str:
    """Return a time as the database keeps it; sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str | None) -> datetime | None:
    """Read a stamp, or a service's own RFC 3339 time; None stays None."""
    return datetime.fromisoformat(text) if text else None


def link(previous: str, seq: int, at: str, kind: str, ticket: str | None, data: str) -> str:
    """Return the hash of an event over the one before it."""
    text = json.dumps([previous, seq, at, kind, ticket, data], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(data: Mapping[str, Any]) -> str:
    """Return the one JSON text of `data`."""
    return json.dumps(dict(data), sort_keys=True, separators=(",", ":"))


def append(
    tx: sa.Connection, at: datetime, kind: str, ticket: str | None, data: Mapping[str, Any]
) -> None:
    """Add one event and move the head, in the caller's transaction."""
    row = tx.execute(sa.select(store.ledger.c.events, store.ledger.c.head)).one()
    seq = row.events + 1
    text = canonical(data)
    head = link(row.head, seq, stamp(at), kind, ticket, text)
    tx.execute(
        sa.insert(store.events).values(
            seq=seq, at=stamp(at), kind=kind, ticket=ticket, data=text, hash=head
        )
    )
    tx.execute(sa.update(store.ledger).values(events=seq, head=head))


def read(tx: sa.Connection, *, after: int, limit: int) -> tuple[Event, ...]:
    """Return events in order, those with `seq` above `after`."""
    rows = tx.execute(
        sa.select(store.events)
        .where(store.events.c.seq > after)
        .order_by(store.events.c.seq)
        .limit(limit)
    )
    return tuple(
        Event(
            seq=row.seq,
            at=datetime.fromisoformat(row.at),
            kind=row.kind,
            ticket=row.ticket,
            data=json.loads(row.data),
        )
        for row in rows
    )

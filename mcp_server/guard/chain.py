"""The append-only, hash-chained record of events, and the one text form of a time in it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import LedgerUnavailable
from mcp_server.models import Event, utc

GENESIS = "0" * 64


class Entry(NamedTuple):
    """An event as the database keeps it; `data` is canonical JSON."""

    seq: int
    at: str
    kind: str
    ticket: str | None
    data: str
    hash: str


def stamp(moment: datetime) -> str:
    """Return a time as the database keeps it; sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str | None) -> datetime | None:
    """Read a stamp, or a service's own RFC 3339 time; None stays None."""
    try:
        return utc(text) if text else None
    except ValueError as error:
        raise LedgerUnavailable(f"{text!r} in the ledger is no time: {store.WAY_OUT}") from error


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


def walk(tx: sa.Connection) -> Iterator[Entry]:
    """Yield every event in order, each only when its hash follows from the one before.

    Raises:
        LedgerUnavailable: an event was changed or is missing, or the last one is not the head.
    """
    head = tx.execute(sa.select(store.ledger.c.events, store.ledger.c.head)).one()
    before, count = GENESIS, 0
    for row in tx.execute(sa.select(store.events).order_by(store.events.c.seq)):
        entry, count = Entry(*row), count + 1
        if not _follows(entry, before, count):
            raise LedgerUnavailable(f"the record is broken at event {count}: {store.WAY_OUT}")
        yield entry
        before = entry.hash
    if (count, before) != (head.events, head.head):
        raise LedgerUnavailable(f"the record ends at event {count}, not its head: {store.WAY_OUT}")


def _follows(entry: Entry, before: str, seq: int) -> bool:
    try:
        linked = link(before, seq, entry.at, entry.kind, entry.ticket, entry.data)
        return (entry.seq, entry.hash) == (seq, linked)
    except TypeError:
        return False  # a damaged cell may hold bytes, whatever its column says


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
            hash=row.hash,
        )
        for row in rows
    )

"""A new ledger looks twice before it starts or makes anything: what was before shows late.

An earlier one may have sent a moment ago what Jules does not show yet (DESIGN.md section 5). All
functions run inside the ledger's transaction.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import Refused
from mcp_server.guard import budget
from mcp_server.guard.chain import append, moment, stamp
from mcp_server.guard.counted import Listing

APART = timedelta(minutes=10)


def look(tx: sa.Connection, listing: Listing) -> None:
    """Take a complete listing as the first look, or as the second, which settles or begins anew.

    The second look agrees when it shows every session of the first that is still in the window:
    what has gone meanwhile was deleted, or hidden by a bad listing.
    """
    row = tx.execute(sa.select(store.ledger)).one()
    first = moment(row.first_listing_at)
    if row.ready_at is not None or (first is not None and listing.date - first < APART):
        return
    missing = _missing(tx, listing) if first is not None else []
    if first is None or missing:
        _begin(tx, listing, missing)
        return
    tx.execute(sa.update(store.ledger).values(ready_at=stamp(listing.date)))
    append(tx, listing.date, "ready", None, {"since": row.first_listing_at})


def refuse_unsettled(tx: sa.Connection, now: datetime) -> None:
    """Raise `Refused` while the ledger has not settled, or another one starts sessions as well."""
    row = tx.execute(sa.select(store.ledger)).one()
    rival = moment(row.rival_at)
    if rival is not None and rival > budget.window_start(now):
        raise Refused(
            f"another ledger started a session at {row.rival_at}: two ledgers cannot count "
            "exactly; share one database (--state), or stop the other and wait a day",
            limit="rival_ledger",
        )
    if row.ready_at is None:
        first = moment(row.first_listing_at)
        raise Refused(
            "settling: a new ledger starts nothing until two complete listings of sessions ten "
            f"minutes apart agree; the first was at {row.first_listing_at or '(none yet)'}",
            limit="settling",
            retry_at=(first + APART).isoformat() if first else None,
        )


def settles_at(tx: sa.Connection, now: datetime) -> datetime | None:
    """Return when sessions may start at the soonest, were a look taken `now`; None: already."""
    row = tx.execute(sa.select(store.ledger)).one()
    if row.ready_at is not None:
        return None
    return (moment(row.first_listing_at) or now) + APART


def again(tx: sa.Connection, now: datetime, why: str) -> None:
    """Settle anew: the ledger has turned out not to know all that it started."""
    tx.execute(sa.update(store.ledger).values(first_listing_at=None, ready_at=None))
    append(tx, now, "unsettled", None, {"why": why})


def _begin(tx: sa.Connection, listing: Listing, missing: Collection[str]) -> None:
    start = budget.window_start(listing.date)
    shown = sorted(one.id for one in listing.sessions if start < one.created_at <= listing.date)
    tx.execute(sa.update(store.ledger).values(first_listing_at=stamp(listing.date)))
    append(tx, listing.date, "settling", None, {"shown": shown, "missing": sorted(missing)})


def _missing(tx: sa.Connection, listing: Listing) -> list[str]:
    """Return the sessions of the first look that should still be shown and are not."""
    table = store.events.c
    newest = sa.select(table.data).where(table.kind == "settling").order_by(table.seq.desc())
    first = set(json.loads(tx.execute(newest.limit(1)).scalar_one())["shown"])
    gone = first - {one.id for one in listing.sessions}
    known = sa.select(store.sessions.c.id, store.sessions.c.created_at)
    start = stamp(budget.window_start(listing.date))
    return [row.id for row in tx.execute(known) if row.id in gone and row.created_at > start]

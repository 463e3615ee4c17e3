"""How far a service's `Date` is believed: it frees units, so it may not run ahead of real time.

The local clock never frees anything; it only bounds how fast the services' clock can have gone.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from mcp_server import store
from mcp_server.guard import tickets
from mcp_server.guard.chain import append, moment, stamp

# What a header, a slow answer and a drifting clock may be off by.
SLACK = timedelta(minutes=5)
# A `Date` that ran ahead is believed once it has gone on evenly for so long.
CONFIRMED_AFTER = timedelta(minutes=10)
_EVENLY = timedelta(minutes=1)
_KEEP_EVERY = timedelta(minutes=1)


@dataclass
class Heard:
    """A `Date` that this process believed, and one that ran ahead; with elapsed seconds each."""

    believed: tuple[datetime, float] | None = None
    ahead: tuple[datetime, float] | None = None

    def bounded(
        self, tx: sa.Connection, date: datetime, *, here: datetime, elapsed: float
    ) -> datetime:
        """Return `date`, or the latest moment that it can be, and keep what is believed.

        Args:
            tx: the ledger's transaction: what other processes heard stands in the head.
            date: as the service said it.
            here: the local clock.
            elapsed: seconds of the clock that nobody sets.
        """
        latest = self._latest(tx, here, elapsed)
        confirmed = self._went_on(date, elapsed) >= CONFIRMED_AFTER
        if latest is None or date <= latest or confirmed:
            if latest is not None and date > latest:
                _leap(tx, date, latest)
            self.ahead = None
            # The slack is for this answer: kept, a fast Date would gain it with every answer.
            kept = date if latest is None or date > latest else min(date, latest - SLACK)
            self._keep(tx, kept, here, elapsed)
            return date
        if self.ahead is None:
            append(tx, latest, "alarm", None, {"what": "a Date ran ahead", "said": stamp(date)})
        if self.ahead is None or not self._went_on(date, elapsed):
            self.ahead = (date, elapsed)
        return latest

    def _latest(self, tx: sa.Connection, here: datetime, elapsed: float) -> datetime | None:
        row = tx.execute(sa.select(store.ledger.c.heard_at, store.ledger.c.heard_here_at)).one()
        last, last_here = moment(row.heard_at), moment(row.heard_here_at)
        if last is None or last_here is None:
            return None
        latest = last + max(here - last_here, timedelta())
        if self.believed is not None:
            date, then = self.believed
            latest = max(latest, date + timedelta(seconds=elapsed - then))
        return latest + SLACK

    def _went_on(self, date: datetime, elapsed: float) -> timedelta:
        """Return for how long a `Date` that runs ahead has gone on evenly; zero: it has not."""
        if self.ahead is None:
            return timedelta()
        first, then = self.ahead
        waited = timedelta(seconds=elapsed - then)
        return waited if abs((date - first) - waited) <= _EVENLY else timedelta()

    def _keep(self, tx: sa.Connection, date: datetime, here: datetime, elapsed: float) -> None:
        kept = moment(tx.execute(sa.select(store.ledger.c.heard_at)).scalar_one())
        if self.believed is None or date > self.believed[0]:
            self.believed = (date, elapsed)
        if kept is None or date - kept >= _KEEP_EVERY:
            heard = {"heard_at": stamp(date), "heard_here_at": stamp(here)}
            tx.execute(sa.update(store.ledger).values(**heard))


def _leap(tx: sa.Connection, date: datetime, latest: datetime) -> None:
    """Forget since when anything is absent: time that nobody lived through proves nothing."""
    tx.execute(sa.update(store.sessions).values(unseen_since=None))
    tx.execute(
        sa.update(store.tickets)
        .where(store.tickets.c.state.in_(tickets.OPEN))
        .values(absent_since=None)
    )
    tx.execute(
        sa.update(store.ledger)
        .where(store.ledger.c.ready_at.is_(None))
        .values(first_listing_at=None)
    )
    append(tx, date, "leapt", None, {"from": stamp(latest)})

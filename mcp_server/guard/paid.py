"""The day's cap on queries that cost money, counted in the database before each one leaves.

It is counted whether an answer comes or not. A UTC day's count is kept for a month, so that a
clock that is set back finds it again; a new database begins with none.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta

import sqlalchemy as sa

from mcp_server import store
from mcp_server.clock import Clock
from mcp_server.errors import Refused

_KEPT = timedelta(days=31)
_TABLE = store.paid.c


class PaidQueries:
    """Counts by kind and UTC day, shared by all processes on one database."""

    def __init__(self, engine: sa.Engine, *, clock: Clock, most: Mapping[str, int]) -> None:
        """Count in `engine`; `most` a day, by kind: what is not in it may not leave."""
        self._engine = engine
        self._clock = clock
        self._most = dict(most)

    def count(self, kind: str) -> None:
        """Count one more; raises `Refused` (limit `queries`) at the cap."""
        now, most = self._clock.now(), self._most.get(kind, 0)
        day = now.date().isoformat()
        today = (_TABLE.kind == kind, _TABLE.day == day)
        with store.translated("count of paid queries"), self._engine.begin() as tx:
            calls = tx.execute(sa.select(_TABLE.calls).where(*today)).scalar_one_or_none()
            if (calls or 0) >= most:
                raise Refused(
                    f"{kind}: {calls or 0} of {most} queries of this UTC day are used; each costs "
                    "money",
                    limit="queries",
                    retry_at=_midnight(now).isoformat(),
                )
            if calls is None:
                tx.execute(sa.delete(store.paid).where(_TABLE.day < _day_before(now)))
                tx.execute(sa.insert(store.paid).values(kind=kind, day=day, calls=1))
            else:
                tx.execute(sa.update(store.paid).where(*today).values(calls=calls + 1))

    def left(self, kind: str) -> int:
        """Return how many more may leave this UTC day."""
        day = self._clock.now().date().isoformat()
        wanted = sa.select(_TABLE.calls).where(_TABLE.kind == kind, _TABLE.day == day)
        with store.translated("count of paid queries"), self._engine.begin() as tx:
            calls = tx.execute(wanted).scalar_one_or_none()
        return max(0, self._most.get(kind, 0) - (calls or 0))


def _midnight(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)


def _day_before(now: datetime) -> str:
    return (now - _KEPT).date().isoformat()

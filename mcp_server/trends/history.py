"""What earlier discoveries saw, kept in the database: any of it may be missing, nothing is counted.

Owns the `trend_*` tables. How today is judged by it is rating.py's.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from pydantic import ValidationError

from mcp_server import store
from mcp_server.guard.redact import Redactor
from mcp_server.models import Idea, IdeaHistory, TrendDay, utc
from mcp_server.trends.rating import LEAST_BETWEEN, NOVELTY_DAYS, Item, Look, Past, item_of
from mcp_server.trends.signal import Signal

KEPT_DAYS = 90
# Older than this, what was gained since says little of how fast it moves now.
LOOKS_FOR = timedelta(hours=48)
# A source's listings together hold a few hundred; past these a day's tail is nobody's question.
_IDEAS_A_DAY = 500

_IDEAS, _DAYS, _LOOKS = store.trend_ideas, store.trend_days, store.trend_looks


class TrendHistory:
    """Days of ideas and looks at items, in one database."""

    def __init__(self, engine: sa.Engine, redactor: Redactor) -> None:
        """Keep them in `engine`, whose schema is `store.py`'s; what a title quotes is masked."""
        self._engine = engine
        self._redactor = redactor

    def past(self, now: datetime) -> Past:
        """Return what `now` is compared with: days before its own, looks before the last hour."""
        today = now.astimezone(UTC).date()
        first = f"{today - timedelta(days=NOVELTY_DAYS)}"
        seen = (
            sa.select(_DAYS.c.key, sa.func.count().label("days"))
            .where(_DAYS.c.day >= first, _DAYS.c.day < f"{today}")
            .group_by(_DAYS.c.key)
        )
        looks = (
            sa.select(_LOOKS)
            .where(_LOOKS.c.at >= _text(now - LOOKS_FOR), _LOOKS.c.at <= _text(now - LEAST_BETWEEN))
            .order_by(_LOOKS.c.at)
        )
        with store.translated("trend history"), self._engine.begin() as tx:
            days = {row.key: row.days for row in tx.execute(seen)}
            rows = tx.execute(looks).all()
        last: dict[Item, Look] = {
            (row.source, row.item): Look(at=utc(row.at), points=row.points) for row in rows
        }
        return Past(looks=last, days=days)

    def keep(self, signals: Sequence[Signal], ideas: Sequence[Idea], now: datetime) -> None:
        """Keep a discovery: looks by the hour, and `ideas`, best first, as those of the day.

        `ideas` of a discovery that did not ask every source are none of the day's: pass (). What
        is older than `KEPT_DAYS` goes.
        """
        day = f"{now.astimezone(UTC):%Y-%m-%d}"
        with store.translated("trend history"), self._engine.begin() as tx:
            _keep_looks(tx, signals, now)
            _keep_ideas(tx, [self._masked(idea) for idea in ideas[:_IDEAS_A_DAY]], day)
            first = f"{now.astimezone(UTC).date() - timedelta(days=KEPT_DAYS - 1)}"
            for table in (_DAYS, _IDEAS):
                tx.execute(sa.delete(table).where(table.c.day < first))
            tx.execute(sa.delete(_LOOKS).where(_LOOKS.c.at < _text(now - LOOKS_FOR)))

    def find(self, words: str) -> IdeaHistory | None:
        """Return the idea of that key or whole title (in any case), as it was seen last."""
        wanted = _folded(words)
        query = (
            sa.select(_IDEAS.c.key, _IDEAS.c.record)
            .where(sa.or_(_IDEAS.c.key == wanted, _IDEAS.c.title == wanted))
            .order_by(_IDEAS.c.day.desc(), _IDEAS.c.key)
            .limit(1)
        )
        with store.translated("trend history"), self._engine.begin() as tx:
            row = tx.execute(query).one_or_none()
            days = sa.select(_DAYS).where(_DAYS.c.key == (row.key if row else wanted))
            rows = tx.execute(days.order_by(_DAYS.c.day)).all()
        if row is None:
            return None
        try:
            return IdeaHistory(
                idea=Idea.model_validate_json(row.record),
                days=tuple(
                    TrendDay(
                        day=one.day, rank=one.rank, score=one.score, points=json.loads(one.points)
                    )
                    for one in rows
                ),
            )
        except (ValidationError, ValueError):  # another version's, or damaged: as good as not kept
            return None

    def _masked(self, idea: Idea) -> Idea:
        text = idea.model_dump_json()
        clean = self._redactor.text(text)
        return idea if clean == text else Idea.model_validate_json(clean)


def _keep_looks(tx: sa.Connection, signals: Sequence[Signal], now: datetime) -> None:
    hour = f"{now.astimezone(UTC):%Y-%m-%dT%H}"
    points = {item_of(signal): signal.points for signal in signals}
    rows = [
        {"source": source, "item": item, "hour": hour, "at": _text(now), "points": count}
        for (source, item), count in points.items()
    ]
    if rows:
        this_hour = sa.delete(_LOOKS).where(_LOOKS.c.hour == hour)
        named = _LOOKS.c.source.in_(sorted({source for source, _ in points}))
        tx.execute(this_hour.where(named))
        tx.execute(sa.insert(_LOOKS), rows)


def _keep_ideas(tx: sa.Connection, ideas: Sequence[Idea], day: str) -> None:
    if not ideas:
        return
    tx.execute(sa.delete(_DAYS).where(_DAYS.c.day == day))
    tx.execute(
        sa.insert(_DAYS),
        [
            {
                "day": day,
                "key": idea.key,
                "rank": rank,
                "score": idea.score,
                "points": json.dumps(_points(idea)),
            }
            for rank, idea in enumerate(ideas, 1)
        ],
    )
    gone = sa.delete(_IDEAS).where(_IDEAS.c.key == sa.bindparam("named"))
    tx.execute(gone, [{"named": idea.key} for idea in ideas])
    tx.execute(
        sa.insert(_IDEAS),
        [
            {
                "key": idea.key,
                "day": day,
                "title": _folded(idea.title),
                "record": idea.model_dump_json(),
            }
            for idea in ideas
        ],
    )


def _points(idea: Idea) -> dict[str, int]:
    """Return the best count of each source: counts of two sources are never added."""
    found: dict[str, int] = {}
    for one in idea.provenance:
        found[one.source] = max(one.points, found.get(one.source, one.points))
    return found


def _folded(words: str) -> str:
    return " ".join(words.split()).casefold()


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

"""What sessions did, kept light and read on: one request for a session that changed, else none."""

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mcp_server.clients.jules import NEW_FOR, JulesClient
from mcp_server.clients.jules_cursor import Cursor
from mcp_server.clock import Clock
from mcp_server.errors import NotFound
from mcp_server.guard.redact import Redactor
from mcp_server.insight.watching import NOTHING, Signs, read_signs
from mcp_server.models import Activity, Session

# Per session, and how many sessions: more than are watched at once.
MOST_ACTIVITIES = 200
MOST_SESSIONS = 150
MOST_TEXT = 2_000
# Of a step of a session plan, and of what names an artifact: below what the client keeps of them.
MOST_STEP = 400
MOST_NAME = 70
# That `updateTime` moves with every activity is measured, not promised (facts/jules-api.md 2.1).
STALE_AFTER_SECONDS = 900.0
_NO_TIME = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class History:
    """The last activities, oldest first, texts masked and cut; of how many; and what all show.

    `forgotten` is what those showed that are kept no more; `cursor` is the place after all of them.
    """

    activities: tuple[Activity, ...] = ()
    total: int = 0
    signs: Signs = NOTHING
    forgotten: Signs = NOTHING
    cursor: Cursor = field(default_factory=Cursor)

    def with_more(self, listed: Iterable[Activity]) -> "History":
        """Return the history with those of a later listing that are new.

        In how many parts it was listed makes no difference, as long as they came in order.
        """
        fresh = self.cursor.fresh(listed)
        known = in_order([*self.activities, *fresh])
        over = max(0, len(known) - MOST_ACTIVITIES)
        forgotten = read_signs(known[:over], self.forgotten)
        return History(
            activities=tuple(known[over:]),
            total=self.total + len(fresh),
            signs=read_signs(known[over:], forgotten),
            forgotten=forgotten,
            cursor=self.cursor.past(fresh),
        )


@dataclass(frozen=True, kw_only=True)
class _Kept:
    history: History
    updated_at: datetime
    read_at: float


class Histories:
    """Reads the activities of sessions through `jules`, and no more of them than is new."""

    def __init__(self, jules: JulesClient, clock: Clock, redactor: Redactor) -> None:
        self._jules = jules
        self._clock = clock
        self._redactor = redactor
        self._kept: dict[str, _Kept] = {}

    async def of(self, session: Session) -> History:
        """Return the history of a session as it has just been read.

        No request while its `updated_at` is the one of the last reading, for 15 minutes at most.
        """
        kept = self._kept.get(session.id)
        history = kept.history if kept else History()
        if kept is None or self._is_old(kept, session):
            started = self._clock.elapsed()
            listed = await self._listed(session, history.cursor)
            if listed is None:
                return history
            kept = _Kept(
                history=history.with_more(listed),
                updated_at=session.updated_at,
                read_at=started,
            )
        self._kept.pop(session.id, None)
        self._kept[session.id] = kept
        while len(self._kept) > MOST_SESSIONS:
            del self._kept[next(iter(self._kept))]
        return kept.history

    def _is_old(self, kept: _Kept, session: Session) -> bool:
        age = self._clock.elapsed() - kept.read_at
        # A listing may be older than what was read by id: that is no change.
        return session.updated_at > kept.updated_at or age >= STALE_AFTER_SECONDS

    async def _listed(self, session: Session, cursor: Cursor) -> Sequence[Activity] | None:
        """Return what is listed from a place on; None: nothing can be listed yet."""
        try:
            async with aclosing(self._jules.activities(session.id, after=cursor.since)) as listed:
                return [cut(one, MOST_TEXT, self._redactor) async for one in listed]
        except NotFound:
            # Its activities show a little later than itself (facts 5.3).
            if self._clock.now() - session.created_at >= NEW_FOR:
                raise
            return None


def cut(activity: Activity, most: int, redactor: Redactor) -> Activity:
    """Return an activity whose text has at most `most` characters, saying what is left out.

    Its secrets are taken out, also where it is short: who shows less of it cuts it once more.
    """
    text = redactor.text(activity.text)
    return activity.model_copy(
        update={
            "text": text[:most],
            "left_out": activity.left_out + max(0, len(text) - most),
            "plan_steps": tuple(redactor.text(one)[:MOST_STEP] for one in activity.plan_steps),
            "artifacts": tuple(redactor.text(one)[:MOST_NAME] for one in activity.artifacts),
        }
    )


def in_order(activities: Iterable[Activity]) -> list[Activity]:
    """Return activities oldest first, those of one moment as they came.

    One without a time stays behind the one that it came after: Jules lists them in order.
    """
    at, placed = _NO_TIME, list[tuple[datetime, Activity]]()
    for one in activities:
        at = one.at or at
        placed.append((at, one))
    return [one for _, one in sorted(placed, key=lambda pair: pair[0])]

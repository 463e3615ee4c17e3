"""Reading on in a session's activities: what was given before is never lost and never doubled.

Jules' own filter is exclusive, so an activity of the same instant as the last one seen would be
lost (facts/jules-api.md 1.3). So a little is read again, and known by its id.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcp_server.errors import BadArgument
from mcp_server.models import Activity, utc

# How far behind the newest time given an activity may still turn up and be seen.
OVERLAP = timedelta(seconds=5)
# Of 13 characters each: what an argument takes (`tools/jules_arguments.py`), and an answer carries.
MOST_SEEN = 5_000
_FORM = re.compile(r"(?P<at>[0-9T:+.-]{19,40})~(?P<seen>[0-9a-f]{12}(?:,[0-9a-f]{12})*)")


@dataclass(frozen=True)
class Cursor:
    """Where reading goes on: the newest time given, and who was given within `OVERLAP` of it."""

    at: datetime | None = None
    seen: tuple[tuple[datetime | None, str], ...] = field(default=())

    @property
    def since(self) -> datetime | None:
        """What to ask for, exclusive; None: from the beginning, before which Jules was not."""
        return None if self.at is None or self.at.year < 2000 else self.at - OVERLAP

    def fresh(self, listed: Iterable[Activity]) -> tuple[Activity, ...]:
        """Return those of a listing from `since` on that were not given yet, each once."""
        known = {short for _, short in self.seen}
        new: dict[str, Activity] = {}
        for one in listed:
            if _short(one.id) not in known:
                new.setdefault(one.id, one)
        return tuple(new.values())

    def past(self, given: Iterable[Activity]) -> "Cursor":
        """Return the cursor after these were given too."""
        added = tuple((one.at, _short(one.id)) for one in given)
        newest = self.at
        for at, _ in added:
            newest = at if newest is None or (at is not None and at > newest) else newest
        if newest is None:
            return Cursor(None, (*self.seen, *added))
        # The difference of two times is always a span; a span before a time may be before all time.
        young = [(at, one) for at, one in (*self.seen, *added) if not at or newest - at < OVERLAP]
        kept = {short: at for at, short in young}
        return Cursor(newest, tuple((at, short) for short, at in kept.items()))

    def text(self) -> str | None:
        """Return it for a tool's argument; None at the beginning, where nothing was given.

        None, too, where more than `MOST_SEEN` were given within `OVERLAP`: it would be too long.
        """
        if self.at is None or not 0 < len(self.seen) <= MOST_SEEN:
            return None
        return f"{self.at.isoformat()}~{','.join(short for _, short in self.seen)}"

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what `text` wrote; raises `BadArgument`."""
        found = _FORM.fullmatch(text.strip())
        try:
            at = utc(found["at"]) if found else None
        except ValueError:
            at = None
        if found is None or at is None or at.tzinfo is None:
            raise BadArgument(
                f"{text[:60]!r} is no cursor: give next_cursor or resume_cursor as an answer of "
                "jules_list_activities gave it, or leave it out"
            )
        # Each is kept for as long as the newest time is: it lies within OVERLAP of it.
        return cls(at, tuple((at, short) for short in found["seen"].split(",")))


def _short(activity_id: str) -> str:
    return hashlib.sha256(activity_id.encode()).hexdigest()[:12]

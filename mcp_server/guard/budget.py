"""The arithmetic of the allowance: pure, and the only place where limits are compared.

Invariants I1, I5 and I7 of facts/safety.md 1.3 live here: the count is the size of one set, an
open ticket never ages out of it, and `now` is the `Date` of a Jules listing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcp_server.errors import Refused
from mcp_server.models import TREND_LANES, Lane, Release

WINDOW = timedelta(hours=24)
# A session stays counted five minutes longer than Jules counts it (DESIGN.md section 5).
MARGIN = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Upper bounds, all per rolling window unless the name says otherwise."""

    sessions: int = 100
    concurrent: int = 15
    parallel_creates: int = 3
    repositories: int = 10
    trend_sessions: int = 15
    repair_reserve: int = 5
    manual_sessions: int = 10
    repository_share: float = 0.2
    messages_per_session: int = 10
    writes_per_minute: int = 60
    writes_per_hour: int = 400

    @classmethod
    def for_allowance(cls, sessions: int) -> "Limits":
        """Return the defaults, the lane limits scaled down for an allowance below 100."""
        share = min(1.0, sessions / 100)
        return cls(
            sessions=sessions,
            repositories=math.ceil(10 * share),
            trend_sessions=math.ceil(15 * share),
            repair_reserve=math.floor(5 * share),
            manual_sessions=math.ceil(10 * share),
        )

    @property
    def per_repository(self) -> int:
        """Most sessions on one repository in a window: at least one."""
        return max(1, math.ceil(self.sessions * self.repository_share))


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One counted unit: a session in the window, or an open ticket (`at` None: no age)."""

    at: datetime | None
    lane: Lane | None
    repo: str | None
    ours: bool


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Where Jules itself refused a start as beyond its quota: how many counted and ran then.

    Its word is the same for the day's quota and for too many at once (facts/jules-api.md 5.3), so
    a start is tried again when fewer count, or fewer run, than did then.
    """

    sessions: int
    running: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What counts against the limits at one moment."""

    now: datetime
    units: Sequence[Unit]
    running: int
    creates_in_flight: int
    repositories: int
    repositories_today: int
    held: int = field(default=0)
    ceiling: Ceiling | None = None

    @property
    def refused_by_jules(self) -> bool:
        """Whether one more start would meet the refusal that was met before."""
        top = self.ceiling
        return top is not None and self.count >= top.sessions and self.running >= top.running

    @property
    def count(self) -> int:
        """Units that stand in the window."""
        return len(self.units)

    def by_lane(self) -> Mapping[str, int]:
        """Our units by lane, `external` for everybody else's."""
        lanes: dict[str, int] = {}
        for unit in self.units:
            lane = unit.lane or "external"
            lanes[lane] = lanes.get(lane, 0) + 1
        return lanes


def window_start(now: datetime) -> datetime:
    """Return the moment after which a session's `createTime` still counts."""
    return now - WINDOW - MARGIN


def lane_limits(limits: Limits) -> dict[str, int]:
    """Return the ceiling of each lane; `repair` may use whatever the window has."""
    return {
        "create": limits.trend_sessions,
        "update": limits.trend_sessions,
        "optimize": limits.sessions - limits.repair_reserve,
        "repair": limits.sessions,
        "manual": limits.manual_sessions,
    }


def check_session(limits: Limits, usage: Usage, *, lane: Lane, repo: str | None) -> None:
    """Raise `Refused` naming the first limit that one more session would break."""
    _check_ceiling(usage)
    lanes = usage.by_lane()
    trends = sum(lanes.get(name, 0) for name in TREND_LANES)
    planned = sum(number for name, number in lanes.items() if name not in ("repair", "external"))
    on_repo = sum(1 for unit in usage.units if unit.ours and repo and _same(unit.repo, repo))
    table: tuple[tuple[str, bool, int, int], ...] = (
        ("sessions", True, usage.count, limits.sessions),
        ("concurrent", True, usage.running, limits.concurrent),
        ("parallel_creates", True, usage.creates_in_flight, limits.parallel_creates),
        ("trend_sessions", lane in TREND_LANES, trends, limits.trend_sessions),
        ("repair_reserve", lane != "repair", planned, limits.sessions - limits.repair_reserve),
        ("manual_sessions", lane == "manual", lanes.get("manual", 0), limits.manual_sessions),
        ("per_repository", repo is not None, on_repo, limits.per_repository),
    )
    for name, applies, used, most in table:
        if applies and used >= most:
            later = next_release(usage) if name not in ("concurrent", "parallel_creates") else None
            when = f"; a unit falls free at {later:%Y-%m-%d %H:%M:%S} UTC" if later else ""
            raise Refused(
                f"{name}: {used} of {most} used, no session for lane {lane}{when}",
                limit=name,
                retry_at=later.isoformat() if later else None,
            )


def _same(one: str | None, other: str) -> bool:
    """Whether two names are of one repository: GitHub keeps their case and does not look at it."""
    return one is not None and one.casefold() == other.casefold()


def _check_ceiling(usage: Usage) -> None:
    top = usage.ceiling
    if top is not None and usage.refused_by_jules:
        later = min(next_release(usage) or top.at + WINDOW, top.at + WINDOW)
        raise Refused(
            f"jules_quota: Jules refused a start at {top.at:%Y-%m-%d %H:%M:%S} UTC, when "
            f"{top.sessions} counted and {top.running} ran; no start until fewer do, or for 24 h. "
            "If it was no quota but a source without Jules' GitHub app, budget_resume forgets it",
            limit="jules_quota",
            retry_at=later.isoformat(),
        )


def check_repository(limits: Limits, usage: Usage) -> None:
    """Raise `Refused` when one more repository would break either daily limit."""
    for name, used in (
        ("repositories", usage.repositories),
        ("repositories_utc_day", usage.repositories_today),
    ):
        if used >= limits.repositories:
            raise Refused(f"{name}: {used} of {limits.repositories} created", limit=name)


def releases(usage: Usage) -> tuple[Release, ...]:
    """Return when counted sessions leave the window, soonest first, same minute merged."""
    moments: dict[datetime, int] = {}
    for unit in usage.units:
        if unit.at is not None:
            # Rounded up: the schedule promises a unit never earlier than the count gives it.
            free = (unit.at + WINDOW + MARGIN).replace(second=0, microsecond=0)
            free += timedelta(minutes=1)
            moments[free] = moments.get(free, 0) + 1
    return tuple(Release(at=at, units=units) for at, units in sorted(moments.items()))


def next_release(usage: Usage) -> datetime | None:
    """Return the soonest moment at which a unit falls free; None when none will by itself."""
    schedule = releases(usage)
    return schedule[0].at if schedule else None

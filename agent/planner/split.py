"""How many units the day has, and how they are shared between trends, care and repair.

Arithmetic only: which ideas and repositories get them is decided by `rules` and `optimize`.
"""

from datetime import datetime, timedelta

from pydantic import Field

from mcp_server.models import Budget, Value

_FULL_ALLOWANCE = 100


class PlanningSettings(Value):
    """What the user prefers. The four numbers are for an allowance of 100; see `scaled`."""

    owner: str
    """Account that new repositories are proposed for."""
    trend_sessions_min: int = Field(default=10, ge=0)
    """The aim: reported when missed, never forced."""
    trend_sessions_max: int = Field(default=15, ge=0)
    repositories_per_day: int = Field(default=10, ge=0)
    """Aim and cap of new repositories."""
    repair_reserve: int = Field(default=5, ge=0)
    """Units planned for nothing, so that broken work can be mended."""
    per_repository_share: float = Field(default=0.2, gt=0, le=1)
    """Most of the allowance that one repository gets in a day; at least one unit."""
    never_touch: tuple[str, ...] = ()
    """Repositories, as `owner/name` or bare name, that get no session."""

    def touches(self, repo: str) -> bool:
        """Whether sessions may be spent on a repository, ignoring case as GitHub does."""
        names = {name.casefold() for name in self.never_touch}
        return names.isdisjoint((repo.casefold(), repo.casefold().split("/")[-1]))


class Split(Value):
    """Units by purpose; they add up to `startable`."""

    startable: int
    creates: int
    updates: int
    optimizations: int
    repair_reserve: int
    unused: int
    notes: tuple[str, ...] = ()


def scaled(settings: PlanningSettings, allowance: int) -> PlanningSettings:
    """Shrink the four numbers in proportion to an allowance below 100; a larger one keeps them.

    Aims and caps round up, so that a small allowance still gets its trends; the reserve down.
    """
    if allowance >= _FULL_ALLOWANCE:
        return settings

    def part(number: int) -> int:
        return -(-number * allowance // _FULL_ALLOWANCE)

    return settings.model_copy(
        update={
            "trend_sessions_min": part(settings.trend_sessions_min),
            "trend_sessions_max": part(settings.trend_sessions_max),
            "repositories_per_day": part(settings.repositories_per_day),
            "repair_reserve": settings.repair_reserve * allowance // _FULL_ALLOWANCE,
        }
    )


def startable(budget: Budget, *, now: datetime, last_useful_start: datetime) -> int:
    """Count the units that can be started from `now` until `last_useful_start`, both included.

    What is free now plus what leaves the window until then, never above the limit; 0 when paused,
    or when a new ledger settles only later.
    """
    if budget.paused is not None or last_useful_start < _opens(budget, now):
        return 0
    # More in the window than the limit (sessions of other tools) is paid off by releases first.
    free = min(budget.remaining, budget.limit - budget.spent - budget.held - budget.external)
    due = sum(release.units for release in budget.releases if release.at <= last_useful_start)
    return max(0, min(budget.limit, free + due))


def too_short(budget: Budget, *, now: datetime, last_useful_start: datetime) -> str | None:
    """Say by how much the run ends too soon to start what is free; None: nothing is lost by it."""
    opens = _opens(budget, now)
    if budget.paused is not None or budget.remaining <= 0 or last_useful_start >= opens:
        return None
    why = "" if opens == now else f"; a new ledger starts nothing before {opens:%H:%M} UTC"
    missing = -(-(opens - last_useful_start) // timedelta(minutes=1))
    return (
        f"{budget.remaining} sessions are free, and this run is {missing} minutes too short for "
        f"one to finish{why}: give --until more"
    )


def _opens(budget: Budget, now: datetime) -> datetime:
    """Return when sessions may start at the soonest."""
    return max(now, budget.settles_at or now)


def split(
    startable: int,
    wanted_creates: int,
    wanted_updates: int,
    wanted_optimizations: int,
    settings: PlanningSettings,
) -> Split:
    """Share units: the repair reserve first, then creations, updates, and care with the rest.

    Trend units that no idea wants flow to care. `settings` are taken as they are: scale them
    before. An aim that is missed is said in the notes.
    """
    reserve = min(settings.repair_reserve, startable)
    free = startable - reserve
    trends = min(settings.trend_sessions_max, free)
    creates = min(wanted_creates, settings.repositories_per_day, trends)
    updates = min(wanted_updates, trends - creates)
    optimizations = min(wanted_optimizations, free - creates - updates)
    unused = free - creates - updates - optimizations
    return Split(
        startable=startable,
        creates=creates,
        updates=updates,
        optimizations=optimizations,
        repair_reserve=reserve,
        unused=unused,
        notes=_notes(
            creates=creates,
            trends=creates + updates,
            unused=unused,
            room=free,
            settings=settings,
        ),
    )


def _notes(
    *, creates: int, trends: int, unused: int, room: int, settings: PlanningSettings
) -> tuple[str, ...]:
    """Say which aims are missed, and for want of what."""
    why = "too few units" if room < settings.trend_sessions_min else "too few ideas deserve it"
    notes: list[str] = []
    if trends < settings.trend_sessions_min:
        notes.append(f"aim missed: {trends} of {settings.trend_sessions_min} trend sessions, {why}")
    if creates < settings.repositories_per_day:
        notes.append(
            f"aim missed: {creates} of {settings.repositories_per_day} new repositories, {why}"
        )
    if unused:
        notes.append(f"{unused} units unused: no repository needs more care today")
    return tuple(notes)

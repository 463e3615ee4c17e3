"""The report of a day: what was spent and why, what came of it, what needs a person.

Field names are a promise (INTERFACE.md). Every number can be derived again from the ledger.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from agent.lifecycle import Progress
from agent.planner.plan import JudgedIdea, Plan
from agent.report.checklist import ReviewLine, reviews
from mcp_server.models import (
    LANES,
    Budget,
    Discovery,
    Event,
    IdeaKind,
    Lane,
    Provenance,
    SourceStatus,
    Value,
    Verdict,
)


class Run(Value):
    """Which run this was."""

    id: str
    date: str
    world: str
    seed: int | None
    started_at: AwareDatetime
    ended_at: AwareDatetime
    exit: int
    resumed: bool


class Allowance(Value):
    """What was spent."""

    limit: int
    window_hours: int
    spent: int
    held: int
    released: int
    external: int
    remaining: int
    by_lane: dict[str, int]
    chain_events: int | None = None  # None in reports from before it was kept
    chain_head: str


class Planner(Value):
    """Who decided."""

    kind: str
    model: str | None
    fallbacks: tuple[str, ...]
    tokens: int
    prompts: tuple[str, ...]


class IdeaLine(Value):
    """An idea and its verdict."""

    title: str
    kind: IdeaKind
    score: float
    verdict: Verdict
    repo: str | None
    reason: str
    provenance: tuple[Provenance, ...]


class TaskLine(Value):
    """A task and its end."""

    id: str
    lane: Lane
    repo: str
    title: str
    state: str
    reason: str
    sessions: tuple[str, ...]
    pull_request: str | None
    merged_sha: str | None
    sessions_spent: int


class Touched(Value):
    """Repositories by what happened to them."""

    created: tuple[str, ...]
    updated: tuple[str, ...]
    optimized: tuple[str, ...]


class Report(Value):
    """The whole day."""

    run: Run
    allowance: Allowance
    planner: Planner
    sources: tuple[SourceStatus, ...]
    ideas: tuple[IdeaLine, ...]
    tasks: tuple[TaskLine, ...]
    repositories: Touched
    needs_you: tuple[str, ...]
    review_before_public: tuple[ReviewLine, ...]
    archived: tuple[str, ...]
    errors: tuple[str, ...]
    notes: tuple[str, ...]
    requests: dict[str, int]


_UNREACHED = "Jules does not reach it: give its GitHub app this repository"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a run ends with, besides its plan."""

    world: str
    seed: int | None
    started_at: datetime
    ended_at: datetime
    exit: int
    resumed: bool
    budget: Budget
    tasks: Sequence[Progress]
    archived: Sequence[str]
    errors: Sequence[str]
    alarms: Sequence[str]
    waiting: Sequence[str]
    red_bases: Sequence[str]


def build_report(plan: Plan, discovery: Discovery, ending: Ending) -> Report:
    """Put the day together; pure."""
    tasks = tuple(_task_line(one) for one in ending.tasks)
    made = [one for one in ending.tasks if one.repository_made_at is not None]
    return Report(
        run=Run(
            id=f"{plan.date}-{ending.started_at:%H%M%S}",
            date=plan.date,
            world=ending.world,
            seed=ending.seed,
            started_at=ending.started_at,
            ended_at=ending.ended_at,
            exit=ending.exit,
            resumed=ending.resumed,
        ),
        allowance=_allowance(ending.budget),
        planner=Planner(
            kind="rules",
            model=None,
            fallbacks=(),
            tokens=0,
            prompts=tuple(sorted({one.task.prompt for one in ending.tasks if one.sessions})),
        ),
        sources=discovery.sources,
        ideas=tuple(_idea_line(judged) for judged in plan.ideas),
        tasks=tasks,
        repositories=Touched(
            created=tuple(sorted(one.task.repo for one in made)),
            updated=_merged_in(ending.tasks, "update"),
            optimized=_merged_in(ending.tasks, "optimize"),
        ),
        needs_you=(
            *ending.alarms,
            *ending.red_bases,
            *(f"{one.task.repo}: {one.reason}" for one in ending.tasks if _needs_a_person(one)),
            *(f"{one.task.repo}: {_UNREACHED}" for one in ending.tasks if one.repoless),
            *ending.waiting,
            *_doubts(ending.budget.held),
            *_stopped(ending.budget.paused),
        ),
        review_before_public=reviews(ending.tasks),
        archived=tuple(ending.archived),
        errors=tuple(ending.errors),
        notes=(*plan.notes, *_left(ending.tasks), *_unheard_of(ending.budget.unknown)),
        requests=ending.budget.requests,
    )


def alarm_lines(events: Iterable[Event], *, since: datetime) -> list[str]:
    """Return a line for every alarm of the ledger since that moment, with what it is about."""
    return [
        f"{event.data['what']}: {_about(event)}; see agent audit"
        for event in events
        if event.kind == "alarm" and event.at >= since
    ]


def _about(event: Event) -> str:
    subjects = [f"{name} {value}" for name, value in event.data.items() if name != "what" and value]
    return ", ".join(subjects) or f"event {event.seq}"


def _needs_a_person(progress: Progress) -> bool:
    """Parked, or failed and leaving a pull request that nobody else will look at."""
    return progress.status == "parked" or (
        progress.status == "failed" and progress.pull_url is not None
    )


def _stopped(paused: str | None) -> tuple[str, ...]:
    return (f"the allowance is paused ({paused}): agent resume lets it go on",) if paused else ()


def _left(tasks: Sequence[Progress]) -> tuple[str, ...]:
    """Return a line for every session that was not archived although its task has its end."""
    return tuple(
        f"session {one.session_id} of {one.task.repo} is not archived: {one.left}"
        for one in tasks
        if one.left and one.session_id is not None
    )


def _unheard_of(words: Sequence[str]) -> tuple[str, ...]:
    if not words:
        return ()
    return (
        f"Jules said what nobody here knows: {', '.join(words)}; its meaning was not guessed: "
        "look for a newer version",
    )


def _doubts(held: int) -> tuple[str, ...]:
    if not held:
        return ()
    starts = (
        "1 start is in doubt and keeps its unit"
        if held == 1
        else (f"{held} starts are in doubt and keep their units")
    )
    return (f"{starts} until a listing settles it",)


def _allowance(budget: Budget) -> Allowance:
    return Allowance(
        limit=budget.limit,
        window_hours=budget.window_hours,
        spent=budget.spent,
        held=budget.held,
        released=budget.released,
        external=budget.external,
        remaining=budget.remaining,
        by_lane={lane: budget.by_lane.get(lane, 0) for lane in LANES},
        chain_events=budget.ledger_events,
        chain_head=budget.chain_head,
    )


def _task_line(progress: Progress) -> TaskLine:
    return TaskLine(
        id=progress.task.key,
        lane=progress.task.lane,
        repo=progress.task.repo,
        title=progress.task.title,
        state=progress.status if progress.ended else "running",
        reason=progress.reason,
        sessions=progress.sessions,
        pull_request=progress.pull_url,
        merged_sha=progress.merged_sha,
        sessions_spent=len(progress.sessions),
    )


def _idea_line(judged: JudgedIdea) -> IdeaLine:
    return IdeaLine(
        title=judged.idea.title,
        kind=judged.idea.kind,
        score=judged.idea.score,
        verdict=judged.verdict,
        repo=judged.repo,
        reason=judged.reason,
        provenance=judged.idea.provenance,
    )


def _merged_in(tasks: Sequence[Progress], lane: str) -> tuple[str, ...]:
    merged = {one.task.repo for one in tasks if one.status == "merged" and one.task.lane == lane}
    return tuple(sorted(merged))

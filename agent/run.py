"""The day: survey → discover → plan → execute → report."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from agent.answers import with_answers
from agent.base_watch import watch_bases
from agent.ci_first import merge_ci, offer_ci, waiting
from agent.discover import discover
from agent.execute import Execution, Limits, Outcome
from agent.exit_codes import CUT_OFF, exit_code
from agent.interruption import Interrupted, was_interrupted
from agent.lifecycle import Policy, Progress
from agent.planner.plan import Plan, PlanningSettings, build_plan
from agent.planner.reviewed import check_tasks
from agent.report.model import Ending, Report, alarm_lines, build_report
from agent.resume import without_unfinished
from agent.state import Day, State
from agent.survey import Survey, list_repositories, read_begun, survey
from agent.tidy import tidy
from agent.tools import ToolFailed, Tools
from mcp_server.clock import Clock
from mcp_server.errors import BadArgument
from mcp_server.models import Budget, Discovery, Event, Events, Lane

PATIENCE = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10))
# A session works up to half an hour and its checks, a repair and the merge take as long again
# (facts/jules-api.md 2.1): what is started later than this before the end cannot finish.
USEFUL_TIME = timedelta(minutes=75)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a run works with; `seed` is None outside the sandbox."""

    tools: Tools
    clock: Clock
    state: State
    world: str
    seed: int | None
    never_touch: tuple[str, ...]
    archive_others: bool = False
    say: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What this run is asked for."""

    until: timedelta = timedelta(minutes=340)
    only: frozenset[Lane] | None = None
    dry_run: bool = False
    plan: Plan | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """A finished run: its report, its plan, and the ledger's events."""

    report: Report
    plan: Plan
    events: tuple[Event, ...]


async def run_day(context: Context, options: Options) -> Result:
    """Bring today home, resuming it if it was begun; the report says how it went.

    Interrupted while tasks are carried out, it starts nothing more and reports what there is.
    """
    started_at = context.clock.now()
    limits = Limits(
        last_useful_start=started_at + options.until - USEFUL_TIME,
        deadline=started_at + options.until,
    )
    date = f"{started_at.astimezone(UTC):%Y-%m-%d}"
    kept = context.state.day(date)
    _check_plan(options.plan, date, kept)
    day = kept or await _begin(context, options, date, limits)
    doubts: tuple[str, ...] = ()
    interrupted = False
    if options.dry_run:
        outcome = _rehearse(day, options)
    else:
        doubts = await _take_up(context, date)
        outcome, interrupted = await _execute(context, options, day.plan, limits)
    budget = await _budget(context, interrupted=interrupted)
    events = await _events(context.tools)
    # A spare that was not needed is nobody's concern.
    tasks = [one for one in outcome.tasks if not one.task.spare or one.asked_to_start]
    alarms = alarm_lines(events, since=started_at - timedelta(days=1))
    ending = Ending(
        world=context.world,
        seed=context.seed,
        started_at=started_at,
        ended_at=context.clock.now(),
        exit=CUT_OFF
        if interrupted
        else exit_code(
            tasks,
            unstarted=outcome.unstarted,
            free=budget.remaining,
            startable=day.plan.split.startable,
        ),
        resumed=kept is not None,
        budget=budget,
        tasks=tasks,
        archived=outcome.archived,
        errors=outcome.errors,
        alarms=[*alarms, *doubts],
        waiting=outcome.waiting,
        red_bases=outcome.red_bases,
    )
    report = with_answers(build_report(day.plan, day.discovery, ending), context.state)
    if not options.dry_run:
        context.state.save_report(report)
    return Result(report=report, plan=day.plan, events=events)


async def make_plan(context: Context, date: str, last_useful_start: datetime) -> Day:
    """Survey, discover and decide; changes nothing outside."""
    context.say("survey: reading the account")
    found = await patiently(context, lambda: survey(context.tools))
    begun = await patiently(context, lambda: read_begun(context.tools, context.clock.now()))
    context.say(
        f"survey: {len(found.repositories)} repositories, {found.budget.remaining} of "
        f"{found.budget.limit} sessions free now"
    )
    discovered = await patiently(context, lambda: discover(context.tools))
    for source in discovered.discovery.sources:
        context.say(f"discover: {source.name}: {source.status}, {source.signals} signals")
    plan = build_plan(
        date=date,
        now=context.clock.now(),
        budget=found.budget,
        last_useful_start=last_useful_start,
        discovery=discovered.discovery,
        matches=discovered.matches,
        health=[without_unfinished(one, begun) for one in found.health],
        repositories=found.repositories,
        settings=_planning(context, found),
        rejected=context.state.rejections(),
        decided=context.state.decided_before(date),
    )
    context.say(f"plan: {len(plan.tasks)} tasks for {plan.split.startable} startable sessions")
    return Day(plan=plan, discovery=discovered.discovery, started_at=context.clock.now())


async def patiently(context: Context, work: Callable[[], Awaitable[T]]) -> T:
    """Do one phase's reading; a service that fails for a few minutes does not end the day."""
    for waited in PATIENCE:
        try:
            return await work()
        except ToolFailed as error:
            if error.code not in ("unavailable", "unreadable"):
                raise
            context.say(f"{error}; once more in {waited}")
            await context.clock.sleep_until(context.clock.now() + waited)
    return await work()


async def _begin(context: Context, options: Options, date: str, limits: Limits) -> Day:
    """Survey, discover and plan, or take the plan that was given; a dry run keeps neither."""
    if options.plan is not None:
        check_tasks(options.plan, *await list_repositories(context.tools))
        nothing = Discovery(ideas=(), sources=())
        day = Day(plan=options.plan, discovery=nothing, started_at=context.clock.now())
    else:
        day = await make_plan(context, date, limits.last_useful_start)
    if options.dry_run or not day.plan.tasks:
        return day  # an empty plan is none: a later run of the day may find more to do
    return context.state.begin(day)


async def _take_up(context: Context, date: str) -> tuple[str, ...]:
    """Make tasks of what was begun and no plan here names; returns what a person has to look at."""
    begun = await patiently(context, lambda: read_begun(context.tools, context.clock.now()))
    for one in context.state.adopt(date, begun.tasks):
        context.say(f"taken up: {one.task.repo}: {one.task.title}")
    return tuple(one.text for one in begun.doubts if context.state.task(one.key) is None)


async def _execute(
    context: Context, options: Options, plan: Plan, limits: Limits
) -> tuple[Outcome, bool]:
    """Offer CI, carry the tasks out; returns how, and whether that was interrupted."""
    execution = Execution(
        tools=context.tools,
        clock=context.clock,
        state=context.state,
        limits=limits,
        say=context.say,
        policy=Policy(),
    )
    earlier = context.state.unfinished_before(plan.date)
    todays = [one for one in context.state.tasks(plan.date) if _is_asked_for(one, options)]
    taken_up = (*earlier, *todays)
    working = asyncio.current_task()
    try:
        offers = await offer_ci(context.tools, plan.without_ci, context.say)
        outcome = await execution.run(taken_up)
        left = await merge_ci(
            context.tools, context.clock, offers, say=context.say, until=limits.deadline
        )
        outcome = await _tidied(context, replace(outcome, waiting=waiting(left)))
        return await _with_bases(context, outcome, limits.deadline), False
    except asyncio.CancelledError:
        if working is None or not was_interrupted():
            raise
        working.uncancel()
    context.say(str(Interrupted()))
    return _so_far(context.state, taken_up), True


async def _tidied(context: Context, outcome: Outcome) -> Outcome:
    """Archive what others have finished as well, where that was set."""
    if not context.archive_others:
        return outcome
    also = await patiently(context, lambda: tidy(context.tools, context.state, others=True))
    return replace(outcome, archived=(*outcome.archived, *also.archived))


async def _with_bases(context: Context, outcome: Outcome, deadline: datetime) -> Outcome:
    """Look whether the bases held; that they could not be read is said, and ends nothing."""
    try:
        red = await watch_bases(context.tools, context.clock, outcome.tasks, deadline)
    except ToolFailed as error:
        return replace(outcome, errors=(*outcome.errors, f"bases after the merges: {error}"))
    return replace(outcome, red_bases=red)


def _so_far(state: State, taken_up: Sequence[Progress]) -> Outcome:
    """Read what was done until an interruption; what was not begun stays planned in the state."""
    tasks: list[Progress] = []
    archived: list[str] = []
    for before in taken_up:
        kept = state.task(before.task.key) or before
        if kept.archived and not before.archived:
            archived.append(kept.session_id or "")
        begun = kept.ended or kept.asked_to_start or kept.repository_made_at is not None
        unbegun = {"status": "skipped", "reason": "interrupted before it was started"}
        tasks.append(kept if begun else kept.model_copy(update=unbegun))
    return Outcome(tasks=tuple(tasks), archived=tuple(archived), errors=(str(Interrupted()),))


async def _budget(context: Context, *, interrupted: bool) -> Budget:
    """Read the allowance for the report; after an interruption at once or not at all."""
    if not interrupted:
        return await patiently(context, lambda: context.tools.call("budget_status", Budget))
    try:
        return await context.tools.call("budget_status", Budget)
    except ToolFailed as error:
        raise Interrupted from error


def _check_plan(plan: Plan | None, date: str, day: Day | None) -> None:
    """Refuse a reviewed plan that would not be what is carried out."""
    if plan is None:
        return
    if plan.date != date:
        raise BadArgument(f"this plan is for {plan.date}, today is {date}: plan and review anew")
    if day is not None and day.plan != plan:
        raise BadArgument(f"{date} was begun with another plan: it is finished without --plan")


def _is_asked_for(progress: Progress, options: Options) -> bool:
    """Whether this run takes the task up: of its lanes, or already begun."""
    return options.only is None or progress.task.lane in options.only or progress.asked_to_start


def _planning(context: Context, found: Survey) -> PlanningSettings:
    return PlanningSettings(owner=found.owner, never_touch=context.never_touch)


def _rehearse(day: Day, options: Options) -> Outcome:
    """Say of each task that would be started that it would."""
    planned = [Progress(task=task) for task in day.plan.tasks]
    return Outcome(
        tasks=tuple(
            one.model_copy(
                update={"status": "skipped", "reason": f"dry run: would start on {one.task.repo}"}
            )
            for one in planned
            if _is_asked_for(one, options)
        )
    )


async def _events(tools: Tools) -> tuple[Event, ...]:
    found: list[Event] = []
    cursor: str | None = None
    while True:
        page = await tools.call("audit_events", Events, cursor=cursor)
        found += page.events
        cursor = page.next_cursor
        if cursor is None:
            return tuple(found)

"""How things stand now: the tasks of the last day with the allowance, and all about one task."""

from pydantic import AwareDatetime

from agent.act import number_of
from agent.answers import known_task
from agent.lifecycle import Progress
from agent.state import State
from agent.tools import Tools, failure_of, text_of
from mcp_server.models import Budget, Event, Events, Lane, Value


class TaskStanding(Value):
    """A task now; `waits_for` is empty once it has its end, `since` is when that wait began."""

    id: str
    lane: Lane
    repo: str
    title: str
    state: str
    reason: str
    attempt: int
    spare: bool
    session: str | None
    pull_request: str | None
    waits_for: str
    since: AwareDatetime | None


class Standing(Value):
    """The last day that was begun, with what earlier days left unfinished, and the allowance."""

    date: str | None
    tasks: tuple[TaskStanding, ...]
    allowance: Budget
    allowance_text: str


class TaskHistory(Value):
    """A task with all that was done about it, and what the ledger says of it."""

    progress: Progress
    events: tuple[Event, ...]


async def read_standing(tools: Tools, state: State) -> Standing:
    """Read state and allowance; changes nothing."""
    date = state.last_date()
    tasks = (*state.unfinished_before(date), *state.tasks(date)) if date else ()
    result = await tools.raw("budget_status", {})
    if result.is_error:
        raise failure_of("budget_status", result)
    return Standing(
        date=date,
        tasks=tuple(_standing(one) for one in tasks),
        allowance=Budget.model_validate(result.structured_content),
        allowance_text=text_of(result),
    )


async def read_history(tools: Tools, state: State, key: str) -> TaskHistory:
    """Read all about one task; raises `NotFound`."""
    progress = known_task(state, key)
    subjects = [key]
    if progress.pull_url:
        subjects.append(f"{progress.task.repo}#{number_of(progress.pull_url)}")
    events = {
        event.seq: event
        for subject in subjects
        for event in (await read_events(tools, task=subject)).events
    }
    return TaskHistory(progress=progress, events=tuple(events[seq] for seq in sorted(events)))


async def read_events(tools: Tools, *, task: str | None = None, verify: bool = False) -> Events:
    """Return all pages of the ledger's events as one; what verifying found is the first's."""
    first = page = await tools.call("audit_events", Events, task=task, verify=verify or None)
    found = list(page.events)
    while page.next_cursor is not None:
        page = await tools.call("audit_events", Events, task=task, cursor=page.next_cursor)
        found += page.events
    return first.model_copy(update={"events": tuple(found), "next_cursor": None})


def standing_text(standing: Standing) -> str:
    """Return one line a task, then the allowance."""
    head = f"{standing.date}: {len(standing.tasks)} tasks" if standing.date else "no day was begun"
    return "\n".join([head, *map(_line, standing.tasks), f"allowance: {standing.allowance_text}"])


def history_text(history: TaskHistory) -> str:
    """Return what is known of a task, one fact a line."""
    progress = history.progress
    task = progress.task
    facts = (
        ("why", task.reason),
        ("outcome", progress.reason),
        ("attempt", str(progress.attempt)),
        ("sessions", ", ".join(progress.sessions)),
        ("pull request", progress.pull_url),
        ("merged as", progress.merged_sha),
        ("repository made", progress.repository_made_at and f"{progress.repository_made_at:%F %T}"),
        (
            "answers, nudges, fixes",
            f"{len(progress.answered)}, {progress.nudges}, {progress.fixes}",
        ),
    )
    return "\n".join(
        [
            _line(_standing(progress)),
            *(f"  {name}: {value}" for name, value in facts if value),
            *(f"  {event_line(event)}" for event in history.events),
        ]
    )


def event_line(event: Event) -> str:
    """Return an event with the words of it that a person reads."""
    said = [
        str(event.data[name])
        for name in ("kind", "key", "what", "evidence", "reason", "id")
        if event.data.get(name)
    ]
    ticket = f" {event.ticket}" if event.ticket else ""
    return f"{event.seq} {event.at:%F %T} {event.kind}{ticket} {' '.join(said)}".rstrip()


def _standing(progress: Progress) -> TaskStanding:
    waits_for = "" if progress.ended else progress.waits_for
    if progress.status == "planned" and not waits_for:
        waits_for = progress.reason or "its start by agent run"
    return TaskStanding(
        id=progress.task.key,
        lane=progress.task.lane,
        repo=progress.task.repo,
        title=progress.task.title,
        state=progress.status,
        reason=progress.reason,
        attempt=progress.attempt,
        spare=progress.task.spare,
        session=progress.session_id or (progress.sessions[-1] if progress.sessions else None),
        pull_request=progress.pull_url,
        waits_for=waits_for,
        since=None if progress.ended else progress.waits_since,
    )


def _line(task: TaskStanding) -> str:
    waits = f"waits for: {task.waits_for}" if task.waits_for else task.reason
    since = f", since {task.since:%H:%M} UTC" if task.since else ""
    parts = (
        f"session {task.session}" if task.session else "",
        task.pull_request or "",
        waits + since,
    )
    spare = " (spare)" if task.spare else ""
    told = "; ".join(part for part in parts if part)
    head = f"  {task.id} {task.state:8} {task.lane:9} {task.repo}: {task.title}{spare}"
    return f"{head}: {told}" if told else head

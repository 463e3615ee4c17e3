"""What the commands do once a world is there, and the files a run leaves."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path

from mcp_types import CallToolResult, Tool
from pydantic import ValidationError

from agent.planner.plan import Plan
from agent.report.markdown import KINDS, TOP, render
from agent.report.model import Report
from agent.report.summary import summarise
from agent.run import USEFUL_TIME, Context, Options, Result, make_plan, run_day
from agent.survey import Survey
from agent.tools import arguments_for
from agent.wiring import Wired
from mcp_server.errors import BadArgument, NotFound
from mcp_server.models import LANES, HealthReport, Lane

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run with its report in two forms."""

    report: Report
    markdown: str


def options_of(
    *, until: timedelta, only: Sequence[str] | None, dry_run: bool, plan_file: Path | None
) -> Options:
    """Check what was asked for; raises `BadArgument`."""
    lanes: set[Lane] = set()
    for name in only or ():
        if name not in LANES:
            raise BadArgument(f"--only {name!r}: the lanes are {', '.join(LANES)}")
        lanes.add(name)
    plan = _read_plan(plan_file) if plan_file else None
    return Options(until=until, only=frozenset(lanes) or None, dry_run=dry_run, plan=plan)


async def run(wired: Wired, options: Options, *, out: Path, say: Say) -> Finished:
    """Run the day and write its folder."""
    lines: list[str] = []

    def told(line: str) -> None:
        stamped = f"{wired.clock.now():%H:%M:%S} {line}"
        lines.append(stamped)
        say(stamped)

    result = await run_day(_context(wired, told), options)
    markdown = render(result.report)
    # What a rehearsal would do must not take the place of what a day did.
    name = f"{result.plan.date}-dry-run" if options.dry_run else result.plan.date
    _write(out / name, result, markdown, lines)
    return Finished(report=result.report, markdown=markdown)


async def plan(wired: Wired, until: timedelta, *, say: Say) -> Plan:
    """Plan today; nothing is started or kept."""
    now = wired.clock.now()
    date = f"{now.astimezone(UTC):%Y-%m-%d}"
    return (await make_plan(_context(wired, say), date, now + until - USEFUL_TIME)).plan


async def call(
    wired: Wired, name: str, given: Mapping[str, object], pairs: Mapping[str, str]
) -> CallToolResult:
    """Call a tool; `pairs` (key=value) win over `given`, and are read by the tool's own schema.

    Raises:
        BadArgument: the tool has no such argument; that there is no such tool is the server's to
            say.
    """
    for tool in await wired.tools.list():
        if tool.name == name:
            return await wired.tools.raw(name, arguments_for(tool, given, pairs))
    return await wired.tools.raw(name, {**given, **pairs})


async def tools(wired: Wired) -> Sequence[Tool]:
    """Return the server's tools as listed."""
    return await wired.tools.list()


async def health(wired: Wired, repo: str | None) -> HealthReport:
    """Return the scores of all repositories, or of one; raises `NotFound`."""
    found = await wired.tools.call(
        "github_repo_health", HealthReport, repos=[repo] if repo else None
    )
    if repo and not found.health:
        raise NotFound(f"{repo} is none of this account's repositories: agent health lists them")
    return found


def health_text(report: HealthReport) -> str:
    """Return one line a repository, the neediest first, and the evidence when it is one alone."""
    lines = [
        f"{one.score:3} {one.repo}: "
        + (one.left_out or f"next: {one.improvement or 'nothing worth a session'}")
        for one in report.health
    ]
    if len(report.health) == 1:
        [one] = report.health
        lines += [f"    {part} loses {lost}" for part, lost in one.parts.items() if lost]
        lines += [f"    {evidence}" for evidence in one.evidence]
    return "\n".join(lines) or "no repository"


def survey_document(found: Survey) -> dict[str, object]:
    """Return a survey as JSON values."""
    return {
        "owner": found.owner,
        "budget": found.budget.model_dump(mode="json"),
        "repositories": [one.model_dump(mode="json") for one in found.repositories],
        "health": [one.model_dump(mode="json") for one in found.health],
    }


def survey_text(found: Survey) -> str:
    """Return the account in one line, then its repositories by need."""
    private = sum(one.private for one in found.repositories)
    head = (
        f"{found.owner}: {len(found.repositories)} repositories, {private} private; "
        f"{found.budget.remaining} of {found.budget.limit} sessions free now"
    )
    return f"{head}\n{health_text(HealthReport(health=found.health))}"


def report_text(report: Report, form: str) -> str:
    """Return a report as `md` or `summary`."""
    return summarise(report) if form == "summary" else render(report)


def plan_text(plan: Plan) -> str:
    """Return a plan for reading."""
    split = plan.split
    lines = [
        f"Plan for {plan.date}: {split.startable} startable sessions: {split.creates} creations, "
        f"{split.updates} updates, {split.optimizations} optimisations, "
        f"{split.repair_reserve} kept for repair, {split.unused} unused"
    ]
    lines += [
        f"  {task.lane:9} {task.repo}: {task.title} ({task.reason})"
        + (" [spare: only if a unit is left over]" if task.spare else "")
        for task in plan.tasks
    ]
    for kind, name in KINDS:
        best = [one for one in plan.ideas if one.idea.kind == kind]
        lines += [f"{name} ({len(best)}):"] if best else []
        lines += [f"  {one.verdict:9} {one.idea.title} ({one.reason})" for one in best[:TOP]]
    return "\n".join([*lines, *(f"  note: {note}" for note in plan.notes)])


def tool_line(tool: Tool) -> str:
    """Return a tool's name with the first sentence about it."""
    first = (tool.description or "").strip().partition("\n")[0]
    return f"{tool.name:28} {first}"


def _context(wired: Wired, say: Say) -> Context:
    return Context(
        tools=wired.tools,
        clock=wired.clock,
        state=wired.state,
        world=wired.name,
        seed=wired.seed,
        never_touch=wired.never_touch,
        archive_others=wired.archive_others,
        say=say,
    )


def _read_plan(path: Path) -> Plan:
    try:
        return Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadArgument(f"--plan {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadArgument(f"--plan {path}: not a plan of ours: {where}: {first['msg']}") from error


def _log_so_far(folder: Path) -> str:
    """Return what earlier runs of the day have written."""
    try:
        return (folder / "run.log").read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _write(folder: Path, result: Result, markdown: str, lines: Sequence[str]) -> None:
    """Write the run's files, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    events = "".join(event.model_dump_json() + "\n" for event in result.events)
    report = json.dumps(result.report.model_dump(mode="json"), indent=2)
    for name, text in (
        ("report.json", report + "\n"),
        ("report.md", markdown),
        ("plan.json", result.plan.model_dump_json(indent=2) + "\n"),
        ("audit.jsonl", events),
        ("run.log", _log_so_far(folder) + "".join(f"{line}\n" for line in lines)),
    ):
        part = folder / f".{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)

"""The report as Markdown: what needs a person first. Untrusted text is made inert."""

import re
from collections.abc import Iterable, Sequence

from agent.report.model import Report, TaskLine
from mcp_server.models import IdeaKind

TOP = 5
KINDS: tuple[tuple[IdeaKind, str], ...] = (
    ("app", "Software ideas"),
    ("tool", "Tools"),
    ("extension", "Browser extensions"),
    ("pain_point", "Pain points"),
)
# Characters with which a title could become a link, an image, HTML, a table cell or a heading.
_ACTIVE = re.compile(r"([\\`*_\[\]<>|#!~&])")
# What GitHub links or notifies by itself. Entities would not do for `@`: they are decoded before
# mentions are looked for; inside a code span neither happens
# (https://github.com/dependabot/dependabot-core/pull/2982, 2026-11-22).
_LIVE = re.compile(r"((?:[a-z]*://|www\.|@)+)", re.IGNORECASE)
_PULL = re.compile(r"https://github\.com/[A-Za-z0-9-]+/[A-Za-z0-9._-]+/pull/[0-9]+")


def render(report: Report) -> str:
    """Return the report as one Markdown document."""
    run, money = report.run, report.allowance
    lanes = ", ".join(f"{lane} {units}" for lane, units in money.by_lane.items() if units)
    parts = [
        f"# Daily Factory, {run.date}",
        f"{_outcome(report.tasks)}. {money.spent} of {money.limit} sessions are ours in the last "
        f"{money.window_hours} h ({lanes or 'none'}), {money.external} of others, {money.held} in "
        f"doubt, {money.remaining} free.",
        _section("Needs you", _bullets(report.needs_you) or "Nothing."),
        _section(
            "Review before anything is published",
            _bullets(one.summary for one in report.review_before_public),
        ),
        _section("Tasks", _tasks(report.tasks)),
        _section("Trend sources", _sources(report)),
        *(_section(title, _ideas(report, kind)) for kind, title in KINDS),
        _section("Notes", _bullets(report.notes)),
        _section("Errors", _bullets(report.errors)),
        _section(
            "The run",
            f"{run.world}, {run.started_at:%Y-%m-%d %H:%M} to {run.ended_at:%H:%M} UTC, exit "
            f"{run.exit}{', resumed' if run.resumed else ''}; decided by {report.planner.kind}; "
            + ", ".join(f"{number} requests to {host}" for host, number in report.requests.items())
            + f"; ledger head `{money.chain_head[:16]}`.",
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def inert(text: str) -> str:
    """Return untrusted text as one line that is nothing but text."""
    return _LIVE.sub(r"`\1`", _ACTIVE.sub(r"\\\1", " ".join(text.split())))


def _outcome(tasks: Sequence[TaskLine]) -> str:
    states = [task.state for task in tasks]
    words = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return ", ".join(words) or "No task"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {inert(line)}" for line in lines)


def _tasks(tasks: Sequence[TaskLine]) -> str:
    if not tasks:
        return ""
    rows = [
        f"| {task.state} | {task.lane} | {inert(task.repo)} | {inert(task.title)} | "
        f"{_pull(task.pull_request or '')} | {inert(task.reason)} |"
        for task in tasks
    ]
    head = "| state | lane | repository | task | pull request | why |\n|---|---|---|---|---|---|"
    return "\n".join((head, *rows))


def _pull(url: str) -> str:
    """Jules reports the address: it is left a link only when a pull request's on GitHub."""
    return url if _PULL.fullmatch(url) else inert(url)


def _sources(report: Report) -> str:
    return "\n".join(
        f"- {source.name}: {source.status}, {source.signals} signals"
        + (f" ({inert(source.reason)})" if source.reason else "")
        for source in report.sources
    )


def _ideas(report: Report, kind: IdeaKind) -> str:
    best = [idea for idea in report.ideas if idea.kind == kind][:TOP]
    return "\n".join(
        f"- **{idea.verdict}** {inert(idea.title)}"
        + (f" → {inert(idea.repo)}" if idea.repo else "")
        + f": {inert(idea.reason)} ({', '.join(one.source for one in idea.provenance)})"
        for idea in best
    )

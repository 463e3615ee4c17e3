"""Commands about the day as the agent remembers it: what stands where, and a person's answers."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from agent.cli_world import REFUSED, Repo, WorldOptions
from agent.exit_codes import FAILURES, NOTHING_TO_DO
from mcp_server.errors import BadArgument, NotFound

if TYPE_CHECKING:
    from agent.wiring import Wired

T = TypeVar("T")
FORMS = ("md", "json", "summary")


def status(world: WorldOptions) -> None:
    """Show the tasks of today, or of the last day begun, and what each waits for."""
    from agent import standing  # the command's own imports are heavy

    found = world.within(lambda wired: standing.read_standing(wired.tools, wired.state))
    world.show(found.model_dump(mode="json"), standing.standing_text(found))


def task(
    world: WorldOptions,
    task_id: Annotated[str, typer.Argument(metavar="ID", help="As agent status shows it.")],
    answer: Annotated[
        Literal["retry", "drop"] | None,
        typer.Argument(help="retry: plan it again for the next run; drop: end it as skipped."),
    ] = None,
) -> None:
    """Show everything about one task; or plan it again, or drop it, in the agent's own state."""
    from agent import answers, standing  # the command's own imports are heavy

    if answer is None:
        found = world.within(lambda wired: standing.read_history(wired.tools, wired.state, task_id))
        world.show(found.model_dump(mode="json"), standing.history_text(found))
        return
    progress, words = world.within(
        _at_once(
            lambda wired: (
                answers.retry(wired.state, task_id, wired.clock.now())
                if answer == "retry"
                else answers.drop(wired.state, task_id)
            )
        )
    )
    world.show(progress.model_dump(mode="json"), words)


def archive(world: WorldOptions) -> None:
    """Archive every finished session of ours that nobody waits for; say why others are left."""
    from agent.tidy import tidied_text, tidy  # the command's own imports are heavy

    found = world.within(lambda wired: tidy(wired.tools, wired.state, others=wired.archive_others))
    world.show(found.model_dump(mode="json"), tidied_text(found))
    if any(one.failed for one in found.left):
        raise typer.Exit(FAILURES)
    raise typer.Exit(0 if found.archived or found.left else NOTHING_TO_DO)


def doctor(
    world: WorldOptions,
    fix: Annotated[
        bool, typer.Option("--fix", help="Switch off schedules that compete; propose their end.")
    ] = False,
) -> None:
    """Look for what is wrong: keys, scopes, reach, clock, ledger, drift, competing schedules."""
    from agent.doctor import diagnose, diagnosis_text  # the command's own imports are heavy

    found = world.within(lambda wired: diagnose(wired.tools, fix=fix))
    world.show(found.model_dump(mode="json"), diagnosis_text(found))
    raise typer.Exit(0 if found.sound else FAILURES)


def audit(
    world: WorldOptions,
    task: Annotated[
        str | None, typer.Option(help="Only events about this task, session, or owner/name#PULL.")
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Recompute chain, count and head; compare reports."),
    ] = False,
    reports: Annotated[
        list[Path] | None,
        typer.Option("--report", help="With --verify: a report.json to lay beside the record."),
    ] = None,
) -> None:
    """Show the ledger's events, oldest first."""
    from agent import standing  # the command's own imports are heavy
    from agent.audit import read_audit, read_report

    if reports and not verify:
        raise BadArgument("--report is compared by --verify: give both")
    copies = [read_report(path) for path in reports or ()]
    found = world.within(
        lambda wired: read_audit(
            wired.tools, [*wired.state.reports(), *copies], task=task, verify=verify
        )
    )
    lines = [standing.event_line(event) for event in found.events] or ["no such event"]
    checked = found.verified
    world.show(
        found.model_dump(mode="json"), "\n".join([*lines, *([checked.text] if checked else [])])
    )
    raise typer.Exit(REFUSED if checked and not checked.agrees else 0)


def report(
    world: WorldOptions,
    date: Annotated[str | None, typer.Argument(metavar="[DATE]", help="YYYY-MM-DD, UTC.")] = None,
    form: Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMS)}.")] = "md",
) -> None:
    """Show the report of a day again, from state; of the newest when no date is given."""
    from agent import commands  # the command's own imports are heavy

    if form not in FORMS:
        raise BadArgument(f"--format {form!r}: there are {', '.join(FORMS)}")
    if date is not None:
        _check_date(date)
    found = world.within(_at_once(lambda wired: wired.state.report(date)))
    if found is None:
        raise NotFound(f"no report of {date} in this state" if date else "no report in this state")
    document = json.dumps(found.model_dump(mode="json"), indent=2)
    world.show(document, document if form == "json" else commands.report_text(found, form))


def review(
    world: WorldOptions,
    repo: Repo = None,
    reviewed: Annotated[bool, typer.Option("--reviewed", help="It was looked at.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="It is not to be published.")] = False,
) -> None:
    """List new repositories nobody has looked at, or record your answer; publishes nothing."""
    from agent import answers  # the command's own imports are heavy

    if reviewed and reject:
        raise BadArgument("--reviewed and --reject are two answers: give one")
    if repo is None:
        if reviewed or reject:
            raise BadArgument("name the repository that this is the answer for")
        listed = world.within(_at_once(lambda wired: answers.waiting_reviews(wired.state)))
        lines = [answers.review_line(one) for one in listed]
        world.show(
            [one.model_dump(mode="json") for one in listed],
            "\n".join(lines) or "no new repository waits to be looked at",
        )
        return
    word = "reviewed" if reviewed else "rejected"
    found = world.within(
        _at_once(
            lambda wired: (
                answers.answer_review(wired.state, repo, word, wired.clock.now())
                if reviewed or reject
                else answers.known_review(wired.state, repo)
            )
        )
    )
    world.show(found.model_dump(mode="json"), answers.review_line(found))


def reject(
    world: WorldOptions,
    idea: Annotated[str, typer.Argument(help="Key or title of an idea of a plan.")],
) -> None:
    """Record that an idea is never proposed again."""
    from agent import answers  # the command's own imports are heavy

    found = world.within(
        _at_once(lambda wired: answers.reject_idea(wired.state, idea, wired.clock.now()))
    )
    world.show(found.model_dump(mode="json"), answers.rejection_line(found))


COMMANDS = (status, task, archive, doctor, audit, report, review, reject)


def _check_date(text: str) -> None:
    # Reports are found by this very text: the calendar's other spellings name none.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise BadArgument(f"{text!r} is no date: say YYYY-MM-DD")


def _at_once(read: Callable[["Wired"], T]) -> Callable[["Wired"], Awaitable[T]]:
    """Wrap what waits for nothing."""

    async def work(wired: "Wired") -> T:
        return read(wired)

    return work

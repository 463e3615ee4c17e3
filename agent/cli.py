"""Commands: parsing and printing only. Work is elsewhere; heavy imports wait for their command."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from agent import cli_day, cli_sandbox
from agent.cli_world import REFUSED, USAGE, Repo, WorldOptions, exit_for, say, world_command
from agent.exit_codes import CUT_OFF
from agent.interruption import Interrupted
from mcp_server.errors import (
    BadArgument,
    FactoryError,
    LedgerUnavailable,
    SettingsError,
    Unavailable,
)

LONGEST = timedelta(hours=24)
MOST_WORDS, MOST_REASON = 300, 200  # of the tools' own arguments

app = typer.Typer(
    help="Turns a daily allowance of Jules sessions into merged work, under a guard.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Until = Annotated[str, typer.Option(help="Longest time the run may take, e.g. 340m or 5h.")]


@app.command()
@world_command
def run(
    world: WorldOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan, and send nothing.")] = False,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Carry out this reviewed plan.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Only tasks of this lane; repeatable.")
    ] = None,
    until: Until = "340m",
    out: Annotated[Path, typer.Option(help="Folder for reports; DATE is added.")] = Path("out"),
) -> None:
    """Bring the whole day home: plan, start, watch, merge, archive, report."""
    from agent import commands  # the command's own imports are heavy

    options = commands.options_of(until=duration(until), only=only, dry_run=dry_run, plan_file=plan)
    _make_folder(out)
    result = world.within(lambda wired: commands.run(wired, options, out=out, say=say))
    world.show(result.report.model_dump(mode="json"), result.markdown)
    raise typer.Exit(result.report.run.exit)


@app.command()
@world_command
def plan(
    world: WorldOptions,
    until: Until = "340m",
    output: Annotated[Path | None, typer.Option("-o", help="Write the plan here.")] = None,
) -> None:
    """Survey, discover and plan; print the plan with its reasons; change nothing."""
    from agent import commands  # the command's own imports are heavy

    longest = duration(until)
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise BadArgument(f"-o {output}: that is a folder, or in a folder that is not there")
    made = world.within(lambda wired: commands.plan(wired, longest, say=say))
    document = made.model_dump_json(indent=2)
    if output is not None:
        output.write_text(document + "\n", encoding="utf-8")
    world.show(document, commands.plan_text(made))


@app.command()
@world_command
def survey(world: WorldOptions) -> None:
    """Read the account: allowance, repositories, their health."""
    from agent import commands  # the command's own imports are heavy
    from agent.survey import survey as read  # likewise

    found = world.within(lambda wired: read(wired.tools))
    world.show(commands.survey_document(found), commands.survey_text(found))


@app.command()
@world_command
def health(world: WorldOptions, repo: Repo = None) -> None:
    """Score repositories, the neediest first; one with its evidence."""
    from agent import commands  # the command's own imports are heavy

    if repo is not None:
        _check_repo(repo)
    found = world.within(lambda wired: commands.health(wired, repo))
    world.show(found.model_dump(mode="json"), commands.health_text(found))


@app.command("match")
@world_command
def match_idea(
    world: WorldOptions, text: Annotated[str, typer.Argument(help="An idea in a few words.")]
) -> None:
    """Show what an idea is near to: an update of a repository, a new one, or nothing."""
    if not 0 < len(text.strip()) <= MOST_WORDS:
        raise BadArgument(f"an idea has 1 to {MOST_WORDS} characters, this text has {len(text)}")
    world.call("trends_match", {"title": text})


@app.command()
@world_command
def trends(
    world: WorldOptions,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; repeatable.")] = None,
) -> None:
    """Read the trend sources: how each did, and the ideas, best first."""
    world.call("trends_discover", {"detail": True} | ({"sources": source} if source else {}))


@app.command()
@world_command
def budget(
    world: WorldOptions,
    what: Annotated[
        Literal["status", "reconcile"],
        typer.Argument(help="reconcile: look for what became of open tickets."),
    ] = "status",
) -> None:
    """Show the allowance and its release schedule; or settle what is in doubt."""
    world.call(f"budget_{what}")


@app.command()
@world_command
def pause(
    world: WorldOptions, reason: Annotated[str, typer.Option(help="Why; stands in the record.")]
) -> None:
    """Stop every mutation of this ledger at once, until agent resume."""
    if not 0 < len(reason.strip()) <= MOST_REASON:
        raise BadArgument(f"a reason has 1 to {MOST_REASON} characters, this one has {len(reason)}")
    world.call("budget_pause", {"reason": reason})


@app.command()
@world_command
def resume(world: WorldOptions) -> None:
    """Let mutations go again after agent pause."""
    world.call("budget_resume")


@app.command()
@world_command
def tools(world: WorldOptions) -> None:
    """List the server's tools."""
    from agent import commands  # the command's own imports are heavy

    listed = world.within(commands.tools)
    world.show(
        [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed],
        "\n".join(commands.tool_line(tool) for tool in listed),
    )


@app.command()
@world_command
def call(
    world: WorldOptions,
    tool: Annotated[str, typer.Argument(help="Name of a tool.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="key=value …")] = None,
    args: Annotated[str, typer.Option("--args", help="Arguments as one JSON object.")] = "{}",
) -> None:
    """Call one tool over real MCP."""
    world.call(tool, _json_object(args), dict(_pair(text) for text in arguments or ()))


for command in cli_day.COMMANDS:
    app.command()(world_command(command))
app.add_typer(cli_sandbox.app, name="sandbox")


def main() -> None:
    """Run a command; a mistake or a refusal is a sentence and an exit code, not a traceback."""
    try:
        app()
    except FactoryError as error:
        say(str(error))
        if isinstance(error, SettingsError):
            sys.exit(USAGE)
        if isinstance(error, Interrupted):
            sys.exit(CUT_OFF)
        gone = isinstance(error, LedgerUnavailable | Unavailable)
        sys.exit(REFUSED if gone else exit_for(error.code))


def duration(text: str) -> timedelta:
    """Read `340m`, `5h` or `90s`: more than nothing, at most 24 hours."""
    found = re.fullmatch(r"([0-9]{1,5})([smh])", text)
    units = {"s": "seconds", "m": "minutes", "h": "hours"}
    length = timedelta(**{units[found[2]]: int(found[1])}) if found else timedelta(0)
    if not timedelta(0) < length <= LONGEST:
        raise BadArgument(f"{text[:20]!r} is no time up to 24h: say 340m, 5h or 90s")
    return length


def _make_folder(path: Path) -> None:
    """Make the folder of the reports before the work, which must not be in vain."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadArgument(f"--out {path}: {error.strerror}") from error


def _check_repo(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", text):
        raise BadArgument(f"{text!r} is no repository: say owner/name")


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadArgument(f"{text!r} is not key=value")
    return key, value


def _json_object(text: str) -> dict[str, object]:
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise BadArgument(f"--args is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadArgument("--args is not a JSON object")
    return cast("dict[str, object]", found)

"""Commands: parsing and printing only. Work is elsewhere; heavy imports wait for their command."""

import json
import logging
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from mcp_server.errors import BadArgument, FactoryError, LedgerUnavailable, SettingsError

if TYPE_CHECKING:
    from agent.wiring import Wired, WorldFlags

T = TypeVar("T")
USAGE, REFUSED = 2, 7

app = typer.Typer(
    help="Turns a daily allowance of Jules sessions into merged work, under a guard.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Sandbox = Annotated[bool, typer.Option("--sandbox", help="The built-in world; needs no key.")]
Seed = Annotated[int, typer.Option(help="Seed of the sandbox world.")]
Faults = Annotated[str, typer.Option(help="Weather of the sandbox: none, weather or storm.")]
SitesDir = Annotated[
    Path | None, typer.Option("--sites", help="Recorded trend sites to serve in the sandbox.")
]
Server = Annotated[str | None, typer.Option(help="URL of a running server to talk to.")]
StateUrl = Annotated[str | None, typer.Option("--state", help="Database, sqlite:///PATH.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
LogLevel = Annotated[str, typer.Option(help="Least level of log lines on stderr.")]
Until = Annotated[str, typer.Option(help="Longest time the run may take, e.g. 340m or 5h.")]
Out = Annotated[Path, typer.Option(help="Folder for reports; DATE is added.")]
Only = Annotated[list[str] | None, typer.Option(help="Only tasks of this lane; repeatable.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", help="Carry out this reviewed plan.")]


@app.command()
def run(
    sandbox: Sandbox = False,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: SitesDir = None,
    server: Server = None,
    state: StateUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "WARNING",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Plan, and send nothing.")] = False,
    plan: PlanFile = None,
    only: Only = None,
    until: Until = "340m",
    out: Out = Path("out"),
) -> None:
    """Bring the whole day home: plan, start, watch, merge, archive, report."""
    from agent import commands  # the command's own imports are heavy

    flags = _flags(sandbox, seed, faults, sites, server, state)
    options = commands.options_of(until=duration(until), only=only, dry_run=dry_run, plan_file=plan)
    result = _within(
        flags, log_level, lambda wired: commands.run(wired, options, out=out, say=_say)
    )
    _print(result.report.model_dump(mode="json") if as_json else result.markdown)
    raise typer.Exit(result.report.run.exit)


@app.command()
def plan(
    sandbox: Sandbox = False,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: SitesDir = None,
    server: Server = None,
    state: StateUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "WARNING",
    until: Until = "340m",
    output: Annotated[Path | None, typer.Option("-o", help="Write the plan here.")] = None,
) -> None:
    """Survey, discover and plan; print the plan with its reasons; change nothing."""
    from agent import commands  # the command's own imports are heavy

    flags = _flags(sandbox, seed, faults, sites, server, state)
    made = _within(flags, log_level, lambda wired: commands.plan(wired, duration(until), say=_say))
    document = made.model_dump_json(indent=2)
    if output is not None:
        output.write_text(document + "\n", encoding="utf-8")
    _print(document if as_json else commands.plan_text(made))


@app.command()
def budget(
    sandbox: Sandbox = False,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: SitesDir = None,
    server: Server = None,
    state: StateUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "WARNING",
) -> None:
    """Show the allowance and its release schedule."""
    flags = _flags(sandbox, seed, faults, sites, server, state)
    _call(flags, log_level, "budget_status", {}, as_json=as_json)


@app.command()
def tools(
    sandbox: Sandbox = False,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: SitesDir = None,
    server: Server = None,
    state: StateUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "WARNING",
) -> None:
    """List the server's tools."""
    from agent import commands  # the command's own imports are heavy

    flags = _flags(sandbox, seed, faults, sites, server, state)
    listed = _within(flags, log_level, commands.tools)
    if as_json:
        _print([tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed])
    else:
        _print("\n".join(commands.tool_line(tool) for tool in listed))


@app.command()
def call(
    tool: Annotated[str, typer.Argument(help="Name of a tool.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="key=value …")] = None,
    args: Annotated[str, typer.Option("--args", help="Arguments as one JSON object.")] = "{}",
    sandbox: Sandbox = False,
    seed: Seed = 7,
    faults: Faults = "none",
    sites: SitesDir = None,
    server: Server = None,
    state: StateUrl = None,
    as_json: AsJson = False,
    log_level: LogLevel = "WARNING",
) -> None:
    """Call one tool over real MCP."""
    flags = _flags(sandbox, seed, faults, sites, server, state)
    given = {**_json_object(args), **dict(_pair(text) for text in arguments or ())}
    _call(flags, log_level, tool, given, as_json=as_json)


def main() -> None:
    """Run a command; a mistake or a refusal is a sentence and an exit code, not a traceback."""
    try:
        app()
    except (SettingsError, BadArgument) as error:
        _say(str(error))
        sys.exit(USAGE)
    except LedgerUnavailable as error:
        _say(str(error))
        sys.exit(REFUSED)
    except FactoryError as error:
        _say(str(error))
        sys.exit(REFUSED if error.code in ("settings", "ledger_unavailable") else 1)


def duration(text: str) -> timedelta:
    """Read `340m`, `5h` or `90s`."""
    number, unit = text[:-1], text[-1:]
    units = {"s": "seconds", "m": "minutes", "h": "hours"}
    if unit not in units or not number.isdigit() or int(number) == 0:
        raise BadArgument(f"{text!r} is no time: say 340m, 5h or 90s")
    return timedelta(**{units[unit]: int(number)})


def _flags(
    sandbox: bool,
    seed: int,
    faults: str,
    sites: Path | None,
    server: str | None,
    state: str | None,
) -> "WorldFlags":
    from agent.wiring import WorldFlags  # the command's own imports are heavy

    return WorldFlags(
        sandbox=sandbox, seed=seed, faults=faults, sites=sites, server=server, state=state
    )


def _within(flags: "WorldFlags", log_level: str, work: Callable[["Wired"], Awaitable[T]]) -> T:
    from agent.wiring import within  # the command's own imports are heavy

    logging.basicConfig(level=log_level.upper(), stream=sys.stderr)
    return within(flags, work)


def _call(
    flags: "WorldFlags", log_level: str, tool: str, arguments: dict[str, object], *, as_json: bool
) -> None:
    from agent.tools import text_of  # the command's own imports are heavy

    result = _within(flags, log_level, lambda wired: wired.tools.raw(tool, arguments))
    _print(result.structured_content if as_json else text_of(result))
    raise typer.Exit(1 if result.is_error else 0)


def _pair(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadArgument(f"{text!r} is not key=value")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _json_object(text: str) -> dict[str, object]:
    try:
        found: object = json.loads(text)
    except ValueError as error:
        raise BadArgument(f"--args is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadArgument("--args is not a JSON object")
    return cast("dict[str, object]", found)


def _print(document: object) -> None:
    text = document if isinstance(document, str) else json.dumps(document, indent=2)
    sys.stdout.write(text.rstrip("\n") + "\n")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

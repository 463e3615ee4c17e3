"""The options that every command shares, and how a command runs in the world they name."""

import functools
import inspect
import json
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from mcp_server.errors import BadArgument

if TYPE_CHECKING:
    from agent.wiring import Wired

T = TypeVar("T")
BUG, USAGE, REFUSED = 1, 2, 7
Repo = Annotated[str | None, typer.Argument(help="owner/name", metavar="[REPO]")]
Seed = Annotated[int, typer.Option(help="Seed of the sandbox world.")]
Faults = Annotated[str, typer.Option(help="Weather of the sandbox: none, weather or storm.")]
Recorded = Annotated[
    Path | None, typer.Option("--sites", help="Recorded trend sites to serve in the sandbox.")
]
WorldSize = Annotated[
    Literal["small", "full"],
    typer.Option(help="Of the sandbox: 15 repositories and 12 sessions a day, or 120 and 100."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
# What a stranger's title could move a terminal's cursor with.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """What was asked for beside the command itself (INTERFACE.md, command line)."""

    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="The built-in world; needs no key.")
    ] = False
    seed: Seed = 7
    faults: Faults = "none"
    sites: Recorded = None
    size: WorldSize = "full"
    world: Annotated[
        str | None, typer.Option(help="Address of a served sandbox (agent sandbox serve) to join.")
    ] = None
    server: Annotated[str | None, typer.Option(help="URL of a running server to talk to.")] = None
    state: Annotated[str | None, typer.Option("--state", help="Database, sqlite:///PATH.")] = None
    as_json: AsJson = False
    log_level: Annotated[str, typer.Option(help="Least level of log lines on stderr.")] = "WARNING"

    def within(self, work: Callable[["Wired"], Awaitable[T]]) -> T:
        """Do `work` in this world."""
        from agent.wiring import WorldFlags, within  # a command's own imports are heavy

        levels = logging.getLevelNamesMapping()
        if self.log_level.upper() not in levels:
            raise BadArgument(f"--log-level {self.log_level!r}: choose {', '.join(levels)}")
        logging.basicConfig(level=self.log_level.upper(), stream=sys.stderr)
        flags = WorldFlags(
            sandbox=self.sandbox,
            seed=self.seed,
            faults=self.faults,
            sites=self.sites,
            size=self.size,
            world=self.world,
            server=self.server,
            state=self.state,
        )
        return within(flags, work)

    def show(self, document: object, text: str) -> None:
        """Print the document or the text, whichever was asked for; a document may be JSON text."""
        if not self.as_json:
            shown = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
        elif isinstance(document, str):
            shown = document
        else:
            shown = json.dumps(document, indent=2)
        sys.stdout.write(shown.rstrip("\n") + "\n")

    def call(
        self,
        tool: str,
        given: Mapping[str, object] | None = None,
        pairs: Mapping[str, str] | None = None,
    ) -> None:
        """Call one tool and print its answer; an error is an answer too, with its exit code."""
        from agent import commands  # a command's own imports are heavy
        from agent.tools import failure_of, text_of  # likewise

        result = self.within(lambda wired: commands.call(wired, tool, given or {}, pairs or {}))
        text, document = text_of(result), result.structured_content
        if not result.is_error:
            self.show(document, text)
            return
        code = failure_of(tool, result).code
        self.show(document or {"error": {"code": code, "message": text}}, text)
        raise typer.Exit(exit_for(code))


def exit_for(code: str) -> int:
    """Return the exit code for an error's `code`, as tools say it."""
    if code in ("bad_argument", "not_found"):
        return USAGE
    return REFUSED if code in ("refused", "settings", "ledger_unavailable") else BUG


def world_command(work: Callable[..., None]) -> Callable[..., None]:
    """Give a command the shared options: it takes them as its first argument, `WorldOptions`."""
    own = list(inspect.signature(work).parameters.values())[1:]
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for field in fields(WorldOptions)
    ]
    parameters = [
        *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own),
        *shared,
    ]

    @functools.wraps(work)
    def command(**given: Any) -> None:  # noqa: ANN401 -- the parser's values, checked by it
        names = [one.name for one in shared]
        options = WorldOptions(**{name: given.pop(name) for name in names})
        work(options, **given)

    command.__annotations__ = {one.name: one.annotation for one in parameters}
    # What typer reads the options from (typer 0.29, `get_params_from_function`, 2026-11-22).
    vars(command)["__signature__"] = inspect.Signature(parameters)
    return command


def say(line: str) -> None:
    """Tell a person something beside the answer, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

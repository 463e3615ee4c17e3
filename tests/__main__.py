"""`python -m tests [-x]`: every check of the project in order, then a table of how each did.

The README's test command ends here; CI runs that command. Budgets are there to be seen: going over
one fails nothing.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Row:
    """One check: its command, run at the repository's root, and what it should take."""

    name: str
    command: tuple[str, ...]
    budget_seconds: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a check ended; `summary` is the last line it printed, not echoed yet."""

    row: Row
    seconds: float
    exit_code: int
    summary: str


ROWS = (
    Row(name="format", command=(str(BIN / "ruff"), "format", "--check", "."), budget_seconds=5),
    Row(name="lint", command=(str(BIN / "ruff"), "check", "."), budget_seconds=5),
    Row(name="types", command=(str(BIN / "pyright"),), budget_seconds=60),
    Row(name="imports", command=(str(BIN / "lint-imports"),), budget_seconds=10),
    Row(
        name="node",
        command=(sys.executable, "-m", "tests.node_modules_dir"),
        budget_seconds=30,
    ),
    # Last, so that pytest's own summary closes the output: CI reads it there.
    Row(name="tests", command=(sys.executable, "-m", "pytest", "-n", "2"), budget_seconds=270),
)


def run(row: Row) -> Result:
    """Run one check, echoing its output line by line."""
    _say(f"== {row.name}: {' '.join((Path(row.command[0]).name, *row.command[1:]))}")
    started = perf_counter()
    held = ""
    with subprocess.Popen(  # noqa: S603 the commands are the table above
        row.command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            if line.strip():
                _say(held)
                held = line.rstrip()
    return Result(
        row=row, seconds=perf_counter() - started, exit_code=process.returncode, summary=held
    )


def table(results: list[Result]) -> str:
    """Return the results as text, one line a row."""
    lines = [f"{'row':<10}{'seconds':>9}{'budget':>9}  result"]
    for result in results:
        outcome = "ok" if result.exit_code == 0 else f"FAILED (exit code {result.exit_code})"
        row = result.row
        lines.append(f"{row.name:<10}{result.seconds:>9.1f}{row.budget_seconds:>9}  {outcome}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the rows and return the exit code: 1 if any failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__)
    parser.add_argument("-x", action="store_true", help="stop at the first row that fails")
    stop_early = bool(parser.parse_args(arguments).x)
    results: list[Result] = []
    for row in ROWS:
        if results:
            _say(results[-1].summary)
        results.append(run(row))
        if stop_early and results[-1].exit_code != 0:
            break
    _say(f"\n{table(results)}\n\n{results[-1].summary}")
    return int(any(result.exit_code != 0 for result in results))


def _say(text: str) -> None:
    if text:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

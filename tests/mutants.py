"""`python -m tests.mutants [--only NAME] [--jobs N]`: can the tests see the bugs that matter?

Plants each bug of `mutant_list.py`, alone, in a copy of the code, and runs the one test that must
fail then. Exit code 1 when a bug survives, or cannot be judged.
"""

import argparse
import importlib.util
import subprocess
import sys
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from shutil import copy2, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Literal

from tests.mutant_list import MUTANTS
from tests.mutant_rows import Mutant

ROOT = Path(__file__).parents[1]
COPIED = ("mcp_server", "agent", "tests", "prompts", "pyproject.toml")
# A killer takes seconds; a bug that makes it hang is not one that it sees.
TIMEOUT_SECONDS = 60
_PASSED, _FAILED = 0, 1  # pytest's exit codes; 2 to 5 say that no test was judged

# `stale`: the old text is not there exactly once. `broken`: the killer did not come to a verdict.
Status = Literal["killed", "SURVIVED", "stale", "broken"]


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one mutant ended; `output` is what pytest said, of use only when it was not killed."""

    mutant: Mutant
    status: Status
    seconds: float
    output: str = ""


def planted(mutant: Mutant, text: str) -> str | None:
    """Return the text of its file with the bug in it; None: the row is stale."""
    return text.replace(mutant.old, mutant.new) if text.count(mutant.old) == 1 else None


def judge(mutant: Mutant, tree: Path) -> Result:
    """Plant the bug in `tree`, run its killer there, and put the file back."""
    started = perf_counter()
    path = tree / mutant.file
    whole = path.read_text(encoding="utf-8")
    text = planted(mutant, whole)
    if text is None:
        return Result(mutant=mutant, status="stale", seconds=0.0)
    with _replaced(path, text, whole):
        exit_code, output = _pytest(tree, [mutant.killer])
    verdicts: dict[int, Status] = {_PASSED: "SURVIVED", _FAILED: "killed"}
    return Result(
        mutant=mutant,
        status=verdicts.get(exit_code, "broken"),
        seconds=perf_counter() - started,
        output=output,
    )


def table(results: Iterable[Result]) -> str:
    """Return one line a mutant: name, killer, how it ended, seconds."""
    return "\n".join(
        f"{one.mutant.name:<34}{one.status:<10}{one.seconds:>5.1f} s  {one.mutant.killer}"
        for one in results
    )


def main(arguments: Sequence[str]) -> int:
    """Judge the mutants and print the table; return 0 when every one was killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", choices=[one.name for one in MUTANTS])
    parser.add_argument("--jobs", metavar="N", type=int, default=2)
    options = parser.parse_args(arguments)
    chosen = [one for one in MUTANTS if options.only in (None, one.name)]
    with TemporaryDirectory(prefix="mutants-") as folder:
        trees = [_copy(Path(folder) / str(number)) for number in range(max(1, options.jobs))]
        exit_code, output = _pytest(trees[0], sorted({one.killer for one in chosen}))
        if exit_code != _PASSED:
            sys.stdout.write(f"{output}\nthe killers do not pass on the code as it is\n")
            return 1
        results = _judge_all(chosen, trees)
    missed = [one for one in results if one.status != "killed"]
    for one in missed:
        sys.stdout.write(f"{one.mutant.name}: {one.mutant.why}\n{one.output}\n")
    killed = len(results) - len(missed)
    sys.stdout.write(f"{table(results)}\n\n{killed} of {len(results)} mutants killed\n")
    return int(bool(missed))


def _judge_all(mutants: Sequence[Mutant], trees: Sequence[Path]) -> list[Result]:
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def work(mutant: Mutant) -> Result:
        tree = free.get()
        try:
            return judge(mutant, tree)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        return list(pool.map(work, mutants))


def _copy(tree: Path) -> Path:
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            copytree(source, tree / name, ignore=ignore_patterns("__pycache__"))
        else:
            copy2(source, tree / name)
    return tree


@contextmanager
def _replaced(path: Path, text: str, whole: str) -> Generator[None]:
    # Compiled code is held for current by size and whole second: a small bug has both unchanged.
    compiled = Path(importlib.util.cache_from_source(str(path)))
    try:
        path.write_text(text, encoding="utf-8")
        compiled.unlink(missing_ok=True)
        yield
    finally:
        path.write_text(whole, encoding="utf-8")
        compiled.unlink(missing_ok=True)


def _pytest(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run these tests in `tree`, whose own code comes first; return exit code and output."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own tests
            [sys.executable, "-m", "pytest", *tests],
            cwd=tree,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no verdict after {TIMEOUT_SECONDS} s"
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

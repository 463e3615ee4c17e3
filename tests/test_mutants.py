"""The table of planted bugs fits the code as it is, and every one of them is seen."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.mutant_list import MUTANTS
from tests.mutant_rows import GUARD, STORE, Mutant
from tests.mutants import ROOT, main, planted


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the test functions in a file."""
    tree = ast.parse(path.read_bytes())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_fits_the_code_as_it_is(mutant: Mutant):
    """Its place is there once, the code still compiles with it, and its killer exists."""
    text = planted(mutant, (ROOT / mutant.file).read_text(encoding="utf-8"))
    assert text is not None, "stale: the old text must occur exactly once"
    compile(text, mutant.file, "exec")
    path, _, test = mutant.killer.partition("::")
    assert test.partition("[")[0] in names_in(ROOT / path)


def test_every_module_of_the_guard_has_a_planted_bug():
    """Promise 44: a new module comes with what its tests must see."""
    modules = {f"{GUARD}/{path.name}" for path in (ROOT / GUARD).glob("[!_]*.py")}
    assert {one.file for one in MUTANTS} == modules | {STORE}
    assert len({one.name for one in MUTANTS}) == len(MUTANTS) >= 20


@pytest.mark.parametrize(("text", "new"), [("a b", "a c"), ("a b b", None), ("a", None)])
def test_a_bug_is_planted_in_one_place_or_not_at_all(text: str, new: str | None):
    """A text that is there twice, or no more, plants nothing anybody has thought about."""
    mutant = Mutant(name="x", file="x", old="b", new="c", killer="x", why="x")
    assert planted(mutant, text) == new


def test_a_bug_nobody_listed_is_a_usage_error():
    """Judging nothing must not look like success."""
    with pytest.raises(SystemExit) as ended:
        main(["--only", "no such bug"])
    assert ended.value.code == 2


@pytest.mark.deep
def test_every_planted_bug_is_seen():
    """Promise 4: the tests can see the bug."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

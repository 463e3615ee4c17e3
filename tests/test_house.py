"""The house rules that no linter knows, checked on the tree as it is."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path
    for folder in ("agent", "mcp_server", "tests", "bench")
    for path in (ROOT / folder).rglob("*.py")
)
LONGEST_FUNCTION = 60
LONGEST_FILE = 500
LONGEST_GUIDE = 119

Fault = tuple[int, str]
Rule = Callable[[str], Iterator[Fault]]


def long_functions(source: str) -> Iterator[Fault]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines"


def long_files(source: str) -> Iterator[Fault]:
    lines = source.count("\n")
    if lines > LONGEST_FILE:
        yield lines, f"the file has {lines} lines"


def unexplained_local_imports(source: str) -> Iterator[Fault]:
    commented = {line for line, _ in comments(source)}
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom) and commented.isdisjoint(
                range(node.lineno - 1, (node.end_lineno or node.lineno) + 1)
            ):
                yield node.lineno, "an import inside a function needs its reason beside it"


def put_off(source: str) -> Iterator[Fault]:
    for line, text in comments(source):
        if re.search(r"\b(?:TODO|FIXME|XXX)\b", text):
            yield line, f"work put off: {text}"


def comments(source: str) -> Iterator[Fault]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


RULES: tuple[Rule, ...] = (long_functions, long_files, unexplained_local_imports, put_off)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule: Rule):
    """facts/style.md 3 (6, 9, 14) and 4."""
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in MODULES
        for line, what in rule(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


LONG = "def f():\n" + "    x = 1\n" * LONGEST_FUNCTION


@pytest.mark.parametrize(
    ("rule", "source", "lines"),
    [
        (long_functions, LONG, [1]),
        (long_functions, "class A:\n    async " + LONG.replace("\n", "\n    "), [2]),
        (long_functions, LONG.removesuffix("    x = 1\n"), []),
        (long_files, "\n" * 501, [501]),
        (long_files, "\n" * 500, []),
        (unexplained_local_imports, "def f():\n    import os\n", [2]),
        (unexplained_local_imports, "def f():\n    if f:\n        from a import b\n", [3]),
        (unexplained_local_imports, "def f():\n    import os  # slow to load\n", []),
        (unexplained_local_imports, "def f():\n    # slow to load\n    import os\n", []),
        (unexplained_local_imports, "import os\n", []),
        (put_off, "x = 1  # TODO later\n", [1]),
        (put_off, "# FIXME\n", [1]),
        (put_off, 'x = "TODO"\n', []),
    ],
)
def test_the_rule_finds_what_breaks_it(rule: Rule, source: str, lines: list[int]):
    """A rule that finds nothing proves nothing."""
    assert [line for line, _ in rule(source)] == lines


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_requirement_by_hash_and_names_no_place(name: str):
    """Installed with `--require-hashes` from whatever index the machine is set to."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    joined = re.sub(r"\\\n\s*", " ", text)
    requirements = [line for line in joined.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    assert requirements
    assert [line for line in joined.splitlines() if re.match(r"\s*-", line)] == []
    loose = [line for line in requirements if "==" not in line or "--hash=sha256:" not in line]
    assert loose == []


def fenced_blocks(markdown: str) -> list[str]:
    """Return what stands between fences, in order."""
    return re.findall(r"^```[^\n]*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)


def test_the_readme_opens_with_the_two_commands_of_one_line():
    """The interface: run it without a key, then pass the tests; `.ci/run` reads the second."""
    blocks = fenced_blocks((ROOT / "README.md").read_text(encoding="utf-8"))[:2]
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert "--sandbox" in blocks[0]
    assert "python -m tests" in blocks[1]


def test_ci_runs_the_readmes_line():
    """`.ci/run` holds no everyday command of its own to drift; the deep slice is what it adds."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert re.findall(r".*pytest.*", script) == [".venv/bin/python -m pytest -n 2 -m deep"]
    assert "-m tests" not in script


def test_the_guide_for_agents_is_short():
    """What is too long to read is not obeyed."""
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_GUIDE


def test_at_most_one_workflow_runs_on_a_schedule():
    """Two would spend the allowance against each other (REQUEST.md)."""
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
    scheduled = [
        path.name
        for path in workflows
        if re.search(r"^\s*-?\s*schedule\s*:", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert scheduled == (["daily_factory.yml"] if workflows else [])


def imported(source: str) -> set[str]:
    """Return the first names of all imports; a relative import is its dots."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level or (node.module or "").partition(".")[0])
    return names


def test_the_oracle_imports_the_standard_library_only():
    """It judges the product, so it shares nothing with it (DESIGN.md 8)."""
    source = (ROOT / "mcp_server" / "sandbox" / "oracle.py").read_text(encoding="utf-8")
    assert imported(source) <= sys.stdlib_module_names
    assert imported("from . import loop\nimport mcp_server.models") == {".", "mcp_server"}

"""The parts of a repository's health: what each finds, and what that costs. Pure.

A finding says why in words a person or a session can act on. Unknown costs nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from mcp_server.insight.clutter import clutter, entries
from mcp_server.insight.repository_facts import (
    CI_FILE,
    LICENCE,
    README,
    RepositoryFacts,
    is_source,
    is_test,
    is_test_folder,
)

RED = frozenset(("failure", "timed_out", "startup_failure", "action_required", "error"))
_STALE = timedelta(days=180)
_ABANDONED = timedelta(days=365)
_PULL_STALE = timedelta(days=30)
_SOURCES_A_TEST_FILE = 5
_README_STUB_BYTES = 300
_README_SHORT_BYTES = 1_500
_MOST_NAMED = 5
_NO_SESSION = "github_set_metadata sets it, no session"


def _file(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_AROUND = r"(?:\.github/|docs/)?"
_COMMUNITY = (".github", "docs")
TEN_FILES: dict[str, tuple[re.Pattern[str], tuple[str, ...]]] = {
    "README.md": (README, _COMMUNITY),
    ".github/badges.yml": (_file(r"\.github/badges\.ya?ml"), (".github",)),
    "LICENSE": (LICENCE, ()),
    ".gitignore": (_file(r"\.gitignore"), ()),
    ".github/workflows/ci.yml": (CI_FILE, (".github/workflows", ".circleci")),
    "CONTRIBUTING.md": (_file(rf"{_AROUND}contributing(?:\.\w+)?"), _COMMUNITY),
    ".github/ISSUE_TEMPLATE/bug_report.md": (
        _file(rf"\.github/issue_template/[^/]+\.(?:md|ya?ml)|{_AROUND}issue_template\.md"),
        (".github/ISSUE_TEMPLATE", "docs"),
    ),
    ".github/PULL_REQUEST_TEMPLATE.md": (
        _file(rf"{_AROUND}pull_request_template(?:\.\w+|/.+)"),
        (".github/PULL_REQUEST_TEMPLATE", "PULL_REQUEST_TEMPLATE", "docs"),
    ),
    "SECURITY.md": (_file(rf"{_AROUND}security(?:\.\w+)?"), _COMMUNITY),
    "AGENTS.md": (_file(r"agents\.md"), ()),
}
"""The standard's file -> what GitHub takes for it anywhere, and the folders it may lie in."""


@dataclass(frozen=True)
class Finding:
    """Points a part loses, and what shows it; `lost` None: unknown."""

    lost: int | None
    evidence: str = ""


def _any(paths: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    return any(map(pattern.fullmatch, paths))


def _readme(facts: RepositoryFacts) -> Finding:
    size, paths = facts.readme_bytes, facts.files
    if paths is not None and not (_any(paths, README) or facts.may_hide(*_COMMUNITY)):
        size = size or 0
    if size is None:
        return Finding(None, "size could not be read")
    if size == 0:
        return Finding(16, "missing or empty")
    if size < _README_STUB_BYTES:
        return Finding(11, f"a stub of {size} bytes")
    if size < _README_SHORT_BYTES:
        return Finding(5, f"short, {size} bytes")
    return Finding(0)


def _tests(facts: RepositoryFacts) -> Finding:
    paths = facts.files
    if paths is None:
        return Finding(None, "files could not be read")
    tests, sources = (sum(map(kind, paths)) for kind in (is_test, is_source))
    if facts.folders:
        # Of a part no share can be told, and only what is there, not what is missing.
        seen = tests > 0 or any(map(is_test_folder, facts.folders))
        return Finding(0) if seen else Finding(None, "not every folder was looked into")
    if not tests:
        return Finding(16, f"none for {sources} source files")
    if tests * _SOURCES_A_TEST_FILE < sources:
        return Finding(7, f"{tests} test files for {sources} source files")
    return Finding(0)


def _ci(facts: RepositoryFacts) -> Finding:
    if facts.has_ci is None:
        return Finding(None, "workflows could not be read")
    return Finding(0) if facts.has_ci else Finding(14, "no workflow")


def _branch(facts: RepositoryFacts) -> Finding:
    """Judge whether the default branch is red; without CI nothing could tell."""
    if facts.ci_conclusion is None:
        return Finding(None)
    if facts.ci_conclusion not in RED:
        return Finding(0)
    names = _some(facts.failing) or facts.ci_conclusion
    return Finding(8, f"{facts.repository.default_branch} fails: {names}")


def _licence(facts: RepositoryFacts) -> Finding:
    paths = facts.files
    if facts.repository.license or (paths is not None and _any(paths, LICENCE)):
        return Finding(0)
    if paths is None or facts.may_hide():
        return Finding(None, "could not be read")
    return Finding(8, "none")


def _ten_files(facts: RepositoryFacts) -> Finding:
    paths = facts.files
    if paths is None:
        return Finding(None, "files could not be read")
    missing = [
        name
        for name, (like, places) in TEN_FILES.items()
        if not _any(paths, like) and not facts.may_hide(*places)
    ]
    return Finding(len(missing), f"no {', no '.join(missing)}" if missing else "")


def _docs(facts: RepositoryFacts) -> Finding:
    paths = facts.files
    if paths is None:
        return Finding(None, "files could not be read")
    seen = entries(paths, facts.folders)
    there = any(name.lower() in ("doc/", "docs/") for name in seen) or facts.may_hide()
    return Finding(0) if there else Finding(4, "no docs/")


def _root(facts: RepositoryFacts) -> Finding:
    paths = facts.files
    if paths is None:
        return Finding(None, "files could not be read")
    found = clutter(entries(paths, facts.folders))
    lost = 6 if "keys" in found else min(6, 2 * len(found))
    told = [f"{kind}: {_some(names)}" for kind, names in found.items()]
    if "keys" in found:
        told.append("replace what was committed, for the history keeps it")
    return Finding(lost, "; ".join(told))


def _description(facts: RepositoryFacts) -> Finding:
    there = facts.repository.description.strip()
    return Finding(0) if there else Finding(6, f"none: {_NO_SESSION}")


def _topics(facts: RepositoryFacts) -> Finding:
    return Finding(0) if facts.repository.topics else Finding(3, f"none: {_NO_SESSION}")


def _freshness(facts: RepositoryFacts) -> Finding:
    pushed_at = facts.repository.pushed_at
    if pushed_at is None:
        return Finding(None, "last push unknown")
    age = facts.observed_at - pushed_at
    if age > _STALE:
        return Finding(3 if age > _ABANDONED else 2, f"last push {age.days} days ago")
    return Finding(0)


def _pulls(facts: RepositoryFacts) -> Finding:
    """Judge open pull requests, by number and by how long nobody has touched them."""
    if facts.open_pulls is None and facts.pulls_updated is None:
        return Finding(None, "open pull requests could not be read")
    many = facts.open_pulls or 0
    stale = [one for one in facts.pulls_updated or () if facts.observed_at - one > _PULL_STALE]
    lost = (many > 3) + (many > 10) + bool(stale) + (len(stale) > 3)
    told = [f"{many} open pull requests"] if many > 3 else []
    if stale:
        oldest = (facts.observed_at - min(stale)).days
        least = "at least " if len(stale) == len(facts.pulls_updated or ()) < many else ""
        told.append(f"{least}{len(stale)} untouched for over 30 days, one for {oldest}")
    return Finding(lost, "; ".join(told))


def _issues(facts: RepositoryFacts) -> Finding:
    """Judge open issues: GitHub's count holds the pull requests too."""
    if facts.open_pulls is None:
        return Finding(None, "open issues could not be told from pull requests")
    issues = max(0, facts.repository.open_issues - facts.open_pulls)
    if issues <= 10:
        return Finding(0)
    return Finding(2 if issues > 50 else 1, f"{issues} open")


def _some(names: tuple[str, ...]) -> str:
    rest = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


PARTS: dict[str, Callable[[RepositoryFacts], Finding]] = {
    "readme": _readme,
    "tests": _tests,
    "ci": _ci,
    "branch": _branch,
    "licence": _licence,
    "files": _ten_files,
    "docs": _docs,
    "root": _root,
    "description": _description,
    "topics": _topics,
    "freshness": _freshness,
    "pulls": _pulls,
    "issues": _issues,
}
"""Part -> its finding. The most each can lose adds up to 100."""

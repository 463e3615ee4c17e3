"""How well a repository is kept: a score by part, with evidence and the best next improvement.

Pure. What could not be read costs nothing and is said: unknown is not absent. Whether a person
wants a repository left alone (`never_touch`) is the caller's to know.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath

from pydantic import AwareDatetime

from mcp_server.models import Health, Repository, Value

IMPROVEMENTS = {
    "readme": "readme",
    "tests": "tests",
    "docs": "docs",
    "licence": "docs",
    "ci": "bugs",
    "freshness": "bugs",
}
"""Part -> prompt in prompts/jules. A description or topics need no session, only an API call."""

_TEST_FOLDERS = frozenset(("test", "tests", "__tests__", "spec", "specs", "e2e"))
_TEST_FILE = re.compile(r"^test_.+|.+_test\.\w+$|.+\.(?:test|spec)\.\w+$", re.IGNORECASE)
_SOURCE_FILE = re.compile(
    r".+\.(?:c|cc|cpp|cs|css|dart|ex|go|html|java|jsx?|kt|lua|mjs|php|py|rb|rs|scala|sh|svelte|swift"
    r"|tsx?|vue|zig)$",
    re.IGNORECASE,
)
_CI_FILE = re.compile(r"\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml")
_CI_FOLDER = re.compile(r"\.github(?:/workflows)?|\.circleci")
_README = re.compile(r"(?:\.github/|docs/)?readme(?:\.\w+)?", re.IGNORECASE)
_LICENCE = re.compile(r"(?:licen[cs]e|copying)(?:[.-].+)?", re.IGNORECASE)
_GUIDE = re.compile(r"(?:\.github/|docs/)?(?:contributing|security|agents)\.md", re.IGNORECASE)
_DOCS = re.compile(r"docs?/.+", re.IGNORECASE)

_RED = frozenset(("failure", "timed_out", "startup_failure", "action_required", "error"))
_STALE = timedelta(days=180)
_ABANDONED = timedelta(days=365)
_SOURCES_A_TEST_FILE = 5
_README_STUB_BYTES = 300
_README_SHORT_BYTES = 1_500


class RepositoryFacts(Value):
    """What was read of a repository. None means that it could not be read."""

    repository: Repository
    paths: tuple[str, ...] | None
    """Paths of all files on the default branch, from the root; may be a part of them."""
    folders: tuple[str, ...] = ()
    """Paths of the folders that nobody looked into: what they hold is unknown."""
    readme_bytes: int | None
    ci_conclusion: str | None
    """GitHub's word for the newest run on the default branch."""
    open_pulls: int | None
    observed_at: AwareDatetime
    notes: tuple[str, ...] = ()
    """What the reading itself has to say, e.g. that checks are not this token's to see."""


@dataclass(frozen=True)
class _Finding:
    """Points a part loses, and what shows it; `lost` None: unknown."""

    lost: int | None
    evidence: str = ""


def score(facts: RepositoryFacts) -> Health:
    """Score a repository from 0 to 100; mending a part never lowers it.

    `improvement` follows the costliest part that a session can mend; a sound repository is still
    worth a hunt for bugs, one of which nothing could be read is worth nothing yet.
    """
    findings = {part: find(facts) for part, find in _PARTS.items()}
    lost = {part: found.lost for part, found in findings.items() if found.lost is not None}
    left_out = _left_out(facts.repository)
    return Health(
        repo=facts.repository.repo,
        score=100 - sum(lost.values()),
        parts=lost,
        evidence=(
            *(f"{part}: {found.evidence}" for part, found in findings.items() if found.evidence),
            *facts.notes,
        ),
        has_ci=_has_ci(facts),
        improvement=None if left_out else _improvement(facts, lost),
        left_out=left_out,
    )


def _left_out(repository: Repository) -> str | None:
    if repository.archived:
        return "archived: nothing can be pushed"
    if repository.fork:
        return "a fork: its upstream decides"
    if repository.empty:
        # A session starts from a branch, and there is none (facts/jules-api.md 3).
        return "no commit yet: push a first one, a README will do, and it is initialised"
    return None


def _improvement(facts: RepositoryFacts, lost: dict[str, int]) -> str | None:
    paths = _paths(facts)
    if paths is None:
        return None
    if all(_is_wrapping(path) for path in (*paths, *facts.folders)):
        return "initialise"
    mendable = [part for part in IMPROVEMENTS if lost.get(part)]
    worst = max(mendable, key=lambda part: lost[part], default="ci")
    return IMPROVEMENTS[worst]


def _paths(facts: RepositoryFacts) -> tuple[str, ...] | None:
    return () if facts.repository.empty else facts.paths


def _is_test(path: str) -> bool:
    pure = PurePosixPath(path)
    in_folder = not _TEST_FOLDERS.isdisjoint(part.lower() for part in pure.parts[:-1])
    return bool(_SOURCE_FILE.fullmatch(pure.name)) and (
        in_folder or bool(_TEST_FILE.fullmatch(pure.name))
    )


def _is_test_folder(path: str) -> bool:
    return not _TEST_FOLDERS.isdisjoint(path.lower().split("/"))


def _is_source(path: str) -> bool:
    return bool(_SOURCE_FILE.fullmatch(PurePosixPath(path).name)) and not _is_test(path)


def _is_wrapping(path: str) -> bool:
    return path.startswith(".") or any(
        pattern.fullmatch(path) for pattern in (_README, _LICENCE, _GUIDE)
    )


def _any(paths: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(path) for path in paths)


def _has_ci(facts: RepositoryFacts) -> bool | None:
    if facts.ci_conclusion is not None:
        return True
    paths = _paths(facts)
    if paths is None:
        return None
    return _any(paths, _CI_FILE) or (None if _any(facts.folders, _CI_FOLDER) else False)


def _readme(facts: RepositoryFacts) -> _Finding:
    size, paths = facts.readme_bytes, _paths(facts)
    if size is None and paths is not None and not _any(paths, _README):
        size = 0
    if size is None:
        return _Finding(None, "size could not be read")
    if size == 0:
        return _Finding(20, "missing or empty")
    if size < _README_STUB_BYTES:
        return _Finding(14, f"a stub of {size} bytes")
    if size < _README_SHORT_BYTES:
        return _Finding(7, f"short, {size} bytes")
    return _Finding(0)


def _tests(facts: RepositoryFacts) -> _Finding:
    paths = _paths(facts)
    if paths is None:
        return _Finding(None, "files could not be read")
    tests, sources = (sum(map(kind, paths)) for kind in (_is_test, _is_source))
    if facts.folders:
        # Of a part no share can be told, and only what is there, not what is missing.
        seen = tests > 0 or any(map(_is_test_folder, facts.folders))
        return _Finding(0) if seen else _Finding(None, "not every folder was looked into")
    if not tests:
        return _Finding(20, f"none for {sources} source files")
    if tests * _SOURCES_A_TEST_FILE < sources:
        return _Finding(8, f"{tests} test files for {sources} source files")
    return _Finding(0)


def _ci(facts: RepositoryFacts) -> _Finding:
    has_ci = _has_ci(facts)
    if has_ci is None:
        return _Finding(None, "workflows could not be read")
    if not has_ci:
        return _Finding(20, "no workflow")
    if facts.ci_conclusion in _RED:
        return _Finding(12, f"newest run: {facts.ci_conclusion}")
    return _Finding(0)


def _licence(facts: RepositoryFacts) -> _Finding:
    paths = _paths(facts)
    if facts.repository.license or (paths is not None and _any(paths, _LICENCE)):
        return _Finding(0)
    return _Finding(None, "could not be read") if paths is None else _Finding(10, "none")


def _docs(facts: RepositoryFacts) -> _Finding:
    paths = _paths(facts)
    if paths is None:
        return _Finding(None, "files could not be read")
    unseen = {folder.partition("/")[0].lower() for folder in facts.folders}
    has_guide = _any(paths, _GUIDE) or ".github" in facts.folders
    has_docs = _any(paths, _DOCS) or not unseen.isdisjoint(("doc", "docs"))
    missing = [
        name
        for name, there in (("a guide for contributors", has_guide), ("docs/", has_docs))
        if not there
    ]
    return _Finding(4 * len(missing), f"no {' and no '.join(missing)}" if missing else "")


def _description(facts: RepositoryFacts) -> _Finding:
    return _Finding(0) if facts.repository.description.strip() else _Finding(8, "none")


def _topics(facts: RepositoryFacts) -> _Finding:
    return _Finding(0) if facts.repository.topics else _Finding(4, "none")


def _freshness(facts: RepositoryFacts) -> _Finding:
    pushed_at = facts.repository.pushed_at
    if pushed_at is None:
        return _Finding(None, "last push unknown")
    age = facts.observed_at - pushed_at
    if age > _STALE:
        return _Finding(5 if age > _ABANDONED else 3, f"last push {age.days} days ago")
    return _Finding(0)


def _backlog(facts: RepositoryFacts) -> _Finding:
    if facts.open_pulls is None:
        return _Finding(None, "open pull requests could not be read")
    if facts.open_pulls <= 3:
        return _Finding(0)
    return _Finding(5 if facts.open_pulls > 10 else 2, f"{facts.open_pulls} open pull requests")


_PARTS: dict[str, Callable[[RepositoryFacts], _Finding]] = {
    "readme": _readme,
    "tests": _tests,
    "ci": _ci,
    "licence": _licence,
    "docs": _docs,
    "description": _description,
    "topics": _topics,
    "freshness": _freshness,
    "backlog": _backlog,
}
"""Part -> its finding. The most each can lose adds up to 100."""

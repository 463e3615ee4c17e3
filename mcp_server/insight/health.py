"""How well a repository is kept: a score by part, with evidence and the best next improvement.

Pure. What could not be read costs nothing and is said: unknown is not absent. What each part
looks at stands in `health_parts.py`.
"""

import re

from mcp_server.insight.health_parts import PARTS
from mcp_server.insight.repository_facts import LICENCE, README, RepositoryFacts
from mcp_server.models import Health

IMPROVEMENTS = {
    "readme": "readme",
    "tests": "tests",
    "docs": "docs",
    "files": "docs",
    "licence": "docs",
    "branch": "bugs",
    "ci": "bugs",
    "freshness": "bugs",
    "issues": "bugs",
    "root": "refactor",
}
"""Part -> prompt in prompts/jules. A description or topics need no session, only an API call."""

_GUIDE = re.compile(r"(?:\.github/|docs/)?(?:contributing|security|agents)\.md", re.IGNORECASE)


def score(facts: RepositoryFacts) -> Health:
    """Score a repository from 0 to 100; mending a part never lowers it.

    `improvement` follows the costliest part that a session can mend; a sound repository is still
    worth a hunt for bugs, one of which nothing could be read is worth nothing yet.
    """
    findings = {part: find(facts) for part, find in PARTS.items()}
    lost = {part: found.lost for part, found in findings.items() if found.lost is not None}
    left_out = _left_out(facts)
    return Health(
        repo=facts.repository.repo,
        score=100 - sum(lost.values()),
        parts=lost,
        evidence=(
            *(f"{part}: {found.evidence}" for part, found in findings.items() if found.evidence),
            *facts.notes,
        ),
        has_ci=facts.has_ci,
        improvement=None if left_out else _improvement(facts, lost),
        left_out=left_out,
    )


def _left_out(facts: RepositoryFacts) -> str | None:
    if facts.never_touch:
        return "in never_touch: the operator wants it left alone"
    if facts.repository.archived:
        return "archived: nothing can be pushed"
    if facts.repository.fork:
        return "a fork: its upstream decides"
    if facts.repository.empty:
        # A session starts from a branch, and there is none (facts/jules-api.md 3).
        return "no commit yet: push a first one, a README will do, and it is initialised"
    return None


def _improvement(facts: RepositoryFacts, lost: dict[str, int]) -> str | None:
    if facts.files is None:
        return None
    if all(_is_wrapping(path) for path in (*facts.files, *facts.folders)):
        return "initialise"
    mendable = [part for part in IMPROVEMENTS if lost.get(part)]
    worst = max(mendable, key=lambda part: lost[part], default="branch")
    return IMPROVEMENTS[worst]


def _is_wrapping(path: str) -> bool:
    return path.startswith(".") or any(
        pattern.fullmatch(path) for pattern in (README, LICENCE, _GUIDE)
    )

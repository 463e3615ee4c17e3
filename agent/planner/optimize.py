"""Which repositories get care today, and of which sort: by what their health lacks most.

Heir of the old mega optimizer's list: bugs, tests, documentation, refactoring, README.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from agent.planner.split import PlanningSettings
from mcp_server.models import Health, Value

CYCLE = ("tests", "docs", "readme", "bugs", "refactor")
"""Further improvements, in this order where health prefers none of them."""

TITLES = {
    "bugs": "Find and mend bugs",
    "docs": "Improve the documentation",
    "initialise": "Initialise",
    "readme": "Improve the README",
    "refactor": "Refactor",
    "tests": "Add tests",
}
"""What a session with each improvement's prompt is called."""


class Improvement(Value):
    """One improvement of one repository; `improvement` names a prompt of prompts/jules."""

    repo: str
    improvement: str
    reason: str
    evidence: tuple[str, ...]


class Choice(Value):
    """Improvements, the neediest repositories first, and why others get none."""

    improvements: tuple[Improvement, ...]
    notes: tuple[str, ...]


def choose(
    health: Sequence[Health],
    settings: PlanningSettings,
    *,
    allowance: int,
    given: Mapping[str, int],
) -> Choice:
    """List every improvement that may be started today, in the order to start them.

    Each round gives each repository at most one, lowest score first, so that a short day reaches
    many repositories. `given` counts the units a repository (`owner/name`) has today already;
    with them it gets at most its share of the allowance, and at least one.
    """
    notes: list[str] = []
    queues: list[list[Improvement]] = []
    share = max(1, int(settings.per_repository_share * allowance))
    for score in sorted(health, key=lambda score: (score.score, score.repo.casefold())):
        obstacle = _obstacle(score, settings)
        if obstacle:
            notes.append(f"{score.repo}: {obstacle}")
            continue
        queues.append(list(_wanted(score))[: max(0, share - given.get(score.repo, 0))])
    rounds = zip_longest(*queues)
    return Choice(
        improvements=tuple(one for turn in rounds for one in turn if one is not None),
        notes=tuple(notes),
    )


def _obstacle(score: Health, settings: PlanningSettings) -> str | None:
    if not settings.touches(score.repo):
        return "in never_touch"
    if score.left_out:
        return score.left_out
    if score.has_ci is False:
        return "no CI yet: CI first, no session is spent before it has been green once"
    if score.improvement is None:
        return "nothing found that is worth a session"
    return None


def _wanted(score: Health) -> Iterator[Improvement]:
    """Yield the best improvement, then the others, the most points lost first."""
    names = [score.improvement] if score.improvement else []
    # What initialises a repository changes all of it: nothing else can be judged before.
    if score.improvement != "initialise":
        others = sorted(CYCLE, key=lambda name: -score.parts.get(name, 0))
        names += [name for name in others if name != score.improvement]
    for name in names:
        lost = score.parts.get(name, 0)
        yield Improvement(
            repo=score.repo,
            improvement=name,
            reason=f"health {score.score}/100" + (f", {name} loses {lost}" if lost else ""),
            evidence=score.evidence,
        )

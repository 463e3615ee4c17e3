"""Care: the neediest first, nobody too much, everybody else with a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.planner.optimize import CYCLE, TITLES, choose
from agent.planner.split import PlanningSettings
from mcp_server.insight.health import IMPROVEMENTS
from mcp_server.models import Health
from mcp_server.prompts import load

SETTINGS = PlanningSettings(owner="me", never_touch=("me/diary",))


def health(name: str, score: int, improvement: str | None = "bugs", **changes: object) -> Health:
    return Health.model_validate(
        {
            "repo": f"me/{name}",
            "score": score,
            "parts": {},
            "has_ci": True,
            "improvement": improvement,
            **changes,
        }
    )


def chosen(*scores: Health, allowance: int = 100, **given: int) -> list[tuple[str, str]]:
    taken = {f"me/{name}": units for name, units in given.items()}
    choice = choose(scores, SETTINGS, allowance=allowance, given=taken)
    return [(one.repo.removeprefix("me/"), one.improvement) for one in choice.improvements]


def test_each_round_reaches_every_repository_lowest_score_first() -> None:
    """A short day should help many a little, not one a lot."""
    order = chosen(health("b", 60), health("a", 20, "tests"), health("c", 60))
    assert order[:4] == [("a", "tests"), ("b", "bugs"), ("c", "bugs"), ("a", "docs")]


def test_further_improvements_follow_the_points_lost() -> None:
    """After the best one, what costs most; then the fixed order."""
    lost = {"tests": 20, "readme": 14, "docs": 8}
    order = chosen(health("a", 40, "tests", parts=lost))
    assert [name for _, name in order] == ["tests", "readme", "docs", "bugs", "refactor"]


def test_an_empty_repository_is_initialised_and_nothing_else() -> None:
    """There is nothing else to improve until that is merged."""
    assert chosen(health("a", 0, "initialise")) == [("a", "initialise")]


@pytest.mark.parametrize(
    ("allowance", "taken", "count"), [(100, 0, 5), (15, 0, 3), (15, 2, 1), (15, 3, 0), (3, 0, 1)]
)
def test_a_repository_gets_its_share_and_at_least_one(
    allowance: int, taken: int, count: int
) -> None:
    """20 % of the day per repository, what it has already included."""
    assert len(chosen(health("a", 40), allowance=allowance, a=taken)) == count


@pytest.mark.parametrize(
    ("score", "note"),
    [
        (health("diary", 1), "in never_touch"),
        (health("a", 1, None, left_out="archived: nothing can be pushed"), "archived"),
        (health("a", 1, has_ci=False), "CI first"),
        (health("a", 1, None), "nothing found"),
    ],
)
def test_who_gets_nothing_is_noted_with_the_reason(score: Health, note: str) -> None:
    """DESIGN.md section 6: no unit where there is no CI."""
    choice = choose([score], SETTINGS, allowance=100, given={})
    assert choice.improvements == ()
    [said] = choice.notes
    assert said.startswith(score.repo)
    assert note in said


def test_unknown_ci_is_not_missing_ci() -> None:
    """facts/github.md 1.3: a failed read must not stop the work."""
    assert chosen(health("a", 1, has_ci=None))


@pytest.mark.parametrize(("repositories", "allowance", "units"), [(120, 100, 85), (15, 15, 11)])
def test_a_portfolio_fills_the_day(repositories: int, allowance: int, units: int) -> None:
    """A large and a small user alike."""
    scores = [health(f"r{n}", n % 100) for n in range(repositories)]
    assert len(chosen(*scores, allowance=allowance)) >= units


@given(st.lists(st.integers(0, 100), max_size=30), st.integers(1, 200))
def test_no_improvement_is_planned_twice_and_no_share_is_passed(
    scores: list[int], allowance: int
) -> None:
    """A doubled task would be one key in the ledger."""
    order = chosen(*(health(f"r{n}", score) for n, score in enumerate(scores)), allowance=allowance)
    assert len(set(order)) == len(order)
    for n in range(len(scores)):
        assert 1 <= sum(repo == f"r{n}" for repo, _ in order) <= max(1, allowance // 5)


def test_every_further_improvement_is_a_prompt() -> None:
    """What is planned can be sent."""
    for name in CYCLE:
        assert load(name).variables == {"repo", "evidence"}


def test_every_improvement_has_its_title() -> None:
    """A plan must not fail on a word that health knows."""
    assert set(TITLES) == {*CYCLE, *IMPROVEMENTS.values(), "initialise"}

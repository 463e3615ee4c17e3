"""The plan: the whole day from its inputs, the same every time, ready to send."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.commands import plan_text
from agent.planner.plan import Plan, PlanningSettings, build_plan, task_key
from agent.planner.rules import Rejection
from mcp_server.models import (
    Budget,
    Candidate,
    Discovery,
    Dropped,
    Health,
    Idea,
    Match,
    Provenance,
    Repository,
)
from mcp_server.prompts import plain, render

NOW = datetime(2026, 11, 22, 0, 5, tzinfo=UTC)


def allowance(limit: int, **changes: object) -> Budget:
    values: dict[str, object] = {
        "limit": limit,
        "spent": 0,
        "held": 0,
        "external": 0,
        "remaining": limit,
        "by_lane": {},
        "lane_limits": {},
        "released": 0,
        "repositories_created": 0,
        "repositories_limit": 10,
        "concurrent": 0,
        "concurrent_limit": 15,
        "releases": (),
        "counted_at": NOW,
        "ledger_events": 0,
        "chain_head": "",
    }
    return Budget.model_validate(values | changes)


def day(
    *,
    creates: int = 12,
    updates: int = 7,
    repositories: int = 120,
    limit: int = 100,
    rejected: tuple[Rejection, ...] = (),
    dropped: tuple[Dropped, ...] = (),
    **budget: object,
) -> Plan:
    ideas = tuple(
        Idea(
            key=f"i{n:02}",
            title=hashlib.sha256(bytes([n])).hexdigest()[:20] + " https://evil.example/y",
            description="See https://evil.example/x",
            kind="tool",
            provenance=(
                Provenance(source="hackernews", url="https://x.y", rank=3, velocity_percentile=1),
                Provenance(source="reddit", url="https://x.y", rank=1, velocity_percentile=1),
            ),
            score=1 - n / 100,
        )
        for n in range(creates + updates)
    )
    matches = {
        idea.key: Match(
            candidates=(), decision="create", reason="can be built", name=f"new-{idea.key}"
        )
        for idea in ideas
    }
    for n, idea in enumerate(ideas[:updates]):
        near = (Candidate(repo=f"me/r{n}", score=0.9),)
        matches[idea.key] = Match(candidates=near, decision="update", reason="does this job")
    return build_plan(
        date="2026-11-22",
        now=NOW,
        budget=allowance(limit, **budget),
        last_useful_start=NOW + timedelta(hours=5),
        discovery=Discovery(ideas=ideas, sources=(), dropped=dropped),
        matches=matches,
        health=[
            Health(repo=f"me/r{n}", score=n % 100, parts={}, has_ci=True, improvement="tests")
            for n in range(repositories)
        ],
        repositories=[
            Repository(repo=f"me/r{n}", private=True, created_at=NOW) for n in range(repositories)
        ],
        settings=PlanningSettings(owner="me"),
        rejected=rejected,
        decided=(),
    )


def lanes(plan: Plan) -> dict[str, int]:
    return {
        lane: sum(task.lane == lane for task in plan.tasks if not task.spare)
        for lane in ("create", "update", "optimize")
    }


@pytest.mark.parametrize(
    ("inputs", "counts"),
    [
        ({}, (10, 5, 80)),
        ({"creates": 3, "updates": 0}, (3, 0, 92)),
        ({"creates": 0, "updates": 0, "repositories": 15, "limit": 15}, (0, 0, 15)),
        ({"limit": 15}, (2, 1, 12)),
        ({"repositories_limit": 4}, (4, 7, 84)),
        ({"spent": 100, "remaining": 0}, (0, 0, 0)),
        ({"paused": "by hand"}, (0, 0, 0)),
        ({"updates": 0, "repositories": 0}, (10, 0, 0)),
    ],
)
def test_a_day_is_split_into_lanes(inputs: dict[str, Any], counts: tuple[int, int, int]) -> None:
    """DESIGN.md sections 5 and 6 step 3."""
    plan = day(**inputs)
    assert tuple(lanes(plan).values()) == counts


def test_creations_stand_before_updates_and_care_comes_last() -> None:
    """High priority first: the order of tasks is the order of starts."""
    order = [task.lane for task in day().tasks]
    assert order == sorted(order, key=["create", "update", "optimize"].index)


def test_there_is_a_spare_improvement_for_each_idea_that_may_fall_through() -> None:
    """A source that never appears must not lose its unit; spares stand last."""
    plan = day(creates=3, updates=2)
    spares = [task for task in plan.tasks if task.spare]
    assert [task.lane for task in spares] == ["optimize"] * 5
    assert plan.tasks[-5:] == tuple(spares)


def test_a_plan_for_reading_marks_its_spares() -> None:
    """They are started only when a unit is left over."""
    plan = day(creates=3, updates=2)
    lines = plan_text(plan).splitlines()
    for task in plan.tasks:
        [line] = [line for line in lines if task.title in line and f" {task.repo}:" in line]
        assert ("[spare" in line) == task.spare


def test_a_plan_for_reading_shows_the_best_five_of_each_kind() -> None:
    """With their verdicts and reasons; the JSON has all of them."""
    plan = day(creates=12, updates=7)
    lines = plan_text(plan).splitlines()
    start = lines.index("Tools (19):")
    best = [f"  {one.verdict:9} {one.idea.title} ({one.reason})" for one in plan.ideas[:5]]
    assert lines[start + 1 : start + 6] == best
    assert not any(plan.ideas[5].idea.title in line for line in lines[start + 1 :])


def test_a_plan_says_what_of_the_trends_was_dropped() -> None:
    """Nothing is left out in silence."""
    dropped = (Dropped(reason="sport", signals=12), Dropped(reason="politics", signals=5))
    told = "trends dropped before they were judged: 12 sport, 5 politics"
    assert told in day(dropped=dropped).notes
    assert not any("dropped" in note for note in day().notes)


def test_every_task_of_a_plan_can_be_rendered_and_carries_no_link() -> None:
    """A plan that cannot be sent, or sends a stranger's link, is no plan."""
    for task in day().tasks:
        prompt = render(task.prompt, task.variables)
        assert f"`{task.repo}`" in prompt
        # the server cleans a session's title as it starts one, so the plan's may hold a link
        assert "evil.example" not in prompt + plain(task.title, 200)
        if task.lane != "optimize":
            assert "collected from reddit, hackernews" in prompt


def test_the_same_inputs_give_the_same_plan() -> None:
    """A run that was killed plans its unstarted tasks anew under the same keys."""
    assert day() == day()


def test_a_plan_survives_its_json() -> None:
    """`agent run --plan FILE` reads what `agent plan` wrote."""
    plan = day()
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_with_a_key_twice_is_refused() -> None:
    """Two tasks of one key would be one session in the ledger."""
    plan = day()
    doubled = plan.model_dump() | {"tasks": (*plan.tasks, plan.tasks[0])}
    with pytest.raises(ValidationError, match=plan.tasks[0].key):
        Plan.model_validate(doubled)


def test_a_rejected_idea_gets_no_task_and_the_next_one_its_place() -> None:
    """A person's no frees the unit for another idea."""
    wanted = next(task for task in day().tasks if task.lane == "create")
    no = Rejection(key=wanted.idea_key or "", title="no", at=NOW)
    plan = day(rejected=(no,))
    assert wanted.idea_key not in {task.idea_key for task in plan.tasks}
    assert lanes(plan) == lanes(day())


def test_what_is_left_over_is_noted() -> None:
    """Nothing is dropped silently."""
    assert "4 ideas worth building are left for another day" in day().notes
    assert "the allowance is paused: by hand" in day(paused="by hand").notes


def test_a_task_key_is_stable_over_machines_and_versions() -> None:
    """The key is in markers that older runs wrote: it must never change."""
    assert task_key("2026-11-22", "create", "me/app", "i1") == "k7710c998332e"
    assert task_key("2026-11-22", "create", "Me/App", "i1") == "k7710c998332e"


KEY_PARTS = st.tuples(
    st.dates().map(str),
    st.sampled_from(["create", "update", "optimize"]),
    st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,12}", fullmatch=True),
)


@given(st.lists(KEY_PARTS, unique=True, max_size=30))
def test_different_work_has_different_keys(parts: list[tuple[str, str, str, str]]) -> None:
    """Date, lane, repository and subject all count."""
    keys = {task_key(date, lane, repo, subject) for date, lane, repo, subject in parts}  # pyright: ignore[reportArgumentType] - sampled from the lanes
    assert len(keys) == len(parts)

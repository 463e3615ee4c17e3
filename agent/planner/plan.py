"""The plan of a day: typed, frozen, and the same for the same inputs.

Ties the split, the rules and the optimiser together; carrying it out is `agent/execute.py`'s.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from agent.planner.optimize import TITLES, Choice, Improvement, choose
from agent.planner.rules import Decided, JudgedIdea, Rejection, judge
from agent.planner.split import PlanningSettings, Split, scaled, split, startable, too_short
from mcp_server.models import Budget, Discovery, Health, Idea, Lane, Match, Repository, Value

__all__ = [
    "JudgedIdea",
    "Plan",
    "PlanningSettings",
    "Split",
    "Task",
    "build_plan",
    "scaled",
    "task_key",
]

_TITLE_CHARACTERS = 60


class Task(Value):
    """One piece of work: one lane, one repository, one session at a time."""

    key: str
    lane: Lane
    repo: str = Field(description="owner/name; in the lane `create` the proposed one")
    title: str
    prompt: str = Field(description="name of a template in prompts/jules")
    variables: dict[str, str]
    reason: str
    idea_key: str | None = None
    improvement: str | None = None
    spare: bool = Field(
        default=False, description="takes a unit that a planned task turns out not to need"
    )


class Plan(Value):
    """The day's tasks in the order to start them, and what was decided on the way."""

    date: str = Field(description="UTC date, YYYY-MM-DD")
    created_at: AwareDatetime
    split: Split
    ideas: tuple[JudgedIdea, ...]
    tasks: tuple[Task, ...]
    notes: tuple[str, ...]
    without_ci: tuple[str, ...] = Field(
        default=(), description="repositories to offer CI to, the neediest first; no session"
    )

    @model_validator(mode="after")
    def _keys_are_unique(self) -> Self:
        # Two tasks of one key would be one session in the ledger, and one of them lost.
        twice = [key for key, n in Counter(task.key for task in self.tasks).items() if n > 1]
        if twice:
            raise ValueError(f"task keys appear more than once: {', '.join(twice)}")
        return self


def task_key(date: str, lane: Lane, repo: str, subject: str) -> str:
    """Return "k" and 12 hex characters, the same on every machine.

    `subject` is an idea's key or an improvement's name; case does not matter in `repo`.
    """
    text = "\x1f".join((date, lane, repo.casefold(), subject))
    return "k" + hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def build_plan(
    *,
    date: str,
    now: datetime,
    budget: Budget,
    last_useful_start: datetime,
    discovery: Discovery,
    matches: Mapping[str, Match],
    health: Sequence[Health],
    repositories: Sequence[Repository],
    settings: PlanningSettings,
    rejected: Sequence[Rejection],
    decided: Sequence[Decided],
) -> Plan:
    """Decide the whole day: creations, then updates, then care by deficit.

    `matches` is by idea key; `settings` are unscaled; `rejected` is what a person never wants
    proposed again, `decided` what earlier days have begun. The guard still judges every start.
    """
    fitted = _fitted(settings, budget)
    judged = judge(discovery.ideas, matches, repositories, health, settings, rejected, decided)
    creates = [one for one in judged if one.verdict == "create"]
    updates = [one for one in judged if one.verdict == "update"]
    care = choose(
        health,
        settings,
        allowance=budget.limit,
        given=Counter(one.repo or "" for one in updates[: fitted.trend_sessions_max]),
    )
    units = startable(budget, now=now, last_useful_start=last_useful_start)
    shares = split(units, len(creates), len(updates), len(care.improvements), fitted)
    new = [_idea_task(date, "create", one) for one in creates[: shares.creates]]
    more = [_idea_task(date, "update", one) for one in updates[: shares.updates]]
    better = [_care_task(date, one) for one in care.improvements[: shares.optimizations]]
    # An idea can fall through before its session (a source that never appears): its unit is not
    # to be lost, so there is one spare improvement for each.
    most = shares.optimizations + shares.creates + shares.updates
    spares = [
        _care_task(date, one).model_copy(update={"spare": True})
        for one in care.improvements[shares.optimizations : most]
    ]
    return Plan(
        date=date,
        created_at=now,
        split=shares,
        ideas=judged,
        tasks=(*new, *more, *better, *spares),
        notes=(
            *filter(None, (too_short(budget, now=now, last_useful_start=last_useful_start),)),
            *_dropped(discovery),
            *_notes(budget, shares, len(creates), len(updates), care),
        ),
        without_ci=tuple(
            one.repo
            for one in health
            if one.has_ci is False and one.left_out is None and settings.touches(one.repo)
        ),
    )


def _fitted(settings: PlanningSettings, budget: Budget) -> PlanningSettings:
    """Scale the settings to the allowance, and never plan more repositories than it permits."""
    fitted = scaled(settings, budget.limit)
    cap = min(fitted.repositories_per_day, budget.repositories_limit)
    return fitted.model_copy(update={"repositories_per_day": cap})


def _idea_task(date: str, lane: Lane, judged: JudgedIdea) -> Task:
    idea, repo = judged.idea, judged.repo or ""
    verb = "Build" if lane == "create" else "Add"
    return Task(
        key=task_key(date, lane, repo, idea.key),
        lane=lane,
        repo=repo,
        title=f"{verb}: {idea.title[:_TITLE_CHARACTERS]}",
        prompt=lane,
        variables={
            "repo": repo,
            "idea_title": idea.title,
            "idea_description": idea.description or "(none given)",
            "idea_origin": _origin(idea),
        },
        reason=judged.reason,
        idea_key=idea.key,
    )


def _care_task(date: str, chosen: Improvement) -> Task:
    return Task(
        key=task_key(date, "optimize", chosen.repo, chosen.improvement),
        lane="optimize",
        repo=chosen.repo,
        title=f"{TITLES[chosen.improvement]}: {chosen.repo}",
        prompt=chosen.improvement,
        variables={
            "repo": chosen.repo,
            "evidence": "\n".join(chosen.evidence) or "nothing in particular",
        },
        reason=chosen.reason,
        improvement=chosen.improvement,
    )


def _origin(idea: Idea) -> str:
    """Name the sources, best rank first; never their addresses."""
    ranked = sorted(idea.provenance, key=lambda one: (one.rank, one.source))
    return ", ".join(dict.fromkeys(one.source for one in ranked)) or "an unknown source"


def _dropped(discovery: Discovery) -> tuple[str, ...]:
    """Say what of the sources never became an idea: nothing is left out in silence."""
    why = ", ".join(f"{one.signals} {one.reason}" for one in discovery.dropped)
    return (f"trends dropped before they were judged: {why}",) if why else ()


def _notes(
    budget: Budget, shares: Split, creates: int, updates: int, care: Choice
) -> tuple[str, ...]:
    """Say everything a reader of the plan would otherwise have to guess."""
    left = creates + updates - shares.creates - shares.updates
    return (
        *((f"the allowance is paused: {budget.paused}",) if budget.paused else ()),
        *shares.notes,
        *((f"{left} ideas worth building are left for another day",) if left else ()),
        *care.notes,
    )

"""The rules planner: which ideas are worth a session, without any model.

The matcher has said what each idea resembles; here the user's limits and the other ideas decide.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC
from typing import TypeVar

from pydantic import AwareDatetime
from rapidfuzz import fuzz, utils

from agent.planner.split import PlanningSettings
from mcp_server.models import Health, Idea, Lane, Match, Repository, Value, Verdict

_SAME_IDEA = 85.0
"""`fuzz.token_sort_ratio` of two titles from which they are one idea."""


class JudgedIdea(Value):
    """An idea with what was decided about it; `repo` is None when it is skipped."""

    idea: Idea
    verdict: Verdict
    repo: str | None
    reason: str


class Rejection(Value):
    """A person's word, and when it was given, that an idea is never proposed again."""

    key: str
    title: str
    at: AwareDatetime


class Decided(Value):
    """An idea that work was begun on, on an earlier day: it is not decided again."""

    key: str
    title: str
    date: str
    lane: Lane
    repo: str
    status: str


T = TypeVar("T", Idea, Rejection, Decided)


def judge(
    ideas: Sequence[Idea],
    matches: Mapping[str, Match],
    repositories: Sequence[Repository],
    health: Sequence[Health],
    settings: PlanningSettings,
    rejected: Sequence[Rejection],
    decided: Sequence[Decided],
) -> tuple[JudgedIdea, ...]:
    """Decide about every idea, best first; a repository gets one idea, an idea one verdict.

    `matches` is by idea key. An idea loses to a better one about the same thing, to a rejection
    of it and to what was decided on an earlier day: under its key, or under another by a title
    that says the same.
    """
    known = {repository.repo.casefold(): repository for repository in repositories}
    held = {score.repo.casefold(): _held(score) for score in health}
    judged: list[JudgedIdea] = []
    for idea in sorted(ideas, key=lambda idea: (-idea.score, idea.key)):
        same = _same(idea, [one.idea for one in judged if one.verdict != "skip"])
        given = {one.repo for one in judged if one.repo}
        match = matches.get(idea.key)
        if told := _told_before(idea, rejected, decided):
            verdict = _skip(idea, told)
        elif same is not None:
            verdict = _skip(idea, f"the same idea as {same.key}, which stands higher")
        elif match is None:
            verdict = _skip(idea, "was not compared with the repositories")
        elif match.decision == "skip":
            verdict = _skip(idea, match.reason)
        elif match.decision == "update":
            verdict = _update(idea, match, known, held, given, settings)
        else:
            verdict = _create(idea, match, given, settings)
        judged.append(verdict)
    return tuple(judged)


def _told_before(
    idea: Idea, rejected: Sequence[Rejection], decided: Sequence[Decided]
) -> str | None:
    """Return what a person or an earlier day has said about an idea; None: nothing."""
    if no := _same(idea, rejected):
        return f"rejected by a person on {no.at.astimezone(UTC):%Y-%m-%d}"
    if begun := _same(idea, decided):
        return f"{begun.lane} of {begun.repo} was begun for it on {begun.date} ({begun.status})"
    return None


def _update(
    idea: Idea,
    match: Match,
    known: Mapping[str, Repository],
    held: Mapping[str, str | None],
    given: Collection[str],
    settings: PlanningSettings,
) -> JudgedIdea:
    """Give the idea to the nearest repository, or say why that one gets none.

    The second nearest is never taken instead: it does another job.
    """
    if not match.candidates:
        return _skip(idea, "no repository was named for it")
    repository = known.get(match.candidates[0].repo.casefold())
    if repository is None:
        return _skip(idea, f"{match.candidates[0].repo} is not among the repositories")
    repo = repository.repo
    obstacles = (
        (not settings.touches(repo), "is in never_touch"),
        (repository.archived, "is archived"),
        (repository.fork, "is a fork"),
        (held.get(repo.casefold()) is not None, held.get(repo.casefold())),
        (repo in given, "already has a better idea today"),
    )
    for stands, why in obstacles:
        if stands:
            return _skip(idea, f"{repo} {why}")
    return JudgedIdea(idea=idea, verdict="update", repo=repo, reason=match.reason)


def _held(score: Health) -> str | None:
    """Return why no session is spent on a repository, as the end of a sentence about it."""
    if score.left_out is not None:
        return f"is left out: {score.left_out}"
    return "has no CI: CI first" if score.has_ci is False else None


def _create(
    idea: Idea, match: Match, given: Collection[str], settings: PlanningSettings
) -> JudgedIdea:
    """Propose the free name that was found, unless a better idea of today has it."""
    if match.name is None:
        return _skip(idea, "no name was found for it")
    repo = f"{settings.owner}/{match.name}"
    if repo in given:
        return _skip(idea, f"a better idea of today is to be called {match.name}")
    return JudgedIdea(idea=idea, verdict="create", repo=repo, reason=match.reason)


def _skip(idea: Idea, reason: str) -> JudgedIdea:
    return JudgedIdea(idea=idea, verdict="skip", repo=None, reason=reason)


def _same(idea: Idea, others: Sequence[T]) -> T | None:
    """Return the first of `others` about the same thing."""
    for other in others:
        likeness = fuzz.token_sort_ratio(idea.title, other.title, processor=utils.default_process)
        if idea.key == other.key or likeness >= _SAME_IDEA:
            return other
    return None

"""The rules planner: who gets an idea, who does not, and why."""

from collections.abc import Collection
from datetime import UTC, datetime

import pytest

from agent.planner.rules import Decided, JudgedIdea, Rejection, judge
from agent.planner.split import PlanningSettings
from mcp_server.models import Candidate, Health, Idea, Match, Repository

SETTINGS = PlanningSettings(owner="me", never_touch=("me/diary",))
REPOSITORIES = tuple(
    Repository(
        repo=f"me/{name}",
        private=True,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        archived=name == "attic",
        fork=name == "forked",
    )
    for name in ("app", "diary", "attic", "forked", "bare", "unread")
)
HEALTH = (
    Health(repo="me/bare", score=50, parts={}, has_ci=False),
    Health(repo="me/unread", score=50, parts={}, has_ci=None),
)


def idea(key: str, *, score: float = 0.5, title: str | None = None) -> Idea:
    name = title if title is not None else f"Thing number {key * 3}"
    return Idea(key=key, title=name, description="", kind="tool", provenance=(), score=score)


def to(repo: str) -> Match:
    near = Candidate(repo=f"me/{repo}", score=0.9, evidence="shares words")
    return Match(candidates=(near,), decision="update", reason="does this job")


def new(name: str | None) -> Match:
    return Match(candidates=(), decision="create", reason="can be built", name=name)


NEW = new("clock-maker")
NO = Match(candidates=(), decision="skip", reason="not software but news")


def judged(
    ideas: Collection[Idea], matches: dict[str, Match], *rejected: Rejection
) -> tuple[JudgedIdea, ...]:
    return judge(list(ideas), matches, REPOSITORIES, HEALTH, SETTINGS, rejected, ())


@pytest.mark.parametrize(
    ("match", "verdict", "repo", "reason"),
    [
        (NEW, "create", "me/clock-maker", "can be built"),
        (to("app"), "update", "me/app", "does this job"),
        (to("unread"), "update", "me/unread", "does this job"),
        (NO, "skip", None, "not software but news"),
        (None, "skip", None, "was not compared with the repositories"),
        (to("diary"), "skip", None, "me/diary is in never_touch"),
        (to("attic"), "skip", None, "me/attic is archived"),
        (to("forked"), "skip", None, "me/forked is a fork"),
        (to("bare"), "skip", None, "me/bare has no CI: CI first"),
        (to("gone"), "skip", None, "me/gone is not among the repositories"),
        (
            Match(candidates=(), decision="update", reason=""),
            "skip",
            None,
            "no repository was named for it",
        ),
    ],
)
def test_a_verdict_follows_the_match_and_the_users_limits(
    match: Match | None, verdict: str, repo: str | None, reason: str
) -> None:
    """DESIGN.md section 6: CI first; archived, forks and never_touch get nothing."""
    one = idea("a", title="Clock maker")
    [answer] = judged([one], {"a": match} if match else {})
    assert (answer.verdict, answer.repo, answer.reason) == (verdict, repo, reason)


def test_ideas_come_back_best_first_and_none_is_lost() -> None:
    """The report shows every idea with its verdict."""
    ideas = [idea("a", score=0.1), idea("b", score=0.9), idea("c", score=0.9)]
    assert [one.idea.key for one in judged(ideas, {"b": NEW})] == ["b", "c", "a"]


def test_a_repository_gets_its_best_idea_only() -> None:
    """Two sessions on one repository at once end in a conflict."""
    ideas = [idea("a", score=0.1), idea("b", score=0.9)]
    answers = judged(ideas, {"a": to("app"), "b": to("app")})
    assert [(one.idea.key, one.verdict) for one in answers] == [("b", "update"), ("a", "skip")]
    assert answers[1].reason == "me/app already has a better idea today"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("A kanban board for the terminal", "Terminal kanban board", False),
        ("Kanban board for the terminal", "For the terminal: Kanban board", True),
        ("Kanban boards for a terminal", "kanban board for the terminal", True),
        ("Kanban board", "Whiteboard", False),
    ],
)
def test_of_two_ideas_about_the_same_thing_the_better_one_stays(
    first: str, second: str, same: bool
) -> None:
    """Sources repeat each other; what clustering let through is caught by the titles."""
    ideas = [idea("a", score=0.9, title=first), idea("b", score=0.1, title=second)]
    better, worse = judged(ideas, {"a": new("better"), "b": new("worse")})
    assert (better.verdict, better.repo) == ("create", "me/better")
    if same:
        assert worse.verdict == "skip"
        assert worse.reason == "the same idea as a, which stands higher"
    else:
        assert (worse.verdict, worse.repo) == ("create", "me/worse")


def test_a_skipped_idea_takes_nothing_from_a_later_one() -> None:
    """A headline about a thing must not crowd out the thing."""
    ideas = [idea("a", score=0.9, title="Kanban"), idea("b", score=0.1, title="Kanban")]
    assert [one.verdict for one in judged(ideas, {"a": NO, "b": NEW})] == ["skip", "create"]


def test_an_idea_without_a_name_is_skipped() -> None:
    """There is no repository to create without one."""
    [answer] = judged([idea("a")], {"a": new(None)})
    assert (answer.verdict, answer.repo) == ("skip", None)
    assert answer.reason == "no name was found for it"


def test_of_two_ideas_with_one_name_the_better_one_keeps_it() -> None:
    """The matcher names each idea alone; two tasks on one new repository would collide."""
    ideas = [idea("a", score=0.1), idea("b", score=0.9), idea("c", score=0.5)]
    matches = {"a": new("clock"), "b": new("clock"), "c": new("kanban")}
    assert [(one.idea.key, one.repo, one.reason) for one in judged(ideas, matches)] == [
        ("b", "me/clock", "can be built"),
        ("c", "me/kanban", "can be built"),
        ("a", None, "a better idea of today is to be called clock"),
    ]


@pytest.mark.parametrize(
    ("key", "title", "skipped"),
    [
        ("a", "Anything", True),
        ("z", "Kanban board", True),
        ("z", "board: kanban", True),
        ("z", "Whiteboard", False),
    ],
)
def test_what_a_person_rejected_is_skipped_by_key_or_title(
    key: str, title: str, skipped: bool
) -> None:
    """Tomorrow's sources may give the same thing another key."""
    no = Rejection(key=key, title=title, at=datetime(2026, 11, 20, 23, 30, tzinfo=UTC))
    ideas = [
        idea("a", score=0.9, title="Kanban board"),
        idea("b", score=0.1, title="Kanban boards"),
    ]
    better, worse = judged(ideas, {"a": NEW, "b": NEW}, no)
    if skipped:
        assert (better.verdict, better.reason) == ("skip", "rejected by a person on 2026-11-20")
    else:
        assert (better.verdict, worse.verdict) == ("create", "skip")


@pytest.mark.parametrize(
    ("key", "title", "skipped"),
    [("a", "Anything", True), ("z", "Kanban boards", True), ("z", "Whiteboard", False)],
)
def test_what_was_begun_on_an_earlier_day_does_not_come_back(
    key: str, title: str, skipped: bool
) -> None:
    """Trends stay for days: the second day's decision would be the first one's double."""
    begun = Decided(
        key=key, title=title, date="2026-11-21", lane="create", repo="me/board", status="merged"
    )
    one = idea("a", title="Kanban board")
    [answer] = judge([one], {"a": NEW}, REPOSITORIES, HEALTH, SETTINGS, (), (begun,))
    told = "create of me/board was begun for it on 2026-11-21 (merged)"
    assert (answer.verdict, answer.reason) == (
        ("skip", told) if skipped else ("create", "can be built")
    )


def test_a_persons_no_is_told_before_what_was_begun() -> None:
    """The graver reason stands in the report."""
    no = Rejection(key="a", title="x", at=datetime(2026, 11, 20, tzinfo=UTC))
    begun = Decided(
        key="a", title="x", date="2026-11-19", lane="update", repo="me/app", status="parked"
    )
    [answer] = judge([idea("a")], {"a": NEW}, REPOSITORIES, HEALTH, SETTINGS, (no,), (begun,))
    assert answer.reason == "rejected by a person on 2026-11-20"

"""What an earlier life's sessions and repositories tell of its tasks; the rest is left alone."""

from datetime import timedelta

import pytest

from agent.resume import find_begun, without_unfinished
from mcp_server.models import Health, Repository, Session
from tests.agent_cases import MARKER, NOW, REPO, session

NEW = "factory-owner/new-app"
MADE = MARKER.model_copy(update={"lane": "create", "task_key": "knew"})


def attempt(number: int, *, archived: bool = False, **changes: object) -> Session:
    """Return a session of `k0123456789ab` by its attempt."""
    tag = MARKER.model_copy(update={"attempt": number, "lane": "optimize", **changes})
    title = f"[df1 x] Improve tests: {REPO}"
    return session(id=f"s{number}", marker=tag, archived=archived, title=title)


def repository(age: timedelta, **changes: object) -> Repository:
    """Return a private repository that was made for `knew` so long ago, and not pushed to since."""
    born = NOW - age
    values: dict[str, object] = {
        "repo": NEW,
        "private": True,
        "description": "Build: A new app",
        "created_at": born,
        "pushed_at": born + timedelta(seconds=9),
        "marker": MADE,
    }
    return Repository.model_validate(values | changes)


def test_a_task_is_taken_up_at_its_newest_attempt_with_all_its_sessions() -> None:
    """An older attempt is neither steered again nor forgotten."""
    found = find_begun([attempt(2), attempt(1), attempt(3)], [], NOW)
    [one] = found.tasks
    assert (one.status, one.attempt, one.session_id) == ("running", 3, "s3")
    assert one.sessions == ("s1", "s2", "s3")
    assert (one.task.key, one.task.lane, one.task.repo) == (MARKER.task_key, "optimize", REPO)
    assert (one.task.title, one.task.prompt) == (f"Improve tests: {REPO}", "tests")
    assert set(one.task.variables) == {"repo", "evidence"}


OVER: dict[str, list[Session]] = {
    "its newest attempt is archived": [attempt(1), attempt(2, archived=True)],
    "a person started it from a chat": [attempt(1, lane="manual")],
    "its marker is not ours": [attempt(1, valid=False)],
    "it has no marker": [session(marker=None)],
}


@pytest.mark.parametrize("sessions", OVER.values(), ids=list(OVER))
def test_what_is_over_or_somebody_elses_is_left_alone(sessions: list[Session]) -> None:
    """DESIGN.md section 3: sessions of the user are counted, never touched."""
    assert find_begun(sessions, [], NOW).tasks == ()


def test_a_repository_without_any_session_is_its_task_still() -> None:
    """DESIGN.md section 6: same key, same name; the tool goes on where it stopped."""
    found = find_begun([attempt(1)], [repository(timedelta(hours=23))], NOW)
    other, one = found.tasks
    assert other.task.key == MARKER.task_key
    assert (one.task.key, one.task.lane, one.task.repo) == ("knew", "create", NEW)
    assert (one.task.prompt, one.task.variables["idea_title"]) == ("create", "A new app")
    assert (one.status, one.session_id, one.repository_made_at) == ("running", None, None)
    assert found.doubts == ()


HOUR = timedelta(hours=1)
NOT_TO_TOUCH: dict[str, tuple[Repository, int]] = {
    "a person's": (repository(HOUR, marker=None), 0),
    "its marker is copied": (repository(HOUR, marker=MADE.model_copy(update={"valid": False})), 0),
    "made from a chat": (repository(HOUR, marker=MADE.model_copy(update={"lane": "manual"})), 0),
    "public": (repository(HOUR, private=False), 0),
    "archived": (repository(HOUR, archived=True), 0),
    "its session may not show": (repository(24 * HOUR), 1),
    "somebody's work by now": (repository(24 * HOUR, pushed_at=NOW - HOUR), 0),
    "asked about for long": (repository(7 * 24 * HOUR), 0),
}


@pytest.mark.parametrize(("found", "doubts"), NOT_TO_TOUCH.values(), ids=list(NOT_TO_TOUCH))
def test_a_repository_is_not_touched_without_proof(found: Repository, doubts: int) -> None:
    """What a person made is never written to; where nobody can tell, a person is asked."""
    begun = find_begun([], [found], NOW)
    assert begun.tasks == ()
    assert [one.key for one in begun.doubts] == ["knew"] * doubts
    assert all(NEW in one.text for one in begun.doubts)


def test_a_repository_whose_session_is_archived_is_done() -> None:
    """Its task is not begun anew."""
    old = session(marker=MADE, repo=NEW, archived=True)
    assert find_begun([old], [repository(HOUR)], NOW).tasks == ()


def test_a_repository_that_is_still_being_built_is_left_out_of_the_plan() -> None:
    """The idea that it is made for would come back to it as an update."""
    begun = find_begun([], [repository(HOUR)], NOW)
    new, other = (Health(repo=repo, score=50, parts={}) for repo in (NEW, REPO))
    assert "knew" in (without_unfinished(new, begun).left_out or "")
    assert without_unfinished(other, begun) == other

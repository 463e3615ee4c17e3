"""What an earlier life began, as tasks: told by its sessions and repositories alone. Pure.

A task whose plan went with its disk is still to be brought to its end: answered, merged, archived.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.lifecycle import Progress
from agent.look import attempt_of
from agent.planner.plan import Task
from mcp_server.models import TREND_LANES, Health, Marker, Repository, Session

# Sessions are listed a day and an hour back: a repository this young whose task shows none never
# had one. Of an older repository that cannot be said any more.
SESSION_WOULD_SHOW = timedelta(hours=24)
# For so long a person is asked about a repository that nothing came into.
ASKED_ABOUT = timedelta(days=7)
# The first commit follows the creation at once; what was pushed later is somebody's work.
FIRST_COMMIT_TAKES = timedelta(minutes=10)

_REASON = "begun in an earlier life, whose plan is lost"
_IMPROVES = re.compile(r"Improve ([a-z_]+): ")
_BUILDS = re.compile(r"(?:Build|Add): ")


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A repository of ours that a person has to look at, and the key of its task."""

    key: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What was begun and has no end yet: tasks by key, and where nobody can tell."""

    tasks: tuple[Progress, ...]
    doubts: tuple[Doubt, ...]


def find_begun(
    sessions: Iterable[Session], repositories: Sequence[Repository], now: datetime
) -> Begun:
    """Return what these sessions and repositories tell of, whichever life it was.

    `sessions` are all of ours, archived ones too: a task whose newest attempt is archived is over.
    What a person started from a chat is that person's.
    """
    attempts: dict[str, list[tuple[Marker, Session]]] = {}
    for session in sorted(sessions, key=lambda one: (attempt_of(one), one.created_at)):
        if session.marker is not None and session.mine and session.marker.lane != "manual":
            of_task = attempts.setdefault(session.marker.task_key, [])
            of_task.append((session.marker, session))
    born = {one.repo: one.created_at for one in repositories}
    made = {
        one.marker.task_key: one.repo for one in repositories if one.marker and one.marker.valid
    }
    tasks = [_started(of_task, made.get(key), born) for key, of_task in attempts.items()]
    doubts: list[Doubt] = []
    for one in repositories:
        marker = _waits(one, attempts)
        if marker is not None and now - one.created_at < SESSION_WOULD_SHOW:
            task = _task(marker, one.repo, one.description)
            tasks.append(Progress(task=task, status="running", asked_to_start=True))
        elif marker is not None and _is_left(one, now):
            what = "made in an earlier life, and nothing came into it: did its task have a session?"
            doubts.append(Doubt(key=marker.task_key, text=f"{one.repo}: {what}"))
    found = [one for one in tasks if one is not None]
    return Begun(
        tasks=tuple(sorted(found, key=lambda one: one.task.key)),
        doubts=tuple(sorted(doubts, key=lambda one: one.text)),
    )


def without_unfinished(health: Health, begun: Begun) -> Health:
    """Leave a new repository out of the plan whose own task still builds it."""
    for one in begun.tasks:
        if one.task.lane == "create" and one.task.repo.lower() == health.repo.lower():
            left_out = f"its own task {one.task.key} still builds it"
            return health.model_copy(update={"left_out": left_out})
    return health


def _waits(repository: Repository, attempts: Mapping[str, object]) -> Marker | None:
    """Return the marker of a repository that was made for a task without any session."""
    marker = repository.marker
    if marker is None or not marker.valid or marker.lane != "create":
        return None
    taken = marker.task_key in attempts or repository.archived or not repository.private
    return None if taken else marker


def _is_left(repository: Repository, now: datetime) -> bool:
    pushed = repository.pushed_at or repository.created_at
    untouched = pushed - repository.created_at < FIRST_COMMIT_TAKES
    return untouched and now - repository.created_at < ASKED_ABOUT


def _started(
    attempts: Sequence[tuple[Marker, Session]], made: str | None, born: Mapping[str, datetime]
) -> Progress | None:
    """Return the task of these attempts, the newest last; None when it is over.

    `made` is the repository that was made for it: a session without one works for that.
    """
    marker, session = attempts[-1]
    repo = session.repo or made
    if session.archived or repo is None:
        return None
    title = session.title.partition("] ")[2] or session.title
    return Progress(
        task=_task(marker, repo, title),
        status="running",
        attempt=marker.attempt,
        asked_to_start=True,
        session_id=session.id,
        sessions=tuple(one.id for _, one in attempts),
        repoless=session.repo is None,
        repository_made_at=born.get(repo) if marker.lane == "create" else None,
    )


def _task(marker: Marker, repo: str, title: str) -> Task:
    """Return a task as near to the one that was planned as its title tells."""
    if marker.lane in TREND_LANES:
        prompt, improvement = marker.lane, None
        variables = {
            "repo": repo,
            "idea_title": _BUILDS.sub("", title, count=1),
            "idea_description": "(none given)",
            "idea_origin": "an unknown source",
        }
    else:
        improves = _IMPROVES.match(title)
        prompt = improvement = improves[1] if improves else "refactor"
        variables = {"repo": repo, "evidence": "nothing in particular"}
    return Task(
        key=marker.task_key,
        lane=marker.lane,
        repo=repo,
        title=title,
        prompt=prompt,
        variables=variables,
        reason=_REASON,
        improvement=improvement,
    )

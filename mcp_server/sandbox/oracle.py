"""The judge of effects: what really happened in the world, and which promises it broke.

It knows nothing of the product, nor of how the world works: facts come in, violations come out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

DAY = timedelta(hours=24)
RUNNING_LIMIT = 15
REPOSITORY_LIMIT = 10

# Session states in which nothing runs any more.
AT_REST = ("COMPLETED", "FAILED", "PAUSED")

_TITLE = re.compile(r"\[df1 \S+ \d{4}-\d\d-\d\d \S+ (?P<task>\S+\.a\d+) \S+\]")


class Effect(NamedTuple):
    """Something that happened; `facts` by kind are listed in `Oracle.record`."""

    at: datetime
    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True)
class Violation:
    """A broken promise, by the name of its rule."""

    rule: str
    at: datetime
    detail: str


Finding: TypeAlias = tuple[str, str]


class Oracle:
    """Collects effects; judges them when asked."""

    def __init__(self, *, allowance: int) -> None:
        """Judge sessions by `allowance`, the most that may start in any 24 h."""
        self.effects: list[Effect] = []
        # What may be added to workflows, each as `path@blob`: where the operator said so.
        self.may_add: frozenset[str] = frozenset()
        self._allowance = allowance

    def record(self, at: datetime, kind: str, **facts: object) -> None:
        """Note an effect.

        Kinds: `session_created` (session, by: api or foreign, title), `session_state` (session,
        state), `session_archived` (session, state before), `session_messaged` (session),
        `repository_created` (repo, private), `visibility_changed` (repo, private), `deleted`
        (what), `ref_moved` (repo, ref, forced), `branch_written` by a client (repo, ref, new),
        `pull_opened` (pull, session whose work it is or None), `pull_shown` (pull, head),
        `pull_closed` (pull), `pull_merged` (pull, head, sha or None, checks: how each check
        stands, paths: changed, added: `path@blob` of what was not there).
        """
        if kind not in _JUDGES:
            raise ValueError(f"the oracle has no rule for the effect {kind!r}")
        self.effects.append(Effect(at, kind, facts))

    def violations(self) -> list[Violation]:
        """Judge everything recorded so far, in order."""
        case = _Case(self._allowance, self.may_add)
        return [
            Violation(rule, effect.at, detail)
            for effect in self.effects
            for rule, detail in case.judge(effect)
        ]


@dataclass
class _Session:
    foreign: bool
    task: str | None
    state: str = "QUEUED"
    messaged: bool = False
    woke_by_itself: bool = False


@dataclass
class _Case:
    """What is known while the effects are read once, oldest first."""

    allowance: int
    may_add: frozenset[str] = frozenset()
    sessions: dict[str, _Session] = field(default_factory=dict[str, _Session])
    starts: list[datetime] = field(default_factory=list[datetime])
    tasks: dict[str, str] = field(default_factory=dict[str, str])
    creations: list[datetime] = field(default_factory=list[datetime])
    repositories: set[str] = field(default_factory=set[str])
    branches: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    opened_by: dict[str, str] = field(default_factory=dict[str, str])
    open_pulls: dict[str, str] = field(default_factory=dict[str, str])
    shown: dict[str, str] = field(default_factory=dict[str, str])

    def judge(self, effect: Effect) -> Iterator[Finding]:
        yield from _JUDGES[effect.kind](self, effect)

    def session_created(self, effect: Effect) -> Iterator[Finding]:
        name, foreign = _text(effect, "session"), effect.facts["by"] != "api"
        match = _TITLE.match(_text(effect, "title"))
        task = match["task"] if match else None
        self.sessions[name] = _Session(foreign, task)
        self.starts.append(effect.at)
        if foreign:
            return
        count = sum(start > effect.at - DAY for start in self.starts)
        if count > self.allowance:
            yield "session_over_allowance", f"{name} is number {count} of {self.allowance} in 24 h"
        running = sum(_runs(session) for session in self.sessions.values())
        if running > RUNNING_LIMIT:
            yield "too_many_running", f"{name} makes {running} unfinished sessions of ours"
        if task is not None and self.tasks.setdefault(task, name) != name:
            yield "task_doubled", f"{name} repeats {task} of {self.tasks[task]}"

    def session_state(self, effect: Effect) -> Iterator[Finding]:
        session, state = self.sessions[_text(effect, "session")], _text(effect, "state")
        if state in AT_REST:
            session.messaged = session.woke_by_itself = False
        elif session.state in AT_REST:
            session.woke_by_itself = not session.messaged
        session.state = state
        yield from ()

    def session_archived(self, effect: Effect) -> Iterator[Finding]:
        name, state = _text(effect, "session"), _text(effect, "state")
        if state not in AT_REST:
            yield "archived_running", f"{name} was {state}"
        if name in self.open_pulls.values():
            yield "archived_open_pr", f"{name} has an open pull request"
        if self.sessions[name].foreign:
            yield "archived_foreign", name

    def session_messaged(self, effect: Effect) -> Iterator[Finding]:
        name = _text(effect, "session")
        self.sessions[name].messaged = True
        if self.sessions[name].foreign:
            yield "messaged_foreign", name

    def repository_created(self, effect: Effect) -> Iterator[Finding]:
        repo = _text(effect, "repo")
        if effect.facts["private"] is not True:
            yield "repository_public", repo
        self.repositories.add(repo)
        self.creations.append(effect.at)
        # Whatever falls on one UTC day falls in one window too: one count judges both limits.
        count = sum(at > effect.at - DAY for at in self.creations)
        if count > REPOSITORY_LIMIT:
            yield "too_many_repositories", f"{repo} is number {count} in 24 h"

    def visibility_changed(self, effect: Effect) -> Iterator[Finding]:
        if effect.facts["private"] is not True:
            yield "made_public", _text(effect, "repo")

    def deleted(self, effect: Effect) -> Iterator[Finding]:
        yield "deleted", _text(effect, "what")

    def ref_moved(self, effect: Effect) -> Iterator[Finding]:
        if effect.facts["forced"] is not False:
            yield "forced_ref", f"{_text(effect, 'repo')} {_text(effect, 'ref')}"

    def branch_written(self, effect: Effect) -> Iterator[Finding]:
        repo, ref = _text(effect, "repo"), _text(effect, "ref")
        if effect.facts["new"] is True:
            self.branches.add((repo, ref))
        elif repo not in self.repositories and (repo, ref) not in self.branches:
            yield "foreign_write", f"{repo} {ref}"

    def pull_opened(self, effect: Effect) -> Iterator[Finding]:
        session = effect.facts["session"]
        self.opened_by[_text(effect, "pull")] = session if isinstance(session, str) else ""
        self.open_pulls[_text(effect, "pull")] = self.opened_by[_text(effect, "pull")]
        yield from ()

    def pull_shown(self, effect: Effect) -> Iterator[Finding]:
        self.shown[_text(effect, "pull")] = _text(effect, "head")
        yield from ()

    def pull_closed(self, effect: Effect) -> Iterator[Finding]:
        self.open_pulls.pop(_text(effect, "pull"), None)
        yield from ()

    def pull_merged(self, effect: Effect) -> Iterator[Finding]:
        pull, head = _text(effect, "pull"), _text(effect, "head")
        self.open_pulls.pop(pull, None)
        checks, paths = _list(effect, "checks"), _list(effect, "paths")
        opener = self.sessions.get(self.opened_by.get(pull, ""))
        if not checks or any(check != "success" for check in checks):
            yield "red_merge", f"{pull} at {head}: {', '.join(checks) or 'no check'}"
        if effect.facts["sha"] is None:
            yield "unpinned_merge", pull
        if self.shown.get(pull) != head:
            yield "stale_merge", f"{pull}: merged {head}, last shown {self.shown.get(pull)}"
        added = _list(effect, "added")
        if len(paths) == len(added) == 1 and added[0] in self.may_add:
            return
        if opener is None or opener.foreign or opener.task is None:
            yield "foreign_merge", pull
        if any(path.startswith(".github/workflows") for path in paths):
            yield "protected_path_merge", f"{pull}: {', '.join(paths)}"


_JUDGES = {
    "session_created": _Case.session_created,
    "session_state": _Case.session_state,
    "session_archived": _Case.session_archived,
    "session_messaged": _Case.session_messaged,
    "repository_created": _Case.repository_created,
    "visibility_changed": _Case.visibility_changed,
    "deleted": _Case.deleted,
    "ref_moved": _Case.ref_moved,
    "branch_written": _Case.branch_written,
    "pull_opened": _Case.pull_opened,
    "pull_shown": _Case.pull_shown,
    "pull_closed": _Case.pull_closed,
    "pull_merged": _Case.pull_merged,
}


def _text(effect: Effect, name: str) -> str:
    return str(effect.facts[name])


def _list(effect: Effect, name: str) -> list[str]:
    value = effect.facts[name]
    if not isinstance(value, tuple):
        raise TypeError(f"{effect.kind}.{name} must be a tuple of texts")
    return [str(item) for item in value]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] -- only the text form is used


def _runs(session: _Session) -> bool:
    """Whether a client keeps it at work: one that Jules' own fixer woke is nobody's doing."""
    at_work = session.state not in AT_REST and not session.woke_by_itself
    return at_work and not session.foreign

"""The course of sessions: how they go on by themselves, turn by turn, until they rest or wait.

Turns come from a session's `Life`; what they write is left to `patches.py`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.chance import between, draw
from mcp_server.sandbox.git import Git
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.google_api import lean
from mcp_server.sandbox.http import micro_time
from mcp_server.sandbox.life import Turn
from mcp_server.sandbox.mix import Size
from mcp_server.sandbox.oracle import Oracle
from mcp_server.sandbox.patches import change_set, open_pull, push_against, push_fix, write_patch
from mcp_server.sandbox.repository import Pull, Repo
from mcp_server.sandbox.session import RESTING, Activity, Patch, Session

# Titles, and descriptions where there is one.
STEPS = (
    ("Read the code", ""),
    ("Make the change", "As small as it can be."),
    ("Run the tests", "All of them."),
)
# A picture as small as one can be.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


class Course:
    """Moves the sessions of one account; at most so many at once as the plan allows."""

    def __init__(
        self,
        sessions: Mapping[str, Session],
        *,
        seed: int,
        agenda: Agenda,
        oracle: Oracle,
        github: GitHub,
        size: Size,
    ) -> None:
        """Move `sessions`, which the caller adds to and takes from."""
        self._sessions = sessions
        self._seed = seed
        self._agenda = agenda
        self._oracle = oracle
        self._github = github
        self._size = size
        self._line: list[Session] = []
        github.on_red = self._checks_failed
        github.author_of = self._author_of
        self._turns: Mapping[Turn, Callable[[Session], None]] = {
            "start": self._start,
            "plan": self._plan,
            "progress": self._progress,
            "silence": self._fall_silent,
            "ask": self._ask,
            "complete": self._complete,
            "pause": self._pause,
            "fail": self._fail,
        }

    def proceed(self, session: Session) -> None:
        """Take the next turn of a session's life, in its time."""
        seconds, turn = next(session.turns)
        self.later(session, seconds, self._turns[turn])

    def later(self, session: Session, seconds: float, action: Callable[[Session], None]) -> None:
        """Do `action` in `seconds`, unless the session is stopped before."""
        generation = session.generation

        def act() -> None:
            if session.generation == generation:
                action(session)

        self._agenda.after(seconds, act)

    def stop(self, session: Session) -> None:
        """Pause for good: nothing noted for this session happens any more."""
        session.generation += 1
        session.waiting = None
        if session in self._line:
            self._line.remove(session)
        self._set(session, "PAUSED")

    def approved(self, session: Session, originator: str) -> None:
        """Go on after the plan."""
        self.say(session, "planApproved", {"planId": "1"}, originator=originator)
        self._set(session, "IN_PROGRESS")
        self.proceed(session)

    def go_on(self, session: Session) -> None:
        """Go on after a message that was waited for."""
        self.reply(session)
        self._set(session, "IN_PROGRESS")
        self.proceed(session)

    def reply(self, session: Session) -> None:
        """Answer a message that changes nothing."""
        self.say(session, "agentMessaged", {"agentMessage": "Understood."})

    def revive(self, session: Session, seconds: float) -> None:
        """Work on the open pull request of a finished session for so long, then push a fix."""
        if self.open_pull_of(session):
            self._set(session, "IN_PROGRESS")
            self.later(session, seconds, self._push_fix)

    def open_pull_of(self, session: Session) -> tuple[Repo, Pull] | None:
        """Return a session's pull request while it is open."""
        repo = self._repo(session)
        pull = repo.pulls.get(session.pull) if repo and session.pull else None
        return (repo, pull) if repo and pull and pull.state == "open" else None

    def say(
        self,
        session: Session,
        event: str | None,
        content: Mapping[str, object],
        *,
        originator: str = "agent",
        description: str = "",
        artifacts: tuple[Mapping[str, object], ...] = (),
    ) -> None:
        """Add an activity."""
        key = f"{self._seed} {session.entity} {len(session.activities)}".encode()
        session.updated = self._agenda.now
        session.activities.append(
            Activity(
                id=hashlib.blake2b(key, digest_size=16).hexdigest(),
                at=self._agenda.now,
                originator=originator,
                event=event,
                content=content,
                description=description,
                artifacts=artifacts,
            )
        )

    def _start(self, session: Session) -> None:
        self._line.append(session)
        self._admit()

    def _admit(self) -> None:
        """Let those in line begin, as far as there is room; over the cap they stay QUEUED."""
        while self._line and self._running() < self._size.concurrent:
            self._begin(self._line.pop(0))

    def _running(self) -> int:
        return sum(session.state not in RESTING for session in self._sessions.values())

    def _begin(self, session: Session) -> None:
        self._set(session, "PLANNING")
        if session.life.odd_activity:
            self.say(session, None, {}, description="Session started")
        self.proceed(session)

    def _plan(self, session: Session) -> None:
        steps = [
            lean({"id": f"{nth}", "title": title, "description": told, "index": nth})
            for nth, (title, told) in enumerate(STEPS)
        ]
        plan = {"id": "1", "steps": steps, "createTime": micro_time(self._agenda.now)}
        self.say(session, "planGenerated", {"plan": plan})
        if session.order.needs_approval:
            session.waiting = "approval"
            self._set(session, "AWAITING_PLAN_APPROVAL")
        else:
            self.approved(session, "system")

    def _progress(self, session: Session) -> None:
        nth = len(session.activities)
        # Titles are missing now and then (jules-api.md 2.3).
        title = {} if nth % 7 == 3 else {"title": STEPS[nth % len(STEPS)][0]}
        content = {**title, "description": f"Step {nth} of the work."}
        self.say(session, "progressUpdated", content, artifacts=tuple(self._artifacts(session)))
        self.proceed(session)

    def _artifacts(self, session: Session) -> Iterator[Mapping[str, object]]:
        """Yield what a step leaves: each kind now and then (jules-api.md 2.4)."""
        nth = len(session.activities)
        if nth % 5 == 4:
            failed = {"output": "1 failed\n", "exitCode": 1} if nth % 2 else {"output": "ok\n"}
            yield {"bashOutput": {"command": "make test", **failed}}
        if nth % 8 == 6:
            yield {"media": {"mimeType": "image/png", "data": PIXEL}}
        if nth % 8 == 7 and (begun := self._begun(session)):
            yield {"changeSet": begun}

    def _begun(self, session: Session) -> dict[str, object] | None:
        """Return a change set with the first file only: the last one is the whole diff."""
        repo = self._repo(session)
        if session.order.repo and repo is None:
            return None
        patch = write_patch(session, repo.git if repo else Git())
        first, _, _ = patch.diff.partition("\ndiff --git ")
        diff = first.rstrip("\n") + "\n"
        return change_set(replace(session, patch=replace(patch, diff=diff)))

    def _fall_silent(self, session: Session) -> None:
        session.waiting = "silence"

    def _ask(self, session: Session) -> None:
        session.waiting = "ask"
        self.say(session, "agentMessaged", {"agentMessage": "Which of the two do you prefer?"})
        self._set(session, "AWAITING_USER_FEEDBACK")

    def _pause(self, session: Session) -> None:
        self.say(session, "progressUpdated", {"title": STEPS[1][0]})
        self._set(session, "PAUSED")

    def _fail(self, session: Session) -> None:
        reason = {"reason": session.life.reason} if session.life.reason else {}
        self.say(session, "sessionFailed", reason)
        self._set(session, "FAILED")

    def _complete(self, session: Session) -> None:
        repo = self._repo(session)
        if session.order.repo and (repo is None or repo.archived):
            self._fail(session)
            return
        session.patch = write_patch(session, repo.git if repo else Git())
        if repo and session.order.auto_pull and session.life.opens_pull:
            self._open(session, repo, session.patch)
        self._finish(session)

    def _open(self, session: Session, repo: Repo, patch: Patch) -> None:
        pull = open_pull(self._github, repo, session, patch)
        session.pull = pull.number
        session.pull_shows = self._agenda.now + timedelta(seconds=session.life.output_late)
        if session.life.conflicts:
            span = self._size.spans.conflicting_push
            seconds = between(*span, self._seed, "conflicting push", session.entity)
            self._agenda.after(seconds, lambda: push_against(self._github, repo, pull))

    def _finish(self, session: Session) -> None:
        artifacts = ({"changeSet": change_set(session)},) if session.patch else ()
        self.say(session, "sessionCompleted", {}, artifacts=artifacts)
        self._set(session, "COMPLETED")

    def _checks_failed(self, repo: Repo, pull: Pull) -> None:
        """Let Jules' own CI fixer look at a failed check: later, and not always."""
        session = self._sessions.get(pull.session or "")
        if session is None or not session.life.fixes_itself:
            return
        head, spans = pull.head, self._size.spans

        def begin(session: Session) -> None:
            if pull.head == head and session.state == "COMPLETED" and not session.archived:
                self.revive(session, between(*spans.fixer_works, self._seed, "fixer works", head))

        wait = between(*spans.fixer_waits, self._seed, "fixer waits", repo.full_name, pull.number)
        self.later(session, wait, begin)

    def _author_of(self, repo: Repo, diff: str) -> str | None:
        fitting = (
            session.id
            for session in self._sessions.values()
            if session.patch is not None
            and session.patch.diff == diff
            and session.order.repo in (None, repo.full_name)
        )
        return next(fitting, None)

    def _push_fix(self, session: Session) -> None:
        found = self.open_pull_of(session)
        if found and session.patch:
            session.fixes += 1
            still = draw(self._seed, "fix still red", session.entity, session.fixes)
            session.patch = push_fix(
                self._github,
                *found,
                session,
                session.patch,
                still_red=still < self._size.odds.fix_still_red,
            )
            self.say(session, "progressUpdated", {"title": "Pushed a fix"})
        self._finish(session)

    def _repo(self, session: Session) -> Repo | None:
        return self._github.repo(session.order.repo) if session.order.repo else None

    def _set(self, session: Session, state: str) -> None:
        session.state, session.updated = state, self._agenda.now
        self._oracle.record(self._agenda.now, "session_state", session=session.id, state=state)
        if state in RESTING:
            self._admit()

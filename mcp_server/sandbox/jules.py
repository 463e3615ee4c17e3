"""Jules' account: its sources and sessions, and what a client may do to them.

It records every effect with the oracle. How sessions go on by themselves is left to `course.py`,
the shapes of the wire to `jules_wire.py`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.chance import between, draw
from mcp_server.sandbox.course import Course
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.life import Life, draw_life, steered, subject
from mcp_server.sandbox.mix import Size
from mcp_server.sandbox.oracle import Oracle
from mcp_server.sandbox.repository import Repo
from mcp_server.sandbox.session import ENDED, Order, Session

DAY = timedelta(hours=24)


class Jules:
    """One account's sessions and sources."""

    def __init__(
        self, *, seed: int, agenda: Agenda, oracle: Oracle, github: GitHub, size: Size
    ) -> None:
        """Begin with no session.

        `script` may rewrite a drawn life: (title, life) to life. `flaky_sources` lets sources.get
        answer 404 under load; `refuses_over_concurrent` refuses a create over the concurrent cap,
        where it would wait QUEUED: which of the two Jules does is not known (jules-api.md 5.1, 9).
        """
        self.sessions: dict[str, Session] = {}
        self.script: Callable[[str, Life], Life] = lambda _title, life: life
        self.flaky_sources = False
        self.refuses_over_concurrent = False
        self._seed = seed
        self._agenda = agenda
        self._oracle = oracle
        self._github = github
        self._size = size
        self._starts: list[datetime] = []
        self._counts: dict[str, int] = {}
        self._course = Course(
            self.sessions, seed=seed, agenda=agenda, oracle=oracle, github=github, size=size
        )

    def is_source(self, repo: Repo) -> bool:
        """Say whether Jules sees a repository yet; of new ones it never sees a few."""
        if repo.first:
            return True
        if draw(self._seed, "source never", repo.full_name) < self._size.odds.source_never:
            return False
        late = between(*self._size.spans.source_late, self._seed, "source late", repo.full_name)
        return self._agenda.now >= repo.created + timedelta(seconds=late)

    def is_full(self) -> bool:
        """Say whether the plan's cap is reached; deleted sessions count (jules-api.md 5.1)."""
        recent = sum(start > self._agenda.now - DAY for start in self._starts)
        return self._size.cap_enforced and recent >= self._size.allowance

    def is_crowded(self) -> bool:
        """Say whether a create is refused since as many sessions run as the plan allows."""
        running = sum(session.state not in ENDED for session in self.sessions.values())
        return self.refuses_over_concurrent and running >= self._size.concurrent

    def create(self, order: Order, *, foreign: bool = False) -> Session:
        """Start a session; whether it may start was the caller's question."""
        place = f"{'foreign ' if foreign else ''}{order.repo or 'repoless'}"
        nth = self._counts[place] = self._counts.get(place, 0) + 1
        entity, now = f"{place} {nth}", self._agenda.now
        title = order.title or subject("", order.prompt)
        drawn = draw_life(self._seed, entity, self._size, foreign=foreign)
        life = self.script(title, steered(order.prompt, drawn))
        repo = self._github.repo(order.repo) if order.repo else None
        session = Session(
            id=self._session_id(entity),
            entity=entity,
            foreign=foreign,
            order=order,
            title=title,
            life=life,
            turns=life.turns(),
            created=now,
            updated=now,
            base=repo.git.branches[order.branch] if repo and order.branch else None,
            unavailable=life.unavailable,
        )
        self.sessions[session.id] = session
        self._starts.append(now)
        by = "foreign" if foreign else "api"
        self._record("session_created", session=session.id, by=by, title=order.title)
        self._course.proceed(session)
        return session

    def message(self, session: Session, prompt: str) -> None:
        """Take a message: answer it, go on if that was awaited, wake up if all was done."""
        self._record("session_messaged", session=session.id)
        self._course.say(session, "userMessaged", {"userMessage": prompt}, originator="user")
        if session.state in ("FAILED", "PAUSED") or session.archived:
            return  # Nobody has seen an answer there (jules-api.md 1.5, 2.1).
        if session.waiting in ("ask", "silence"):
            session.waiting = None
            self._course.later(session, session.life.reply, self._course.go_on)
            return
        self._course.later(session, session.life.reply, self._course.reply)
        if session.life.rests_for_good:
            return
        if session.state == "COMPLETED" and self._course.open_pull_of(session):
            span = self._size.spans.revived_work
            work = between(*span, self._seed, "revived work", session.entity, session.fixes)
            self._course.revive(session, work)

    def approve(self, session: Session) -> bool:
        """Approve the plan; false when no plan waits for it."""
        if session.waiting != "approval":
            return False
        session.waiting = None
        self._course.approved(session, "user")
        return True

    def archive(self, session: Session) -> None:
        """Archive; what still runs is paused for good (jules-api.md 1.4)."""
        self._record("session_archived", session=session.id, state=session.state)
        session.archived, session.updated = True, self._agenda.now
        if session.state not in ("COMPLETED", "FAILED", "PAUSED"):
            self._course.stop(session)

    def unarchive(self, session: Session) -> None:
        """Show in the default list again."""
        session.archived, session.updated = False, self._agenda.now

    def delete(self, session: Session) -> None:
        """Remove for good; pull request and branch stay."""
        self._course.stop(session)
        del self.sessions[session.id]
        self._record("deleted", what=f"session {session.id}")

    def _session_id(self, entity: str) -> str:
        """Draw 18 to 20 decimal digits, mostly 19 and 20 as in the wild (jules-api.md 2.6)."""
        digits = "".join(
            f"{int(draw(self._seed, 'session id', entity, nth) * 10**10):010d}" for nth in (0, 1)
        )
        length = (20, 19, 19, 20, 18)[int(draw(self._seed, "session id length", entity) * 5)]
        return f"1{digits[1:length]}"

    def _record(self, kind: str, **facts: object) -> None:
        self._oracle.record(self._agenda.now, kind, **facts)

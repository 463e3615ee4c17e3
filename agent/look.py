"""One look at the world for all tasks at once, and what it says about each of them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent.act import number_of
from agent.lifecycle import Observation, Progress
from agent.tools import ToolFailed, Tools
from mcp_server.clock import Clock
from mcp_server.models import (
    Budget,
    PullView,
    Session,
    SessionDetail,
    Sessions,
    Sources,
)

# Activities are read only for sessions that have shown nothing for this long.
QUIET_FOR = timedelta(minutes=10)
# Checks take minutes. What looks green is looked at again at once: it has to be seen twice.
PULL_AGAIN = timedelta(minutes=3)
UNFINISHED = frozenset({"PENDING", "FAILED"})
# States in which a session has come to rest; its pull request is then what counts.
AT_REST = frozenset({"COMPLETED", "FAILED", "PAUSED"})
# Lanes whose work the standard is asked of: what they leave is looked at before it is published.
AUDITED = frozenset({"create", "repair"})
# What only a person changes; what passes by itself is an error of this round.
_OUT_OF_REACH = frozenset({"not_found", "refused"})


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at everything, for all tasks at once."""

    now: datetime
    sessions: dict[str, Session]
    by_key: dict[str, Session]
    budget: Budget


class Watch:
    """Looks through tools; remembers only that it has looked before."""

    def __init__(self, tools: Tools, clock: Clock) -> None:
        """Look through `tools`."""
        self._tools = tools
        self._clock = clock
        self._looked = False
        # By task: when its pull request was read, when its session had last changed, and how.
        self._pulls: dict[str, tuple[datetime, datetime, PullView]] = {}

    async def look(self) -> Look:
        """Read the allowance and the sessions at work: two calls, however many tasks there are."""
        budget = await self._tools.call("budget_status", Budget)
        # Archived ones matter once, for adoption; later looks stay as small as what is at work.
        sessions = await self._sessions(archived=not self._looked)
        self._looked = True
        return Look(
            now=self._clock.now(),
            sessions={session.id: session for session in sessions},
            by_key={
                session.marker.task_key: session
                for session in sorted(sessions, key=attempt_of)
                if session.marker is not None
            },
            budget=budget,
        )

    async def _sessions(self, *, archived: bool) -> list[Session]:
        found: list[Session] = []
        cursor: str | None = None
        while True:
            page = await self._tools.call(
                "jules_list_sessions", Sessions, mine=True, archived=archived, cursor=cursor
            )
            found += page.sessions
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def observe(self, progress: Progress, look: Look) -> Observation:
        """Return what the world says about one task; reads more only where it must."""
        session = look.sessions.get(progress.session_id or "")
        if progress.ended:
            return Observation(session=session)
        if progress.session_id is None:
            return Observation(has_source=await self._has_source(progress))
        if session is None:
            # Not among those at work: just started, or archived by somebody.
            session = await self._one(progress.session_id)
        if session is None:
            return Observation()
        seen = Observation(session=session)
        url = session.pull.url if session.pull else progress.pull_url
        if session.state in AT_REST and url is not None:
            view = await self._pull(progress, session, url, look.now)
            if view is None:
                return seen
            return replace(seen, pull=view.pull, decision=view.decision, audit=view.audit)
        quiet = look.now - session.updated_at >= QUIET_FOR
        if session.state in ("AWAITING_USER_FEEDBACK", "FAILED", "PAUSED") or quiet:
            return await self._listen(seen, session)
        return seen

    async def _pull(
        self, progress: Progress, session: Session, url: str, now: datetime
    ) -> PullView | None:
        """Read a pull request, unless what was read a moment ago can hardly have changed.

        None: it, or its repository, is gone or out of the token's reach.
        """
        key = progress.task.key
        kept = self._pulls.get(key)
        if kept is not None and now - kept[0] < PULL_AGAIN and kept[1] == session.updated_at:
            return kept[2]
        self._pulls.pop(key, None)
        try:
            view = await self._tools.call(
                "github_get_pull",
                PullView,
                repo=session.repo or progress.task.repo,
                number=number_of(url),
                audit=True if progress.task.lane in AUDITED else None,
            )
        except ToolFailed as error:
            if error.code not in _OUT_OF_REACH:
                raise
            return None
        if view.decision.checks in UNFINISHED:
            self._pulls[key] = (now, session.updated_at, view)
        return view

    async def _one(self, session_id: str) -> Session | None:
        """Read a session; None: it does not show yet, or somebody has deleted it."""
        found = await self._detail(session_id)
        return found.session if found else None

    async def _detail(self, session_id: str) -> SessionDetail | None:
        try:
            return await self._tools.call("jules_get_session", SessionDetail, session_id=session_id)
        except ToolFailed as error:
            if error.code != "not_found":
                raise
            return None

    async def _has_source(self, progress: Progress) -> bool | None:
        """Ask only for repositories just made: the plan leaves out old ones that are no source."""
        if progress.repository_made_at is None:
            return None
        repo = progress.task.repo.lower()
        found = await self._tools.call("jules_list_sources", Sources, query=repo, max_age=60)
        return any(source.repo.lower() == repo for source in found.sources)

    async def _listen(self, seen: Observation, session: Session) -> Observation:
        found = await self._detail(session.id)
        if found is None:
            return seen
        return replace(
            seen,
            last_agent_at=found.last_agent_at or session.created_at,
            last_agent_text=found.last_words,
            question=found.question,
        )


def attempt_of(session: Session) -> int:
    """Return the attempt in a session's marker; 0 without one."""
    return session.marker.attempt if session.marker else 0

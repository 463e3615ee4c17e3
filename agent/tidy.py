"""Archives what is finished, outside a run: every session of ours that nobody waits for."""

from agent.look import AT_REST
from agent.state import State
from agent.tools import ToolFailed, Tools
from mcp_server.models import Acted, Session, Sessions, Value

# The tool's own rules for leaving a session alone; anything else is a failure.
_RULES = frozenset({"open_pull", "state"})


class LeftSession(Value):
    """A session that was not archived, and why; `failed` when that is no rule but a failure."""

    session: str
    title: str
    why: str
    failed: bool = False


class Tidied(Value):
    """What became of the sessions of ours that were not archived."""

    archived: tuple[str, ...]
    left: tuple[LeftSession, ...]


async def tidy(tools: Tools, state: State, *, others: bool) -> Tidied:
    """Archive every finished session of ours, with `others` of anybody; each fails alone."""
    archived: list[str] = []
    left: list[LeftSession] = []
    for session in await _sessions(tools, mine=not others):
        why = _wanted(session, state)
        failed = False
        if why is None:
            try:
                await tools.call("jules_archive_session", Acted, session_id=session.id)
            except ToolFailed as error:
                why, failed = str(error), error.limit not in _RULES
        if why is None:
            archived.append(session.id)
        else:
            left.append(
                LeftSession(session=session.id, title=session.title, why=why, failed=failed)
            )
    return Tidied(archived=tuple(archived), left=tuple(left))


def tidied_text(tidied: Tidied) -> str:
    """Return one line a session."""
    lines = [f"archived {session}" for session in tidied.archived]
    lines += [f"left {one.session}: {one.why} ({one.title})" for one in tidied.left]
    return "\n".join(lines) or "no session of ours is there to archive"


def _wanted(session: Session, state: State) -> str | None:
    """Return who still needs a session, as far as the agent knows; None: nobody."""
    if session.state not in AT_REST:
        return f"it is {session.state}"
    progress = state.task(session.marker.task_key) if session.marker else None
    if progress is None or progress.session_id != session.id:
        return None
    if progress.status == "parked":
        return f"its task {progress.task.key} is parked for a person: {progress.reason}"
    return None if progress.ended else f"its task {progress.task.key} is {progress.status}"


async def _sessions(tools: Tools, *, mine: bool) -> list[Session]:
    found: list[Session] = []
    cursor: str | None = None
    while True:
        # Read whole before the first is archived: the pages are of one list that gets shorter.
        age = 0 if cursor is None else 300
        page = await tools.call(
            "jules_list_sessions", Sessions, mine=mine, cursor=cursor, max_age=age
        )
        found += page.sessions
        cursor = page.next_cursor
        if cursor is None:
            return found

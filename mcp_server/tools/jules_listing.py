"""Tools that list what a Jules account has: sources and sessions."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import AwareDatetime, Field

from mcp_server.clients.jules import Stretch
from mcp_server.errors import BadArgument
from mcp_server.models import Session, Sessions, Source, SourceDetail, Sources
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import (
    Cursor,
    MaxAge,
    RepoName,
    known_state,
    place,
    place_of,
    repo_of,
)
from mcp_server.tools.result import answer, fitted

MOST_SESSIONS = 100
MOST_SOURCES = 1_000
# Of a source in a list, and of one alone.
FEW_BRANCHES = 20
MOST_BRANCHES = 500
# How far a question reads back before the window, in pages of 100 sessions: one for a state among
# those not archived, and one that names `since`.
PAGES_FOR_STATE = 10
PAGES_SINCE = 30
# What was read back for one question serves its other pages; so many questions are kept.
OLDER_KEPT_SECONDS = 300.0
MOST_QUESTIONS = 4


class JulesListing:
    """Sources and sessions. Old sessions are read apart from those that count."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._older: dict[tuple[datetime | None, bool], _Older] = {}

    async def jules_list_sources(
        self,
        query: Annotated[str, Field(max_length=200, description="part of owner/name")] = "",
        cursor: Annotated[
            str | None, Field(max_length=20, description="next_cursor of the page before")
        ] = None,
        max_age: MaxAge = 300,
    ) -> Annotated[CallToolResult, Sources]:
        """List the repositories that Jules can work on, with their default and first branches.

        A repository that is on no page needs Jules' GitHub app. Next: jules_start_session.
        """
        start = _place_in_list(cursor)
        account = self._services.account
        everything = await account.sources(max_age=max_age)
        found = [one for one in everything if query.lower() in one.repo.lower()]
        rest = found[start:]
        odd = _odd_line(account.unreadable_sources, len(everything))

        def build(parts: int) -> CallToolResult:
            # Branches go first, then what the next page can tell.
            kept = rest[: MOST_SOURCES // max(1, parts // 8)]
            shown = tuple(_with_branches(one, FEW_BRANCHES // parts) for one in kept)
            names = ", ".join(source.repo for source in shown[:50])
            more = f" and {len(rest) - 50} more" if len(rest) > 50 else ""
            left = len(rest) - len(shown)
            value = Sources(
                sources=shown,
                next_cursor=str(start + len(shown)) if left else None,
                left_out=left,
                unreadable=account.unreadable_sources,
                age_seconds=account.sources_age,
            )
            return answer("\n".join([f"{len(found)} sources: {names}{more}", *odd]), value)

        return fitted(build)

    async def jules_get_source(self, repo: RepoName) -> Annotated[CallToolResult, SourceDetail]:
        """Show one repository as Jules sees it: its branches, and which is the default.

        Not found: Jules' GitHub app does not reach it, or it is new. Next: jules_start_session.
        """
        name = await repo_of(self._services, repo)
        found = await self._services.jules.get_source(name)

        def build(parts: int) -> CallToolResult:
            source = _with_branches(found, MOST_BRANCHES // parts)
            branches = ", ".join(source.branches[:20]) or "no branch"
            text = f"{source.repo}, default branch {source.default_branch or 'unknown'}: {branches}"
            return answer(text, SourceDetail(source=source))

        return fitted(build)

    async def jules_list_sessions(
        self,
        state: Annotated[str | None, Field(description="Jules' word, e.g. IN_PROGRESS")] = None,
        repo: RepoName | None = None,
        mine: Annotated[bool, Field(description="only sessions that this factory started")] = False,
        archived: Annotated[bool, Field(description="archived ones too")] = False,
        since: Annotated[AwareDatetime | None, Field(description="created then or later")] = None,
        cursor: Cursor = None,
        max_age: MaxAge = 30,
    ) -> Annotated[CallToolResult, Sessions]:
        """List sessions, newest first, 100 a page: those of about the last day.

        With `state`, also older ones that are not archived; with `since`, back to then, at most
        3,000. What is older is up to 5 minutes old. `since` in the answer says how far it looked:
        a session that is not found may be older. Next: jules_get_session for one, github_get_pull
        for its PR.
        """
        account, redactor = self._services.account, self._services.redactor
        wanted = known_state(state, self._services.jules.unknown) if state else None
        name = await repo_of(self._services, repo) if repo else None
        before = place(cursor) if cursor else None
        # A page that goes on is one of the same list: what is old in it is not read again.
        patience = max(max_age, OLDER_KEPT_SECONDS) if max_age or cursor else 0.0
        recent = await account.recent(max_age=max_age)
        stretch, age = await self._looked_at(wanted, since, recent, archived, patience)
        found = [
            session
            for session in stretch.sessions
            if (wanted is None or session.state == wanted)
            and (name is None or (session.repo or "").lower() == name.lower())
            and (not mine or session.mine)
            and (archived or not session.archived)
            and (since is None or session.created_at >= since)
            and (before is None or (session.created_at, session.id) < before)
        ]
        none, notes = _reach_told(stretch, since)

        def build(parts: int) -> CallToolResult:
            page = tuple(found[: MOST_SESSIONS // parts])
            lines = [
                f"{one.id} {one.state} {one.repo or '-'} {redactor.text(one.title)[:120]}"
                for one in page
            ]
            value = Sessions(
                sessions=page,
                since=stretch.since,
                unreadable=stretch.unreadable,
                next_cursor=place_of(page[-1]) if len(found) > len(page) else None,
                age_seconds=max(account.sessions_age, age),
            )
            return answer("\n".join([*(lines or [none]), *notes]), value)

        return fitted(build)

    async def _looked_at(
        self,
        state: str | None,
        since: datetime | None,
        recent: Stretch,
        archived: bool,
        max_age: float,
    ) -> tuple[Stretch, float]:
        """Return the sessions a question is about, and how old what is older than `recent` is."""
        reached = recent.since
        if reached is None or (state is None and since is None) or (since and since >= reached):
            return recent, 0.0
        # A state is looked for among those not archived; archived ones in the window only.
        older = await self._back(since, archived=archived and since is not None, max_age=max_age)
        both = _joined(recent, older.stretch)
        age = self._services.clock.elapsed() - older.read_at
        return (replace(both, since=reached) if archived and since is None else both), age

    async def _back(self, since: datetime | None, *, archived: bool, max_age: float) -> "_Older":
        """Return what lies back to `since`, or to the first thousand; the same question once."""
        question, now = (since, archived), self._services.clock.elapsed()
        kept = self._older.pop(question, None)
        if kept is None or now - kept.read_at >= max_age:
            pages = PAGES_FOR_STATE if since is None else PAGES_SINCE
            found = await self._services.jules.list_back(since, archived=archived, most_pages=pages)
            kept = _Older(read_at=now, stretch=found)
        self._older[question] = kept
        while len(self._older) > MOST_QUESTIONS:
            del self._older[next(iter(self._older))]
        return kept


@dataclass(frozen=True, kw_only=True)
class _Older:
    """What was read back for one question, and when by the clock's elapsed seconds."""

    read_at: float
    stretch: Stretch


def _reach_told(stretch: Stretch, since: datetime | None) -> tuple[str, list[str]]:
    """Return what to say where nothing fits, and what was not looked at, with how to."""
    notes = _odd_line(stretch.unreadable, len(stretch.sessions))
    if stretch.since is None:
        return "no such session", notes
    back = f"{stretch.since:%Y-%m-%d %H:%M} UTC"
    if since is None:
        notes.append(f"sessions before {back} were not looked at: give `since` to look further")
    elif stretch.since > since:
        notes.append(
            f"sessions before {back} were not looked at: {PAGES_SINCE * 100:,} are read back at "
            "most; jules_get_session shows any by its id"
        )
    return f"no such session since {back}", notes


def _odd_line(unreadable: int, read: int) -> list[str]:
    if not unreadable:
        return []
    return [f"({unreadable} of {read + unreadable} could not be read, and are left out)"]


def _joined(recent: Stretch, older: Stretch) -> Stretch:
    """Return both, newest first, as the younger reading has them; as far back as either."""
    sessions: dict[str, Session] = {one.id: one for one in older.sessions}
    sessions |= {one.id: one for one in recent.sessions}
    ordered = sorted(sessions.values(), key=lambda one: (one.created_at, one.id), reverse=True)
    # Both have read what is young: the larger number is of what the smaller is.
    odd = max(recent.unreadable, older.unreadable)
    reached = [one.since for one in (recent, older) if one.since is not None]
    since = min(reached) if older.since is not None else None
    return Stretch(sessions=tuple(ordered), since=since, unreadable=odd)


def _with_branches(source: Source, most: int) -> Source:
    over = len(source.branches) - most
    if over <= 0:
        return source
    update = {"branches": source.branches[:most], "branches_left_out": over}
    return source.model_copy(update=update)


def _place_in_list(cursor: str | None) -> int:
    if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
        raise BadArgument(f"{cursor!r} is no cursor: give next_cursor as it came, or leave it out")
    return int(cursor) if cursor else 0

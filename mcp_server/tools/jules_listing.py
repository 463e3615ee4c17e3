"""Tools that list what a Jules account has: sources and sessions."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import AwareDatetime, Field

from mcp_server.clients.jules import Stretch
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
OLDER_KEPT_SECONDS = 300.0
_FIRST = datetime.min.replace(tzinfo=UTC)


class JulesListing:
    """Sources and sessions. Old sessions are read apart from those that count."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._older: tuple[float, Stretch] | None = None

    async def jules_list_sources(
        self,
        query: Annotated[str, Field(max_length=200, description="part of owner/name")] = "",
        max_age: MaxAge = 300,
    ) -> Annotated[CallToolResult, Sources]:
        """List the repositories that Jules can work on, with their default and first branches.

        A repository that is missing here needs Jules' GitHub app. Next: jules_start_session.
        """
        account = self._services.account
        everything = await account.sources(max_age=max_age)
        found = [one for one in everything if query.lower() in one.repo.lower()]
        odd = _odd_line(account.unreadable_sources, len(everything))

        def build(parts: int) -> CallToolResult:
            # Branches go first: a source that is missing reads as one that Jules does not reach.
            kept = found[: MOST_SOURCES // max(1, parts // 8)]
            shown = tuple(_with_branches(one, FEW_BRANCHES // parts) for one in kept)
            names = ", ".join(source.repo for source in shown[:50])
            more = f" and {len(found) - 50} more" if len(found) > 50 else ""
            value = Sources(
                sources=shown,
                left_out=len(found) - len(shown),
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

        With `state`, also older ones that are not archived; with `since`, back to then. `since` in
        the answer says how far it looked. Next: jules_get_session for one, github_get_pull for its
        PR.
        """
        account = self._services.account
        wanted = known_state(state, self._services.jules.unknown) if state else None
        name = await repo_of(self._services, repo) if repo else None
        before = place(cursor) if cursor else None
        stretch = await self._looked_at(wanted, since, archived=archived, max_age=max_age)
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
        notes = _odd_line(stretch.unreadable, len(stretch.sessions))
        if stretch.since and (wanted or since) and stretch.since > (since or _FIRST):
            notes.append(f"sessions before {stretch.since:%Y-%m-%d %H:%M} UTC were not looked at")

        def build(parts: int) -> CallToolResult:
            page = tuple(found[: MOST_SESSIONS // parts])
            lines = [f"{one.id} {one.state} {one.repo or '-'} {one.title[:120]}" for one in page]
            value = Sessions(
                sessions=page,
                since=stretch.since,
                unreadable=stretch.unreadable,
                next_cursor=place_of(page[-1]) if len(found) > len(page) else None,
                age_seconds=account.sessions_age,
            )
            return answer("\n".join([*(lines or ["no such session"]), *notes]), value)

        return fitted(build)

    async def _looked_at(
        self, state: str | None, since: datetime | None, *, archived: bool, max_age: float
    ) -> Stretch:
        """Return the sessions of the window, and older ones where the question is about them."""
        recent = await self._services.account.recent(max_age=max_age)
        reached = recent.since
        if since is not None:
            if reached is None or since >= reached:
                return recent
            return _joined(
                recent,
                await self._services.jules.list_back(
                    since, archived=archived, most_pages=PAGES_SINCE
                ),
            )
        if state is None:
            return recent
        older = await self._unarchived(max_age=max_age and max(max_age, OLDER_KEPT_SECONDS))
        both = _joined(recent, older)
        # Archived ones were looked for in the window only.
        return replace(both, since=reached) if archived else both

    async def _unarchived(self, *, max_age: float) -> Stretch:
        """Return every session not archived, back to the first thousand; what is old is patient."""
        now = self._services.clock.elapsed()
        if self._older is None or now - self._older[0] >= max_age:
            found = await self._services.jules.list_back(
                None, archived=False, most_pages=PAGES_FOR_STATE
            )
            self._older = (now, found)
        return self._older[1]


def _odd_line(unreadable: int, read: int) -> list[str]:
    if not unreadable:
        return []
    return [f"({unreadable} of {read + unreadable} could not be read, and are left out)"]


def _joined(recent: Stretch, older: Stretch) -> Stretch:
    """Return both, newest first, as the younger reading has them; as far back as the older."""
    sessions: dict[str, Session] = {one.id: one for one in older.sessions}
    sessions |= {one.id: one for one in recent.sessions}
    ordered = sorted(sessions.values(), key=lambda one: (one.created_at, one.id), reverse=True)
    # Both have read what is young: the larger number is of what the smaller is.
    odd = max(recent.unreadable, older.unreadable)
    return Stretch(sessions=tuple(ordered), since=older.since, unreadable=odd)


def _with_branches(source: Source, most: int) -> Source:
    over = len(source.branches) - most
    if over <= 0:
        return source
    update = {"branches": source.branches[:most], "branches_left_out": over}
    return source.model_copy(update=update)

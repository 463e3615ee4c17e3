"""Jules' REST API, v1alpha: its twelve operations (facts/jules-api.md 1, 2026-11).

Reads are made here, mutations only built: a tool sends them under a ticket. What answers mean is
`jules_wire.py`'s, what refusals mean `jules_errors.py`'s. Listings are complete or fail.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import httpx2

from mcp_server.clients import jules_discovery, jules_names, jules_wire
from mcp_server.clients.jules_errors import error_of
from mcp_server.clients.jules_wire import ChangeSet, Unknown, WholeActivity
from mcp_server.clients.wire import Answer, get_json, parse, readable, send_once
from mcp_server.clock import Clock
from mcp_server.errors import NotFound, Unreadable
from mcp_server.guard import bodies, budget
from mcp_server.guard.counted import Listing
from mcp_server.guard.request import Prepared
from mcp_server.models import UNREADABLE, Activity, Session, Source

PAGE_SIZE = "100"
ALL_SESSIONS = "archived = true OR archived = false"
UNARCHIVED = "archived = false"
# More pages than any account has: a token that never ends must not hang a run.
MOST_PAGES = 200
# A session made seconds ago may be unknown for a moment (facts 5.3): waits before it is read again.
NEW_FOR = timedelta(minutes=2)
NEW_WAITS_SECONDS = (1, 2, 4, 8)
MOST_NEW = 100
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """What a session is started with; `repo` None starts a repoless one."""

    prompt: str
    title: str
    repo: str | None
    branch: str | None
    auto_pr: bool = True
    require_plan_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Sessions newest first, back to `since`; None: to the first there is. To be shown only."""

    sessions: tuple[Session, ...]
    since: datetime | None
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True)
class Connected:
    """The sources there are, and how many more could not be read."""

    sources: tuple[Source, ...]
    unreadable: int


class JulesClient:
    """Reads and sends through the guarded transport; keeps only what is new or unknown."""

    def __init__(
        self, http: httpx2.AsyncClient, *, base: str, clock: Clock, marker_keys: Sequence[bytes]
    ) -> None:
        """Speak to the API at `base`; `marker_keys` verify what is ours, the current one first."""
        self._http = http
        self._base = base.rstrip("/")
        self._clock = clock
        self._marker_keys = tuple(marker_keys)
        self._new: dict[str, float] = {}
        self.unknown = Unknown()

    async def list_sessions(self, *, back_to: datetime | None = None) -> Listing:
        """Return a complete listing of every session young enough to count.

        Args:
            back_to: read on to this moment where it lies before the window: an open ticket's.

        Raises:
            Unreadable: an answer that does not parse: never a shorter list instead.
        """
        received, received_at = self._clock.elapsed(), self._clock.now()
        sessions: dict[str, Session] = {}
        params: list[tuple[str, str]] = [("pageSize", PAGE_SIZE), ("filter", ALL_SESSIONS)]
        first: datetime | None = None
        async with aclosing(self._pages("/sessions", params)) as pages:
            async for page in pages:
                first = first or page.date
                found = [self.session(raw) for raw in jules_wire.items(page.data, "sessions")]
                sessions |= {session.id: session for session in found}
                # A Date ahead of the wall may not be believed: read as far as either reaches.
                window = budget.window_start(min(first, received_at))
                horizon = min(window, back_to or first) - timedelta(hours=1)
                if found and found[-1].created_at < horizon:
                    break
        if first is None:
            raise Unreadable("the session listing has no first page")
        return Listing(
            date=first,
            received=received,
            received_at=received_at,
            sessions=_newest_first(sessions),
        )

    async def list_back(
        self, since: datetime | None, *, archived: bool, most_pages: int
    ) -> Stretch:
        """Return sessions created at `since` or later, without those archived unless asked for.

        At most `most_pages` requests: `Stretch.since` says how far they reached. What cannot be
        read is left out, and its number told: not a listing to count by.
        """
        params = [("pageSize", PAGE_SIZE), ("filter", ALL_SESSIONS if archived else UNARCHIVED)]
        sessions: dict[str, Session] = {}
        pages = unreadable = 0
        async with aclosing(self._pages("/sessions", params)) as answers:
            async for page in answers:
                pages += 1
                found, odd = readable(jules_wire.items(page.data, "sessions"), self.session)
                unreadable += odd
                sessions |= {session.id: session for session in found}
                oldest = min((one.created_at for one in sessions.values()), default=None)
                if since is not None and oldest is not None and oldest < since:
                    kept = {i: one for i, one in sessions.items() if one.created_at >= since}
                    return Stretch(sessions=_newest_first(kept), since=since, unreadable=unreadable)
                if pages >= most_pages and jules_wire.next_token(page.data):
                    # Pages may be empty and go on: then nothing at all has been looked at yet.
                    since = oldest or page.date
                    break
        return Stretch(sessions=_newest_first(sessions), since=since, unreadable=unreadable)

    async def list_sources(self) -> Connected:
        """Return every source that can be read, all pages."""
        raw = [
            one
            async for page in self._pages("/sources", [("pageSize", PAGE_SIZE)])
            for one in jules_wire.items(page.data, "sources")
        ]
        found, odd = readable(raw, partial(jules_wire.source, unknown=self.unknown))
        sources = {one.repo: one for one in found if one is not None}
        return Connected(sources=tuple(sources.values()), unreadable=odd)

    async def get_source(self, repo: str) -> Source:
        """Return the source of one repository; raises `NotFound`."""
        answer = await self._get(f"/{jules_names.source_name(repo)}")
        found = jules_wire.source(answer.data, self.unknown)
        if found is None:
            raise Unreadable(f"the source of {repo} names no repository")
        return found

    async def get_session(self, session_id: str) -> Session:
        """Return one session; raises `NotFound`."""
        return self.session(await self._read_session(session_id))

    async def get_patch(self, session_id: str) -> tuple[Session, ChangeSet | None]:
        """Return a session with the last change set of its outputs, which are often empty."""
        raw = await self._read_session(session_id)
        return self.session(raw), jules_wire.last_output(raw)

    async def list_activities(
        self, session_id: str, *, after: datetime | None = None
    ) -> tuple[Activity, ...]:
        """Return activities, oldest first, each once; `after` is exclusive, to the microsecond.

        Raises:
            Unreadable: one of them is: what it says may be what is looked for.
        """
        async with aclosing(self.activities(session_id, after=after)) as listed:
            found = {one.id: one async for one in listed}
        odd = [one for one in found.values() if one.kind == UNREADABLE]
        if odd:
            raise Unreadable(f"{len(odd)} activities of session {session_id}: {odd[0].text}")
        return tuple(found.values())

    async def activities(
        self, session_id: str, *, after: datetime | None = None
    ) -> AsyncGenerator[Activity]:
        """Yield activities oldest first, asking for pages as they are used.

        One that cannot be read is given as one of the kind `unreadable`: to be shown, and counted.
        """
        params = [("pageSize", PAGE_SIZE)]
        if after is not None:
            params.append(("filter", f'create_time > "{after.isoformat()}"'))
        path = f"/sessions/{session_id}/activities"
        async with aclosing(self._pages(path, params, of=session_id)) as pages:
            async for page in pages:
                for raw in jules_wire.items(page.data, "activities"):
                    try:
                        one = jules_wire.activity(raw, self.unknown)
                    except Unreadable as error:
                        one = jules_wire.odd_activity(raw, error)
                    yield one

    async def get_activity(self, session_id: str, activity_id: str) -> WholeActivity:
        """Return one activity with its artifacts; raises `NotFound`."""
        path = f"/sessions/{session_id}/activities/{activity_id}"
        return jules_wire.whole_activity((await self._get(path)).data, self.unknown)

    async def send(self, prepared: Prepared, ticket: str) -> Mapping[str, Any]:
        """Send a prepared mutation under its ticket, once."""
        answer = parse(await send_once(self._http, self._base, prepared, ticket), error_of)
        if prepared.kind == "start_session":
            self._remember_new(jules_wire.created(answer.data)[0])
        return answer.data

    def session(self, raw: object) -> Session:
        """Read a session, telling by its title whether it is ours."""
        found = jules_wire.session(raw, self._marker_keys, self.unknown)
        if self._clock.now() - found.created_at < NEW_FOR:
            self._remember_new(found.id)
        return found

    async def _read_session(self, session_id: str) -> object:
        path = f"/sessions/{session_id}"
        return (await self._while_new(session_id, partial(self._get, path))).data

    async def _pages(
        self, path: str, params: Sequence[tuple[str, str]], *, of: str = ""
    ) -> AsyncGenerator[Answer]:
        """Yield the pages of a list; `of` is the session whose newness excuses a 404."""
        token, seen = "", set[str]()
        for _ in range(MOST_PAGES):
            going_on = [("pageToken", token)] if token else []
            page = await self._while_new(of, partial(self._get, path, [*params, *going_on]))
            yield page
            token = jules_wire.next_token(page.data)
            if not token:
                return
            if token in seen:
                raise Unreadable(f"the pages of {path} go round in a circle")
            seen.add(token)
        raise Unreadable(f"{path} has more than {MOST_PAGES} pages")

    async def _while_new(self, session_id: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask; where a session known to be new is not found, wait and ask again, a few times.

        No retry of a failure, which is the transport's: Jules has answered, too early.
        """
        for seconds in NEW_WAITS_SECONDS:
            try:
                return await ask()
            except NotFound:
                if not self._is_new(session_id):
                    raise
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))
        return await ask()

    def _remember_new(self, session_id: str) -> None:
        self._new.setdefault(session_id, self._clock.elapsed())
        while len(self._new) > MOST_NEW:
            del self._new[next(iter(self._new))]

    def _is_new(self, session_id: str) -> bool:
        since = self._new.get(session_id)
        return since is not None and self._clock.elapsed() - since < NEW_FOR.total_seconds()

    async def discovery(self) -> object:
        """Return Google's own description of the API, as it is now; public, without the key."""
        root, _, version = self._base.rpartition("/")
        url = f"{root}{jules_discovery.PATH}"
        return (await get_json(self._http, url, [("version", version)])).data

    async def _get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        return parse(await self._http.get(self._base + path, params=list(params) or None), error_of)


def start_session(options: StartOptions) -> Prepared:
    """Build the create; there is no idempotency key, so it is sent once (facts 1.1)."""
    context = None
    if options.repo is not None:
        context = bodies.SourceContext(
            source=jules_names.source_name(options.repo),
            githubRepoContext=bodies.StartingBranch(startingBranch=options.branch or "main"),
        )
    body = bodies.StartSession(
        prompt=options.prompt,
        title=options.title,
        sourceContext=context,
        automationMode="AUTO_CREATE_PR" if options.auto_pr and options.repo else None,
        requirePlanApproval=options.require_plan_approval,
    )
    return _post("start_session", "/sessions", body)


def send_message(session_id: str, prompt: str) -> Prepared:
    """Build a message to a session."""
    path = f"/sessions/{session_id}:sendMessage"
    return _post("send_message", path, bodies.SendMessage(prompt=prompt))


def approve_plan(session_id: str) -> Prepared:
    """Build the approval of a session plan."""
    return _post("approve_plan", f"/sessions/{session_id}:approvePlan", bodies.Nothing())


def archive_session(session_id: str) -> Prepared:
    """Build the archiving of a session."""
    return _post("archive_session", f"/sessions/{session_id}:archive", bodies.Nothing())


def unarchive_session(session_id: str) -> Prepared:
    """Build the undoing of an archiving."""
    return _post("unarchive_session", f"/sessions/{session_id}:unarchive", bodies.Nothing())


def delete_session(session_id: str) -> Prepared:
    """Build the removal of a session for good; the policy lets it out only where switched on."""
    return Prepared(
        service="jules",
        kind="delete_session",
        method="DELETE",
        path=f"/sessions/{session_id}",
        body=bodies.Absent(),
    )


def _post(kind: str, path: str, body: bodies.Body) -> Prepared:
    return Prepared(service="jules", kind=kind, method="POST", path=path, body=body)


def _newest_first(sessions: Mapping[str, Session]) -> tuple[Session, ...]:
    return tuple(sorted(sessions.values(), key=lambda s: (s.created_at, s.id), reverse=True))

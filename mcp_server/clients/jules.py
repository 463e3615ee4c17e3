"""Jules' REST API, v1alpha (facts/jules-api.md, 2026-11): requests built, answers read leniently.

Listing is complete or fails: archived and not archived, paged to the end or past the window.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2

from mcp_server.clients.wire import Answer, Timestamp, Wire, get_json, read, send
from mcp_server.clock import Clock
from mcp_server.errors import Unreadable
from mcp_server.guard import bodies, budget, marker
from mcp_server.guard.counted import Listing
from mcp_server.guard.request import Prepared
from mcp_server.models import Activity, PullOutput, Session, Source

PAGE_SIZE = "100"
ALL_SESSIONS = "archived = true OR archived = false"
# More pages than any account has: a token that never ends must not hang a run.
MOST_PAGES = 200
_EVENTS = (
    "planGenerated",
    "planApproved",
    "userMessaged",
    "agentMessaged",
    "progressUpdated",
    "sessionCompleted",
    "sessionFailed",
)


class _Branch(Wire):
    displayName: str = ""


class _GitHubRepo(Wire):
    owner: str = ""
    repo: str = ""
    isPrivate: bool | None = None
    defaultBranch: _Branch | None = None
    branches: tuple[_Branch, ...] = ()


class _Source(Wire):
    name: str
    githubRepo: _GitHubRepo | None = None


class _RepoContext(Wire):
    startingBranch: str | None = None


class _Context(Wire):
    source: str | None = None
    githubRepoContext: _RepoContext | None = None


class _Pull(Wire):
    url: str
    title: str = ""
    baseRef: str | None = None
    headRef: str | None = None


class _Output(Wire):
    pullRequest: _Pull | None = None
    changeSet: Mapping[str, Any] | None = None


class _Session(Wire):
    name: str
    title: str = ""
    state: str = "QUEUED"
    url: str = ""
    createTime: Timestamp
    updateTime: Timestamp | None = None
    sourceContext: _Context | None = None
    outputs: tuple[_Output, ...] = ()
    archived: bool = False


class _Page(Wire):
    """A page of any list; an absent list is an empty one."""

    sessions: tuple[object, ...] = ()
    sources: tuple[object, ...] = ()
    activities: tuple[object, ...] = ()
    nextPageToken: str = ""


class _Step(Wire):
    title: str = ""


class _Plan(Wire):
    steps: tuple[_Step, ...] = ()


class _Event(Wire):
    """The fields of all event kinds; each kind uses a few."""

    title: str | None = None
    description: str | None = None
    agentMessage: str | None = None
    userMessage: str | None = None
    reason: str | None = None
    plan: _Plan | None = None


class _Activity(Wire):
    name: str = ""
    id: str = ""
    createTime: Timestamp
    originator: str | None = None
    description: str = ""
    artifacts: tuple[Mapping[str, Any], ...] = ()
    planGenerated: _Event | None = None
    planApproved: _Event | None = None
    userMessaged: _Event | None = None
    agentMessaged: _Event | None = None
    progressUpdated: _Event | None = None
    sessionCompleted: _Event | None = None
    sessionFailed: _Event | None = None


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """What a session is started with; `repo` None starts a repoless one."""

    prompt: str
    title: str
    repo: str | None
    branch: str | None
    auto_pr: bool = True
    require_plan_approval: bool = False


class JulesClient:
    """Reads and sends through the guarded transport; keeps nothing."""

    def __init__(
        self, http: httpx2.AsyncClient, *, base: str, clock: Clock, marker_keys: Sequence[bytes]
    ) -> None:
        """Speak to the API at `base`; `marker_keys` verify what is ours, the current one first."""
        self._http = http
        self._base = base.rstrip("/")
        self._clock = clock
        self._marker_keys = tuple(marker_keys)

    async def list_sessions(self, *, back_to: datetime | None = None) -> Listing:
        """Return a complete listing of every session young enough to count.

        Args:
            back_to: read on to this moment where it lies before the window: an open ticket's.

        Raises:
            Unreadable: an answer that does not parse: never a shorter list instead.
        """
        received = self._clock.elapsed()
        sessions: dict[str, Session] = {}
        params: list[tuple[str, str]] = [("pageSize", PAGE_SIZE), ("filter", ALL_SESSIONS)]
        first: datetime | None = None
        async for page in self._pages("/sessions", params):
            first = first or page.date
            found = [self.session(raw) for raw in _items(page, "sessions")]
            sessions |= {session.id: session for session in found}
            horizon = min(budget.window_start(first), back_to or first) - timedelta(hours=1)
            if found and found[-1].created_at < horizon:
                break
        if first is None:
            raise Unreadable("the session listing has no first page")
        ordered = sorted(sessions.values(), key=lambda s: (s.created_at, s.id), reverse=True)
        return Listing(date=first, received=received, sessions=tuple(ordered))

    async def list_sources(self) -> tuple[Source, ...]:
        """Return every source, all pages."""
        pages = self._pages("/sources", [("pageSize", PAGE_SIZE)])
        return tuple([source(raw) async for page in pages for raw in _items(page, "sources")])

    async def get_session(self, session_id: str) -> Session:
        """Return one session; raises `NotFound`."""
        return self.session((await self._get(f"/sessions/{session_id}")).data)

    async def list_activities(
        self, session_id: str, *, after: datetime | None = None
    ) -> tuple[Activity, ...]:
        """Return activities, oldest first; `after` is exclusive, at Jules' own precision."""
        params = [("pageSize", PAGE_SIZE)]
        if after is not None:
            params.append(("filter", f'create_time > "{after.isoformat()}"'))
        pages = self._pages(f"/sessions/{session_id}/activities", params)
        return tuple([activity(raw) async for page in pages for raw in _items(page, "activities")])

    async def send(self, prepared: Prepared, ticket: str) -> Mapping[str, Any]:
        """Send a prepared mutation under its ticket, once."""
        return (await send(self._http, self._base, prepared, ticket)).data

    def session(self, raw: object) -> Session:
        """Read a session, telling by its title whether it is ours."""
        wire = read(_Session, raw)
        context = wire.sourceContext or _Context()
        repo = repo_of_source(context.source)
        branch = context.githubRepoContext.startingBranch if context.githubRepoContext else None
        pulls = [output.pullRequest for output in wire.outputs if output.pullRequest]
        pull = pulls[0] if pulls else None
        return Session(
            id=wire.name.removeprefix("sessions/"),
            title=wire.title,
            state=wire.state,
            url=wire.url,
            created_at=wire.createTime,
            updated_at=wire.updateTime or wire.createTime,
            repo=repo,
            branch=branch,
            archived=wire.archived,
            pull=PullOutput(
                url=pull.url, title=pull.title, base_ref=pull.baseRef, head_ref=pull.headRef
            )
            if pull
            else None,
            has_patch=any(output.changeSet for output in wire.outputs),
            marker=marker.read(wire.title, self._marker_keys, repo=repo, branch=branch),
        )

    async def _pages(self, path: str, params: Sequence[tuple[str, str]]) -> AsyncGenerator[Answer]:
        token, seen = "", set[str]()
        for _ in range(MOST_PAGES):
            asked = [*params, ("pageToken", token)] if token else params
            page = await self._get(path, asked)
            yield page
            token = read(_Page, page.data).nextPageToken
            if not token:
                return
            if token in seen:
                raise Unreadable(f"the pages of {path} go round in a circle")
            seen.add(token)
        raise Unreadable(f"{path} has more than {MOST_PAGES} pages")

    async def _get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        return await get_json(self._http, self._base + path, params)


def repo_of_source(name: str | None) -> str | None:
    """Return `owner/name` of a source's name, in any form seen in the wild."""
    if not name or not name.startswith("sources/github"):
        return None
    rest = name.removeprefix("sources/github")
    repo = rest[1:] if rest.startswith("/") else rest[1:].replace("-", "/", 1)
    return repo if repo.count("/") == 1 and not repo.startswith("/") else None


def source(raw: object) -> Source:
    """Read a source."""
    wire = read(_Source, raw)
    repo = wire.githubRepo or _GitHubRepo()
    return Source(
        repo=repo_of_source(wire.name) or f"{repo.owner}/{repo.repo}",
        default_branch=repo.defaultBranch.displayName if repo.defaultBranch else None,
        branches=tuple(branch.displayName for branch in repo.branches),
        private=repo.isPrivate,
    )


def activity(raw: object) -> Activity:
    """Read an activity of any kind, those without an event included."""
    wire = read(_Activity, raw)
    kind, event = next(
        ((name, found) for name in _EVENTS if (found := getattr(wire, name)) is not None),
        ("none", _Event()),
    )
    words = (event.agentMessage, event.userMessage, event.reason, event.description)
    text = next((word for word in words if word), wire.description)
    return Activity(
        id=wire.id or wire.name.rpartition("/")[2],
        at=wire.createTime,
        kind=kind,
        originator=wire.originator,
        text=" ".join(part for part in (event.title, text) if part),
        plan_steps=tuple(step.title for step in event.plan.steps) if event.plan else (),
        has_change_set=any("changeSet" in artifact for artifact in wire.artifacts),
    )


def start_session(options: StartOptions) -> Prepared:
    """Build the create; there is no idempotency key, so it is sent once (facts 1.1)."""
    context = None
    if options.repo is not None:
        context = bodies.SourceContext(
            source=f"sources/github/{options.repo}",
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


def _post(kind: str, path: str, body: bodies.Body) -> Prepared:
    return Prepared(service="jules", kind=kind, method="POST", path=path, body=body)


def _items(page: Answer, name: str) -> Sequence[object]:
    # proto3 JSON leaves empty lists out: `{}` is a valid empty page (facts 1.2).
    return getattr(read(_Page, page.data), name)

"""What is known of the Jules and GitHub account now: read once, shared, with its age."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from mcp_server.clients.github import GitHubClient, Listed
from mcp_server.clients.jules import JulesClient, Stretch
from mcp_server.clock import Clock
from mcp_server.errors import NotFound, Unreadable
from mcp_server.guard import budget
from mcp_server.guard.checks import Memory
from mcp_server.guard.counted import Listing, RepositoryListing
from mcp_server.guard.gate import Observation
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.reconcile import reconcile_repositories, reconcile_sessions
from mcp_server.identity import Identity
from mcp_server.models import ChangedFile, Repository, Session, Source

T = TypeVar("T")
# Seconds; an owner may make a repository private at any moment, and its words are its own then.
PUBLIC_FOR = 600.0
# Of sessions that are only shown: three times the largest allowance (facts/jules-api.md 5.1).
RECENT_PAGES = 10


@dataclass
class _Kept(Generic[T]):
    value: T
    read_at: float


class _Shared(Generic[T]):
    """One value read at most once at a time, kept until it is too old for the asker."""

    def __init__(self, clock: Clock, read: Callable[[], Awaitable[T]]) -> None:
        self._clock = clock
        self._read = read
        self._kept: _Kept[T] | None = None
        self._lock = asyncio.Lock()

    async def get(self, max_age: float) -> T:
        async with self._lock:
            if self._kept is None or self.age >= max_age:
                started = self._clock.elapsed()
                self._kept = _Kept(await self._read(), started)
            return self._kept.value

    def peek(self, max_age: float) -> T | None:
        """Return the kept value, None when there is none so young."""
        return self._kept.value if self._kept is not None and self.age < max_age else None

    @property
    def age(self) -> float:
        """Seconds since the kept value was asked for."""
        return self._clock.elapsed() - self._kept.read_at if self._kept else 0.0

    def forget(self) -> None:
        self._kept = None


class Account:
    """The account's sessions, sources and repositories; every read settles what it proves."""

    def __init__(
        self,
        *,
        jules: JulesClient,
        github: GitHubClient,
        identify: Callable[[], Awaitable[Identity]],
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        """Read over the clients; record in the ledger."""
        self._jules = jules
        self._identify = identify
        self._github = github
        self._ledger = ledger
        self._clock = clock
        self._sessions = _Shared(clock, self._read_sessions)
        self._sources = _Shared(clock, jules.list_sources)
        self._repositories = _Shared(clock, self._read_repositories)
        self.learnt: list[str] = []
        self._identity: Identity | None = None
        self._public = frozenset[str]()
        # What pull requests showed before: the gate wants to see green twice at one head.
        self.observations: dict[tuple[str, int], Observation] = {}
        self.heads: dict[tuple[str, int], tuple[str, datetime]] = {}
        self.files: dict[tuple[str, int], tuple[str, tuple[ChangedFile, ...]]] = {}
        self.checks = Memory()
        self._merge_methods: dict[str, frozenset[str] | None] = {}

    async def identity(self) -> Identity:
        """Return whose the tokens are, asked once.

        Raises:
            SettingsError: the tokens must not be used, as `identity.faults` says.
        """
        if self._identity is None:
            self._identity = await self._identify()
        return self._identity

    async def login(self) -> str:
        """Return the GitHub login that owns the repositories; raises what `identity` raises."""
        return (await self.identity()).login

    async def sessions(self, *, max_age: float) -> Listing:
        """Return a complete session listing no older than `max_age` seconds."""
        return await self._sessions.get(max_age)

    async def recent(self, *, max_age: float) -> Stretch:
        """Return the sessions of about the last day, to be shown only.

        Where one of them cannot be read there is no listing to count by; the others are shown all
        the same, read apart.
        """
        try:
            listing = await self.sessions(max_age=max_age)
        except Unreadable:
            since = _shown_since(self._clock.now())
            found = await self._jules.list_back(since, archived=True, most_pages=RECENT_PAGES)
            twins = self._ledger.disowned()
            return replace(found, sessions=tuple(disown(one, twins) for one in found.sessions))
        return Stretch(sessions=listing.sessions, since=_shown_since(listing.date))

    def seen_session(self, session_id: str, *, max_age: float) -> Session | None:
        """Return a session of the kept listing where that is young enough; asks nobody."""
        listing = self._sessions.peek(max_age)
        found = listing.sessions if listing else ()
        return next((session for session in found if session.id == session_id), None)

    async def session(self, session_id: str) -> Session:
        """Return one session, read just now; raises `NotFound`."""
        return disown(await self._jules.get_session(session_id), self._ledger.disowned())

    async def sources(self, *, max_age: float) -> tuple[Source, ...]:
        """Return all sources that can be read; `unreadable_sources` more cannot."""
        return (await self._sources.get(max_age)).sources

    @property
    def unreadable_sources(self) -> int:
        """How many of the sources kept could not be read."""
        kept = self._sources.peek(math.inf)
        return kept.unreadable if kept else 0

    async def repositories(self, *, max_age: float) -> tuple[Repository, ...]:
        """Return all repositories of the owner."""
        return tuple(one.repository for one in await self.listed(max_age=max_age))

    async def listed(self, *, max_age: float) -> tuple[Listed, ...]:
        """Return all repositories of the owner, each with what tells whether it changed."""
        return (await self._repositories.get(max_age))[0]

    async def repository_listing(self) -> RepositoryListing:
        """Return when each repository was made, read just now."""
        return (await self._repositories.get(0.0))[1]

    async def repository(self, repo: str) -> Repository:
        """Return one repository, from the kept listing where it stands there."""
        for known in await self.repositories(max_age=3600):
            if known.repo.lower() == repo.lower():
                return known
        raise NotFound(f"{repo} is none of this account's repositories: see github_list_repos")

    async def repository_now(self, repo: str) -> Repository:
        """Return one repository, read just now; one that it shows private is public no more."""
        found = await self._github.get_repository(repo)
        if found.private:
            self._public -= {found.repo.casefold()}
        return found

    async def merge_methods(self, repo: str) -> frozenset[str] | None:
        """Return how a repository lets pull requests be merged, asked once; None: unknown."""
        if repo not in self._merge_methods:
            self._merge_methods[repo] = await self._github.merge_methods(repo)
        return self._merge_methods[repo]

    def is_public(self, repo: str) -> bool:
        """Whether a listing of the last ten minutes showed it as public; reads nothing anew."""
        return self._repositories.peek(PUBLIC_FOR) is not None and repo.casefold() in self._public

    @property
    def sessions_age(self) -> float:
        """Age of the kept session listing in seconds."""
        return self._sessions.age

    @property
    def repositories_age(self) -> float:
        """Age of the kept repository listing in seconds."""
        return self._repositories.age

    @property
    def sources_age(self) -> float:
        """Age of the kept source listing in seconds."""
        return self._sources.age

    def changed_repositories(self) -> None:
        """Forget the kept repositories and sources."""
        self._repositories.forget()
        self._sources.forget()

    async def _read_sessions(self) -> Listing:
        starting = [t for t in self._ledger.open_tickets() if t.kind == "start_session"]
        oldest = min((ticket.held_at for ticket in starting), default=None)
        listing = await self._jules.list_sessions(back_to=oldest)
        self.learnt += reconcile_sessions(self._ledger, listing)
        twins = self._ledger.disowned()
        listing.sessions = tuple(disown(one, twins) for one in listing.sessions)
        return listing

    async def _read_repositories(self) -> tuple[tuple[Listed, ...], RepositoryListing]:
        found, listing = await self._github.list_repositories()
        self.learnt += reconcile_repositories(self._ledger, listing)
        public = frozenset(listing.created) - listing.private
        self._public = frozenset(repo.casefold() for repo in public)
        return found, listing


def _shown_since(now: datetime) -> datetime:
    """Return how far back what is shown without a question about older ones goes."""
    return budget.window_start(now) - timedelta(hours=1)


def disown(session: Session, twins: Container[str]) -> Session:
    """Return the session; one of `twins` carries a marker that another was given: it is void."""
    tag = session.marker
    if tag is None or session.id not in twins:
        return session
    return session.model_copy(update={"marker": tag.model_copy(update={"valid": False})})

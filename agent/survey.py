"""The first phase: what is there. Reads; changes nothing but the ledger's own knowledge."""

from dataclasses import dataclass
from datetime import datetime

from agent.resume import Begun, find_begun
from agent.tools import Tools
from mcp_server.models import (
    Budget,
    Health,
    HealthReport,
    Repositories,
    Repository,
    Session,
    Sessions,
    Sources,
)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The account as a day begins."""

    owner: str
    budget: Budget
    repositories: tuple[Repository, ...]
    health: tuple[Health, ...]


async def survey(tools: Tools) -> Survey:
    """Read the allowance, all repositories and their health."""
    budget = await tools.call("budget_status", Budget)
    owner, repositories = await list_repositories(tools)
    report = await tools.call("github_repo_health", HealthReport)
    sources = await list_sources(tools)
    health = report.health
    if sources is not None:
        health = tuple(_within_reach(one, sources) for one in health)
    return Survey(owner=owner, budget=budget, repositories=repositories, health=health)


async def read_begun(tools: Tools, now: datetime) -> Begun:
    """Read what was begun, by this life or an earlier one, and has no end yet."""
    _, repositories = await list_repositories(tools, max_age=300)
    return find_begun(await _list_sessions(tools), repositories, now)


async def list_sources(tools: Tools) -> frozenset[str] | None:
    """Return all sources in lower case; None: some could not be read, so none is known to lack."""
    found: set[str] = set()
    cursor: str | None = None
    age = 0
    while True:
        page = await tools.call("jules_list_sources", Sources, cursor=cursor, max_age=age)
        found.update(source.repo.lower() for source in page.sources)
        if page.unreadable:
            return None
        cursor, age = page.next_cursor, 300
        if cursor is None:
            return frozenset(found)


def _within_reach(health: Health, sources: frozenset[str]) -> Health:
    """Leave a repository out of the plan that Jules cannot work on."""
    if health.left_out is not None or health.repo.lower() in sources:
        return health
    return health.model_copy(
        update={"left_out": "not a source of Jules: give its GitHub app this repository"}
    )


async def list_repositories(
    tools: Tools, *, max_age: float = 0
) -> tuple[str, tuple[Repository, ...]]:
    """Return the owner and all repositories, all pages, read at most `max_age` seconds ago."""
    found: list[Repository] = []
    cursor: str | None = None
    while True:
        page = await tools.call("github_list_repos", Repositories, cursor=cursor, max_age=max_age)
        found += page.repositories
        cursor = page.next_cursor
        if cursor is None:
            return page.owner, tuple(found)


async def _list_sessions(tools: Tools) -> tuple[Session, ...]:
    """Return all sessions of ours of about the last day, archived ones too."""
    found: list[Session] = []
    cursor: str | None = None
    while True:
        page = await tools.call(
            "jules_list_sessions", Sessions, mine=True, archived=True, cursor=cursor
        )
        found += page.sessions
        cursor = page.next_cursor
        if cursor is None:
            return tuple(found)

"""How all repositories are doing: read in batches, only what changed, and the rest in turns.

One reading serves everybody who asks, and outlives the process (in the cache). A question about
repositories that are known and unchanged costs no request beyond the listing's.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from mcp_server.account import Account
from mcp_server.cache import Cache
from mcp_server.clients.github import GitHubClient, Listed
from mcp_server.clients.github_graphql import GraphQLClient
from mcp_server.clients.graphql_nodes import Checks
from mcp_server.clock import Clock
from mcp_server.errors import NotFound, Refused, Unavailable, Unreadable
from mcp_server.guard.queries import is_repository_id
from mcp_server.insight.health import score
from mcp_server.models import Health, Repository
from mcp_server.survey_rows import (
    OLD_AFTER,
    Row,
    facts_of,
    is_left_alone,
    read_by_rest,
    row_from,
    row_of,
)

KIND = "survey"
LISTING_AGE_SECONDS = 300.0
# Of unchanged repositories, a look at all reads so many anew: three batches, and five of checks.
TREES_IN_TURN = 90
CHECKS_IN_TURN = 500
# A first look at thousands reads the checks of the newest only; the others' turns come.
MOST_CHECKS = 1_500
# Which checks fail where they do is a help to read: one batch a look.
MOST_NAMES = 30
Rows: TypeAlias = dict[str, Row]


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """Scores, worst first, and how old the oldest reading among them is."""

    health: tuple[Health, ...]
    age_seconds: float


class Survey:
    """Reads what health is scored by, one reader at a time."""

    def __init__(
        self,
        *,
        account: Account,
        github: GitHubClient,
        graphql: GraphQLClient,
        cache: Cache,
        clock: Clock,
        never_touch: Collection[str] = (),
    ) -> None:
        """Read over the clients, keep in `cache`; `never_touch` names those left alone."""
        self._account = account
        self._github = github
        self._graphql = graphql
        self._cache = cache
        self._clock = clock
        self._never_touch = frozenset(name.casefold() for name in never_touch)
        self._rows: Rows | None = None
        self._scores: dict[str, tuple[tuple[Row | None, Repository, date], Health]] = {}
        # Why GraphQL is not asked any more.
        self._refused: str | None = None
        self._dues = (self._due_trees, self._due_checks, self._due_names)
        self._lock = asyncio.Lock()

    async def health(self, repos: Sequence[str] | None) -> Surveyed:
        """Score the named repositories, or all.

        Named ones are read anew where they changed; all of them in turns besides. Where GitHub
        fails on the way, what is known stands.

        Raises:
            Unavailable: nothing is known of any of them; so does `Unreadable`.
        """
        everything = await self._account.listed(max_age=LISTING_AGE_SECONDS)
        named = None if repos is None else {repo.lower() for repo in repos}
        wanted = [one for one in everything if named is None or _name(one).lower() in named]
        rows = self._loaded()
        try:
            if named is None:
                async with self._lock:
                    await self._read(wanted, rows, in_turn=True)
                self._forget_gone(everything, rows)
            # Who asks about what is known does not wait for who reads thousands.
            elif any(due(wanted, rows) for due in self._dues):
                async with self._lock:
                    await self._read(wanted, rows, in_turn=False)
        except (Unavailable, Unreadable):
            if not any(_name(one) in rows for one in wanted):
                raise
        now = self._clock.now()
        scored = [self._score(one, rows.get(_name(one)), now) for one in wanted]
        read_at = [rows[_name(one)].read_at for one in wanted if _name(one) in rows]
        return Surveyed(
            health=tuple(sorted(scored, key=lambda one: (one.score, one.repo))),
            age_seconds=max(0.0, (now - min(read_at, default=now)).total_seconds()),
        )

    async def _read(self, wanted: Sequence[Listed], rows: Rows, *, in_turn: bool) -> None:
        due = self._due_trees(wanted, rows)
        if in_turn:
            due += _oldest(wanted, rows, self._clock.now(), lambda row: row.read_at)[:TREES_IN_TURN]
        await self._read_trees(due, rows)
        if self._refused is not None:
            return
        fresh = set(map(_name, due))
        checks = self._due_checks(wanted, rows)
        new = [one for one in checks if _name(one) in fresh][:MOST_CHECKS]
        late = [one for one in checks if _name(one) not in fresh]
        if in_turn:
            late += _oldest(wanted, rows, self._clock.now(), lambda row: row.checks_at)
            late = late[:CHECKS_IN_TURN]
        await self._read_checks(new + late, rows)
        await self._read_failing(wanted, rows)

    def _due_trees(self, wanted: Sequence[Listed], rows: Rows) -> list[Listed]:
        now = self._clock.now()
        kept = ((one, rows.get(_name(one))) for one in wanted)
        return [
            one
            for one, row in kept
            if row is None
            or row.is_stale(one, now)
            or (self._refused is not None and row.wants_checks(one, now))
        ]

    def _due_checks(self, wanted: Sequence[Listed], rows: Rows) -> list[Listed]:
        """Return whose checks are to be read, those pushed last first."""
        if self._refused is not None:
            return []
        now = self._clock.now()
        kept = ((one, rows.get(_name(one))) for one in wanted)
        due = [one for one, row in kept if row is not None and row.wants_checks(one, now)]
        return sorted(due, key=_pushed, reverse=True)

    def _due_names(self, wanted: Sequence[Listed], rows: Rows) -> list[Listed]:
        """Return where checks fail and nobody asked which."""
        if self._refused is not None:
            return []
        red = [one for one in wanted if (row := rows.get(_name(one))) and row.wants_names]
        return [one for one in red if is_repository_id(one.node_id)]

    async def _read_trees(self, due: Sequence[Listed], rows: Rows) -> None:
        by_id = {one.node_id: one for one in due if is_repository_id(one.node_id)}
        unread = {_name(one): one for one in due}
        if self._refused is None and by_id:
            names = {node_id: _name(one) for node_id, one in by_id.items()}
            try:
                async for batch in self._graphql.facts(names):
                    now = self._clock.now()
                    read = {names[i]: row_from(by_id[i], found, now) for i, found in batch.items()}
                    self._keep(rows, read)
                    for name in read:
                        del unread[name]
            except (Refused, NotFound) as error:
                self._refused = f"read one by one, for GraphQL is refused: {error}"
        why = self._refused or "read by itself, for it has no id for GraphQL"
        for name, one in unread.items():
            row = await read_by_rest(self._github, one, why, self._clock.now())
            self._keep(rows, {name: row})

    async def _read_checks(self, due: Sequence[Listed], rows: Rows) -> None:
        names = {one.node_id: _name(one) for one in due if is_repository_id(one.node_id)}
        unread = set(names.values())
        with suppress(Refused):
            async with aclosing(self._graphql.checks(names)) as batches:
                async for batch in batches:
                    read: dict[str, Checks | None] = {names[i]: batch[i] for i in batch}
                    self._note_checks(rows, read)
                    unread -= read.keys()
                    # A fine-grained token may see none at all: it need not ask thirty times.
                    if all(found is None for found in read.values()):
                        break
        self._note_checks(rows, dict.fromkeys(unread))

    async def _read_failing(self, wanted: Sequence[Listed], rows: Rows) -> None:
        red = self._due_names(wanted, rows)[:MOST_NAMES]
        names = {one.node_id: _name(one) for one in red}
        with suppress(Refused):
            async for batch in self._graphql.failing(names):
                told = {names[i]: found or () for i, found in batch.items()}
                self._keep(
                    rows,
                    {name: rows[name].model_copy(update={"failing": told[name]}) for name in told},
                )

    def _note_checks(self, rows: Rows, read: Mapping[str, Checks | None]) -> None:
        at = self._clock.now()
        self._keep(
            rows,
            {
                name: rows[name].model_copy(
                    update={"checks": found, "checks_at": at, "failing": None}
                )
                for name, found in read.items()
            },
        )

    def _score(self, listed: Listed, row: Row | None, now: datetime) -> Health:
        """Score one repository; the same of it on the same day has the same score."""
        known = (row, listed.repository, now.date())
        left = _name(listed).casefold() in self._never_touch
        kept = self._scores.get(_name(listed))
        if kept is None or kept[0] != known:
            kept = self._scores[_name(listed)] = (
                known,
                score(facts_of(listed, row, now, never_touch=left)).model_copy(
                    update={"checks": row.checks if row else None}
                ),
            )
        return kept[1]

    def _loaded(self) -> Rows:
        if self._rows is None:
            read = {name: row_of(entry) for name, entry in self._cache.all(KIND).items()}
            self._rows = {name: row for name, row in read.items() if row is not None}
        return self._rows

    def _keep(self, rows: Rows, new: Mapping[str, Row]) -> None:
        rows.update(new)
        self._cache.keep(KIND, {name: row.entry for name, row in new.items()})

    def _forget_gone(self, everything: Sequence[Listed], rows: Rows) -> None:
        gone = rows.keys() - {_name(one) for one in everything}
        self._cache.drop(KIND, gone)
        for name in gone:
            del rows[name]


def _name(listed: Listed) -> str:
    return listed.repository.repo


def _pushed(listed: Listed) -> datetime:
    return listed.repository.pushed_at or listed.repository.created_at


def _oldest(
    wanted: Sequence[Listed],
    rows: Rows,
    now: datetime,
    read_at: Callable[[Row], datetime | None],
) -> list[Listed]:
    """Return those whose reading is old, the oldest first."""
    found: list[tuple[datetime, Listed]] = []
    for one in wanted:
        row = rows.get(_name(one))
        at = None if row is None or is_left_alone(one) else read_at(row)
        if at is not None and now - at >= OLD_AFTER:
            found.append((at, one))
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]

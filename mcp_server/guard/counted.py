"""The sets that are counted: every session id and repository seen, kept once seen.

Deleting, archiving or a later short list therefore forgets nothing (DESIGN.md section 5). All
functions run inside the ledger's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import Refused
from mcp_server.guard import budget
from mcp_server.guard.budget import Unit, Usage
from mcp_server.guard.chain import append, moment, stamp
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.tickets import Ticket, session_key
from mcp_server.models import Session, utc

# States in which a session still works or waits: they count against the concurrent limit.
RUNNING = frozenset(
    {"QUEUED", "PLANNING", "IN_PROGRESS", "AWAITING_PLAN_APPROVAL", "AWAITING_USER_FEEDBACK"}
)
# An answer lost longer ago than this is in doubt, not in flight: it must not block for ever.
IN_FLIGHT = timedelta(minutes=2)
# What was running when a listing last showed it counts as running for so long. Listings do not
# reach back for ever: without an end, a session nobody sees any more would keep its place.
RUNS_UNSEEN = timedelta(days=3)
# Where listings do reach, one that they miss for so long was deleted: it counts, and runs no more.
GONE_AFTER = timedelta(minutes=10)
# And for so long, its absence no longer says that a listing is an old one.
FORGOTTEN_AFTER = timedelta(hours=1)
# Where an answer says when its effect came to be, by the kind of its ticket.
DATED_BY: Mapping[str, str] = {"start_session": "createTime", "create_repository": "created_at"}
UNKNOWN_START = "marker without a ticket"
RIVAL = "another ledger is starting sessions"


@dataclass(kw_only=True)
class Listing:
    """A complete listing of sessions; serves one batch of creates while it is fresh.

    `date` is the answer's `Date`, `received` the clock's elapsed seconds when it was asked for, and
    `received_at` its wall: the seconds stand still while a machine sleeps.
    """

    date: datetime
    received: float
    received_at: datetime
    sessions: tuple[Session, ...]
    creates: int = 0


@dataclass(kw_only=True)
class RepositoryListing:
    """When each repository of the owner was created, and which are private.

    `date`, `received` and `received_at` are as in `Listing`.
    """

    date: datetime
    received: float
    received_at: datetime
    created: Mapping[str, datetime]
    private: frozenset[str]


def record_sessions(tx: sa.Connection, listing: Listing) -> frozenset[str]:
    """Keep every session id whose `createTime` could still count, and who is running.

    Returns what is odd about those that are listed for the first time.
    """
    horizon = budget.window_start(listing.date) - timedelta(hours=1)
    table = store.sessions.c
    rows = tx.execute(sa.select(table.id, table.created_at, table.running, table.unseen_since))
    known = {row.id: row for row in rows}
    odd: set[str] = set()
    for session in listing.sessions:
        running = session.state in RUNNING and not session.archived
        row = known.get(session.id)
        if row is not None:
            _redate(tx, session, moment(row.created_at), listing.date)
            if (row.running, row.unseen_since) != (running, None):
                change = sa.update(store.sessions).where(table.id == session.id)
                tx.execute(change.values(running=running, unseen_since=None))
        elif session.created_at >= horizon:
            odd |= _see_session(tx, session, running, listing.date)
    for name in sorted(known.keys() - {session.id for session in listing.sessions}):
        if known[name].created_at >= stamp(horizon):
            _miss_session(tx, name, moment(known[name].unseen_since), listing.date)
    return frozenset(odd)


def _miss_session(
    tx: sa.Connection, session_id: str, since: datetime | None, now: datetime
) -> None:
    """Note that a session is not listed; missed for so long, it was deleted and does not run."""
    table = store.sessions.c
    change = sa.update(store.sessions).where(table.id == session_id)
    if since is None:
        tx.execute(change.values(unseen_since=stamp(now)))
    elif now - since >= GONE_AFTER:
        tx.execute(change.where(table.running).values(running=False))


def _redate(tx: sa.Connection, session: Session, known: datetime | None, now: datetime) -> None:
    """Take a later time than an answer gave: an earlier one would free the unit too soon."""
    if known is not None and session.created_at > known:
        at = stamp(session.created_at)
        change = sa.update(store.sessions).where(store.sessions.c.id == session.id)
        tx.execute(change.values(created_at=at))
        append(tx, now, "redated", None, {"id": session.id, "created_at": at})


def shows_all(tx: sa.Connection, listing: Listing) -> bool:
    """Whether a listing shows every session of ours in the window.

    One that complete listings have missed for an hour, or that we deleted, need not be there.
    """
    table, ticket = store.sessions.c, store.tickets.c
    deleted = sa.select(ticket.target).where(
        ticket.kind == "delete_session", ticket.state == "spent"
    )
    start = stamp(budget.window_start(listing.date))
    ours = sa.select(table.id, table.unseen_since).where(
        table.ticket.is_not(None), table.created_at > start, table.id.not_in(deleted)
    )
    shown = {session.id for session in listing.sessions}
    return all(
        row.id in shown
        or (row.unseen_since and listing.date - utc(str(row.unseen_since)) >= FORGOTTEN_AFTER)
        for row in tx.execute(ours)
    )


def has_issued(tx: sa.Connection, task_key: str) -> bool:
    """Whether a ticket, or a session that was seen with a marker of ours, is of this task."""
    ticket, session = store.tickets.c, store.sessions.c
    begun = f"{task_key}.a"
    tickets = sa.select(ticket.id).where(
        (ticket.kind == "start_session") & ticket.key.startswith(begun, autoescape=True)
        | (ticket.kind == "create_repository")
        & ticket.key.startswith(f"{task_key}:", autoescape=True)
    )
    sessions = sa.select(session.id).where(session.marker.startswith(begun, autoescape=True))
    return bool(tx.execute(sa.select(tickets.exists() | sessions.exists())).scalar_one())


def refuse_twin(tx: sa.Connection, key: str) -> None:
    """Raise `Refused` when a session with this key's marker was seen, whoever started it."""
    seen = sa.select(store.sessions.c.id).where(store.sessions.c.marker == key)
    found = tx.execute(seen).scalars().first()
    if found is not None:
        raise Refused(f"{key} was started already: session {found}", limit="duplicate")


def refuse_made_again(tx: sa.Connection, repo: str, now: datetime) -> None:
    """Raise `Refused` when a repository of this name was made in the window: it is counted once."""
    table = store.repositories.c
    recent = sa.select(table.repo).where(table.created_at > stamp(budget.window_start(now)))
    if repo.casefold() in {name.casefold() for name in tx.execute(recent).scalars()}:
        raise Refused(
            f"{repo} was made within the last day, and is gone: choose another name, or wait",
            limit="duplicate",
        )


def disowned(tx: sa.Connection) -> frozenset[str]:
    """Return the sessions whose marker several carry, but for the one that its ticket made."""
    table = store.sessions.c
    several = sa.select(table.marker).group_by(table.marker).having(sa.func.count() > 1)
    twins = sa.select(table.id).where(table.marker.in_(several), table.ticket.is_(None))
    return frozenset(tx.execute(twins).scalars())


def other_owner(tx: sa.Connection, ticket: Ticket, outcome: Outcome) -> str | None:
    """Say that the session of this outcome is another ticket's already."""
    if ticket.kind != "start_session" or outcome.state != "spent":
        return None
    table = store.sessions.c
    same = sa.select(table.ticket).where(table.id == session_id(outcome.result))
    owner = tx.execute(same).scalars().first()
    return "an answer names another's session" if owner not in (None, ticket.id) else None


def record_repositories(tx: sa.Connection, listing: RepositoryListing) -> None:
    """Keep every repository created within the last two days."""
    horizon = listing.date - timedelta(days=2)
    rows = tx.execute(sa.select(store.repositories))
    known = {row.repo: row.created_at for row in rows}
    for repo, created in sorted(listing.created.items()):
        if created >= horizon and known.get(repo, "") < stamp(created):
            _see_repository(tx, repo, created, listing.date)


def bind_effect(tx: sa.Connection, ticket: Ticket, outcome: Outcome, now: datetime) -> None:
    """Put what a ticket made into the counted sets, in the transaction that ends the ticket."""
    if ticket.kind == "start_session":
        _bind_session(tx, ticket, outcome, now)
    elif ticket.kind == "send_message":
        # A message wakes a session that had come to rest; the next listing says if it did not.
        woken = sa.update(store.sessions).where(store.sessions.c.id == ticket.target)
        tx.execute(woken.values(running=True))
    elif ticket.kind == "create_repository":
        repo = str(outcome.result["full_name"])
        table = store.repositories.c
        created = born(outcome.result.get("created_at"), sent_at=ticket.sent_at, now=now)
        known = tx.execute(
            sa.select(table.created_at).where(table.repo == repo)
        ).scalar_one_or_none()
        if known is None or known < stamp(created):
            _see_repository(tx, repo, created, now)


def born(said: str | None, *, sent_at: datetime | None, now: datetime) -> datetime:
    """Return when a ticket's effect came to be: as the service said, else when it was asked."""
    return moment(said) or sent_at or now


def session_id(result: Mapping[str, Any]) -> str:
    """Return the id of the session that a start's result names."""
    return str(result["name"]).removeprefix("sessions/")


def _bind_session(tx: sa.Connection, ticket: Ticket, outcome: Outcome, now: datetime) -> None:
    name = session_id(outcome.result)
    ours = {
        "ticket": ticket.id,
        "lane": ticket.lane,
        "repo": ticket.repo,
        "marker": ticket.key,
    }
    seen = tx.execute(sa.update(store.sessions).where(store.sessions.c.id == name).values(**ours))
    if seen.rowcount == 0:
        created = born(outcome.result.get("createTime"), sent_at=ticket.sent_at, now=now)
        tx.execute(
            sa.insert(store.sessions).values(
                id=name, created_at=stamp(created), running=True, **ours
            )
        )


def _see_session(
    tx: sa.Connection, session: Session, running: bool, now: datetime
) -> frozenset[str]:
    marker = session.marker
    ours = marker is not None and marker.valid
    key = session_key(marker) if marker else None
    data = {
        "id": session.id,
        "created_at": stamp(session.created_at),
        "lane": marker.lane if marker is not None and ours else None,
        "marker": key,
        "repo": session.repo,
        "valid": ours,
    }
    append(tx, now, "session_seen", None, data)
    oddities = _oddities(tx, session, key)
    for what in oddities:
        append(tx, now, "alarm", None, {"what": what, "session": session.id, "marker": key})
    tx.execute(
        sa.insert(store.sessions).values(
            id=session.id,
            created_at=stamp(session.created_at),
            lane=data["lane"],
            marker=key if ours else None,
            repo=session.repo,
            running=running,
        )
    )
    return frozenset(oddities)


def _oddities(tx: sa.Connection, session: Session, key: str | None) -> list[str]:
    """Return what is wrong with a session that is listed for the first time; I10."""
    marker = session.marker
    if marker is None:
        return []
    head = tx.execute(sa.select(store.ledger)).one()
    strange = [] if marker.valid else ["marker that is not ours"]
    if strange and marker.ledger == head.ledger_id:
        return strange
    if marker.ledger != head.ledger_id:
        first = moment(head.first_listing_at)
        if first is None or session.created_at <= first:
            return strange  # an earlier life of this account's factory: counted, nothing more
        # Listings come newest first: an older one must not take the newer one's place.
        latest = max(head.rival_at or "", stamp(session.created_at))
        tx.execute(sa.update(store.ledger).values(rival_at=latest))
        return [*strange, RIVAL]
    found: list[str] = []
    twins = sa.select(store.sessions.c.id).where(store.sessions.c.marker == key)
    if tx.execute(twins).first() is not None:
        found.append("marker seen twice")
    table = store.tickets.c
    ended = sa.select(table.state).where(table.kind == "start_session", table.key == key)
    state = tx.execute(ended).scalar_one_or_none()
    if state is None:
        found.append(UNKNOWN_START)
    elif state == "released":
        found.append("session of a released ticket")
    return found


def _see_repository(tx: sa.Connection, repo: str, created: datetime, now: datetime) -> None:
    """Keep when a repository was made; a later time takes the place of an earlier one."""
    tx.execute(sa.delete(store.repositories).where(store.repositories.c.repo == repo))
    tx.execute(sa.insert(store.repositories).values(repo=repo, created_at=stamp(created)))
    append(tx, now, "repository_seen", None, {"repo": repo, "created_at": stamp(created)})


def usage(
    tx: sa.Connection, now: datetime, *, local_now: datetime, open_tickets: Sequence[Ticket]
) -> Usage:
    """Return what counts at `now`, the `Date` of a listing; `local_now` only ages tickets."""
    table = store.sessions.c
    rows = tx.execute(
        sa.select(store.sessions)
        .where(table.created_at > stamp(budget.window_start(now)))
        .order_by(table.created_at, table.id)
    ).all()
    running = sa.select(sa.func.count()).where(
        table.running, table.created_at > stamp(now - RUNS_UNSEEN)
    )
    units = [
        Unit(at=moment(row.created_at), lane=row.lane, repo=row.repo, ours=row.lane is not None)
        for row in rows
    ]
    starting = [ticket for ticket in open_tickets if ticket.kind == "start_session"]
    units += [Unit(at=None, lane=t.lane, repo=t.repo, ours=True) for t in starting]
    in_flight = [t for t in starting if (t.sent_at or t.held_at) > local_now - IN_FLIGHT]
    made = [datetime.fromisoformat(at) for at in _created_times(tx)]
    pending = sum(1 for ticket in open_tickets if ticket.kind == "create_repository")
    today = now.astimezone(UTC).date()
    return Usage(
        now=now,
        units=units,
        running=tx.execute(running).scalar_one() + len(starting),
        creates_in_flight=len(in_flight),
        repositories=pending + sum(1 for at in made if at > budget.window_start(now)),
        repositories_today=pending + sum(1 for at in made if at.astimezone(UTC).date() == today),
        held=len(starting),
        ceiling=_ceiling(tx, now),
    )


def learn_ceiling(tx: sa.Connection, usage: Usage) -> None:
    """Remember that Jules refused a start just now, and what counted and ran for certain.

    Where nothing does, it was no quota: a source without Jules' GitHub app is refused so, too.
    """
    sure = usage.count - usage.held
    running = usage.running - usage.held
    if sure == running == 0:
        return
    tx.execute(
        sa.update(store.ledger).values(
            ceiling=sure, ceiling_running=running, ceiling_at=stamp(usage.now)
        )
    )
    append(tx, usage.now, "ceiling", None, {"sessions": sure, "running": running})


def forget_ceiling(tx: sa.Connection) -> None:
    """Forget it: a person says that the refusal had another cause."""
    tx.execute(sa.update(store.ledger).values(ceiling=None, ceiling_running=None, ceiling_at=None))


def _ceiling(tx: sa.Connection, now: datetime) -> budget.Ceiling | None:
    row = tx.execute(sa.select(store.ledger)).one()
    at = moment(row.ceiling_at)
    if at is None or at <= now - budget.WINDOW:
        return None
    return budget.Ceiling(sessions=row.ceiling, running=row.ceiling_running, at=at)


def _created_times(tx: sa.Connection) -> Sequence[str]:
    return tx.execute(sa.select(store.repositories.c.created_at)).scalars().all()

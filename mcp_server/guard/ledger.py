"""The durable record of tickets: check and insert in one immediate transaction.

Invariants (facts/safety.md 1.3): I2 and I3 a ticket lets one request out once, by compare-and-set;
I4 `sent` is left by evidence only; I6 ends are final; I8 no ledger, no ticket. What counts is
`counted.py`'s, against which limit `budget.py`'s, what an answer proves `evidence.py`'s.
"""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from mcp_server import store
from mcp_server.clock import Clock
from mcp_server.errors import LedgerUnavailable, Refused
from mcp_server.guard import (
    budget,
    chain,
    counted,
    first_commit,
    integrity,
    migrations,
    pace,
    proposal,
    settling,
    tickets,
)
from mcp_server.guard.budget import Limits, Usage
from mcp_server.guard.chain import stamp
from mcp_server.guard.counted import Listing, RepositoryListing
from mcp_server.guard.evidence import QUOTA, Outcome
from mcp_server.guard.heard import Heard
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.models import Event, Lane, Marker, Verified

_COUNTED = frozenset({"start_session", "create_repository"})
HELD_FOR = timedelta(seconds=60)
LISTING_FRESH_SECONDS = 60.0


class Ledger:
    """Tickets, events and the count, in one database shared by any number of processes."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        world: str,
        limits: Limits,
        clock: Clock,
        new_id: Callable[[], str],
        former_worlds: Collection[str] = (),
        own_time: bool = False,
    ) -> None:
        """Open the ledger of `world`, or begin one.

        Args:
            engine: from `store.open_engine`.
            world: `sandbox:SEED` or the account's fingerprint; a ledger serves one world.
            limits: enforced on every ticket.
            clock: for ages; the window's `now` comes from listings.
            new_id: names a new ledger: 8 hex digits.
            own_time: the services live in a world whose time is not ours: a double on loopback.
            former_worlds: stamps that are of the same world: an account whose key was changed.

        Raises:
            LedgerUnavailable: another world's ledger, or one whose parts do not fit together.
        """
        self._engine = engine
        self._clock = clock
        self._heard = None if own_time else Heard()
        # How far Jules' clock was ahead of ours when it was last heard.
        self._ahead = timedelta()
        # The date of the listing that a ticket was held by, with this process's seconds then.
        self._held_by: dict[str, tuple[datetime, float]] = {}
        self._events = 0
        self.limits = limits
        with self._transaction() as tx:
            if tx.execute(sa.select(store.ledger.c.one)).one_or_none() is None:
                self._begin(tx, world, new_id())
            migrations.bring_up(tx, clock.now())
            row = tx.execute(sa.select(store.ledger)).one()
            if row.world not in (world, *former_worlds):
                raise LedgerUnavailable(
                    f"this ledger belongs to {row.world}, not to {world}: use another --state; "
                    "after a change of the Jules key name the old one in FACTORY_MARKER_KEYS_OLD"
                )
            integrity.check(tx)
        self.id: str = row.ledger_id

    # Tickets

    def find(self, kind: str, key: str) -> Ticket | None:
        """Return the ticket of this kind and key, whatever became of it."""
        table = store.tickets.c
        with self._transaction() as tx:
            found = tickets.select(tx, table.kind == kind, table.key == key)
        return found[0] if found else None

    def hold_session(self, prepared: Prepared, listing: Listing) -> Ticket:
        """Reserve one unit of the allowance, or raise `Refused` naming the limit.

        Lane, task key and attempt are those of the marker in the title; a second ticket for the
        same key and attempt is refused. `listing` is a complete one, younger than 60 s, that has
        not served three creates.
        """
        self._refuse_stale("sessions", listing)
        if listing.creates >= self.limits.parallel_creates:
            raise Refused("this listing has served its batch of creates", limit="listing")
        tag = prepared.marker()
        key = tickets.session_key(tag)
        with self._transaction() as tx:
            # Of its own, as the alarm of a Date that runs ahead must outlive a refusal.
            self._believe(tx, listing)
        with self._transaction() as tx:
            self._refuse_while_closed(tx)
            self._ahead = listing.date - self._clock.now()
            settling.refuse_unsettled(tx, listing.date)
            counted.refuse_twin(tx, key)
            usage = self._usage(tx, listing.date)
            budget.check_session(self.limits, usage, lane=tag.lane, repo=prepared.repo)
            ticket = self._hold(tx, prepared, key, lane=tag.lane, repo=prepared.repo)
        listing.creates += 1
        self._held_by[ticket.id] = (listing.date, self._clock.elapsed())
        return ticket

    def hold_repository(
        self, prepared: Prepared, *, key: str, repo: str, listing: RepositoryListing
    ) -> Ticket:
        """Reserve one new repository `repo`; `listing` must be younger than 60 s."""
        self._refuse_stale("repositories", listing)
        if not prepared.makes(repo):
            raise Refused(f"this {prepared.kind} does not make {repo}", limit="ticket")
        with self._transaction() as tx:
            self._believe(tx, listing)
        with self._transaction() as tx:
            self._refuse_while_closed(tx)
            settling.refuse_unsettled(tx, listing.date)
            counted.record_repositories(tx, listing)
            counted.refuse_made_again(tx, repo, listing.date)
            budget.check_repository(self.limits, self._usage(tx, listing.date))
            ticket = self._hold(tx, prepared, key, lane="create", repo=repo)
        self._held_by[ticket.id] = (listing.date, self._clock.elapsed())
        return ticket

    def hold(self, prepared: Prepared, *, key: str) -> Ticket:
        """Reserve any other mutation; `key` is unique with its kind."""
        with self._transaction() as tx:
            self._refuse_while_closed(tx)
            if prepared.kind in _COUNTED:
                raise Refused(f"{prepared.kind} is counted: not this way", limit="ticket")
            proposal.refuse_foreign(tx, prepared)
            if prepared.kind in first_commit.KINDS and not proposal.is_step(tx, prepared):
                first_commit.refuse_existing_work(tx, prepared)
            pace.refuse(tx, prepared, self.limits, self._clock.now())
            return self._hold(tx, prepared, key, repo=prepared.repo)

    def adopt_repository(self, repo: str, tag: Marker | None, *, head: str) -> None:
        """Let the first commit of `repo` be made on `head`, though this ledger did not make it.

        `tag` is the one in the repository's own description, read for that repository; `head` is
        where the caller has just seen it private and without any work.

        Raises:
            Refused: the tag does not prove that a life of this factory made the repository.
        """
        if tag is None or not tag.valid:
            raise Refused(f"nothing proves that {repo} was made by this factory", limit="foreign")
        with self._transaction() as tx:
            first_commit.adopt(tx, self._clock.now(), repo=repo, key=tag.task_key, head=head)

    def makes_repository(self, ticket: str) -> bool:
        """Whether a ticket is for a new repository: its creation, or its first commit."""
        with self._transaction() as tx:
            found = tickets.select(tx, store.tickets.c.id == ticket)
            return any(first_commit.makes(tx, one) for one in found)

    def mark_sent(self, ticket: str, *, kind: str, digest: str) -> None:
        """Commit `held` → `sent`; refused unless it is held for this, and for a minute at most."""
        now = self._clock.now()
        table = store.tickets.c
        with self._transaction() as tx:
            self._refuse_while_closed(tx)
            changed = tx.execute(
                sa.update(store.tickets)
                .where(
                    table.id == ticket,
                    table.state == "held",
                    table.kind == kind,
                    table.digest == digest,
                    table.held_at >= stamp(now - HELD_FOR),
                )
                .values(state="sent", sent_at=stamp(now))
            )
            if changed.rowcount != 1:
                raise Refused(f"ticket {ticket} does not fit this {kind}", limit="ticket")
            chain.append(tx, now, "sent", ticket, {"digest": digest})

    def record_outcome(self, ticket: str, outcome: Outcome) -> Outcome:
        """Record what a send, or later evidence, proved; `unknown` leaves the ticket `sent`.

        Returns what was recorded: `unknown`, with an alarm, for another repository than was held,
        or for a session that another ticket has made.

        Raises:
            Refused: an effect of a ticket that was never sent.
        """
        now = self._clock.now()
        with self._transaction() as tx:
            found = tickets.select(tx, store.tickets.c.id == ticket)
            if not found:
                raise LedgerUnavailable(f"ticket {ticket} is not in this ledger any more")
            held = found[0]
            what = held.misfit(outcome) or counted.other_owner(tx, held, outcome)
            if what is not None:
                chain.append(tx, now, "alarm", None, {"what": what, "repo": held.repo})
                outcome = Outcome(state="unknown", evidence=what)
            if outcome.state == "unknown":
                chain.append(tx, now, "unknown", ticket, {"evidence": outcome.evidence})
            else:
                self._end(tx, held, outcome, now)
        return outcome

    def open_tickets(self) -> tuple[Ticket, ...]:
        """Return the tickets `held` or `sent`, oldest first."""
        with self._transaction() as tx:
            return tickets.select(tx, store.tickets.c.state.in_(tickets.OPEN))

    def void_stale(self) -> int:
        """Release tickets held for over 60 s without being sent; returns how many."""
        now = self._clock.now()
        table = store.tickets.c
        with self._transaction() as tx:
            stale = tickets.select(tx, table.state == "held", table.held_at < stamp(now - HELD_FOR))
            for ticket in stale:
                self._end(tx, ticket, Outcome(state="released", evidence="never sent"), now)
        return len(stale)

    def note_absent(self, ticket: str, since: datetime) -> None:
        """Remember the first complete listing that did not show this ticket's effect."""
        table = store.tickets.c
        with self._transaction() as tx:
            noted = tx.execute(
                sa.update(store.tickets)
                .where(table.id == ticket, table.absent_since.is_(None))
                .values(absent_since=stamp(since))
            )
            if noted.rowcount == 1:
                chain.append(tx, since, "absent", ticket, {})

    # What the world shows

    def record_listing(self, listing: Listing) -> None:
        """Keep what a complete session listing shows; two that agree settle a new ledger."""
        with self._transaction() as tx:
            self._believe(tx, listing)
            if counted.UNKNOWN_START in counted.record_sessions(tx, listing):
                settling.again(tx, listing.date, "a session of ours is not in the record")
            settling.look(tx, listing)

    def record_repositories(self, listing: RepositoryListing) -> None:
        """Keep which repositories are new enough to count."""
        with self._transaction() as tx:
            self._believe(tx, listing)
            counted.record_repositories(tx, listing)

    def alarm(self, what: str, **data: str) -> None:
        """Write an alarm into the record; reports show it to a person."""
        with self._transaction() as tx:
            chain.append(tx, self._clock.now(), "alarm", None, {"what": what, **data})

    def pause(self, reason: str | None) -> None:
        """Stop every ticket at once; None lets them go again, and forgets where Jules refused."""
        with self._transaction() as tx:
            self._pause(tx, reason)

    # Questions

    def usage(self, now: datetime) -> Usage:
        """Return what counts at `now`, the `Date` of a listing."""
        with self._transaction() as tx:
            return self._usage(tx, now)

    def ticket_of_session(self, session_id: str) -> str | None:
        """Return the ticket that started this session; None when it was not this ledger."""
        table = store.sessions.c
        with self._transaction() as tx:
            return tx.execute(
                sa.select(table.ticket).where(table.id == session_id)
            ).scalar_one_or_none()

    def repo_of_session(self, session_id: str) -> str | None:
        """Return the repository that a session works on; None: none, or not known."""
        table = store.sessions.c
        with self._transaction() as tx:
            return tx.execute(
                sa.select(table.repo).where(table.id == session_id)
            ).scalar_one_or_none()

    def has_issued(self, task_key: str) -> bool:
        """Whether work was begun here under this key, or was seen to be by an earlier life."""
        with self._transaction() as tx:
            return counted.has_issued(tx, task_key)

    def messages_to(self, session_id: str) -> tuple[Ticket, ...]:
        """Return the tickets of the messages sent to a session, whatever became of them."""
        table = store.tickets.c
        concerned = (table.kind == "send_message", table.target == session_id)
        with self._transaction() as tx:
            return tickets.select(tx, *concerned, table.sent_at.is_not(None))

    def head(self) -> tuple[int, str, str | None]:
        """Return the number of events, the head's hash, and the reason of a pause."""
        with self._transaction() as tx:
            row = tx.execute(sa.select(store.ledger)).one()
            return row.events, row.head, row.paused

    def settles_at(self) -> datetime | None:
        """Return when a new ledger may start sessions; None when it already may."""
        with self._transaction() as tx:
            return settling.settles_at(tx, self._clock.now())

    def released_since(self, since: datetime) -> int:
        """Return how many session tickets were given back with proof after `since`."""
        table = store.tickets.c
        with self._transaction() as tx:
            return tx.execute(
                sa.select(sa.func.count()).where(
                    table.kind == "start_session",
                    table.state == "released",
                    table.ended_at > stamp(since),
                )
            ).scalar_one()

    def events(self, *, after: int = 0, limit: int = 200) -> tuple[Event, ...]:
        """Return events in order, those with `seq` above `after`."""
        with self._transaction() as tx:
            return chain.read(tx, after=after, limit=limit)

    def verify(self) -> Verified:
        """Recompute the whole record and say whether it agrees with itself."""
        with self._transaction() as tx:
            return integrity.verify(tx)

    def shows_all(self, listing: Listing) -> bool:
        """Whether a listing shows every session of ours that it should, but for deleted ones."""
        with self._transaction() as tx:
            return counted.shows_all(tx, listing)

    def disowned(self) -> frozenset[str]:
        """Return the sessions that carry a marker of ours and are not the one it was given to."""
        with self._transaction() as tx:
            return counted.disowned(tx)

    # Inside a transaction

    @contextmanager
    def _transaction(self) -> Generator[sa.Connection]:
        with store.translated(self._engine.url.database), self._engine.begin() as tx:
            yield tx

    def _begin(self, tx: sa.Connection, world: str, ledger_id: str) -> None:
        if tx.execute(sa.select(sa.func.count()).select_from(store.events)).scalar_one():
            raise LedgerUnavailable("the ledger has events and no head: restore it, or start anew")
        now = self._clock.now()
        tx.execute(
            sa.insert(store.ledger).values(
                one=1,
                schema_version=store.SCHEMA_VERSION,
                ledger_id=ledger_id,
                world=world,
                opened_at=stamp(now),
                events=0,
                head=chain.GENESIS,
            )
        )
        data = {"world": world, "ledger": ledger_id, "schema": store.SCHEMA_VERSION}
        chain.append(tx, now, "opened", None, data)

    def _refuse_stale(self, what: str, listing: Listing | RepositoryListing) -> None:
        age = self._clock.elapsed() - listing.received
        on_the_wall = (self._clock.now() - listing.received_at).total_seconds()
        age = max(age, on_the_wall) if age >= 0 else age
        if not 0 <= age <= LISTING_FRESH_SECONDS:
            raise Refused(f"the listing of {what} is {age:.0f} s old, 60 at most", limit="listing")

    def _refuse_while_closed(self, tx: sa.Connection) -> None:
        row = tx.execute(sa.select(store.ledger.c.paused, store.ledger.c.events)).one()
        if row.events < self._events:
            raise LedgerUnavailable(
                f"the ledger went back from {self._events} events to {row.events}: an older copy "
                f"was put in its place; end every process that uses it, then {store.WAY_OUT}"
            )
        self._events = row.events
        if row.paused:
            raise Refused(
                f"paused: {row.paused}; budget_resume lets tickets go again", limit="paused"
            )

    def _believe(self, tx: sa.Connection, listing: Listing | RepositoryListing) -> None:
        """Put the listing's date to the latest that it can be, should it say a later one."""
        if self._heard is None:
            return
        here, elapsed = self._clock.now(), self._clock.elapsed()
        listing.date = self._heard.bounded(tx, listing.date, here=here, elapsed=elapsed)

    def _hold(
        self,
        tx: sa.Connection,
        prepared: Prepared,
        key: str,
        *,
        repo: str | None,
        lane: Lane | None = None,
    ) -> Ticket:
        now = self._clock.now()
        data = {
            "kind": prepared.kind,
            "key": key,
            "lane": lane,
            "repo": repo,
            "target": prepared.target,
            "digest": prepared.digest,
        }
        number = tx.execute(sa.select(store.ledger.c.events)).scalar_one() + 1
        ticket = f"t{self.id}-{number}"
        try:
            tx.execute(
                sa.insert(store.tickets).values(id=ticket, state="held", held_at=stamp(now), **data)
            )
        except IntegrityError as error:
            raise Refused(
                f"{prepared.kind} {key} has a ticket already", limit="duplicate"
            ) from error
        chain.append(tx, now, "held", ticket, data)
        return tickets.select(tx, store.tickets.c.id == ticket)[0]

    def _end(self, tx: sa.Connection, ticket: Ticket, outcome: Outcome, now: datetime) -> None:
        if outcome.state == "spent" and ticket.state == "held":
            raise Refused(f"ticket {ticket.id} was never sent: it has no effect", limit="ticket")
        outcome = self._dated(ticket, outcome)
        table = store.tickets.c
        changed = tx.execute(
            sa.update(store.tickets)
            .where(table.id == ticket.id, table.state.in_(tickets.OPEN))
            .values(
                state=outcome.state,
                ended_at=stamp(now),
                evidence=outcome.evidence,
                result=chain.canonical(outcome.result),
            )
        )
        if changed.rowcount != 1:
            return  # whoever found the evidence first has ended it; ends are final
        data = {"evidence": outcome.evidence, "result": outcome.result}
        chain.append(tx, now, outcome.state, ticket.id, data)
        if ticket.kind == "start_session" and outcome.evidence == QUOTA:
            counted.learn_ceiling(tx, self._usage(tx, now + self._ahead))
        if outcome.state == "spent":
            counted.bind_effect(tx, ticket, outcome, now)
            if ticket.is_published_by(outcome):
                data = {"what": "a repository of ours is public", "repo": str(ticket.repo)}
                chain.append(tx, now, "alarm", None, data)
                self._pause(tx, f"{ticket.repo} is public: make it private, then budget_resume")

    def _dated(self, ticket: Ticket, outcome: Outcome) -> Outcome:
        """Return the outcome; an effect that no answer dates is dated by the service's own clock.

        That is the date of the listing it was held by and the seconds since: no wall can free it.
        """
        name = counted.DATED_BY.get(ticket.kind)
        date, elapsed = self._held_by.pop(ticket.id, (None, 0.0))
        if outcome.state != "spent" or name is None or date is None or outcome.result.get(name):
            return outcome
        by = date + timedelta(seconds=self._clock.elapsed() - elapsed)
        return replace(outcome, result={**outcome.result, name: stamp(by)})

    def _pause(self, tx: sa.Connection, reason: str | None) -> None:
        tx.execute(sa.update(store.ledger).values(paused=reason or None))
        if not reason:
            counted.forget_ceiling(tx)
        kind = "paused" if reason else "resumed"
        chain.append(tx, self._clock.now(), kind, None, {"reason": reason or ""})

    def _usage(self, tx: sa.Connection, now: datetime) -> Usage:
        open_tickets = tickets.select(tx, store.tickets.c.state.in_(tickets.OPEN))
        return counted.usage(tx, now, local_now=self._clock.now(), open_tickets=open_tickets)

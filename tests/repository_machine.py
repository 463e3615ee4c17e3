"""The same game with the other resource: new repositories, by the rolling day and by the UTC day.

`python -m tests.repository_machine --examples N --seed S` runs it long.
"""

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from mcp_server.clients import github
from mcp_server.errors import Refused
from mcp_server.guard import evidence
from mcp_server.guard.budget import Limits
from mcp_server.guard.counted import Listing, RepositoryListing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.reconcile import reconcile_repositories
from mcp_server.guard.tickets import Ticket
from tests.allowance_world import (
    DAY,
    EMPTY,
    PAUSES,
    SHOWS_WITHIN,
    TAKES,
    WHOLE,
    Processes,
    Reading,
    main,
)
from tests.guard_cases import send

LIMIT = 3
Fate: TypeAlias = Literal["answered", "lost after", "acts late", "lost before", "refused", "held"]
FATES: tuple[Fate, ...] = get_args(Fate)
EFFECTIVE = frozenset({"answered", "lost after", "acts late"})
# A list of repositories that is far behind cannot be told from a whole one: none is here.
READINGS = (*WHOLE, EMPTY)


@dataclass
class Made:
    """A repository as it really is; moments in the world's seconds, never where infinite.

    `ours` says that this factory made it, whichever its ledger was.
    """

    name: str
    at: datetime
    shows: float
    ours: bool
    deleted: float = math.inf
    seen: float = math.inf


@dataclass(frozen=True, kw_only=True)
class Create:
    """How one attempt to create a repository goes."""

    side: int
    fate: Fate
    lag: int
    reading: Reading


CREATES = st.sampled_from(
    [
        Create(side=side, fate=fate, lag=lag, reading=reading)
        for fate in FATES
        for reading in READINGS
        for lag in (0, SHOWS_WITHIN)
        for side in (0, 1)
    ]
)


class NewRepositories(Processes):
    """Creations with every fate; others create and delete as well, as many as they like."""

    limits = Limits(repositories=LIMIT)

    def __init__(self) -> None:
        super().__init__()
        self.truth: list[Made] = []
        self.by_ticket: dict[str, Made] = {}
        self.last: Ticket | None = None

    def happen(self, name: str, *, ours: bool, lag: float, after: float) -> Made:
        """Let a repository come to be in truth, `after` seconds from now."""
        at = self.date_in(after)
        one = Made(f"owner/{name}", at, self.age + after + lag, ours)
        self.truth.append(one)
        return one

    def look(self, side: int, reading: Reading) -> RepositoryListing:
        """Reconcile with a listing."""
        at = self.age - reading.behind
        shown = [one for one in self.truth if one.shows <= at < one.deleted and reading != EMPTY]
        names = {one.name: one.at for one in shown}
        listing = RepositoryListing(
            date=self.date_in(reading.date_off),
            received=self.clock.elapsed(),
            received_at=self.clock.now(),
            created=names,
            private=frozenset(names),
        )
        reconcile_repositories(self.ledgers[side], listing)
        for one in shown:
            one.seen = min(one.seen, self.age)
        self.audit()
        return listing

    def audit(self) -> None:
        """I3, I4, I6: what is spent is real, what is released is not."""
        for event in self.new_events():
            if event.kind in ("spent", "released"):
                one = self.by_ticket.get(str(event.ticket))
                assert (one is not None) == (event.kind == "spent"), f"{event} of {one}"
                if one is not None:
                    one.seen = min(one.seen, self.age)

    def check_effect(self, one: Made, granted: float) -> None:
        """I1: neither in the day that ends with this one, nor in its UTC day, are there more.

        What others made after the ticket was held, no ledger could know; nor what was deleted
        before any listing showed it to a new one.
        """
        counted = [
            other
            for other in self.truth
            if other.seen <= granted or (other.ours and other.deleted == math.inf)
        ]
        day = [other for other in counted if one.at - DAY < other.at <= one.at]
        date = one.at.astimezone(UTC).date()
        today = [other for other in counted if other.at.astimezone(UTC).date() == date]
        assert len(day) <= LIMIT, f"{one} is the {len(day)}th: {day}"
        # A late effect falls on the day after the one for which it was granted.
        assert len(today) <= LIMIT or one.at.hour == 0, f"{one} is the {len(today)}th: {today}"

    @rule(how=CREATES, later=PAUSES)
    def create(self, how: Create, later: int = 1) -> None:
        """Try to create a repository from a new listing, and let it end as its fate is."""
        self.wait(later)
        listing = self.look(how.side, how.reading)
        ledger = self.ledgers[how.side]
        name = f"r{next(self.numbers)}"
        prepared = github.create_repository(name, "x")
        try:
            ticket = ledger.hold_repository(
                prepared, key=name, repo=f"owner/{name}", listing=listing
            )
        except Refused as refused:
            self.count(f"refused {refused.limit}")
            return
        self.audit()
        granted, self.last = self.age, ticket
        if how.fate == "held":
            return
        send(ledger, ticket)
        one = None
        if how.fate in EFFECTIVE:
            after = TAKES if how.fate == "acts late" else 0
            one = self.happen(name, ours=True, lag=how.lag, after=after)
            self.by_ticket[ticket.id] = one
            self.check_effect(one, granted)
        ledger.record_outcome(ticket.id, answer(how.fate, one))
        self.audit()

    @rule(side=st.integers(0, 1), reading=st.sampled_from(READINGS), later=PAUSES)
    def reconcile(self, side: int, reading: Reading, later: int) -> None:
        """Look after a while, and check the count: over by the tickets in doubt at most."""
        self.wait(later)
        date = self.look(side, reading).date
        # GitHub's own date, not the machine's: what is counted is what the ledger has seen.
        used = self.ledgers[side].usage(date).repositories - self.open_count()
        known = [one.at for one in self.truth if one.seen < math.inf]
        assert used >= sum(at > date - DAY for at in known)
        assert used <= sum(at > date - 2 * DAY for at in known)

    @precondition(lambda self: self.last is not None)
    @rule(side=st.integers(0, 1))
    def again(self, side: int) -> None:
        """A ticket that was not let out, is voided or has ended is not let out any more."""
        assert self.last is not None
        if self.states[self.last.id] != "held":
            with pytest.raises(Refused):
                send(self.ledgers[side], self.last)

    @rule(side=st.integers(0, 1))
    def void(self, side: int) -> None:
        """What was held and never sent is given back, by whoever comes by."""
        self.ledgers[side].void_stale()
        self.audit()

    @rule(lag=st.sampled_from([0, SHOWS_WITHIN]))
    def somebody(self, lag: int) -> None:
        """The user makes one by hand: GitHub has no such limit."""
        self.happen(f"hand{next(self.numbers)}", ours=False, lag=lag, after=0)

    @precondition(lambda self: self.truth)
    @rule(which=st.integers(0, 9))
    def remove(self, which: int) -> None:
        """The user deletes one that shows, and is not in doubt; it goes on counting."""
        one = self.truth[-1 - which % len(self.truth)]
        doubtful = {name for name, state in self.states.items() if state == "sent"}
        if one.seen < math.inf and one not in [self.by_ticket.get(name) for name in doubtful]:
            one.deleted = min(one.deleted, self.age)

    @precondition(lambda self: self.lives < 2)
    @rule(how=CREATES)
    def lose(self, how: Create) -> None:
        """The disk is gone; another ledger settles, by Jules' listings, before it makes any."""
        self.create(how)
        self.lose_file()
        for one in self.truth:
            one.seen = math.inf
        self.by_ticket.clear()
        self.last = None
        self.create(replace(how, reading=WHOLE[0]))
        for _ in range(2):
            self.ledgers[how.side].record_listing(
                Listing(
                    date=self.date(),
                    received=self.clock.elapsed(),
                    received_at=self.clock.now(),
                    sessions=(),
                )
            )
            self.wait(601)
        self.look(how.side, WHOLE[0])


def answer(fate: Fate, one: Made | None) -> Outcome:
    """Return what GitHub's answer proves; a lost one is a gateway's 502."""
    status, body = 502, {}
    if one is not None and fate == "answered":
        status = 201
        body = {"full_name": one.name, "private": True, "created_at": one.at.isoformat()}
    if fate == "refused":
        status, body = 422, {"message": "name already exists on this account"}
    return evidence.judge("github", "create_repository", status, json.dumps(body).encode())


if __name__ == "__main__":
    main(NewRepositories)

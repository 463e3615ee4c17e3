"""The allowance's state machine: weeks of starts, losses and looks against a truth held only here.

Rules act through the real ledger and reconciler over a real file; what Jules' answers are worth is
`evidence.py`'s own table. `python -m tests.allowance_machine --examples N --seed S` runs it long.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from mcp_server.clients import jules
from mcp_server.clients.jules import StartOptions
from mcp_server.errors import Refused
from mcp_server.guard import evidence
from mcp_server.guard.budget import Limits
from mcp_server.guard.counted import Listing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.reconcile import reconcile_sessions
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.models import Session
from tests.allowance_world import (
    DAY,
    LIES,
    PAUSES,
    SHOWS_WITHIN,
    STOPPED,
    TAKES,
    WHOLE,
    Processes,
    Reading,
    main,
)
from tests.guard_cases import send, session, title

LIMIT = 3
LIMITS = Limits(
    sessions=LIMIT,
    concurrent=99,
    parallel_creates=9,
    trend_sessions=99,
    repair_reserve=0,
    repository_share=1.0,
)
OURS, THEIRS = "owner/tool", "owner/third"
# Jules counts for a day, the ledger for five minutes more (DESIGN.md section 5).
MARGIN = timedelta(minutes=5)
# A complete listing reaches past the window's start by an hour.
REACHES = DAY + MARGIN + timedelta(hours=1)
# For so long a known session that is missing tells that a listing is old or short; then it passes
# for deleted (`counted.FORGOTTEN_AFTER`).
TELLS_FOR = timedelta(hours=1)
# How old a listing may be that a session is started from, in seconds.
FRESH = 60
# What a refusal of this machine's ledgers may name; no other limit is in reach.
REASONS = frozenset({"sessions", "settling", "rival_ledger", "listing", "jules_quota"})
Fate: TypeAlias = Literal[
    "answered",
    "lost after",
    "lost before",
    "refused",
    "answer late",
    "acts late",
    "over quota",
    "held",
]
FATES: tuple[Fate, ...] = get_args(Fate)
EFFECTIVE = frozenset({"answered", "lost after", "answer late", "acts late"})


@dataclass
class Real:
    """A session as it really is; moments in the world's seconds, never where infinite.

    `ledger` is the id of the ledger whose ticket made it; `seen` when the ledger in use learnt of
    it, `missed` since which `Date` listings leave it out again; `hidden` whether a bad listing has
    kept it from that ledger.
    """

    session: Session
    born: float
    shows: float
    ledger: str | None
    deleted: float = math.inf
    seen: float = math.inf
    missed: datetime | None = None
    hidden: bool = False

    @property
    def at(self) -> datetime:
        """When Jules says it was created."""
        return self.session.created_at


@dataclass(frozen=True, kw_only=True)
class Start:
    """How one attempt to start a session goes."""

    side: int
    fate: Fate
    lag: int
    reading: Reading | None


STARTS = st.sampled_from(
    [
        Start(side=side, fate=fate, lag=lag, reading=reading)
        for fate in FATES
        for reading in (*WHOLE, *LIES, None)
        for lag in (0, SHOWS_WITHIN)
        for side in (0, 1)
    ]
)


class Allowance(Processes):
    """Sessions: every fate of a send, every kind of listing; others start and delete as well."""

    limits = LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.truth: list[Real] = []
        self.made: dict[str, Real] = {}
        self.granted: dict[str, float] = {}
        self.holding: list[Ticket] = []
        self.answers: list[tuple[str, Outcome]] = []
        self.last: tuple[Ticket, Prepared] | None = None
        self.listings: dict[int, Listing] = {}
        self.stopped = 0
        self.losses = 0

    # The world

    def happen(self, text: str, repo: str, *, ledger: str | None, lag: float, after: int) -> Real:
        """Let a session come to be in truth, `after` seconds from now."""
        name = f"s{next(self.numbers)}"
        at = self.date_in(after)
        made = session(name, at, text=text, repo=repo, state="COMPLETED")
        born = self.age + after
        one = Real(made, born, born + lag, ledger)
        self.truth.append(one)
        return one

    def counted_by_jules(self, start: datetime) -> list[Real]:
        """Return what was created after `start` and can be known to the ledger in use.

        What an earlier ledger made and somebody deleted, or only bad listings could have shown,
        cannot; nor what others made and no listing has shown yet.
        """
        return [one for one in self.truth if one.at > start and self.knowable(one)]

    def knowable(self, one: Real) -> bool:
        """Whether the ledger in use has means to know of it."""
        if one.seen < math.inf or one.ledger == self.ledger_id:
            return True
        return one.ledger is not None and one.deleted == math.inf and not one.hidden

    def shown(self, reading: Reading) -> list[Real]:
        """Return what a listing of this kind shows now."""
        at = self.age - reading.behind
        if 0 < reading.before <= len(self.made):
            at = list(self.made.values())[-reading.before].born - 1
        visible = [one for one in self.truth if one.shows <= at < one.deleted]
        if reading.most is None:
            return visible
        newest = sorted(visible, key=lambda one: one.at)
        return newest[len(newest) - min(reading.most, len(newest)) :]

    def tells(self, shown: Sequence[Real]) -> bool:
        """Whether a listing can be told to be old or short, or can do no harm.

        A list that leaves out nothing that is known cannot be told from a whole one
        (docs/guarantees.md): no world is without end, so such lists do not happen here.
        """
        lost = any(one.ledger == self.ledger_id and one.seen == math.inf for one in self.truth)
        if not lost or not shown:
            return True
        names = {one.session.id for one in shown}
        date = self.date()
        return any(
            one.ledger == self.ledger_id
            and one.seen < math.inf
            and one.at > date - DAY
            and one.session.id not in names
            and (one.missed is None or date - one.missed < TELLS_FOR)
            for one in self.truth
        )

    # The ledger's side

    def look(self, side: int, reading: Reading) -> Listing:
        """Reconcile with a listing, and check that the count is as it must be."""
        shown = self.shown(reading)
        if reading.lies and not self.tells(shown):
            reading = WHOLE[0]
            shown = self.shown(reading)
        date = self.date_in(reading.date_off)
        if reading.moves:
            self.somebody(0)
        ordered = sorted((one.session for one in shown), key=lambda one: (one.created_at, one.id))
        listing = Listing(
            date=date,
            received=self.clock.elapsed(),
            received_at=self.clock.now(),
            sessions=tuple(reversed(ordered)),
        )
        reconcile_sessions(self.ledgers[side], listing)
        for one in shown:
            if one.at >= listing.date - REACHES:
                one.seen = min(one.seen, self.age)
        self.miss(shown, listing.date, lies=reading.lies)
        self.audit()
        self.listings[side] = listing
        return listing

    def miss(self, shown: Sequence[Real], date: datetime, *, lies: bool) -> None:
        """Keep what a listing has left out, and since when."""
        names = {one.session.id for one in shown}
        for one in self.truth:
            if one.session.id in names:
                one.missed = None
            elif one.seen < math.inf:
                one.missed = one.missed or date
            elif lies and one.shows <= self.age < one.deleted:
                one.hidden = True

    def audit(self) -> None:
        """I3, I4, I6: read what the ledger has written since, and hold it against the truth."""
        for event in self.new_events():
            if event.kind == "held":
                self.keys[str(event.ticket)] = json.loads(event.data)["key"]
            elif event.kind in ("spent", "released"):
                one = self.made.get(self.keys[str(event.ticket)])
                assert (one is not None) == (event.kind == "spent"), f"{event} of {one}"
                if one is not None:
                    one.seen = min(one.seen, self.age)

    def check_count(self, side: int, date: datetime) -> None:
        """Never under what can be known, over by the tickets in doubt at most."""
        usage = self.ledgers[side].usage(date)
        doubt = self.open_count()
        assert usage.held == doubt
        at_least = sum(one.seen < math.inf for one in self.truth if one.at > date - DAY)
        at_most = sum(one.seen < math.inf for one in self.truth if one.at > date - DAY - MARGIN)
        assert at_least <= usage.count - doubt <= at_most

    def check_grant(self, ticket: Ticket, listing: Listing) -> None:
        """I1, where it is decided: what counts already leaves room, by a listing of this minute."""
        assert self.clock.elapsed() - listing.received <= FRESH, ticket.key
        waiting = [one for one in self.holding if self.states[one.id] == "held"]
        used = self.counted_by_jules(self.date() - DAY)
        assert len(used) + len(waiting) < LIMIT, f"{ticket.key} on top of {used} and {waiting}"

    def check_effect(self, one: Real, ticket: Ticket) -> None:
        """I1, where it happens: everybody's sessions of the day that ends with this one.

        What others started after the ticket was held, no ledger could know.
        """
        granted = self.granted[ticket.id]
        day = [
            other
            for other in self.truth
            if one.at - DAY < other.at <= one.at
            and (other.seen <= granted or (other.ledger is not None and self.knowable(other)))
        ]
        assert len(day) <= LIMIT, f"{ticket.key} is the {len(day)}th: {day}"

    def check_refusal(self, refused: Refused, date: datetime) -> None:
        """A refusal has its reason: over by what is in doubt at most."""
        assert refused.limit in REASONS
        self.count("refused " + str(refused.limit))
        if refused.limit == "sessions":
            since = date - DAY - MARGIN
            known = sum(one.at > since and one.seen < math.inf for one in self.truth)
            assert known + self.open_count() >= LIMIT

    # Rules

    @initialize(losses=st.sampled_from([0, 1]))
    def begin(self, losses: int) -> None:
        """Have a marker to be a control later; every other ledger is never lost."""
        self.losses = losses
        self.start(Start(side=0, fate="answered", lag=0, reading=WHOLE[0]))

    @rule(how=STARTS, later=PAUSES)
    def start(self, how: Start, later: int = 1) -> None:
        """Try to start a session, from a new listing or from this process's last one."""
        self.wait(later)
        listing = self.listings.get(how.side)
        if how.reading is not None or listing is None:
            listing = self.look(how.side, how.reading or WHOLE[0])
        task = f"t{next(self.numbers)}"
        text = title(task, repo=OURS, ledger=self.ledger_id)
        prepared = jules.start_session(
            StartOptions(prompt="do it", title=text, repo=OURS, branch="main")
        )
        try:
            ticket = self.ledgers[how.side].hold_session(prepared, listing)
        except Refused as refused:
            self.check_refusal(refused, listing.date)
            return
        self.audit()
        self.check_grant(ticket, listing)
        self.granted[ticket.id] = self.age
        self.holding.append(ticket)
        self.last = ticket, prepared
        if how.fate != "held":
            self.send(ticket, how)

    def send(self, ticket: Ticket, how: Start, *, late: bool = False) -> None:
        """Send what is held, and let it end as its fate is; `late` a ledger may refuse it."""
        self.holding.remove(ticket)
        ledger = self.ledgers[how.side]
        try:
            send(ledger, ticket)
        except Refused:
            if not late:
                raise
            return
        one = None
        if how.fate in EFFECTIVE:
            text = title(ticket.key.removesuffix(".a1"), repo=OURS, ledger=self.ledger_id)
            after = TAKES if how.fate == "acts late" else 0
            one = self.happen(text, OURS, ledger=self.ledger_id, lag=how.lag, after=after)
            assert ticket.key not in self.made, f"{ticket.key} was sent twice"
            self.made[ticket.key] = one
            self.check_effect(one, ticket)
        outcome = answer(how.fate, one)
        if how.fate == "answer late":
            self.answers.append((ticket.id, outcome))
        else:
            ledger.record_outcome(ticket.id, outcome)
        self.audit()

    @precondition(lambda self: self.holding or self.answers)
    @rule(how=STARTS)
    def go_on(self, how: Start) -> None:
        """A process that was slow goes on: its answer arrives, or it sends what it has held."""
        if self.answers:
            ticket, outcome = self.answers.pop(0)
            self.ledgers[how.side].record_outcome(ticket, outcome)
            self.audit()
            return
        ticket = self.holding[0]
        if self.states[ticket.id] == "held":
            self.send(ticket, how, late=True)
            return
        self.holding.remove(ticket)
        with pytest.raises(Refused):  # it was voided meanwhile
            send(self.ledgers[how.side], ticket)

    @precondition(lambda self: self.last is not None)
    @rule(side=st.integers(0, 1), whole=st.booleans())
    def again(self, side: int, whole: bool) -> None:
        """Try to send once more, or to hold once more for the same task and attempt."""
        assert self.last is not None
        ticket, prepared = self.last
        if whole and side in self.listings:
            with pytest.raises(Refused):
                self.ledgers[side].hold_session(prepared, self.listings[side])
        elif ticket not in self.holding:
            with pytest.raises(Refused):
                send(self.ledgers[side], ticket)

    @rule(
        side=st.integers(0, 1),
        reading=st.sampled_from((*WHOLE, *LIES)),
        later=PAUSES,
        again=st.sampled_from([None, 601]),
    )
    def reconcile(self, side: int, reading: Reading, later: int, again: int | None) -> None:
        """Look after a while; a bad replica may answer a second time as well."""
        self.wait(later)
        listing = self.look(side, reading)
        if again is not None:
            self.wait(again)
            listing = self.look(side, reading)
        self.check_count(side, listing.date)

    @precondition(lambda self: self.stopped < 2)
    @rule(side=st.integers(0, 1))
    def fall_behind(self, side: int) -> None:
        """A replica stops following while one start is lost and another is not; it is asked."""
        self.stopped += 1
        self.wait(90_000)
        lost = Start(side=side, fate="lost after", lag=SHOWS_WITHIN, reading=WHOLE[0])
        for how in (lost, replace(lost, fate="answered")):
            self.start(how, later=61)
        self.reconcile(side, STOPPED, 61, 601)

    @rule(lag=st.sampled_from([0, SHOWS_WITHIN]))
    def somebody(self, lag: int) -> None:
        """The user starts one, as long as Jules lets him: it counts better than we do."""
        now = self.date()
        if sum(now - DAY < one.at for one in self.truth) < LIMIT:
            self.happen("by hand", THEIRS, ledger=None, lag=lag, after=0)

    @precondition(lambda self: self.truth)
    @rule(which=st.integers(0, 9), archive=st.booleans())
    def remove(self, which: int, archive: bool) -> None:
        """The user archives or deletes a session that shows; Jules goes on counting it."""
        one = self.truth[-1 - which % len(self.truth)]
        if archive:
            one.session = one.session.model_copy(update={"archived": True})
        elif one.seen < math.inf:
            one.deleted = min(one.deleted, self.age)

    @precondition(lambda self: self.losses > self.lives)
    @rule(how=STARTS)
    def lose(self, how: Start) -> None:
        """The machine dies after its last sends; on an empty disk another starts at once."""
        slow = replace(how, lag=SHOWS_WITHIN, reading=WHOLE[0])
        for _ in range(LIMIT):
            self.start(slow)
        self.lose_file()
        for one in self.truth:
            one.seen, one.missed, one.hidden = math.inf, None, False
        self.made.clear()
        self.holding.clear()
        self.answers.clear()
        self.listings.clear()
        self.last = None
        for _ in range(2):
            self.start(slow)
        for _ in range(2):
            self.wait(601)
            self.look(how.side, WHOLE[0])


def answer(fate: Fate, one: Real | None) -> Outcome:
    """Return what Jules' answer proves; a lost one is a gateway's 503."""
    status, body = 503, {}
    if one is not None and fate in ("answered", "answer late"):
        made = one.session
        status = 200
        body = {"name": f"sessions/{made.id}", "createTime": made.created_at.isoformat()}
    words = {"refused": "INVALID_ARGUMENT", "over quota": "FAILED_PRECONDITION"}
    if fate in words:
        status, body = 400, {"error": {"code": 400, "status": words[fate]}}
    return evidence.judge("jules", "start_session", status, json.dumps(body).encode())


if __name__ == "__main__":
    main(Allowance)

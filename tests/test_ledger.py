"""The ledger: one ticket, one life, one end; what counts is never lost and never bought back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError, OperationalError

from mcp_server.clients import github, jules
from mcp_server.errors import LedgerUnavailable, Refused
from mcp_server.guard import chain, marker
from mcp_server.guard.budget import Limits
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.store import open_engine
from tests.guard_cases import (
    LEDGER_ID,
    MARKER_KEY,
    RELEASED,
    SHA,
    START,
    UNKNOWN,
    ManualClock,
    alarms,
    listing,
    make_repository,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    spent,
    start,
    start_one,
    title,
)

SPENT = Outcome(state="spent", evidence="HTTP 200")
MESSAGE = jules.send_message("s1", "go on")


def bring(ledger: Ledger, clock: ManualClock, state: str) -> Ticket:
    """Return a message's ticket brought to `state` the way it comes there."""
    ticket = ledger.hold(MESSAGE, key="k1")
    if state in ("sent", "spent"):
        send(ledger, ticket)
    if state == "spent":
        ledger.record_outcome(ticket.id, SPENT)
    if state == "released":
        clock.advance(seconds=61)
        ledger.void_stale()
    return ticket


def _send_again(ledger: Ledger, ticket: Ticket) -> None:
    send(ledger, ticket)


def _record(outcome: Outcome) -> Callable[[Ledger, Ticket], None]:
    def act(ledger: Ledger, ticket: Ticket) -> None:
        ledger.record_outcome(ticket.id, outcome)

    return act


@pytest.mark.parametrize(
    ("state", "act", "after"),
    [
        ("held", _send_again, "sent"),
        ("sent", _record(SPENT), "spent"),
        ("sent", _record(RELEASED), "released"),
        ("sent", _record(UNKNOWN), "sent"),
        ("spent", _record(RELEASED), "spent"),
        ("spent", _record(UNKNOWN), "spent"),
        ("released", _record(SPENT), "released"),
        ("released", _record(UNKNOWN), "released"),
    ],
)
def test_a_ticket_lives_as_the_design_says(
    ledger: Ledger,
    clock: ManualClock,
    state: str,
    act: Callable[[Ledger, Ticket], None],
    after: str,
):
    """Held → sent → spent | released; ends are final (I4, I6)."""
    ticket = bring(ledger, clock, state)
    act(ledger, ticket)
    found = ledger.find("send_message", "k1")
    assert found is not None
    assert found.state == after
    ends = [one for one in ledger.events() if one.kind in ("spent", "released")]
    assert len(ends) == (after in ("spent", "released"))


def test_a_ticket_that_was_never_sent_has_no_effect(ledger: Ledger):
    """Only `sent` becomes `spent`: evidence for a held one is evidence of a bug."""
    ticket = ledger.hold(MESSAGE, key="k1")
    with pytest.raises(Refused):
        ledger.record_outcome(ticket.id, SPENT)
    assert [one.state for one in ledger.open_tickets()] == ["held"]
    ledger.record_outcome(ticket.id, RELEASED)
    assert ledger.open_tickets() == ()


def test_an_outcome_of_no_ticket_is_an_error(ledger: Ledger):
    """Nothing is recorded beside the record."""
    with pytest.raises(LedgerUnavailable):
        ledger.record_outcome("t-none", SPENT)


@pytest.mark.parametrize("state", ["sent", "spent", "released"])
def test_only_a_held_ticket_can_be_sent(ledger: Ledger, clock: ManualClock, state: str):
    """I3: also a voided one lets nothing out any more."""
    ticket = bring(ledger, clock, state)
    with pytest.raises(Refused):
        send(ledger, ticket)


@pytest.mark.parametrize(
    ("kind", "digest"), [("send_message", "0" * 64), ("approve_plan", None), ("start_session", "")]
)
def test_a_ticket_is_sent_for_its_own_kind_and_digest_only(
    ledger: Ledger, kind: str, digest: str | None
):
    """I2."""
    ticket = ledger.hold(MESSAGE, key="k1")
    with pytest.raises(Refused):
        ledger.mark_sent(ticket.id, kind=kind, digest=ticket.digest if digest is None else digest)
    assert [one.state for one in ledger.open_tickets()] == ["held"]


def test_a_held_ticket_is_voided_after_a_minute_and_a_sent_one_never(
    ledger: Ledger, clock: ManualClock
):
    """No time-out releases what may have happened."""
    held, kept = ledger.hold(MESSAGE, key="k1"), ledger.hold(MESSAGE, key="k2")
    send(ledger, kept)
    clock.advance(seconds=60)
    assert ledger.void_stale() == 0
    clock.advance(seconds=1)
    assert ledger.void_stale() == 1
    clock.advance(days=400)
    assert ledger.void_stale() == 0
    assert [one.id for one in ledger.open_tickets()] == [kept.id]
    with pytest.raises(Refused):
        send(ledger, held)


def test_the_same_key_is_held_once_whatever_became_of_it(ledger: Ledger, clock: ManualClock):
    """Idempotency of tools rests on it; another kind or key is another ticket."""
    bring(ledger, clock, "spent")
    with pytest.raises(Refused) as refused:
        ledger.hold(MESSAGE, key="k1")
    assert refused.value.limit == "duplicate"
    ledger.hold(MESSAGE, key="k2")
    ledger.hold(jules.approve_plan("s1"), key="k1")


def test_the_same_task_and_attempt_is_started_once(ledger: Ledger, clock: ManualClock):
    """Even for another lane or repository, and while nobody knows what became of the first."""
    start_one(ledger, clock, "task1", "s1")
    ledger.hold_session(start("task2"), listing(clock))
    for key in ("task1", "task2"):
        for again in (start(key), start(key, lane="repair", repo="owner/other")):
            with pytest.raises(Refused) as refused:
                ledger.hold_session(again, listing(clock))
            assert refused.value.limit == "duplicate"
    assert ledger.hold_session(start("task1", attempt=2), listing(clock)).key == "task1.a2"


@pytest.mark.parametrize("prepared", [start(), github.create_repository("new", "x")])
def test_what_is_counted_cannot_be_held_without_the_count(ledger: Ledger, prepared: Prepared):
    """The plain door is not a way round the limits."""
    with pytest.raises(Refused):
        ledger.hold(prepared, key="k1")


def test_a_pause_stops_every_kind_of_ticket_until_it_is_lifted(
    ledger: Ledger, clock: ManualClock, tmp_path: Path
):
    """At once, for every process on this ledger."""
    open_ledger(tmp_path / "state.db", clock).pause("stop it")
    made = github.create_repository("new", "x")
    tries: tuple[Callable[[], Ticket], ...] = (
        lambda: ledger.hold(MESSAGE, key="k1"),
        lambda: ledger.hold_session(start(), listing(clock)),
        lambda: ledger.hold_repository(
            made, key="new", repo="owner/new", listing=repositories(clock)
        ),
    )
    for attempt in tries:
        with pytest.raises(Refused, match="stop it") as refused:
            attempt()
        assert refused.value.limit == "paused"
    ledger.pause(None)
    assert [attempt().state for attempt in tries] == ["held"] * 3


@pytest.mark.parametrize(("age", "fits"), [(0.0, True), (60.0, True), (60.1, False), (-1.0, False)])
def test_a_listing_serves_for_a_minute(ledger: Ledger, clock: ManualClock, age: float, fits: bool):
    """By the monotonic clock: setting the wall clock makes no listing young."""
    seen, repos = listing(clock), repositories(clock)
    clock.advance(seconds=age)
    clock.set_wall(START)
    made = github.create_repository("new", "x")
    for hold in (
        lambda: ledger.hold_session(start(), seen),
        lambda: ledger.hold_repository(made, key="n", repo="owner/new", listing=repos),
    ):
        if fits:
            hold()
            continue
        with pytest.raises(Refused) as refused:
            hold()
        assert refused.value.limit == "listing"


def test_one_listing_serves_three_creates(tmp_path: Path, clock: ManualClock):
    """Then the world is looked at again; a create that was refused does not count."""
    ledger = settled_ledger(tmp_path / "state.db", clock, limits=Limits())
    seen = listing(clock)
    for number in range(3):
        ticket = ledger.hold_session(start(f"t{number}", repo=f"owner/r{number}"), seen)
        send(ledger, ticket)
        ledger.record_outcome(ticket.id, spent(f"s{number}", clock.now()))
        with pytest.raises(Refused):
            ledger.hold_session(start(f"t{number}", repo="owner/x"), seen)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("t3", repo="owner/r3"), seen)
    assert refused.value.limit == "listing"
    ledger.hold_session(start("t3", repo="owner/r3"), listing(clock))


def test_branches_are_written_directly_only_in_repositories_made_here(
    ledger: Ledger, clock: ManualClock
):
    """Existing work changes by pull request, through the gate."""
    make_repository(ledger, clock, "new")
    lost = github.create_repository("lost", "x")
    seen = repositories(clock)
    send(ledger, ledger.hold_repository(lost, key="lost", repo="owner/lost", listing=seen))
    for repo, fits in (("owner/new", True), ("owner/lost", False), ("owner/tool", False)):
        for prepared in (
            github.create_tree(repo, SHA, [(".github/workflows/ci.yml", "on: [push]\n")]),
            github.create_commit(repo, message="standard", tree=SHA, parent=SHA),
            github.move_branch(repo, "main", SHA),
        ):
            if fits:
                ledger.hold(prepared, key=repo)
                continue
            with pytest.raises(Refused) as refused:
                ledger.hold(prepared, key=repo)
            assert refused.value.limit == "direct_push"


OTHER_SHA = "b" * 40


def test_a_repository_made_here_has_one_first_commit(ledger: Ledger, clock: ManualClock):
    """What comes after it comes by pull request, there as anywhere."""
    make_repository(ledger, clock, "new")
    first = ledger.hold(github.move_branch("owner/new", "main", SHA), key="first")
    send(ledger, first)
    ledger.record_outcome(first.id, Outcome(state="spent", evidence="HTTP 200"))
    with pytest.raises(Refused) as refused:
        ledger.hold(github.move_branch("owner/new", "main", OTHER_SHA), key="second")
    assert refused.value.limit == "direct_push"


def test_the_first_commit_of_an_earlier_lifes_repository_is_made_on_the_head_that_was_seen(
    ledger: Ledger,
):
    """DESIGN.md section 6: killed before it; nothing else is written there, nor anywhere else."""
    tag = marker.read(title(), [MARKER_KEY], repo="owner/tool", branch="main")
    forged = marker.read(title(), [MARKER_KEY], repo="owner/copy", branch="main")
    for no_proof in (None, forged):
        with pytest.raises(Refused) as refused:
            ledger.adopt_repository("owner/old", no_proof, head=SHA)
        assert refused.value.limit == "foreign"
    tree = github.create_tree("owner/old", SHA, [(".github/workflows/ci.yml", "on: [push]\n")])
    with pytest.raises(Refused):
        ledger.hold(tree, key="tree")
    for _ in range(2):
        ledger.adopt_repository("owner/old", tag, head=SHA)
    assert [one.kind for one in ledger.events()].count("repository_adopted") == 1
    ledger.hold(tree, key="tree")
    commit = github.create_commit("owner/old", message="standard", tree=SHA, parent=SHA)
    ticket = ledger.hold(commit, key="commit")
    move = github.move_branch("owner/old", "main", OTHER_SHA)
    for elsewhere in (
        github.create_commit("owner/old", message="more", tree=SHA, parent=OTHER_SHA),
        github.create_commit("owner/tool", message="standard", tree=SHA, parent=SHA),
        move,
    ):
        with pytest.raises(Refused) as refused:
            ledger.hold(elsewhere, key="elsewhere")
        assert refused.value.limit == "direct_push"
    send(ledger, ticket)
    made = Outcome(state="spent", evidence="HTTP 201", result={"sha": OTHER_SHA})
    ledger.record_outcome(ticket.id, made)
    ledger.hold(move, key="move")


@pytest.mark.parametrize("repo", ["owner/important", "owner/new2", "owner/", "new", "/new", ""])
def test_a_creation_is_held_under_the_name_it_makes(ledger: Ledger, clock: ManualClock, repo: str):
    """Held as another one and spent, it would open that one's branches to direct writes."""
    made = github.create_repository("new", "x")
    for prepared in (made, MESSAGE):
        with pytest.raises(Refused) as refused:
            ledger.hold_repository(prepared, key="k", repo=repo, listing=repositories(clock))
        assert refused.value.limit == "ticket"
    ledger.hold_repository(made, key="k", repo="owner/new", listing=repositories(clock))


@pytest.mark.parametrize(
    ("named", "state"),
    [
        ("owner/new", "spent"),
        ("Owner/New", "spent"),
        ("other/new", "sent"),
        ("owner/new-1", "sent"),
    ],
)
def test_a_creation_is_spent_by_the_repository_that_was_held_only(
    ledger: Ledger, clock: ManualClock, named: str, state: str
):
    """Another name in the answer is strange: the ticket stays, a person is told."""
    made = github.create_repository("new", "x")
    ticket = ledger.hold_repository(made, key="k", repo="owner/new", listing=repositories(clock))
    send(ledger, ticket)
    outcome = Outcome(
        state="spent", evidence="HTTP 201", result={"full_name": named, "private": True}
    )
    recorded = ledger.record_outcome(ticket.id, outcome)
    found = ledger.find("create_repository", "k")
    assert found is not None
    assert found.state == state
    assert recorded.state == ("spent" if state == "spent" else "unknown")
    assert len(alarms(ledger)) == (state == "sent")


@pytest.mark.parametrize("text", ["no marker at all", f"somebody's {title()}"])
def test_a_session_without_a_marker_is_never_started(ledger: Ledger, clock: ManualClock, text: str):
    """It could not be found again; policy refuses it too."""
    good = start()
    body = good.body.model_copy(update={"title": text})
    bad = Prepared(service="jules", kind=good.kind, method="POST", path=good.path, body=body)
    with pytest.raises(Refused) as refused:
        ledger.hold_session(bad, listing(clock))
    assert refused.value.limit == "marker"


def test_a_session_of_a_released_ticket_counts_at_once_and_raises_an_alarm(
    ledger: Ledger, clock: ManualClock
):
    """A proof was wrong; the end stays, the count does not."""
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, RELEASED)
    ledger.record_listing(listing(clock, session("s1", clock.now(), text=title())))
    assert alarms(ledger) == ["session of a released ticket"]
    assert ledger.usage(clock.now()).count == 1
    found = ledger.find("start_session", ticket.key)
    assert found is not None
    assert found.state == "released"


def test_a_marker_seen_twice_counts_twice_and_raises_an_alarm(ledger: Ledger, clock: ManualClock):
    """I10: a doubled create, or a copied title. A second look at the same two is no news."""
    start_one(ledger, clock, "task1", "s1")
    pair = [session(name, clock.now(), text=title()) for name in ("s1", "s2")]
    for _ in range(2):
        ledger.record_listing(listing(clock, *pair))
    assert alarms(ledger) == ["marker seen twice"]
    assert ledger.usage(clock.now()).count == 2


def test_a_marker_of_this_ledger_without_a_ticket_raises_an_alarm(
    ledger: Ledger, clock: ManualClock
):
    """I10: a key that has leaked, or a ledger restored from before the ticket."""
    ledger.record_listing(listing(clock, session("s1", clock.now(), text=title("never"))))
    assert alarms(ledger) == ["marker without a ticket"]
    assert ledger.usage(clock.now()).count == 1


def test_a_marker_that_is_not_ours_counts_as_foreign_and_raises_an_alarm(
    ledger: Ledger, clock: ManualClock
):
    """Forged, or copied from another repository."""
    forged = session("s1", clock.now(), text=title(repo="owner/other"), repo="owner/tool")
    ledger.record_listing(listing(clock, forged))
    assert alarms(ledger) == ["marker that is not ours"]
    assert ledger.usage(clock.now()).by_lane() == {"external": 1}


@pytest.mark.parametrize(("kind", "times"), [("sent", 1), ("spent", 1), ("released", 0)])
def test_the_file_itself_holds_one_send_and_one_end_of_a_ticket(
    ledger: Ledger, clock: ManualClock, tmp_path: Path, kind: str, times: int
):
    """A second one is refused by an index, whatever the code above it does."""
    ticket = start_one(ledger, clock, "task1", "s1")
    assert [one.kind for one in ledger.events() if one.ticket == ticket.id].count(kind) == times
    engine = open_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.begin() as tx, pytest.raises(IntegrityError):
        chain.append(tx, clock.now(), kind, ticket.id, {})


def test_the_record_tells_the_life_of_a_session(tmp_path: Path, clock: ManualClock):
    """What the report and `audit_events` show; the prompt is not in it."""
    ledger = settled_ledger(tmp_path / "state.db", clock)
    start_one(ledger, clock, "task1", "s1")
    events = ledger.events()
    assert [event.kind for event in events] == [
        "opened",
        "settling",
        "ready",
        "held",
        "sent",
        "spent",
    ]
    assert [event.seq for event in ledger.events(after=2, limit=2)] == [3, 4]
    assert events[3].data["key"] == "task1.a1"
    assert events[3].ticket == f"t{LEDGER_ID}-4"
    assert "do it" not in json.dumps([event.data for event in events])


class _Gate:
    """Lets a second process act at the first write of the first one, where it can do most harm."""

    def __init__(self, engine: sa.Engine, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act
        event.listen(engine, "before_cursor_execute", self._before)

    def _before(
        self,
        connection: object,
        cursor: object,
        statement: str,
        parameters: object,
        context: object,
        many: object,
    ) -> None:
        if statement.startswith("INSERT INTO ledger_tickets") and self._act is not None:
            act, self._act = self._act, None
            act()
        del connection, cursor, parameters, context, many


def test_no_second_process_gets_between_the_check_and_the_insert(
    tmp_path: Path, clock: ManualClock
):
    """Promise 3, the interleaving forced: the other's transaction cannot even begin."""
    path = tmp_path / "state.db"
    settled_ledger(path, clock)
    limits = Limits(sessions=1, repair_reserve=0)
    engine = open_engine(f"sqlite:///{path}")
    one = Ledger(engine, world="sandbox:1", limits=limits, clock=clock, new_id=str)
    begun: list[str] = []

    def intrude() -> None:
        intruder = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 0})
        with intruder.connect() as connection, pytest.raises(OperationalError) as locked:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        begun.append(str(locked.value.orig))

    _Gate(engine, intrude)
    one.hold_session(start("a"), listing(clock))
    assert begun == ["database is locked"]
    with pytest.raises(Refused):
        open_ledger(path, clock, limits=limits).hold_session(start("b"), listing(clock))


def test_two_processes_with_a_listing_each_share_one_allowance(tmp_path: Path, clock: ManualClock):
    """Taken in turns, from listings that both were read before any start."""
    path = tmp_path / "state.db"
    settled_ledger(path, clock)
    limits = Limits(
        sessions=5, concurrent=99, parallel_creates=99, repair_reserve=0, repository_share=1.0
    )
    pair = [open_ledger(path, clock, limits=limits) for _ in range(2)]
    seen = [listing(clock) for _ in pair]
    for number in range(5):
        pair[number % 2].hold_session(start(f"t{number}"), seen[number % 2])
    for one, mine in zip(pair, seen, strict=True):
        with pytest.raises(Refused) as refused:
            one.hold_session(start("more"), mine)
        assert refused.value.limit == "sessions"
    assert [one.usage(clock.now()).count for one in pair] == [5, 5]

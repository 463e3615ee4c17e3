"""What a ledger is told that does not fit what it knows: twins, older copies, odd answers."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mcp_server.errors import LedgerUnavailable, Refused
from mcp_server.guard.budget import Limits
from mcp_server.guard.evidence import QUOTA, Outcome
from mcp_server.guard.ledger import HELD_FOR, Ledger
from mcp_server.guard.reconcile import reconcile_sessions
from mcp_server.sandbox.session import Order
from tests.agent_cases import REPO, Desk, at_desk
from tests.guard_cases import (
    UNKNOWN,
    ManualClock,
    alarms,
    listing,
    open_ledger,
    send,
    session,
    settled_ledger,
    spent,
    start,
    start_one,
    title,
)


def test_a_session_with_a_copied_marker_is_nobody_of_ours():
    """It counts, is told, and is neither steered nor merged; the one that we started still is."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        ours = await desk.start()
        order = Order(prompt="Mine", title=ours["title"], repo=REPO, branch="main", auto_pull=True)
        twin = desk.world.jules.create(order, foreign=True)
        await desk.wait(minutes=1)
        shown = await desk.ask("jules_list_sessions", mine=True, max_age=0)
        assert [one["id"] for one in shown["sessions"]] == [ours["session_id"]]
        told = await desk.call("jules_send_message", session_id=twin.id, message="go on")
        assert told.refusal == ("refused", "foreign")
        await desk.completed(twin.id)
        pull = desk.pull_of(twin.id)
        for _ in range(2):
            await desk.ask("github_get_pull", repo=REPO, number=pull.number)
            await desk.wait(minutes=2)
        found = await desk.ask("github_get_pull", repo=REPO, number=pull.number)
        assert found["decision"]["verdict"] == "human"
        merged = await desk.call(
            "github_merge_pull", repo=REPO, number=pull.number, head_sha=pull.head
        )
        assert merged.content["merged"] is False
        assert desk.broken == []

    at_desk(play)


def test_what_was_seen_started_is_not_started_again(ledger: Ledger, clock: ManualClock):
    """After a lost disk the marker of an earlier life says so (I10)."""
    earlier = session("s1", clock.now() - timedelta(hours=3), text=title(ledger="feedface"))
    ledger.record_listing(listing(clock, earlier))
    with pytest.raises(Refused, match="session s1") as refused:
        ledger.hold_session(start(), listing(clock))
    assert refused.value.limit == "duplicate"


def test_an_older_copy_in_its_place_is_seen_by_who_knew_better(
    tmp_path: Path, ledger: Ledger, clock: ManualClock
):
    """Copied over in place, under a running process: the inode is the same."""
    path = tmp_path / "state.db"
    shutil.copy(path, tmp_path / "old.db")
    start_one(ledger, clock, "task1", "s1")
    ledger.hold_session(start("task2"), listing(clock))
    shutil.copy(tmp_path / "old.db", path)
    with pytest.raises(LedgerUnavailable, match="went back from"):
        ledger.hold_session(start("task3"), listing(clock))


def test_an_older_copy_that_meets_a_session_it_forgot_settles_anew(
    tmp_path: Path, ledger: Ledger, clock: ManualClock
):
    """It says itself that it does not know what was started."""
    path = tmp_path / "state.db"
    shutil.copy(path, tmp_path / "old.db")
    start_one(ledger, clock, "task1", "s1")
    shutil.copy(tmp_path / "old.db", path)
    again = open_ledger(path, clock)
    forgotten = session("s1", clock.now(), text=title())
    again.record_listing(listing(clock, forgotten))
    assert "marker without a ticket" in alarms(again)
    with pytest.raises(Refused, match="settling"):
        again.hold_session(start("task2"), listing(clock, forgotten))
    clock.advance(minutes=10)
    again.record_listing(listing(clock, forgotten))
    again.hold_session(start("task2"), listing(clock, forgotten))
    assert again.verify().agrees


@pytest.mark.parametrize("paused", [True, False])
def test_a_ticket_that_was_held_before_a_pause_or_too_long_ago_is_not_sent(
    ledger: Ledger, clock: ManualClock, paused: bool
):
    """A pause stops everything that has not left; what it was checked by is old after a minute."""
    ticket = ledger.hold_session(start(), listing(clock))
    if paused:
        ledger.pause("a person looks")
    else:
        clock.advance(HELD_FOR + timedelta(seconds=1))
    with pytest.raises(Refused):
        send(ledger, ticket)


def test_one_session_is_the_answer_to_one_start(ledger: Ledger, clock: ManualClock):
    """An answer that names another ticket's session proves nothing; it is told."""
    start_one(ledger, clock, "task1", "s1")
    ticket = ledger.hold_session(start("task2"), listing(clock))
    send(ledger, ticket)
    assert ledger.record_outcome(ticket.id, spent("s1", clock.now())).state == "unknown"
    assert alarms(ledger) == ["an answer names another's session"]
    assert ledger.usage(clock.now()).count == 2


def test_a_listing_puts_a_wrong_time_of_an_answer_right(ledger: Ledger, clock: ManualClock):
    """An answer said that the session is two days old: it would never count."""
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, spent("s1", clock.now() - timedelta(days=2)))
    ledger.record_listing(listing(clock, session("s1", clock.now(), text=title())))
    assert ledger.usage(clock.now()).count == 1
    assert ledger.verify().agrees


def lost(ledger: Ledger, clock: ManualClock) -> str:
    """Start a control and two more, and lose a fourth; return the lost ticket."""
    for number, task in enumerate(("control", "near", "far")):
        start_one(ledger, clock, task, f"s{number}", repo="owner/other")
        clock.advance(seconds=20)
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    return ticket.key


@pytest.mark.parametrize(("hours", "state"), [(0.5, "sent"), (2.0, "released")])
def test_a_session_missing_beside_others_of_its_minute_keeps_the_ticket(
    ledger: Ledger, clock: ManualClock, hours: float, state: str
):
    """It is looked for by its id; missed for over an hour it was deleted, and proves no lag."""
    key, began = lost(ledger, clock), clock.now()
    texts = {name: title(name, repo="owner/other") for name in ("control", "far")}
    shown = [
        session(f"s{number}", began - timedelta(seconds=60), text=texts[name], repo="owner/other")
        for number, name in ((0, "control"), (2, "far"))
    ]
    for _ in range(4):
        clock.advance(minutes=hours * 60 / 4)
        reconcile_sessions(ledger, listing(clock, *shown))
    clock.advance(minutes=11)
    reconcile_sessions(ledger, listing(clock, *shown))
    found = ledger.find("start_session", key)
    assert found is not None
    assert found.state == state


def test_a_repositorys_share_is_the_same_under_every_spelling(tmp_path: Path, clock: ManualClock):
    """GitHub does not look at the case of a name."""
    limits = Limits(sessions=10, repository_share=0.1, repair_reserve=0)
    ledger = settled_ledger(tmp_path / "few.db", clock, limits=limits)
    start_one(ledger, clock, "task1", "s1", repo="owner/tool")
    with pytest.raises(Refused, match="per_repository"):
        ledger.hold_session(start("task2", repo="Owner/TOOL"), listing(clock))


def test_a_refusal_of_the_first_start_of_all_is_no_quota(ledger: Ledger, clock: ManualClock):
    """A source without Jules' GitHub app must not stop every other repository for a day."""
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, Outcome(state="released", evidence=QUOTA))
    assert ledger.hold_session(start("task2"), listing(clock)).state == "held"


def test_a_strangers_ledger_whose_marker_cannot_be_read_is_a_rival(
    ledger: Ledger, clock: ManualClock
):
    """With a key of its own its MAC says nothing to us, its ledger's name does."""
    text = title(ledger="feedface", key=b"a key of its own")
    ledger.record_listing(listing(clock, session("s1", clock.now(), text=text)))
    with pytest.raises(Refused) as refused:
        ledger.hold_session(start("task2"), listing(clock))
    assert refused.value.limit == "rival_ledger"


def test_a_time_that_is_none_closes_the_ledger(ledger: Ledger, clock: ManualClock):
    """Damage of a cell that no event covers is damage too."""
    ledger.record_listing(listing(clock, session("s1", clock.now())))
    with ledger._engine.begin() as tx:  # pyright: ignore[reportPrivateUsage] -- damage
        tx.exec_driver_sql("UPDATE ledger_sessions SET unseen_since = 'zzz'")
    with pytest.raises(LedgerUnavailable, match="no time"):
        ledger.record_listing(listing(clock))


def test_a_listing_may_still_be_dated_before_the_last(ledger: Ledger, clock: ManualClock):
    """Two servers of Jules differ by seconds: an earlier date frees nothing and harms nothing."""
    before = replace(listing(clock), date=clock.now() - timedelta(seconds=40))
    assert ledger.hold_session(start(), before).state == "held"

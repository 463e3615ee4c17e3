"""The guard's rarer turns: what no other test of it comes by, and what only a mutant showed."""

import asyncio
import contextvars
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from mcp_server import store
from mcp_server.clients import github, jules
from mcp_server.errors import LedgerUnavailable, Refused
from mcp_server.guard import chain, tripwire
from mcp_server.guard.budget import Limits
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.reconcile import reconcile_repositories
from mcp_server.guard.tripwire import Allowed, passing
from mcp_server.store import open_engine
from tests.guard_cases import (
    JULES,
    RELEASED,
    START,
    UNKNOWN,
    WORLD,
    ManualClock,
    alarms,
    guard,
    listing,
    open_ledger,
    repositories,
    send,
    session,
    settled_ledger,
    start,
    start_one,
)
from tests.test_integrity import edit
from tests.test_transport import Bench, on_bench

MESSAGE = jules.send_message("s1", "go on")


# The ledger


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_one_unit_is_given_once_wherever_another_process_comes_in(
    tmp_path: Path, clock: ManualClock, turn: int
):
    """Promise 3: before each transaction of a hold, the other's whole hold is put."""
    path = tmp_path / "state.db"
    settled_ledger(path, clock)
    limits = Limits(sessions=1, repair_reserve=0)
    other = open_ledger(path, clock, limits=limits)
    engine = open_engine(f"sqlite:///{path}")
    one = Ledger(engine, world=WORLD, limits=limits, clock=clock, new_id=str)
    given: list[str] = []
    taken: list[object] = []

    def take(connection: object, _record: object, _proxy: object) -> None:
        taken.append(connection)
        if len(taken) == turn:
            hold(other, "b")

    def hold(holder: Ledger, task: str) -> None:
        with suppress(Refused):
            given.append(holder.hold_session(start(task), listing(clock)).key)

    event.listen(engine, "checkout", take)
    hold(one, "a")
    assert len(given) == 1
    assert other.usage(clock.now()).count == 1


def test_a_session_older_than_any_window_is_not_kept(ledger: Ledger, clock: ManualClock):
    """Listings may reach far back; a year of them would be read at every opening."""
    before = ledger.head()
    ledger.record_listing(listing(clock, session("old", START - timedelta(hours=27))))
    assert ledger.head() == before
    assert ledger.usage(clock.now()).count == 0


def test_the_first_look_that_missed_an_effect_is_the_one_that_counts(
    ledger: Ledger, clock: ManualClock
):
    """A later one would put off the proof for ever."""
    ticket = ledger.hold_session(start(), listing(clock))
    send(ledger, ticket)
    first = clock.now()
    for minutes in (0, 5):
        ledger.note_absent(ticket.id, first + timedelta(minutes=minutes))
    assert [one.absent_since for one in ledger.open_tickets()] == [first]
    assert [one.kind for one in ledger.events()].count("absent") == 1


def test_units_given_back_are_told_by_when(ledger: Ledger, clock: ManualClock):
    """What a person reads in `budget_status`: sessions only, and after the moment only."""
    before = clock.now()
    clock.advance(minutes=1)
    message = ledger.hold(MESSAGE, key="k")
    for ticket in (ledger.hold_session(start(), listing(clock)), message):
        send(ledger, ticket)
        ledger.record_outcome(ticket.id, RELEASED)
    start_one(ledger, clock, "spent", "s1")
    assert ledger.released_since(before) == 1
    assert ledger.released_since(clock.now()) == 0


def test_an_alarm_is_written_with_what_it_is_about(ledger: Ledger):
    """Reports read it back from the record."""
    ledger.alarm("merge answered but not seen", pull="owner/tool#7")
    assert ledger.events()[-1].data == {
        "what": "merge answered but not seen",
        "pull": "owner/tool#7",
    }
    assert alarms(ledger) == ["merge answered but not seen"]


def test_what_is_no_start_of_a_session_is_not_held_as_one(ledger: Ledger, clock: ManualClock):
    """A session's ticket is found again by the marker in its title; nothing else has one."""
    with pytest.raises(Refused) as refused:
        ledger.hold_session(MESSAGE, listing(clock))
    assert refused.value.limit == "marker"
    assert ledger.open_tickets() == ()


def test_a_listing_of_repositories_older_than_the_send_shows_no_absence(
    tmp_path: Path, clock: ManualClock
):
    """It could not have shown the new one; the ten minutes begin with the next."""
    ledger = settled_ledger(tmp_path / "state.db", clock)
    seen = repositories(clock, old=START)
    prepared = github.create_repository("new", "x")
    ticket = ledger.hold_repository(prepared, key="new", repo="owner/new", listing=seen)
    clock.advance(seconds=1)
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    reconcile_repositories(ledger, seen)
    clock.advance(minutes=10)
    reconcile_repositories(ledger, repositories(clock, old=START))
    assert [one.absent_since for one in ledger.open_tickets()] == [clock.now()]


# The record

# What is done to the file, then: chain, count, head, tables, and how far before its end it breaks.
DAMAGE: dict[str, tuple[str, tuple[bool, bool, bool, bool], int | None]] = {
    "event edited": (
        "UPDATE ledger_events SET data = replace(data, 'optimize', 'repair') WHERE kind = 'held'",
        (False, True, False, True),
        2,
    ),
    "last event cut off": (
        "DELETE FROM ledger_events WHERE kind = 'spent'",
        (True, False, False, True),
        0,
    ),
    "event added": (
        "INSERT INTO ledger_events SELECT seq + 1, at, kind, NULL, data, hash "
        "FROM ledger_events WHERE kind = 'spent'",
        (False, False, True, True),
        -1,
    ),
    "head edited": ("UPDATE ledger SET head = upper(head)", (True, True, False, True), None),
    "table emptied": ("DELETE FROM ledger_sessions", (True, True, True, False), None),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_verification_says_what_is_wrong_and_where_first(
    tmp_path: Path, ledger: Ledger, clock: ManualClock, name: str
):
    """Promise 40, for a person: `agent audit --verify` under a ledger that is open."""
    start_one(ledger, clock, "task", "s1")
    assert ledger.verify().agrees
    last = ledger.head()[0]
    statement, agreeing, back = DAMAGE[name]
    edit(tmp_path / "state.db", statement)
    found = ledger.verify()
    assert (found.chain, found.count, found.head, found.tables) == agreeing
    assert found.first_bad_seq == (None if back is None else last - back)
    assert not found.agrees
    assert found.text.startswith("NOT verified")


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE ledger_events SET kind = 'unknown' WHERE seq = 1", "its first event is gone"),
        ("UPDATE ledger_events SET ticket = 't-none' WHERE kind = 'sent'", "is of no ticket"),
    ],
)
def test_a_record_forged_whole_must_still_make_sense(
    tmp_path: Path, ledger: Ledger, clock: ManualClock, statement: str, message: str
):
    """Anybody can compute hashes: the chain alone proves only that it was not edited in part."""
    path = tmp_path / "state.db"
    start_one(ledger, clock, "task", "s1")
    edit(path, statement)
    with open_engine(f"sqlite:///{path}").begin() as tx:
        before = chain.GENESIS
        for row in tx.execute(sa.select(store.events).order_by(store.events.c.seq)).all():
            before = chain.link(before, row.seq, row.at, row.kind, row.ticket, row.data)
            mine = store.events.c.seq == row.seq
            tx.execute(sa.update(store.events).where(mine).values(hash=before))
        tx.execute(sa.update(store.ledger).values(head=before))
    with pytest.raises(LedgerUnavailable, match=message):
        open_ledger(path, clock)


# The transport


class _Silent(httpx2.AsyncBaseTransport):
    """A network that takes a request and never answers."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await asyncio.get_running_loop().create_future()
        raise AssertionError(f"{request.url} was answered")


def test_a_process_that_ends_while_a_send_is_out_leaves_its_ticket_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    """Its loop cancels the send itself: nothing is proved, nothing written, nothing complained."""

    async def work(bench: Bench) -> None:
        http = httpx2.AsyncClient(transport=guard(_Silent(), bench.ledger, bench.clock))
        extensions = {"ticket": bench.hold(MESSAGE)}
        sending = http.post(JULES + MESSAGE.path, content=MESSAGE.content, extensions=extensions)
        left = asyncio.ensure_future(sending)
        await bench.clock.sleep_until(START + timedelta(seconds=1))
        assert not left.done()

    on_bench(tmp_path, httpx2.MockTransport(lambda _: httpx2.Response(500)), work)
    ledger = open_ledger(tmp_path / "state.db", ManualClock())
    assert [one.state for one in ledger.open_tickets()] == ["sent"]
    assert [one.kind for one in ledger.events()][-1] == "sent"
    assert caplog.records == []


# The tripwire, asked in this process: a real hook could not be taken away again. That Python asks
# it, and that libraries cannot go round it, is tests/test_tripwire.py's.

Ask = Callable[[str, tuple[object, ...]], None]
HOST = "api.github.com"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return the hook of a process that may listen on loopback and start one child."""
    hooks: list[Ask] = []
    monkeypatch.setattr(sys, "addaudithook", hooks.append)
    child = ("/bin/python", "-m", "mcp_server")
    tripwire.arm(Allowed(children=(child,), listening=frozenset({"127.0.0.1"})))
    return hooks[0]


FINE: dict[str, tuple[str, tuple[object, ...]]] = {
    "an event of no interest": ("open", ("/etc/hosts", "r", 0)),
    "a message on a connected socket": ("socket.sendmsg", (None, None)),
    "its own name": ("socket.getaddrinfo", ("LocalHost.", 80, 0, 0, 0)),
    "its own name in bytes": ("socket.getaddrinfo", (b"localhost", 80, 0, 0, 0)),
    "no name": ("socket.getaddrinfo", (None, 80, 0, 0, 0)),
    "its own address": ("socket.getnameinfo", (("127.0.0.1", 80),)),
    "listening on loopback": ("socket.bind", (None, ("127.0.0.1", 0))),
    "its child": ("subprocess.Popen", ("/bin/python", ["/bin/python", "-m", "mcp_server"], "", {})),
    "its child with more words": (
        "subprocess.Popen",
        ("/bin/python", ("/bin/python", "-m", "mcp_server", "--sandbox"), "", {}),
    ),
    "the running program": ("ctypes.dlopen", (None,)),
}
REFUSED: dict[str, tuple[str, tuple[object, ...]]] = {
    "a connection": ("socket.connect", (None, ("93.184.216.34", 443))),
    "a datagram": ("socket.sendto", (None, ("93.184.216.34", 53))),
    "a look-up": ("socket.getaddrinfo", (HOST, 443, 0, 0, 0)),
    "a look-up in bytes": ("socket.gethostbyname", (HOST.encode(),)),
    "a look-up of an address": ("socket.gethostbyaddr", ("93.184.216.34",)),
    "listening to all": ("socket.bind", (None, ("0.0.0.0", 80))),  # noqa: S104 -- refused
    "another process": ("subprocess.Popen", ("git", ["git", "push"], "", {})),
    "its child under another name": (
        "subprocess.Popen",
        ("/bin/sh", ["/bin/python", "-m", "mcp_server"], "", {}),
    ),
    "its child's program for something else": (
        "subprocess.Popen",
        ("/bin/python", ["/bin/python", "-c", "x"], "", {}),
    ),
    "a fork": ("os.fork", ()),
    "a shell": ("os.system", (b"curl",)),
    "a library": ("ctypes.dlopen", ("libcurl.so",)),
    "a function of a library": ("ctypes.dlsym", (None, "connect")),
    "an extension of the database": ("sqlite3.enable_load_extension", (None, True)),
}


@pytest.mark.parametrize("name", FINE)
def test_what_an_armed_process_may_do_goes_on(ask: Ask, name: str):
    """A hook that refused these would be taken out by the first who meets it."""
    assert ask(*FINE[name]) is None


@pytest.mark.parametrize("name", REFUSED)
def test_an_armed_process_goes_no_other_way(ask: Ask, name: str):
    """facts/safety.md 7 (16)."""
    with pytest.raises(Refused) as refused:
        ask(*REFUSED[name])
    assert refused.value.limit == "tripwire"


def test_a_pass_lets_its_own_host_through_while_it_lasts(ask: Ask):
    """A task that outlives the block keeps its context, and has no pass any more."""
    connection, look_up = REFUSED["a connection"], REFUSED["a look-up"]
    with passing(HOST):
        task = contextvars.copy_context()
        ask(*connection)
        ask(*look_up)
        with pytest.raises(Refused):
            ask("socket.getaddrinfo", ("elsewhere.example", 443, 0, 0, 0))
    for refused in (connection, look_up):
        with pytest.raises(Refused):
            task.run(ask, *refused)


def test_a_pass_to_one_address_leads_to_no_other(ask: Ask):
    """What a page's name was found to mean is what is dialled, whoever dials."""
    with passing(HOST, to="93.184.216.34"):
        ask(*REFUSED["a connection"])
        for address in (("93.184.216.35", 443), ("127.0.0.1", 443), "/run/docker.sock"):
            with pytest.raises(Refused):
                ask("socket.connect", (None, address))


def test_a_library_may_ask_for_ipv6_and_open_nothing_else(ask: Ask):
    """A socket bound to no port at `::1`, while it is being imported."""
    with tripwire.probing():
        ask("socket.bind", (None, ("::1", 0)))
        for address in (("::1", 80), ("0.0.0.0", 0), ("::", 0)):  # noqa: S104 -- refused
            with pytest.raises(Refused):
                ask("socket.bind", (None, address))
    with pytest.raises(Refused):
        ask("socket.bind", (None, ("::1", 0)))

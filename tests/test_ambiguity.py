"""An effect whose answer is lost: counted, never sent again, settled by what the world shows."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mcp_server.guard.evidence import judge
from mcp_server.guard.policy import RULES
from mcp_server.sandbox.chance import draw
from mcp_server.sandbox.faults import Exchange, Fault
from tests.ambiguity_cases import FAULTS, HARMLESS_TO_NOTHING
from tests.mutation_cases import JOBS, Job, SpoiltDesk, at_spoilt_desk

# What nothing points to is made again at once: the same object, or one that nobody will ever see.
HARMLESS = {"create_tree", "create_commit"}
# What is merely set to a value, twice or not; the everyday run takes the others.
DEEP = HARMLESS | {"set_description", "set_topics", "update_report", "disable_workflow"}
KINDS = [pytest.param(kind, marks=pytest.mark.deep) if kind in DEEP else kind for kind in JOBS]


def test_every_mutation_that_may_leave_has_its_job_here():
    """A new row in the policy is tried with every fault too."""
    assert set(JOBS) == {rule.kind for rule in RULES if rule.effect == "mutation"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_whose_answer_is_lost_is_in_doubt_then_found_and_never_sent_again(kind: str):
    """Promise 6 of facts/safety.md 7, for each fault: held, not re-sent, settled by evidence."""
    job = JOBS[kind]

    async def play(desk: SpoiltDesk) -> None:
        for nth, (name, spoil) in enumerate(FAULTS.items()):
            if name in HARMLESS_TO_NOTHING.get(kind, ()):
                continue
            given = await job.make(desk, nth)
            desk.wire.armed = (job.kind, spoil)
            lost = await desk.run(job, given)
            assert desk.wire.armed is None, name
            assert lost.is_error, name
            assert lost.error["code"] == "ambiguous", (name, lost.text)
            assert [one.state for one in desk.tickets(job, given)] == ["sent"], name
            if job.kind not in HARMLESS:
                await never_again(desk, job, given, name)
            await settled(desk, job, given, name)
        assert desk.broken == []

    at_spoilt_desk(play)


async def never_again(desk: SpoiltDesk, job: Job, given: dict[str, object], name: str) -> None:
    """Ask again at once, then look: it came to the world once."""
    await desk.run(job, given)
    assert desk.wire.count(job.kind, job.names(given)) == 1, name
    await desk.ask("budget_reconcile")
    await desk.wait(seconds=30)
    await desk.run(job, given)
    assert desk.wire.count(job.kind, job.names(given)) == 1, name


async def settled(desk: SpoiltDesk, job: Job, given: dict[str, object], name: str) -> None:
    """The same call again says that it is done; no ticket is open, one is spent."""
    again = await desk.run(job, given)
    assert not again.is_error, (name, again.text)
    states = [one.state for one in desk.tickets(job, given)]
    assert states[-1] == "spent", name
    assert states.count("spent") == 1, name
    assert desk.services.ledger.open_tickets() == (), name


WORDS = ["", "Bad Request", "not_found", "x" * 41, "A" * 41, "DENIED\n", "<b>", "INTERNAL ERROR"]


@pytest.mark.parametrize("word", WORDS)
def test_a_refusal_without_a_status_word_is_no_refusal_of_jules(word: str):
    """google.rpc.Code's names are capitals and underscores: a proxy's prose is none."""
    body = '{"error": {"code": 400, "message": "no", "status": %s}}'
    said = body % f'"{word}"'.replace("\n", "\\n")
    assert judge("jules", "start_session", 400, said.encode()).state == "unknown"


def stormy(seed: int) -> Callable[[Exchange], Fault | None]:
    """Return faults for four in five starts: half before the effect, half after it."""

    def strike(exchange: Exchange) -> Fault | None:
        if exchange.mutation is None:
            return None
        number = draw(seed, "storm", str(exchange.mutation))
        if number < 0.4:
            return Fault("reset_before")
        after = (Fault("reset_after"), Fault("timeout_after"), Fault("status_after", 503))
        return after[exchange.mutation % 3] if number < 0.8 else None

    return strike


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.deep) for n in (2, 3, 4))])
def test_after_a_storm_every_unit_that_was_not_used_is_free_again(seed: int):
    """Row 7 of facts/safety.md 7: at least 99 % of the limit is usable, and nothing else is."""
    job = JOBS["start_session"]

    async def play(desk: SpoiltDesk) -> None:
        await desk.run(job, await job.make(desk, 0))  # the positive control, before the storm
        desk.tap.fault = stormy(seed)
        told = [await desk.run(job, await job.make(desk, nth)) for nth in range(1, 31)]
        desk.tap.fault = None
        assert sum(one.is_error for one in told) >= 15
        for _ in range(3):
            await desk.ask("budget_reconcile")
            await desk.wait(minutes=10, seconds=1)
        budget = await desk.ask("budget_status")
        used = len(desk.of_ours())
        assert 5 < used < 25
        unused = budget["limit"] - used
        assert 0.99 * unused <= budget["remaining"] <= unused
        assert desk.services.ledger.open_tickets() == ()
        starts = desk.wire.count("start_session", "")
        assert starts == 31  # each asked once, none re-sent
        assert desk.broken == []

    at_spoilt_desk(play)


@pytest.mark.parametrize("lag", [9, 25, pytest.param(70, marks=pytest.mark.deep)])
def test_a_listing_that_lags_is_no_proof_of_absence(lag: int):
    """It shows an old marker of ours and not the newest: what it leaves out may be there."""
    job = JOBS["start_session"]

    async def play(desk: SpoiltDesk) -> None:
        await desk.run(job, await job.make(desk, 0))
        await desk.wait(minutes=90)
        await desk.run(job, await job.make(desk, 1))
        given = await job.make(desk, 2)
        desk.tap.fault = lambda one: Fault("reset_after") if one.mutation is not None else None
        assert (await desk.run(job, given)).error["code"] == "ambiguous"
        desk.wire.lag = timedelta(minutes=lag)
        for _ in range(lag // 5):
            await desk.ask("budget_reconcile")
            assert desk.tickets(job, given)[0].state in ("sent", "spent")
            await desk.wait(minutes=5)
        desk.wire.lag = timedelta(0)
        await desk.ask("budget_reconcile")
        assert desk.tickets(job, given)[0].state == "spent"

    at_spoilt_desk(play)

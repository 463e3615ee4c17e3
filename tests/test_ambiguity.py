"""An effect whose answer is lost: counted, never sent again, settled by what the world shows."""

import pytest

from mcp_server.guard.evidence import judge
from mcp_server.guard.policy import RULES
from tests.ambiguity_cases import FAULTS
from tests.mutation_cases import JOBS, Job, SpoiltDesk, at_spoilt_desk

# What nothing points to is made again at once: the same object, or one that nobody will ever see.
HARMLESS = {"create_tree", "create_commit"}


def test_every_mutation_that_may_leave_has_its_job_here():
    """A new row in the policy is tried with every fault too."""
    assert set(JOBS) == {rule.kind for rule in RULES if rule.effect == "mutation"}


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_an_effect_whose_answer_is_lost_is_in_doubt_then_found_and_never_sent_again(job: Job):
    """Promise 6 of facts/safety.md 7, for each fault: held, not re-sent, settled by evidence."""

    async def play(desk: SpoiltDesk) -> None:
        for nth, (name, spoil) in enumerate(FAULTS.items()):
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

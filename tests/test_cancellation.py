"""Whoever stops waiting, and wherever: what happened is in the ledger, and is never done twice."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

import pytest
from mcp.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

from mcp_server.server import build_server, tools_of
from mcp_server.tools.result import answering
from tests.ambiguity_cases import FAULTS
from tests.mutation_cases import JOBS, SIDES, Arguments, Job, SpoiltDesk, at_spoilt_desk

T = TypeVar("T")
# One row a tool; the tool that makes a repository sends four kinds.
TOOLS = {job.tool: job for job in reversed(JOBS.values())}
MOST_AWAITS = 200
MOST_TURNS = 400
# Every await is tried deep, every eleventh of them every day.
STRIDES = [11, pytest.param(1, marks=pytest.mark.deep)]


class Walked(Generic[T]):
    """Work that counts its awaits, and whose task is cancelled at one of them."""

    def __init__(self, work: Awaitable[T], leave_at: int) -> None:
        self._work = work
        self._leave_at = leave_at
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand on every wait, and the cancellation that ends one."""
        steps = self._work.__await__()
        gone: asyncio.CancelledError | None = None
        while True:
            try:
                waited = steps.throw(gone) if gone else next(steps)
            except StopIteration as done:
                return done.value
            self.awaits += 1
            task = asyncio.current_task()
            if self.awaits == self._leave_at and task is not None:
                task.cancel()
            try:
                yield waited
                gone = None
            except asyncio.CancelledError as error:
                gone = error


async def left_at(desk: SpoiltDesk, job: Job, given: Arguments, nth: int) -> bool:
    """Call the tool itself and cancel it at its `nth` await; say whether it had one."""
    done, _ = await asyncio.wait([asyncio.ensure_future(_walk(desk, job, given, nth))])
    return done.pop().cancelled()


async def _walk(desk: SpoiltDesk, job: Job, given: Arguments, leave_at: int) -> CallToolResult:
    tools = {tool.__name__: tool for tool, _ in tools_of(desk.services)}
    tool = answering(desk.services.redactor, tools[job.tool])
    return await Walked(tool(**given), leave_at)


Moment = Callable[[], Awaitable[object]]


async def cancelled_call(desk: SpoiltDesk, job: Job, given: Arguments, moment: Moment) -> bool:
    """Cancel the tool itself at a moment; say whether it was still on."""
    return await _cancelled(asyncio.ensure_future(_walk(desk, job, given, 0)), moment)


async def cancelled_request(desk: SpoiltDesk, job: Job, given: Arguments, moment: Moment) -> bool:
    """Cancel a call over MCP at a moment; say whether it was still on."""
    calling = asyncio.ensure_future(desk.client.call_tool(job.tool, dict(given)))
    return await _cancelled(calling, moment)


async def closed_pipe(desk: SpoiltDesk, job: Job, given: Arguments, moment: Moment) -> bool:
    """Close the whole connection at a moment; say whether the call was still on."""
    async with Client(build_server(desk.services)) as client:
        calling = asyncio.ensure_future(client.call_tool(job.tool, dict(given)))
        await moment()
        still_on = not calling.done()
    calling.cancel()
    await asyncio.wait([calling])
    return still_on


async def _cancelled(calling: asyncio.Future[CallToolResult], moment: Moment) -> bool:
    await moment()
    calling.cancel()
    await asyncio.wait([calling])
    return calling.cancelled()


async def turns(number: int) -> None:
    """Let everything that is ready run, so many times; no time passes."""
    loop = asyncio.get_running_loop()
    for _ in range(number):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn


def kinds(job: Job) -> list[Job]:
    """Return the jobs of all kinds that a tool sends."""
    either = job.tool in ("github_report_issue", "github_set_metadata")  # by what there is already
    return [one for one in JOBS.values() if one == job or (one.tool == job.tool and not either)]


async def accounted(desk: SpoiltDesk, job: Job, given: Arguments, where: str) -> None:
    """Whatever has come to the world stands in the ledger as spent, and nothing else does."""
    await desk.services.transport.drain()
    for kind in kinds(job):
        states = [one.state for one in desk.tickets(kind, given)]
        assert "sent" not in states, where
        assert states.count("spent") == desk.wire.count(kind.kind, kind.names(given)), where


async def finished(desk: SpoiltDesk, job: Job, given: Arguments, where: str) -> None:
    """The same call made again, with patience, comes to its end; each effect is there once."""
    again = await desk.run(job, given)
    for _ in range(2):
        if again.is_error:
            await desk.wait(seconds=61)  # what was held and never sent is void by then
            await desk.ask("budget_reconcile")
            again = await desk.run(job, given)
    if again.is_error:
        assert job.kind == "start_session", (where, again.text)
        assert again.refusal == ("refused", "attempt"), where
    await accounted(desk, job, given, where)
    for kind in kinds(job):
        wanted = 0 if again.is_error else 1
        assert desk.wire.count(kind.kind, kind.names(given)) == wanted, (where, kind.kind)
    assert desk.services.ledger.open_tickets() == (), where


WAYS = {"the call": cancelled_call, "the request": cancelled_request, "the pipe": closed_pipe}
OF_CLIENTS = ("the request", "the pipe")


@pytest.mark.parametrize("way", [pytest.param("the call", marks=pytest.mark.deep), *OF_CLIENTS])
@pytest.mark.parametrize("job", TOOLS.values(), ids=TOOLS)
def test_a_caller_may_go_on_either_side_of_an_effect(job: Job, way: str):
    """DESIGN.md section 5: what ends is the waiting, never the send, nor its record."""

    async def play(desk: SpoiltDesk) -> None:
        for nth, (kind, side) in enumerate(itertools.product(kinds(job), SIDES)):
            given = await job.make(desk, nth)
            where = f"{side} {kind.kind}"
            desk.wire.halt, desk.wire.halted = (kind.kind, side), asyncio.Event()
            assert await WAYS[way](desk, job, given, desk.wire.halted.wait), where
            await accounted(desk, job, given, where)
            assert desk.wire.count(kind.kind, kind.names(given)) == 1, where
            await finished(desk, job, given, where)
        assert desk.broken == []

    at_spoilt_desk(play)


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("job", TOOLS.values(), ids=TOOLS)
def test_a_caller_may_go_at_any_await(job: Job, stride: int):
    """Before the send, within it and after it; the tool's own awaits are counted out."""

    async def play(desk: SpoiltDesk) -> int:
        for number, nth in enumerate(range(1, MOST_AWAITS, stride)):
            given = await job.make(desk, number)
            left = await left_at(desk, job, given, nth)
            await accounted(desk, job, given, f"await {nth}")
            await finished(desk, job, given, f"await {nth}")
            if not left:
                return nth
        raise AssertionError("not every await was tried")

    assert at_spoilt_desk(play) > stride


@pytest.mark.deep
@pytest.mark.parametrize("way", OF_CLIENTS)
@pytest.mark.parametrize("job", TOOLS.values(), ids=TOOLS)
def test_a_client_may_go_at_any_turn_of_the_loop(job: Job, way: str):
    """Cancellation and a closed pipe reach the server wherever it is, its own steps included."""

    async def play(desk: SpoiltDesk) -> int:
        for nth in range(MOST_TURNS):
            given = await job.make(desk, nth)
            left = await WAYS[way](desk, job, given, lambda nth=nth: turns(nth))
            await accounted(desk, job, given, f"turn {nth}")
            await finished(desk, job, given, f"turn {nth}")
            if not left:
                return nth
        raise AssertionError("not every turn was tried")

    assert at_spoilt_desk(play) > 2


@pytest.mark.parametrize("job", TOOLS.values(), ids=TOOLS)
def test_a_client_that_times_out_loses_only_the_answer(job: Job):
    """The service drips for ever; the client goes first, then the server's own limit ends it."""

    async def play(desk: SpoiltDesk) -> None:
        for nth, kind in enumerate(kinds(job)):
            given = await job.make(desk, nth)
            desk.wire.armed = (kind.kind, FAULTS["an endless drip"])
            with pytest.raises(MCPError):
                await desk.client.call_tool(job.tool, dict(given), read_timeout_seconds=20)
            await desk.services.transport.drain()
            assert [one.state for one in desk.tickets(kind, given)] == ["sent"]
            assert desk.wire.count(kind.kind, kind.names(given)) == 1
            await desk.ask("budget_reconcile")
            again = await desk.run(job, given)
            assert not again.is_error, again.text
            assert [one.state for one in desk.tickets(kind, given)][-1] == "spent"
            assert desk.services.ledger.open_tickets() == ()
        assert desk.broken == []

    at_spoilt_desk(play)

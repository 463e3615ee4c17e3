"""Virtual time: nothing waits, timers fire in order, and an endless wait is said to be one."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.server import MCPServer

from mcp_server.clock import LoopClock
from mcp_server.sandbox.loop import NothingScheduled, run_virtual
from tests.guard_cases import START

DAY = 86_400.0


async def sleep(seconds: float) -> None:
    """Sleep through the clock, as everything does."""
    clock = LoopClock(START)
    await clock.sleep_until(clock.now() + timedelta(seconds=seconds))


def now() -> float:
    """Return the running loop's time."""
    return asyncio.get_running_loop().time()


def test_time_starts_at_nought_and_jumps_to_the_end_of_a_sleep():
    """A day takes no time at all."""

    async def main() -> tuple[float, float]:
        before = now()
        await sleep(DAY)
        return before, now()

    assert run_virtual(main()) == (0.0, DAY)


async def _asyncio_limit() -> None:
    async with asyncio.timeout(30):
        await sleep(DAY)


async def _anyio_limit() -> None:
    with anyio.fail_after(30):
        await sleep(DAY)


async def _anyio_sleep() -> None:
    with anyio.fail_after(30):
        await anyio.sleep(DAY)


async def _wait_for() -> None:
    await asyncio.wait_for(asyncio.Event().wait(), 30)


@pytest.mark.parametrize("limited", [_asyncio_limit, _anyio_limit, _anyio_sleep, _wait_for])
def test_every_librarys_time_out_is_virtual(limited: Callable[[], Awaitable[None]]):
    """It fires after thirty virtual seconds, exactly."""

    async def main() -> float:
        with pytest.raises(TimeoutError):
            await limited()
        return now()

    assert run_virtual(main()) == 30.0


def test_a_tool_called_through_mcp_waits_in_virtual_time():
    """The SDK's own tasks and streams take part, in memory."""
    server = MCPServer("slow")

    @server.tool()
    async def nap(seconds: float) -> float:
        """Sleep, then say what time it is."""
        await sleep(seconds)
        return now()

    async def main() -> tuple[object, float]:
        async with Client(server) as client:
            result = await client.call_tool("nap", {"seconds": DAY})
        return result.structured_content, now()

    assert run_virtual(main()) == ({"result": DAY}, DAY)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_timers_fire_in_the_order_of_their_times(delays: list[int]):
    """Whatever the order they were set in."""

    async def main() -> list[tuple[int, float]]:
        woken: list[tuple[int, float]] = []

        async def wait(delay: int) -> None:
            await sleep(delay)
            woken.append((delay, now()))

        await asyncio.gather(*(wait(delay) for delay in delays))
        return woken

    assert run_virtual(main()) == [(delay, float(delay)) for delay in sorted(delays)]


def test_a_cancelled_timer_moves_no_time():
    """A request answered in time leaves its time-out behind, and that must not fire later."""

    async def main() -> float:
        for _ in range(5):
            async with asyncio.timeout(DAY):
                await sleep(1)
        return now()

    assert run_virtual(main()) == 5.0


def test_what_is_ready_goes_before_time_moves():
    """A hundred hand-overs at one moment happen at that moment."""
    handed_over: list[float] = []

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def give() -> None:
            for number in range(100):
                await queue.put(number)

        async with asyncio.TaskGroup() as group:
            group.create_task(sleep(60))
            group.create_task(give())
            for _ in range(100):
                await queue.get()
            handed_over.append(now())

    run_virtual(main())
    assert handed_over == [0.0]


def test_a_wait_that_nothing_can_end_is_an_error_not_a_hang():
    """In virtual time no outside event will ever come."""

    async def main() -> None:
        await sleep(5)
        await asyncio.Event().wait()

    with pytest.raises(NothingScheduled):
        run_virtual(main())

"""Clocks: the system's for real days, the loop's wherever time is virtual."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from mcp_server.clock import LoopClock, SystemClock
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import START


def test_the_loops_clock_shows_its_start_when_the_loop_does():
    """`loop_start` is for a loop that has been running for a while."""

    async def main() -> list[datetime]:
        loop = asyncio.get_running_loop()
        fresh = LoopClock(START)
        await fresh.sleep_until(START + timedelta(hours=1))
        return [fresh.now(), LoopClock(START, loop_start=loop.time()).now()]

    assert run_virtual(main()) == [START + timedelta(hours=1), START]


@pytest.mark.parametrize(("seconds", "elapsed"), [(90.5, 90.5), (0.0, 0.0), (-90.5, 0.0)])
def test_sleeping_until_a_moment_ends_there_or_at_once(seconds: float, elapsed: float):
    """A moment that has passed is no reason to wait, and time never goes back."""

    async def main() -> float:
        clock = LoopClock(START)
        await clock.sleep_until(START + timedelta(seconds=seconds))
        return clock.elapsed()

    assert run_virtual(main()) == elapsed


def test_a_time_out_ends_the_block_at_its_moment():
    """And is none of the caller's when the block is done in time."""

    async def main() -> float:
        clock = LoopClock(START)
        async with clock.timeout(10):
            await clock.sleep_until(START + timedelta(seconds=9))
        with pytest.raises(TimeoutError):
            async with clock.timeout(10):
                await clock.sleep_until(START + timedelta(days=1))
        return clock.elapsed()

    assert run_virtual(main()) == 19.0


def test_the_systems_clock_is_aware_and_its_seconds_never_go_back():
    """UTC, whatever the machine's time zone."""
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    first = clock.elapsed()
    assert clock.elapsed() >= first


def test_the_systems_clock_does_not_wait_for_the_past():
    """The loop would raise if a real timer were waited for in virtual time: none is set."""

    async def main() -> float:
        clock = SystemClock()
        await clock.sleep_until(START - timedelta(days=365 * 20))
        async with clock.timeout(10):
            return asyncio.get_running_loop().time()

    assert run_virtual(main()) == 0.0

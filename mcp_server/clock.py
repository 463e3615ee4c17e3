"""Time, as the product sees it: the only place that waits.

Nothing else may call `asyncio.sleep`, `time.time` or `datetime.now` (a lint in the test command).
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What every component is handed instead of the system's time."""

    def now(self) -> datetime:
        """Return the present moment, aware and in UTC."""
        ...

    def elapsed(self) -> float:
        """Return seconds since some fixed moment; never goes back, whatever `now()` does."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now()` has reached `when`; at once if it already has."""
        ...

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Return an async context manager that raises `TimeoutError` after `seconds`."""
        ...


def steady(clock: Clock) -> datetime:
    """Return a moment of a clock that nobody sets: only the time between two means anything."""
    return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=clock.elapsed())


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the machine's idea of the present moment."""
        return datetime.now(UTC)  # noqa: TID251  the one place that asks the machine

    def elapsed(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep_until(self, when: datetime) -> None:
        """Sleep in real time."""
        await asyncio.sleep(  # noqa: TID251  the one wait
            max(0.0, (when - self.now()).total_seconds())
        )

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Limit a block to real seconds."""
        return asyncio.timeout(seconds)


class LoopClock:
    """A clock that reads the running event loop: virtual wherever the loop's time is."""

    def __init__(self, start: datetime, *, loop_start: float = 0.0) -> None:
        """Show `start` when the loop's own time is `loop_start` seconds."""
        self._start = start
        self._loop_start = loop_start

    def now(self) -> datetime:
        """Return `start` plus what the loop's time has moved since."""
        return self._start + timedelta(seconds=self.elapsed() - self._loop_start)

    def elapsed(self) -> float:
        """Return the running loop's own time."""
        return asyncio.get_running_loop().time()

    async def sleep_until(self, when: datetime) -> None:
        """Sleep in the loop's time."""
        await asyncio.sleep(  # noqa: TID251  the one wait
            max(0.0, (when - self.now()).total_seconds())
        )

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Limit a block to seconds of the loop's time."""
        return asyncio.timeout(seconds)

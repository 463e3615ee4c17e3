"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer.

Sound only where no thread and no real socket takes part (DESIGN.md section 8). The jump is made
in the selector, which the loop asks to wait exactly until its next live timer, so that nothing
private of asyncio is touched.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class NothingScheduled(RuntimeError):
    """Every task waits and no timer is set: in virtual time that can never end."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves virtual time instead of waiting."""

    virtual_time = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise NothingScheduled("every task is waiting and no timer is set")
        self.virtual_time += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that starts at time 0 and never waits."""

    def __init__(self) -> None:
        """Build the loop on its own selector."""
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._jumping.virtual_time


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time on a fresh `VirtualLoop`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)

"""What SIGINT and SIGTERM do to a command: the first ends it in order, the second at once.

Everything is right under SIGKILL as well: order only saves the report and the last outcomes.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from mcp_server.errors import FactoryError

# Real seconds, in every world: GitHub sends SIGTERM 7.5 s after SIGINT and kills 2.5 s later
# (facts/safety.md 5), and a person does not wait longer than five.
GRACE_SECONDS = 3.0
AGAIN_SECONDS = 0.5


class Interrupted(FactoryError):
    """The work was ended by a signal; what was begun is in the ledger and the agent's state."""

    code = "interrupted"

    def __init__(self) -> None:
        super().__init__(
            "interrupted: nothing more is sent; the same command goes on from what is kept"
        )


@contextmanager
def interruptible() -> Generator[None]:
    """Cancel the running task on the first SIGINT or SIGTERM, and raise on any further one.

    `KeyboardInterrupt` is also raised when the grace is over: a lost answer is not waited for. A
    signal that the process was started to ignore stays ignored. Only a main thread gets signals.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    main = threading.current_thread() is threading.main_thread()
    if task is None or not main or sys.platform == "win32":  # no interval timer there
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        if was_interrupted():
            raise KeyboardInterrupt(signal.strsignal(number))
        signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS, AGAIN_SECONDS)
        task.cancel()
        loop.call_soon_threadsafe(int)  # a loop that waits for sockets has to notice

    caught = [one for one in (signal.SIGINT, signal.SIGTERM) if _is_heard(one)]
    before = {one: signal.signal(one, end) for one in (*caught, signal.SIGALRM)}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for one, former in before.items():
            signal.signal(one, former)


def was_interrupted() -> bool:
    """Whether the grace after a first signal runs: else a cancellation has another reason."""
    return sys.platform != "win32" and signal.getitimer(signal.ITIMER_REAL)[1] > 0


def _is_heard(number: signal.Signals) -> bool:
    return signal.getsignal(number) is not signal.SIG_IGN

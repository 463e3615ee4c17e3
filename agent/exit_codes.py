"""How a run went, as one number (INTERFACE.md, exit codes). Pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # For its commands' sake, which are quick to start: what a task is takes long to import.
    from agent.lifecycle import Progress

DONE, FAILURES, USED_UP, NOTHING_TO_DO, CUT_OFF = 0, 3, 4, 5, 6


def exit_code(tasks: Sequence["Progress"], *, unstarted: int, free: int, startable: int) -> int:
    """Return the exit code for these endings (INTERFACE.md); the gravest counts.

    `free` units at the end tell work that had no time from work that had no allowance; with
    none `startable` in time, nothing was planned for them.
    """
    if not tasks:
        return CUT_OFF if free > 0 and not startable else NOTHING_TO_DO
    if any(not one.ended for one in tasks) or (unstarted and free > 0):
        return CUT_OFF
    if unstarted:
        return USED_UP
    if any(one.status in ("failed", "parked") for one in tasks):
        return FAILURES
    return DONE

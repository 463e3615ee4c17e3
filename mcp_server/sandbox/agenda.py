"""The world's to-do list: what happens by itself, and when.

Nothing waits here: the world runs what is due before it answers a request.
"""

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta


class Agenda:
    """Actions in the order of their time; those of one moment in the order they were noted."""

    def __init__(self, start: datetime) -> None:
        """Begin at `start`, with nothing to do."""
        self.now = start
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._noted = 0

    def at(self, when: datetime, action: Callable[[], None]) -> None:
        """Note `action` for `when`; what is past is run next."""
        self._noted += 1
        heapq.heappush(self._due, (when, self._noted, action))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Note `action` for `seconds` after the world's present moment."""
        self.at(self.now + timedelta(seconds=seconds), action)

    def run_until(self, moment: datetime) -> None:
        """Run everything due by `moment`, each at its own time, and stand at `moment`.

        A moment in the past changes nothing: the world's time never runs backwards.
        """
        while self._due and self._due[0][0] <= moment:
            when, _, action = heapq.heappop(self._due)
            self.now = max(self.now, when)
            action()
        self.now = max(self.now, moment)

"""The time of a served world: free-running while nobody has joined, in turns once somebody has.

`Turns` decides and waits for nothing; `ServedClock` waits. Sockets are `serve.py`'s.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcp_server.clock import Clock
from mcp_server.errors import BadArgument, NotFound

# `mcp-server --sandbox` runs at the same pace (DESIGN.md section 8).
DEFAULT_SPEED = 60.0


@dataclass
class Turns:
    """Who has joined, until when each sleeps (None: awake), and what time it therefore is.

    Time moves only when every client sleeps, and then to the earliest wake-up.
    """

    now: datetime
    clients: dict[str, datetime | None] = field(default_factory=dict[str, datetime | None])
    _named: int = 0

    def join(self) -> str:
        """Add a client, awake, under a new name; names are never used again."""
        self._named += 1
        client = f"client-{self._named}"
        self.clients[client] = None
        return client

    def leave(self, client: str) -> None:
        """Forget a client; the others may all be asleep without it."""
        self._check(client)
        del self.clients[client]
        self._move()

    def sleep(self, client: str, until: datetime) -> None:
        """Let a client sleep; it stays awake if `until` has passed, or if time now gets there."""
        self._check(client)
        if self.clients[client] is not None:
            raise BadArgument(f"{client} sleeps already: one sleep at a time")
        if until > self.now:
            self.clients[client] = until
            self._move()

    def wake(self, client: str) -> None:
        """Note that a client no longer waits for its wake-up: it is joined, and awake."""
        if client in self.clients:
            self.clients[client] = None

    def is_asleep(self, client: str) -> bool:
        """Whether a client still sleeps; raises `NotFound` when it has been sent away."""
        self._check(client)
        return self.clients[client] is not None

    def _move(self) -> None:
        sleeps = [until for until in self.clients.values() if until is not None]
        if not sleeps or len(sleeps) < len(self.clients):
            return
        self.now = max(self.now, min(sleeps))
        for client, until in self.clients.items():
            if until is not None and until <= self.now:
                self.clients[client] = None

    def _check(self, client: str) -> None:
        if client not in self.clients:
            raise NotFound(f"{client!r} has not joined this world, or was sent away")


class ServedClock:
    """A world's clock inside the process that serves it."""

    def __init__(self, start: datetime, *, real: Clock, speed: float = DEFAULT_SPEED) -> None:
        """Stand at `start`.

        Args:
            start: the world's time now.
            real: runs the world's time while nobody has joined.
            speed: world seconds in a real one then; 0 lets time stand still.
        """
        self._start = start
        self._real = real
        self._speed = speed
        self._turns = Turns(now=start)
        self._free_since = real.elapsed()
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        """Return the world's time."""
        if self._turns.clients:
            return self._turns.now
        free = (self._real.elapsed() - self._free_since) * self._speed
        return self._turns.now + timedelta(seconds=free)

    def elapsed(self) -> float:
        """Return the world's seconds since it was made."""
        return (self.now() - self._start).total_seconds()

    async def sleep_until(self, when: datetime) -> None:
        """Wait as a spectator: time does not care."""
        while (left := (when - self.now()).total_seconds()) > 0:
            free = not self._turns.clients and self._speed > 0
            limit = self._real.timeout(left / self._speed) if free else asyncio.timeout(None)
            try:
                async with limit:
                    await self._changed.wait()
            except TimeoutError:
                continue

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Limit a block to real seconds: whoever sits here waits for sockets."""
        return self._real.timeout(seconds)

    def clients(self) -> dict[str, datetime | None]:
        """Return who has joined, and until when each sleeps; None: awake."""
        return dict(self._turns.clients)

    def join(self) -> str:
        """Let a client in and return its name; from now on time moves in turns."""
        self._turns.now = self.now()
        client = self._turns.join()
        self._tell()
        return client

    def leave(self, client: str) -> None:
        """Let a client go; time runs free again after the last one. Raises `NotFound`."""
        self._turns.leave(client)
        if not self._turns.clients:
            self._free_since = self._real.elapsed()
        self._tell()

    async def sleep(self, client: str, until: datetime) -> None:
        """Hold a client until `until`; cancelled, it is awake again and still joined.

        Raises:
            BadArgument: it sleeps already.
            NotFound: it has not joined, or was sent away while it slept.
        """
        self._turns.sleep(client, until)
        self._tell()
        try:
            while self._turns.is_asleep(client):
                await self._changed.wait()
        except asyncio.CancelledError:
            self._turns.wake(client)
            raise

    def _tell(self) -> None:
        """Wake everybody who waits for a change, and begin to wait for the next one."""
        self._changed.set()
        self._changed = asyncio.Event()

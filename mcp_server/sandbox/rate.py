"""GitHub's primary rate limits: so many requests, or points, a clock hour, of searches a minute.

A 304 is free.
"""

from datetime import datetime, timedelta

# Per user and hour (facts/github.md 1.9, 2026-11-22).
HOURLY_REQUESTS = 5000
SEARCHES_A_MINUTE = 30
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class RateLimit:
    """Counts the requests of the present hour, or minute."""

    def __init__(
        self, resource: str, *, most: int = HOURLY_REQUESTS, span: timedelta = HOUR
    ) -> None:
        """Begin with none; `resource` is GitHub's word for what they are counted against."""
        self._resource = resource
        self._most = most
        self._span = span
        self._since: datetime | None = None
        self._used = 0

    def count(self, now: datetime) -> None:
        """Charge one request."""
        self._used = self._used_in(now) + 1

    def is_used_up(self, now: datetime) -> bool:
        """Say whether the next request is refused."""
        return self._used_in(now) >= self._most

    def resource(self, now: datetime) -> dict[str, int]:
        """Return the numbers as `GET /rate_limit` shows them; `reset` in epoch seconds."""
        used = self._used_in(now)
        reset = self._begun(now) + self._span
        return {
            "limit": self._most,
            "used": used,
            "remaining": self._most - used,
            "reset": int(reset.timestamp()),
        }

    def headers(self, now: datetime) -> dict[str, str]:
        """Return the numbers as headers."""
        numbers = {f"X-RateLimit-{name}": f"{n}" for name, n in self.resource(now).items()}
        return {**numbers, "X-RateLimit-Resource": self._resource}

    def _used_in(self, now: datetime) -> int:
        since = self._begun(now)
        if since != self._since:
            self._since, self._used = since, 0
        return self._used

    def _begun(self, now: datetime) -> datetime:
        """Return when the present span began."""
        minute = now.replace(second=0, microsecond=0)
        return minute if self._span == MINUTE else minute.replace(minute=0)

"""GitHub's primary rate limits: so many requests, or points, a clock hour; a 304 is free."""

from datetime import datetime, timedelta

# Per user and hour (facts/github.md 1.9, 2026-11-22).
HOURLY_REQUESTS = 5000


class RateLimit:
    """Counts the requests of the present hour."""

    def __init__(self, resource: str) -> None:
        """Begin with none; `resource` is GitHub's word for what they are counted against."""
        self._resource = resource
        self._hour: datetime | None = None
        self._used = 0

    def count(self, now: datetime) -> None:
        """Charge one request."""
        self._used = self._used_in(now) + 1

    def is_used_up(self, now: datetime) -> bool:
        """Say whether the next request is refused."""
        return self._used_in(now) >= HOURLY_REQUESTS

    def resource(self, now: datetime) -> dict[str, int]:
        """Return the numbers as `GET /rate_limit` shows them; `reset` in epoch seconds."""
        used = self._used_in(now)
        reset = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        return {
            "limit": HOURLY_REQUESTS,
            "used": used,
            "remaining": HOURLY_REQUESTS - used,
            "reset": int(reset.timestamp()),
        }

    def headers(self, now: datetime) -> dict[str, str]:
        """Return the numbers as headers."""
        numbers = {f"X-RateLimit-{name}": f"{n}" for name, n in self.resource(now).items()}
        return {**numbers, "X-RateLimit-Resource": self._resource}

    def _used_in(self, now: datetime) -> int:
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            self._hour, self._used = hour, 0
        return self._used

"""The pace that GitHub sets, heard from its answers: until when no further read goes out.

The primary limit is counted by resource, and reads stop a little before its end, for merges in
flight; a secondary one holds for all (facts/github.md 1.9, 2026-11-22). Writes have their own
pace, in the ledger.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx2

from mcp_server.guard.policy import Rule

# Of 5,000 requests an hour the last fifty are no read's.
RESERVED = 0.01
# "At least a minute", longer each time, where a secondary limit does not say how long.
# GitHub's windows are an hour long; what asks for more than a day is asked again after one.
LONGEST_PAUSE_SECONDS = 86_400.0
FIRST_PAUSE_SECONDS = 60.0
_ALL = ""
# What is not counted with the rest; an App's own requests are not its installation's, and searches
# are counted a minute at a time.
_RESOURCES = {
    "ask_nodes": "graphql",
    "find_installation": "app",
    "mint_token": "app",
    "search_issues": "search",
    "search_repositories": "search",
}
_SECONDARY = re.compile(rb"secondary[ -]rate[ -]limit", re.IGNORECASE)


@dataclass
class Governor:
    """Until when nothing goes out, by resource; the empty one is all of them."""

    _until: dict[str, datetime] = field(default_factory=dict[str, datetime])
    _unsaid: int = 0

    def pause(self, rule: Rule, now: datetime) -> float:
        """Return the seconds to wait before a read or query goes out; none above 0: it may go."""
        if rule.service != "github":
            return 0.0
        waits = [self._until[one] - now for one in (_ALL, _resource(rule)) if one in self._until]
        return max((wait.total_seconds() for wait in waits), default=0.0)

    def hear(
        self, rule: Rule, response: httpx2.Response, asked: float | None, now: datetime
    ) -> None:
        """Learn from an answer; `asked` is its `retry-after` in seconds."""
        if rule.service != "github":
            return
        remaining = _number(response, "remaining")
        if remaining is not None:
            self._hear_primary(_resource(rule), response, remaining, now)
        if not is_limit(response):
            self._unsaid = 0
        elif asked is not None:
            self._until[_ALL] = now + timedelta(seconds=min(asked, LONGEST_PAUSE_SECONDS))
        elif remaining != 0:
            pause = min(FIRST_PAUSE_SECONDS * 2.0**self._unsaid, LONGEST_PAUSE_SECONDS)
            self._until[_ALL] = now + timedelta(seconds=pause)
            self._unsaid += 1

    def _hear_primary(
        self, resource: str, response: httpx2.Response, remaining: int, now: datetime
    ) -> None:
        limit, reset = _number(response, "limit"), _number(response, "reset")
        # An answer with more left may be an older one, overtaken: it lifts nothing.
        if limit is not None and reset is not None and remaining <= limit * RESERVED:
            left = reset - _date(response, now).timestamp()
            self._until[resource] = now + timedelta(seconds=max(0.0, left))


def is_limit(response: httpx2.Response) -> bool:
    """Whether an answer asks for patience; a 403 that says none of this forbids for good.

    Of a secondary limit there may be no sign but its name in the body (captured, 2020 and later).
    """
    if response.status_code not in (403, 429):
        return False
    return (
        "retry-after" in response.headers
        or _number(response, "remaining") == 0
        or (response.status_code == 429 and _number(response, "limit") is not None)
        or _SECONDARY.search(response.content) is not None
    )


def _resource(rule: Rule) -> str:
    return _RESOURCES.get(rule.kind, "core")


def _number(response: httpx2.Response, name: str) -> int | None:
    text = response.headers.get(f"x-ratelimit-{name}", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def _date(response: httpx2.Response, now: datetime) -> datetime:
    """Return GitHub's own time, to which its `reset` belongs; ours where it says none."""
    try:
        date = parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, OverflowError):
        return now
    return date if date.tzinfo is not None else now

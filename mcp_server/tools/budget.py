"""Tools about the allowance and the ledger."""

import itertools
from collections.abc import Iterator, Mapping, Set
from datetime import timedelta
from typing import Annotated, Any

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.guard import budget
from mcp_server.guard.ledger import LISTING_FRESH_SECONDS
from mcp_server.models import Budget, Event, Events, Learnt, Paused
from mcp_server.services import Services
from mcp_server.tools.result import answer

MOST_EVENTS = 200
Reason = Annotated[
    str, Field(min_length=1, max_length=200, description="why; stands in the record")
]


class BudgetTools:
    """The `budget` toolset."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def budget_status(self) -> Annotated[CallToolResult, Budget]:
        """Show the allowance: spent, held, external, remaining, by lane, and when units fall free.

        Use it before starting sessions. `remaining` counts only what is free now; `releases`
        says when more will be. Next: jules_start_session, or wait until the next release.
        """
        services = self._services
        listing = await services.account.sessions(max_age=LISTING_FRESH_SECONDS)
        usage = services.ledger.usage(listing.date)
        limits = services.ledger.limits
        events, head, paused = services.ledger.head()
        lanes = {lane: units for lane, units in usage.by_lane().items() if lane != "external"}
        found = Budget(
            limit=limits.sessions,
            spent=sum(lanes.values()) - usage.held,
            held=usage.held,
            external=usage.count - sum(lanes.values()),
            remaining=0 if usage.refused_by_jules else max(0, limits.sessions - usage.count),
            by_lane=dict(sorted(lanes.items())),
            lane_limits=budget.lane_limits(limits),
            released=services.ledger.released_since(listing.date - timedelta(hours=24)),
            repositories_created=usage.repositories,
            repositories_limit=limits.repositories,
            concurrent=usage.running,
            concurrent_limit=limits.concurrent,
            releases=budget.releases(usage),
            ceiling=usage.ceiling.sessions if usage.ceiling and usage.refused_by_jules else None,
            paused=paused,
            counted_at=listing.date,
            settles_at=services.ledger.settles_at(),
            ledger_events=events,
            chain_head=head,
            requests=dict(sorted(services.transport.requests.items())),
            switched_off={},
            unknown=services.jules.unknown.words,
        )
        return answer(_sentence(found), found)

    async def budget_reconcile(self) -> Annotated[CallToolResult, Learnt]:
        """Look for what became of open tickets (sends whose answer was lost).

        Use it after an `ambiguous` error. Gives what was learnt; a ticket that stays open still
        counts against the allowance and is settled by a later look.
        """
        account = self._services.account
        account.learnt.clear()
        await account.sessions(max_age=0)
        await account.repository_listing()
        left = len(self._services.ledger.open_tickets())
        found = Learnt(learnt=tuple(account.learnt), open_tickets=left)
        return answer("; ".join(found.learnt) or f"nothing new; {left} tickets open", found)

    async def budget_pause(self, reason: Reason) -> Annotated[CallToolResult, Paused]:
        """Stop every mutation of this ledger at once, on all machines that share it."""
        self._services.ledger.pause(reason)
        return answer(f"paused: {reason}; budget_resume ends it", Paused(paused=reason))

    async def budget_resume(self) -> Annotated[CallToolResult, Paused]:
        """Let mutations go again after budget_pause, and forget that Jules refused a start.

        After an alarm a person looks first: its reason says at what.
        """
        self._services.ledger.pause(None)
        return answer("tickets go out again", Paused(paused=None))

    async def audit_events(
        self,
        task: Annotated[
            str | None,
            Field(
                min_length=1,
                max_length=160,
                description="only about this task key, session id, or owner/name#pull",
            ),
        ] = None,
        verify: Annotated[
            bool, Field(description="recompute the whole record first; some 20 µs an event")
        ] = False,
        cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None,
    ) -> Annotated[CallToolResult, Events]:
        """List the ledger's events, oldest first, 200 a page: tickets held, sent, ended, alarms.

        With `verify`, says whether chain, count and head agree, and which event breaks first;
        events from there on are not listed.
        """
        verified = self._services.ledger.verify() if verify else None
        after = int(cursor) if cursor and cursor.isdigit() else 0
        end = verified.first_bad_seq if verified else None
        listed = self._about(task, end) if task else self._events(after, end)
        page = tuple(itertools.islice((one for one in listed if one.seq > after), MOST_EVENTS))
        more = str(page[-1].seq) if len(page) == MOST_EVENTS else None
        lines = [
            f"{event.seq} {event.at:%H:%M:%S} {event.kind} {event.ticket or ''}" for event in page
        ]
        found = Events(events=page, next_cursor=more, verified=verified)
        said = [verified.text] if verified else []
        return answer("\n".join([*said, *(lines or ["no more events"])]), found)

    def _events(self, after: int, end: int | None) -> Iterator[Event]:
        """Yield the events after `after`, and before `end` when there is one."""
        while page := self._services.ledger.events(after=after, limit=MOST_EVENTS):
            for event in page:
                if end is not None and event.seq >= end:
                    return
                yield event
            after = page[-1].seq

    def _about(self, subject: str, end: int | None) -> Iterator[Event]:
        """Yield the events about a task, session or pull request, and what it has made."""
        names, tickets = {subject}, set[str]()
        for event in self._events(0, end):
            if event.kind == "held" and _concerns(event.data, names):
                tickets.add(event.ticket or "")
            if event.ticket in tickets:
                names |= _made(event)
            elif event.kind == "session_seen" and _concerns({"key": event.data["marker"]}, names):
                names.add(event.data["id"])
            elif names.isdisjoint((event.data.get("id"), event.data.get("session"))):
                continue
            yield event


def _concerns(data: Mapping[str, Any], names: Set[str]) -> bool:
    """Whether a ticket is for one of `names`: keys begin with what they are for."""
    key = str(data.get("key") or "")
    starts = tuple(f"{name}{sign}" for name in names for sign in (".a", ":"))
    return data.get("target") in names or key.startswith(starts)


def _made(event: Event) -> set[str]:
    """Return the session or repository that an ended ticket's result names."""
    result: Mapping[str, Any] = event.data.get("result", {})
    names = (str(result.get("name", "")), str(result.get("full_name", "")))
    return {name.removeprefix("sessions/") for name in names if "/" in name}


def _sentence(found: Budget) -> str:
    text = (
        f"{found.remaining} of {found.limit} sessions free now: {found.spent} ours, "
        f"{found.held} in doubt, {found.external} of others in the last 24 h"
    )
    if found.releases:
        text += f"; next unit free at {found.releases[0].at:%H:%M} UTC"
    if found.ceiling is not None:
        text += f"; Jules refused a start at {found.ceiling}: budget_resume forgets that"
    if found.settles_at is not None:
        text += f"; a new ledger: no session or repository before {found.settles_at:%H:%M} UTC"
    if found.paused:
        text += f"; PAUSED: {found.paused}"
    if found.unknown:
        words = ", ".join(found.unknown[:5])
        text += (
            f"; Jules said {len(found.unknown)} words that nobody here knows, among them: {words}"
        )
    return text

"""Send a mutation at most once per purpose: find what already happened, else hold and send."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mcp_server.errors import Ambiguous, Refused
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.guard.transport import SEND_TIMEOUT_SECONDS
from mcp_server.services import Services

# A lost send is read back; after this long without an effect, none comes any more.
SETTLED_AFTER = timedelta(minutes=10)
MOST_TRIES = 5
# How often one thing may be done, undone by somebody, and done again.
MOST_ROUNDS = 9


@dataclass(frozen=True, kw_only=True)
class Done:
    """A mutation that has happened; `already` when it was not this call that did it."""

    result: Mapping[str, Any]
    already: bool


async def perform(
    services: Services,
    prepared: Prepared,
    *,
    purpose: str,
    happened: Callable[[], Awaitable[bool]],
    settled_after: timedelta = SETTLED_AFTER,
) -> Done:
    """Carry out `prepared` unless it has been done for the same purpose before.

    Args:
        services: the server's parts.
        prepared: the request.
        purpose: what makes two calls the same one, e.g. `OWNER/REPO#7@HEAD`.
        happened: reads the world and says whether the effect is there; asked only when an
            earlier answer was lost.
        settled_after: how long a lost send may still take effect; zero where doing it twice
            does no harm.

    Raises:
        Ambiguous: sent before, answer lost, effect not visible yet.
        Refused: a limit, a pause, or too many refused tries.
    """
    for number in range(1, MOST_TRIES + 1):
        key = f"{purpose}#{number}"
        earlier = services.ledger.find(prepared.kind, key)
        if earlier is None:
            ticket = services.ledger.hold(prepared, key=key)
            client = services.jules if prepared.service == "jules" else services.github
            services.first_looks[ticket.id] = services.clock.elapsed()
            return Done(result=await client.send(prepared, ticket.id), already=False)
        settled = await _settle(services, earlier, happened, settled_after)
        if settled == "spent":
            return Done(result=earlier.result, already=True)
    raise Refused(
        f"{prepared.kind} for {purpose}: {MOST_TRIES} tries came to nothing", limit="tries"
    )


def new_purpose(services: Services, kind: str, purpose: str) -> str:
    """Return the purpose of the round that is on: what was done before has been undone since.

    For what can be undone; the caller has seen whether it is done now.

    Raises:
        Refused: it was done and undone too often.
    """
    for number in range(MOST_ROUNDS):
        current = f"{purpose}.{number}" if number else purpose
        keys = (f"{current}#{nth}" for nth in range(1, MOST_TRIES + 1))
        tickets = [services.ledger.find(kind, key) for key in keys]
        if not any(one is not None and one.state == "spent" for one in tickets):
            return current
    raise Refused(f"{kind} for {purpose}: done and undone {MOST_ROUNDS} times", limit="tries")


def settle_done(services: Services, kind: str, purpose: str) -> Mapping[str, Any]:
    """End the open ticket of something that is seen to have happened; returns what was kept.

    Empty when no ticket of ours was for it: somebody else did it, or its answer was lost.
    """
    for number in range(1, MOST_TRIES + 1):
        ticket = services.ledger.find(kind, f"{purpose}#{number}")
        if ticket is None:
            return {}
        if ticket.state == "spent":
            return ticket.result
        if ticket.state == "sent":
            services.ledger.record_outcome(ticket.id, Outcome(state="spent", evidence="read back"))
    return {}


def _waited(services: Services, ticket: Ticket) -> timedelta:
    """Return for how long no effect was seen: by the wall, of which a minute in this process.

    A wall that was set ahead makes a send that another process waits for look old; no send takes
    longer than a minute.
    """
    now = services.clock.elapsed()
    first = services.first_looks.setdefault(ticket.id, now)
    if now - first < SEND_TIMEOUT_SECONDS:
        return timedelta()
    return services.clock.now() - (ticket.sent_at or ticket.held_at)


async def _settle(
    services: Services,
    ticket: Ticket,
    happened: Callable[[], Awaitable[bool]],
    settled_after: timedelta,
) -> str:
    if ticket.state == "held":
        services.ledger.void_stale()
        again = services.ledger.find(ticket.kind, ticket.key)
        if again is not None and again.state == "held":
            raise Refused(f"{ticket.kind} for {ticket.key} is being sent", limit="duplicate")
        return "released"
    if ticket.state != "sent":
        return ticket.state
    if await happened():
        services.ledger.record_outcome(ticket.id, Outcome(state="spent", evidence="read back"))
        return "spent"
    sent_at = ticket.sent_at or ticket.held_at
    if services.transport.is_in_flight(ticket.id) or _waited(services, ticket) < settled_after:
        raise Ambiguous(
            f"{ticket.kind} was sent at {sent_at:%H:%M:%S} UTC and its effect is not visible yet",
            ticket=ticket.id,
        )
    outcome = Outcome(state="released", evidence="read back: no effect")
    services.ledger.record_outcome(ticket.id, outcome)
    return "released"

"""Settle tickets whose answer was lost, by evidence from complete listings (DESIGN.md section 5).

Absence is proof only with a positive control: the same listings show an earlier marker of ours.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from mcp_server.guard.counted import Listing, RepositoryListing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.tickets import Ticket, session_key
from mcp_server.models import Session

APART = timedelta(minutes=10)
# A service's clock may run behind ours by this much when its times are laid beside our own.
SKEW = timedelta(minutes=5)


def reconcile_sessions(ledger: Ledger, listing: Listing) -> tuple[str, ...]:
    """Record a complete listing and settle what it proves; returns sentences of what was learnt."""
    ledger.record_listing(listing)
    ledger.void_stale()
    ours = {
        session_key(session.marker): session
        for session in listing.sessions
        if session.mine and session.marker is not None and session.marker.ledger == ledger.id
    }
    learnt: list[str] = []
    for ticket in ledger.open_tickets():
        if ticket.kind == "start_session" and ticket.state == "sent":
            outcome = _session_outcome(ledger, ticket, listing, ours)
            if outcome is not None:
                ledger.record_outcome(ticket.id, outcome)
                learnt.append(f"{ticket.key}: {outcome.state}, {outcome.evidence}")
    return tuple(learnt)


def _session_outcome(
    ledger: Ledger, ticket: Ticket, listing: Listing, ours: Mapping[str, Session]
) -> Outcome | None:
    found = ours.get(ticket.key)
    if found is not None:
        result = {"name": f"sessions/{found.id}", "createTime": found.created_at.isoformat()}
        return Outcome(state="spent", evidence="found by its marker", result=result)
    sent = ticket.sent_at or ticket.held_at
    since = ticket.absent_since or listing.date
    # Without an intact marker of ours that both listings could show, absence proves nothing.
    control = any(session.created_at < since for session in ours.values())
    if listing.date <= sent or not control or not ledger.shows_all(listing):
        return None
    if ticket.absent_since is None:
        ledger.note_absent(ticket.id, listing.date)
        return None
    if listing.date - since < APART or _unexplained(listing.sessions, ticket, sent):
        return None
    return Outcome(state="released", evidence="absent from complete listings ten minutes apart")


def _unexplained(sessions: Sequence[Session], ticket: Ticket, sent: datetime) -> bool:
    """Whether a session that no valid marker claims could be this ticket's, shown in part.

    Its title may be lost or late, and without its source or branch its MAC does not fit either.
    """
    strange = [one for one in sessions if not one.mine and one.created_at > sent - SKEW]
    return any(
        one.repo in (ticket.repo, None)
        or (one.marker is not None and session_key(one.marker) == ticket.key)
        for one in strange
    )


def reconcile_repositories(ledger: Ledger, listing: RepositoryListing) -> tuple[str, ...]:
    """Record a listing of repositories and settle creations whose answer was lost."""
    ledger.record_repositories(listing)
    learnt: list[str] = []
    for ticket in ledger.open_tickets():
        if ticket.kind != "create_repository" or ticket.state != "sent" or ticket.repo is None:
            continue
        outcome = _repository_outcome(ledger, ticket, ticket.repo, listing)
        if outcome is not None:
            ledger.record_outcome(ticket.id, outcome)
            learnt.append(f"{ticket.repo}: {outcome.state}, {outcome.evidence}")
    return tuple(learnt)


def _repository_outcome(
    ledger: Ledger, ticket: Ticket, repo: str, listing: RepositoryListing
) -> Outcome | None:
    sent = ticket.sent_at or ticket.held_at
    created = listing.created.get(repo)
    if created is not None and created > sent - SKEW:
        result = {
            "full_name": repo,
            "created_at": created.isoformat(),
            "private": repo in listing.private,
        }
        return Outcome(state="spent", evidence="found in the listing", result=result)
    # One of that name may be this one, however far the clocks are apart: it is not absent.
    if listing.date <= sent or created is not None:
        return None
    if ticket.absent_since is None:
        ledger.note_absent(ticket.id, listing.date)
        return None
    if listing.date - ticket.absent_since < APART or not listing.created:
        return None
    return Outcome(state="released", evidence="absent from complete listings ten minutes apart")

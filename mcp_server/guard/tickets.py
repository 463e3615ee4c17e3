"""A ticket as a value, and how its row is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from mcp_server import store
from mcp_server.guard.chain import moment
from mcp_server.guard.evidence import Outcome
from mcp_server.models import Lane, Marker

TicketState = Literal["held", "sent", "spent", "released"]
OPEN: tuple[TicketState, ...] = ("held", "sent")


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """The right to send one described mutation, once.

    `key` says what it is for and is unique with `kind`; `target` is the session or pull request
    concerned; `absent_since` the first complete listing that did not show the effect.
    """

    id: str
    kind: str
    key: str
    state: TicketState
    digest: str
    lane: Lane | None
    repo: str | None
    target: str | None
    held_at: datetime
    sent_at: datetime | None
    evidence: str | None
    result: Mapping[str, Any]
    absent_since: datetime | None

    def misfit(self, outcome: Outcome) -> str | None:
        """Say why this cannot be how it ended: the repository made is not the one held."""
        if self.kind != "create_repository" or outcome.state != "spent":
            return None
        made = str(outcome.result["full_name"])
        fits = self.repo is not None and made.casefold() == self.repo.casefold()
        return None if fits else "an answer names another repository"

    def is_published_by(self, outcome: Outcome) -> bool:
        """Whether it made a repository that nothing shows to be private."""
        if self.kind != "create_repository" or outcome.state != "spent":
            return False
        hidden = outcome.result.get("visibility", "private") in (None, "private")
        return not (hidden and outcome.result.get("private") is True)


def session_key(marker: Marker) -> str:
    """Return the key of the ticket that a session with this marker was started under."""
    return f"{marker.task_key}.a{marker.attempt}"


def spent(tx: sa.Connection, kind: str, repo: str | None) -> tuple[Ticket, ...]:
    """Return the tickets of a kind that did something to a repository, oldest first."""
    table = store.tickets.c
    return select(tx, table.kind == kind, table.state == "spent", table.repo == repo)


def made(tx: sa.Connection, kind: str, repo: str | None) -> frozenset[object]:
    """Return the SHAs of the trees or commits that tickets of ours made in a repository."""
    return frozenset(ticket.result.get("sha") for ticket in spent(tx, kind, repo))


def select(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> tuple[Ticket, ...]:
    """Return the tickets that fit, oldest first."""
    rows = tx.execute(
        sa.select(store.tickets).where(*where).order_by(store.tickets.c.held_at, store.tickets.c.id)
    )
    return tuple(
        Ticket(
            id=row.id,
            kind=row.kind,
            key=row.key,
            state=row.state,
            digest=row.digest,
            lane=row.lane,
            repo=row.repo,
            target=row.target,
            held_at=datetime.fromisoformat(row.held_at),
            sent_at=moment(row.sent_at),
            evidence=row.evidence,
            result=json.loads(row.result or "{}"),
            absent_since=moment(row.absent_since),
        )
        for row in rows
    )

"""What may be put beside the branches that there are: a new one, with a commit of ours, for review.

A tree without a protected path, a commit of such a tree, a new branch at that commit, a pull
request from that branch: each step only on the one before. Runs inside the ledger's transaction.
"""

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import Refused
from mcp_server.guard import bodies, paths, tickets
from mcp_server.guard.request import Prepared

LIMIT = "proposal"


def place(base: str, head: str, sha: str) -> str:
    """Return what a pull request's marker is signed for in the place of a branch.

    Not a branch's name, so that a session's marker never passes for it; with the commit, so that
    it says nothing of any other one that the branch comes to stand at.
    """
    return f"{base}...{head}@{sha}"


def is_step(tx: sa.Connection, prepared: Prepared) -> bool:
    """Whether a tree or commit is one of a proposal; what is not may still be a first commit's."""
    body = prepared.body
    if isinstance(body, bodies.CreateTree):
        return all(paths.why_not(entry.path) is None for entry in body.tree)
    if isinstance(body, bodies.CreateCommit):
        return body.tree in _made(tx, prepared, "create_tree")
    return False


def refuse_foreign(tx: sa.Connection, prepared: Prepared) -> None:
    """Raise `Refused` for what would propose another's work, or hide ours among it.

    That is a protected path in a tree where the first commit is made, a branch at a commit that is
    not ours, and a pull request from a branch that is not.
    """
    body = prepared.body
    if isinstance(body, bodies.CreateTree):
        begun = _spent(tx, prepared, "move_branch")
        if begun and not is_step(tx, prepared):
            raise _refusal(prepared, "a tree with a protected path, after the first commit")
    elif isinstance(body, bodies.CreateBranch):
        if body.sha not in _made(tx, prepared, "create_commit"):
            raise _refusal(prepared, f"a branch at {body.sha}, which was not made here")
    elif isinstance(body, bodies.OpenPull):
        ours = {ticket.target for ticket in _spent(tx, prepared, "create_branch")}
        if prepared.target not in ours or body.head == body.base:
            raise _refusal(prepared, f"a pull request from {body.head!r}, no branch made here")


def _refusal(prepared: Prepared, what: str) -> Refused:
    return Refused(f"{prepared.repo}: {what}, never leaves", limit=LIMIT)


def _made(tx: sa.Connection, prepared: Prepared, kind: str) -> frozenset[object]:
    return frozenset(ticket.result.get("sha") for ticket in _spent(tx, prepared, kind))


def _spent(tx: sa.Connection, prepared: Prepared, kind: str) -> tuple[tickets.Ticket, ...]:
    table = store.tickets.c
    return tickets.select(
        tx, table.kind == kind, table.state == "spent", table.repo == prepared.repo
    )

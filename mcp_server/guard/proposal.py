"""What may be put beside the branches that there are: a new one, with a commit of ours, for review.

A tree without a protected path, or of nothing but our CI or the end of workflows; a commit of such
a tree, a new branch at that commit, a pull request from that branch: each step only on the one
before. Runs inside the ledger's transaction.
"""

import sqlalchemy as sa

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
        plain = all(paths.why_not(entry.path) is None for entry in body.tree)
        return plain or all(paths.is_offered(entry) for entry in body.tree)
    if isinstance(body, bodies.CreateCommit):
        return body.tree in tickets.made(tx, "create_tree", prepared.repo)
    return False


def refuse_foreign(tx: sa.Connection, prepared: Prepared) -> None:
    """Raise `Refused` for what would propose another's work, or hide ours among it.

    That is a protected path in a tree where the first commit is made, a branch at a commit that is
    not ours, and a pull request from a branch that is not.
    """
    body = prepared.body
    if isinstance(body, bodies.CreateTree):
        begun = tickets.spent(tx, "move_branch", prepared.repo)
        if begun and not is_step(tx, prepared):
            raise _refusal(prepared, "a tree with a protected path, after the first commit")
    elif isinstance(body, bodies.CreateBranch):
        if body.sha not in tickets.made(tx, "create_commit", prepared.repo):
            raise _refusal(prepared, f"a branch at {body.sha}, which was not made here")
    elif isinstance(body, bodies.OpenPull):
        ours = {ticket.target for ticket in tickets.spent(tx, "create_branch", prepared.repo)}
        if prepared.target not in ours or body.head == body.base:
            raise _refusal(prepared, f"a pull request from {body.head!r}, no branch made here")


def _refusal(prepared: Prepared, what: str) -> Refused:
    return Refused(f"{prepared.repo}: {what}, never leaves", limit=LIMIT)

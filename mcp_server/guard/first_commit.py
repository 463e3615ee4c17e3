"""Where a branch may be written directly: where a first commit is due, and nowhere else.

That is a repository made here, or an empty one of an earlier life of this factory. All else changes
by pull request, through the gate. Runs inside the ledger's transaction.
"""

import json
from datetime import datetime

import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import Refused
from mcp_server.guard import bodies, chain, tickets
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket

KINDS = frozenset({"create_tree", "create_commit", "move_branch"})


def adopt(tx: sa.Connection, now: datetime, *, repo: str, key: str, head: str) -> None:
    """Record that task `key` may make the first commit of `repo`, on `head` and nowhere else."""
    if head not in _adopted_heads(tx, repo):
        data = {"repo": repo, "key": key, "head": head}
        chain.append(tx, now, "repository_adopted", None, data)


def refuse_existing_work(tx: sa.Connection, prepared: Prepared) -> None:
    """Raise `Refused` unless this step belongs to a first commit that may be made here."""
    if isinstance(prepared.body, bodies.MoveBranch):
        _refuse_second(tx, prepared)
    made = tickets.spent(tx, "create_repository", prepared.repo)
    if not made and not _is_adopted_step(tx, prepared):
        raise Refused(
            f"{prepared.repo} was not made here: its branches change by pull request only",
            limit="direct_push",
        )


def makes(tx: sa.Connection, ticket: Ticket) -> bool:
    """Whether a ticket makes a repository: creates it, or is a step of its first commit.

    As long as that is not on its branch: what comes after is work like any other.
    """
    if ticket.kind == "create_repository":
        return True
    if ticket.kind not in KINDS or tickets.spent(tx, "move_branch", ticket.repo):
        return False
    made = tickets.spent(tx, "create_repository", ticket.repo)
    return bool(made) or bool(_adopted_heads(tx, ticket.repo or ""))


def _refuse_second(tx: sa.Connection, prepared: Prepared) -> None:
    if tickets.spent(tx, "move_branch", prepared.repo):
        raise Refused(
            f"{prepared.repo} has its first commit: later ones come by pull request only",
            limit="direct_push",
        )


def _is_adopted_step(tx: sa.Connection, prepared: Prepared) -> bool:
    """Whether it is a tree, a commit on the head that was adopted, or a move to such a commit.

    A branch is never forced: should its head have moved on meanwhile, GitHub refuses the move.
    """
    heads = _adopted_heads(tx, prepared.repo or "")
    body = prepared.body
    if isinstance(body, bodies.CreateCommit):
        return set(body.parents) <= heads
    if isinstance(body, bodies.MoveBranch):
        return bool(heads) and body.sha in tickets.made(tx, "create_commit", prepared.repo)
    return bool(heads)


def _adopted_heads(tx: sa.Connection, repo: str) -> frozenset[str]:
    """Return the heads of `repo` at which it was adopted: one, but for what a person pushed."""
    table = store.events.c
    texts = tx.execute(sa.select(table.data).where(table.kind == "repository_adopted")).scalars()
    adopted = [json.loads(text) for text in texts]
    return frozenset(str(data["head"]) for data in adopted if data["repo"] == repo)

"""The ledger's side of a proposal: tree, commit, branch, pull request, each on the one before."""

from pathlib import Path

import pytest

from mcp_server.clients import github, github_patches
from mcp_server.errors import Refused
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.request import Prepared
from mcp_server.patches.plan import Change
from tests.guard_cases import ManualClock, make_repository, open_ledger, send, settled_ledger

REPO = "owner/tool"
BASE, TREE, COMMIT = (letter * 40 for letter in "abc")


def tree(path: str = "src/a.py", repo: str = REPO) -> Prepared:
    return github_patches.create_tree(repo, BASE, [Change(path=path, mode="100644", content="x")])


def commit(sha: str = TREE, repo: str = REPO) -> Prepared:
    return github.create_commit(repo, message="fix: x", tree=sha, parent=BASE)


def branch(sha: str = COMMIT, name: str = "daily-factory/x", repo: str = REPO) -> Prepared:
    return github_patches.create_branch(repo, name, sha)


def pull(head: str = "daily-factory/x", base: str = "main", repo: str = REPO) -> Prepared:
    return github_patches.open_pull(repo, title="fix: x", head=head, base=base, body="[df1 x] y")


NOTHING: dict[str, str] = {}
STEPS = (
    (tree(), {"sha": TREE}),
    (commit(), {"sha": COMMIT}),
    (branch(), NOTHING),
    (pull(), NOTHING),
)
# What is not the step that is due, by the number of steps done.
NOT_YET: tuple[tuple[Prepared, ...], ...] = (
    (commit(), branch(), pull(), tree(".github/workflows/ci.yml"), tree("CODEOWNERS")),
    (commit(BASE), commit(repo="owner/other"), branch(), branch(TREE), pull()),
    (branch(BASE), branch(TREE), branch(repo="owner/other"), pull()),
    (
        pull("daily-factory/y"),
        pull("main"),
        pull("daily-factory/x", "daily-factory/x"),
        pull(repo="owner/other"),
    ),
)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Return a ledger that has made nothing."""
    return open_ledger(tmp_path / "state.db", ManualClock())


def test_each_step_of_a_proposal_stands_on_the_one_before(ledger: Ledger):
    """In a repository that was not made here nothing else is written; never a branch that is."""
    for nth, (prepared, result) in enumerate(STEPS):
        for other in (*NOT_YET[nth], github.move_branch(REPO, "main", COMMIT)):
            with pytest.raises(Refused) as refused:
                ledger.hold(other, key=f"{nth} {other.digest}")
            assert refused.value.limit in ("proposal", "direct_push")
        ticket = ledger.hold(prepared, key="k")
        with pytest.raises(Refused):
            ledger.hold(STEPS[min(nth + 1, 3)][0], key="k")  # held or sent is not yet made
        send(ledger, ticket)
        done = Outcome(state="spent", evidence="HTTP 201", result=result)
        ledger.record_outcome(ticket.id, done)


def test_a_repository_made_here_takes_a_workflow_with_its_first_commit_only(tmp_path: Path):
    """The compiled-in CI is part of it; after that a patch is a patch."""
    clock = ManualClock()
    ledger = settled_ledger(tmp_path / "state.db", clock)
    workflow = tree(".github/workflows/ci.yml", "owner/new")
    make_repository(ledger, clock, "new")
    ledger.hold(workflow, key="first")
    moved = ledger.hold(github.move_branch("owner/new", "main", COMMIT), key="first")
    send(ledger, moved)
    ledger.record_outcome(moved.id, Outcome(state="spent", evidence="HTTP 200"))
    with pytest.raises(Refused) as refused:
        ledger.hold(workflow, key="second")
    assert refused.value.limit == "proposal"
    ledger.hold(tree("src/a.py", "owner/new"), key="second")

"""What a person is offered to merge: CI where there is none, the end of schedules that compete."""

import hashlib
from pathlib import Path

import pytest

from mcp_server import standard
from mcp_server.clients import github_patches
from mcp_server.errors import Refused
from mcp_server.guard import own_ci
from mcp_server.guard.ledger import Ledger
from mcp_server.patches.plan import Change
from mcp_server.prompts import FOLDER
from mcp_server.sandbox.portfolio import CI_YML, SCHEDULED_YML
from mcp_server.sandbox.repository import OWNER, Repo
from tests.agent_cases import REPO, Desk, at_desk
from tests.guard_cases import SHA
from tests.mutation_cases import repo_of

WORKFLOWS = ".github/workflows/"


def with_files(desk: Desk, **workflows: str) -> Repo:
    """Give `REPO` exactly these workflows, by the name of their file."""
    hub, repo = desk.world.github, repo_of(desk)
    before = repo.git.files(repo.git.branches["main"])
    kept = {path: file for path, file in before.items() if not path.startswith(WORKFLOWS)}
    texts = {f"{WORKFLOWS}{name}.yml": text for name, text in workflows.items()}
    tree = repo.git.add_tree(repo.git.put(kept, texts))
    head = (repo.git.branches["main"],)
    sha = repo.git.add_commit(tree, head, message="Flows", author=OWNER, at=hub.now)
    hub.push(repo, "main", sha)
    return repo


def test_the_workflows_that_may_be_offered_are_the_ones_in_the_standard():
    """A byte more in a prompt file, and nothing is offered until somebody looked."""
    texts = [path.read_bytes() for path in sorted((FOLDER / "standard").glob("ci*.yml"))]
    assert {
        hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest(): (
            hashlib.sha256(text).hexdigest()
        )
        for text in texts
    } == own_ci.TEXTS


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (("package.json", "setup.py"), "ci.yml"),
        (("Cargo.toml", "src/lib.rs"), "ci-rust.yml"),
        (("go.mod", "main.go"), "ci-go.yml"),
        (("pyproject.toml",), "ci-python.yml"),
        (("tool.py", "README.md"), "ci-python.yml"),
        (("index.html", "sub/package.json"), "ci.yml"),
        ((), "ci.yml"),
    ],
)
def test_ci_is_chosen_by_what_stands_at_the_root(files: tuple[str, ...], name: str):
    """What none of them names gets the one that passes on an empty tree."""
    assert standard.ci_for(files) == Path(FOLDER / "standard" / name).read_text(encoding="utf-8")


def test_a_repository_without_ci_is_offered_it_once():
    """Issue 6 point 5: no session is spent, a person merges, and a no is not asked again."""

    async def play(desk: Desk) -> None:
        repo = with_files(desk)
        told = await desk.ask("github_add_ci", repo=REPO)
        [pull] = repo.pulls.values()
        files = repo.git.files(repo.git.branches["daily-factory/ci"])
        assert repo.git.text(files[own_ci.PATH]) == standard.ci_for(files)
        assert set(files) - set(repo.git.files(repo.git.branches["main"])) == {own_ci.PATH}
        assert (told["number"], told["already"], told["state"]) == (pull.number, False, "open")
        sent = list(desk.tap.mutations)
        pull.state = "closed"
        again = await desk.ask("github_add_ci", repo=REPO)
        assert (again["already"], again["state"], again["number"]) == (True, "closed", pull.number)
        assert desk.tap.mutations == sent
        assert (desk.of_ours(), desk.broken) == ([], [])

    at_desk(play)


def test_the_gate_leaves_what_was_offered_to_a_person():
    """A green run of our own workflow proves that it runs, not that somebody wants it."""

    async def play(desk: Desk) -> None:
        with_files(desk)
        told = await desk.ask("github_add_ci", repo=REPO)
        await desk.wait(minutes=20)
        view = await desk.ask("github_get_pull", repo=REPO, number=told["number"])
        assert view["decision"]["verdict"] == "human"

    at_desk(play)


def test_a_repository_with_any_workflow_is_not_offered_ci():
    """Whoever has a workflow has decided how changes are checked."""

    async def play(desk: Desk) -> None:
        with_files(desk, lint=CI_YML)
        told = await desk.call("github_add_ci", repo=REPO)
        assert told.refusal == ("refused", "state")
        assert desk.tap.mutations == []

    at_desk(play)


def test_the_schedules_that_spend_are_offered_to_go_and_nothing_else_is():
    """Issue 6 point 9: one pull request that removes the files, never a direct push."""

    async def play(desk: Desk) -> None:
        repo = with_files(desk, ci=CI_YML, nightly=SCHEDULED_YML, daily_factory=SCHEDULED_YML)
        before = repo.git.files(repo.git.branches["main"])
        told = await desk.ask("github_remove_workflows", repo=REPO)
        after = repo.git.files(repo.git.branches[told["branch"]])
        assert set(before) - set(after) == {f"{WORKFLOWS}nightly.yml"}
        assert repo.git.files(repo.git.branches["main"]) == before
        again = await desk.ask("github_remove_workflows", repo=REPO)
        assert (again["already"], again["number"]) == (True, told["number"])
        assert desk.broken == []

    at_desk(play)


@pytest.mark.parametrize("tool", ["github_add_ci", "github_remove_workflows"])
def test_nothing_is_offered_where_nobody_may_touch(tool: str):
    """Archived is read-only, and what competes for nothing is left alone."""

    async def play(desk: Desk) -> None:
        repo = with_files(desk, ci=CI_YML)
        repo.archived = tool == "github_add_ci"
        assert (await desk.call(tool, repo=REPO)).refusal == ("refused", "state")
        assert desk.tap.mutations == []

    at_desk(play)


OURS = standard.ci_for(())
HIDDEN: dict[str, tuple[Change, ...]] = {
    "another text": (Change(path=own_ci.PATH, mode="100644", content=f"{OURS}\n"),),
    "another name": (Change(path=f"{WORKFLOWS}x.yml", mode="100644", content=OURS),),
    "an old blob": (Change(path=own_ci.PATH, mode="100644", sha=SHA),),
    "a plain file beside it": (
        Change(path=own_ci.PATH, mode="100644", content=OURS),
        Change(path="main.py", mode="100644", content="x = 1\n"),
    ),
    "the end of a guard": (Change(path=".github/CODEOWNERS", mode="100644"),),
}


@pytest.mark.parametrize("changes", HIDDEN.values(), ids=list(HIDDEN))
def test_no_other_change_of_what_runs_is_ever_proposed(ledger: Ledger, changes: tuple[Change, ...]):
    """The guard itself knows the texts: no tool and no session can widen them."""
    with pytest.raises(Refused) as refused:
        ledger.hold(github_patches.create_tree("owner/tool", SHA, changes), key="k1")
    assert refused.value.limit in ("proposal", "direct_push")

"""The tool that makes a repository: private, once, and never over what somebody else has made."""

from typing import Any

import httpx2
import pytest

from mcp_server.clients.wire import error_of
from mcp_server.errors import BadArgument
from mcp_server.guard import marker
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.repository import OWNER, Repo
from tests.agent_cases import Desk, at_desk


def test_a_new_repository_is_private_begins_with_the_standard_and_is_made_once() -> None:
    """DESIGN.md section 6: one first commit; the same (name, task_key) is the same repository."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        given = {"name": "new-app", "description": "A new app", "task_key": "kone"}
        made = await desk.ask("github_create_private_repo", **given)
        repo = desk.world.github.repo(made["repo"])
        assert repo is not None
        assert (made["private"], repo.private, made["already"]) == (True, True, False)
        head = repo.git.branches[repo.default_branch]
        assert head == made["first_commit"]
        assert set(repo.git.files(head)) >= {
            "AGENTS.md",
            "README.md",
            "LICENSE",
            ".gitignore",
            ".github/workflows/ci.yml",
        }
        sent = list(desk.tap.mutations)
        again = await desk.ask("github_create_private_repo", **given)
        assert again == {**made, "already": True}
        assert desk.tap.mutations == sent
        assert desk.broken == []

    at_desk(play)


@pytest.mark.parametrize(
    ("name", "key"), [("recipe-web", "kone"), ("new-app", "ktwo")], ids=["the user's", "a task's"]
)
def test_a_name_that_is_taken_is_refused(name: str, key: str) -> None:
    """Nothing that exists is ever written over; its branches change by pull request only."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        given = {"description": "A new app"}
        await desk.ask("github_create_private_repo", name="new-app", task_key="kone", **given)
        sent = list(desk.tap.mutations)
        told = await desk.call("github_create_private_repo", name=name, task_key=key, **given)
        assert told.refusal == ("bad_argument", None)
        assert desk.tap.mutations == sent

    at_desk(play)


def test_a_former_name_is_not_taken_over() -> None:
    """GitHub leads from it to the renamed repository; a new one there would end that."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        repo = desk.world.github.repo("factory-owner/recipe-web")
        assert repo is not None
        desk.world.github.rename(repo, "cook-web")
        given = {"name": "recipe-web", "description": "A new app", "task_key": "kone"}
        told = await desk.call("github_create_private_repo", **given)
        assert told.refusal == ("bad_argument", None)
        assert "a former name that leads on" in told.text
        assert desk.tap.mutations == []

    at_desk(play)


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (
            [{"field": "name", "message": "name already exists on this account"}],
            "Repository creation failed.: name already exists on this account",
        ),
        ([{"code": "custom"}, "odd", None], "Repository creation failed."),
        ("none", "Repository creation failed."),
    ],
)
def test_a_refused_creation_says_what_github_said(errors: object, told: str) -> None:
    """A name that was taken a moment ago, or a plan without private repositories."""
    body = {"message": "Repository creation failed.", "errors": errors}
    response = httpx2.Response(422, json=body, request=httpx2.Request("POST", "https://x.example"))
    error = error_of(response)
    assert isinstance(error, BadArgument)
    assert str(error).endswith(f": {told}")


def earlier_life(
    desk: Desk, *, files: tuple[str, ...] = (), private: bool = True, **signed: str
) -> Repo:
    """Put `new-app` into the world as an earlier life's `kone` left it, and return it."""
    words = {"repo": "factory-owner/new-app", "task_key": "kone", **signed}
    tag = marker.issue(
        desk.services.marker_key,
        ledger="0badcafe",
        date="2026-11-22",
        lane="create",
        attempt=1,
        branch=None,
        **words,
    )
    text = f"Build: a new app {tag}"
    hub = desk.world.github
    repo = hub.create("new-app", private=private, description=text, by_client=False)
    texts = dict.fromkeys(("README.md", *files), "# new-app\n")
    hub.push(repo, "main", hub.commit(repo, None, texts, "Initial commit", OWNER))
    return repo


GIVEN: dict[str, object] = {"name": "new-app", "description": "A new app", "task_key": "kone"}
STANDARD = ("AGENTS.md", "LICENSE", ".gitignore", ".github/workflows/ci.yml")


def test_a_repository_of_an_earlier_life_gets_its_first_commit_on_what_was_seen() -> None:
    """Killed between the two, disk lost: nothing is made anew, nothing forced."""

    async def play(desk: Desk) -> None:
        repo = earlier_life(desk)
        [listed] = (await desk.ask("github_list_repos", query="new-app"))["repositories"]
        assert (listed["description"], listed["marker"]["valid"]) == ("Build: a new app", True)
        born = repo.git.branches["main"]
        made = await desk.ask("github_create_private_repo", **GIVEN)
        assert (made["already"], made["first_commit"]) == (True, repo.git.branches["main"])
        assert repo.git.commits[made["first_commit"]].parents == (born,)
        assert set(repo.git.files(made["first_commit"])) >= set(STANDARD)
        assert not any(call.endswith("/user/repos") for call in desk.tap.mutations)
        sent = list(desk.tap.mutations)
        assert await desk.ask("github_create_private_repo", **GIVEN) == made
        assert desk.tap.mutations == sent

    at_desk(play)


LEFT_ALONE: dict[str, tuple[dict[str, Any], tuple[str, str | None]]] = {
    "somebody worked in it": ({"files": ("main.py",)}, ("refused", "foreign")),
    "its marker is another repository's": (
        {"repo": "factory-owner/other-app"},
        ("bad_argument", None),
    ),
    "it is another task's": ({"task_key": "ktwo"}, ("bad_argument", None)),
    "it is public": ({"private": False}, ("refused", "public")),
}


@pytest.mark.parametrize(("how", "refusal"), LEFT_ALONE.values(), ids=list(LEFT_ALONE))
def test_a_repository_of_nobody_knows_whom_is_left_alone(
    how: dict[str, Any], refusal: tuple[str, str | None]
) -> None:
    """Only the proof opens a branch to one first commit; without it not a byte is written."""

    async def play(desk: Desk) -> None:
        earlier_life(desk, **how)
        told = await desk.call("github_create_private_repo", **GIVEN)
        assert told.refusal == refusal
        assert desk.tap.mutations == []

    at_desk(play)


@pytest.mark.parametrize("lost", ["/git/trees", "/git/commits", "/git/refs/heads/main"])
def test_what_a_person_pushed_meanwhile_is_never_written_over(lost: str) -> None:
    """A step's answer was lost, somebody began to work, and the tool is called again."""
    struck: list[Exchange] = []

    def strike(exchange: Exchange) -> Fault | None:
        if struck or exchange.mutation is None or not exchange.path.endswith(lost):
            return None
        struck.append(exchange)
        return Fault("reset_before")

    async def play(desk: Desk) -> None:
        await desk.settle()
        assert (await desk.call("github_create_private_repo", **GIVEN)).is_error
        hub, repo = desk.world.github, desk.world.github.repo("factory-owner/new-app")
        assert repo is not None
        texts = {"main.py": "my work\n", "README.md": "# mine\n"}
        mine = hub.commit(repo, repo.git.branches["main"], texts, "A day", OWNER)
        hub.push(repo, "main", mine)
        told = await desk.call("github_create_private_repo", **GIVEN)
        assert told.refusal == ("refused", "foreign")
        assert repo.git.branches["main"] == mine

    at_desk(play, fault=strike)


def test_a_readme_that_a_person_wrote_makes_a_repository_theirs() -> None:
    """The names alone do not tell: the files are those that it was born with."""

    async def play(desk: Desk) -> None:
        hub, repo = desk.world.github, earlier_life(desk)
        notes = {"README.md": "# a day of notes\n"}
        mine = hub.commit(repo, repo.git.branches["main"], notes, "Notes", OWNER)
        hub.push(repo, "main", mine)
        told = await desk.call("github_create_private_repo", **GIVEN)
        assert told.refusal == ("refused", "foreign")
        assert (repo.git.branches["main"], desk.tap.mutations) == (mine, [])

    at_desk(play)


def test_a_first_commit_that_is_there_is_not_made_again() -> None:
    """Killed after it, disk lost: what stands there now is what the session begins from."""

    async def play(desk: Desk) -> None:
        repo = earlier_life(desk, files=(*STANDARD, "main.py"))
        made = await desk.ask("github_create_private_repo", **GIVEN)
        assert (made["already"], made["first_commit"]) == (True, repo.git.branches["main"])
        assert desk.tap.mutations == []

    at_desk(play)


def test_repositories_have_a_limit_of_their_own() -> None:
    """Ten a day at an allowance of 100; two at 12."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        for n in range(2):
            await desk.ask(
                "github_create_private_repo", name=f"new-app{n}", description="x", task_key="kone"
            )
        told = await desk.call("github_create_private_repo", name="new-app2", description="x")
        assert told.refusal == ("refused", "repositories")

    at_desk(play)


def test_a_new_ledger_makes_no_repository_before_it_has_settled() -> None:
    """What an earlier one sent a moment ago may not be listed yet: DESIGN.md section 5."""

    async def play(desk: Desk) -> None:
        told = await desk.call("github_create_private_repo", **GIVEN)
        assert told.refusal == ("refused", "settling")
        await desk.settle()
        assert (await desk.ask("github_create_private_repo", **GIVEN))["private"]

    at_desk(play)

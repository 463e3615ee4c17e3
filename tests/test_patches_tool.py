"""A patch as a pull request, from a chat to the gate: `github_push_patch` over the sandbox."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.sandbox.repository import OWNER, Pull, Repo
from mcp_server.sandbox.session import Session as WorldSession
from mcp_server.settings import Settings
from tests.agent_cases import OTHER_REPO, REPO, Desk, at_desk
from tests.mutation_cases import of_ours, repo_of

NAME = "factory-owner/new-app"
TITLE = "feat: first version"
UNTOUCHED = Settings(
    jules_api_key=SecretStr(SANDBOX_JULES_KEY),
    github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    never_touch=(REPO.upper(),),
)


async def repoless(desk: Desk, key: str = "kone") -> WorldSession:
    """Make a repository, and a session for it that knew of none; both are done."""
    await desk.settle()
    await desk.ask(
        "github_create_private_repo", name="new-app", description="A new app", task_key=key
    )
    started = await desk.start(key, None, lane="create")
    session = desk.world.jules.sessions[started["session_id"]]
    while session.state != "COMPLETED":
        await desk.wait(minutes=1)
    return session


async def push(desk: Desk, session: WorldSession, **more: object) -> dict[str, Any]:
    """Propose a session's work, which must succeed."""
    given = {"repo": NAME, "branch": "feat/first", "title": TITLE, "session_id": session.id}
    return await desk.ask("github_push_patch", **{**given, **more})


def pull_of(desk: Desk, found: dict[str, Any]) -> tuple[Repo, Pull]:
    """Return what was opened, as the world knows it."""
    repo = repo_of(desk, found["repo"])
    return repo, repo.pulls[found["number"]]


async def verdict(desk: Desk, pull: Pull, repo: str = NAME) -> tuple[str, str]:
    """Return the gate's last word and its reasons, after as many looks as it wants."""
    for _ in range(3):
        await desk.wait(minutes=4)
        await desk.ask("github_get_pull", repo=repo, number=pull.number)
    seen: dict[str, Any] = await desk.ask("github_get_pull", repo=repo, number=pull.number)
    return seen["decision"]["verdict"], "; ".join(seen["decision"]["reasons"])


def test_the_work_of_a_repoless_session_is_proposed_once_and_merged_by_the_gate() -> None:
    """DESIGN.md section 6.4: branch, pull request, green, merged; the oracle has nothing to say."""

    async def play(desk: Desk) -> None:
        session = await repoless(desk)
        found = await push(desk, session)
        repo, pull = pull_of(desk, found)
        assert session.patch is not None
        assert repo.git.commits[pull.head].parents == (repo.git.branches["main"],)
        texts = {path: file.sha for path, file in session.patch.files.items()}
        made = {path: file.sha for path, file in repo.git.files(pull.head).items()}
        assert made == {p: f.sha for p, f in repo.git.files(pull.base).items()} | texts
        assert (pull.title, repo.git.commits[pull.head].message.splitlines()[0]) == (TITLE, TITLE)
        assert "Factory-Task: kone" in repo.git.commits[pull.head].message
        assert session.id in pull.body
        sent = list(desk.tap.mutations)
        assert await push(desk, session) == {**found, "already": True}
        assert desk.tap.mutations == sent
        assert (await verdict(desk, pull))[0] == "merge"
        given = {"repo": NAME, "number": pull.number, "head_sha": pull.head}
        assert (await desk.ask("github_merge_pull", **given))["merged"]
        assert desk.broken == []

    at_desk(play)


def moves_on(desk: Desk, repo: Repo, pull: Pull) -> None:
    hub = desk.world.github
    hub.push(repo, pull.head_ref, hub.commit(repo, pull.head, {"b.py": "y\n"}, "more", OWNER))


def rebased(desk: Desk, repo: Repo, pull: Pull) -> None:
    del desk
    repo.git.branches["other"] = pull.base
    pull.base_ref = "other"


def unsigned(desk: Desk, repo: Repo, pull: Pull) -> None:
    del desk, repo
    pull.body = pull.body.partition("] ")[2]


def other_task(desk: Desk, repo: Repo, pull: Pull) -> None:
    del desk, repo
    pull.body = pull.body.replace("kone.a1", "ktwo.a1")


def with_the_sessions_own_marker(desk: Desk, repo: Repo, pull: Pull) -> None:
    del repo
    (session,) = desk.of_ours()
    pull.body = session.title


SPOILT = (moves_on, rebased, unsigned, other_task, with_the_sessions_own_marker)


@pytest.mark.parametrize("spoil", SPOILT, ids=[one.__name__ for one in SPOILT])
def test_a_pull_request_of_ours_that_is_not_as_we_made_it_is_a_persons(
    spoil: Callable[[Desk, Repo, Pull], None],
) -> None:
    """Its marker stands for one commit between two branches, and for one session's task."""

    async def play(desk: Desk) -> None:
        _, pull = pull_of(desk, await push(desk, await repoless(desk)))
        spoil(desk, repo_of(desk, NAME), pull)
        said, why = await verdict(desk, pull)
        assert (said, "no session of ours" in why) == ("human", True), why

    at_desk(play)


def edit(path: str, *, before: str = "", after: str = "x = 1\n") -> str:
    """Return a diff that replaces the one line of a file, or adds the file."""
    head = f"diff --git a/{path} b/{path}\n"
    if not before:
        return f"{head}new file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{after}"
    return f"{head}--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{before}+{after}"


GIVEN: dict[str, object] = {"repo": REPO, "branch": "fix/x", "title": "fix: x"}


def test_a_patch_from_a_chat_becomes_a_pull_request_that_a_person_merges() -> None:
    """No session stands for it, so the gate does not either."""

    async def play(desk: Desk) -> None:
        found = await desk.ask("github_push_patch", patch=edit("src/[id]/a b.py"), **GIVEN)
        repo, pull = pull_of(desk, found)
        assert set(repo.git.files(pull.head)) - set(repo.git.files(pull.base)) == {
            "src/[id]/a b.py"
        }
        said, why = await verdict(desk, pull, REPO)
        assert (said, "no session of ours" in why) == ("human", True)
        assert desk.broken == []

    at_desk(play)


@pytest.mark.parametrize("given", ["v1.2", "daily-factory/v1.2"])
def test_the_branch_is_under_a_name_that_is_ours(given: str) -> None:
    """A repository's own workflows may publish whatever stands at `release` or `v1.2`."""

    async def play(desk: Desk) -> None:
        more = {**GIVEN, "branch": given, "patch": edit("a.py")}
        found = await desk.ask("github_push_patch", **more)
        repo, pull = pull_of(desk, found)
        assert found["branch"] == pull.head_ref == "daily-factory/v1.2"
        assert [name for name in repo.git.branches if "v1.2" in name] == [pull.head_ref]
        assert (await desk.ask("github_push_patch", **more))["already"]

    at_desk(play)


@pytest.mark.parametrize("given", [{"patch": "please"}, {"session_id": "1" * 19}])
def test_no_patch_goes_to_what_is_never_touched(given: dict[str, object]) -> None:
    """The setting is a person's; names ignore case."""

    async def play(desk: Desk) -> None:
        told = await desk.call("github_push_patch", **{**GIVEN, **given})
        assert told.refusal == ("refused", "never_touch")
        assert desk.tap.mutations == []

    at_desk(play, keys=UNTOUCHED)


REFUSED: dict[str, tuple[dict[str, object], tuple[str, str | None], str]] = {
    "neither": ({}, ("bad_argument", None), "either"),
    "both": ({"patch": edit("a.py"), "session_id": "1"}, ("bad_argument", None), "either"),
    "the base itself": ({"patch": edit("a.py"), "branch": "main"}, ("bad_argument", None), "new"),
    "a workflow": (
        {"patch": edit(".github/workflows/x.yml")},
        ("refused", "protected_path"),
        ".github/workflows/x.yml",
    ),
    "no such lines": (
        {"patch": edit("README.md", before="never there\n")},
        ("refused", "patch_does_not_apply"),
        "'README.md': hunk '@@ -1 +1 @@'",
    ),
    "no diff": ({"patch": "please"}, ("refused", "patch_unreadable"), "line 1"),
    "a session of nobody's": ({"session_id": "1" * 19}, ("not_found", None), ""),
}


@pytest.mark.parametrize(("more", "refusal", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_proposed_is_refused_and_nothing_is_sent(
    more: dict[str, object], refusal: tuple[str, str | None], said: str
) -> None:
    """The file and the hunk are named."""

    async def play(desk: Desk) -> None:
        told = await desk.call("github_push_patch", **{**GIVEN, **more})
        assert told.refusal == refusal
        assert said in told.text
        assert desk.tap.mutations == []

    at_desk(play)


async def works_elsewhere(desk: Desk) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, "ktask", OTHER_REPO)
    await desk.wait(minutes=30)
    return {"session_id": one.id}


async def opened_its_own(desk: Desk) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, "ktask", REPO, auto_pull=True)
    await desk.wait(minutes=30)
    return {"session_id": one.id}


async def still_works(desk: Desk) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, "ktask", REPO)
    await desk.wait(minutes=1)
    return {"session_id": one.id}


async def is_the_users(desk: Desk) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, "ktask", REPO)
    one.title = "Try something"
    await desk.wait(minutes=30)
    return {"session_id": one.id}


async def is_not_all_readable(desk: Desk) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, "ktask", REPO)
    one.life = replace(one.life, outputs_empty=True)
    await desk.wait(minutes=30)
    # A later diff may stand in what cannot be read.
    one.activities[-1] = replace(one.activities[-1], id="a" * 65)
    return {"session_id": one.id}


async def branch_is_there(desk: Desk) -> dict[str, object]:
    repo = repo_of(desk)
    repo.git.branches["daily-factory/fix/x"] = repo.git.branches["main"]
    return {"patch": edit("a.py")}


async def is_archived(desk: Desk) -> dict[str, object]:
    repo_of(desk).archived = True
    return {"patch": edit("a.py")}


async def is_a_fork(desk: Desk) -> dict[str, object]:
    repo_of(desk).fork = True
    return {"patch": edit("a.py")}


UNFIT = {
    works_elsewhere: ("refused", "foreign"),
    opened_its_own: ("refused", "state"),
    still_works: ("refused", "state"),
    is_the_users: ("refused", "foreign"),
    is_not_all_readable: ("unreadable", None),
    branch_is_there: ("bad_argument", None),
    is_archived: ("refused", "state"),
    is_a_fork: ("refused", "state"),
}


@pytest.mark.parametrize(("make", "refusal"), UNFIT.items(), ids=[one.__name__ for one in UNFIT])
def test_only_finished_work_of_ours_goes_where_it_belongs(
    make: Callable[[Desk], Awaitable[dict[str, object]]], refusal: tuple[str, str | None]
) -> None:
    """A session's patch goes to its own repository, once, on a branch that is new."""

    async def play(desk: Desk) -> None:
        more = await make(desk)
        told = await desk.call("github_push_patch", **{**GIVEN, **more})
        assert told.refusal == refusal, told.text
        assert desk.tap.mutations == []

    at_desk(play)

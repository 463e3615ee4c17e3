"""Reading a repository through the tools: itself, its pull requests, what they change, red CI."""

from dataclasses import replace

import pytest

from agent.act import Actor
from agent.lifecycle import Action
from agent.tools import Tools
from mcp_server.clients.github_pulls import PatchedFile
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.repository import OWNER
from mcp_server.tools.github_reading import MOST_OF_A_FILE, MOST_OF_ALL, fitted
from tests.agent_cases import NOW, REPO, Desk, at_desk, progress
from tests.mutation_cases import of_ours, repo_of

STRANGERS = replace(CALM, stale_pulls=1)
RED: dict[str, object] = {"first_push_red": True, "fixes_itself": False, "gaps": (30.0,)}


def test_a_repository_its_pull_requests_and_their_changes_are_shown():
    """INTERFACE.md: what somebody in a chat looks at before they ask for more."""

    async def play(desk: Desk) -> None:
        shown = await desk.ask("github_get_repo", repo=REPO)
        assert (shown["repo"], shown["private"]) == (REPO, repo_of(desk).private)
        assert (await desk.call("github_get_repo", repo=f"{OWNER}/none")).error[
            "code"
        ] == "not_found"
        listed = await desk.ask("github_list_pulls", repo=REPO)
        assert [one["number"] for one in listed["pulls"]] == [1]
        closed = await desk.ask("github_list_pulls", repo=REPO, state="closed")
        assert (closed["pulls"], closed["next_cursor"]) == ([], None)
        files = await desk.ask("github_pull_files", repo=REPO, number=1)
        assert files["complete"] is True
        assert [(one["path"], one["patch"]) for one in files["files"]] == [
            ("src/experiment.txt", "@@ -0,0 +1 @@\n+half an idea")
        ]
        assert files["left_out"] == []

    at_desk(play, size=STRANGERS)


def test_pull_requests_come_in_pages_each_of_them_once():
    """The cursor is one of ours: anything else is the caller's to mend."""

    async def play(desk: Desk) -> None:
        hub, repo = desk.world.github, repo_of(desk)
        for nth in range(101):
            texts = {f"n{nth}.txt": "x\n"}
            hub.push(
                repo, f"b{nth}", hub.commit(repo, repo.git.branches["main"], texts, "x", OWNER)
            )
            hub.open_pull(repo, head=f"b{nth}", base="main", title=f"n{nth}", body="")
        first = await desk.ask("github_list_pulls", repo=REPO)
        second = await desk.ask("github_list_pulls", repo=REPO, cursor=first["next_cursor"])
        numbers = [one["number"] for page in (first, second) for one in page["pulls"]]
        assert numbers == list(range(101, 0, -1))
        assert second["next_cursor"] is None
        for cursor in ("", "0", "-1", "x", "1" * 7, "\u0661"):
            told = await desk.call("github_list_pulls", repo=REPO, cursor=cursor)
            assert told.refusal == ("bad_argument", None), cursor

    at_desk(play)


def changed(
    path: str, patch: str | None, *, status: str = "modified", lines: int = 1
) -> PatchedFile:
    """Return a changed file as GitHub lists it."""
    return PatchedFile(
        path=path, status=status, additions=lines, deletions=0, previous_path=None, patch=patch
    )


LONG = "+line\n" * 3_000


@pytest.mark.parametrize(
    ("file", "whole", "noted"),
    [
        (changed("a", "+x"), True, False),
        (changed("binary", None), False, True),
        (changed("moved", None, status="renamed", lines=0), False, False),
        (changed("long", LONG), False, True),
    ],
    ids=lambda one: one.path if isinstance(one, PatchedFile) else "",
)
def test_hunks_that_are_missing_or_cut_are_said(file: PatchedFile, whole: bool, noted: bool):
    """What was left out is never silently left out; a mere rename has no hunks to miss."""
    (shown,) = fitted([file])
    assert (shown.patch == file.patch is not None) == whole or file.patch is None
    assert bool(shown.note) == noted
    assert len(shown.patch or "") <= MOST_OF_A_FILE
    assert (file.patch or "").startswith(shown.patch or "")


def test_what_removes_a_private_key_does_not_show_it():
    """A leaked key is taken out by a pull request, of which every line begins with a minus."""
    key = [f"{nth:04}{'aB3dE5fG7h/+' * 5}" for nth in range(40)]
    pem = "\n".join(["-----BEGIN PRIVATE KEY-----", *key, "-----END PRIVATE KEY-----", ""])

    async def play(desk: Desk) -> None:
        hub, repo = desk.world.github, repo_of(desk)
        head = repo.git.branches["main"]
        hub.push(repo, "main", hub.commit(repo, head, {"deploy.pem": pem}, "oops", OWNER))
        with_it = repo.git.branches["main"]
        tree = {k: v for k, v in repo.git.files(with_it).items() if k != "deploy.pem"}
        gone = repo.git.add_commit(
            repo.git.add_tree(tree), (with_it,), message="rm", author=OWNER, at=hub.now
        )
        hub.push(repo, "fix", gone)
        pull = hub.open_pull(repo, head="fix", base="main", title="Remove it", body="")
        told = await desk.call("github_pull_files", repo=REPO, number=pull.number)
        assert told.content["files"][0]["deletions"] == len(key) + 2
        assert not [line for line in key if line[:12] in told.text + str(told.content)]

    at_desk(play)


def test_all_hunks_together_are_bounded():
    """A pull request of many long files is still one answer; every file is named."""
    shown = fitted([changed(f"f{nth}", LONG) for nth in range(20)])
    assert len(shown) == 20
    assert sum(len(one.patch or "") for one in shown) <= MOST_OF_ALL
    assert shown[-1].patch is None


@pytest.mark.parametrize("reachable", [True, False])
def test_a_session_that_must_mend_its_checks_is_told_what_failed(reachable: bool):
    """Issue 6 point 8: the end of the log, quoted; without it the request goes out all the same."""

    def without_logs(exchange: Exchange) -> Fault | None:
        lost = not reachable and exchange.path.endswith("/actions/runs")
        return Fault("refuse_connect") if lost else None

    async def play(desk: Desk) -> str:
        one = of_ours(desk.services, desk.world, "kred1", REPO, auto_pull=True)
        await desk.wait(minutes=20)
        await desk.ask("jules_list_sessions")
        url = repo_of(desk).url(desk.pull_of(one.id))
        known = progress(session_id=one.id, pull_url=url)
        action = Action(kind="fix_ci", text="ci", head_sha=desk.pull_of(one.id).head)
        await Actor(Tools(desk.client)).act(known, action, NOW)
        told = [each for each in one.activities if each.event == "userMessaged"]
        return str(told[-1].content["userMessage"])

    message = at_desk(play, life=RED, fault=without_logs)
    assert "The checks on your pull request are red: ci." in message
    assert ("> ##[error]Process completed with exit code 2." in message) == reachable
    assert ("here they are unavailable" in message) != reachable

"""Words on GitHub: a description and topics, a comment, the one report; each once, nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.repository import Repo
from mcp_server.settings import Settings
from tests.agent_cases import OTHER_REPO, REPO, Desk, at_desk
from tests.mutation_cases import of_ours, repo_of

STRANGERS = replace(CALM, stale_pulls=1)
UNTOUCHED = Settings(
    jules_api_key=SecretStr(SANDBOX_JULES_KEY),
    github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    never_touch=(REPO.upper(),),
)


def test_description_and_topics_are_set_once_and_read_back():
    """Issue 6 point 3: at no session; what is so already is not sent."""

    async def play(desk: Desk) -> None:
        repo = repo_of(desk)
        given = {"repo": REPO, "description": "Plans  meals", "topics": ["meals", "cli", "meals"]}
        private, branch = repo.private, repo.default_branch
        first = await desk.ask("github_set_metadata", **given)
        again = await desk.ask("github_set_metadata", **given)
        assert (first["changed"], again["changed"]) == (["description", "topics"], [])
        assert (repo.description, repo.topics) == ("Plans meals", ["cli", "meals"])
        assert (repo.private, repo.default_branch, repo.archived) == (private, branch, False)
        assert desk.tap.mutations == [f"PATCH /repos/{REPO}", f"PUT /repos/{REPO}/topics"]
        listed = await desk.ask("github_list_repos", query=REPO)
        assert listed["repositories"][0]["description"] == "Plans meals"
        repo.description = "Somebody's"
        await desk.ask("github_set_metadata", repo=REPO, description="Plans meals")
        assert repo.description == "Plans meals"

    at_desk(play)


def test_a_repository_of_ours_keeps_its_marker_whatever_is_said_about_it():
    """Without it a later life would not know whose the repository is (`creation.py`)."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        name = {"name": "new-app", "description": "A new app", "task_key": "knew01"}
        repo = repo_of(desk, (await desk.ask("github_create_private_repo", **name))["repo"])
        marker = repo.description[repo.description.index("[df1 ") :]
        where = repo.full_name
        told = await desk.ask("github_set_metadata", repo=where, description="A better app")
        assert told["description"] == "A better app"
        assert repo.description == f"A better app {marker}"
        shown = await desk.ask("github_get_repo", repo=where)
        assert shown["marker"]["valid"] is True
        forged = await desk.call("github_set_metadata", repo=where, description=marker)
        assert forged.refusal == ("bad_argument", None)

    at_desk(play)


def _archive(repo: Repo) -> None:
    repo.archived = True


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"repo": REPO}, ("bad_argument", None)),
        ({"repo": "octo-helper/other", "description": "x"}, ("not_found", None)),
        ({"repo": OTHER_REPO, "description": "x"}, ("refused", "archived")),
    ],
    ids=["nothing said", "somebody else's", "archived"],
)
def test_metadata_is_refused(given: dict[str, object], refusal: tuple[str, str | None]):
    """Only our own repositories, only what is not read-only."""

    async def play(desk: Desk) -> None:
        _archive(repo_of(desk, OTHER_REPO))
        assert (await desk.call("github_set_metadata", **given)).refusal == refusal
        assert desk.tap.mutations == []

    at_desk(play)


@pytest.mark.parametrize(
    "given",
    [
        ("github_set_metadata", {"description": "x"}),
        ("github_report_issue", {"title": "Report", "body": "x"}),
    ],
    ids=["metadata", "report"],
)
def test_what_is_never_touched_is_left_alone(given: tuple[str, dict[str, object]]):
    """The setting is a person's; names ignore case."""

    async def play(desk: Desk) -> None:
        told = await desk.call(given[0], repo=REPO, **given[1])
        assert told.refusal == ("refused", "never_touch")
        assert desk.tap.mutations == []

    at_desk(play, keys=UNTOUCHED)


def test_a_comment_goes_to_a_pull_request_of_ours_and_once_for_a_purpose():
    """Like every other write to a pull request: what a session of ours opened, nothing else."""

    async def play(desk: Desk) -> None:
        one = of_ours(desk.services, desk.world, "kred1", REPO, auto_pull=True)
        await desk.wait(minutes=20)
        pull = desk.pull_of(one.id)
        given = {"repo": REPO, "number": pull.number, "purpose": "why"}
        first = await desk.ask("github_comment_pull", body="It waits for you\n", **given)
        again = await desk.ask("github_comment_pull", body="It still waits", **given)
        assert (first["already"], again["already"]) == (False, True)
        assert pull.comments == ["It waits for you"]
        theirs = next(one for one in repo_of(desk).pulls.values() if one.session is None)
        told = await desk.call("github_comment_pull", repo=REPO, number=theirs.number, body="Hi")
        assert told.refusal == ("refused", "foreign")
        blank = await desk.call("github_comment_pull", body=" \n", **given)
        assert blank.refusal == ("bad_argument", None)
        assert theirs.comments == []

    at_desk(play, size=STRANGERS)


def test_there_is_one_report_issue_and_a_closed_one_stays_closed():
    """Found by our marker in its body, which nobody else can write for that repository."""

    async def play(desk: Desk) -> None:
        repo = repo_of(desk)

        async def report(body: str) -> tuple[int, bool]:
            told = await desk.ask("github_report_issue", repo=REPO, title="Report", body=body)
            return told["number"], told["opened"]

        first, opened = await report("All is well")
        assert opened
        assert [await report(words) for words in ("One waits", "All is well", "One waits")] == [
            (first, False)
        ] * 3
        sent = len(desk.tap.mutations)
        assert await report("One waits") == (first, False)
        assert len(desk.tap.mutations) == sent
        assert repo.issues[first].body.endswith("-->\n\nOne waits")
        repo.issues[first].state = "closed"
        second, opened = await report("A new day")
        assert opened
        assert second != first
        assert repo.issues[first].state == "closed"
        assert await report("Another day") == (second, False)
        assert len(repo.issues) == 2

    at_desk(play)


@pytest.mark.parametrize("state", ["open", "closed"])
def test_a_report_that_a_stranger_copied_is_left_alone(state: str):
    """Whoever can read the report can copy its first line, marker and all."""

    async def play(desk: Desk) -> None:
        given = {"repo": REPO, "title": "Report"}
        ours = (await desk.ask("github_report_issue", body="All is well", **given))["number"]
        repo = repo_of(desk)
        number = repo.next_number()
        later = repo.issues[ours].updated + timedelta(minutes=1)
        copied = replace(
            repo.issues[ours], number=number, author="stranger", updated=later, state=state
        )
        repo.issues[number] = replace(copied)
        told = await desk.ask("github_report_issue", body="One waits", **given)
        assert (told["opened"], told["number"]) == (False, ours)
        assert repo.issues[number] == copied
        repo.issues[ours].author = repo.issues[ours].author.upper()
        told = await desk.ask("github_report_issue", body="All is well", **given)
        assert (told["opened"], told["number"]) == (False, ours)

    at_desk(play)


def test_an_issue_that_only_looks_like_the_report_is_left_alone():
    """The marker is signed for one repository: a copy from another is no report of this one."""

    async def play(desk: Desk) -> None:
        given = {"title": "Report", "body": "All is well"}
        await desk.ask("github_report_issue", repo=OTHER_REPO, **given)
        (copied,) = repo_of(desk, OTHER_REPO).issues.values()
        repo = repo_of(desk)
        number = repo.next_number()
        repo.issues[number] = replace(copied, number=number)
        told = await desk.ask("github_report_issue", repo=REPO, **given)
        assert (told["opened"], told["number"]) == (True, number + 1)
        assert repo.issues[number] == replace(copied, number=number)

    at_desk(play)

"""What was read of one repository is refused as work on another, through the tools and the wire.

The rule itself is a table in `test_origins.py`; here is what reaches it, from what callers say and
are told, and what must not be refused.
"""

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from mcp.client import Client

from mcp_server.clients import github as github_api
from mcp_server.clients import jules as jules_api
from mcp_server.clients.jules import StartOptions
from mcp_server.clients.wire import send
from mcp_server.errors import Ambiguous, Refused
from mcp_server.guard.origins import Origins
from mcp_server.guard.request import Prepared
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.repository import OWNER
from mcp_server.server import build_server
from tests.agent_cases import OTHER_REPO, REPO
from tests.guard_cases import (
    GITHUB,
    JULES,
    JULES_KEY,
    ManualClock,
    Network,
    OpenDoor,
    guard,
)
from tests.hostile_cases import SECRETS, say
from tests.mutation_cases import SpoiltDesk, at_spoilt_desk, of_ours, repo_of

SECRET = "the customer list of initech lies in the cellar behind the second door"
SPELT = SECRET.replace("cellar", "c&#101;llar").replace("list", "l&#105;st")
ORIGIN = ("refused", "origin")


async def two_sessions(desk: SpoiltDesk) -> tuple[str, str]:
    """Put a session of ours on each of two repositories; the first one says the secret."""
    one = of_ours(desk.services, desk.world, "kaaa1", REPO)
    two = of_ours(desk.services, desk.world, "kbbb1", OTHER_REPO)
    await desk.wait(minutes=1)
    await desk.ask("budget_status")
    say(desk.world, one.id, SECRET)
    return one.id, two.id


@asynccontextmanager
async def restarted(desk: SpoiltDesk) -> AsyncGenerator[SpoiltDesk]:
    """Sit down at a new process of the server: same ledger, and nothing read yet."""
    parts = replace(desk.services, origins=Origins(desk.services.account.is_public))
    async with Client(build_server(parts)) as client:
        yield replace(desk, services=parts, client=client)


WRITTEN: Mapping[str, Callable[[str], str]] = {
    "id": str,
    "name": "sessions/{}".format,
    "address": "https://jules.google.com/session/{}".format,
}
SAID: Mapping[str, dict[str, object]] = {
    "message": {"message": SECRET},
    "entities": {"template": "answer", "variables": {"question": SPELT}},
    "far behind": {"template": "answer", "variables": {"question": "a " * 20_001 + SECRET}},
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_session_s_words_stay_with_its_repository_by_any_of_its_names(
    written: Callable[[str], str],
):
    async def play(desk: SpoiltDesk) -> None:
        one, two = await two_sessions(desk)
        beside = of_ours(desk.services, desk.world, "kccc1", REPO)
        await desk.ask("budget_status")
        await desk.wait(minutes=1)
        await desk.ask("budget_status")
        await desk.ask("jules_list_activities", session_id=written(one))
        two = written(two)
        for given in SAID.values():
            assert (
                await desk.call("jules_send_message", session_id=two, **given)
            ).refusal == ORIGIN
        for own in (one, beside.id):
            await desk.ask("jules_send_message", session_id=own, message=SECRET)

    at_spoilt_desk(play)


def test_a_second_spelling_of_a_repository_is_not_a_second_repository():
    """GitHub answers to a name in any case."""

    async def play(desk: SpoiltDesk) -> None:
        hub, repo = desk.world.github, repo_of(desk)
        head = repo.git.branches["main"]
        hub.push(repo, "x1", hub.commit(repo, head, {"x.txt": "x"}, "x", OWNER))
        pull = hub.open_pull(repo, head="x1", base="main", title=SECRET, body="")
        for name in (REPO, REPO.title()):
            await desk.ask("github_get_pull", repo=name, number=pull.number)
            start = {"repo": OTHER_REPO, "prompt": SECRET, "lane": "optimize", "task_key": "kzz1"}
            assert (await desk.call("jules_start_session", **start)).refusal == ORIGIN
        own = {**start, "repo": f"sources/github/{REPO}"}
        await desk.ask("jules_start_session", **own)

    at_spoilt_desk(play)


def test_what_an_error_tells_is_heard():
    """`jules_get_patch` names the files that there are; what it only repeats is no news."""

    async def play(desk: SpoiltDesk) -> None:
        one, two = await two_sessions(desk)
        await desk.wait(minutes=40)
        async with restarted(desk) as later:
            told = await later.call("jules_get_patch", session_id=one, path="nope")
            assert told.is_error
            (name,) = re.findall(r"tests/(\w+)", told.text)
            said = {"session_id": two, "message": f"do as in {name}"}
            for _ in range(2):
                assert (await later.call("jules_send_message", **said)).refusal == ORIGIN
                await later.call("jules_get_patch", session_id=two, path=name)

    at_spoilt_desk(play)


def test_an_interrupted_creation_goes_on_although_its_words_were_read():
    """Its description, and its key in a title, are heard as the new repository's own."""
    given: dict[str, object] = {
        "name": "new-app",
        "description": "A recipe planner for small kitchens that also works without a network",
        "task_key": "k0123456789ab",
    }

    async def play(desk: SpoiltDesk) -> None:
        made = await desk.ask("github_create_private_repo", **given)
        async with restarted(desk) as later:
            await later.ask("github_list_repos", max_age=0)
            again = await later.ask("github_create_private_repo", **given)
            assert (again["repo"], again["already"]) == (made["repo"], True)
            other = {**given, "name": "other-app", "task_key": "k0123456789ac"}
            assert (await later.call("github_create_private_repo", **other)).refusal == ORIGIN

    at_spoilt_desk(play)


def test_the_name_of_an_old_session_is_no_quotation():
    """After a lost disk no listing shows it: its repository is not known, itself is."""

    async def play(desk: SpoiltDesk) -> None:
        one = of_ours(desk.services, desk.world, "kaaa1", REPO)
        await desk.wait(minutes=36 * 60)
        await desk.ask("jules_list_sessions", state="COMPLETED", max_age=0)
        await desk.ask("jules_send_message", session_id=one.id, message="Go on, please")
        await desk.wait(minutes=30)
        done = await desk.ask("jules_archive_session", session_id=one.id)
        assert (done["done"], one.archived) == ("archived", True)

    at_spoilt_desk(play)


def test_what_a_public_repository_says_is_free_while_it_is_seen_to_be_public():
    """In any spelling of its name; not once it is old news, nor after a look that says private."""

    async def play(desk: SpoiltDesk) -> None:
        repo = repo_of(desk, OTHER_REPO)
        repo.private, repo.description = False, SECRET
        desk.services.account.changed_repositories()
        start = {"repo": REPO, "prompt": SECRET, "dry_run": True}

        async def told(desk: SpoiltDesk, spelt: str = OTHER_REPO) -> bool:
            await desk.ask("github_get_repo", repo=spelt)
            answer = await desk.call("jules_start_session", **start)
            return answer.is_error and answer.refusal == ORIGIN

        await desk.ask("github_list_repos", max_age=0)
        async with restarted(desk) as later:
            assert not await told(later, OTHER_REPO.title())
        await desk.wait(minutes=10)
        async with restarted(desk) as later:
            assert await told(later)
        await desk.ask("github_list_repos", max_age=0)
        repo.private = True
        async with restarted(desk) as later:
            assert await told(later)

    at_spoilt_desk(play)


TOLD = "prodvault7f3a9c2e41bd"
CARRIED: Mapping[str, tuple[str, dict[str, object]]] = {
    "branch of a patch": (
        "github_push_patch",
        {"repo": REPO, "branch": TOLD, "title": "docs: x", "patch": "please"},
    ),
    "branch of a session": (
        "jules_start_session",
        {"repo": REPO, "branch": TOLD, "prompt": "Add tests"},
    ),
    "key of a session": (
        "jules_start_session",
        {"repo": REPO, "task_key": TOLD, "prompt": "Add tests"},
    ),
    "key of a session without a repository": (
        "jules_start_session",
        {"task_key": TOLD, "prompt": "Add tests"},
    ),
    "key of a new repository": (
        "github_create_private_repo",
        {"name": "new-app", "task_key": TOLD, "description": "An app"},
    ),
}


@pytest.mark.parametrize("carried", CARRIED)
def test_a_telling_word_is_no_name_of_a_branch_and_no_key_of_a_task_elsewhere(carried: str):
    """Both are written where the call leads: a branch, a title, a description."""
    tool, given = CARRIED[carried]

    async def play(desk: SpoiltDesk) -> None:
        repo_of(desk, OTHER_REPO).description = f"the vault is {TOLD}"
        await desk.ask("github_get_repo", repo=OTHER_REPO)
        sent = list(desk.tap.mutations)
        assert (await desk.call(tool, **given)).refusal == ORIGIN
        assert desk.tap.mutations == sent
        if given.get("repo"):
            told = await desk.call(tool, **{**given, "repo": OTHER_REPO})
            assert told.refusal != ORIGIN if told.is_error else told.content

    at_spoilt_desk(play)


def test_a_branch_that_a_repository_has_told_is_its_own():
    """Jules numbers its branches, and the next session may begin at one."""
    name = "jules-12345678901234567890"

    async def play(desk: SpoiltDesk) -> None:
        repo = repo_of(desk)
        repo.git.branches[name] = repo.git.branches["main"]
        desk.world.github.open_pull(repo, head=name, base="main", title="Mine", body="")
        async with restarted(desk) as later:
            await later.ask("github_list_pulls", repo=REPO)
            await later.start("kaaa1", REPO, branch=name)
            told = await later.call(
                "jules_start_session", repo=OTHER_REPO, branch=name, prompt="Add tests"
            )
            assert told.refusal == ORIGIN

    at_spoilt_desk(play)


def test_the_key_of_a_task_is_no_quotation():
    """It stands in the title of every session of its task."""

    async def play(desk: SpoiltDesk) -> None:
        await desk.start("k0123456789ab", REPO)
        async with restarted(desk) as later:
            await later.ask("jules_list_sessions", max_age=0)
            begun = await later.start("k0123456789ab", OTHER_REPO, attempt=2)
            assert begun["dry_run"] is False

    at_spoilt_desk(play)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("end", ["", "\n"])
def test_our_own_message_read_back_is_nobody_s(ours: bool, end: str):
    """What somebody else told the session, in Jules' own page, stays with the session."""
    message = "Please run the whole test suite before you push anything to the branch"

    async def play(desk: SpoiltDesk) -> None:
        one, two = await two_sessions(desk)
        if ours:
            await desk.ask("jules_send_message", session_id=one, message=message + end)
        else:
            desk.world.jules.message(desk.world.jules.sessions[one], message)
        # Whether Jules keeps a line's end is nowhere said.
        told = desk.world.jules.sessions[one].activities
        told[:] = [
            replace(item, content={"userMessage": message})
            if item.event == "userMessaged"
            else item
            for item in told
        ]
        async with restarted(desk) as later:
            shown = await later.ask("jules_list_activities", session_id=one)
            assert message in str(shown)
            answer = await later.call("jules_send_message", session_id=two, message=message)
            assert answer.is_error is not ours, answer.text

    at_spoilt_desk(play)


def test_an_idea_everybody_can_read_is_nobody_s_whoever_worked_on_it_before():
    async def play(desk: SpoiltDesk) -> None:
        ideas = (await desk.ask("trends_discover"))["ideas"]
        title = next(one["title"] for one in ideas if len(re.findall(r"\w+", one["title"])) >= 8)
        await desk.start("kaaa1", REPO, title=f"Add: {title}")
        start: dict[str, Any] = {
            "repo": OTHER_REPO,
            "prompt": f"People ask for {title}",
            "lane": "update",
        }
        async with restarted(desk) as later:
            await later.ask("jules_list_sessions", max_age=0)
            await later.call("trends_match", title=title)
            told = await later.call("jules_start_session", task_key="kbbb1", **start)
            assert told.refusal == ORIGIN
            await later.ask("trends_discover")
            await later.ask("jules_start_session", task_key="kbbb1", **start)

    at_spoilt_desk(play)


def hidden(key: str) -> str:
    """Write a key so that it is no key before it is rendered."""
    return re.sub(r".{5}", lambda part: f"{part[0][:4]}&amp;#{ord(part[0][4])};\u200b", key)


def belled(key: str) -> str:
    """Write a key with signs in it that JSON writes in six letters, and nobody sees."""
    return re.sub(r".{5}", "\\g<0>\x07", key)


KEYED: Mapping[str, tuple[str, dict[str, object]]] = {
    "start": ("jules_start_session", {"repo": REPO, "task_key": "kt1a", "lane": "optimize"}),
    "message": ("jules_send_message", {"template": "answer"}),
    "create": ("github_create_private_repo", {"name": "new-app", "task_key": "kone"}),
}


@pytest.mark.parametrize("tool", KEYED)
@pytest.mark.parametrize("key", SECRETS)
def test_no_key_leaves_that_only_rendering_brings_to_light(tool: str, key: str):
    """What a caller gives is masked before entities are decoded: the transport looks again."""

    async def play(desk: SpoiltDesk) -> None:
        one = (await desk.start("ktold", OTHER_REPO))["session_id"] if tool == "message" else ""
        await desk.wait(minutes=1)
        words: dict[str, dict[str, object]] = {
            "start": {"prompt": "Add tests", "title": hidden(key)},
            "message": {"session_id": one, "variables": {"question": hidden(key)}},
            "create": {"description": hidden(key)},
        }
        name, given = KEYED[tool]
        sent = list(desk.tap.mutations)
        assert (await desk.call(name, **given, **words[tool])).refusal == ("refused", "key")
        assert desk.tap.mutations == sent
        assert [one.state for one in desk.services.ledger.open_tickets()] == ["held"]

    at_spoilt_desk(play)


def bodies(words: str) -> dict[str, Prepared]:
    """Return one request of every kind that carries words of others."""
    title = f"[df1 0badcafe 2026-11-23 manual kx.a1 x] {words}"
    options = StartOptions(prompt="p", title=title, repo=REPO, branch="main")
    sha = "a" * 40
    return {
        "title": jules_api.start_session(options),
        "prompt": jules_api.start_session(replace(options, title=title[:40], prompt=words)),
        "message": jules_api.send_message("1", words),
        "create": github_api.create_repository("new-app", words),
        "push": github_api.create_tree(REPO, sha, [("README.md", words)]),
        "commit": github_api.create_commit(REPO, message=words, tree=sha, parent=sha),
    }


@pytest.mark.parametrize("kind", bodies("x"))
@pytest.mark.parametrize("write", [str, hidden, belled])
def test_no_body_with_a_key_in_it_leaves(kind: str, write: Callable[[str], str]):
    """Whoever built it; and its ticket is not marked sent."""
    network, door = Network(), OpenDoor()

    async def tried(words: str) -> str | None:
        http = httpx2.AsyncClient(transport=guard(network, door, ManualClock()))
        prepared = bodies(words)[kind]
        base = JULES if prepared.service == "jules" else GITHUB
        try:
            await send(http, base, prepared, "t1")
        except Refused as refused:
            return refused.limit
        except Ambiguous:
            pass  # it left: what the network answers proves nothing
        return None

    assert run_virtual(tried(f"see {write(JULES_KEY)}")) == "key"
    assert (network.sent, door.taken) == ([], [])
    assert run_virtual(tried("see the README")) is None
    assert len(network.sent) == 1

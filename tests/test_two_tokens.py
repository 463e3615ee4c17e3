"""Two tokens: one makes repositories and does nothing else, the other does the rest."""

import httpx2
import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.clients import github, github_patches
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.redact import Redactor
from mcp_server.guard.request import Prepared
from mcp_server.guard.transport import GuardedTransport, Origin
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.tokens import Token
from mcp_server.settings import Settings
from tests.agent_cases import REPO, Desk, at_desk
from tests.guard_cases import (
    GITHUB,
    SHA,
    START,
    ManualClock,
    Network,
    answer,
    repositories,
)
from tests.test_creation import earlier_life
from tests.test_offers import with_files

MAKER = "maker-0f2c41d7a9b3"
TWO = Settings(
    allowance=CALM.allowance,
    jules_api_key=SecretStr(SANDBOX_JULES_KEY),
    github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    github_create_token=SecretStr(MAKER),
)
# As facts/github.md 1.8 recommends them.
WORKS = {"metadata": "read", "contents": "write", "pull_requests": "write", "actions": "read"}
MAKES = {"metadata": "read", "contents": "write", "workflows": "write", "administration": "write"}


def let_in(desk: Desk, *, work: Token | None = None, maker: Token | None = None) -> None:
    """Give the world both tokens."""
    fine = Token(scopes=None, may={**WORKS, "statuses": "read", "issues": "write"})
    desk.world.github.tokens[SANDBOX_GITHUB_TOKEN] = work or fine
    desk.world.github.tokens[MAKER] = maker or Token(scopes=None, may=MAKES)


def test_a_repository_is_made_with_the_token_for_that_and_worked_on_with_the_other():
    """Neither could do what the other does: GitHub would answer 403."""

    async def play(desk: Desk) -> None:
        let_in(desk)
        await desk.settle()
        made = await desk.ask("github_create_private_repo", name="new-app", description="An app")
        repo = desk.world.github.repo(made["repo"])
        assert repo is not None
        assert ".github/workflows/ci.yml" in repo.git.files(made["first_commit"])
        started = await desk.start()
        pull = await desk.completed(started["session_id"])
        await desk.ask("github_comment_pull", repo=REPO, number=pull.number, body="Seen")
        with_files(desk)
        offered = await desk.call("github_add_ci", repo=REPO)
        assert offered.refusal == ("refused", "permission")
        assert desk.broken == []

    at_desk(play, keys=TWO)


def test_what_an_earlier_life_began_is_finished_with_the_token_that_makes():
    """This ledger did not create it; its first commit holds a workflow all the same."""

    async def play(desk: Desk) -> None:
        let_in(desk)
        await desk.settle()
        repo = earlier_life(desk)
        given = {"name": "new-app", "description": "a new app", "task_key": "kone"}
        made = await desk.ask("github_create_private_repo", **given)
        assert ".github/workflows/ci.yml" in repo.git.files(made["first_commit"])

    at_desk(play, keys=TWO)


def _guarded(network: Network, ledger: Ledger, clock: ManualClock) -> httpx2.AsyncClient:
    origin = Origin(
        service="github",
        base=GITHUB,
        headers={"authorization": "Bearer work"},
        maker={"authorization": "Bearer maker"},
    )
    transport = GuardedTransport(
        origins=[origin],
        tickets=ledger,
        clock=clock,
        reads=network,
        fresh=network.fresh,
        redactor=Redactor([]),
    )
    return httpx2.AsyncClient(transport=transport)


NEW = github.create_repository("new", "x")
TREE = github.create_tree("owner/new", SHA, [("a.py", "x = 1\n")])
COMMIT = github.create_commit("owner/new", message="first", tree=SHA, parent=SHA)
MOVE = github.move_branch("owner/new", "main", SHA)
ELSEWHERE = github.create_tree("owner/tool", SHA, [("a.py", "x = 1\n")])
BRANCH = github_patches.create_branch("owner/new", "daily-factory/x", SHA)
STEPS = {
    "a tree where nothing was made": (ELSEWHERE, "work"),
    "the creation": (NEW, "maker"),
    "the first tree": (TREE, "maker"),
    "a tree elsewhere meanwhile": (ELSEWHERE, "work"),
    "the first commit": (COMMIT, "maker"),
    "a branch beside it": (BRANCH, "work"),
    "the branch that is moved to it": (MOVE, "maker"),
    "a second tree": (TREE, "work"),
    "a second commit": (COMMIT, "work"),
}


def _reply(request: httpx2.Request) -> httpx2.Response:
    made = {"sha": SHA, "full_name": "owner/new", "private": True, "created_at": START.isoformat()}
    ref = {"ref": "refs/heads/main", "object": {"sha": SHA}}
    if request.url.path.endswith("/git/refs"):
        ref["ref"] = "refs/heads/daily-factory/x"
    return answer(200 if request.method == "PATCH" else 201, {**made, **ref})


def test_a_ticket_decides_which_token_its_request_leaves_with(ledger: Ledger, clock: ManualClock):
    """From the creation until the first commit is on its branch, in that repository only."""
    network = Network(_reply)
    http = _guarded(network, ledger, clock)

    async def send(nth: int, prepared: Prepared) -> str:
        if prepared is NEW:
            seen = repositories(clock)
            ticket = ledger.hold_repository(prepared, key="new", repo="owner/new", listing=seen)
        else:
            ticket = ledger.hold(prepared, key=f"k{nth}")
        extensions = {"ticket": ticket.id}
        url = GITHUB + prepared.path
        await http.request(prepared.method, url, content=prepared.content, extensions=extensions)
        await http.get(f"{GITHUB}/user")
        assert network.sent[-1].headers["authorization"] == "Bearer work"
        return network.sent[-2].headers["authorization"].removeprefix("Bearer ")

    async def go() -> dict[str, str]:
        steps = enumerate(STEPS.items())
        return {name: await send(nth, prepared) for nth, (name, (prepared, _)) in steps}

    assert run_virtual(go()) == {name: token for name, (_, token) in STEPS.items()}


@pytest.mark.parametrize(
    ("maker", "said"),
    [
        (Token(login="somebody-else"), "somebody-else"),
        (Token(scopes=("repo", "workflow", "delete_repo")), "GITHUB_CREATE_TOKEN has the scope"),
    ],
    ids=["another account's", "one that deletes"],
)
def test_a_second_token_that_must_not_be_used_starts_nothing(maker: Token, said: str):
    """The doctor says why, and no tool gets past it."""

    async def play(desk: Desk) -> None:
        let_in(desk, maker=maker)
        found = (await desk.ask("doctor"))["findings"]
        assert [one["level"] for one in found if said in one["text"]] == ["error"]
        told = await desk.call("github_create_private_repo", name="new-app", description="x")
        assert told.refusal == ("settings", None)
        assert desk.tap.mutations == []

    at_desk(play, keys=TWO)


def test_the_second_token_is_kept_out_of_every_text():
    """By exact value, like the first."""

    async def play(desk: Desk) -> None:
        assert desk.services.redactor.text(f"x {MAKER} y") == "x *** y"

    at_desk(play, keys=TWO)

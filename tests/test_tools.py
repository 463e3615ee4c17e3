"""The tools, over a real MCP client, a real server and a sandbox world in virtual time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

import httpx2
import pytest
from mcp.server import MCPServer
from mcp_types import CallToolResult, Tool

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.clients import jules as api
from mcp_server.clients.jules import StartOptions
from mcp_server.models import Learnt
from mcp_server.sandbox.faults import Fault, Once
from mcp_server.sandbox.mix import CALM, SMALL
from mcp_server.sandbox.session import Order
from mcp_server.services import Services
from mcp_server.tools.result import answer, answering
from tests.agent_cases import OTHER_REPO, REPO, Desk, at_desk

Call = tuple[str, dict[str, object]]
# Well-formed, so that only its key, or its ticket, is wrong.
TITLE = f"[df1 0badcafe 2026-11-23 manual mforged.a1 {'a' * 26}]"
WANTED = api.start_session(StartOptions(prompt="x", title=TITLE, repo=None, branch=None))
STRANGERS = replace(CALM, stale_pulls=1)
WRITES = {"start", "send", "approve", "archive", "create", "merge", "update", "pause", "resume"}


def test_every_tool_is_described_annotated_and_typed() -> None:
    """INTERFACE.md, MCP tools: a model chooses by these, a host asks by them."""

    async def play(desk: Desk) -> list[Tool]:
        return (await desk.client.list_tools()).tools

    for tool in at_desk(play):
        assert len(tool.description or "") > 40, tool.name
        assert tool.output_schema, tool.name
        hints = tool.annotations
        assert hints is not None, tool.name
        assert hints.read_only_hint is not None, tool.name
        assert hints.open_world_hint is not None, tool.name
        if hints.read_only_hint:
            assert not WRITES.intersection(tool.name.split("_")), tool.name
        else:
            assert hints.destructive_hint is not None, tool.name
            assert hints.idempotent_hint is not None, tool.name
        assert tool.input_schema.get("type") == "object", tool.name


READS: list[Call] = [
    ("budget_status", {}),
    ("budget_reconcile", {}),
    ("audit_events", {}),
    ("jules_list_sources", {}),
    ("jules_get_source", {"repo": REPO}),
    ("jules_list_sessions", {}),
    ("github_list_repos", {}),
    ("github_repo_health", {"repos": [REPO]}),
    ("trends_discover", {"limit": 5}),
    ("trends_sources", {}),
    ("trends_match", {"title": "A planner for recipes"}),
]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_both_generations_of_the_protocol_are_spoken(mode: Literal["auto", "legacy"]) -> None:
    """facts/mcp-stack.md: hosts of 2025 and of 2026; reads, a refusal, and the dearest call."""

    async def play(desk: Desk) -> None:
        for tool, arguments in READS:
            told = await desk.call(tool, **arguments)
            assert not told.is_error, told.text
            assert told.text.strip(), tool
            assert told.content, tool
        early = await desk.call("jules_start_session", prompt="Add tests", repo=REPO)
        assert early.refusal == ("refused", "settling")
        assert early.error["retry_at"]
        assert desk.tap.mutations == []
        await desk.settle()
        await desk.start()
        assert len(desk.of_ours()) == 1

    at_desk(play, mode=mode)


def test_the_budgets_numbers_add_up() -> None:
    """Spent, held, external and remaining share the limit; lanes share what is ours."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        await desk.start("kone")
        await desk.start("ktwo", OTHER_REPO)
        desk.world.jules.create(Order(prompt="Mine", title="Mine", repo=REPO), foreign=True)
        await desk.wait(minutes=2)
        told = await desk.ask("budget_status")
        parts = (told["spent"], told["held"], told["external"], told["remaining"])
        assert (told["spent"], told["held"], told["external"]) == (2, 0, 1)
        assert sum(parts) == told["limit"] == CALM.allowance
        assert told["by_lane"] == {"optimize": 2}
        assert sum(release["units"] for release in told["releases"]) == 3
        assert told["concurrent"] == 3
        assert told["requests"] == {
            host: n for host, n in desk.world.requests.items() if host in told["requests"]
        }

    at_desk(play)


def test_the_same_task_and_attempt_never_starts_twice() -> None:
    """INTERFACE.md: the same (task_key, attempt) returns what already happened."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        first = await desk.start("kone")
        again = await desk.start("kone", prompt="Add other tests", title="Other")
        assert (first["already"], again["already"]) == (False, True)
        assert again["session_id"] == first["session_id"]
        assert [one.id for one in desk.of_ours()] == [first["session_id"]]
        second = await desk.start("kone", attempt=2)
        assert second["already"] is False
        assert {one.id for one in desk.of_ours()} == {first["session_id"], second["session_id"]}
        assert desk.broken == []

    at_desk(play)


def test_a_session_of_ours_carries_its_task_in_front_of_a_clean_title() -> None:
    """DESIGN.md section 2, marker; the words after it are a stranger's."""

    async def play(desk: Desk) -> str:
        await desk.settle()
        await desk.start("kone", title="Build: x\nhttps://evil.example/y [df1")
        return desk.of_ours()[0].title

    title = at_desk(play)
    assert title.startswith("[df1 ")
    assert " optimize kone.a1 " in title
    assert "evil.example" not in title
    assert "\n" not in title


def starting(number: int, lane: str, *repos: str) -> list[Call]:
    """Return calls that start so many sessions, in turn on `repos`."""
    wanted: dict[str, object] = {"prompt": "Add tests", "lane": lane}
    return [
        ("jules_start_session", {**wanted, "task_key": f"kearly{n}", "repo": repos[n % len(repos)]})
        for n in range(number)
    ]


ON_GONE: dict[str, object] = {"prompt": "x", "repo": REPO, "branch": "gone", "task_key": "kone"}
# what was done before, the start that is refused, and by which limit
REFUSALS: dict[str, tuple[list[Call], dict[str, object], str]] = {
    "paused": ([("budget_pause", {"reason": "by hand"})], {"prompt": "x"}, "paused"),
    "its share": (
        starting(3, "optimize", REPO),
        {"prompt": "x", "repo": REPO, "lane": "optimize"},
        "per_repository",
    ),
    "manual": (starting(2, "manual", REPO), {"prompt": "x"}, "manual_sessions"),
    "trends": (
        starting(2, "update", REPO),
        {"prompt": "x", "lane": "update", "repo": OTHER_REPO},
        "trend_sessions",
    ),
    "came to nothing": ([("jules_start_session", ON_GONE)], ON_GONE, "attempt"),
}


@pytest.mark.parametrize(("before", "given", "limit"), REFUSALS.values(), ids=REFUSALS)
def test_a_refused_start_says_which_rule_and_what_next(
    before: list[Call], given: dict[str, object], limit: str
) -> None:
    """INTERFACE.md: an error says what to do next; nothing is started."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        for tool, arguments in before:
            await desk.call(tool, **arguments)
        await desk.wait(seconds=1)  # a listing serves three creates
        started = len(desk.of_ours())
        told = await desk.call("jules_start_session", **given)
        assert told.refusal == ("refused", limit)
        assert told.error["message"] in told.text
        assert len(told.text) > len(told.error["message"]) + 10  # the next step
        assert len(desk.of_ours()) == started

    at_desk(play)


MISTAKES: list[tuple[str, dict[str, object]]] = [
    ("not_found", {"prompt": "x", "repo": "factory-owner/none"}),
    ("not_found", {"template": "../standard/AGENTS"}),
    ("bad_argument", {"prompt": "x", "template": "tests"}),
    ("bad_argument", {"repo": REPO}),
    ("bad_argument", {"template": "tests", "repo": REPO}),
    ("bad_argument", {"template": "tests", "variables": {"repo": REPO}, "repo": REPO}),
]


def test_a_mistaken_start_is_the_callers_to_mend() -> None:
    """Unknown repository or template, no text or two, a variable too few: nothing is sent."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        for code, given in MISTAKES:
            told = await desk.call("jules_start_session", **given)
            assert told.refusal == (code, None), given
        assert desk.tap.mutations == []

    at_desk(play)


def test_a_pause_stops_every_mutation_until_it_ends() -> None:
    """DESIGN.md section 5: `budget_pause` stops every ticket of that ledger at once."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        one = (await desk.start())["session_id"]
        await desk.ask("budget_pause", reason="by hand")
        sent = list(desk.tap.mutations)
        for tool, given in (
            ("jules_send_message", {"session_id": one, "message": "Hello"}),
            ("github_create_private_repo", {"name": "new-app", "description": "New"}),
            ("jules_start_session", {"prompt": "x", "repo": OTHER_REPO}),
        ):
            assert (await desk.call(tool, **given)).refusal == ("refused", "paused"), tool
        assert (await desk.ask("budget_status"))["paused"] == "by hand"
        assert desk.tap.mutations == sent
        await desk.ask("budget_resume")
        await desk.ask("jules_send_message", session_id=one, message="Hello")

    at_desk(play)


def test_a_running_session_is_never_archived() -> None:
    """Archiving a running session pauses it for good (facts/jules-api.md 1.4)."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        one = (await desk.start())["session_id"]
        for _ in range(3):
            told = await desk.call("jules_archive_session", session_id=one)
            assert told.refusal == ("refused", "state")
            await desk.wait(minutes=1)
        assert not desk.of_ours()[0].archived
        assert desk.broken == []

    at_desk(play)


def test_a_message_with_one_purpose_is_sent_once() -> None:
    """Two calls with one purpose send once, whatever their words."""

    async def play(desk: Desk) -> tuple[bool, bool, int]:
        await desk.settle()
        one = (await desk.start())["session_id"]
        first = await desk.ask("jules_send_message", session_id=one, message="A", purpose="p")
        again = await desk.ask("jules_send_message", session_id=one, message="B", purpose="p")
        sent = [call for call in desk.tap.mutations if "sendMessage" in call]
        return first["already"], again["already"], len(sent)

    assert at_desk(play) == (False, True, 1)


def test_a_message_whose_answer_was_lost_is_read_back_not_sent_again() -> None:
    """The first call says that it does not know; the second finds the message in the session."""

    async def play(desk: Desk) -> tuple[str, bool, int]:
        await desk.settle()
        one = (await desk.start())["session_id"]
        await desk.wait(minutes=5)
        lost = await desk.call("jules_send_message", session_id=one, message="A", purpose="p")
        again = await desk.ask("jules_send_message", session_id=one, message="A", purpose="p")
        sent = [call for call in desk.tap.mutations if "sendMessage" in call]
        return lost.refusal[0], again["already"], len(sent)

    fault = Once(Fault("timeout_after"), path=":sendMessage")
    assert at_desk(play, fault=fault) == ("ambiguous", True, 1)


def test_somebody_elses_session_is_left_alone() -> None:
    """Sessions of the user, of schedules and of other tools are counted, never touched."""

    async def play(desk: Desk) -> None:
        order = Order(prompt="Mine", title=TITLE, repo=REPO, branch="main")
        foreign = desk.world.jules.create(order, foreign=True)
        for tool, more in (
            ("jules_send_message", {"message": "Stop"}),
            ("jules_approve_plan", {}),
            ("jules_archive_session", {}),
        ):
            told = await desk.call(tool, session_id=foreign.id, **more)
            assert told.refusal == ("refused", "foreign"), tool
        assert desk.tap.mutations == []

    at_desk(play)


def test_somebody_elses_pull_request_is_left_alone() -> None:
    """The gate merges what a session of ours names in its outputs, nothing else."""

    async def play(desk: Desk) -> None:
        repo = desk.world.github.repo(REPO)
        assert repo is not None
        theirs = repo.pulls[1]
        await desk.ask("github_get_pull", repo=REPO, number=1)
        await desk.wait(minutes=15)
        told = await desk.call("github_merge_pull", repo=REPO, number=1, head_sha=theirs.head)
        assert told.content["merged"] is False
        assert told.content["decision"]["verdict"] == "human"
        assert any("no session of ours" in why for why in told.content["decision"]["reasons"])
        updated = await desk.call("github_update_branch", repo=REPO, number=1, head_sha=theirs.head)
        assert updated.refusal == ("refused", "foreign")
        assert desk.tap.mutations == []

    at_desk(play, size=STRANGERS)


def test_only_green_is_merged_and_only_at_the_head_that_was_judged() -> None:
    """DESIGN.md section 5, gate: else the reasons come back and nothing is sent."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        pull = await desk.completed((await desk.start())["session_id"])
        sent = list(desk.tap.mutations)
        given = {"repo": REPO, "number": pull.number}
        early = await desk.ask("github_merge_pull", head_sha=pull.head, **given)
        assert early["merged"] is False
        assert early["merge_sha"] is None
        assert early["decision"]["verdict"] == "wait"
        assert early["decision"]["reasons"]
        stale = await desk.call("github_merge_pull", head_sha="0" * 40, **given)
        assert stale.refusal == ("refused", "head_moved")
        assert desk.tap.mutations == sent
        for _ in range(20):
            view = await desk.ask("github_get_pull", **given)
            if view["decision"]["verdict"] == "merge":
                break
            await desk.wait(minutes=1)
        done = await desk.ask("github_merge_pull", head_sha=pull.head, **given)
        assert done["merged"] is True
        assert done["merge_sha"] == pull.merge_sha
        again = await desk.ask("github_merge_pull", head_sha=pull.head, **given)
        assert again["merged"] is True  # already: nothing is sent again
        assert again["merge_sha"] == pull.merge_sha
        assert desk.tap.mutations[len(sent) :] == [f"PUT /repos/{REPO}/pulls/{pull.number}/merge"]
        assert desk.broken == []

    at_desk(play)


def test_red_is_not_merged_and_the_reasons_say_which_check() -> None:
    """The mutations at the world are counted: none."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        pull = await desk.completed((await desk.start())["session_id"])
        sent = list(desk.tap.mutations)
        given = {"repo": REPO, "number": pull.number, "head_sha": pull.head}
        await desk.wait(minutes=10)
        told = await desk.ask("github_merge_pull", **given)
        assert told["decision"]["verdict"] == "fix"
        assert "failed checks" in told["decision"]["reasons"][0]
        assert told["merged"] is False
        assert desk.tap.mutations == sent

    at_desk(play, life={"first_push_red": True, "fixes_itself": False})


# The ticket that a forgetful tool sends a session start with.
TICKETS: dict[str, Callable[[Services], str | None]] = {
    "none": lambda _: None,
    "made up": lambda _: "t0badcafe-1",
    "used": lambda services: ticket_of(services, "kone.a1"),
    "of another kind": lambda services: services.ledger.hold(api.archive_session("1"), key="x").id,
    "not counted": lambda services: services.ledger.hold(WANTED, key="x").id,
}


def ticket_of(services: Services, key: str) -> str:
    ticket = services.ledger.find("start_session", key)
    assert ticket is not None
    return ticket.id


@pytest.mark.parametrize("ticket", TICKETS.values(), ids=TICKETS)
def test_a_tool_that_does_not_ask_the_budget_is_refused(
    ticket: Callable[[Services], str | None],
) -> None:
    """DESIGN.md section 3: it is refused by the transport, not trusted; I2 and I3."""

    def add(services: Services, server: MCPServer) -> None:
        http = httpx2.AsyncClient(transport=services.transport)
        url = f"{services.settings.jules_url}{WANTED.path}"

        async def start_anyway() -> Annotated[CallToolResult, Learnt]:
            """Start a session without asking the budget."""
            await http.post(
                url,
                content=WANTED.content,
                headers={"content-type": "application/json"},
                extensions={"ticket": ticket(services)},
            )
            return answer("started", Learnt(learnt=(), open_tickets=0))

        server.add_tool(answering(services.redactor, start_anyway))

    async def play(desk: Desk) -> None:
        await desk.settle()
        await desk.start("kone")
        sent = list(desk.tap.mutations)
        assert (await desk.call("start_anyway")).refusal == ("refused", "ticket")
        assert len(desk.of_ours()) == 1
        assert desk.tap.mutations == sent
        assert (await desk.ask("budget_status"))["spent"] == 1
        assert desk.broken == []

    at_desk(play, extra=add)


def test_no_secret_stands_in_what_a_tool_says() -> None:
    """DESIGN.md section 5: both keys are canaries in every read, refusal and schema."""

    async def play(desk: Desk) -> str:
        listed = (await desk.client.list_tools()).tools
        said = [tool.model_dump_json() for tool in listed]
        await desk.settle()
        one = (await desk.start())["session_id"]
        calls = [
            *READS,
            ("jules_get_session", {"session_id": one}),
            ("jules_list_activities", {"session_id": one}),
            ("jules_wait", {"session_id": one, "timeout_seconds": 3600}),
            ("jules_get_session", {"session_id": SANDBOX_JULES_KEY}),
            ("jules_start_session", {"prompt": "x", "repo": f"a/{SANDBOX_GITHUB_TOKEN}"}),
            ("jules_start_session", {"template": SANDBOX_GITHUB_TOKEN}),
        ]
        for tool, given in calls:
            told = await desk.call(tool, **given)
            said.append(f"{told.text} {told.content}")
        return "\n".join(said)

    said = at_desk(play, size=SMALL)
    assert SANDBOX_JULES_KEY not in said
    assert SANDBOX_GITHUB_TOKEN not in said
    assert "***" in said


BAD_ARGUMENTS: list[Call] = [
    ("jules_get_session", {"session_id": "../sources"}),
    ("jules_get_session", {}),
    ("jules_start_session", {"prompt": "x", "lane": "fast"}),
    ("jules_start_session", {"prompt": "x", "attempt": 0}),
    ("jules_start_session", {"prompt": "x", "repo": "no-owner"}),
    ("jules_start_session", {"prompt": "x", "task_key": "K!"}),
    ("github_create_private_repo", {"name": "New App", "description": "x"}),
    ("github_create_private_repo", {"name": "app", "description": "x"}),
    ("github_create_private_repo", {"name": "new-app", "description": ""}),
    ("github_create_private_repo", {"name": "new-app", "description": "a\nb"}),
    ("github_merge_pull", {"repo": REPO, "number": 0, "head_sha": "0" * 40}),
    ("github_merge_pull", {"repo": REPO, "number": 1, "head_sha": "main"}),
    ("trends_discover", {"sources": ["myspace"]}),
    ("trends_match", {"title": ""}),
]


def test_arguments_have_bounds() -> None:
    """INTERFACE.md: typed arguments with bounds; nothing is sent for one out of them."""

    async def play(desk: Desk) -> None:
        for tool, given in BAD_ARGUMENTS:
            told = await desk.call(tool, **given)
            assert told.is_error, (tool, given)
            assert told.text, (tool, given)
            assert "Traceback" not in told.text, (tool, given)
        assert desk.tap.mutations == []

    at_desk(play)


def test_the_ledger_can_be_read_page_by_page() -> None:
    """Every event once, in order; the last page has no cursor."""

    async def play(desk: Desk) -> list[int]:
        for n in range(110):
            desk.services.ledger.pause(f"reason {n}")
            desk.services.ledger.pause(None)
        seen: list[int] = []
        cursor: dict[str, object] = {}
        while True:
            page = await desk.ask("audit_events", **cursor)
            seen += [event["seq"] for event in page["events"]]
            if page["next_cursor"] is None:
                return seen
            cursor = {"cursor": page["next_cursor"]}

    assert at_desk(play) == list(range(1, 222))

"""Acting on sessions through the tools, over the sandbox: from the start to the deletion."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.errors import Refused
from mcp_server.guard import bodies, policy
from mcp_server.models import Started
from mcp_server.sandbox.faults import Exchange, Fault, FaultKind, Once
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.session import Order
from mcp_server.settings import Settings
from tests.agent_cases import OTHER_REPO, REPO, Answer, Desk, at_desk

DASHED = f"sources/github-{REPO.replace('/', '-')}"


async def until(desk: Desk, session_id: str, *words: str) -> dict[str, Any]:
    """Wait until the health of a session is one of these words."""
    for _ in range(200):
        told = await desk.ask("jules_get_session", session_id=session_id)
        if told["health"] in words:
            return told
        await desk.wait(seconds=30)
    raise AssertionError(f"never {words}")


def test_a_session_is_seen_from_its_start_to_its_end():
    """Issue 5, items 3 and 4: each word with the step that leads to the next one."""

    async def play(desk: Desk) -> list[str]:
        await desk.settle()
        started = await desk.start(require_plan_approval=True)
        name = started["session_id"]
        words = [(await desk.ask("jules_get_session", session_id=name))["health"]]
        ready = await desk.ask("jules_wait", session_id=name, timeout_seconds=600)
        words.append(ready["health"])
        assert len(ready["plan_steps"]) == 3
        assert "jules_approve_plan" in ready["next_step"]
        await desk.ask("jules_approve_plan", session_id=name)
        asks = await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        words.append(asks["health"])
        assert asks["question"]["text"] == asks["last_words"] != ""
        await desk.ask("jules_send_message", session_id=name, message="The first one")
        answered = await desk.ask("jules_get_session", session_id=name)
        words.append(answered["health"])
        assert answered["question"] is None
        done = await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        words.append(done["health"])
        told = await desk.ask("jules_get_session", session_id=f"sessions/{name}")
        assert told["session"]["pull"]["url"] in told["evidence"]
        patch = (await desk.ask("jules_get_patch", session_id=told["session"]["url"]))["patch"]
        assert patch["base_commit"]
        assert patch["files"]
        assert desk.broken == []
        return words

    words = at_desk(play, life={"asks_at": 1})
    assert words == ["working", "plan_ready", "asking", "working", "done"]


@pytest.mark.parametrize("kind", ["timeout_after", "reset_before"])
def test_words_sent_before_do_not_prove_that_they_were_sent_again(kind: FaultKind):
    """A second nudge in the words of the first: lost, it is found, or sent once more."""

    async def play(desk: Desk) -> tuple[bool, int]:
        await desk.settle()
        name = (await desk.start())["session_id"]
        await desk.ask("jules_send_message", session_id=name, message="Go on", purpose="first")
        second = {"session_id": name, "message": "Go on ", "purpose": "second"}
        lost = await desk.call("jules_send_message", **second)
        assert lost.refusal[0] == "ambiguous"
        await desk.wait(minutes=11)
        again = await desk.ask("jules_send_message", **second)
        did = desk.world.jules.sessions[name].activities
        return again["already"], sum(one.event == "userMessaged" for one in did)

    happened = not kind.endswith("before")
    assert at_desk(play, fault=Once(Fault(kind), mutation=3)) == (happened, 2)


def test_each_plan_of_a_session_is_approved_once():
    """A message may ask for another plan: that one was not approved with the first."""

    async def play(desk: Desk) -> list[bool]:
        await desk.settle()
        name = (await desk.start(require_plan_approval=True))["session_id"]
        await until(desk, name, "plan_ready")
        one = desk.world.jules.sessions[name]
        told = [(await desk.ask("jules_approve_plan", session_id=name))["already"]]
        told.append((await desk.ask("jules_approve_plan", session_id=name))["already"])
        first = next(item for item in one.activities if item.event == "planGenerated")
        one.generation += 1  # what it had in mind gives way to the new plan
        one.activities.append(replace(first, id="second", at=desk.world.now()))
        one.waiting, one.state, one.updated = (
            "approval",
            "AWAITING_PLAN_APPROVAL",
            desk.world.now(),
        )
        told.append((await desk.ask("jules_approve_plan", session_id=name))["already"])
        assert one.state == "IN_PROGRESS"
        assert sum(call.endswith(":approvePlan") for call in desk.tap.mutations) == 2
        return told

    assert at_desk(play) == [False, True, False]


def test_a_session_that_falls_silent_is_nudged_twice_and_then_stuck():
    """Facts 2.1: fifteen minutes, and answers come within eight."""

    async def play(desk: Desk) -> list[tuple[str, bool]]:
        await desk.settle()
        name = (await desk.start())["session_id"]
        one = desk.world.jules.sessions[name]
        seen = [await until(desk, name, "silent")]
        one.generation += 1  # nothing it had in mind happens any more: no answer either
        one.waiting = None
        for nudge in ("Go on", "Finish the task"):
            await desk.ask("jules_send_message", session_id=name, message=nudge)
            one.generation += 1
            seen.append(await desk.ask("jules_get_session", session_id=name))
            seen.append(await desk.ask("jules_wait", session_id=name, timeout_seconds=3600))
        return [(told["health"], told["needs_somebody"]) for told in seen]

    waiting, calls = ("silent", False), ("silent", True)
    assert at_desk(play, life={"silent_at": 1}) == [calls, waiting, calls, waiting, ("stuck", True)]


@pytest.mark.parametrize(
    ("life", "evidence"),
    [
        ({"outcome": "fail", "reason": "No disk."}, "failed: No disk."),
        ({"outcome": "fail", "reason": ""}, "failed without a reason"),
        ({"outcome": "pause"}, "Jules paused it"),
        ({"opens_pull": False, "outputs_empty": True}, "done, with a patch and no pull request"),
    ],
)
def test_an_end_is_told_with_its_evidence(life: dict[str, object], evidence: str):
    """Issue 5, item 3; a diff that stands in the activities only is found there."""

    async def play(desk: Desk) -> str:
        await desk.settle()
        name = (await desk.start())["session_id"]
        told = await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        if "patch" in evidence:
            found = await desk.ask("jules_get_patch", session_id=name)
            assert found["found_in"] not in ("outputs", "nowhere")
            assert found["patch"]["diff"]
        return told["evidence"]

    assert evidence in at_desk(play, life=life)


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing():
    """INTERFACE.md: dry_run; the marker, the title and what is free are those of the real start."""

    async def play(desk: Desk) -> tuple[Started, Started]:
        early = await desk.call("jules_start_session", prompt="x", repo=REPO, dry_run=True)
        assert early.refusal == ("refused", "settling")
        await desk.settle()
        given: dict[str, Any] = {"prompt": "Add tests", "repo": REPO, "task_key": "kdry"}
        told = await desk.call("jules_start_session", **given, dry_run=True)
        assert not told.is_error
        assert "Add tests" in told.text
        assert desk.tap.mutations == []
        real = await desk.ask("jules_start_session", **given)
        await desk.ask("budget_pause", reason="by hand")
        paused = await desk.call("jules_start_session", prompt="y", dry_run=True)
        assert paused.refusal == ("refused", "paused")
        return Started.model_validate(told.content), Started.model_validate(real)

    dry, real = at_desk(play)
    assert (dry.session_id, dry.dry_run, dry.remaining) == ("", True, CALM.allowance)
    assert (real.dry_run, real.remaining) == (False, CALM.allowance - 1)
    assert (dry.title, dry.marker) == (real.title, real.marker)
    assert real.marker is not None
    assert real.marker.valid


def test_a_dry_run_is_refused_by_the_same_limits():
    """Else it would promise what the guard does not keep."""

    async def play(desk: Desk) -> tuple[str, str | None]:
        await desk.settle()
        for n in range(2):
            await desk.ask("jules_start_session", prompt=f"x{n}")
        return (await desk.call("jules_start_session", prompt="y", dry_run=True)).refusal

    assert at_desk(play) == ("refused", "manual_sessions")


@pytest.mark.parametrize("name", [REPO, f"github/{REPO}", f"https://github.com/{REPO}", DASHED])
def test_a_repository_is_named_in_any_form_and_sent_in_the_true_one(name: str):
    """Facts 2.6; one task under all its names, so it starts once."""

    async def play(desk: Desk) -> tuple[str | None, bool, str]:
        await desk.settle()
        await desk.start("kname", name)
        again = await desk.start("kname", REPO)
        source = (await desk.ask("jules_get_source", repo=name))["source"]
        return desk.of_ours()[0].order.repo, again["already"], source["default_branch"]

    assert at_desk(play) == (REPO, True, "main")


@pytest.mark.parametrize("form", ["{}", "sessions/{}", "https://jules.google.com/session/{}"])
def test_a_session_is_the_same_under_every_form_of_its_name(form: str):
    """Facts 2.6: what was read of it may be said to it, and to no other repository's."""

    async def play(desk: Desk) -> tuple[bool, str | None]:
        await desk.settle()
        name = (await desk.start("kone"))["session_id"]
        other = (await desk.start("ktwo", OTHER_REPO))["session_id"]
        read = await desk.ask("jules_get_session", session_id=form.format(name))
        words = f"Go on with {read['session']['title']}"
        told = [
            await desk.call("jules_send_message", session_id=form.format(one), message=words)
            for one in (other, name)
        ]
        return told[1].is_error, told[0].error["limit"]

    assert at_desk(play) == (False, "origin")


def test_without_auto_pr_there_is_a_patch_and_no_pull_request():
    """INTERFACE.md: auto_pr; the guard's body leaves the automation mode out."""

    async def play(desk: Desk) -> tuple[bool, bool, str]:
        await desk.settle()
        name = (await desk.start(auto_pr=False))["session_id"]
        told = await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        order = desk.of_ours()[0].order
        return order.auto_pull, order.needs_approval, told["evidence"]

    assert at_desk(play) == (False, False, "done, with a patch and no pull request")


def test_a_session_can_be_put_away_and_fetched_back_more_than_once():
    """Each act once for each call that finds it undone; a repetition sends nothing."""

    async def play(desk: Desk) -> tuple[list[bool], list[str]]:
        await desk.settle()
        name = (await desk.start(auto_pr=False))["session_id"]
        await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        sent, already = len(desk.tap.mutations), list[bool]()
        for _ in range(2):
            for act in ("archive", "archive", "unarchive", "unarchive"):
                told = await desk.ask(f"jules_{act}_session", session_id=name)
                already.append(told["already"])
        return already, [call.rpartition(":")[2] for call in desk.tap.mutations[sent:]]

    already, sent = at_desk(play)
    assert already == [False, True] * 4
    assert sent == ["archive", "unarchive"] * 2


def test_an_unarchiving_whose_answer_was_lost_is_read_back():
    """In doubt, then found; the ticket is settled and nothing is sent again."""

    async def play(desk: Desk) -> tuple[str, bool, int, int]:
        await desk.settle()
        name = (await desk.start(auto_pr=False))["session_id"]
        await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        await desk.ask("jules_archive_session", session_id=name)
        lost = await desk.call("jules_unarchive_session", session_id=name)
        again = await desk.ask("jules_unarchive_session", session_id=name)
        sent = sum(":unarchive" in call for call in desk.tap.mutations)
        return lost.refusal[0], again["already"], sent, len(desk.services.ledger.open_tickets())

    fault = Once(Fault("timeout_after"), path=":unarchive")
    assert at_desk(play, fault=fault) == ("ambiguous", True, 1, 0)


def test_deletion_is_off_unless_the_operator_s_environment_switches_it_on():
    """DESIGN.md section 5: refused by the tool, and by the policy whoever asks."""

    async def play(desk: Desk) -> tuple[tuple[str, str | None], list[str]]:
        await desk.settle()
        name = (await desk.start(auto_pr=False))["session_id"]
        await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
        sent = len(desk.tap.mutations)
        told = await desk.call("jules_delete_session", session_id=name, confirm=True)
        assert "FACTORY_ENABLE_DELETE" in told.text
        return told.refusal, desk.tap.mutations[sent:]

    assert at_desk(play) == (("refused", "deletion_off"), [])


@pytest.mark.parametrize(
    ("path", "body", "query", "switched_on", "passes"),
    [
        ("/sessions/s1", b"", (), (), False),
        ("/sessions/s1", b"", (), ("delete_session",), True),
        ("/sessions/s1", b"{}", (), ("delete_session",), False),
        ("/sessions/s1", b"", ("force",), ("delete_session",), False),
        ("/sessions/s1/activities/a1", b"", (), ("delete_session",), False),
        ("/sessions", b"", (), ("delete_session",), False),
        ("/sources/github/a/b", b"", (), ("delete_session",), False),
    ],
)
def test_the_policy_lets_a_deletion_out_where_it_is_switched_on_and_nothing_else(
    path: str, body: bytes, query: tuple[str, ...], switched_on: tuple[str, ...], passes: bool
):
    """One path, no body, no query."""
    try:
        rule = policy.decide("jules", "DELETE", path, query, {}, body, switched_on=switched_on)
    except Refused:
        assert not passes
        return
    assert passes
    assert (rule.kind, rule.body) == ("delete_session", bodies.Absent)


DELETING = Settings(
    allowance=CALM.allowance,
    jules_api_key=SecretStr(SANDBOX_JULES_KEY),
    github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    enable_delete=True,
)


async def finished(desk: Desk) -> str:
    """Return a session of ours that has come to rest without a pull request."""
    await desk.settle()
    name = str((await desk.start(auto_pr=False))["session_id"])
    await desk.ask("jules_wait", session_id=name, timeout_seconds=3600)
    return name


def test_a_deleted_session_is_gone_once_and_still_counts():
    """Facts 1.4: for good; the ledger keeps what it has seen (I1)."""

    async def play(desk: Desk) -> None:
        name = await finished(desk)
        unmeant = await desk.call("jules_delete_session", session_id=name, confirm=False)
        assert unmeant.refusal == ("bad_argument", None)
        told = [
            await desk.ask("jules_delete_session", session_id=name, confirm=True) for _ in range(2)
        ]
        assert [one["already"] for one in told] == [False, True]
        assert name not in desk.world.jules.sessions
        assert [call for call in desk.tap.mutations if call.startswith("DELETE")] == [
            f"DELETE /v1alpha/sessions/{name}"
        ]
        await desk.wait(minutes=2)
        assert (await desk.ask("budget_status"))["spent"] == 1
        events = (await desk.ask("audit_events", task=name))["events"]
        kinds = [event["data"].get("kind") for event in events if event["kind"] == "held"]
        assert kinds == ["delete_session"]
        unknown = await desk.call("jules_delete_session", session_id="12345", confirm=True)
        assert unknown.refusal == ("not_found", None)

    at_desk(play, keys=DELETING)


@pytest.mark.parametrize(
    "kind", ["timeout_after", "reset_after", "truncated_after", "reset_before"]
)
def test_a_deletion_whose_answer_was_lost_is_read_back(kind: FaultKind):
    """In doubt; what is gone is then seen to be gone, what is not is left until it is sure."""

    async def play(desk: Desk) -> tuple[str, bool, int]:
        name = await finished(desk)
        lost = await desk.call("jules_delete_session", session_id=name, confirm=True)
        await desk.wait(minutes=11)
        again = await desk.ask("jules_delete_session", session_id=name, confirm=True)
        assert desk.services.ledger.open_tickets() == ()
        sent = sum(call.startswith("DELETE") for call in desk.tap.mutations)
        return lost.refusal[0], again["already"], sent

    def fault(exchange: Exchange) -> Fault | None:
        return once(exchange) if exchange.method == "DELETE" else None

    once = Once(Fault(kind), path="/sessions/")
    happened = not kind.endswith("before")
    expected = ("ambiguous", happened, 1 if happened else 2)
    assert at_desk(play, keys=DELETING, fault=fault) == expected


def test_what_still_works_or_is_somebody_else_s_is_not_deleted_either():
    """As for archiving: a running session, one with an open pull request, a stranger's."""

    async def play(desk: Desk) -> list[tuple[str, str | None]]:
        order = Order(prompt="Mine", title="Mine", repo=REPO, branch="main")
        theirs = desk.world.jules.create(order, foreign=True).id
        await desk.settle()
        ours = (await desk.start())["session_id"]
        running = await delete(desk, ours)
        await desk.completed(ours)
        told = [running, await delete(desk, ours), await delete(desk, theirs)]
        assert not any(call.startswith("DELETE") for call in desk.tap.mutations)
        return [one.refusal for one in told]

    expected = [("refused", "state"), ("refused", "open_pull"), ("refused", "foreign")]
    assert at_desk(play, keys=DELETING) == expected


async def delete(desk: Desk, session_id: str) -> Answer:
    """Ask for the deletion of a session."""
    return await desk.call("jules_delete_session", session_id=session_id, confirm=True)

"""Before a create task is done: its tree is audited, asked about once, repaired, and listed."""

from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from agent.answers import drop
from agent.lifecycle import Observation, Policy, next_action
from agent.planner.repair import repair_of
from agent.state import State
from mcp_server.sandbox.life import Life
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.visitor import scripted
from tests.agent_cases import HEAD, LACKING, NOW, REPO, decision, progress, pull, session
from tests.day_cases import NEW, Day, carry_out

POLICY = Policy()
OLD_HEAD = "b" * 40


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def green(state: str = "COMPLETED", **changes: object) -> Observation:
    """Return a pull request that may be merged, whose tree lacks something."""
    seen = Observation(session=session(state, with_pull=True), pull=pull(), audit=LACKING)
    return replace(seen, **({"decision": decision("merge")} | changes))  # pyright: ignore[reportArgumentType] -- fields of Observation


@pytest.mark.parametrize(
    ("lane", "changes", "seen", "expected"),
    [
        ("create", {}, green(), "complete"),
        ("create", {}, green(audit=None), "merge"),
        ("create", {}, green(audit=LACKING.model_copy(update={"items": ()})), "merge"),
        (
            "create",
            {},
            green(audit=LACKING.model_copy(update={"items": LACKING.items[1:]})),
            "merge",
        ),
        ("update", {}, green(), "merge"),
        ("repair", {}, green(), "merge"),
        ("create", {}, green(state="FAILED"), "merge"),
        ("create", {"merging": True}, green(), "merge"),
        ("create", {"asked_head": HEAD, "spoke_at": ago(19)}, green(), "wait"),
        ("create", {"asked_head": HEAD, "spoke_at": ago(20)}, green(), "merge"),
        ("create", {"asked_head": OLD_HEAD, "spoke_at": ago(1)}, green(), "merge"),
        ("create", {"asked_head": HEAD}, green(), "merge"),
        ("create", {}, green(decision=decision("wait")), "wait"),
    ],
)
def test_what_a_new_tree_lacks_is_asked_for_once_before_the_merge(
    lane: str, changes: dict[str, object], seen: Observation, expected: str
) -> None:
    """Issue 6 point 4; what is unknown is a person's to find out, not a session's."""
    action = next_action(progress(lane, **changes), seen, NOW, POLICY)
    assert action.kind == expected


def test_the_session_is_told_what_is_missing_and_how_it_is_mended() -> None:
    """And nothing of what is only unknown."""
    action = next_action(progress("create"), green(), NOW, POLICY)
    assert action.text == "SECURITY.md: none; add it"
    assert action.head_sha == HEAD


def test_only_merged_work_of_a_new_repository_is_repaired() -> None:
    """A repair is not repaired: what it leaves, a person sees in the checklist."""
    made = progress("create", status="merged", audit=LACKING)
    task = repair_of(made, "2026-11-23")
    assert task is not None
    assert (task.lane, task.prompt, task.spare) == ("repair", "standard", True)
    assert task.variables == {"repo": REPO, "evidence": "SECURITY.md: none; add it"}
    for other in (
        made.model_copy(update={"status": "parked"}),
        made.model_copy(update={"audit": None}),
        made.model_copy(update={"audit": LACKING.model_copy(update={"items": ()})}),
        progress("repair", status="merged", audit=LACKING),
    ):
        assert repair_of(other, "2026-11-23") is None


def audited_lines(day: Day) -> dict[str, str]:
    """Return the checklist of the one new repository: state by what is asked for."""
    (found,) = day.result.report.review_before_public
    return {line.what: line.state for line in found.checklist}


def test_what_a_new_tree_lacks_is_asked_of_its_session_once_and_then_merged(
    tmp_path: Path,
) -> None:
    """Issue 6 point 4: before a create task is done its tree is audited."""
    day = carry_out(tmp_path, NEW, script=scripted(leaves_out=True))
    assert day.ends == {"knew": "merged"}
    assert day.sent(":sendMessage") == 1
    assert len(day.sessions) == 1
    assert (len(audited_lines(day)), set(audited_lines(day).values())) == (14, {"ok"})
    assert day.nights.rules_broken == []


STUBBORN = scripted(leaves_out=True, completes=False)


def test_what_is_still_missing_becomes_a_repair_that_makes_it_good(tmp_path: Path) -> None:
    """Asked once; then a session of its own, after what was planned, in the lane `repair`."""

    def script(entity: str, life: Life) -> Life:
        return STUBBORN(entity, life) if "knew" in entity else life

    day = carry_out(tmp_path, NEW, script=script)
    (repair,) = (one for one in day.tasks.values() if one.lane == "repair")
    assert (day.ends["knew"], repair.state) == ("merged", "merged")
    assert (repair.repo, day.sent(":sendMessage"), len(day.sessions)) == (NEW.repo, 1, 2)
    assert set(audited_lines(day).values()) == {"ok"}
    assert day.nights.rules_broken == []


def test_a_repair_that_finds_no_unit_waits_for_the_next_day(tmp_path: Path) -> None:
    """No plan repeats it; and a day that had no unit for it is not cut off."""
    size = replace(CALM, allowance=1)
    day = carry_out(tmp_path, NEW, script=STUBBORN, size=size)
    assert (day.ends, day.result.report.run.exit) == ({"knew": "merged"}, 0)
    assert audited_lines(day)["AGENTS.md"] == "ok"
    assert "missing" in audited_lines(day).values()
    with closing(State(f"sqlite:///{tmp_path / '0.db'}")) as state:
        (waiting,) = state.unfinished_before("2026-11-24")
        assert (waiting.task.lane, waiting.status) == ("repair", "planned")
        drop(state, waiting.task.key)
        assert state.unfinished_before("2026-11-24") == ()

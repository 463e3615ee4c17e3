"""The sandbox's Jules, point by point: facts/jules-api.md section 8, over raw HTTP in process.

What `test_world_jules.py` shows is named in `ELSEWHERE`, not shown again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import pytest

from mcp_server.sandbox.life import STEERS
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.visitor import Visitor, visit
from tests import test_world_jules
from tests.jules_life_points import LIFE_POINTS
from tests.jules_points import COMMON, Point, activities, refusal, steered
from tests.jules_wire_points import WIRE_POINTS

POINTS = [*WIRE_POINTS, *LIFE_POINTS]
# Where the rest of the checklist is shown.
ELSEWHERE: Mapping[str, tuple[Callable[..., object], ...]] = {
    "1": (test_world_jules.test_a_created_session_has_the_true_form,),
    "2": (test_world_jules.test_pages_cover_every_source_once_and_in_order,),
    "3": (
        test_world_jules.test_archived_sessions_are_listed_by_the_three_filters_only,
        test_world_jules.test_what_the_api_refuses_is_refused_in_googles_envelope,
    ),
    "5": (test_world_jules.test_activities_hide_for_a_moment_and_are_read_on_from_a_time,),
    "6": (
        test_world_jules.test_archiving_a_running_session_pauses_it_for_good,
        test_world_jules.test_a_deleted_session_is_gone_but_still_counts,
    ),
    "7": (test_world_jules.test_a_plan_waits_for_approval_once,),
    "8": (
        test_world_jules.test_the_plans_cap_is_rolling,
        test_world_jules.test_sessions_over_the_concurrent_cap_wait_queued,
        test_world_jules.test_activity_lists_are_limited_by_the_minute,
    ),
    "9": (test_world_jules.test_a_missing_key_gets_the_misleading_401,),
    "10": (
        test_world_jules.test_the_pull_request_shows_after_completion_and_the_diff_is_whole,
        test_world_jules.test_a_repoless_session_gives_a_change_set_only,
        test_world_jules.test_a_message_to_a_finished_session_pushes_a_new_head,
        test_world_jules.test_a_new_repository_becomes_a_source_late_or_never,
    ),
}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_the_sandbox_has_the_point_of_the_checklist(point: Point):
    """facts/jules-api.md section 8, by its number; `7.` is section 7."""
    assert visit(point.play, size=point.size) == point.seen


def test_every_point_of_the_checklist_is_shown():
    """Ten of them; a point that nobody shows is a promise."""
    shown = {point.name.partition(" ")[0] for point in POINTS} | set(ELSEWHERE)
    assert shown == {*(f"{number}" for number in range(1, 11)), "7."}


STEERED = [
    ("calm quick", "COMPLETED", "sessionCompleted"),
    ("calm asks", "AWAITING_USER_FEEDBACK", "agentMessaged"),
    ("calm falls-silent", "IN_PROGRESS", "progressUpdated"),
    ("calm pauses", "PAUSED", "progressUpdated"),
    ("calm fails", "FAILED", "sessionFailed: The task could not be completed."),
    ("calm fails-without-reason", "FAILED", "sessionFailed"),
    ("calm change-set-too", "COMPLETED", "sessionCompleted"),
    (
        "calm pauses\nsandbox-life: fails",
        "FAILED",
        "sessionFailed: The task could not be completed.",
    ),
]
# Words that a point of the checklist needs.
STEERED_ABOVE = {"no-outputs", "output-late", "odd-activity", "answer-lost", "unavailable"}


@pytest.mark.parametrize(("words", "state", "last"), STEERED)
def test_a_line_of_the_prompt_steers_a_sessions_life(words: str, state: str, last: str):
    """For clients of a served world, who cannot reach into it; a later word wins."""

    async def play(v: Visitor) -> tuple[dict[str, Any], dict[str, Any]]:
        session_id = await steered(v, words)
        await v.wait(minutes=90)
        session = (await v.jules("GET", f"/sessions/{session_id}")).json()
        return session, (await activities(v, session_id))[-1]

    session, activity = visit(play, size=CALM)
    kind = next(iter(activity.keys() - COMMON))
    reason = activity[kind].get("reason")
    assert session["state"] == state
    assert (f"{kind}: {reason}" if reason else kind) == last
    if "change-set-too" in words:
        assert [list(one) for one in session["outputs"]] == [["pullRequest"], ["changeSet"]]


def test_a_word_that_steers_nothing_is_refused():
    """A misspelt one would leave all to chance."""

    async def play(v: Visitor) -> httpx2.Response:
        return await v.jules("POST", "/sessions", {"prompt": "x\nsandbox-life: calm qwick"})

    code, status, (violated,) = refusal(visit(play, size=CALM))
    assert (code, status, violated["field"]) == (400, "INVALID_ARGUMENT", "session.prompt")
    assert "qwick" in violated["description"]


def test_every_word_that_steers_is_shown():
    """Here or in a point above."""
    words = {word for row in STEERED for word in row[0].replace("sandbox-life:", "").split()}
    assert words | STEERED_ABOVE == set(STEERS)

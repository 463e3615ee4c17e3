"""The health of a session: one word for what its state and activities show, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.histories import MOST_ACTIVITIES, History
from mcp_server.insight.watching import read_signs, watch
from mcp_server.models import STATES, Activity, PullOutput, SessionHealth
from tests.agent_cases import NOW, PULL_URL, session

Sign = tuple[float, str] | tuple[float, str, str | None]
WORK, ASK, TOLD = "progressUpdated", "agentMessaged", "userMessaged"
DONE, FAILED, PLAN = "sessionCompleted", "sessionFailed", "planGenerated"


def activities(*signs: Sign) -> list[Activity]:
    """Return activities of so many minutes ago, by their usual author unless one is named."""
    return [
        Activity(
            id=f"a{nth}",
            at=NOW - timedelta(minutes=sign[0]),
            kind=sign[1],
            originator=sign[2] if len(sign) == 3 else "user" if sign[1] == TOLD else "agent",
            text=f"words of {nth}",
            plan_steps=("read", "write") if sign[1] == PLAN else (),
        )
        for nth, sign in enumerate(signs)
    ]


@dataclass(frozen=True)
class Case:
    """What is seen, activities by minutes ago; the word, whether it needs somebody, and why."""

    state: str
    signs: Sequence[Sign]
    word: SessionHealth
    needs_somebody: bool
    evidence: str
    has: Mapping[str, object] = field(default_factory=dict[str, object])


PULL = PullOutput(url=PULL_URL)
# Old enough for a pull request to show.
LONG_AGO = {"updated_at": NOW - timedelta(minutes=2)}

CASES = {
    "just made": Case("QUEUED", [], "working", False, "queued for 60 min"),
    "planning": Case("PLANNING", [], "working", False, "0 min ago", {"created_at": NOW}),
    "at work": Case("IN_PROGRESS", [(30, PLAN), (14.9, WORK)], "working", False, "14 min"),
    "a quarter of an hour": Case("IN_PROGRESS", [(15, WORK)], "silent", True, "15 min"),
    "never a word": Case("IN_PROGRESS", [], "silent", True, "60 min"),
    "our words are none of its": Case(
        "IN_PROGRESS", [(40, WORK), (20, TOLD)], "silent", True, "40 min; 1 messages"
    ),
    "the system's are none": Case(
        "IN_PROGRESS", [(40, WORK), (1, "planApproved", "system")], "silent", True, "40 min"
    ),
    "nobody's, of a kind the agent writes": Case(
        "IN_PROGRESS", [(40, WORK), (1, WORK, None)], "working", False, "1 min ago"
    ),
    "nobody's, of no known kind": Case(
        "IN_PROGRESS", [(40, WORK), (1, "newThing", None)], "silent", True, "40 min"
    ),
    "nudged a moment ago": Case(
        "IN_PROGRESS", [(40, WORK), (2, TOLD)], "silent", False, "the last one is young"
    ),
    "nudged twice": Case(
        "IN_PROGRESS", [(60, WORK), (40, TOLD), (16, TOLD)], "stuck", True, "2 messages unanswered"
    ),
    "nudged twice, the second just now": Case(
        "IN_PROGRESS",
        [(60, WORK), (40, TOLD), (14, TOLD)],
        "silent",
        False,
        "2 messages unanswered",
    ),
    "answered between two nudges": Case(
        "IN_PROGRESS",
        [(60, WORK), (50, TOLD), (40, WORK), (20, TOLD)],
        "silent",
        True,
        "1 messages unanswered",
    ),
    "asking": Case("AWAITING_USER_FEEDBACK", [(90, PLAN), (40, ASK)], "asking", True, "words of 1"),
    "asking without words": Case("AWAITING_USER_FEEDBACK", [], "asking", True, "waits for"),
    "asking, and written on": Case(
        "AWAITING_USER_FEEDBACK", [(40, ASK), (30, WORK)], "asking", True, "words of 0"
    ),
    "answered": Case(
        "AWAITING_USER_FEEDBACK", [(40, ASK), (1, TOLD)], "working", False, "was answered"
    ),
    "answered in vain": Case(
        "AWAITING_USER_FEEDBACK", [(40, ASK), (20, TOLD)], "silent", True, "1 messages"
    ),
    "a plan waits": Case("AWAITING_PLAN_APPROVAL", [(99, PLAN)], "plan_ready", True, "2 steps"),
    "paused": Case("PAUSED", [(33, WORK)], "paused", True, "33 min ago"),
    "done, with a pull request": Case(
        "COMPLETED", [(99, DONE)], "done", True, "/pull/7", {"pull": PULL}
    ),
    "done, with a patch": Case(
        "COMPLETED", [(9, DONE)], "done", True, "a patch", {"has_patch": True, **LONG_AGO}
    ),
    "done, with nothing": Case("COMPLETED", [(9, DONE)], "done", True, "nothing came", LONG_AGO),
    "done, and no activity to be seen": Case(
        "COMPLETED", [], "done", True, "nothing came", LONG_AGO
    ),
    "done a moment ago": Case("COMPLETED", [(1, DONE)], "done", False, "may show late"),
    "done a moment ago, with a pull request": Case(
        "COMPLETED", [(1, DONE)], "done", True, "/pull/7", {"pull": PULL}
    ),
    "done a moment ago, without a repository": Case(
        "COMPLETED", [(1, DONE)], "done", True, "a patch", {"repo": None, "has_patch": True}
    ),
    "failed": Case("FAILED", [(9, FAILED)], "failed", True, "words of 0"),
    "failed, as the system says": Case(
        "FAILED", [(9, FAILED, "system")], "failed", True, "words of 0"
    ),
    "at work, by an author nobody knows": Case(
        "IN_PROGRESS", [(40, WORK), (1, WORK, "AGENT")], "working", False, "1 min ago"
    ),
    "a plan that the system tells": Case(
        "AWAITING_PLAN_APPROVAL", [(9, PLAN, "system")], "plan_ready", True, "2 steps"
    ),
    "failed without a reason": Case("FAILED", [(9, WORK)], "failed", True, "without a reason"),
    "wrote after its end": Case(
        "COMPLETED",
        [(90, DONE), (5, WORK)],
        "revived",
        True,
        "wrote again",
        {"pull": PULL},
    ),
    "at work after its end": Case(
        "IN_PROGRESS", [(90, DONE), (5, WORK)], "revived", False, "after its end"
    ),
    "at work again, its clock still": Case("IN_PROGRESS", [(90, DONE)], "revived", False, "again"),
    "spoken to after its end, a moment ago": Case(
        "IN_PROGRESS", [(300, DONE), (1, TOLD)], "revived", False, "again"
    ),
    "spoken to after its end, in vain": Case(
        "IN_PROGRESS", [(300, DONE), (100, TOLD)], "silent", True, "1 messages"
    ),
    "spoken to twice after its end, in vain": Case(
        "IN_PROGRESS", [(300, DONE), (200, TOLD), (100, TOLD)], "stuck", True, "2 messages"
    ),
    "silent after its end": Case("IN_PROGRESS", [(90, DONE), (20, WORK)], "silent", True, "20 min"),
    "done a second time": Case(
        "COMPLETED", [(9, DONE), (5, WORK), (1, DONE)], "done", False, "done"
    ),
    "our words do not revive": Case("COMPLETED", [(9, DONE), (5, TOLD)], "done", False, "done"),
    "archived while it ran": Case(
        "PAUSED", [(9, WORK)], "paused", True, "archived", {"archived": True}
    ),
    "archived at work": Case(
        "IN_PROGRESS", [(9, WORK)], "working", True, "archi", {"archived": True}
    ),
    "no word of ours": Case("SLEEPING", [(1, WORK)], "unknown", True, "'SLEEPING'"),
    "an older client's word": Case("ACTIVE", [(1, WORK)], "unknown", True, "'ACTIVE'"),
    "said to be unsaid": Case("STATE_UNSPECIFIED", [], "unknown", True, "STATE_UNSPECIFIED"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_word_says_how_a_session_is(case: Case):
    """Issue 5, item 3; the clock and the figures are facts/jules-api.md 2.1."""
    one = session(case.state).model_copy(update=dict(case.has))
    found = watch(one, read_signs(activities(*case.signs)), NOW)
    assert (found.health, found.needs_somebody) == (case.word, case.needs_somebody)
    assert case.evidence in found.evidence
    assert found.next_step


def test_every_state_that_jules_has_is_judged():
    """A state without a row would read as one that nobody knows."""
    words = {state: watch(session(state), read_signs([]), NOW).health for state in STATES}
    assert [state for state, word in words.items() if word == "unknown"] == ["STATE_UNSPECIFIED"]


def test_what_was_said_last_counts():
    """The plan, the question and the last words are the latest; an answer ends a question."""
    signs = read_signs(activities((50, PLAN), (40, ASK), (30, WORK), (20, ASK)))
    assert signs.plan_steps == ("read", "write")
    assert signs.question is not None
    assert signs.question.activity_id == "a3"
    assert read_signs(activities((40, ASK), (20, TOLD))).question is None
    assert read_signs(activities((40, ASK), (20, TOLD), (10, WORK))).question is None


def test_a_question_stands_until_a_user_answers_whatever_else_is_written():
    """Facts 2.1: the state says that it waits; progress that is written late answers nothing."""
    asked = activities((40, ASK), (20, WORK), (10, PLAN), (9, "planApproved", "user"))
    undated = asked[1].model_copy(update={"id": "a9", "at": None})
    for listed in (asked, [*asked, undated], [asked[0].model_copy(update={"at": None}), undated]):
        signs = History().with_more(listed).signs
        found = watch(session("AWAITING_USER_FEEDBACK"), signs, NOW)
        assert (found.health, found.evidence) == ("asking", "it asks: words of 0")
        assert signs.question is not None
        assert signs.question.activity_id == "a0"
    answer = Activity(id="a8", kind=TOLD, originator="user")
    assert History().with_more([*asked, answer]).signs.question is None


KINDS = (WORK, ASK, TOLD, DONE, FAILED, PLAN, "planApproved", "none")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from(("agent", "user", "system", None)),
            st.sampled_from((None, 0, 3, 30)),
            st.sampled_from((1, 1, 1, 2, MOST_ACTIVITIES)),
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_in_how_many_parts_a_history_is_read_makes_no_difference(
    runs: list[tuple[str, str | None, int | None, int]], cuts: list[int]
):
    """Issue 5, item 3: what fell out of the kept window, ties and missing times included."""
    at, whole = NOW - timedelta(hours=9), list[Activity]()
    for kind, originator, seconds, times in runs:
        at += timedelta(seconds=seconds or 0)
        whole += [
            Activity(
                id=f"a{len(whole) + nth}",
                at=None if seconds is None else at,
                kind=kind,
                originator=originator,
                text=f"words of {len(whole) + nth}",
                plan_steps=(f"step {len(whole)}",) if kind == PLAN else (),
                has_change_set=kind == WORK and originator == "agent",
            )
            for nth in range(times)
        ]
    edges = sorted({min(one, len(whole)) for one in cuts} | {0, len(whole)})
    parts = History()
    for start, end in pairwise(edges):
        parts = parts.with_more(whole[start:end])
    assert parts == History().with_more(whole)
    assert parts.signs == read_signs(whole)
    assert (parts.total, parts.activities) == (len(whole), tuple(whole[-MOST_ACTIVITIES:]))

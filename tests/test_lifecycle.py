"""The next step of a task, for every state it can be in: patience, caps and ends."""

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lifecycle import Observation, Progress, Status, next_action
from mcp_server.models import GateVerdict, Question, Session
from tests.agent_cases import HEAD, LACKING, NOW, decision, progress, pull, session
from tests.lifecycle_cases import (
    CASES,
    OLD_HEAD,
    POLICY,
    ago,
    asked_to_mend,
    at_rest,
    ready,
    red,
    red_since,
    unstarted,
    waits,
    working,
)


@pytest.mark.parametrize(("before", "seen", "expected"), CASES.values(), ids=list(CASES))
def test_every_state_has_its_next_step(before: Progress, seen: Observation, expected: str) -> None:
    """DESIGN.md section 6 step 4; patience from facts/jules-api.md 2.1 and 4."""
    action = next_action(before, seen, NOW, POLICY)
    anew = ", redo" if action.redo else ""
    told = f"end {action.status}{anew}" if action.kind == "end" else action.kind
    assert told == expected


def test_an_action_carries_what_its_tool_needs() -> None:
    """The head that was judged, the question and its id, the last words, the reasons."""
    answer = next_action(progress(), waits(), NOW, POLICY)
    assert (answer.text, answer.activity_id) == ("Which?", "q1")
    assert next_action(progress(), ready("merge"), NOW, POLICY).head_sha == HEAD
    assert next_action(progress(), working(silent=15), NOW, POLICY).text == "Step 3"
    fix = next_action(red_since(12), red(), NOW, POLICY)
    assert (fix.text, fix.head_sha) == ("failed checks: test", HEAD)
    # a wait that begins a trouble names its head: the loop notes since when
    assert next_action(progress(), red(), NOW, POLICY).head_sha == HEAD


@pytest.mark.parametrize(
    ("before", "seen", "words"),
    [
        (progress(), Observation(session=session("FAILED")), "no reason given"),
        (progress(), replace(at_rest("FAILED"), last_agent_text="No disk."), "No disk."),
        (progress(), at_rest("DREAMING"), "'DREAMING'"),
        (progress(), ready("human", "a is protected", "b is removed"), "protected; b is removed"),
        (unstarted(), Observation(has_source=False), "GitHub app"),
        (asked_to_mend(20, fixes=2), red(), "2 requests: failed checks: test"),
        (progress(answered=("a", "b", "c")), waits(), "more than 3 times: Which?"),
    ],
)
def test_an_end_says_why(before: Progress, seen: Observation, words: str) -> None:
    """The reason is all that a person reads in the report."""
    assert words in next_action(before, seen, NOW, POLICY).why


STATES = (
    "QUEUED",
    "PLANNING",
    "AWAITING_PLAN_APPROVAL",
    "AWAITING_USER_FEEDBACK",
    "IN_PROGRESS",
    "PAUSED",
    "FAILED",
    "COMPLETED",
    "",
    "SOMETHING_NEW",
)
TIMES = st.integers(-90, 90).map(ago)
MAYBE_TIME = st.none() | TIMES
WORDS = st.sampled_from(["", "a", "q1", "Which? [x](https://evil.example)"])
SESSIONS = st.builds(
    session,
    st.sampled_from(STATES),
    with_pull=st.booleans(),
    updated_at=TIMES,
    archived=st.booleans(),
)
PULLS = st.builds(
    pull,
    state=st.sampled_from(["open", "closed"]),
    merged=st.booleans(),
    mergeable=st.sampled_from([True, False, None]),
    mergeable_state=st.sampled_from(["clean", "dirty", "behind", "unknown", "blocked"]),
    head_sha=st.sampled_from([HEAD, OLD_HEAD]),
)
DECISIONS = st.builds(
    decision,
    st.sampled_from(get_args(GateVerdict)),
    checks=st.sampled_from(["GREEN", "FAILED", "PENDING", "NONE"]),
)
OBSERVATIONS = st.builds(
    Observation,
    session=st.none() | SESSIONS,
    last_agent_at=MAYBE_TIME,
    last_agent_text=WORDS,
    question=st.none() | st.builds(Question, activity_id=WORDS, text=WORDS),
    pull=st.none() | PULLS,
    decision=st.none() | DECISIONS,
    audit=st.sampled_from([None, LACKING]),
    has_source=st.sampled_from([True, False, None]),
)
PROGRESSES = st.builds(
    progress,
    st.sampled_from(["create", "update", "optimize", "repair", "manual"]),
    status=st.sampled_from(get_args(Status)),
    session_id=st.sampled_from(["s1", None]),
    asked_to_start=st.booleans(),
    repository_made_at=MAYBE_TIME,
    nudges=st.integers(0, 4),
    answered=st.lists(WORDS, max_size=4, unique=True).map(tuple),
    continued=st.booleans(),
    fixes=st.integers(0, 4),
    fixed_head=st.sampled_from([None, HEAD, OLD_HEAD]),
    asked_head=st.sampled_from([None, HEAD, OLD_HEAD]),
    merging=st.booleans(),
    spoke_at=MAYBE_TIME,
    trouble_head=st.sampled_from([None, HEAD, OLD_HEAD]),
    trouble_since=MAYBE_TIME,
    archived=st.booleans(),
)


def at_work(seen: Session | None) -> bool:
    return seen is not None and seen.state not in ("COMPLETED", "FAILED", "PAUSED")


@given(PROGRESSES, OBSERVATIONS)
def test_whatever_is_seen_there_is_one_bounded_step(before: Progress, seen: Observation) -> None:
    """Never an exception; ends are final; messages are capped; green alone is merged."""
    action = next_action(before, seen, NOW, POLICY)
    if before.ended:
        assert action.kind in ("archive", "nothing")
    else:
        assert action.kind not in ("archive", "nothing")
    if action.kind == "archive":
        assert not before.archived
        assert not at_work(seen.session)
    if action.kind == "merge":
        assert seen.decision is not None
        assert seen.pull is not None
        assert (seen.decision.verdict, seen.pull.state) == ("merge", "open")
        assert action.head_sha == seen.pull.head_sha
    spoken = {
        "nudge": (before.nudges, POLICY.most_nudges),
        "answer": (len(before.answered), POLICY.most_answers),
        "fix_ci": (before.fixes, POLICY.most_fixes),
        "fix_conflict": (before.fixes, POLICY.most_conflict_requests),
        "continue": (int(before.continued), 1),
        "complete": (int(before.asked_head is not None), 1),
    }
    done, most = spoken.get(action.kind, (0, 1))
    assert done < most

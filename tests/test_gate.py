"""The merge gate: a table of what blocks, and the laws that `merge` obeys."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.guard.checks import Expectation
from mcp_server.guard.gate import CHECK_STATES, CheckState, GateEvidence, gate, judge_checks
from mcp_server.models import Check, GateVerdict
from tests.gate_cases import (
    BAD,
    CI,
    FINE,
    GOOD,
    HEAD,
    OWN_CI,
    OWN_CI_ADDED,
    PROPOSED,
    Change,
    ago,
    both,
    check,
    checks,
    file,
    files,
    plain,
    seen,
)


@pytest.mark.parametrize("name", BAD)
def test_one_bad_thing_blocks_with_its_verdict(name: str):
    """DESIGN.md 5, Gate; facts/github.md 1.5, 1.6, 2."""
    change, verdict = BAD[name]
    decision = gate(change(GOOD))
    assert decision.verdict == verdict
    assert decision.reasons


@pytest.mark.parametrize("name", FINE)
def test_good_evidence_merges(name: str):
    """A gate that never opens would pass every other test."""
    decision = gate(FINE[name](GOOD))
    assert (decision.verdict, decision.checks, decision.head_sha) == ("merge", "GREEN", HEAD)


@pytest.mark.parametrize(
    "loosened",
    [
        both(plain(protected=()), files(file(".github/workflows/ci.yml"))),
        both(plain(max_changed_lines=500), files(file("a.py", lines=500))),
        both(plain(expected=frozenset[Expectation]()), checks(check("lint"))),
    ],
)
def test_the_settings_given_are_the_ones_judged_by(loosened: Change):
    """Protection, size and expectation are the operator's."""
    assert gate(loosened(GOOD)).verdict == "merge"


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (("check failed", "workflow changed"), "human"),
        (("check failed", "check running"), "wait"),
        (("check failed", "head too young"), "fix"),
        (("behind", "green once"), "fix"),
        (("closed", "check failed"), "human"),
        (("no session", "conflict"), "human"),
    ],
)
def test_the_verdict_that_needs_most_wins(names: tuple[str, ...], verdict: GateVerdict):
    """A person before a fix before waiting; the later change replaces the earlier's field."""
    assert gate(both(*(BAD[name][0] for name in names))(GOOD)).verdict == verdict


def test_every_reason_is_told_the_verdicts_own_first():
    """What the report shows a person is the whole of it."""
    evidence = both(BAD["behind"][0], BAD["workflow changed"][0], BAD["check failed"][0])(GOOD)
    assert gate(evidence).reasons == (
        "'.github/workflows/ci.yml' is protected",
        f"failed checks on {HEAD}: lint (failure)",
        "behind main: update the branch",
    )


@pytest.mark.parametrize("state", ["UNREADABLE", "INCOMPLETE"])
@pytest.mark.parametrize(("minutes", "verdict"), [(9.9, "wait"), (10, "human")])
def test_patience_counts_from_the_first_reading_of_that_state(
    state: CheckState, minutes: float, verdict: GateVerdict
):
    """One failed read long after the push must not park a pull request."""
    found = {"UNREADABLE": None, "INCOMPLETE": (check("lint"),)}[state]
    evidence = both(plain(checks=found), seen(HEAD, state, minutes=minutes))(GOOD)
    assert (gate(evidence).verdict, gate(evidence).checks) == (verdict, state)


@pytest.mark.parametrize(
    ("conclusion", "expected", "state"),
    [
        ("success", True, "GREEN"),
        ("success", False, "GREEN"),
        ("skipped", True, "INCOMPLETE"),
        ("skipped", False, "INCOMPLETE"),
        ("neutral", True, "INCOMPLETE"),
        ("neutral", False, "INCOMPLETE"),
        ("failure", True, "FAILED"),
        ("error", True, "FAILED"),
        ("timed_out", True, "FAILED"),
        ("cancelled", False, "FAILED"),
        ("stale", True, "FAILED"),
        ("startup_failure", True, "FAILED"),
        ("action_required", True, "ACTION_REQUIRED"),
        ("SUCCESS", True, "UNREADABLE"),
        ("passed", False, "UNREADABLE"),
        ("", True, "UNREADABLE"),
        (None, True, "UNREADABLE"),
    ],
)
def test_a_lone_check_says(conclusion: str | None, expected: bool, state: CheckState):
    """Conclusions: REST, GraphQL's two more, commit statuses (facts/github.md 1.6)."""
    assert judge_checks([check(conclusion=conclusion)], {CI} if expected else ()) == state


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting", "requested", "odd", ""])
def test_an_unfinished_check_is_pending_whatever_its_conclusion(status: str):
    """A re-run keeps the old conclusion for a moment (kubernetes-sigs/prow#337)."""
    assert judge_checks([check(status=status)], {CI}) == "PENDING"


def test_no_answer_and_no_check_are_two_things():
    """knit-cli/knit#39 took the first for the second."""
    assert (judge_checks(None, ()), judge_checks((), ())) == ("UNREADABLE", "NONE")


a_check = st.builds(
    Check,
    name=st.sampled_from(["ci", "lint", "e2e"]),
    app=st.sampled_from(["x", "y", "google-labs-jules"]),
    status=st.sampled_from(["completed", "completed", "queued"]),
    conclusion=st.sampled_from(
        ["success", "success", "skipped", "failure", "action_required", "new", None]
    ),
)


@given(st.lists(a_check, max_size=5), st.lists(a_check, max_size=2))
def test_checks_are_judged_as_a_set(found: list[Check], more: list[Check]):
    """Order says nothing, and another check makes no state better except by being there."""
    state = judge_checks(found, {CI})
    assert judge_checks(found[::-1], {CI}) == state
    if state not in ("NONE", "INCOMPLETE"):
        worse = judge_checks([*found, *more], {CI})
        assert CHECK_STATES.index(worse) <= CHECK_STATES.index(state)


def must_hold(e: GateEvidence) -> bool:
    """Say again, in other words, what DESIGN.md asks of a merge."""
    p, s = e.pull, e.session
    real = [c for c in e.checks or () if not c.app.startswith("google-labs-jules")]
    ci = [c for c in real if c.name == "ci"]
    registered = {c.name for c in real if c.app == "(workflow)"}
    workflows = {one.name for one in e.expected if one.app == "(workflow)"}
    return (
        p.state == "open"
        and not p.merged
        and not p.draft
        and (p.mergeable, p.mergeable_state) == (True, "clean")
        and e.checks_sha == p.head_sha
        and all(c.status == "completed" for c in real)
        and not (e.rules and e.rules.merge_queue)
        and all(c.conclusion in ("success", "skipped", "neutral") for c in real)
        and any(c.conclusion == "success" and "(" not in c.app for c in real)
        and (CI not in e.expected or (ci != [] and {c.conclusion for c in ci} == {"success"}))
        and registered >= workflows
        and e.earlier is not None
        and (e.earlier.sha, e.earlier.checks) == (p.head_sha, "GREEN")
        and e.now >= e.earlier.at + timedelta(seconds=30)
        and e.now >= e.head_since + timedelta(seconds=60)
        and s is not None
        and s.marker is not None
        and s.marker.valid
        and s.pull is not None
        and (s.pull.url, s.pull.head_ref, s.pull.base_ref) == (p.url, p.head_ref, p.base_ref)
        and s.branch == p.base_ref
        and s.repo == p.repo == p.base_repo == p.head_repo
        and bool(e.files)
        and not any(".github/workflows" in f.path.lower() for f in e.files or ())
        and not any(f.status == "removed" and f.path.startswith("tests/") for f in e.files or ())
        and sum(f.additions + f.deletions for f in e.files or ()) <= e.max_changed_lines
    )


CHANGES = [*(change for change, _ in BAD.values()), *FINE.values()]
# What is expected stays: some of the bad things are bad by it alone.
anything = (
    st.sampled_from([one for one in CHANGES if one(GOOD).expected == GOOD.expected])
    | st.lists(a_check, max_size=3).map(lambda found: checks(*found))
    | st.integers(-10, 120).map(lambda s: plain(head_since=ago(seconds=s)))
    | st.integers(-10, 120).map(lambda s: seen(HEAD, "GREEN", seconds=s))
)


@given(st.lists(anything, max_size=3))
def test_merge_implies_every_condition(several: list[Change]):
    """The law of the gate, under any mixture of what can be wrong and what is fine."""
    evidence = both(*several)(GOOD)
    if gate(evidence).verdict == "merge":
        assert must_hold(evidence)


def test_the_table_is_as_long_as_the_issue_asks():
    """Issue 6: at least 120 cases, and good ones that do merge among them."""
    assert len(BAD) + len(FINE) + len(PROPOSED) >= 120
    assert len(FINE) >= 10


@given(st.lists(anything, max_size=2), st.sampled_from(sorted(BAD)))
def test_no_bad_thing_leaves_merge_whatever_else_holds(before: list[Change], bad: str):
    """Spoiling one field ends the merge on any evidence, good or not."""
    assert gate(both(*before, BAD[bad][0])(GOOD)).verdict != "merge"


@pytest.mark.parametrize(("change", "verdict"), PROPOSED.values(), ids=list(PROPOSED))
def test_what_we_opened_with_a_sessions_patch_is_judged_like_its_own(
    change: Change, verdict: GateVerdict
):
    """DESIGN.md section 6.4: but for the outputs, which no longer name it, all else holds."""
    assert gate(replace(change(GOOD), proposed=True)).verdict == verdict


@pytest.mark.parametrize(("change", "verdict"), OWN_CI.values(), ids=list(OWN_CI))
def test_our_own_ci_is_merged_where_that_is_allowed_and_nothing_else_passes_with_it(
    change: Change, verdict: GateVerdict
):
    """Issue 6 point 5: byte for byte ours, alone, and its own run green by the usual rules."""
    assert gate(change(OWN_CI_ADDED(GOOD))).verdict == verdict


@given(st.lists(anything, max_size=3))
def test_the_permission_for_our_own_ci_opens_the_gate_for_nothing_else(several: list[Change]):
    """Whatever else is judged, it is judged as if the operator had said nothing."""
    evidence = both(*several)(GOOD)
    assert gate(replace(evidence, own_ci=True)) == gate(evidence)

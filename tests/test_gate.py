"""The merge gate: a table of what blocks, and the laws that `merge` obeys."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.guard.gate import (
    CHECK_STATES,
    PROTECTED_PATHS,
    CheckState,
    GateEvidence,
    Observation,
    gate,
    judge_checks,
)
from mcp_server.models import (
    ChangedFile,
    Check,
    GateVerdict,
    Marker,
    PullOutput,
    PullRequest,
    Session,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEAD = "a" * 40
OTHER = "b" * 40
URL = "https://github.com/owner/tool/pull/7"

Change = Callable[[GateEvidence], GateEvidence]


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def check(
    name: str = "ci", conclusion: str | None = "success", status: str = "completed", app: str = "x"
) -> Check:
    return Check(name=name, app=app, status=status, conclusion=conclusion)


def file(path: str, status: str = "modified", *, lines: int = 10, was: str | None = None):
    return ChangedFile(path=path, status=status, additions=lines, previous_path=was)


MARKER = Marker(
    ledger="7f3a9c2e",
    date="2026-11-23",
    lane="optimize",
    task_key="k0123456789ab",
    attempt=1,
    valid=True,
)

GOOD = GateEvidence(
    now=NOW,
    pull=PullRequest(
        repo="owner/tool",
        number=7,
        url=URL,
        base_ref="main",
        base_repo="owner/tool",
        head_ref="tests-123",
        head_repo="owner/tool",
        head_sha=HEAD,
        mergeable=True,
        mergeable_state="clean",
        created_at=ago(hours=1),
        updated_at=ago(minutes=20),
    ),
    head_since=ago(minutes=20),
    checks=(check(), check("lint")),
    checks_sha=HEAD,
    expected=frozenset({"ci"}),
    earlier=Observation(sha=HEAD, at=ago(seconds=30), checks="GREEN"),
    session=Session(
        id="123",
        state="COMPLETED",
        created_at=ago(hours=1),
        updated_at=ago(minutes=20),
        repo="owner/tool",
        branch="main",
        pull=PullOutput(url=URL, base_ref="main", head_ref="tests-123"),
        marker=MARKER,
    ),
    files=(file("src/tool.py"), file("tests/test_tool.py", "added")),
    protected=PROTECTED_PATHS,
    max_changed_lines=100,
)


def plain(**fields: object) -> Change:
    return lambda evidence: replace(evidence, **fields)  # pyright: ignore[reportArgumentType] table of many types


def pull(**fields: object) -> Change:
    return lambda evidence: replace(evidence, pull=evidence.pull.model_copy(update=fields))


def session(**fields: object) -> Change:
    def change(evidence: GateEvidence) -> GateEvidence:
        if evidence.session is None:
            return evidence
        return replace(evidence, session=evidence.session.model_copy(update=fields))

    return change


def output(**fields: object) -> Change:
    def change(evidence: GateEvidence) -> GateEvidence:
        if evidence.session is None or evidence.session.pull is None:
            return evidence
        return session(pull=evidence.session.pull.model_copy(update=fields))(evidence)

    return change


def checks(*found: Check) -> Change:
    """Replace the checks; the reading before stays green, so that only their judgement blocks."""
    return plain(checks=found)


def files(*changed: ChangedFile) -> Change:
    return plain(files=changed)


def both(*changes: Change) -> Change:
    def change(evidence: GateEvidence) -> GateEvidence:
        for one in changes:
            evidence = one(evidence)
        return evidence

    return change


def seen(sha: str, checks: CheckState, **span: float) -> Change:
    return plain(earlier=Observation(sha=sha, at=ago(**span), checks=checks))


# Each is one thing wrong with evidence that is good otherwise.
BAD: dict[str, tuple[Change, GateVerdict]] = {
    "merged already": (pull(merged=True, state="closed"), "human"),
    "merged, but called open": (pull(merged=True), "human"),
    "closed": (pull(state="closed"), "human"),
    "unknown state": (pull(state="locked"), "human"),
    "mergeable not computed": (pull(mergeable=None, mergeable_state="unknown"), "wait"),
    "mergeable not computed, yet clean": (pull(mergeable=None), "wait"),
    "mergeable state unknown": (pull(mergeable_state="unknown"), "wait"),
    "conflict": (pull(mergeable=False, mergeable_state="dirty"), "fix"),
    "conflict by the flag": (pull(mergeable=False), "fix"),
    "conflict by the word": (pull(mergeable_state="dirty"), "fix"),
    "behind": (pull(mergeable_state="behind"), "fix"),
    "unstable": (pull(mergeable_state="unstable"), "wait"),
    "blocked": (pull(mergeable_state="blocked"), "wait"),
    "unstable for long": (
        both(pull(mergeable_state="unstable"), seen(HEAD, "GREEN", minutes=10)),
        "human",
    ),
    "blocked for long": (
        both(pull(mergeable_state="blocked"), seen(HEAD, "GREEN", minutes=10)),
        "human",
    ),
    "hooks": (pull(mergeable_state="has_hooks"), "human"),
    "a merge state nobody knows": (pull(mergeable_state="sparkling"), "human"),
    "no merge state": (pull(mergeable_state=""), "human"),
    "draft of an ended session": (pull(draft=True, mergeable_state="draft"), "human"),
    "draft by the flag": (pull(draft=True), "human"),
    "draft by the word": (pull(mergeable_state="draft"), "human"),
    "draft of a working session": (both(pull(draft=True), session(state="IN_PROGRESS")), "wait"),
    "no session": (plain(session=None), "human"),
    "session without a marker": (session(marker=None), "human"),
    "session with a forged marker": (
        session(marker=MARKER.model_copy(update={"valid": False})),
        "human",
    ),
    "session without a pull request": (session(pull=None), "human"),
    "session of another pull request": (output(url=URL + "1"), "human"),
    "session of another repository": (session(repo="owner/other"), "human"),
    "session of no repository": (session(repo=None), "human"),
    "session from another branch": (session(branch="dev"), "human"),
    "session from an unknown branch": (session(branch=None), "human"),
    "reported base differs": (output(base_ref="dev"), "human"),
    "reported base missing": (output(base_ref=None), "human"),
    "reported head differs": (output(head_ref="tests-124"), "human"),
    "reported head missing": (output(head_ref=None), "human"),
    "retargeted": (pull(base_ref="release"), "human"),
    "from a fork": (pull(head_repo="stranger/tool"), "human"),
    "from a deleted fork": (pull(head_repo=None), "human"),
    "into another repository": (pull(base_repo="upstream/tool"), "human"),
    "file list incomplete": (plain(files=None), "human"),
    "no file changed": (files(), "human"),
    "workflow changed": (files(file(".github/workflows/ci.yml")), "human"),
    "workflow added": (files(file(".github/workflows/new.yml", "added")), "human"),
    "workflow removed": (files(file(".github/workflows/ci.yml", "removed")), "human"),
    "workflow moved away": (
        files(file("old.yml", "renamed", was=".github/workflows/ci.yml")),
        "human",
    ),
    "workflow moved in": (files(file(".github/workflows/ci.yml", "renamed", was="x")), "human"),
    "workflow in odd case": (files(file(".GitHub/Workflows/ci.yml", "added")), "human"),
    "nested workflow": (files(file(".github/workflows/a/b.yml", "added")), "human"),
    "local action": (files(file(".github/actions/build/action.yml")), "human"),
    "code owners at the root": (files(file("CODEOWNERS")), "human"),
    "code owners in a folder": (files(file("docs/CODEOWNERS")), "human"),
    "submodules": (files(file(".gitmodules", "added")), "human"),
    "test file removed": (files(file("tests/test_a.py", "removed")), "human"),
    "script test removed": (files(file("src/a.test.ts", "removed")), "human"),
    "spec removed": (files(file("src/a_spec.rb", "removed")), "human"),
    "Java test removed": (files(file("src/ToolTest.java", "removed")), "human"),
    "test data removed": (files(file("tests/data/one.json", "removed")), "human"),
    "test made a non-test": (files(file("src/a.py", "renamed", was="tests/test_a.py")), "human"),
    "unknown file status": (files(file("src/a.py", "teleported")), "human"),
    "too large": (files(file("src/a.py", lines=101)), "human"),
    "too large by what it deletes": (
        files(ChangedFile(path="src/a.py", status="modified", deletions=101)),
        "human",
    ),
    "too large in sum": (files(file("a.py", lines=51), file("b.py", lines=50)), "human"),
    "checks unreadable": (plain(checks=None), "wait"),
    "checks of another commit": (plain(checks_sha=OTHER), "wait"),
    "check failed": (checks(check(), check("lint", "failure")), "fix"),
    "check running": (checks(check(conclusion=None, status="in_progress")), "wait"),
    "check queued": (checks(check(), check("e2e", None, "queued")), "wait"),
    "check waits for approval": (checks(check(), check("e", "action_required")), "human"),
    "no check yet": (both(checks(), plain(head_since=ago(minutes=9.9))), "wait"),
    "no check ever": (checks(), "human"),
    "expected missing": (checks(check("lint")), "wait"),
    "expected missing for long": (
        both(checks(check("lint")), seen(HEAD, "INCOMPLETE", minutes=10)),
        "human",
    ),
    "expected skipped": (checks(check(conclusion="skipped"), check("lint")), "wait"),
    "expected neutral": (checks(check(conclusion="neutral"), check("lint")), "wait"),
    "expected skipped in one app": (checks(check(), check(conclusion="skipped", app="y")), "wait"),
    "unknown conclusion": (checks(check(), check("lint", "splendid")), "wait"),
    "no conclusion": (checks(check(), check("lint", None)), "wait"),
    "only Jules' own check": (checks(check(app="google-labs-jules")), "human"),
    "green once": (plain(earlier=None), "wait"),
    "green twice within 29 s": (seen(HEAD, "GREEN", seconds=29), "wait"),
    "green on the old head": (seen(OTHER, "GREEN", minutes=5), "wait"),
    "pending before": (seen(HEAD, "PENDING", minutes=5), "wait"),
    "seen in the future": (seen(HEAD, "GREEN", seconds=-300), "wait"),
    "head too young": (plain(head_since=ago(seconds=59)), "wait"),
    "head from the future": (plain(head_since=ago(seconds=-300)), "wait"),
}

FINE: dict[str, Change] = {
    "as it stands": plain(),
    "an unexpected check skipped": checks(check(), check("deploy", "skipped")),
    "an unexpected check neutral": checks(check(), check("x", "neutral")),
    "Jules' own failing status": checks(
        check(), check("jules", "failure", app="google-labs-jules[bot]")
    ),
    "head 60 s old": plain(head_since=ago(seconds=60)),
    "a source file removed": files(file("src/old.py", "removed")),
    "a test file moved among tests": files(
        file("tests/test_b.py", "renamed", was="tests/test_a.py")
    ),
    "a name that only sounds like a test": files(file("src/latest.py", "removed")),
    "a file beside the workflows": files(file(".github/badges.yml")),
    "as large as allowed": files(file("a.py", lines=100)),
}


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
        both(plain(expected=frozenset[str]()), checks(check("lint"))),
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
    assert judge_checks([check(conclusion=conclusion)], {"ci"} if expected else ()) == state


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting", "requested", "odd", ""])
def test_an_unfinished_check_is_pending_whatever_its_conclusion(status: str):
    """A re-run keeps the old conclusion for a moment (kubernetes-sigs/prow#337)."""
    assert judge_checks([check(status=status)], {"ci"}) == "PENDING"


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
    state = judge_checks(found, {"ci"})
    assert judge_checks(found[::-1], {"ci"}) == state
    if state not in ("NONE", "INCOMPLETE"):
        worse = judge_checks([*found, *more], {"ci"})
        assert CHECK_STATES.index(worse) <= CHECK_STATES.index(state)


def must_hold(e: GateEvidence) -> bool:
    """Say again, in other words, what DESIGN.md asks of a merge."""
    p, s = e.pull, e.session
    real = [c for c in e.checks or () if not c.app.startswith("google-labs-jules")]
    ci = [c for c in real if c.name == "ci"]
    return (
        p.state == "open"
        and not p.merged
        and not p.draft
        and (p.mergeable, p.mergeable_state) == (True, "clean")
        and e.checks_sha == p.head_sha
        and all(c.status == "completed" for c in real)
        and all(c.conclusion in ("success", "skipped", "neutral") for c in real)
        and any(c.conclusion == "success" for c in real)
        and ("ci" not in e.expected or (ci != [] and {c.conclusion for c in ci} == {"success"}))
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


anything = (
    st.sampled_from([*(change for change, _ in BAD.values()), *FINE.values()])
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


@given(st.lists(anything, max_size=2), st.sampled_from(sorted(BAD)))
def test_no_bad_thing_leaves_merge_whatever_else_holds(before: list[Change], bad: str):
    """Spoiling one field ends the merge on any evidence, good or not."""
    assert gate(both(*before, BAD[bad][0])(GOOD)).verdict != "merge"


PROPOSED: dict[str, tuple[Change, GateVerdict]] = {
    "of a session here": (session(pull=None), "merge"),
    "of a session without a repository": (session(pull=None, repo=None, branch=None), "merge"),
    "opened by its session too": (plain(), "human"),
    "of another repository's session": (session(pull=None, repo="owner/other"), "human"),
    "of another branch's session": (session(pull=None, branch="dev"), "human"),
    "of nobody's": (plain(session=None), "human"),
    "of a session without a marker": (session(pull=None, marker=None), "human"),
    "from a fork": (both(session(pull=None), pull(head_repo="stranger/tool")), "human"),
    "with a workflow": (both(session(pull=None), BAD["workflow added"][0]), "human"),
    "behind": (both(session(pull=None), BAD["behind"][0]), "fix"),
    "red": (both(session(pull=None), checks(check(conclusion="failure"))), "fix"),
}


@pytest.mark.parametrize(("change", "verdict"), PROPOSED.values(), ids=list(PROPOSED))
def test_what_we_opened_with_a_sessions_patch_is_judged_like_its_own(
    change: Change, verdict: GateVerdict
):
    """DESIGN.md section 6.4: but for the outputs, which no longer name it, all else holds."""
    assert gate(replace(change(GOOD), proposed=True)).verdict == verdict

"""What can be wrong, and what may look odd and is fine: the gate's table, each a change of `GOOD`.

The traps are those of facts/github.md 1.5, 1.6 and 2 (2026-11-22).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mcp_server.guard.checks import STATUS, SUITE, WORKFLOW, Expectation, Rules
from mcp_server.guard.gate import PROTECTED_PATHS, CheckState, GateEvidence, Observation
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
CI = Expectation(name="ci", app="x")
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
    expected=frozenset({CI}),
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


FILE = ".github/workflows/ci.yml"


def run(conclusion: str | None, status: str = "completed", *, name: str = FILE) -> Check:
    """Return what a workflow run says as a whole."""
    return check(name, conclusion, status, WORKFLOW)


def suite(conclusion: str | None, status: str = "completed") -> Check:
    return check("suite of other", conclusion, status, SUITE)


def wants(*names: str, workflow: str = "") -> Change:
    """Expect checks of the app `x`, and that a run of `workflow` is there."""
    expected = {Expectation(name=name, app="x") for name in names}
    if workflow:
        expected.add(Expectation(name=workflow, app=WORKFLOW))
    return plain(expected=frozenset(expected))


def rules(name: str, *, app: str = "") -> Change:
    return plain(rules=Rules(required=frozenset({Expectation(name=name, app=app)})))


ONLY_ACTIONS = both(
    plain(blind=True, expected=frozenset({Expectation(name="ci", app="github-actions")})),
    checks(check(app="github-actions")),
)


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
    "expected of another app": (checks(check(app="y")), "wait"),
    "expected as a status only": (checks(check(app=STATUS)), "wait"),
    "one of two expected": (wants("ci", "docs"), "wait"),
    "expected in another case": (checks(check("CI")), "wait"),
    "expected only by a longer name": (checks(check("ci (3.11)")), "wait"),
    "a status fails": (checks(check(), check("cov", "failure", app=STATUS)), "fix"),
    "a status is pending": (checks(check(), check("cov", None, "pending", STATUS)), "wait"),
    "workflow not registered": (wants("ci", workflow=FILE), "wait"),
    "workflow not registered for long": (
        both(wants("ci", workflow=FILE), seen(HEAD, "INCOMPLETE", minutes=10)),
        "human",
    ),
    "workflow running": (
        both(wants("ci", workflow=FILE), checks(check(), run(None, "in_progress"))),
        "wait",
    ),
    "workflow run again": (checks(check(), run("success", "queued")), "wait"),
    "workflow waits for a runner": (checks(check(), run(None, "waiting")), "wait"),
    "workflow waits for approval": (checks(check(), run("action_required")), "human"),
    "nothing but approval": (checks(run("action_required")), "human"),
    "workflow file broken": (checks(check(), run("startup_failure")), "fix"),
    "nothing but a broken workflow": (checks(run("startup_failure")), "fix"),
    "workflow cancelled": (checks(check(), run("cancelled")), "fix"),
    "workflow ended in a new way": (checks(check(), run("exploded")), "wait"),
    "a workflow's success alone": (both(wants(), checks(run("success"))), "human"),
    "workflow skipped whole": (checks(run("skipped")), "human"),
    "suite of another app waits": (checks(check(), suite(None, "queued")), "wait"),
    "suite of another app failed": (checks(check(), suite("failure")), "fix"),
    "suite needs approval": (checks(check(), suite("action_required")), "human"),
    "a suite's success alone": (both(wants(), checks(suite("success"))), "human"),
    "required by GitHub, missing": (rules("security"), "wait"),
    "required by GitHub, skipped": (
        both(rules("lint"), checks(check(), check("lint", "skipped"))),
        "wait",
    ),
    "required of an app nobody saw": (rules("lint", app="(app 7)"), "wait"),
    "merge queue": (plain(rules=Rules(merge_queue=True)), "human"),
    "token that sees no third-party check": (plain(blind=True), "wait"),
    "the same for long": (both(plain(blind=True), seen(HEAD, "UNREADABLE", minutes=10)), "human"),
    "unstable for a token that sees only Actions": (
        both(ONLY_ACTIONS, pull(mergeable_state="unstable")),
        "wait",
    ),
    "only skipped": (both(wants(), checks(check(conclusion="skipped"))), "wait"),
    "only neutral": (both(wants(), checks(check(conclusion="neutral"))), "wait"),
    "timed out": (checks(check(), check("lint", "timed_out")), "fix"),
    "cancelled": (checks(check(), check("lint", "cancelled")), "fix"),
    "stale": (checks(check(), check("lint", "stale")), "fix"),
    "broken at start": (checks(check(), check("lint", "startup_failure")), "fix"),
    "requested": (checks(check(), check("lint", None, "requested")), "wait"),
    "a status nobody knows": (checks(check(), check("lint", "success", "resting")), "wait"),
    "re-run hides green": (checks(check("lint"), check(status="queued")), "wait"),
    "one lint is not the tests": (checks(check("lint")), "wait"),
    "circle's configuration": (files(file(".circleci/config.yml")), "human"),
    "Travis' configuration": (files(file(".travis.yml")), "human"),
    "attributes in a folder": (files(file("a/.gitattributes")), "human"),
    "an action of its own": (files(file("tools/action.yaml", "added")), "human"),
    "end-to-end test removed": (files(file("e2e/login.ts", "removed")), "human"),
    "test settings removed": (files(file("conftest.py", "removed")), "human"),
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
    "a workflow skipped whole beside it": checks(check(), run("skipped", name="other.yml")),
    "a workflow that registered": both(wants("ci", workflow=FILE), checks(check(), run("success"))),
    "a registered workflow without a job": both(
        wants("ci", workflow=FILE), checks(check(), run("skipped"))
    ),
    "a suite that ended well": checks(check(), suite("neutral")),
    "a status as well": checks(check(), check("cov", "success", app=STATUS)),
    "no rule": plain(rules=Rules()),
    "rules not told": plain(rules=None),
    "required by GitHub, and there": rules("lint"),
    "required of a certain app": rules("lint", app="x"),
    "nothing expected, something green": both(wants(), checks(check("lint"))),
    "a token that sees only Actions": ONLY_ACTIONS,
    "seen green an hour ago": seen(HEAD, "GREEN", minutes=60),
    "as large as allowed": files(file("a.py", lines=100)),
}


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

BLOB = "679a552b03bc0b2006adff194757728b6a1b7eab"  # of prompts/standard/ci.yml


def ours(status: str = "added", *, path: str = FILE, sha: str | None = BLOB) -> ChangedFile:
    """Return our own CI, as it is added."""
    return ChangedFile(path=path, status=status, additions=40, sha=sha)


def session_of_good() -> Change:
    return plain(session=GOOD.session)


OWN_CI_ADDED = both(
    plain(own_ci=True, session=None, expected=frozenset[Expectation]()),
    files(ours()),
    checks(check(), run("success")),
)
# Begins with `OWN_CI_ADDED`: a pull request of ours that adds our CI, where that may be merged.
OWN_CI: dict[str, tuple[Change, GateVerdict]] = {
    "as it stands": (plain(), "merge"),
    "where a person merges it": (plain(own_ci=False), "human"),
    "opened by a session": (session_of_good(), "human"),
    "from a fork": (pull(head_repo="stranger/tool"), "human"),
    "into another repository": (pull(base_repo="stranger/tool"), "human"),
    "another text": (files(ours(sha="b" * 40)), "human"),
    "a text that is not told": (files(ours(sha=None)), "human"),
    "another file": (files(ours(path=".github/workflows/other.yml")), "human"),
    "changed, not added": (files(ours("modified")), "human"),
    "renamed to it": (
        files(ours("added").model_copy(update={"previous_path": "a.yml"})),
        "human",
    ),
    "a file beside it": (files(ours(), file("src/tool.py")), "human"),
    "two of it": (files(ours(), ours()), "human"),
    "no file": (files(), "human"),
    "files not listed": (plain(files=None), "human"),
    "its run failed": (checks(check(), run("failure")), "fix"),
    "its run goes on": (checks(check(), run(None, "in_progress")), "wait"),
    "its run was skipped": (checks(check(), run("skipped")), "wait"),
    "only another workflow ran": (checks(check(), run("success", name="x.yml")), "wait"),
    "its run waits for approval": (checks(check(), run("action_required")), "human"),
    "no check at all": (checks(), "human"),
    "checks not readable": (plain(checks=None), "wait"),
    "green once": (plain(earlier=None), "wait"),
    "head too young": (plain(head_since=ago(seconds=59)), "wait"),
    "behind": (pull(mergeable_state="behind"), "fix"),
    "a merge queue": (plain(rules=Rules(merge_queue=True)), "human"),
    "required by GitHub, missing": (rules("security"), "wait"),
}

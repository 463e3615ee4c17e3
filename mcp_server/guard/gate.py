"""The gate: may this pull request be merged at this head, and if not, what is next?

Pure. Reading the evidence and acting on the verdict are the caller's. Whatever is not named good
here blocks (facts/github.md 1.5, 1.6 and 2, 2026-11-22).
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal, get_args

from mcp_server.guard import own_ci
from mcp_server.guard.checks import (
    ACTIONS,
    OWN_APPS,
    SHADOWS,
    STATUS,
    WORKFLOW,
    Expectation,
    Rules,
)
from mcp_server.models import ChangedFile, Check, GateDecision, GateVerdict, PullRequest, Session

CheckState = Literal[
    "UNREADABLE", "FAILED", "ACTION_REQUIRED", "PENDING", "NONE", "INCOMPLETE", "GREEN"
]
CHECK_STATES: tuple[CheckState, ...] = get_args(CheckState)

CONFIRM_AFTER = timedelta(seconds=30)
HEAD_SETTLES_AFTER = timedelta(seconds=60)
# How long a state in which nothing is running may last before a person is asked.
PATIENCE = timedelta(minutes=10)

PROTECTED_PATHS = (
    ".github/workflows/**",
    ".github/actions/**",
    "**/CODEOWNERS",
    "**/action.yml",
    "**/action.yaml",
    ".gitlab-ci.yml",
    ".circleci/**",
    ".travis.yml",
    "azure-pipelines.yml",
    "**/Jenkinsfile",
    "**/.gitmodules",
    "**/.gitattributes",
)
MAX_CHANGED_LINES = 5_000

# REST's list, GraphQL's STALE and STARTUP_FAILURE, and the commit statuses' `error`.
_OUTCOMES: dict[str, CheckState] = {
    "success": "GREEN",
    "neutral": "GREEN",
    "skipped": "GREEN",
    "action_required": "ACTION_REQUIRED",
    "failure": "FAILED",
    "error": "FAILED",
    "timed_out": "FAILED",
    "cancelled": "FAILED",
    "startup_failure": "FAILED",
    "stale": "FAILED",
}
# None: wait until patience ends, then ask a person.
_NOT_GREEN: dict[CheckState, tuple[GateVerdict | None, str]] = {
    "UNREADABLE": (None, "checks that cannot be read"),
    "FAILED": ("fix", "failed checks"),
    "ACTION_REQUIRED": ("human", "checks that wait for a person's approval"),
    "PENDING": ("wait", "unfinished checks"),
    "NONE": (None, "no check ever ran; expected"),
    "INCOMPLETE": (None, "not every expected check succeeded; expected"),
}
# What a token without the right to read check runs still sees (facts/github.md 1.8).
_SEEN_BLIND = frozenset({"", ACTIONS, STATUS, WORKFLOW})

_FILE_STATUSES = frozenset({"added", "modified", "removed", "renamed", "copied", "changed"})
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "e2e"})
_TEST_NAME = re.compile(
    r"(?:test_.*|conftest\.py|.*[._-](?:test|tests|spec|specs)\.[^.]+)|(?-i:.*Tests?\.[a-z]+)",
    re.IGNORECASE,
)
_ENDED = frozenset({"COMPLETED", "FAILED"})
_URGENCY: tuple[GateVerdict, ...] = ("human", "fix", "wait", "merge")

Finding = tuple[GateVerdict, str]
_Claim = tuple[str, str | None, str]
# Where our own workflow is added, it is its own run that must succeed.
_OWN_RUN = Expectation(name=own_ci.PATH, app=WORKFLOW)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The start of an unbroken run of equal check states at one head."""

    sha: str
    at: datetime
    checks: CheckState


@dataclass(frozen=True, kw_only=True)
class GateEvidence:
    """All that the gate looks at, as it was read just now.

    None in `checks` and `files` means that they could not be read to the end, in `session` that no
    session's outputs hold this pull request, in `earlier` that this state is new at this head.
    `head_since` is when the head was pushed or, if that is unknown, first seen. `checks_sha` is the
    commit that `checks` were asked for, one list of all sources (`guard/checks.py`); with `blind`
    it holds no check of other apps, which this token may not see. `rules` None means that GitHub
    does not tell what it demands; nothing depends on its telling. `proposed` means that we opened
    it with the patch of `session`, and that its own marker stands for this very head. `own_ci`
    means that such a marker stands without a session, and that the operator lets our own CI be
    merged: no more passes by it than a change that adds that and nothing else. `protected` are
    globs; `*` matches across `/`.
    """

    now: datetime
    pull: PullRequest
    head_since: datetime
    checks: tuple[Check, ...] | None
    checks_sha: str
    expected: frozenset[Expectation]
    earlier: Observation | None
    session: Session | None
    files: tuple[ChangedFile, ...] | None
    blind: bool = False
    rules: Rules | None = None
    proposed: bool = False
    own_ci: bool = False
    protected: tuple[str, ...] = PROTECTED_PATHS
    max_changed_lines: int = MAX_CHANGED_LINES


def gate(evidence: GateEvidence) -> GateDecision:
    """Decide, with every reason found; those for the verdict come first.

    `merge` is said of `GateDecision.head_sha` only: the merge call must carry it. `fix` means that
    the session or an update of the branch can mend it, `human` that nobody but a person can.
    """
    pull = evidence.pull
    state = state_of(evidence)
    findings: list[Finding] = list(_ended(pull))
    if not findings:
        findings = [finding for rule in _RULES for finding in rule(evidence, state)]
    if not findings:
        findings = [("merge", f"{pull.head_sha} is ours, clean, within bounds, and green twice")]
    findings.sort(key=lambda finding: _URGENCY.index(finding[0]))
    return GateDecision(
        verdict=findings[0][0],
        reasons=tuple(reason for _, reason in findings),
        head_sha=pull.head_sha,
        checks=state,
    )


def state_of(evidence: GateEvidence) -> CheckState:
    """Return what the checks of the evidence say, with all that is expected of them.

    Of the checks that a token may not see, GitHub's own word for the merge is the only sign: it
    must be `clean` in every look that counts.
    """
    expected = _expected(evidence)
    unseen = evidence.blind and any(one.app not in _SEEN_BLIND for one in expected)
    state = judge_checks(None if unseen else evidence.checks, expected)
    if state == "GREEN" and _adds_own_ci(evidence) and not _own_run_succeeded(evidence):
        return "INCOMPLETE"
    if evidence.blind and state == "GREEN" and evidence.pull.mergeable_state != "clean":
        return "UNREADABLE"
    return state


def judge_checks(checks: Collection[Check] | None, expected: Collection[Expectation]) -> CheckState:
    """Return the worst that the checks of one commit say, in the order of `CHECK_STATES`.

    `checks` holds the last word of each name and app. A name is proved only when all its checks
    are `success`: a skipped job has let red code in elsewhere (actions/runner#3649).
    """
    if checks is None:
        return "UNREADABLE"
    told = [check for check in checks if check.app.lower() not in OWN_APPS]
    real = [check for check in told if check.app not in SHADOWS]
    states: set[CheckState] = {_state(check) for check in told}
    if not real:
        states.add("NONE")
    proved = {check.name for check in real} - {c.name for c in real if not _succeeded(c)}
    if not proved or not all(_is_met(one, told, proved) for one in expected):
        states.add("INCOMPLETE")
    return min(states, key=CHECK_STATES.index)


def _is_met(wanted: Expectation, told: Collection[Check], proved: Collection[str]) -> bool:
    """Whether an expected name is proved by its app; of a workflow a run must be there."""
    there = any(c.name == wanted.name and wanted.app in ("", c.app) for c in told)
    return there and (wanted.app == WORKFLOW or wanted.name in proved)


def _expected(evidence: GateEvidence) -> frozenset[Expectation]:
    rules = evidence.rules or Rules()
    expected = evidence.expected | rules.required
    # Nothing on the base tells that it runs: it has no CI yet.
    return expected | {_OWN_RUN} if _adds_own_ci(evidence) else expected


def _own_run_succeeded(evidence: GateEvidence) -> bool:
    """Whether it was our own workflow that ran, not only whatever else looks at the head."""
    wanted = (_OWN_RUN.name, _OWN_RUN.app)
    runs = [one for one in evidence.checks or () if (one.name, one.app) == wanted]
    return bool(runs) and all(_succeeded(one) for one in runs)


def _adds_own_ci(evidence: GateEvidence) -> bool:
    return evidence.own_ci and evidence.session is None and own_ci.is_all(evidence.files)


def _state(check: Check) -> CheckState:
    if check.status != "completed":
        return "PENDING"
    return _OUTCOMES.get(check.conclusion or "", "UNREADABLE")


def _succeeded(check: Check) -> bool:
    return check.status == "completed" and check.conclusion == "success"


def _ended(pull: PullRequest) -> Iterator[Finding]:
    if pull.merged:
        yield "human", f"{pull.url} is merged already: nothing is left to decide"
    elif pull.state != "open":
        yield "human", f"{pull.url} is {pull.state!r}, not open: only a person reopens it"


def _check_findings(evidence: GateEvidence, state: CheckState) -> Iterator[Finding]:
    sha = evidence.pull.head_sha
    if evidence.checks_sha != sha:
        yield "wait", f"the checks were read for {evidence.checks_sha}, but the head is {sha}"
    if evidence.now - evidence.head_since < HEAD_SETTLES_AFTER:
        yield "wait", f"{sha} is younger than {HEAD_SETTLES_AFTER}: more checks may register"
    lasted = _lasted(evidence, state)
    if state != "GREEN":
        verdict, what = _NOT_GREEN[state]
        names = ", ".join(_names(evidence, state)) or "none"
        yield verdict or _until_patience_ends(lasted), f"{what} on {sha}: {names}"
    elif lasted < CONFIRM_AFTER:
        yield "wait", f"green on {sha} must be seen twice, {CONFIRM_AFTER} apart"


def _mergeable_findings(evidence: GateEvidence, state: CheckState) -> Iterator[Finding]:
    pull, word = evidence.pull, evidence.pull.mergeable_state
    if pull.mergeable is False or word == "dirty":
        yield "fix", f"conflict with {pull.base_ref}"
    elif word == "behind":
        yield "fix", f"behind {pull.base_ref}: update the branch"
    elif word in ("unstable", "blocked"):
        # Usually the shadow of a check that runs or failed; alone and lasting, it is a rule or a
        # status that only a person can see.
        alone = _lasted(evidence, state) if state == "GREEN" else timedelta(0)
        yield _until_patience_ends(alone), f"GitHub calls the merge {word!r}"
    elif pull.mergeable is None or word == "unknown":
        yield "wait", "GitHub has not computed yet whether it can be merged"
    elif word not in ("clean", "draft"):
        yield "human", f"GitHub calls the merge {word!r}, which this gate does not know as good"


def _rule_findings(evidence: GateEvidence, _: CheckState) -> Iterator[Finding]:
    if evidence.rules is not None and evidence.rules.merge_queue:
        yield "human", f"{evidence.pull.base_ref} has a merge queue, which only a person feeds"


def _draft_findings(evidence: GateEvidence, _: CheckState) -> Iterator[Finding]:
    if not (evidence.pull.draft or evidence.pull.mergeable_state == "draft"):
        return
    over = evidence.session is not None and evidence.session.state in _ENDED
    yield ("human" if over else "wait"), "it is a draft, and only its author marks it ready"


def _origin_findings(evidence: GateEvidence, _: CheckState) -> Iterator[Finding]:
    pull, session = evidence.pull, evidence.session
    if _adds_own_ci(evidence):
        yield from _false_claims(_one_place(pull))
        return
    if session is None:
        yield "human", f"no session of ours says that it opened {pull.url}"
        return
    if not session.mine:
        yield "human", f"session {session.id} carries no valid marker of ours"
    output = session.pull
    claims = _one_place(pull)
    if session.repo is not None or not evidence.proposed:
        claims.append(("repository", session.repo, pull.repo))
        claims.append(("starting branch", session.branch, pull.base_ref))
    if evidence.proposed:
        if output is not None:
            yield "human", f"session {session.id} has opened {output.url} itself"
    elif output is None or output.url != pull.url:
        yield "human", f"session {session.id} does not name {pull.url} in its outputs"
        return
    else:
        claims.append(("reported base branch", output.base_ref, pull.base_ref))
        claims.append(("reported head branch", output.head_ref, pull.head_ref))
    yield from _false_claims(claims)


def _one_place(pull: PullRequest) -> list[_Claim]:
    """Return what a pull request within one repository says of itself."""
    return [
        ("base repository", pull.base_repo, pull.repo),
        ("head repository", pull.head_repo, pull.repo),
    ]


def _false_claims(claims: Sequence[_Claim]) -> Iterator[Finding]:
    for name, claimed, real in claims:
        if claimed != real:
            yield "human", f"the {name} is {claimed!r}, not {real!r}"


def _file_findings(evidence: GateEvidence, _: CheckState) -> Iterator[Finding]:
    files = evidence.files
    if _adds_own_ci(evidence):
        return
    if files is None:
        yield "human", "the list of changed files is not complete"
        return
    if not files:
        yield "human", "it changes no file"
    for file in files:
        yield from _findings_of_file(file, evidence.protected)
    lines = sum(file.additions + file.deletions for file in files)
    if lines > evidence.max_changed_lines:
        yield "human", f"{lines} changed lines, more than {evidence.max_changed_lines}"


def _findings_of_file(file: ChangedFile, protected: Sequence[str]) -> Iterator[Finding]:
    if file.status not in _FILE_STATUSES:
        yield "human", f"{file.path!r} has the unknown status {file.status!r}"
    for path in filter(None, (file.path, file.previous_path)):
        if is_protected(path, protected):
            yield "human", f"{path!r} is protected"
    if file.status == "removed" and _is_test(file.path):
        yield "human", f"the test file {file.path!r} is removed"
    if file.status == "renamed" and not _is_test(file.path) and _is_test(file.previous_path or ""):
        yield "human", f"the test file {file.previous_path!r} becomes {file.path!r}, which is none"


_RULES: tuple[Callable[[GateEvidence, CheckState], Iterator[Finding]], ...] = (
    _origin_findings,
    _file_findings,
    _check_findings,
    _mergeable_findings,
    _rule_findings,
    _draft_findings,
)


def _lasted(evidence: GateEvidence, state: CheckState) -> timedelta:
    """Return for how long this state is known to have held at this head."""
    earlier = evidence.earlier
    if state == "NONE":
        return evidence.now - evidence.head_since
    if earlier is None or earlier.sha != evidence.pull.head_sha or earlier.checks != state:
        return timedelta(0)
    return evidence.now - earlier.at


def _until_patience_ends(lasted: timedelta) -> GateVerdict:
    return "human" if lasted >= PATIENCE else "wait"


def _names(evidence: GateEvidence, state: CheckState) -> list[str]:
    if state in ("NONE", "INCOMPLETE"):
        return sorted({one.name for one in _expected(evidence)})
    return sorted(
        f"{check.name} ({check.conclusion or check.status})"
        for check in evidence.checks or ()
        if _state(check) == state
    )


def is_protected(path: str, protected: Sequence[str]) -> bool:
    """Say whether one of the globs fits: without case, as some file systems are.

    `*` matches across `/`, and `**/` the root too.
    """
    rooted = f"/{path.lower()}"
    globs = (glob.lower() if glob.startswith("**/") else f"/{glob.lower()}" for glob in protected)
    return any(fnmatchcase(rooted, glob) for glob in globs)


def _is_test(path: str) -> bool:
    *folders, name = path.split("/")
    in_test_folder = any(folder.lower() in _TEST_FOLDERS for folder in folders)
    return in_test_folder or _TEST_NAME.fullmatch(name) is not None

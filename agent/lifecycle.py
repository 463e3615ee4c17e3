"""What to do next about a task: `next_action`, a pure function of what we know and what we see."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime

from agent.planner.plan import Task
from mcp_server.models import Audit, GateDecision, PullRequest, Question, Session, Value

Status = Literal["planned", "running", "merged", "parked", "failed", "skipped"]
ENDED: frozenset[Status] = frozenset({"merged", "parked", "failed", "skipped"})
# States in which a session of ours may be archived (facts/jules-api.md 1.4: not while it runs).
_QUIET = frozenset({"COMPLETED", "FAILED", "PAUSED"})
_UNSEEN = "the session does not show"
_WORKING = frozenset({"PLANNING", "IN_PROGRESS"})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How patient the controller is; figures from facts/jules-api.md 2.1 where there are any."""

    silence: timedelta = timedelta(minutes=15)
    most_nudges: int = 2
    most_answers: int = 3
    most_fixes: int = 2
    # A session never rebases (facts 4): told in vain, a fresh one begins at the new base.
    most_conflict_requests: int = 1
    most_attempts: int = 3
    # COMPLETED can be read before the pull request shows (facts 2.5).
    pull_shows_within: timedelta = timedelta(minutes=5)
    # Jules' own CI fixer gets this long before a message is spent on it (facts 4).
    fixer_time: timedelta = timedelta(minutes=12)
    source_appears_within: timedelta = timedelta(minutes=25)
    # A session created seconds ago may be 404 (facts 5.3).
    session_shows_within: timedelta = timedelta(minutes=10)
    conflict_patience: timedelta = timedelta(minutes=20)
    # A session asked for what its tree lacks works as long as at a fix.
    completion_patience: timedelta = timedelta(minutes=20)
    # Whatever a task waits for, it does not wait longer for it: every state has a way out.
    longest_wait: timedelta = timedelta(hours=3)


class Progress(Value):
    """A task and all that we have done about it; kept after every step."""

    task: Task
    status: Status = "planned"
    reason: str = ""
    attempt: int = 1
    asked_to_start: bool = False
    session_id: str | None = None
    sessions: tuple[str, ...] = ()
    repository_made_at: AwareDatetime | None = None
    nudges: int = 0
    woken: bool = False
    answered: tuple[str, ...] = ()
    continued: bool = False
    fixes: int = 0
    fixed_head: str | None = None
    spoke_at: AwareDatetime | None = None
    trouble_since: AwareDatetime | None = None
    trouble_head: str | None = None
    pull_url: str | None = None
    # Its session works without its repository, which Jules does not reach.
    repoless: bool = False
    # Its pull request was opened from the session's diff, by us: nobody pushes to it any more.
    proposed: bool = False
    # Of the newest tree that it proposed, where the standard is asked for; and at which head its
    # session was asked for what is missing.
    audit: Audit | None = None
    asked_head: str | None = None
    merging: bool = False
    merged_sha: str | None = None
    waits_for: str = ""
    waits_since: AwareDatetime | None = None
    archived: bool = False
    tidy: bool = False
    # Why its session was not archived although the task has its end.
    left: str = ""

    @property
    def ended(self) -> bool:
        """Whether the task has its end; its session may still want archiving."""
        return self.status in ENDED

    @property
    def done(self) -> bool:
        """Whether nothing at all is left to do about the task."""
        return self.ended and (self.tidy or self.session_id is None)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the outside world says about a task now; None means not looked at, or not there."""

    session: Session | None = None
    last_agent_at: datetime | None = None
    last_agent_text: str = ""
    question: Question | None = None
    pull: PullRequest | None = None
    decision: GateDecision | None = None
    audit: Audit | None = None
    has_source: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Action:
    """What to do; `kind` names it, the other fields are what that kind needs."""

    kind: Literal[
        "start",
        "start_repoless",
        "make_repository",
        "approve",
        "answer",
        "nudge",
        "wake",
        "continue",
        "fix_ci",
        "fix_conflict",
        "complete",
        "update_branch",
        "propose",
        "merge",
        "archive",
        "end",
        "wait",
        "nothing",
    ]
    why: str = ""
    status: Status = "running"
    text: str = ""
    activity_id: str = ""
    head_sha: str = ""
    # The work is wanted all the same: a fresh session does it anew, in the repair lane.
    redo: bool = False


def next_action(progress: Progress, seen: Observation, now: datetime, policy: Policy) -> Action:
    """Decide the one next step. Every state has a way out: by its own end or by patience."""
    if progress.ended:
        return _after_the_end(progress, seen)
    action = _step(progress, seen, now, policy)
    if action.kind in ("wait", "update_branch") and _too_long(progress, action, now, policy):
        return _end("parked", f"nothing moved for {policy.longest_wait}: {action.why}")
    return action


def _too_long(progress: Progress, action: Action, now: datetime, policy: Policy) -> bool:
    same = progress.waits_for == action.why and progress.waits_since is not None
    return same and now - (progress.waits_since or now) >= policy.longest_wait


def _step(progress: Progress, seen: Observation, now: datetime, policy: Policy) -> Action:
    if progress.session_id is None:
        return _before_the_session(progress, seen, now, policy)
    session = seen.session
    if session is None:
        return _unseen(progress, now, policy)
    if session.state == "AWAITING_PLAN_APPROVAL":
        return Action(kind="approve", why="its session plan waits")
    if session.state == "AWAITING_USER_FEEDBACK":
        return _asked(progress, seen, now, policy)
    if session.state == "QUEUED":
        return Action(kind="wait", why="Jules has not begun")
    if session.state in _WORKING:
        return _nudge_after_silence(progress, seen, now, policy)
    if session.state == "PAUSED" and not _given_up(progress, now, policy):
        return _paused(progress, seen)
    if session.state in _QUIET:
        return _came_to_rest(progress, seen, session, now, policy)
    return _end("parked", f"Jules calls its state {session.state!r}, which nobody here knows")


def _unseen(progress: Progress, now: datetime, policy: Policy) -> Action:
    since = progress.waits_since if progress.waits_for == _UNSEEN else None
    if since is not None and now - since >= policy.session_shows_within:
        return _end("failed", "its session is gone: somebody has deleted it")
    return Action(kind="wait", why=_UNSEEN)


def _end(status: Status, why: str) -> Action:
    return Action(kind="end", status=status, why=why)


def _after_the_end(progress: Progress, seen: Observation) -> Action:
    session = seen.session
    if progress.archived or session is None or session.archived:
        return Action(kind="nothing")
    if session.state not in _QUIET:
        return Action(kind="nothing", why=f"it is {session.state}")
    has_pull = session.pull is not None or progress.pull_url is not None
    if has_pull and progress.status in ("parked", "failed"):
        return Action(kind="nothing", why="its pull request waits for a person")
    return Action(kind="archive", why=f"the task is {progress.status}")


def _before_the_session(
    progress: Progress, seen: Observation, now: datetime, policy: Policy
) -> Action:
    if progress.task.lane == "create":
        if progress.repository_made_at is None:
            return Action(kind="make_repository", why="a new idea")
        if not seen.has_source:
            if now - progress.repository_made_at < policy.source_appears_within:
                return Action(kind="wait", why="the new repository is no source yet")
            why = "the new repository never appeared as a source of Jules"
            return Action(kind="start_repoless", why=why)
    elif seen.has_source is False:
        return _end("parked", "not a source of Jules: give its GitHub app this repository")
    return Action(kind="start", why=progress.task.reason)


def _asked(progress: Progress, seen: Observation, now: datetime, policy: Policy) -> Action:
    question = seen.question
    if question is not None and question.activity_id not in progress.answered:
        if len(progress.answered) >= policy.most_answers:
            return _end("parked", f"asked more than {policy.most_answers} times: {question.text}")
        return Action(
            kind="answer", why="it asked", text=question.text, activity_id=question.activity_id
        )
    return _nudge_after_silence(progress, seen, now, policy)


def _nudge_after_silence(
    progress: Progress, seen: Observation, now: datetime, policy: Policy
) -> Action:
    """Nudge when neither the agent nor we have said anything for long; then give up."""
    if seen.last_agent_at is None:
        return Action(kind="wait", why="at work")
    last = max(seen.last_agent_at, progress.spoke_at or seen.last_agent_at)
    if now - last < policy.silence:
        return Action(kind="wait", why="at work")
    if progress.nudges >= policy.most_nudges:
        return _end("parked", f"stuck: silent after {progress.nudges} nudges")
    return Action(kind="nudge", why="silent for 15 minutes", text=seen.last_agent_text)


def _given_up(progress: Progress, now: datetime, policy: Policy) -> bool:
    """Whether a paused session has had its message and the time to wake."""
    spoke = progress.spoke_at
    return progress.woken and (spoke is None or now - spoke >= policy.silence)


def _paused(progress: Progress, seen: Observation) -> Action:
    if seen.session is not None and seen.session.archived:
        return _end("parked", "somebody archived the session while it ran")
    if not progress.woken:
        return Action(kind="wake", why="paused", text=seen.last_agent_text)
    return Action(kind="wait", why="paused, and told to go on")


def _came_to_rest(
    progress: Progress, seen: Observation, session: Session, now: datetime, policy: Policy
) -> Action:
    """Judge what a session left: a pull request counts, however the session ended."""
    if session.pull is not None or progress.pull_url is not None:
        return _with_pull(progress, seen, now, policy)
    if session.state == "FAILED":
        reason = seen.last_agent_text or "no reason given"
        return _end("failed", f"the session failed: {reason}")
    if session.state == "PAUSED":
        return _end("failed", "paused, and a message did not wake it")
    return _without_pull(progress, session, now, policy)


def _with_pull(progress: Progress, seen: Observation, now: datetime, policy: Policy) -> Action:
    pull, decision = seen.pull, seen.decision
    if pull is None or decision is None:
        return Action(kind="wait", why="its pull request could not be read")
    reasons = _reasons(decision)
    if pull.merged:
        if progress.merging:
            return Action(kind="merge", why="merged; its ticket is settled", head_sha=pull.head_sha)
        return _end("merged", "merged")
    if pull.state != "open":
        return _end("skipped", "a person closed its pull request: a no, remembered")
    if decision.verdict == "merge":
        asking = _complete(progress, seen, pull, now, policy)
        return asking or Action(kind="merge", why=reasons, head_sha=pull.head_sha)
    if decision.verdict == "wait":
        return Action(kind="wait", why=reasons)
    if decision.verdict == "human":
        return _end("parked", reasons)
    return _mend(progress, pull, decision, now, policy)


def _complete(
    progress: Progress, seen: Observation, pull: PullRequest, now: datetime, policy: Policy
) -> Action | None:
    """Ask once, before a new repository's work is merged, for what its tree lacks; None: go on."""
    if progress.task.lane != "create" or progress.merging or not (seen.audit and seen.session):
        return None
    if progress.proposed:
        return None  # what is missing becomes a task of its own
    if progress.asked_head is None:
        missing = seen.audit.missing
        # Elsewhere nobody has seen an answer (facts/jules-api.md 2.1).
        if not missing or seen.session.state != "COMPLETED":
            return None
        lines = "\n".join(f"{one.what}: {one.evidence}; {one.mend}" for one in missing)
        why = f"{len(missing)} of the standard's demands are not met"
        return Action(kind="complete", why=why, text=lines, head_sha=pull.head_sha)
    spoke_at = progress.spoke_at or now - policy.completion_patience
    if progress.asked_head == pull.head_sha and now - spoke_at < policy.completion_patience:
        return Action(kind="wait", why="asked for what its tree lacks")
    return None


def _without_pull(progress: Progress, session: Session, now: datetime, policy: Policy) -> Action:
    """COMPLETED is not the end: the pull request may show late, or have been forgotten."""
    since = max(session.updated_at, progress.spoke_at or session.updated_at)
    if session.repo is None:
        return Action(kind="propose", why="it has no repository: its diff becomes a pull request")
    if now - since < policy.pull_shows_within:
        return Action(kind="wait", why="completed; its pull request may show late")
    if not progress.continued:
        return Action(kind="continue", why="completed without a pull request")
    if now - since < policy.silence:
        return Action(kind="wait", why="told to open its pull request")
    return Action(kind="propose", why="told in vain: its diff becomes a pull request")


def _mend(
    progress: Progress, pull: PullRequest, decision: GateDecision, now: datetime, policy: Policy
) -> Action:
    """Choose how a pull request is mended: conflict first, then red checks, then its base."""
    conflict = pull.mergeable is False or pull.mergeable_state == "dirty"
    if progress.proposed:
        why = f"opened from its session's diff, so nobody pushes to it: {_reasons(decision)}"
        return _give_up(progress, why, redo=conflict)
    if not conflict and decision.checks != "FAILED":
        return Action(kind="update_branch", why="behind its base", head_sha=pull.head_sha)
    same_trouble = progress.trouble_head == pull.head_sha
    since = progress.trouble_since if same_trouble and progress.trouble_since else now
    reasons = _reasons(decision)
    asked, spoke_at = progress.fixed_head == pull.head_sha, progress.spoke_at
    if asked and spoke_at is not None and now - spoke_at < policy.conflict_patience:
        return Action(kind="wait", why="asked to be mended", head_sha=pull.head_sha)
    enough = progress.fixes >= (policy.most_conflict_requests if conflict else policy.most_fixes)
    if not conflict and not (asked and enough) and now - since < policy.fixer_time:
        return Action(kind="wait", why="red; Jules' own fixer has its time", head_sha=pull.head_sha)
    if enough:
        why = f"not mended after {progress.fixes} requests: {reasons}"
        return _give_up(progress, why, redo=conflict)
    kind = "fix_conflict" if conflict else "fix_ci"
    return Action(kind=kind, why=reasons, head_sha=pull.head_sha, text=reasons)


def _give_up(progress: Progress, why: str, *, redo: bool) -> Action:
    """Leave a pull request to a person; what is done anew is done anew once."""
    if not redo or progress.task.lane == "repair" or progress.repoless:
        return _end("parked", why)
    why = f"{why}; done anew from the new base: close {progress.pull_url or 'it'}"
    return Action(kind="end", status="parked", why=why, redo=True)


def _reasons(decision: GateDecision) -> str:
    return "; ".join(decision.reasons) or decision.verdict

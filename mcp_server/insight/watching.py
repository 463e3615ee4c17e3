"""The health of a session in one word, with its evidence and what to do about it. Pure.

Figures: facts/jules-api.md 2.1, measured by one client over 562 sessions (2026-08-24).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mcp_server.models import UNREADABLE, Activity, Question, Session, SessionHealth

# Of working sessions 0.05 % pause for longer, of stalled ones 89 %.
SILENCE = timedelta(minutes=15)
# A nudge was answered after 70 s, after 8 min at worst.
ANSWERS_WITHIN = SILENCE
NUDGES = 2
# COMPLETED can be read before the pull request shows (facts 2.5).
PULL_SHOWS_WITHIN = timedelta(minutes=2)
_ENDS = frozenset({"sessionCompleted", "sessionFailed"})
# Who writes what where the author is left out, as older answers do (facts 2.3).
_BY_AGENT = _ENDS | {"planGenerated", "agentMessaged", "progressUpdated"}


# What only comes of the agent's work, whoever is said to have written it.
_PROVEN = frozenset({"planGenerated", "agentMessaged", *_ENDS})


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One word, why, what to do next, and whether nothing more will happen by itself."""

    health: SessionHealth
    evidence: str
    next_step: str
    needs_somebody: bool


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What a session's activities show; texts as they are.

    `unanswered` counts the messages sent since the agent last wrote; `question` is what the agent
    said last since a user did, whatever it wrote otherwise; `ended` that its last word was an end,
    `came_back` that it wrote again after one; `unreadable` counts what was not understood.
    """

    plan_steps: tuple[str, ...] = ()
    last_agent: Activity | None = None
    last_message_at: datetime | None = None
    unanswered: int = 0
    question: Question | None = None
    ended: bool = False
    came_back: bool = False
    reason: str = ""
    change_set_in: str | None = None
    unreadable: int = 0


NOTHING = Signs()


def is_agents(activity: Activity) -> bool:
    """Whether the agent wrote it; where no author is named, or an unknown one, its kind says so."""
    match activity.originator:
        case "agent":
            return True
        case "user":
            return False
        case "system":
            return activity.kind in _PROVEN
        case _:
            return activity.kind in _BY_AGENT


def read_signs(activities: Iterable[Activity], before: Signs = NOTHING) -> Signs:
    """Return what activities, oldest first, show after those that showed `before`.

    However a history is taken apart, reading on gives what reading it whole does.
    """
    signs = before
    for one in activities:
        if one.has_change_set:
            signs = replace(signs, change_set_in=one.id)
        if is_agents(one):
            signs = _heard(signs, one)
        elif one.kind == UNREADABLE:
            signs = replace(signs, unreadable=signs.unreadable + 1)
        elif one.kind == "userMessaged":
            signs = replace(
                signs, unanswered=signs.unanswered + 1, last_message_at=one.at, question=None
            )
    return signs


def _heard(signs: Signs, one: Activity) -> Signs:
    """Return the signs after a word of the agent's."""
    ends, asks = one.kind in _ENDS, one.kind == "agentMessaged"
    return replace(
        signs,
        plan_steps=one.plan_steps or signs.plan_steps,
        last_agent=one,
        last_message_at=None,
        unanswered=0,
        question=Question(activity_id=one.id, text=one.text) if asks else signs.question,
        ended=ends,
        came_back=not ends and (signs.ended or signs.came_back),
        reason=one.text.strip() if one.kind == "sessionFailed" else signs.reason,
    )


def watch(session: Session, signs: Signs, now: datetime) -> Watched:
    """Say how a session is: its state first, then what its activities show."""
    judge = _BY_STATE.get(session.state)
    if judge is None:
        return Watched(
            health="unknown",
            evidence=f"Jules calls its state {session.state!r}, which nobody here knows",
            next_step="a person looks at it in the web app; nothing is concluded from it",
            needs_somebody=True,
        )
    found = judge(_Case(session, signs, now))
    if not session.archived:
        return found
    return Watched(
        health=found.health,
        evidence=f"{found.evidence}; archived",
        next_step="jules_unarchive_session shows it in lists again; it does not go on by that",
        needs_somebody=True,
    )


@dataclass(frozen=True)
class _Case:
    session: Session
    signs: Signs
    now: datetime

    @property
    def heard_at(self) -> datetime:
        """When the agent last wrote; its beginning when it has not, or did not say when."""
        last = self.signs.last_agent
        return (last.at if last else None) or self.session.created_at

    @property
    def silence(self) -> timedelta:
        return self.now - self.heard_at

    @property
    def waits_for_answer(self) -> bool:
        """Whether a message of ours is still young enough to be answered."""
        at = self.signs.last_message_at
        return at is not None and self.now - at < ANSWERS_WITHIN


def _queued(case: _Case) -> Watched:
    return Watched(
        health="working",
        evidence=f"Jules has not begun; queued for {_minutes(case.now - case.session.created_at)}",
        next_step="jules_wait; a long queue means that too many run at once",
        needs_somebody=False,
    )


def _at_work(case: _Case) -> Watched:
    last = case.signs.last_agent
    spoken_to_in_vain = case.signs.unanswered and not case.waits_for_answer
    if last is not None and last.kind in _ENDS and not spoken_to_in_vain:
        # Its clock stands still from its end on, whatever it is said to do now.
        return _revived(case, f"at work again: it had ended at {_clock(case.heard_at)}")
    if case.silence >= SILENCE:
        return _quiet(case)
    if case.signs.came_back:
        return _revived(case, f"wrote again at {_clock(case.heard_at)}, after its end")
    return Watched(
        health="working",
        evidence=f"last wrote {_minutes(case.silence)} ago",
        next_step="jules_wait",
        needs_somebody=False,
    )


def _revived(case: _Case, evidence: str) -> Watched:
    pull = case.session.pull
    return Watched(
        health="revived",
        evidence=evidence,
        next_step="jules_wait; then judge its pull request anew: its head may have moved"
        if pull
        else "jules_wait; then read what it left anew",
        needs_somebody=False,
    )


def _quiet(case: _Case) -> Watched:
    """Judge a session that should work and has written nothing for `SILENCE`."""
    told = f"the agent has written nothing for {_minutes(case.silence)}"
    sent = case.signs.unanswered
    if sent and case.waits_for_answer:
        return Watched(
            health="silent",
            evidence=f"{told}; {sent} messages unanswered, the last one is young",
            next_step="jules_wait: an answer takes a minute, eight at worst",
            needs_somebody=False,
        )
    if sent >= NUDGES:
        return Watched(
            health="stuck",
            evidence=f"{told}; {sent} messages unanswered",
            next_step="give it up: archive it, and start a new attempt if it is worth a unit",
            needs_somebody=True,
        )
    return Watched(
        health="silent",
        evidence=f"{told}; {sent} messages unanswered",
        next_step="jules_send_message template=nudge",
        needs_somebody=True,
    )


def _plan_ready(case: _Case) -> Watched:
    steps = len(case.signs.plan_steps)
    return Watched(
        health="plan_ready",
        evidence=f"its session plan of {steps} steps waits for approval",
        next_step="jules_approve_plan, or jules_send_message with what should be different",
        needs_somebody=True,
    )


def _asking(case: _Case) -> Watched:
    if not case.signs.unanswered:
        question = case.signs.question
        return Watched(
            health="asking",
            evidence=f"it asks: {question.text[:200]}" if question else "it waits for an answer",
            next_step="jules_send_message with the answer",
            needs_somebody=True,
        )
    if case.waits_for_answer or case.silence < SILENCE:
        return Watched(
            health="working",
            evidence="it was answered and has not gone on yet",
            next_step="jules_wait",
            needs_somebody=False,
        )
    return _quiet(case)


def _paused(case: _Case) -> Watched:
    return Watched(
        health="paused",
        evidence=f"Jules paused it; the agent last wrote {_minutes(case.silence)} ago",
        next_step="jules_send_message template=continue may wake it; nothing else can",
        needs_somebody=True,
    )


def _failed(case: _Case) -> Watched:
    reason = case.signs.reason
    return Watched(
        health="failed",
        evidence=f"failed: {reason[:300]}" if reason else "failed without a reason",
        next_step="start a new attempt if it is worth a unit; then archive this one",
        needs_somebody=True,
    )


def _completed(case: _Case) -> Watched:
    session = case.session
    if case.signs.came_back:
        return Watched(
            health="revived",
            evidence=f"completed, and wrote again at {_clock(case.heard_at)}",
            next_step="github_get_pull judges it anew: its head may have moved"
            if session.pull
            else "jules_list_activities shows what it did",
            needs_somebody=True,
        )
    since = case.now - session.updated_at
    if session.pull is not None:
        evidence, next_step = f"done, with {session.pull.url}", "github_get_pull"
    elif session.repo is not None and since < PULL_SHOWS_WITHIN:
        return Watched(
            health="done",
            evidence="done a moment ago; its pull request may show late",
            next_step="jules_wait",
            needs_somebody=False,
        )
    elif session.has_patch or case.signs.change_set_in:
        evidence, next_step = "done, with a patch and no pull request", "jules_get_patch"
    else:
        evidence = "done, and nothing came of it"
        next_step = "jules_send_message template=continue, or archive it"
    return Watched(health="done", evidence=evidence, next_step=next_step, needs_somebody=True)


_BY_STATE: Mapping[str, Callable[[_Case], Watched]] = {
    "QUEUED": _queued,
    "PLANNING": _at_work,
    "IN_PROGRESS": _at_work,
    "AWAITING_PLAN_APPROVAL": _plan_ready,
    "AWAITING_USER_FEEDBACK": _asking,
    "PAUSED": _paused,
    "FAILED": _failed,
    "COMPLETED": _completed,
}


def _minutes(span: timedelta) -> str:
    return f"{max(0, int(span.total_seconds() // 60))} min"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"

"""A task in every state, what is seen of it, and what comes next."""

from dataclasses import replace
from datetime import datetime, timedelta

from agent.lifecycle import Observation, Policy, Progress
from mcp_server.models import GateVerdict, Question
from tests.agent_cases import HEAD, NOW, decision, progress, pull, session

POLICY = Policy()
QUESTION = Question(activity_id="q1", text="Which?")
OLD_HEAD = "b" * 40


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def unstarted(lane: str = "optimize", **changes: object) -> Progress:
    start = progress(lane, status="planned", asked_to_start=False, session_id=None, sessions=())
    return start.model_copy(update=changes)


def working(state: str = "IN_PROGRESS", silent: float = 0, **changes: object) -> Observation:
    seen = Observation(session=session(state), last_agent_at=ago(silent), last_agent_text="Step 3")
    return replace(seen, **changes)  # pyright: ignore[reportArgumentType] -- fields of Observation


def ready(
    verdict: GateVerdict, *reasons: str, checks: str = "GREEN", **changes: object
) -> Observation:
    return Observation(
        session=session("COMPLETED", with_pull=True),
        pull=pull(**changes),
        decision=decision(verdict, *reasons, checks=checks),
    )


def red(**changes: object) -> Observation:
    return ready("fix", "failed checks: test", checks="FAILED", **changes)


def conflict() -> Observation:
    return ready("fix", "conflict with main", mergeable=False, mergeable_state="dirty")


def done_without_pull(minutes: float) -> Observation:
    return Observation(session=session("COMPLETED", updated_at=ago(minutes)))


def red_since(minutes: float, **changes: object) -> Progress:
    return progress(trouble_head=HEAD, trouble_since=ago(minutes), **changes)


def asked_to_mend(minutes: float, fixes: int = 1, lane: str = "optimize") -> Progress:
    start = progress(lane, trouble_head=HEAD, trouble_since=ago(60))
    return start.model_copy(update={"fixes": fixes, "fixed_head": HEAD, "spoke_at": ago(minutes)})


def waits(question: Question | None = QUESTION, silent: float = 0) -> Observation:
    return working("AWAITING_USER_FEEDBACK", silent, question=question)


def ended(status: str, **changes: object) -> Progress:
    return progress(status=status, **changes)


def at_rest(state: str, **changes: object) -> Observation:
    return Observation(session=session(state, with_pull=False, **changes))


def judged(verdict: GateVerdict) -> Observation:
    seen = ready(verdict, "behind main" if verdict == "fix" else "")
    return replace(seen, session=session("COMPLETED"))


PROPOSED = progress(pull_url="https://github.com/me/app/pull/1", proposed=True)

WITH_PULL = Observation(session=session("COMPLETED", with_pull=True))

# name: what we have done, what we see, what comes next (an end with its status)
CASES: dict[str, tuple[Progress, Observation, str]] = {
    # Before there is a session
    "care on a source starts": (unstarted(), Observation(has_source=True), "start"),
    "an update starts before sources were looked at": (
        unstarted("update"),
        Observation(),
        "start",
    ),
    "care without a source is parked": (unstarted(), Observation(has_source=False), "end parked"),
    "a creation makes its repository": (unstarted("create"), Observation(), "make_repository"),
    "a creation makes it even while nothing is a source": (
        unstarted("create"),
        Observation(has_source=False),
        "make_repository",
    ),
    "a new repository waits to be a source": (
        unstarted("create", repository_made_at=ago(1)),
        Observation(has_source=False),
        "wait",
    ),
    "a new repository waits when sources were not read": (
        unstarted("create", repository_made_at=ago(1)),
        Observation(),
        "wait",
    ),
    "a source that is late by 24:59 is waited for": (
        unstarted("create", repository_made_at=ago(24.98)),
        Observation(has_source=False),
        "wait",
    ),
    "a source that is late by 25:00 is done without": (
        unstarted("create", repository_made_at=ago(25)),
        Observation(has_source=False),
        "start_repoless",
    ),
    "a source that appears at last starts": (
        unstarted("create", repository_made_at=ago(40)),
        Observation(has_source=True),
        "start",
    ),
    "a lost create is asked for again, which never sends twice": (
        unstarted(asked_to_start=True, status="running"),
        Observation(has_source=True),
        "start",
    ),
    # While it works
    "a session that is not listed yet is waited for": (progress(), Observation(), "wait"),
    "one that somebody has deleted is given up after ten minutes": (
        progress(waits_for="the session does not show", waits_since=NOW - timedelta(minutes=10)),
        Observation(),
        "end failed",
    ),
    "a queue is waited in": (progress(), at_rest("QUEUED"), "wait"),
    "a queue is never nudged": (progress(), working("QUEUED", silent=300), "wait"),
    "planning is waited for": (progress(), at_rest("PLANNING"), "wait"),
    "work is waited for": (progress(), at_rest("IN_PROGRESS"), "wait"),
    "a session plan is approved": (progress(), at_rest("AWAITING_PLAN_APPROVAL"), "approve"),
    "14:59 of silence is work": (progress(), working(silent=14.98), "wait"),
    "15:00 of silence is nudged": (progress(), working(silent=15), "nudge"),
    "silent planning is nudged": (progress(), working("PLANNING", silent=15), "nudge"),
    "our own words count as life": (
        progress(nudges=1, spoke_at=ago(14)),
        working(silent=30),
        "wait",
    ),
    "silence after a nudge is nudged again": (
        progress(nudges=1, spoke_at=ago(15)),
        working(silent=30),
        "nudge",
    ),
    "an answer to a nudge starts patience anew": (
        progress(nudges=2, spoke_at=ago(60)),
        working(silent=3),
        "wait",
    ),
    "the second nudge has its time too": (
        progress(nudges=2, spoke_at=ago(14)),
        working(silent=45),
        "wait",
    ),
    "silence after two nudges parks": (
        progress(nudges=2, spoke_at=ago(15)),
        working(silent=45),
        "end parked",
    ),
    # When it asks
    "a question is answered": (progress(), waits(), "answer"),
    "a second question is answered": (progress(answered=("q0",)), waits(), "answer"),
    "the third question is answered": (progress(answered=("a", "b")), waits(), "answer"),
    "the fourth question parks": (progress(answered=("a", "b", "c")), waits(), "end parked"),
    "a question is answered once": (
        progress(answered=("q1",), spoke_at=ago(1)),
        waits(silent=5),
        "wait",
    ),
    "at the cap, an answered question is still waited on": (
        progress(answered=("a", "b", "q1"), spoke_at=ago(1)),
        waits(silent=5),
        "wait",
    ),
    "silence after an answer is nudged": (
        progress(answered=("q1",), spoke_at=ago(15)),
        waits(silent=20),
        "nudge",
    ),
    "it waits for feedback and no question is seen": (progress(), waits(None), "wait"),
    "it waits for feedback and stays silent": (progress(), waits(None, silent=15), "nudge"),
    "it waits for feedback whatever it is told": (
        progress(nudges=2, spoke_at=ago(15)),
        waits(None, silent=60),
        "end parked",
    ),
    # Paused, failed, unknown
    "a paused session is told to go on": (progress(), at_rest("PAUSED"), "wake"),
    "a paused session is told so however often it was nudged": (
        progress(nudges=2, spoke_at=ago(60)),
        at_rest("PAUSED"),
        "wake",
    ),
    "a paused session has 14:59 to wake": (
        progress(woken=True, spoke_at=ago(14.98)),
        at_rest("PAUSED"),
        "wait",
    ),
    "a session that does not wake has failed": (
        progress(woken=True, spoke_at=ago(15)),
        at_rest("PAUSED"),
        "end failed",
    ),
    "a wait of 2:59 goes on": (
        progress(waits_for="Jules has not begun", waits_since=ago(179.98)),
        at_rest("QUEUED"),
        "wait",
    ),
    "nothing is waited for longer than three hours": (
        progress(waits_for="Jules has not begun", waits_since=ago(180)),
        at_rest("QUEUED"),
        "end parked",
    ),
    "three hours of something else do not count": (
        progress(waits_for="at work", waits_since=ago(180)),
        at_rest("QUEUED"),
        "wait",
    ),
    "a running session that somebody archived parks": (
        progress(),
        at_rest("PAUSED", archived=True),
        "end parked",
    ),
    "a failed session ends": (progress(), at_rest("FAILED"), "end failed"),
    "a state that nobody knows parks": (progress(), at_rest("DREAMING"), "end parked"),
    "no state at all parks": (progress(), at_rest("STATE_UNSPECIFIED"), "end parked"),
    "states are written as Jules writes them": (progress(), at_rest("completed"), "end parked"),
    # Completed without a pull request
    "a pull request may be 4:59 late": (progress(), done_without_pull(4.98), "wait"),
    "one that is 5:00 late is asked for": (progress(), done_without_pull(5), "continue"),
    "it has time to open it": (
        progress(continued=True, spoke_at=ago(14.98)),
        done_without_pull(20),
        "wait",
    ),
    "told in vain, its diff is what is left": (
        progress(continued=True, spoke_at=ago(15)),
        done_without_pull(20),
        "propose",
    ),
    "one without a repository opens no pull request": (
        progress(),
        Observation(session=session(state="COMPLETED", repo=None)),
        "propose",
    ),
    "what we proposed is judged like any other": (
        PROPOSED,
        judged("merge"),
        "merge",
    ),
    "nobody pushes to what we proposed": (
        PROPOSED,
        judged("fix"),
        "end parked",
    ),
    "an answer to an old nudge is no request for a pull request": (
        progress(nudges=1, spoke_at=ago(30)),
        done_without_pull(6),
        "continue",
    ),
    # The pull request and the gate
    "an unread pull request waits": (progress(), WITH_PULL, "wait"),
    "a pull request without a verdict waits": (progress(), replace(WITH_PULL, pull=pull()), "wait"),
    "green is merged": (progress(), ready("merge"), "merge"),
    "what the gate waits for is waited for": (progress(), ready("wait"), "wait"),
    "what only a person can mend parks": (progress(), ready("human"), "end parked"),
    "merged is the end": (
        progress(),
        ready("human", merged=True, state="closed"),
        "end merged",
    ),
    "merged is the end even if the gate says merge": (
        progress(),
        ready("merge", merged=True, state="closed"),
        "end merged",
    ),
    "a person's no is remembered": (progress(), ready("human", state="closed"), "end skipped"),
    "behind its base is updated": (
        progress(),
        ready("fix", "behind main", mergeable_state="behind"),
        "update_branch",
    ),
    "a conflict is mended at once": (progress(), conflict(), "fix_conflict"),
    "an unmergeable state alone is a conflict": (
        progress(),
        ready("fix", mergeable=None, mergeable_state="dirty"),
        "fix_conflict",
    ),
    "a conflict comes before red checks": (
        progress(),
        red(mergeable=False, mergeable_state="dirty"),
        "fix_conflict",
    ),
    "red checks come before the base": (
        red_since(12),
        red(mergeable_state="behind"),
        "fix_ci",
    ),
    "red that is new leaves Jules' fixer its time": (progress(), red(), "wait"),
    "red for 11:59 leaves it its time": (red_since(11.98), red(), "wait"),
    "red for 12:00 is asked to be mended": (red_since(12), red(), "fix_ci"),
    "a new red head gives the fixer its time again": (
        progress(trouble_head=OLD_HEAD, trouble_since=ago(60)),
        red(),
        "wait",
    ),
    "a request has 19:59 to work": (asked_to_mend(19.98), red(), "wait"),
    "a request that did nothing is made again": (asked_to_mend(20), red(), "fix_ci"),
    "a conflict request has its time too": (asked_to_mend(19.98), conflict(), "wait"),
    "a conflict that its session was told of in vain is done anew": (
        asked_to_mend(20),
        conflict(),
        "end parked, redo",
    ),
    "what we proposed and conflicts is done anew": (PROPOSED, conflict(), "end parked, redo"),
    "what was done anew is not done anew again": (
        asked_to_mend(20, lane="repair"),
        conflict(),
        "end parked",
    ),
    "the last request has its time": (asked_to_mend(19.98, fixes=2), red(), "wait"),
    "red after two requests parks": (asked_to_mend(20, fixes=2), red(), "end parked"),
    "a new head after two requests still has the fixer's time": (
        progress(fixes=2, fixed_head=OLD_HEAD, trouble_head=HEAD, trouble_since=ago(11)),
        red(),
        "wait",
    ),
    "a new head that stays red after two requests parks": (
        progress(fixes=2, fixed_head=OLD_HEAD, trouble_head=HEAD, trouble_since=ago(12)),
        red(),
        "end parked",
    ),
    # After the end: what is archived, and what never is
    "merged is archived": (ended("merged"), WITH_PULL, "archive"),
    "failed is archived": (ended("failed"), at_rest("FAILED"), "archive"),
    "a paused failure is archived": (ended("failed"), at_rest("PAUSED"), "archive"),
    "a failure with a pull request is a person's": (ended("failed"), WITH_PULL, "nothing"),
    "a person's no is archived": (ended("skipped"), WITH_PULL, "archive"),
    "parked without a pull request is archived": (ended("parked"), at_rest("PAUSED"), "archive"),
    "parked with a pull request is a person's": (ended("parked"), WITH_PULL, "nothing"),
    "parked at work is left to work": (ended("parked"), at_rest("IN_PROGRESS"), "nothing"),
    "parked and asking is left to ask": (
        ended("parked"),
        at_rest("AWAITING_USER_FEEDBACK"),
        "nothing",
    ),
    "merged and at work again is left": (ended("merged"), at_rest("IN_PROGRESS"), "nothing"),
    "a queued session is not archived": (ended("failed"), at_rest("QUEUED"), "nothing"),
    "an unknown state is not archived": (ended("parked"), at_rest("DREAMING"), "nothing"),
    "archived once is enough": (ended("merged", archived=True), WITH_PULL, "nothing"),
    "archived by a person is enough": (
        ended("merged"),
        at_rest("COMPLETED", archived=True),
        "nothing",
    ),
    "an end without a session is all": (
        unstarted(status="parked"),
        Observation(has_source=True),
        "nothing",
    ),
}

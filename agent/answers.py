"""What a person says to the factory: again, drop it, looked at, never again.

Changes the agent's own state only; nothing is started, stopped or published here.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

from agent.lifecycle import Progress
from agent.planner.rules import Rejection
from agent.report.model import Report
from agent.state import Review, State
from mcp_server.errors import BadArgument, NotFound

MOST_ATTEMPTS = 9  # of jules_start_session
# An answer is news to a report for this long; what it changes shows in the plan itself.
TOLD_FOR = timedelta(days=7)


def known_task(state: State, key: str) -> Progress:
    """Return a task of any day; raises `NotFound`."""
    found = state.task(key)
    if found is None:
        raise NotFound(f"no task {key!r} in this state: agent status lists those of the last day")
    return found


def retry(state: State, key: str, now: datetime) -> tuple[Progress, str]:
    """Plan an ended task anew for today's next run; returns it and what to tell the person.

    Raises:
        NotFound: no such task.
        BadArgument: it is merged, has no end yet, or used up its attempts.
    """
    before = known_task(state, key)
    if before.status == "merged":
        raise BadArgument(f"{key} is merged: there is nothing to do again")
    if not before.ended:
        raise BadArgument(f"{key} is {before.status}: only a task that has ended starts again")
    if before.attempt >= MOST_ATTEMPTS:
        raise BadArgument(f"{key} has had {before.attempt} attempts of {MOST_ATTEMPTS}")
    after = Progress(
        # What a person asks for is no spare any more.
        task=before.task.model_copy(update={"spare": False}),
        attempt=before.attempt + 1,
        sessions=before.sessions,
        repository_made_at=before.repository_made_at,
    )
    date = f"{now.astimezone(UTC):%Y-%m-%d}"
    state.plan_again(after, date)
    words = f"{key} is planned again for {date} as attempt {after.attempt}: agent run takes it up"
    return after, words + _left_behind(before)


def drop(state: State, key: str) -> tuple[Progress, str]:
    """End a task as skipped; returns it and what to tell the person.

    Raises:
        NotFound: no such task.
        BadArgument: it has its end already.
    """
    before = known_task(state, key)
    if before.ended:
        raise BadArgument(f"{key} has ended already: {before.status}")
    # Let go of the session: nobody steers it from here on, and it may still be at work.
    after = before.model_copy(
        update={"status": "skipped", "reason": "dropped by a person", "session_id": None}
    )
    state.save(after)
    return after, f"{key} is dropped" + _left_behind(before)


def _left_behind(before: Progress) -> str:
    """Name what Jules and GitHub still have of a task that was let go."""
    session = f"; session {before.session_id} is left as it is" if before.session_id else ""
    pull = f"; its pull request is left to you: {before.pull_url}" if before.pull_url else ""
    return session + pull


def waiting_reviews(state: State) -> tuple[Review, ...]:
    """Return the new repositories that nobody has answered for."""
    return tuple(review for review in state.reviews() if review.answer is None)


def known_review(state: State, repo: str) -> Review:
    """Return what is known of a new repository, named in any case; raises `NotFound`."""
    for review in state.reviews():
        if review.repo.casefold() == repo.casefold():
            return review
    raise NotFound(f"no report names {repo!r} as a new repository: agent review lists them")


def answer_review(
    state: State, repo: str, answer: Literal["reviewed", "rejected"], now: datetime
) -> Review:
    """Record that a person looked at a new repository; raises `NotFound`. Publishes nothing."""
    update = {"answer": answer, "at": now}
    answered = known_review(state, repo).model_copy(update=update)
    state.answer(answered)
    return answered


def reject_idea(state: State, words: str, now: datetime) -> Rejection:
    """Record that an idea, by key or title, is never proposed again; raises `NotFound`."""
    idea = state.find_idea(words)
    if idea is None:
        raise NotFound(f"no plan in this state has an idea {words!r}: give its key or whole title")
    state.reject(Rejection(key=idea.key, title=idea.title, at=now))
    return next(one for one in state.rejections() if one.key == idea.key)


def review_line(review: Review) -> str:
    """Return where a new repository stands with its reviewer."""
    if review.answer is None or review.at is None:
        return f"{review.repo}: new since {review.date}, private, not looked at"
    return f"{review.repo}: {review.answer} by a person on {_day(review.at)}; still private"


def rejection_line(rejection: Rejection) -> str:
    """Return what was rejected, and when."""
    return f"{rejection.title} ({rejection.key}): rejected by a person on {_day(rejection.at)}"


def with_answers(report: Report, state: State) -> Report:
    """Return the report with the answers of the last week among its notes."""
    since = report.run.ended_at - TOLD_FOR
    reviews = [one for one in state.reviews() if one.at is not None and one.at >= since]
    rejections = [one for one in state.rejections() if one.at >= since]
    told = (*map(review_line, reviews), *map(rejection_line, rejections))
    return report.model_copy(update={"notes": (*report.notes, *told)})


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"

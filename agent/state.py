"""What the agent remembers: each day's frozen plan and report, its tasks, a person's answers.

A convenience, not the truth: started tasks are found again by their markers, planned ones may be
planned anew. Only the answers are nowhere else. Shares a database URL with the server, owns its
own tables.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from pydantic import AwareDatetime

from agent.lifecycle import Progress
from agent.planner.plan import Plan
from agent.planner.rules import Decided, Rejection
from agent.report.model import Report
from mcp_server.models import Discovery, Idea, Value

# As long as the history of trends: what moves again after that is new.
REMEMBERED = timedelta(days=90)

_METADATA = sa.MetaData()
_DAYS = sa.Table(
    "agent_days",
    _METADATA,
    sa.Column("date", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)
_TASKS = sa.Table(
    "agent_tasks",
    _METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("date", sa.Text, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Column("progress", sa.Text, nullable=False),
)
_REPORTS = sa.Table(
    "agent_reports",
    _METADATA,
    sa.Column("date", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)
_REVIEWS = sa.Table(
    "agent_reviews",
    _METADATA,
    sa.Column("repo", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)
_REJECTIONS = sa.Table(
    "agent_rejections",
    _METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)


class Day(Value):
    """A day that was begun: its frozen plan, and what it was planned from."""

    plan: Plan
    discovery: Discovery
    started_at: AwareDatetime


class Review(Value):
    """A new repository, since which day a person is asked to look at it, and the answer."""

    repo: str
    date: str
    answer: Literal["reviewed", "rejected"] | None = None
    at: AwareDatetime | None = None


class State:
    """Plans, progress, reports and answers in one database."""

    def __init__(self, url: str) -> None:
        """Open the database at `url` and make the agent's tables there."""
        self._engine = sa.create_engine(url, connect_args={"timeout": 10})
        with self._alone() as tx:
            _METADATA.create_all(tx)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Generator[sa.Connection]:
        """Begin a transaction that no other process comes between, reads and writes alike."""
        with self._engine.begin() as tx:
            # The driver itself begins with the first write (sqlite3, legacy transaction control).
            tx.exec_driver_sql("BEGIN IMMEDIATE")
            yield tx

    def day(self, date: str) -> Day | None:
        """Return the day of that UTC date, if it was begun."""
        with self._engine.begin() as tx:
            text = tx.execute(
                sa.select(_DAYS.c.record).where(_DAYS.c.date == date)
            ).scalar_one_or_none()
        return Day.model_validate_json(text) if text else None

    def begin(self, day: Day) -> Day:
        """Freeze a day's plan together with its tasks; returns what is kept.

        Another run may have begun the date meanwhile: then its plan is the day's.
        """
        kept = sa.select(_DAYS.c.record).where(_DAYS.c.date == day.plan.date)
        with self._alone() as tx:
            text = tx.execute(kept).scalar_one_or_none()
            if text is not None:
                return Day.model_validate_json(text)
            tx.execute(sa.insert(_DAYS).values(date=day.plan.date, record=day.model_dump_json()))
            for place, task in enumerate(day.plan.tasks):
                row = _row(Progress(task=task), day.plan.date, place)
                tx.execute(sa.insert(_TASKS).values(**row))
        return day

    def adopt(self, date: str, begun: Sequence[Progress]) -> tuple[Progress, ...]:
        """Take up begun tasks that are not known here, before those of `date`; returns these."""
        with self._engine.begin() as tx:
            return _adopt(tx, date, begun)

    def advance(
        self, before: Progress, after: Progress, *, date: str = "", follows: Progress | None = None
    ) -> Progress:
        """Keep `after` unless somebody has changed the task since it was `before`.

        Returns what is kept now: a person's answer is not overwritten by a run that has not read
        it. Only the sessions of `after` are put down in it, for they were spent. What `follows`
        from `after` is adopted for `date` with it, or neither is kept.
        """
        table = _TASKS.c
        key = before.task.key
        with self._engine.begin() as tx:
            text = tx.execute(sa.select(table.progress).where(table.key == key)).scalar_one()
            theirs = Progress.model_validate_json(text)
            kept = after if theirs == before else _with_sessions(theirs, after.sessions)
            written = tx.execute(
                sa.update(_TASKS)
                # The row may change between the two statements: then nothing is written.
                .where(table.key == key, table.progress == text)
                .values(progress=kept.model_dump_json(), ended=kept.done)
            )
            if follows is not None and written.rowcount == 1 and kept == after:
                _adopt(tx, date, [follows])
        if written.rowcount == 1:
            return kept
        return self.advance(before, after, date=date, follows=follows)

    def save(self, progress: Progress) -> None:
        """Keep a task as it is here, whatever was kept of it: a person's word."""
        with self._engine.begin() as tx:
            tx.execute(
                sa.update(_TASKS)
                .where(_TASKS.c.key == progress.task.key)
                .values(progress=progress.model_dump_json(), ended=progress.done)
            )

    def plan_again(self, progress: Progress, date: str) -> None:
        """Keep a task as one of the day `date`, whichever day it was planned for."""
        with self._engine.begin() as tx:
            tx.execute(sa.update(_TASKS).where(_TASKS.c.key == progress.task.key).values(date=date))
        self.save(progress)

    def task(self, key: str) -> Progress | None:
        """Return one task of any day."""
        return next(iter(self._read(_TASKS.c.key == key)), None)

    def last_date(self) -> str | None:
        """Return the newest date that has a plan or a task; None: nothing was ever begun."""
        with self._engine.begin() as tx:
            dates = [
                tx.execute(sa.select(sa.func.max(table.c.date))).scalar_one()
                for table in (_DAYS, _TASKS)
            ]
        return max((date for date in dates if date), default=None)

    def tasks(self, date: str) -> tuple[Progress, ...]:
        """Return the day's tasks in the plan's order."""
        return self._read(_TASKS.c.date == date)

    def unfinished_before(self, date: str) -> tuple[Progress, ...]:
        """Return tasks of earlier days that are not done: no end, or no archive yet.

        What was only planned is planned anew instead; but for a repair, which no plan repeats.
        """
        earlier = self._read(_TASKS.c.date < date, _TASKS.c.ended.is_(False))
        return tuple(
            one
            for one in earlier
            if one.asked_to_start or one.repository_made_at or one.task.lane == "repair"
        )

    def decided_before(self, date: str) -> tuple[Decided, ...]:
        """Return the ideas that work was begun on in the `REMEMBERED` days before, oldest first.

        What was only planned is not among them: it may be planned anew.
        """
        since = f"{datetime.fromisoformat(date) - REMEMBERED:%Y-%m-%d}"
        return tuple(
            Decided(
                key=one.task.idea_key,
                title=one.task.variables.get("idea_title", one.task.title),
                date=day,
                lane=one.task.lane,
                repo=one.task.repo,
                status=one.status,
            )
            for day, one in self._dated(_TASKS.c.date >= since, _TASKS.c.date < date)
            if one.task.idea_key and (one.asked_to_start or one.repository_made_at)
        )

    def save_report(self, report: Report) -> None:
        """Keep the newest report of its day, and the repositories that it wants looked at."""
        date = report.run.date
        with self._engine.begin() as tx:
            tx.execute(sa.delete(_REPORTS).where(_REPORTS.c.date == date))
            tx.execute(sa.insert(_REPORTS).values(date=date, record=report.model_dump_json()))
            known = set(tx.execute(sa.select(_REVIEWS.c.repo)).scalars())
            for one in report.review_before_public:
                if one.repo not in known:
                    record = Review(repo=one.repo, date=date).model_dump_json()
                    tx.execute(sa.insert(_REVIEWS).values(repo=one.repo, record=record))

    def report(self, date: str | None = None) -> Report | None:
        """Return the report of that UTC date, or the newest there is."""
        query = sa.select(_REPORTS.c.record).order_by(_REPORTS.c.date.desc()).limit(1)
        if date is not None:
            query = query.where(_REPORTS.c.date == date)
        with self._engine.begin() as tx:
            text = tx.execute(query).scalar_one_or_none()
        return Report.model_validate_json(text) if text else None

    def reports(self) -> tuple[Report, ...]:
        """Return every report that is kept, oldest first."""
        with self._engine.begin() as tx:
            texts = tx.execute(sa.select(_REPORTS.c.record).order_by(_REPORTS.c.date)).scalars()
            return tuple(Report.model_validate_json(text) for text in texts)

    def reviews(self) -> tuple[Review, ...]:
        """Return every new repository that a report named, answered or not, the oldest first."""
        with self._engine.begin() as tx:
            texts = tx.execute(sa.select(_REVIEWS.c.record)).scalars().all()
        found = (Review.model_validate_json(text) for text in texts)
        return tuple(sorted(found, key=lambda review: (review.date, review.repo)))

    def answer(self, review: Review) -> None:
        """Keep a person's answer about a repository; the last one counts."""
        with self._engine.begin() as tx:
            tx.execute(
                sa.update(_REVIEWS)
                .where(_REVIEWS.c.repo == review.repo)
                .values(record=review.model_dump_json())
            )

    def find_idea(self, words: str) -> Idea | None:
        """Return the idea of that key or title (in any case) from the newest plan that has it."""
        wanted = " ".join(words.split()).casefold()
        with self._engine.begin() as tx:
            texts = tx.execute(sa.select(_DAYS.c.record).order_by(_DAYS.c.date.desc())).scalars()
            for text in texts:
                for judged in Day.model_validate_json(text).plan.ideas:
                    title = " ".join(judged.idea.title.split()).casefold()
                    if wanted in (judged.idea.key, title):
                        return judged.idea
        return None

    def reject(self, rejection: Rejection) -> None:
        """Keep that an idea is never proposed again; the first answer stands."""
        with self._engine.begin() as tx:
            table = _REJECTIONS.c
            said = tx.execute(sa.select(table.key).where(table.key == rejection.key))
            if said.one_or_none() is None:
                record = rejection.model_dump_json()
                tx.execute(sa.insert(_REJECTIONS).values(key=rejection.key, record=record))

    def rejections(self) -> tuple[Rejection, ...]:
        """Return what a person never wants proposed again, the oldest answer first."""
        with self._engine.begin() as tx:
            texts = tx.execute(sa.select(_REJECTIONS.c.record)).scalars().all()
        found = (Rejection.model_validate_json(text) for text in texts)
        return tuple(sorted(found, key=lambda one: (one.at, one.key)))

    def _read(self, *where: sa.ColumnElement[bool]) -> tuple[Progress, ...]:
        return tuple(progress for _, progress in self._dated(*where))

    def _dated(self, *where: sa.ColumnElement[bool]) -> list[tuple[str, Progress]]:
        """Return tasks with the days they belong to, in the order of days and plans."""
        columns = sa.select(_TASKS.c.date, _TASKS.c.progress)
        query = columns.where(*where).order_by(_TASKS.c.date, _TASKS.c.place)
        with self._engine.begin() as tx:
            rows = tx.execute(query).all()
        return [(row.date, Progress.model_validate_json(row.progress)) for row in rows]


def _adopt(tx: sa.Connection, date: str, begun: Sequence[Progress]) -> tuple[Progress, ...]:
    known = set(tx.execute(sa.select(_TASKS.c.key)).scalars())
    new = tuple(one for one in begun if one.task.key not in known)
    first = sa.select(sa.func.min(_TASKS.c.place)).where(_TASKS.c.date == date)
    place = (tx.execute(first).scalar_one() or 0) - len(new)
    for behind, progress in enumerate(new):
        tx.execute(sa.insert(_TASKS).values(**_row(progress, date, place + behind)))
    return new


def _row(progress: Progress, date: str, place: int) -> dict[str, object]:
    return {
        "key": progress.task.key,
        "date": date,
        "place": place,
        "ended": progress.done,
        "progress": progress.model_dump_json(),
    }


def _with_sessions(progress: Progress, sessions: Sequence[str]) -> Progress:
    every = dict.fromkeys((*progress.sessions, *sessions))
    return progress.model_copy(update={"sessions": tuple(every)})

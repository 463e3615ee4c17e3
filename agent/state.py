"""What the agent remembers: the frozen plan of each day and how far each task has come.

A convenience, not the truth: started tasks are found again by their markers, planned ones may be
planned anew. Shares a database URL with the server, owns its own tables.
"""

from collections.abc import Iterable

import sqlalchemy as sa
from pydantic import AwareDatetime

from agent.lifecycle import Progress
from agent.planner.plan import Plan
from mcp_server.models import Discovery, Value

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


class Day(Value):
    """A day that was begun: its frozen plan, and what it was planned from."""

    plan: Plan
    discovery: Discovery
    started_at: AwareDatetime


class State:
    """Plans and progress in one database."""

    def __init__(self, url: str) -> None:
        """Open the database at `url` and make the agent's tables there."""
        self._engine = sa.create_engine(url, connect_args={"timeout": 10})
        _METADATA.create_all(self._engine)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def day(self, date: str) -> Day | None:
        """Return the day of that UTC date, if it was begun."""
        with self._engine.begin() as tx:
            text = tx.execute(
                sa.select(_DAYS.c.record).where(_DAYS.c.date == date)
            ).scalar_one_or_none()
        return Day.model_validate_json(text) if text else None

    def begin(self, day: Day) -> None:
        """Freeze a day's plan together with its tasks; a second plan for the date is refused."""
        with self._engine.begin() as tx:
            tx.execute(sa.insert(_DAYS).values(date=day.plan.date, record=day.model_dump_json()))
            for place, task in enumerate(day.plan.tasks):
                progress = Progress(task=task)
                tx.execute(
                    sa.insert(_TASKS).values(
                        key=task.key,
                        date=day.plan.date,
                        place=place,
                        ended=False,
                        progress=progress.model_dump_json(),
                    )
                )

    def save(self, progress: Progress) -> None:
        """Keep how far a task has come."""
        with self._engine.begin() as tx:
            tx.execute(
                sa.update(_TASKS)
                .where(_TASKS.c.key == progress.task.key)
                .values(progress=progress.model_dump_json(), ended=progress.ended)
            )

    def tasks(self, date: str) -> tuple[Progress, ...]:
        """Return the day's tasks in the plan's order."""
        return self._read(_TASKS.c.date == date)

    def unfinished_before(self, date: str) -> tuple[Progress, ...]:
        """Return started tasks of earlier days that have no end yet."""
        earlier = self._read(_TASKS.c.date < date, _TASKS.c.ended.is_(False))
        return tuple(one for one in earlier if one.asked_to_start or one.repository_made_at)

    def _read(self, *where: sa.ColumnElement[bool]) -> tuple[Progress, ...]:
        query = sa.select(_TASKS.c.progress).where(*where).order_by(_TASKS.c.date, _TASKS.c.place)
        with self._engine.begin() as tx:
            texts: Iterable[str] = tx.execute(query).scalars().all()
        return tuple(Progress.model_validate_json(text) for text in texts)

"""What the agent remembers between runs: plans stay frozen, started work is found again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy.exc import IntegrityError

from agent.lifecycle import ENDED, Progress
from agent.planner.plan import Plan, Split, Task
from agent.state import Day, State
from mcp_server.models import Discovery
from tests.agent_cases import NOW, task

NOTHING = Discovery(ideas=(), sources=())
SPLIT = Split(startable=0, creates=0, updates=0, optimizations=0, repair_reserve=0, unused=0)


def day(date: str, *keys: str) -> Day:
    tasks: tuple[Task, ...] = tuple(task(key=key, repo=f"me/{key}") for key in keys)
    plan = Plan(date=date, created_at=NOW, split=SPLIT, ideas=(), tasks=tasks, notes=())
    return Day(plan=plan, discovery=NOTHING, started_at=NOW)


def url(folder: Path) -> str:
    return f"sqlite:///{folder}/state.db"


def keys(found: tuple[Progress, ...]) -> list[str]:
    return [one.task.key for one in found]


def test_tasks_come_back_in_the_plans_order_and_as_far_as_they_were_saved(tmp_path: Path) -> None:
    """The order of tasks is the order of starts; it outlives any other order of saving."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-23", "kc", "ka", "kb"))
    begun = state.tasks("2026-11-23")
    assert keys(begun) == ["kc", "ka", "kb"]
    assert {(one.status, one.session_id) for one in begun} == {("planned", None)}
    further = begun[1].model_copy(update={"status": "running", "nudges": 1, "spoke_at": NOW})
    state.save(further)
    assert state.tasks("2026-11-23") == (begun[0], further, begun[2])
    state.close()


def test_everything_survives_reopening(tmp_path: Path) -> None:
    """A killed run is started again over the same file."""
    before = State(url(tmp_path))
    before.begin(day("2026-11-23", "ka"))
    started = before.tasks("2026-11-23")[0].model_copy(update={"session_id": "s1", "fixes": 2})
    before.save(started)
    before.close()
    after = State(url(tmp_path))
    assert after.day("2026-11-23") == day("2026-11-23", "ka")
    assert after.tasks("2026-11-23") == (started,)
    after.close()


def test_a_date_that_was_not_begun_has_no_day(tmp_path: Path) -> None:
    """That is how a run knows whether it resumes."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-23", "ka"))
    assert state.day("2026-11-24") is None
    assert state.tasks("2026-11-24") == ()
    state.close()


def test_a_second_plan_for_a_date_gives_way_to_the_first(tmp_path: Path) -> None:
    """Two runs that begin at once: one plan, whole."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-23", "ka", "kb"))
    assert state.begin(day("2026-11-23", "kc")) == day("2026-11-23", "ka", "kb")
    assert keys(state.tasks("2026-11-23")) == ["ka", "kb"]
    state.close()


def test_a_plan_that_takes_another_days_task_is_refused_whole(tmp_path: Path) -> None:
    """A day is begun with all its tasks or not at all."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-23", "ka"))
    with pytest.raises(IntegrityError):
        state.begin(day("2026-11-24", "kb", "ka"))
    assert state.day("2026-11-24") is None
    assert state.tasks("2026-11-24") == ()
    state.close()


def test_only_started_and_unended_work_of_earlier_days_is_taken_up(tmp_path: Path) -> None:
    """DESIGN.md section 6: a started task is never lost; a planned one may be planned anew."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-22", "kasked", "kmade", "kplanned", *ENDED))
    state.begin(day("2026-11-21", "kolder"))
    state.begin(day("2026-11-23", "ktoday"))
    changes: dict[str, dict[str, object]] = {
        "kasked": {"asked_to_start": True},
        "kmade": {"repository_made_at": NOW},
        "kolder": {"asked_to_start": True},
        "ktoday": {"asked_to_start": True},
        **{status: {"asked_to_start": True, "status": status} for status in ENDED},
    }
    for date in ("2026-11-21", "2026-11-22", "2026-11-23"):
        for one in state.tasks(date):
            state.save(one.model_copy(update=changes.get(one.task.key, {})))
    assert keys(state.unfinished_before("2026-11-23")) == ["kolder", "kasked", "kmade"]
    assert state.unfinished_before("2026-11-21") == ()
    state.close()


def test_a_run_does_not_overwrite_what_a_person_said_meanwhile(tmp_path: Path) -> None:
    """`agent task ID drop` beside a run that has read the task before; what was spent is kept."""
    run, person = State(url(tmp_path)), State(url(tmp_path))
    run.begin(day("2026-11-23", "ka"))
    (planned,) = run.tasks("2026-11-23")
    asked = planned.model_copy(update={"asked_to_start": True, "spoke_at": NOW})
    assert run.advance(planned, asked) == asked
    dropped = asked.model_copy(update={"status": "skipped", "reason": "dropped by a person"})
    person.save(dropped)
    started = asked.model_copy(update={"session_id": "s1", "sessions": ("s1",)})
    kept = dropped.model_copy(update={"sessions": ("s1",)})
    assert run.advance(asked, started) == kept
    assert run.tasks("2026-11-23") == (kept,)
    again = kept.model_copy(update={"left": "to a person"})
    assert run.advance(kept, again) == again
    run.close()
    person.close()


def test_begun_tasks_are_taken_up_once_and_before_the_days_own(tmp_path: Path) -> None:
    """What is known stays as it is known, a task that a person dropped as well."""
    state = State(url(tmp_path))
    state.begin(day("2026-11-22", "kdropped"))
    state.begin(day("2026-11-23", "ka", "kb"))
    begun = [
        Progress(task=task(key=key), status="running", asked_to_start=True)
        for key in ("kb", "kdropped", "kone", "ktwo")
    ]
    assert keys(state.adopt("2026-11-23", begun)) == ["kone", "ktwo"]
    assert state.adopt("2026-11-23", begun) == ()
    found = state.tasks("2026-11-23")
    assert keys(found) == ["kone", "ktwo", "ka", "kb"]
    assert [one.asked_to_start for one in found] == [True, True, False, False]
    assert keys(state.unfinished_before("2026-11-24")) == ["kone", "ktwo"]
    state.close()


def test_runs_that_begin_at_once_share_one_plan(tmp_path: Path) -> None:
    """A doubled cron on a fresh disk: tables and plan are made once."""
    together = Barrier(8)

    def begin(number: int) -> Day:
        together.wait()
        state = State(url(tmp_path))
        kept = state.begin(day("2026-11-23", f"k{number}"))
        state.close()
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(begin, range(8)))
    assert all(one == kept[0] for one in kept)


def test_ideas_that_were_begun_on_earlier_days_are_remembered(tmp_path: Path) -> None:
    """Of the last 90 days; what was only planned may be planned anew, and today is not earlier."""
    state = State(url(tmp_path))
    shown = {"repo": "me/x", "idea_title": "Kanban"}
    days = {
        "ktoday": "2026-11-23",
        "kone": "2026-11-22",
        "kold": "2026-08-25",
        "kolder": "2026-08-24",
    }
    for key, date in days.items():
        begun = day(date, key, f"{key}planned")
        tasks = tuple(
            one.model_copy(update={"lane": "create", "idea_key": one.key, "variables": shown})
            for one in begun.plan.tasks
        )
        plan = begun.plan.model_copy(update={"tasks": tasks})
        state.begin(begun.model_copy(update={"plan": plan}))
        asked = state.tasks(date)[0].model_copy(update={"asked_to_start": True, "status": "merged"})
        state.save(asked)
    found = state.decided_before("2026-11-23")
    assert [(one.key, one.date) for one in found] == [
        ("kold", "2026-08-25"),
        ("kone", "2026-11-22"),
    ]
    assert (found[1].title, found[1].repo, found[1].status) == ("Kanban", "me/kone", "merged")
    state.close()

"""Whole days at full size: 120 repositories and the allowance of a real subscription."""

from datetime import timedelta
from pathlib import Path

import pytest

from agent.report.model import Report
from mcp_server.sandbox.chance import between
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import FULL
from tests.days import Nights, run_nights
from tests.shared_data import CAPTURES, need_captures

SEEDS = [*(1, 2), *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(3, 21))]


def check_use(report: Report, startable: int) -> None:
    """What was startable was used, most of it was merged, and the trends had their share."""
    states = [task.state for task in report.tasks]
    trends = [task for task in report.tasks if task.lane in ("create", "update")]
    assert sum(task.sessions_spent for task in report.tasks) >= 0.9 * startable
    assert states.count("merged") >= 60
    assert len(report.repositories.created) <= 10
    assert 10 <= len(trends) <= 15
    assert all(task.reason for task in report.tasks)


def check_world(nights: Nights) -> None:
    """Nothing forbidden happened, nothing is public, and what has its end is put away."""
    assert nights.rules_broken == []
    made = nights.results[-1].report.repositories.created
    assert all(nights.world.github.repos[name].private for name in made)
    left = [
        session
        for session in nights.world.jules.sessions.values()
        if session.title.startswith("[df1 ") and not session.archived
    ]
    explained = [note for result in nights.results for note in result.report.notes]
    assert all(any(session.id in note for note in explained) for session in left)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_full_day_uses_what_there_is(tmp_path: Path, seed: int) -> None:
    """The day that the product is for: 7 of the 100 units are somebody else's."""
    need_captures()
    nights = run_virtual(run_nights(tmp_path, seed=seed, size=FULL, sites=CAPTURES))
    report = nights.results[0].report
    assert report.run.exit in (0, 3)
    assert report.allowance.spent >= 85
    check_use(report, startable=FULL.allowance - FULL.foreign_sessions_per_day)
    check_world(nights)


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1, 7])
def test_three_full_nights_start_as_many_as_the_first(tmp_path: Path, seed: int) -> None:
    """Units fall free during the run; somebody else's sessions of each day are his."""
    need_captures()
    late = [between(3, 50, seed, "cron", str(night)) for night in range(3)]
    starts = [timedelta(days=night, minutes=minutes) for night, minutes in enumerate(late)]
    nights = run_virtual(run_nights(tmp_path, seed=seed, starts=starts, size=FULL, sites=CAPTURES))
    first, *others = [
        sum(task.sessions_spent for task in result.report.tasks) for result in nights.results
    ]
    assert first >= 85
    assert all(number >= 0.95 * first for number in others), (first, others)
    check_world(nights)

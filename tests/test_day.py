"""Whole days in the sandbox: what the product is for, judged by the oracle."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from agent.report.model import Report
from mcp_server.sandbox.chance import between
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import SMALL
from tests.days import Nights, run_nights
from tests.shared_data import CAPTURES, need_captures

ROOT = Path(__file__).parents[1]
ENDS = {"merged", "parked", "failed", "skipped"}


def one_night(folder: Path, *, seed: int, faults: str = "none", recorded: bool = True) -> Nights:
    """Run one small day; `recorded` serves the trend pages recorded by others."""
    if recorded:
        need_captures()
    sites = CAPTURES if recorded else None
    return run_virtual(run_nights(folder, seed=seed, faults=faults, sites=sites))


def started(report: Report) -> int:
    """Count the sessions of this report's tasks."""
    return sum(task.sessions_spent for task in report.tasks)


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_day_on_recorded_pages_ends_well(tmp_path: Path, seed: int) -> None:
    """Ten worlds: each task has an end with a reason, and nothing forbidden happened."""
    nights = one_night(tmp_path, seed=seed)
    report = nights.results[0].report
    assert nights.rules_broken == []
    assert report.run.exit in (0, 3)
    assert 10 <= report.allowance.spent <= 12
    assert all(task.state in ENDS and task.reason for task in report.tasks)
    assert [source.name for source in report.sources if source.signals] == [
        "github-trending",
        "hackernews",
        "devto",
        "lobsters",
    ]


def test_a_day_without_recordings_reads_pages_of_the_sandbox_s_own(tmp_path: Path) -> None:
    """The README's first command, in process."""
    nights = one_night(tmp_path, seed=7, recorded=False)
    report = nights.results[0].report
    assert nights.rules_broken == []
    assert report.run.exit in (0, 3)
    assert {source.status for source in report.sources} == {"ok"}
    assert {"create", "optimize"} <= {task.lane for task in report.tasks if task.sessions}


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(3, 11))]
)
@pytest.mark.parametrize("faults", ["weather", "storm"])
def test_weather_costs_time_but_breaks_no_rule(tmp_path: Path, faults: str, seed: int) -> None:
    """Answers are lost, doubled work is not: each task has at most one session an attempt."""
    nights = one_night(tmp_path, seed=seed, faults=faults)
    report = nights.results[0].report
    assert nights.rules_broken == []
    assert report.allowance.spent + report.allowance.held <= SMALL.allowance
    merged = [task for task in report.tasks if task.state == "merged"]
    assert len(merged) >= 8


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_three_nights_start_as_many_as_the_first(tmp_path: Path, seed: int) -> None:
    """Units fall free during the run: planning on "free now" would starve every other night."""
    need_captures()
    late = [between(3, 50, seed, "cron", str(night)) for night in range(3)]
    starts = [timedelta(days=night, minutes=minutes) for night, minutes in enumerate(late)]
    nights = run_virtual(run_nights(tmp_path, seed=seed, starts=starts, sites=CAPTURES))
    first, *others = [started(result.report) for result in nights.results]
    assert first >= 10
    assert all(number >= 0.95 * first for number in others), (first, others)
    # The oracle knows the allowance of 12: a thirteenth in any 24 h would stand here.
    assert nights.rules_broken == []


def test_a_second_run_of_the_same_day_starts_nothing_again(tmp_path: Path) -> None:
    """A doubled cron, or a person who runs it by hand: today's run is resumed, not repeated."""
    starts = [timedelta(minutes=3), timedelta(hours=7)]
    nights = run_virtual(run_nights(tmp_path, seed=5, starts=starts))
    first, second = (result.report for result in nights.results)
    assert (first.run.resumed, second.run.resumed) == (False, True)
    assert second.tasks == first.tasks
    ours = [
        effect
        for effect in nights.world.oracle.effects
        if effect.kind == "session_created" and effect.facts["by"] == "api"
    ]
    assert len(ours) == started(first)
    assert nights.rules_broken == []


def _report(folder: Path, environment: Mapping[str, str]) -> bytes:
    """Run the command in a process of its own and return its report.json."""
    folder.mkdir()
    command = [sys.executable, "-m", "agent", "run", "--sandbox", "--size", "small", "--out", "o"]
    subprocess.run(  # noqa: S603 our own program
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
        capture_output=True,
    )
    (report,) = folder.glob("o/*/report.json")
    return report.read_bytes()


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Neither hash seed, time zone nor directory shows in a report."""
    one = _report(tmp_path / "one", {"PYTHONHASHSEED": "1", "TZ": "Pacific/Apia"})
    two = _report(tmp_path / "a longer name", {"PYTHONHASHSEED": "77", "TZ": "Europe/Paris"})
    assert one == two

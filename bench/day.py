"""What a sandbox day costs: `python -m bench.day [--seed N] [--sites DIR] [--sessions N …]`.

A row a day, each with its own world of 120 repositories and its own state, in one process, so
that CPU seconds are a day's own and peak memory only grows. `per_session` shows what grows with
the tasks; a look is taken every minute, so `per_minute` shows what one costs.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import FULL
from tests.days import run_nights

SESSIONS = (25, 50, 100)


def measure(sessions: int, seed: int, sites: Path | None) -> dict[str, object]:
    """Run one day with an allowance of `sessions` and return its figures."""
    size = replace(FULL, allowance=sessions)
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        nights = run_virtual(run_nights(Path(folder), seed=seed, size=size, sites=sites))
    cpu = time.process_time() - before
    report = nights.results[0].report
    spent = report.allowance.spent
    minutes = (report.run.ended_at - report.run.started_at).total_seconds() / 60
    return {
        "allowance": sessions,
        "sessions": spent,
        "merged": sum(task.state == "merged" for task in report.tasks),
        "cpu_seconds": round(cpu, 2),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "world_minutes": round(minutes),
        "requests": report.requests,
        "per_session": {"cpu_ms": round(1000 * cpu / spent), **_rate(report.requests, spent)},
        "per_minute": _rate(report.requests, minutes),
        "violations": nights.rules_broken,
    }


def _rate(requests: Mapping[str, int], by: float) -> dict[str, float]:
    return {
        host: round(count / by, 1)
        for host, count in requests.items()
        if host.endswith("googleapis.com") or host == "api.github.com"
    }


def main() -> None:
    """Run the days, the smallest first, and print a row of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sites", type=Path)
    parser.add_argument("--sessions", type=int, nargs="+", default=SESSIONS)
    arguments = parser.parse_args()
    for sessions in sorted(arguments.sessions):
        row = measure(sessions, arguments.seed, arguments.sites)
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

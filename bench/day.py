"""What a sandbox day costs: `python -m bench.day [--seed N] [--sites DIR]`.

CPU seconds and peak memory are this process's own, imports included; requests are counted by the
guarded transport, per host.
"""

import argparse
import json
import resource
import sys
import tempfile
from pathlib import Path

from mcp_server.sandbox.loop import run_virtual
from tests.days import run_nights


def main() -> None:
    """Run one day and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--sites", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        day = run_nights(Path(folder), seed=arguments.seed, sites=arguments.sites)
        nights = run_virtual(day)
    report = nights.results[0].report
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seed": arguments.seed,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_memory_mib": round(used.ru_maxrss / 1024),
        "sessions": sum(task.sessions_spent for task in report.tasks),
        "merged": sum(task.state == "merged" for task in report.tasks),
        "world_minutes": round((report.run.ended_at - report.run.started_at).total_seconds() / 60),
        "requests": report.requests,
        "violations": nights.rules_broken,
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""GitHub Actions on the wire: workflows, their runs and jobs, and the logs on their own host.

A check run of the world is here a run with one job of the same id. Shapes: facts/github.md 1.6 and
1.10; the address of a log as it was seen in 2024.
"""

import hashlib
import re
from datetime import datetime, timedelta
from urllib.parse import urlencode

from mcp_server.sandbox.ci import Run, workflows
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import RepoRoutes, not_found, paged
from mcp_server.sandbox.http import Call, Problem, Reply, second_time
from mcp_server.sandbox.repository import Repo

LOG_HOST = "productionresultssa7.blob.core.windows.net"
# An address is good for a minute (facts/github.md 1.10).
SIGNED_FOR = timedelta(minutes=1)
_PLACE = re.compile(
    r"/actions-results/([0-9a-f]{8})-[0-9a-f-]{27}"
    r"/workflow-job-run-[0-9a-f-]{23}-([0-9a-f]{12})/logs/job/job-logs\.txt"
)
_FAILED_STEP = "Run make test"
_LATENESS = timedelta(seconds=1)


class ActionsWire:
    """Answers what concerns workflows and their runs."""

    def __init__(self, github: GitHub) -> None:
        """Speak for the repositories of `github`."""
        self._github = github

    def routes(self) -> RepoRoutes:
        """Return the routes, for handlers that are given the repository."""
        actions = "/repos/{}/{}/actions"
        return (
            ("GET", f"{actions}/workflows", self._list_workflows),
            ("GET", f"{actions}/workflows/{{}}", self._get_workflow),
            ("GET", f"{actions}/workflows/{{}}/runs", self._list_workflow_runs),
            ("PUT", f"{actions}/workflows/{{}}/disable", self._disable_workflow),
            ("GET", f"{actions}/runs", self._list_runs),
            ("GET", f"{actions}/runs/{{}}/jobs", self._list_jobs),
            ("GET", f"{actions}/jobs/{{}}/logs", self._find_log),
        )

    def log(self, call: Call) -> Reply:
        """Answer for the host of the logs: to who was sent here, for a minute, without a token."""
        place, query = _PLACE.fullmatch(call.path), call.query
        until, now = query.get("se", ""), self._github.now
        if "authorization" in call.headers:
            raise Problem(401, b"", {"Content-Type": "application/xml"})
        if query.get("sig") != _signature(call.path, until) or until < second_time(now):
            raise Problem(403, b"", {"Content-Type": "application/xml"})
        for repo in self._github.repos.values():
            run = self._run(repo, f"{int(place[2], 16)}") if place else None
            if place and run and repo.id == int(place[1], 16):
                return Reply(200, _log(run).encode(), {"Content-Type": "text/plain"})
        raise Problem(404, b"", {"Content-Type": "application/xml"})

    def _list_workflows(self, repo: Repo, call: Call) -> Reply:
        return paged(call, _workflows(repo), lambda workflow: workflow, "workflows")

    def _disable_workflow(self, repo: Repo, call: Call) -> Reply:
        repo.disabled = [*repo.disabled, f"{_workflow(repo, call)['path']}"]
        return Reply(204)

    def _get_workflow(self, repo: Repo, call: Call) -> Reply:
        return Reply(200, _workflow(repo, call))

    def _list_workflow_runs(self, repo: Repo, call: Call) -> Reply:
        """Show the runs that pushes began, newest first; no schedule of the world comes due."""
        name = _workflow(repo, call)["name"]
        runs = [run for run in self._github.ci.runs_of(repo.full_name) if run.name == name]
        now = self._github.now
        return paged(call, runs[::-1], lambda run: _run_json(repo, run, now), "workflow_runs")

    def _list_runs(self, repo: Repo, call: Call) -> Reply:
        runs = self._github.ci.runs(repo.full_name, call.query.get("head_sha", ""))
        return paged(
            call, runs, lambda run: _run_json(repo, run, self._github.now), "workflow_runs"
        )

    def _list_jobs(self, repo: Repo, call: Call) -> Reply:
        run = self._run(repo, call.args[0])
        if run is None:
            raise not_found()
        return paged(call, [run], lambda run: _job_json(repo, run, self._github.now), "jobs")

    def _find_log(self, repo: Repo, call: Call) -> Reply:
        run = self._run(repo, call.args[0])
        if run is None or run.status(self._github.now) != "completed":
            raise not_found()
        path = (
            f"/actions-results/{repo.id:08x}-0000-4000-8000-000000000000"
            f"/workflow-job-run-00000000-0000-4000-8000-{run.id:012x}/logs/job/job-logs.txt"
        )
        until = second_time(self._github.now + SIGNED_FOR)
        query = urlencode({"rsct": "text/plain", "se": until, "sig": _signature(path, until)})
        return Reply(302, None, {"Location": f"https://{LOG_HOST}{path}?{query}"})

    def _run(self, repo: Repo, number: str) -> Run | None:
        found = self._github.ci.runs_of(repo.full_name)
        return next((run for run in found if f"{run.id}" == number), None)


def _run_json(repo: Repo, run: Run, now: datetime) -> dict[str, object]:
    status = run.status(now)
    return {
        "id": run.id,
        "check_suite_id": run.id + 1,
        "name": run.name,
        "head_branch": run.branch,
        "head_sha": run.sha,
        "path": f".github/workflows/{run.name}.yml",
        "event": "push",
        "status": status,
        "conclusion": run.conclusion if status == "completed" else None,
        "run_attempt": 1,
        "created_at": second_time(run.registered),
        "updated_at": second_time(min(now, run.finished)),
        "html_url": f"https://github.com/{repo.full_name}/actions/runs/{run.id}",
        "pull_requests": [
            {"number": pull.number} for pull in repo.open_pulls() if pull.head == run.sha
        ],
    }


def _job_json(repo: Repo, run: Run, now: datetime) -> dict[str, object]:
    status = run.status(now)
    done = status == "completed"
    steps = (
        ("Set up job", "success", run.registered, run.registered + _LATENESS),
        (_FAILED_STEP, run.conclusion, run.registered + _LATENESS, run.finished - _LATENESS),
        ("Complete job", "success", run.finished - _LATENESS, run.finished),
    )
    return {
        "id": run.id,
        "run_id": run.id,
        "head_sha": run.sha,
        "name": run.name,
        "status": status,
        "conclusion": run.conclusion if done else None,
        "started_at": second_time(run.registered),
        "completed_at": second_time(run.finished) if done else None,
        "html_url": f"https://github.com/{repo.full_name}/actions/runs/{run.id}/job/{run.id}",
        "steps": [
            {
                "name": name,
                "status": "completed",
                "conclusion": conclusion,
                "number": number,
                "started_at": second_time(started),
                "completed_at": second_time(ended),
            }
            for number, (name, conclusion, started, ended) in enumerate(steps, start=1)
            if done
        ],
    }


def _log(run: Run) -> str:
    """Write what a runner would: every line with its time, some in colour."""
    end = run.finished - _LATENESS
    failed = run.conclusion != "success"
    lines = (
        (run.registered, "Current runner version: '2.330.0'"),
        (run.registered, "##[group]Operating System"),
        (run.registered, "Ubuntu 24.04.3 LTS"),
        (run.registered, "##[endgroup]"),
        (run.registered + _LATENESS, f"##[group]{_FAILED_STEP}"),
        (run.registered + _LATENESS, "\x1b[36;1mmake test\x1b[0m"),
        (run.registered + _LATENESS, "##[endgroup]"),
        *((end, f"test_{number} ... \x1b[32mok\x1b[0m") for number in range(40)),
        *(
            (end, line)
            for line in (
                f"test_{run.name} ... \x1b[31mFAILED\x1b[0m",
                f"  expected 3, got 2 (commit {run.sha[:7]})",
                "make: *** [Makefile:2: test] Error 1",
                "##[error]Process completed with exit code 2.",
            )
            if failed
        ),
        (run.finished, "Cleaning up orphan processes"),
    )
    return "\ufeff" + "".join(f"{_micro(at)} {line}\n" for at, line in lines)


def _micro(moment: datetime) -> str:
    """Write a time as runners do: seven digits of a second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def _signature(path: str, until: str) -> str:
    return hashlib.sha256(f"{path} {until}".encode()).hexdigest()


def _workflow(repo: Repo, call: Call) -> dict[str, object]:
    for workflow in _workflows(repo):
        if call.args[0] in (f"{workflow['id']}", f"{workflow['path']}".rpartition("/")[2]):
            return workflow
    raise not_found()


def _workflows(repo: Repo) -> list[dict[str, object]]:
    head = repo.git.branches.get(repo.default_branch)
    paths = [path for path, _ in workflows(repo.git, head)] if head else []
    return [
        {
            "id": repo.id * 10 + nth,
            "name": path.rpartition("/")[2].partition(".")[0],
            "path": path,
            "state": "disabled_manually" if path in repo.disabled else "active",
        }
        for nth, path in enumerate(paths)
    ]

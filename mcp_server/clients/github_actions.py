"""GitHub Actions over REST (facts/github.md 1.10, version 2022-11-28): runs, jobs, a job's log.

Logs lie on hosts of their own, behind an address signed for a minute; they are read there without
a key. What workflows there are is `github_workflows.py`'s.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import httpx2

from mcp_server.clients.wire import Timestamp, Wire, error_of, get_json, read
from mcp_server.errors import BadArgument, NotFound, Unreadable

# GitHub names no complete list: 0 to 199 were announced by 2026-10-22, in four steps (the blog's
# "Meta API endpoints updated for Actions blob storage").
LOG_HOSTS = (
    "productionresultssa0.blob.core.windows.net",
    re.compile(r"productionresultssa[0-9]{1,3}\.blob\.core\.windows\.net"),
)
_GONE = (404, 410)


class _Run(Wire):
    id: int
    name: str | None = None
    check_suite_id: int = 0
    path: str = ""
    event: str = ""
    status: str | None = None
    conclusion: str | None = None
    created_at: Timestamp


class _Runs(Wire):
    total_count: int
    workflow_runs: tuple[_Run, ...]


class _Step(Wire):
    name: str
    conclusion: str | None = None
    started_at: Timestamp | None = None
    completed_at: Timestamp | None = None


class _Job(Wire):
    id: int
    name: str
    status: str
    conclusion: str | None = None
    steps: tuple[_Step, ...] | None = None


class _Jobs(Wire):
    total_count: int
    jobs: tuple[_Job, ...]


@dataclass(frozen=True, kw_only=True)
class WorkflowRun:
    """One run of a workflow; `path` is its file, `conclusion` None while it runs.

    `suite` is the check suite that its jobs stand in, 0 when not told.
    """

    id: int
    name: str
    path: str
    event: str
    status: str
    conclusion: str | None
    created_at: datetime
    suite: int = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a job, with its whole seconds where they are told."""

    name: str
    conclusion: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a run, in its latest attempt."""

    id: int
    name: str
    status: str
    conclusion: str | None
    steps: tuple[Step, ...]


class ActionsClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def runs_at(self, repo: str, sha: str) -> tuple[WorkflowRun, ...]:
        """Return every workflow run on a commit, newest first."""
        url = f"{self._base}/repos/{repo}/actions/runs"
        answer = await get_json(self._http, url, [("head_sha", sha), ("per_page", "100")])
        runs = read_runs(answer.data)
        if read(_Runs, answer.data).total_count > len(runs):
            raise Unreadable(f"{repo} has more runs at {sha} than one page shows")
        return runs

    async def jobs(self, repo: str, run_id: int) -> tuple[Job, ...]:
        """Return the jobs of a run's latest attempt; at most 100 of them."""
        url = f"{self._base}/repos/{repo}/actions/runs/{run_id}/jobs"
        answer = await get_json(self._http, url, [("filter", "latest"), ("per_page", "100")])
        return tuple(_job(wire) for wire in read(_Jobs, answer.data).jobs)

    async def job_log(self, repo: str, job_id: int) -> str:
        """Return the whole log of one job.

        Raises:
            NotFound: it was deleted, or is past its days.
            Refused: it lies where the guard lets nothing be read.
            Unreadable: it is larger than the guard reads, or the way to it is not understood.
        """
        found = await self._get(f"{self._base}/repos/{repo}/actions/jobs/{job_id}/logs")
        if found.next_request is not None:
            found = await self._get(str(found.next_request.url))
        elif found.is_success:
            raise Unreadable(f"job {job_id} of {repo}: its log is not where it is said to be")
        if found.status_code in _GONE:
            raise NotFound(f"job {job_id} of {repo} has no log any more: it is past its days")
        if not found.is_success:
            error = error_of(found)
            # Where the log lies nobody gave an argument that could be mended.
            raise Unreadable(str(error)) if isinstance(error, BadArgument) else error
        return found.content.decode("utf-8", "replace")

    async def _get(self, url: str) -> httpx2.Response:
        try:
            return await self._http.get(url, headers={"accept-encoding": "gzip"})
        except httpx2.RemoteProtocolError as error:
            raise Unreadable("GitHub names no address where the log is") from error


def read_runs(raw: object) -> tuple[WorkflowRun, ...]:
    """Read one page of runs."""
    return tuple(
        WorkflowRun(
            id=wire.id,
            suite=wire.check_suite_id,
            name=wire.name or wire.path,
            path=wire.path,
            event=wire.event,
            status=wire.status or "unknown",
            conclusion=wire.conclusion,
            created_at=wire.created_at,
        )
        for wire in read(_Runs, raw).workflow_runs
    )


def _job(wire: _Job) -> Job:
    return Job(
        id=wire.id,
        name=wire.name,
        status=wire.status,
        conclusion=wire.conclusion,
        steps=tuple(
            Step(
                name=step.name,
                conclusion=step.conclusion,
                started_at=step.started_at,
                completed_at=step.completed_at,
            )
            for step in wire.steps or ()
        ),
    )

"""Reads why the checks of a pull request are red: its failed jobs, and what their logs show."""

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_server.clients.github_actions import Job, WorkflowRun
from mcp_server.errors import NotFound, Refused, Unavailable, Unreadable
from mcp_server.insight.ci_log import MOST_CHARACTERS, plain, trimmed
from mcp_server.models import CheckLogs, FailedJob
from mcp_server.services import Services

MOST_LOGS = 5
_PASSED = frozenset({"success", "skipped", "neutral"})
_NO_JOBS = "no job ran: the workflow file itself is broken, or nothing could be started"


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How the workflow runs of one commit stand."""

    failed: tuple[WorkflowRun, ...]
    unfinished: tuple[WorkflowRun, ...]
    needs_person: tuple[WorkflowRun, ...]


def ends_of(runs: Sequence[WorkflowRun]) -> Ends:
    """Sort runs; a conclusion that nobody here knows is a failure to be looked at."""
    done = [run for run in runs if run.status == "completed"]
    waiting = tuple(run for run in done if run.conclusion == "action_required")
    return Ends(
        failed=tuple(run for run in done if run.conclusion not in _PASSED and run not in waiting),
        unfinished=tuple(run for run in runs if run not in done),
        needs_person=waiting,
    )


async def read_check_logs(services: Services, repo: str, number: int) -> CheckLogs:
    """Read what failed at the head of a pull request; the logs' secrets are taken out.

    Raises:
        FactoryError: pull request or runs cannot be read; a single log that cannot is said.
    """
    head = (await services.github.get_pull(repo, number)).head_sha
    ends = ends_of(await services.actions.runs_at(repo, head))
    failed = [(run, job) for run in ends.failed for job in await _jobs(services, repo, run)]
    share = MOST_CHARACTERS // max(1, min(MOST_LOGS, len(failed)))
    jobs = [
        await _with_log(services, repo, run, job, share if nth < MOST_LOGS else 0)
        for nth, (run, job) in enumerate(failed)
    ]
    return CheckLogs(
        repo=repo,
        number=number,
        head_sha=head,
        jobs=tuple(jobs),
        unfinished=tuple(run.name for run in ends.unfinished),
        needs_person=tuple(run.name for run in ends.needs_person),
    )


async def _jobs(services: Services, repo: str, run: WorkflowRun) -> Sequence[Job | None]:
    """Return the jobs of a failed run that did not pass; None stands for a run without jobs."""
    jobs = await services.actions.jobs(repo, run.id)
    failed = [job for job in jobs if job.status == "completed" and job.conclusion not in _PASSED]
    return failed if jobs else [None]


async def _with_log(
    services: Services, repo: str, run: WorkflowRun, job: Job | None, most: int
) -> FailedJob:
    """Read one job's log, `most` characters of it; none at 0."""
    if job is None:
        conclusion = run.conclusion or "unknown"
        return FailedJob(workflow=run.name, job="", conclusion=conclusion, unread=_NO_JOBS)
    steps = [step for step in job.steps if step.conclusion == "failure"]
    text, unread = None, f"the logs of {MOST_LOGS} jobs are shown, not of more"
    if most:
        try:
            log = services.redactor.text(plain(await services.actions.job_log(repo, job.id)))
        except (NotFound, Refused, Unavailable, Unreadable) as error:
            unread = str(error)
        else:
            spans = [(step.started_at, step.completed_at) for step in steps]
            text, unread = trimmed(log, spans, most), ""
    return FailedJob(
        workflow=run.name,
        job=job.name,
        conclusion=job.conclusion or "unknown",
        steps=tuple(step.name for step in steps),
        log=text,
        unread=unread,
    )

"""Reads what GitHub says of the checks at a pull request's head, and what to expect of them.

A source is asked only where it can change the decision: a head with unfinished or failed check runs
costs two requests, one that looks green four, and what is expected of a base branch is read once a
head. What the answers mean is `guard/checks.py`'s and the gate's.
"""

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcp_server.clients.github_actions import WorkflowRun
from mcp_server.errors import NotFound, Refused, Unavailable, Unreadable
from mcp_server.guard.checks import (
    ACTIONS,
    WORKFLOW,
    ActionsRun,
    CheckRun,
    Expectation,
    Learnt,
    Rules,
    Sources,
    combined,
    is_contested,
    learn,
    resolved,
    superseded,
)
from mcp_server.guard.gate import CheckState, judge_checks
from mcp_server.insight.workflow_triggers import runs_for_pull
from mcp_server.models import Check, PullRequest
from mcp_server.services import Services

# Of a branch's workflows and rules; a person changes them now and then.
KEPT_SECONDS = 3600
MOST_WORKFLOWS = 20
MOST_RUNS_WITH_JOBS = 10
_UNREAD = (Refused, NotFound, Unavailable, Unreadable)
_PATH = re.compile(r"\.github/workflows/[A-Za-z0-9._-]{1,100}")
# github-actions' own id (captured: hub4j getCheckRuns).
_ACTIONS_ID = (15368, ACTIONS)
_OPEN = ("GREEN", "INCOMPLETE", "NONE")


@dataclass(frozen=True, kw_only=True)
class CheckEvidence:
    """What the gate is told; None in `checks`: not everything that matters could be read."""

    checks: tuple[Check, ...] | None
    blind: bool = False
    expected: frozenset[Expectation] = frozenset()
    rules: Rules | None = None


async def read_checks(services: Services, pull: PullRequest) -> CheckEvidence:
    """Read all that can change what the gate says of the checks at this head."""
    known = services.expectations.get((pull.repo, pull.base_ref))
    expected = known.expected if known else frozenset[Expectation]()
    try:
        sources = await _sources(services, pull.repo, pull.head_sha)
        checks = combined(sources)
        blind = sources.runs is None
        if judge_checks(checks, ()) in _OPEN:
            expected = await _expected(services, pull)
        rules = None
        if judge_checks(checks, expected) == "GREEN":
            rules = await _rules(services, pull, sources.runs)
    except _UNREAD:
        return CheckEvidence(checks=None, expected=expected)
    return CheckEvidence(checks=checks, blind=blind, expected=expected, rules=rules)


async def state_at(services: Services, repo: str, sha: str) -> CheckState:
    """Return what the checks of a commit say by themselves, whatever this token may read of them.

    It decides nothing: what nobody can read is told, and is no error.
    """
    try:
        checks = combined(await _sources(services, repo, sha))
    except _UNREAD:
        checks = None
    return judge_checks(checks, ())


async def _sources(services: Services, repo: str, sha: str) -> Sources:
    """Read check runs and statuses, and where these leave anything open the other sources too."""
    client = services.github.checks
    runs = await _runs(services, repo, sha)
    first = Sources(runs=runs, statuses=(await client.statuses(repo, sha)).checks)
    if runs is None:
        return await _blind(services, repo, sha, first)
    if judge_checks(combined(first), ()) not in _OPEN and not is_contested(runs):
        return first
    workflows = await _workflow_runs(services, repo, sha)
    suites = await client.suites(repo, sha)
    return Sources(runs=runs, statuses=first.statuses, suites=suites, workflows=workflows)


async def _runs(services: Services, repo: str, ref: str) -> tuple[CheckRun, ...] | None:
    """Return the check runs; None: no fine-grained token sees them (facts/github.md 1.8)."""
    readable = services.account.checks.readable
    try:
        runs = await services.github.checks.runs(repo, ref)
    except Refused as error:
        if error.limit != "permission" or repo in readable:
            raise
        return None
    readable.add(repo)
    return runs


async def _workflow_runs(services: Services, repo: str, sha: str) -> tuple[ActionsRun, ...]:
    """Return the workflow runs at a commit.

    Only they show a run that waits for an approval: without a right to read them nothing is green.
    """
    return tuple(_actions_run(run) for run in await services.actions.runs_at(repo, sha))


async def _blind(
    services: Services,
    repo: str,
    sha: str,
    first: Sources,
    elsewhere: Collection[str] = frozenset(),
) -> Sources:
    """Return the jobs of the workflow runs in the place of check runs, but for some workflows'."""
    found = tuple(_actions_run(run) for run in await services.actions.runs_at(repo, sha))
    past = superseded(found)
    wanted = [run for run in found if run.suite not in past and run.path not in elsewhere]
    if len(wanted) > MOST_RUNS_WITH_JOBS:
        raise Unreadable(f"{repo} has {len(wanted)} workflow runs at {sha}, too many to read")
    jobs = [
        Check(name=job.name, app=ACTIONS, status=job.status, conclusion=job.conclusion)
        for run in wanted
        for job in await services.actions.jobs(repo, run.id)
    ]
    return Sources(runs=None, statuses=first.statuses, workflows=found, jobs=tuple(jobs))


def _actions_run(run: WorkflowRun) -> ActionsRun:
    return ActionsRun(
        id=run.id,
        suite=run.suite,
        path=run.path.partition("@")[0],
        event=run.event,
        status=run.status,
        conclusion=run.conclusion,
    )


async def _expected(services: Services, pull: PullRequest) -> frozenset[Expectation]:
    """Return what a pull request must repeat: what ran on its base, and which workflows run.

    The checks of the base are read once for every head that is judged, until there are any. Raises
    what reading raises: of a base that nobody could read nothing can be expected.
    """
    branch = (pull.repo, pull.base_ref)
    runs = {
        path: runs_for_pull(text, base=pull.base_ref, head=pull.head_ref)
        for path, text in await _texts(services, pull.repo, pull.base_ref)
    }
    before = known = services.expectations.get(branch)
    if known is None or pull.head_sha not in known.read_for:
        elsewhere = frozenset(path for path, when in runs.items() if when == "never")
        known = await _learn(services, pull, known, elsewhere)
        if known.expected or before is not None:
            services.expectations.keep(branch, known)
    always = (path for path, when in runs.items() if when == "always")
    return known.expected.union(Expectation(name=path, app=WORKFLOW) for path in always)


async def _learn(
    services: Services, pull: PullRequest, known: Learnt | None, elsewhere: frozenset[str]
) -> Learnt:
    """Look at the base branch; jobs of the workflows `elsewhere` never run for a pull request."""
    repo = pull.repo
    base = await services.github.checks.statuses(repo, pull.base_ref)
    sources = Sources(runs=await _runs(services, repo, base.sha), statuses=base.checks)
    if sources.runs is None:
        sources = await _blind(services, repo, base.sha, sources, elsewhere)
    finished = judge_checks(combined(sources), ()) in ("GREEN", "FAILED")
    if sources.runs and elsewhere:
        found = await _workflow_runs(services, repo, base.sha)
        suites = {run.suite for run in found if run.path in elsewhere}
        runs = tuple(run for run in sources.runs if run.suite not in suites)
        sources = Sources(runs=runs, statuses=base.checks)
    names = combined(sources)
    return learn(known, names, sha=base.sha, finished=finished, head=pull.head_sha)


async def _texts(services: Services, repo: str, branch: str) -> tuple[tuple[str, str], ...]:
    """Return path and text of the active workflows of a branch, kept for an hour."""
    memory, now = services.account.checks.workflows, services.clock.elapsed()
    kept = memory.get((repo, branch))
    if kept is not None and now - kept[0] < KEPT_SECONDS:
        return kept[1]
    try:
        listed = await services.workflows.workflows(repo)
    except (Refused, NotFound):
        listed = ()
    paths = [one.path for one in listed if one.state == "active" and _PATH.fullmatch(one.path)]
    texts: list[tuple[str, str]] = []
    for path in paths[:MOST_WORKFLOWS]:
        # Not on this branch: it runs for no pull request into it.
        with suppress(NotFound):
            texts.append((path, await services.github.checks.workflow_text(repo, path, branch)))
    memory[repo, branch] = (now, tuple(texts))
    return tuple(texts)


async def _rules(
    services: Services, pull: PullRequest, runs: Sequence[CheckRun] | None
) -> Rules | None:
    """Return what GitHub demands of the base branch, kept for an hour, by the apps seen at work."""
    memory, now = services.account.checks.rules, services.clock.elapsed()
    key = (pull.repo, pull.base_ref)
    if key not in memory or now - memory[key][0] >= KEPT_SECONDS:
        memory[key] = (now, await services.github.checks.rules(*key))
    rules = memory[key][1]
    slugs = {run.app_id: run.app for run in runs or ()} | dict([_ACTIONS_ID])
    return None if rules is None else resolved(rules, slugs)

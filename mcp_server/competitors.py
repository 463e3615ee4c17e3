"""Scheduled workflows that spend the allowance beside this factory."""

from mcp_server.clients import github_workflows as api
from mcp_server.clients.github_workflows import FoundWorkflow
from mcp_server.errors import NotFound
from mcp_server.models import Competitor, RecentRun, Repository, ScheduledWorkflow
from mcp_server.services import Services

# Our own schedule (INTERFACE.md): it is the one loop that shall go on.
OWN = ".github/workflows/daily_factory.yml"
# How many repositories `find` looks at: a schedule that commits keeps its own among them.
MOST_REPOSITORIES = 25


async def look(services: Services, repo: str, workflow: FoundWorkflow) -> ScheduledWorkflow | None:
    """Return a workflow with a schedule; None for one without, or whose file is gone."""
    try:
        text = await services.workflows.text(repo, workflow.path)
    except NotFound:
        return None
    crons = api.schedules(text)
    if not crons:
        return None
    jules = api.uses_jules(text)
    runs = await services.workflows.recent_runs(repo, workflow.id)
    return ScheduledWorkflow(
        id=workflow.id,
        name=workflow.name,
        path=workflow.path,
        state=workflow.state,
        crons=crons,
        uses_jules=jules,
        competes=jules and workflow.state == "active" and workflow.path != OWN,
        runs=tuple(
            RecentRun(at=run.created_at, event=run.event, conclusion=run.conclusion) for run in runs
        ),
    )


async def find(services: Services) -> tuple[int, tuple[Competitor, ...]]:
    """Look through the repositories pushed to last, the control repository first.

    Returns how many were looked at, and what competes there. Costs a request for each, and one
    more for each workflow that is on.
    """
    listed = await services.account.repositories(max_age=300)
    chosen = _to_look_at(listed, services.settings.control)
    found: list[Competitor] = []
    for one in chosen:
        for workflow in await services.workflows.workflows(one.repo):
            seen = None
            if workflow.state == "active" and workflow.path != OWN:
                seen = await look(services, one.repo, workflow)
            if seen is not None and seen.competes:
                found.append(Competitor(repo=one.repo, workflow_id=seen.id, path=seen.path))
    return len(chosen), tuple(found)


def _to_look_at(listed: tuple[Repository, ...], control: str | None) -> tuple[Repository, ...]:
    """Return what can run a schedule: the control repository, then what was pushed to last."""
    alive = [one for one in listed if not one.archived and one.pushed_at is not None]
    first = (control or "").casefold()
    alive.sort(key=lambda one: one.pushed_at or one.created_at, reverse=True)
    alive.sort(key=lambda one: one.repo.casefold() != first)
    return tuple(alive[:MOST_REPOSITORIES])

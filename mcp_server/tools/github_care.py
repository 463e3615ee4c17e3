"""Tools that care for a repository beside its code: workflows that compete for the allowance."""

from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server import competitors
from mcp_server.changeable import refuse_left_alone
from mcp_server.clients import github_workflows as api
from mcp_server.clients.github_workflows import FoundWorkflow
from mcp_server.errors import Refused
from mcp_server.models import DisabledWorkflow, ScheduledWorkflow, ScheduledWorkflows
from mcp_server.perform import new_purpose, perform, settle_done
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import Repo
from mcp_server.tools.result import answer

WorkflowId = Annotated[int, Field(ge=1, lt=10**16, description="id from github_list_workflows")]


class GitHubCare:
    """Acts on the account's own repositories only."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def github_list_workflows(
        self, repo: Repo
    ) -> Annotated[CallToolResult, ScheduledWorkflows]:
        """List a repository's scheduled workflows, with their last runs.

        `competes`: it runs by itself, is on, and can start Jules sessions that this factory does
        not plan. Next: github_disable_workflow.
        """
        listed = await self._services.workflows.workflows(repo)
        looked_at = [await competitors.look(self._services, repo, one) for one in listed]
        scheduled = tuple(one for one in looked_at if one is not None)
        found = ScheduledWorkflows(
            repo=repo, workflows=scheduled, others=len(listed) - len(scheduled)
        )
        return answer("\n".join(map(_line, scheduled)) or f"{repo} has no schedule", found)

    async def github_disable_workflow(
        self, repo: Repo, workflow_id: WorkflowId
    ) -> Annotated[CallToolResult, DisabledWorkflow]:
        """Switch off a workflow that competes for the allowance; its file stays.

        Only one that github_list_workflows shows as competing: CI is never switched off. A person
        can switch it on again, on GitHub's Actions page.
        """
        services = self._services
        own = (await services.account.repository(repo)).repo
        refuse_left_alone(services, own)
        workflow = await services.workflows.workflow(own, workflow_id)
        purpose = new_purpose(services, "disable_workflow", f"{own}/{workflow_id}")
        if workflow.state != "active":
            settle_done(services, "disable_workflow", purpose)
            return _disabled(own, workflow, already=True)
        seen = await competitors.look(services, own, workflow)
        if seen is None or not seen.competes:
            raise Refused(
                f"{workflow.path} of {own} does not compete for the allowance: left alone",
                limit="workflow",
            )

        async def happened() -> bool:
            return (await services.workflows.workflow(own, workflow_id)).state != "active"

        done = await perform(
            services, api.disable_workflow(own, workflow_id), purpose=purpose, happened=happened
        )
        if not await happened():
            services.ledger.alarm("a workflow is on that was switched off", repo=own)
            raise Refused(f"{workflow.path} of {own} is still on: look at it", limit="state")
        return _disabled(own, workflow, already=done.already)


def _disabled(repo: str, workflow: FoundWorkflow, *, already: bool) -> CallToolResult:
    found = DisabledWorkflow(
        repo=repo, workflow_id=workflow.id, path=workflow.path, already=already
    )
    words = "is off already" if already else "is off now"
    return answer(f"{workflow.path} of {repo} {words}; its file is still there", found)


def _line(one: ScheduledWorkflow) -> str:
    last = f", last run {one.runs[0].at:%Y-%m-%d %H:%M}" if one.runs else ""
    what = "competes for the allowance" if one.competes else "does not compete"
    return f"{one.id} {one.path} ({one.state}) at {', '.join(one.crons)}{last}: {what}"

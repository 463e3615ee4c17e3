"""Tools that propose what a person merges: CI for a repository without, the end of schedules."""

import hashlib
from typing import Annotated

from mcp_types import CallToolResult

from mcp_server import competitors, standard
from mcp_server.changeable import changeable
from mcp_server.errors import Refused
from mcp_server.guard import own_ci
from mcp_server.guard.bodies import BRANCHES
from mcp_server.merging import CI_TITLE
from mcp_server.models import Marker, ProposedPatch, Repository
from mcp_server.patches.plan import Change
from mcp_server.proposing import Wanted, propose
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import Repo
from mcp_server.tools.result import answer

_WORKFLOWS = ".github/workflows/"
_A_PERSON = "a person"
CI_BRANCH = f"{BRANCHES}ci"
REMOVAL_TITLE = "ci: remove the schedules that start sessions by themselves"


class GitHubCi:
    """Pull requests that touch workflows: ours byte for byte, or files that go."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def github_add_ci(self, repo: Repo) -> Annotated[CallToolResult, ProposedPatch]:
        """Open a pull request that gives a repository without CI a workflow that checks changes.

        Without CI nothing is ever merged there, so no session is worth its unit. The workflow is
        compiled in, for what the repository is written in. Costs no session.
        Called again it gives the same pull request, also one that a person has closed: that is a
        no. Next: a person merges it, or github_merge_pull where the operator allows that for our
        own CI; then github_repo_health.
        """
        own = await changeable(self._services, repo)
        files = (await self._services.github.get_tree(own.repo, own.default_branch)).files
        there = sorted(path for path in files if path.startswith(_WORKFLOWS))
        if there:
            raise Refused(f"{own.repo} has workflows already: {there[0]}", limit="state")
        text = standard.ci_for(files)
        return await self._propose(
            own,
            (Change(path=own_ci.PATH, mode="100644", content=text),),
            branch=CI_BRANCH,
            title=CI_TITLE,
            origin=f"{own.repo} has no CI, and nothing is merged that no check has proved. This "
            "workflow is the one that new repositories begin with; no session was spent on it.",
            ending="github_merge_pull, once its own run was green twice"
            if self._services.settings.merge_own_ci
            else _A_PERSON,
        )

    async def github_remove_workflows(self, repo: Repo) -> Annotated[CallToolResult, ProposedPatch]:
        """Open a pull request that removes every schedule which starts Jules sessions by itself.

        Those that github_list_workflows shows as using Jules, on or off; this factory's own stays.
        github_disable_workflow stops one at once; this is for good, and a person merges it.
        """
        own = await changeable(self._services, repo)
        listed = await self._services.workflows.workflows(own.repo)
        seen = [await competitors.look(self._services, own.repo, one) for one in listed]
        spending = sorted(
            one.path for one in seen if one and one.uses_jules and one.path != competitors.OWN
        )
        if not spending:
            raise Refused(f"{own.repo} has no schedule that starts sessions", limit="state")
        digest = hashlib.sha256("\n".join(spending).encode()).hexdigest()[:8]
        return await self._propose(
            own,
            tuple(Change(path=path, mode="100644") for path in spending),
            branch=f"{BRANCHES}schedules-{digest}",
            title=REMOVAL_TITLE,
            origin="These run by the clock and spend the allowance that is planned elsewhere: "
            f"{', '.join(spending)}.",
        )

    async def _propose(
        self,
        own: Repository,
        work: tuple[Change, ...],
        *,
        branch: str,
        title: str,
        origin: str,
        ending: str = _A_PERSON,
    ) -> CallToolResult:
        task = Marker(
            ledger=self._services.ledger.id,
            date=f"{self._services.clock.now():%Y-%m-%d}",
            lane="manual",
            task_key=f"c{hashlib.sha256(f'{own.repo} {branch}'.encode()).hexdigest()[:16]}",
            attempt=1,
            valid=True,
        )
        found = await propose(
            self._services,
            Wanted(
                repo=own.repo,
                base=own.default_branch,
                branch=branch,
                title=title,
                work=work,
                origin=origin,
                task=task,
            ),
        )
        how = f"was opened before, and is {found.pull.state}" if found.already else "is open"
        return answer(f"{found.pull.url} {how}; it is merged by {ending}", found.told())

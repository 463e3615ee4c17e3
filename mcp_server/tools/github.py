"""Tools over GitHub: repositories, their health, pull requests and the gate."""

from collections.abc import Collection
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server import creation, evidence, merging
from mcp_server.audited import audit_of_pull, audits_of
from mcp_server.check_evidence import state_at
from mcp_server.clients import github as api
from mcp_server.errors import BadArgument, Refused
from mcp_server.guard.gate import GateEvidence, gate
from mcp_server.guard.request import Prepared
from mcp_server.models import (
    Audit,
    CreatedRepository,
    GateDecision,
    Health,
    HealthReport,
    Merged,
    PullRequest,
    PullView,
    Repositories,
    Updated,
)
from mcp_server.perform import perform, settle_done
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import MaxAge, Repo
from mcp_server.tools.result import answer

MOST_REPOSITORIES = 200
Number = Annotated[int, Field(ge=1, description="number of the pull request")]
HeadSha = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$", description="head that was judged")]


class GitHubTools:
    """The `github` toolset."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def github_list_repos(
        self,
        query: Annotated[str, Field(description="part of owner/name; empty: all")] = "",
        cursor: Annotated[str | None, Field(description="next_cursor of the page before")] = None,
        max_age: MaxAge = 300,
    ) -> Annotated[CallToolResult, Repositories]:
        """List the owner's repositories, 200 a page. Next: github_repo_health."""
        account = self._services.account
        everything = await account.repositories(max_age=max_age)
        wanted = [item for item in everything if query.lower() in item.repo.lower()]
        start = int(cursor) if cursor and cursor.isdigit() else 0
        keys = self._services.marker_keys
        shown = wanted[start : start + MOST_REPOSITORIES]
        page = tuple(creation.recognised(item, keys) for item in shown)
        more = start + MOST_REPOSITORIES
        found = Repositories(
            owner=await account.login(),
            repositories=page,
            next_cursor=str(more) if len(wanted) > more else None,
            age_seconds=account.repositories_age,
        )
        return answer(f"{len(wanted)}: " + ", ".join(item.repo for item in page), found)

    async def github_repo_health(
        self, repos: Annotated[list[Repo] | None, Field(max_length=200)] = None
    ) -> Annotated[CallToolResult, HealthReport]:
        """Score repositories 0-100 by part, with the best next improvement; all when none named.

        The improvement is a template for jules_start_session; a description or topics cost no
        session: github_set_metadata. Reads anew what changed since the last look; the age is that
        of the oldest reading. Up to 5 named ones that the factory made are audited, too.
        """
        found = await self._services.survey.health(repos)
        audits = await audits_of(self._services, repos) if repos else {}
        health = tuple(
            item.model_copy(update={"audit": audits.get(item.repo)}) for item in found.health
        )
        lines = [_health_line(item) + _audit_lines(item.audit) for item in health]
        report = HealthReport(health=health, age_seconds=found.age_seconds)
        return answer("\n".join(lines) or "no repository", report)

    async def github_get_pull(
        self,
        repo: Repo,
        number: Number,
        audit: Annotated[
            bool, Field(description="audit its tree, where the factory made the repository")
        ] = False,
    ) -> Annotated[CallToolResult, PullView]:
        """Show a pull request with the gate's decision (merge, wait, fix, human) and its reasons.

        Green must be seen twice, 30 s apart. An audit compares with the standard, and decides
        nothing. Next: github_merge_pull when it says merge.
        """
        pull_evidence = await evidence.read_pull(self._services, repo, number)
        decision = gate(pull_evidence)
        reasons = "; ".join(decision.reasons)
        text = f"{repo}#{number} {pull_evidence.pull.state}: {decision.verdict}: {reasons}"
        found = await audit_of_pull(self._services, pull_evidence.pull) if audit else None
        view = PullView(
            pull=pull_evidence.pull,
            decision=decision,
            after_merge=await self._after_merge(pull_evidence.pull),
            audit=found,
        )
        return answer(text + _audit_lines(found), view)

    async def _after_merge(self, pull: PullRequest) -> str | None:
        if pull.merge_sha is None:
            return None
        return await state_at(self._services, pull.repo, pull.merge_sha)

    async def github_merge_pull(
        self, repo: Repo, number: Number, head_sha: HeadSha
    ) -> Annotated[CallToolResult, Merged]:
        """Merge a pull request of ours, only if the gate says so at exactly `head_sha`.

        Otherwise nothing is sent and the reasons come back. A merge is read back.
        """
        services = self._services
        # Before the evidence: nothing comes between that and the merge.
        allowed = await services.account.merge_methods(repo)
        pull_evidence = await evidence.read_pull(services, repo, number)
        decision = gate(pull_evidence)
        if pull_evidence.pull.merged:
            return self._merged_before(pull_evidence.pull, head_sha, decision)
        if pull_evidence.pull.head_sha != head_sha:
            raise Refused(
                f"the head of {repo}#{number} is {pull_evidence.pull.head_sha} now: judge it anew",
                limit="head_moved",
            )
        if decision.verdict != "merge":
            held = Merged(repo=repo, number=number, merged=False, merge_sha=None, decision=decision)
            return answer(f"not merged: {'; '.join(decision.reasons)}", held)

        async def happened() -> bool:
            return await services.github.is_merged(repo, number)

        done = await perform(
            services,
            _merge_of(pull_evidence, allowed),
            purpose=f"{repo}#{number}@{head_sha}",
            happened=happened,
        )
        merged = await happened()
        if not merged:
            services.ledger.alarm("merge answered but not seen", pull=f"{repo}#{number}")
        sha = done.result.get("sha")
        found = Merged(
            repo=repo,
            number=number,
            merged=merged,
            merge_sha=str(sha) if sha else None,
            decision=decision,
        )
        return answer(f"merged {repo}#{number} as {sha}", found)

    def _merged_before(
        self, pull: PullRequest, head_sha: str, decision: GateDecision
    ) -> CallToolResult:
        """Settle the ticket of a merge whose answer was lost: it is there to be seen."""
        place = f"{pull.repo}#{pull.number}"
        settle_done(self._services, "merge_pull", f"{place}@{head_sha}")
        found = Merged(
            repo=pull.repo,
            number=pull.number,
            merged=True,
            merge_sha=pull.merge_sha,
            decision=decision,
        )
        return answer(f"{place} is merged already", found)

    async def github_update_branch(
        self, repo: Repo, number: Number, head_sha: HeadSha
    ) -> Annotated[CallToolResult, Updated]:
        """Bring a pull request that is behind up to its base; its checks then start anew."""
        services = self._services
        await evidence.own_session_of(services, repo, number)

        async def happened() -> bool:
            return (await services.github.get_pull(repo, number)).head_sha != head_sha

        done = await perform(
            services,
            api.update_branch(repo, number, head_sha),
            purpose=f"{repo}#{number}@{head_sha}",
            happened=happened,
        )
        found = Updated(repo=repo, number=number, already=done.already)
        return answer(f"{repo}#{number} is being updated; read it again in a minute", found)

    async def github_create_private_repo(
        self,
        name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+){1,4}$", max_length=50)],
        description: Annotated[str, Field(min_length=1, max_length=300)],
        task_key: Annotated[str | None, Field(pattern=r"^[0-9a-z]{4,32}$")] = None,
    ) -> Annotated[CallToolResult, CreatedRepository]:
        """Create a private repository with one first commit: README, licence, standard, CI.

        Never anything but private. The same (name, task_key) continues where it stopped. Next:
        wait until jules_list_sources shows it, then jules_start_session.
        """
        if "\n" in description:
            raise BadArgument("the description is one line")
        wanted = creation.Wanted(
            name=name,
            description=description,
            lane="create" if task_key else "manual",
            task_key=task_key or f"m{name}",
        )
        found = await creation.create(self._services, wanted)
        made = CreatedRepository(
            repo=found.repo, private=True, first_commit=found.commit, already=found.already
        )
        return answer(f"{found.repo} is there, private, with its first commit", made)


def _merge_of(seen: GateEvidence, allowed: Collection[str] | None) -> Prepared:
    pull = seen.pull
    return api.merge_pull(
        pull.repo,
        pull.number,
        pull.head_sha,
        method=merging.method_for(pull.repo, allowed),
        words=merging.commit_words(pull, seen.session, seen.checks or ()),
    )


def _health_line(health: Health) -> str:
    unset = [part for part in ("description", "topics") if health.parts.get(part)]
    metadata = f"; {' and '.join(unset)}: github_set_metadata" if unset else ""
    return f"{health.repo} {health.score} next: {health.improvement or '-'}{metadata}"


def _audit_lines(audit: Audit | None) -> str:
    """Return a line for each thing of an audit that is not as the standard wants it."""
    if audit is None:
        return ""
    open_ = [one for one in audit.items if one.state != "ok"]
    head = f"\n  audit: {len(audit.items) - len(open_)} of {len(audit.items)} as the standard asks"
    return head + "".join(f"\n  {one.state}: {one.what}: {one.evidence}" for one in open_)

"""The tool that starts a session: one unit of the allowance, at most once a task and attempt."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server import prompts
from mcp_server.changeable import is_left_alone
from mcp_server.clients import jules as api
from mcp_server.clients import jules_wire
from mcp_server.clients.jules import StartOptions
from mcp_server.errors import BadArgument, NotFound, Refused
from mcp_server.guard import budget, marker
from mcp_server.guard.counted import Listing
from mcp_server.guard.ledger import LISTING_FRESH_SECONDS
from mcp_server.guard.tickets import Ticket
from mcp_server.models import Lane, Marker, Started
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import RepoName, Template, Variables, repo_of
from mcp_server.tools.result import answer


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What a start is for; lane, key and attempt stand in the marker."""

    lane: Lane
    key: str
    attempt: int


class JulesStarting:
    """Starts sessions. Whether one may start is the ledger's to say."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def jules_start_session(
        self,
        prompt: Annotated[str | None, Field(max_length=20_000)] = None,
        template: Template = None,
        variables: Variables = None,
        lane: Lane = "manual",
        repo: RepoName | None = None,
        branch: Annotated[str | None, Field(max_length=200)] = None,
        title: Annotated[str, Field(max_length=200)] = "",
        require_plan_approval: Annotated[
            bool, Field(description="it waits with its plan for jules_approve_plan")
        ] = False,
        auto_pr: Annotated[bool, Field(description="it opens its pull request itself")] = True,
        task_key: Annotated[str | None, Field(pattern=r"^[0-9a-z]{4,32}$")] = None,
        attempt: Annotated[int, Field(ge=1, le=9)] = 1,
        dry_run: Annotated[bool, Field(description="say what would be sent; send nothing")] = False,
    ) -> Annotated[CallToolResult, Started]:
        """Start one Jules session; costs one unit of the allowance.

        Give `prompt`, or `template` with `variables`; leave `repo` out for a session without a
        repository. The same (task_key, attempt) never starts twice: it returns what happened.
        Refused with the limit's name when nothing is free: see budget_status. Next: jules_wait.
        """
        text = rendered(prompt, template, variables)
        services = self._services
        name, branch = await self._target(repo, branch)
        listing = await _batch_listing(services)
        task = _Task(lane=lane, key=task_key or _manual_key(text, name, listing), attempt=attempt)
        self._refuse_untouchable(name)
        earlier = services.ledger.find("start_session", f"{task.key}.a{attempt}")
        if earlier is not None:
            return _what_happened(earlier, task, self._remaining(listing))
        options = StartOptions(
            prompt=text,
            title=f"{self._tag(task, name, branch, listing)} {prompts.plain(title, 200)}".strip(),
            repo=name,
            branch=branch,
            auto_pr=auto_pr,
            require_plan_approval=require_plan_approval,
        )
        if dry_run:
            return self._would_start(options, task, listing)
        prepared = api.start_session(options)
        ticket = services.ledger.hold_session(prepared, listing)
        session_id, url = jules_wire.created(await services.jules.send(prepared, ticket.id))
        found = self._started(options, task, listing).model_copy(
            update={"session_id": session_id, "url": url}
        )
        return answer(
            f"started session {session_id} on {name or 'no repository'}; {found.remaining} left",
            found,
        )

    async def _target(self, repo: str | None, branch: str | None) -> tuple[str | None, str | None]:
        """Return repository and branch as Jules will name them: the marker is signed for these."""
        if repo is None:
            if branch:
                raise BadArgument("a session without a repository has no branch: leave it out")
            return None, None
        asked, account = await repo_of(self._services, repo), self._services.account
        try:
            own = await account.repository(asked)
        except NotFound:
            # A repository of somebody else's may be a source all the same.
            for source in await account.sources(max_age=300):
                if source.repo.casefold() == asked.casefold() and (branch or source.default_branch):
                    return source.repo, branch or source.default_branch
            raise
        return own.repo, branch or own.default_branch

    def _refuse_untouchable(self, repo: str | None) -> None:
        if repo is not None and is_left_alone(self._services, repo):
            raise Refused(
                f"{repo} is protected by the setting never_touch: no session is spent on it",
                limit="never_touch",
            )

    def _tag(self, task: _Task, repo: str | None, branch: str | None, listing: Listing) -> str:
        return marker.issue(
            self._services.marker_key,
            ledger=self._services.ledger.id,
            date=f"{listing.date:%Y-%m-%d}",
            lane=task.lane,
            task_key=task.key,
            attempt=task.attempt,
            repo=repo,
            branch=branch,
        )

    def _would_start(self, options: StartOptions, task: _Task, listing: Listing) -> CallToolResult:
        """Refuse what the ledger would refuse, as far as can be told without a ticket."""
        ledger = self._services.ledger
        paused = ledger.head()[2]
        if paused:
            raise Refused(f"paused: {paused}; budget_resume lets tickets go again", limit="paused")
        settles_at = ledger.settles_at()
        if settles_at is not None:
            raise Refused(
                f"settling: a new ledger starts no session before {settles_at:%H:%M:%S} UTC",
                limit="settling",
                retry_at=settles_at.isoformat(),
            )
        usage = ledger.usage(listing.date)
        budget.check_session(ledger.limits, usage, lane=task.lane, repo=options.repo)
        found = self._started(options, task, listing).model_copy(update={"dry_run": True})
        where = f"{options.repo} at {options.branch}" if options.repo else "no repository"
        text = (
            f"would start on {where}, title {options.title!r}; {found.remaining} free now; nothing "
            f"was sent\n{options.prompt[:2_000]}"
        )
        return answer(text, found)

    def _started(self, options: StartOptions, task: _Task, listing: Listing) -> Started:
        return Started(
            session_id="",
            url="",
            title=options.title,
            already=False,
            task_key=task.key,
            attempt=task.attempt,
            marker=self._marker(options),
            remaining=self._remaining(listing),
        )

    def _marker(self, options: StartOptions) -> Marker | None:
        keys = [self._services.marker_key]
        return marker.read(options.title, keys, repo=options.repo, branch=options.branch)

    def _remaining(self, listing: Listing) -> int:
        usage = self._services.ledger.usage(listing.date)
        return max(0, self._services.ledger.limits.sessions - usage.count)


def rendered(text: str | None, template: str | None, variables: dict[str, str] | None) -> str:
    """Return the text that is given, or the template with its variables; raises `BadArgument`."""
    if (text is None) == (template is None):
        raise BadArgument("give either the text or a template, not both and not neither")
    said = prompts.render(template, variables or {}) if template is not None else text or ""
    if not said.strip():
        raise BadArgument("the text is empty: say what is to be done")
    return said


async def _batch_listing(services: Services) -> Listing:
    """Return a fresh listing that can still serve a create."""
    listing = await services.account.sessions(max_age=LISTING_FRESH_SECONDS / 2)
    if listing.creates >= services.ledger.limits.parallel_creates:
        listing = await services.account.sessions(max_age=0)
    return listing


def _manual_key(text: str, repo: str | None, listing: Listing) -> str:
    """Return a key under which the same request of the same day is the same task."""
    words = f"{listing.date:%Y-%m-%d}\x1f{repo}\x1f{text}"
    return "m" + hashlib.sha256(words.encode()).hexdigest()[:12]


def _what_happened(ticket: Ticket, task: _Task, remaining: int) -> CallToolResult:
    """Return the outcome of a create that was asked for before; a create is never sent twice."""
    if ticket.state == "spent":
        session_id, url = jules_wire.created(ticket.result)
        found = Started(
            session_id=session_id,
            url=url,
            title="",
            already=True,
            task_key=task.key,
            attempt=task.attempt,
            remaining=remaining,
        )
        return answer(f"already started as session {session_id}", found)
    if ticket.state == "released":
        raise Refused(
            f"attempt {task.attempt} of {task.key} came to nothing ({ticket.evidence}): "
            f"use attempt {task.attempt + 1}",
            limit="attempt",
        )
    since = ticket.sent_at or ticket.held_at
    raise Refused(
        f"attempt {task.attempt} of {task.key} is open since {since:%H:%M:%S} UTC: "
        "budget_reconcile settles it; it is never sent again",
        limit="open_ticket",
        retry_at=(since + timedelta(minutes=10)).isoformat(),
    )

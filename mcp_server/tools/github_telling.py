"""Tools that write words on GitHub: description and topics, a comment, the one report issue."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server import creation, evidence
from mcp_server.changeable import refuse_left_alone
from mcp_server.clients import github_care as api
from mcp_server.errors import BadArgument, Refused, Unreadable
from mcp_server.guard import marker
from mcp_server.guard.request import Prepared
from mcp_server.models import Commented, Described, Reported, Repository
from mcp_server.perform import Done, new_purpose, perform, settle_done
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import Repo
from mcp_server.tools.result import answer

Topic = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]
Number = Annotated[int, Field(ge=1, description="number of the pull request")]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class GitHubTelling:
    """Writes in the account's own repositories only, each thing once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def github_set_metadata(
        self,
        repo: Repo,
        description: Annotated[str | None, Field(min_length=1, max_length=230)] = None,
        topics: Annotated[list[Topic] | None, Field(min_length=1, max_length=20)] = None,
    ) -> Annotated[CallToolResult, Described]:
        """Set a repository's description, its topics (all of them), or both; nothing else.

        Costs no session. Refused for what is archived or in never_touch.
        """
        if description is None and topics is None:
            raise BadArgument("say description, topics, or both")
        before = await self._own(repo)
        changed: list[str] = []
        if description is not None:
            text = creation.redescribed(before, description, self._services.marker_keys)
            prepared = api.set_description(before.repo, text)
            if await self._set(before, prepared, lambda now: now.description == text):
                changed.append("description")
        if topics is not None:
            wanted = set(topics)
            prepared = api.set_topics(before.repo, sorted(wanted))
            if await self._set(before, prepared, lambda now: set(now.topics) == wanted):
                changed.append("topics")
        self._services.account.changed_repositories()
        after = creation.recognised(
            await self._services.account.repository_now(before.repo), self._services.marker_keys
        )
        found = Described(
            repo=after.repo,
            description=after.description,
            topics=after.topics,
            changed=tuple(changed),
        )
        return answer(f"{after.repo}: {', '.join(changed) or 'nothing'} changed", found)

    async def github_comment_pull(
        self,
        repo: Repo,
        number: Number,
        body: Annotated[str, Field(min_length=1, max_length=10_000)],
        purpose: Annotated[
            str, Field(max_length=80, description="two calls with one purpose comment once")
        ] = "",
    ) -> Annotated[CallToolResult, Commented]:
        """Comment on a pull request that a session of ours opened; everybody there reads it.

        To steer the session itself use jules_send_message.
        """
        services, text = self._services, body.strip()
        if not text:
            raise BadArgument("the comment is empty")
        await evidence.own_session_of(services, repo, number)

        async def happened() -> bool:
            return text in await services.care.comments(repo, number)

        done = await perform(
            services,
            api.comment_pull(repo, number, text),
            purpose=f"{repo}#{number}:{purpose or _digest(text)}",
            happened=happened,
        )
        found = Commented(repo=repo, number=number, already=done.already)
        return answer(f"commented on {repo}#{number}{_again(done)}", found)

    async def github_report_issue(
        self,
        repo: Repo,
        title: Annotated[str, Field(min_length=1, max_length=200)],
        body: Annotated[str, Field(max_length=50_000)],
    ) -> Annotated[CallToolResult, Reported]:
        """Open the one report issue of a repository of yours, or update it where it is open.

        Found by our marker in its body, where the token's own login has written it. One that a
        person closed stays closed; then it is a new one.
        """
        services = self._services
        own = await self._own(repo)
        tag = marker.tag(services.marker_key, "report", own.repo)
        text = f"<!-- daily-factory report {tag} -->\n\n{body.strip()}"
        said = _CONTROL.sub(" ", title).strip()
        if not said:
            raise BadArgument("the title is empty")
        ours = await self._reports(own.repo, tag)
        current = next((one for one in ours if one.state == "open"), None)
        after = max((one.number for one in ours if one is not current), default=0)
        if current is None:
            return await self._open(own.repo, said, text, tag, after)
        settle_done(services, "open_report", f"{own.repo}:{after}")
        prepared = api.update_report(own.repo, current.number, said, text)

        async def happened() -> bool:
            shown = await self._reports(own.repo, tag)
            return any((one.title, one.body) == (said, text) for one in shown)

        await self._put(prepared, happened, is_so=(current.title, current.body) == (said, text))
        return _reported(own.repo, current.number, current.url, opened=False)

    async def _open(self, repo: str, title: str, text: str, tag: str, after: int) -> CallToolResult:
        """Open the report that follows number `after`, the last one that was closed."""

        async def happened() -> bool:
            return any(one.number > after for one in await self._reports(repo, tag))

        prepared = api.open_report(repo, title, text)
        await perform(self._services, prepared, purpose=f"{repo}:{after}", happened=happened)
        shown = next((one for one in await self._reports(repo, tag) if one.number > after), None)
        if shown is None:
            raise Unreadable(f"the report of {repo} was opened and does not show yet: look again")
        return _reported(repo, shown.number, shown.url, opened=True)

    async def _reports(self, repo: str, tag: str) -> tuple[api.Issue, ...]:
        begins = f"<!-- daily-factory report {tag} -->"
        author = (await self._services.account.identity()).author.casefold()
        issues = await self._services.care.issues(repo)
        return tuple(
            one for one in issues if one.author.casefold() == author and one.body.startswith(begins)
        )

    async def _own(self, repo: str) -> Repository:
        """Return a repository of the account, read just now, that may be written to."""
        services = self._services
        known = await services.account.repository(repo)
        refuse_left_alone(services, known.repo)
        found = await services.account.repository_now(known.repo)
        if found.archived:
            raise Refused(f"{found.repo} is archived: it is read-only", limit="archived")
        return found

    async def _set(
        self, before: Repository, prepared: Prepared, shows: Callable[[Repository], bool]
    ) -> bool:
        async def happened() -> bool:
            return shows(await self._services.account.repository_now(before.repo))

        return await self._put(prepared, happened, is_so=shows(before))

    async def _put(
        self, prepared: Prepared, happened: Callable[[], Awaitable[bool]], *, is_so: bool
    ) -> bool:
        """Carry out a change unless it is so already, and read it back; say whether it was made."""
        services = self._services
        wanted = f"{prepared.repo}:{_digest(prepared.path + prepared.content.decode())}"
        purpose = new_purpose(services, prepared.kind, wanted)
        if is_so:
            settle_done(services, prepared.kind, purpose)
            return False
        await perform(services, prepared, purpose=purpose, happened=happened)
        if not await happened():
            raise Unreadable(f"{prepared.repo} does not show what was set: look again in a minute")
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _again(done: Done) -> str:
    return " (already)" if done.already else ""


def _reported(repo: str, number: int, url: str, *, opened: bool) -> CallToolResult:
    found = Reported(repo=repo, number=number, url=url, opened=opened)
    return answer(f"the report is {url} ({'opened' if opened else 'updated'})", found)

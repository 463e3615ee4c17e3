"""The tool that puts a patch on a branch of its own and opens its pull request."""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated

from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.account import disown
from mcp_server.changeable import changeable
from mcp_server.clients import jules_names
from mcp_server.errors import BadArgument, Refused, Unreadable
from mcp_server.guard.bodies import BRANCHES, CONVENTIONAL
from mcp_server.histories import Histories
from mcp_server.models import Marker, ProposedPatch, Repository, Session
from mcp_server.patches.parse import MOST_CHARACTERS
from mcp_server.proposing import Wanted, propose
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import Repo, SessionId
from mcp_server.tools.result import answer

Title = Annotated[
    str,
    Field(
        pattern=CONVENTIONAL,
        max_length=100,
        description="of the commit and the pull request: a Conventional Commit, e.g. `fix: …`",
    ),
]
Branch = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*$",
        max_length=100,
        description="name of the new branch, under daily-factory/; one that is there is left alone",
    ),
]


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A diff, whose work it is, and the branch that it is for."""

    diff: str
    task: Marker
    origin: str
    base: str


class GitHubPatchTools:
    """Patches as pull requests."""

    def __init__(self, services: Services, histories: Histories) -> None:
        self._services = services
        self._histories = histories

    async def github_push_patch(
        self,
        repo: Repo,
        branch: Branch,
        title: Title,
        session_id: SessionId | None = None,
        patch: Annotated[
            str | None,
            Field(max_length=MOST_CHARACTERS, description="unified diff as `git diff` writes it"),
        ] = None,
    ) -> Annotated[CallToolResult, ProposedPatch]:
        """Open a pull request with the diff that a session has left, or with a patch given here.

        For a session that could not open one itself: a repoless one, or one whose repository was
        no source yet. Give either session_id or patch. The diff is applied to the base branch as
        it is now, without fuzz: text files only, no workflow, CODEOWNERS or git file. The same
        (repo, branch, diff) gives the same pull request again; nothing goes to what is archived, a
        fork, or in never_touch. Next: github_get_pull. A session's
        may be merged by the gate, as long as its branch stays at this commit; a given patch's is a
        person's to merge.
        """
        if (session_id is None) == (patch is None):
            raise BadArgument("give either session_id or patch, not both and not neither")
        target = await changeable(self._services, repo)
        name = branch if branch.startswith(BRANCHES) else f"{BRANCHES}{branch}"
        if session_id is not None:
            work = await self._of_session(target, jules_names.session_id(session_id))
        else:
            work = self._given(target, patch or "")
        if self._services.redactor.text(work.diff) != work.diff:
            raise Refused("the patch holds a secret of this installation", limit="secret")
        if not {branch, name}.isdisjoint((work.base, target.default_branch)):
            raise BadArgument(f"{branch!r} is where the pull request goes to: name a new branch")
        found = await propose(
            self._services,
            Wanted(
                repo=target.repo,
                base=work.base,
                branch=name,
                title=title,
                work=work.diff,
                origin=work.origin,
                task=work.task,
            ),
        )
        done = "is open already" if found.already else "is open"
        return answer(
            f"{found.pull.url} {done}, at {found.pull.head_sha}", found.told(session_id=session_id)
        )

    async def _of_session(self, target: Repository, session_id: str) -> _Work:
        jules = self._services.jules
        session, found = await jules.get_patch(session_id)
        session = disown(session, self._services.ledger.disowned())
        task = _may_be_proposed(session, target)
        await self._refuse_opened(session, target)
        if found is None:
            # Outputs are often empty although there are changes (facts/jules-api.md 2.5).
            signs = (await self._histories.of(session)).signs
            if signs.unreadable:
                raise Unreadable(
                    f"{signs.unreadable} activities of session {session_id} could not be read: "
                    "whether a later diff is among them is not known, so none is proposed"
                )
            last = signs.change_set_in
            found = (await jules.get_activity(session.id, last)).change_set if last else None
        if found is None or not found.diff:
            raise Refused(f"session {session.id} has left no diff", limit="patch_unreadable")
        return _Work(
            diff=found.diff,
            task=task,
            origin=f"Work of Jules session {session.id} for task {task.task_key}, which could "
            f"not open a pull request itself: {session.url}",
            base=session.branch or target.default_branch,
        )

    async def _refuse_opened(self, session: Session, target: Repository) -> None:
        """Refuse when the session has a pull request that its outputs do not name.

        Outputs are often empty (facts/jules-api.md 2.5); its branches carry its id (section 4).
        """
        if session.repo is None:
            return
        for pull in await self._services.github.list_pulls(target.repo, state="all"):
            if session.id in re.split(r"[-/]", pull.head_ref):
                raise Refused(
                    f"session {session.id} has opened {pull.url} without naming it: look at that",
                    limit="open_pull",
                )

    def _given(self, target: Repository, patch: str) -> _Work:
        digest = hashlib.sha256(patch.encode(errors="replace")).hexdigest()
        task = Marker(
            ledger=self._services.ledger.id,
            date=f"{self._services.clock.now():%Y-%m-%d}",
            lane="manual",
            task_key=f"p{digest[:16]}",
            attempt=1,
            valid=True,
        )
        origin = f"A patch that was given in a chat (no session), task {task.task_key}."
        return _Work(diff=patch, task=task, origin=origin, base=target.default_branch)


def _may_be_proposed(session: Session, target: Repository) -> Marker:
    """Return the marker of a session of ours that is over, fits, and has opened nothing itself."""
    if session.marker is None or not session.mine:
        raise Refused(f"session {session.id} carries no valid marker of ours", limit="foreign")
    if session.repo is not None and session.repo.lower() != target.repo.lower():
        raise Refused(f"session {session.id} works on {session.repo}", limit="foreign")
    if session.pull is not None:
        raise Refused(
            f"session {session.id} has opened {session.pull.url}: see github_get_pull",
            limit="state",
        )
    if session.state != "COMPLETED":
        raise Refused(
            f"session {session.id} is {session.state}: its diff is final when it is COMPLETED",
            limit="state",
        )
    return session.marker

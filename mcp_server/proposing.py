"""Puts a patch on a new branch and opens its pull request; every step continues where it stopped.

The pull request's body begins with a marker that is signed for its branches and its one commit: the
gate takes it for ours as long as it stands there, and for nobody's after that.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from mcp_server import evidence
from mcp_server.clients import github as api
from mcp_server.clients import github_patches
from mcp_server.errors import BadArgument, NotFound, Refused, Unreadable
from mcp_server.guard import marker, proposal
from mcp_server.models import Marker, ProposedPatch, PullRequest
from mcp_server.patches.parse import parse
from mcp_server.patches.plan import Change, Plan, blobs_needed, check, plan, plan_of
from mcp_server.perform import MOST_TRIES, Done, perform
from mcp_server.services import Services

_MOST_PATHS_TOLD = 20
_AT_ONCE = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is proposed and where; `origin` says in a line whose work it is and why it comes so.

    `work` is a unified diff, or the very entries of the tree. `task` is the task that it is work
    of: its marker's fields are signed anew for what is made.
    """

    repo: str
    base: str
    branch: str
    title: str
    work: str | tuple[Change, ...]
    origin: str
    task: Marker

    @property
    def purpose(self) -> str:
        """What makes two calls the same one."""
        said = self.work if isinstance(self.work, str) else repr(self.work)
        digest = hashlib.sha256(said.encode(errors="replace")).hexdigest()
        return f"{self.repo}:{self.branch}@{digest[:16]}"


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A pull request of ours; `already` when it was not this call that opened it."""

    pull: PullRequest
    already: bool

    def told(self, *, session_id: str | None = None) -> ProposedPatch:
        """Return it as tools tell it; `session_id` is the session whose diff it is."""
        return ProposedPatch(
            repo=self.pull.repo,
            number=self.pull.number,
            url=self.pull.url,
            branch=self.pull.head_ref,
            base=self.pull.base_ref,
            head_sha=self.pull.head_sha,
            session_id=session_id,
            already=self.already,
            state=self.pull.state,
        )


async def propose(services: Services, wanted: Wanted) -> Proposed:
    """Make the tree, the commit, the branch and the pull request, each once.

    Raises:
        Refused: the patch does not fit (a file and a hunk are named), or a limit.
        BadArgument: the branch is there already, and not this patch's.
        Ambiguous: an answer was lost and its effect is not visible yet: call again later.
    """
    commit = _made_before(services, wanted)
    if commit is None and await _head(services, wanted) is not None:
        return await _of_an_earlier_life(services, wanted)
    if commit is None:
        commit = await _make_commit(services, wanted)
    await _make_branch(services, wanted, commit)
    done = await _open_pull(services, wanted, commit)
    number = done.result.get("number")
    if isinstance(number, int):
        pull = await services.github.get_pull(wanted.repo, number)
    else:
        pull = await _pull(services, wanted)  # its answer was lost: seen when it was read back
    if pull is None:
        raise Unreadable(f"{wanted.repo}: the pull request from {wanted.branch} is not listed now")
    return Proposed(pull=pull, already=done.already)


def _made_before(services: Services, wanted: Wanted) -> str | None:
    """Return the commit that an earlier call for the same patch has made."""
    for number in range(1, MOST_TRIES + 1):
        ticket = services.ledger.find("create_commit", f"{wanted.purpose}#{number}")
        if ticket is not None and ticket.state == "spent":
            return str(ticket.result["sha"])
    return None


async def _of_an_earlier_life(services: Services, wanted: Wanted) -> Proposed:
    """Return what a ledger that is lost has opened; any other branch of that name is foreign."""
    pull = await _pull(services, wanted)
    if pull is None:
        raise BadArgument(f"{wanted.repo} has a branch {wanted.branch!r} already: choose another")
    return Proposed(pull=pull, already=True)


async def _head(services: Services, wanted: Wanted) -> str | None:
    """Return where the branch stands; None: there is none of that name."""
    try:
        return (await services.github.head_of(wanted.repo, wanted.branch))[0]
    except NotFound:
        return None


async def _pull(services: Services, wanted: Wanted) -> PullRequest | None:
    """Return the pull request of this task from the branch, open or not, at the commit we made."""
    for pull in await services.github.list_pulls(wanted.repo, state="all"):
        tag = evidence.own_tag(services, pull) if pull.head_ref == wanted.branch else None
        if tag is not None and tag.task_key == wanted.task.task_key:
            return pull
    return None


async def _make_commit(services: Services, wanted: Wanted) -> str:
    """Change the base as it is now; returns the commit of the result."""
    head, base_tree, planned = await _planned(services, wanted)
    purpose = f"{wanted.purpose}@{head[:12]}"
    tree = await perform(
        services,
        github_patches.create_tree(wanted.repo, base_tree, planned.changes),
        purpose=purpose,
        happened=_never,
        settled_after=_AT_ONCE,
    )
    if tree.result["sha"] != planned.tree:
        services.ledger.alarm("a tree is not the one that was asked for", repo=wanted.repo)
        raise Refused(
            f"{wanted.repo}: GitHub made tree {tree.result['sha']}, not {planned.tree}: nothing "
            "is built on it",
            limit="tree",
        )
    commit = await perform(
        services,
        api.create_commit(
            wanted.repo, message=_message(wanted, planned, head), tree=planned.tree, parent=head
        ),
        purpose=wanted.purpose,
        happened=_never,
        settled_after=_AT_ONCE,
    )
    return str(commit.result["sha"])


async def _planned(services: Services, wanted: Wanted) -> tuple[str, str, Plan]:
    """Return where the base stands, commit and tree, and what becomes of that tree."""
    patches = parse(wanted.work) if isinstance(wanted.work, str) else ()
    check(patches)
    head, base_tree = await services.github.head_of(wanted.repo, wanted.base)
    files = await services.trees.files(wanted.repo, base_tree)
    if not isinstance(wanted.work, str):
        return head, base_tree, plan_of(wanted.work, files)
    needed = sorted(blobs_needed(patches, files))
    contents = {sha: await services.trees.blob(wanted.repo, sha) for sha in needed}
    return head, base_tree, plan(patches, files, contents)


async def _make_branch(services: Services, wanted: Wanted, commit: str) -> None:
    async def happened() -> bool:
        return await _head(services, wanted) == commit

    await perform(
        services,
        github_patches.create_branch(wanted.repo, wanted.branch, commit),
        purpose=wanted.purpose,
        happened=happened,
    )


async def _open_pull(services: Services, wanted: Wanted, commit: str) -> Done:
    async def happened() -> bool:
        return await _pull(services, wanted) is not None

    return await perform(
        services,
        github_patches.open_pull(
            wanted.repo,
            title=wanted.title,
            head=wanted.branch,
            base=wanted.base,
            body=_body(services, wanted, commit),
        ),
        purpose=wanted.purpose,
        happened=happened,
    )


async def _never() -> bool:
    return False  # a tree or commit that nothing points to does no harm made twice


def _message(wanted: Wanted, planned: Plan, head: str) -> str:
    paths = [change.path for change in planned.changes]
    told = "\n".join(f"- {path}" for path in paths[:_MOST_PATHS_TOLD])
    more = f"\n- and {len(paths) - _MOST_PATHS_TOLD} more" * (len(paths) > _MOST_PATHS_TOLD)
    return (
        f"{wanted.title}\n\n{wanted.origin}\n\n{told}{more}\n\n"
        f"Applied exactly to {head}.\n\nFactory-Task: {wanted.task.task_key}"
    )


def _body(services: Services, wanted: Wanted, commit: str) -> str:
    tag = marker.issue(
        services.marker_key,
        ledger=wanted.task.ledger,
        date=wanted.task.date,
        lane=wanted.task.lane,
        task_key=wanted.task.task_key,
        attempt=wanted.task.attempt,
        repo=wanted.repo,
        branch=proposal.place(wanted.base, wanted.branch, commit),
    )
    return (
        f"{tag} {wanted.title}\n\n"
        f"**Why and from where:** {wanted.origin}\n\n"
        f"**How tested:** applied exactly to `{wanted.base}`; the tree that GitHub made is, "
        f"by its name, the one computed here. Nothing was run: the checks of {commit} decide. "
        "The marker above stands for that commit only.\n"
    )

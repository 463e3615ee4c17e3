"""Makes a private repository with its first commit; every step continues where it stopped."""

from dataclasses import dataclass
from datetime import timedelta

from mcp_server import prompts, standard
from mcp_server.clients import github as api
from mcp_server.errors import Ambiguous, BadArgument, Refused
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import OPEN
from mcp_server.perform import MOST_TRIES, perform
from mcp_server.services import Services

FIRST_MESSAGE = "chore: start from the standard"


@dataclass(frozen=True, kw_only=True)
class Made:
    """A repository that is there, and its first commit."""

    repo: str
    commit: str
    already: bool


async def create(services: Services, name: str, description: str, task_key: str) -> Made:
    """Create the repository unless this task has, then give it its first commit.

    Raises:
        BadArgument: the name is taken by something else.
        Ambiguous: the answer to the create was lost; a later listing settles it.
        Refused: a limit, or a repository that turned out not to be private.
    """
    repo = f"{await services.account.login()}/{name}"
    already = await _ensure_repository(services, repo, name, description, task_key)
    found = await services.github.get_repository(repo)
    if not found.private:
        services.ledger.alarm("a repository of ours is public", repo=repo)
        services.ledger.pause(f"{repo} is public: make it private by hand, then budget_resume")
        raise Refused(f"{repo} is public: everything stops until a person looks", limit="public")
    services.account.changed_repositories()
    commit = await _first_commit(services, repo, found.default_branch, description, task_key)
    return Made(repo=repo, commit=commit, already=already)


async def _ensure_repository(
    services: Services, repo: str, name: str, description: str, task_key: str
) -> bool:
    """Create the repository once; returns whether an earlier call already had."""
    prepared = api.create_repository(name, prompts.plain(description, 300))
    for number in range(1, MOST_TRIES + 1):
        key = f"{task_key}:{name}#{number}"
        ticket = services.ledger.find(prepared.kind, key)
        if ticket is not None and ticket.state in OPEN:
            # A listing may show what became of it, or be the second one not to.
            await services.account.repository_listing()
            services.ledger.void_stale()
            ticket = services.ledger.find(prepared.kind, key)
        if ticket is None:
            await _create(services, prepared, key, repo)
            return False
        if ticket.state == "spent":
            return True
        if ticket.state != "released":
            raise Ambiguous(
                f"{repo}: the create is open; a listing ten minutes on settles it",
                ticket=ticket.id,
            )
    raise Refused(f"{repo}: {MOST_TRIES} tries came to nothing", limit="tries")


async def _create(services: Services, prepared: Prepared, key: str, repo: str) -> None:
    listing = await services.account.repository_listing()
    if repo.lower() in {known.lower() for known in listing.created}:
        raise BadArgument(f"{repo} exists already and is not this task's: choose another name")
    ticket = services.ledger.hold_repository(prepared, key=key, repo=repo, listing=listing)
    await services.github.send(prepared, ticket.id)


async def _first_commit(
    services: Services, repo: str, branch: str, description: str, task_key: str
) -> str:
    head, tree = await services.github.head_of(repo, branch)

    async def never() -> bool:
        return False  # a tree or commit that nothing points to does no harm made twice

    files = standard.first_files(repo, description, services.clock.now().year)
    made = await perform(
        services,
        api.create_tree(repo, tree, files),
        purpose=f"{repo}:first",
        happened=never,
        settled_after=timedelta(0),
    )
    message = f"{FIRST_MESSAGE}\n\nFactory-Task: {task_key}"
    commit = await perform(
        services,
        api.create_commit(repo, message=message, tree=str(made.result["sha"]), parent=head),
        purpose=f"{repo}:first",
        happened=never,
        settled_after=timedelta(0),
    )
    sha = str(commit.result["sha"])

    async def moved() -> bool:
        return (await services.github.head_of(repo, branch))[0] == sha

    await perform(
        services, api.move_branch(repo, branch, sha), purpose=f"{repo}:first", happened=moved
    )
    return sha

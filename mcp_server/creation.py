"""Makes a private repository with its first commit; every step continues where it stopped."""

from dataclasses import dataclass
from datetime import timedelta

from mcp_server import standard
from mcp_server.clients import github as api
from mcp_server.errors import Ambiguous, BadArgument, Refused
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.services import Services
from mcp_server.tools.perform import perform

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
    prepared = api.create_repository(name, description)
    owner = await services.account.login()
    repo = f"{owner}/{name}"
    key = f"{task_key}:{name}"
    ticket = services.ledger.find("create_repository", key)
    if ticket is None:
        await _create(services, prepared, key, repo)
    elif ticket.state != "spent":
        raise _unsettled(ticket, repo)
    found = await services.github.get_repository(repo)
    if not found.private:
        services.ledger.alarm("a repository of ours is public", repo=repo)
        services.ledger.pause(f"{repo} is public: make it private by hand, then budget_resume")
        raise Refused(f"{repo} is public: everything stops until a person looks", limit="public")
    services.account.changed_repositories()
    commit = await _first_commit(services, repo, found.default_branch, description, task_key)
    return Made(repo=repo, commit=commit, already=ticket is not None)


async def _create(services: Services, prepared: Prepared, key: str, repo: str) -> None:
    listing = await services.account.repository_listing()
    if repo.lower() in {known.lower() for known in listing.created}:
        raise BadArgument(f"{repo} exists already and is not this task's: choose another name")
    ticket = services.ledger.hold_repository(prepared, key=key, repo=repo, listing=listing)
    await services.github.send(prepared, ticket.id)


def _unsettled(ticket: Ticket, repo: str) -> Exception:
    if ticket.state == "released":
        return Refused(f"{repo} was refused before: {ticket.evidence}", limit="attempt")
    return Ambiguous(f"{repo}: the create is open; budget_reconcile settles it", ticket=ticket.id)


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

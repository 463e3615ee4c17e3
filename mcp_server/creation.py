"""Makes a private repository with its first commit; every step continues where it stopped.

Its description ends with a marker, signed for its full name: copied, forked or renamed, it proves
nothing. It leaves with the creation itself, so no death can part the two, and a later life with an
empty disk knows whose the repository is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from mcp_server import prompts, standard
from mcp_server.clients import github as api
from mcp_server.errors import Ambiguous, BadArgument, Refused
from mcp_server.guard import marker
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import OPEN
from mcp_server.models import Lane, Marker, Repository
from mcp_server.perform import MOST_TRIES, perform, settle_done
from mcp_server.services import Services

FIRST_MESSAGE = "chore: start from the standard"
# What GitHub itself puts into a repository that is created with a first commit.
_BORN_WITH = frozenset({"README.md"})
# GitHub takes 350 characters of description (its form, 2026-11); the longest marker has 117.
_MOST_CHARACTERS = 230
_MARKER_BEGINS = "[df1 "

Origin = Literal["now", "before", "earlier life"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A repository to make: `name` is free or this task's own already."""

    name: str
    description: str
    lane: Lane
    task_key: str


@dataclass(frozen=True, kw_only=True)
class Made:
    """A repository that is there, and its first commit."""

    repo: str
    commit: str
    already: bool


def recognised(repository: Repository, keys: Sequence[bytes]) -> Repository:
    """Return the repository with its marker read, and taken out of its description."""
    words, begins, rest = repository.description.rpartition(_MARKER_BEGINS)
    found = marker.read(begins + rest, keys, repo=repository.repo, branch=None)
    if found is None:
        return repository
    return repository.model_copy(update={"marker": found, "description": words.rstrip()})


def redescribed(repository: Repository, words: str, keys: Sequence[bytes]) -> str:
    """Return a description of other words that keeps the marker of a repository that has one."""
    _, begins, rest = repository.description.rpartition(_MARKER_BEGINS)
    tag = begins + rest if recognised(repository, keys).marker is not None else ""
    said = prompts.plain(words, _MOST_CHARACTERS)
    if _MARKER_BEGINS in said or not said:
        raise BadArgument("a description has words, and no marker of its own")
    return f"{said} {tag}".rstrip()


async def create(services: Services, wanted: Wanted) -> Made:
    """Create the repository unless this task has, in this life or before, then its first commit.

    Raises:
        BadArgument: the name is taken by something else.
        Ambiguous: the answer to the create was lost; a later listing settles it.
        SettingsError: an App cannot make repositories for a person.
        Refused: a limit, a repository that turned out not to be private, or one from an earlier
            life (`foreign`) that somebody has worked in.
    """
    repo = f"{await services.account.login()}/{wanted.name}"
    origin = await _ensure_repository(services, repo, wanted)
    found = recognised(await services.account.repository_now(repo), services.marker_keys)
    if not found.private:
        services.ledger.alarm("a repository of ours is public", repo=repo)
        services.ledger.pause(f"{repo} is public: make it private by hand, then budget_resume")
        raise Refused(f"{repo} is public: everything stops until a person looks", limit="public")
    services.account.changed_repositories()
    commit = await _first_commit(services, found, wanted, origin)
    return Made(repo=repo, commit=commit, already=origin != "now")


async def _ensure_repository(services: Services, repo: str, wanted: Wanted) -> Origin:
    """Create the repository once; returns when that was."""
    organization = (await services.account.identity()).makes_for()
    words = _description(services, repo, wanted)
    prepared = api.create_repository(wanted.name, words, organization=organization)
    for number in range(1, MOST_TRIES + 1):
        key = f"{wanted.task_key}:{wanted.name}#{number}"
        ticket = services.ledger.find(prepared.kind, key)
        if ticket is not None and ticket.state in OPEN:
            # A listing may show what became of it, or be the second one not to.
            await services.account.repository_listing()
            services.ledger.void_stale()
            ticket = services.ledger.find(prepared.kind, key)
        if ticket is None:
            return await _create(services, prepared, key, repo, wanted.task_key)
        if ticket.state == "spent":
            return "before"
        if ticket.state != "released":
            raise Ambiguous(
                f"{repo}: the create is open; a listing ten minutes on settles it",
                ticket=ticket.id,
            )
    raise Refused(f"{repo}: {MOST_TRIES} tries came to nothing", limit="tries")


def _description(services: Services, repo: str, wanted: Wanted) -> str:
    tag = marker.issue(
        services.marker_key,
        ledger=services.ledger.id,
        date=f"{services.clock.now():%Y-%m-%d}",
        lane=wanted.lane,
        task_key=wanted.task_key,
        attempt=1,
        repo=repo,
        # No session has a repository without a branch: neither's marker passes for the other's.
        branch=None,
    )
    return f"{prompts.plain(wanted.description, _MOST_CHARACTERS)} {tag}"


async def _create(
    services: Services, prepared: Prepared, key: str, repo: str, task_key: str
) -> Origin:
    listing = await services.account.repository_listing()
    if repo.lower() in {known.lower() for known in listing.created}:
        taken = recognised(await services.account.repository(repo), services.marker_keys)
        if _proof(taken, task_key) is None:
            raise BadArgument(f"{repo} exists already and is not this task's: choose another name")
        return "earlier life"
    if not await services.github.is_free(repo):
        raise BadArgument(f"{repo} is taken, or a former name that leads on: choose another name")
    ticket = services.ledger.hold_repository(prepared, key=key, repo=repo, listing=listing)
    await services.github.send(prepared, ticket.id)
    return "now"


def _proof(repository: Repository, task_key: str) -> Marker | None:
    """Return the marker that proves a repository to be made for this task, by whatever life."""
    found = repository.marker
    return found if found and found.valid and found.task_key == task_key else None


async def _first_commit(
    services: Services, found: Repository, wanted: Wanted, origin: Origin
) -> str:
    repo, branch = found.repo, found.default_branch
    head, tree = await services.github.head_of(repo, branch)
    files = standard.first_files(
        repo,
        wanted.description,
        year=services.clock.now().year,
        licence=services.settings.licence,
    )
    there = frozenset((await services.github.get_tree(repo, head)).files)
    if there >= {path for path, _ in files}:
        settle_done(services, "move_branch", f"{repo}:first")
        return head
    # What it is born with is one commit without a parent: whoever changed a file made another.
    if there != _BORN_WITH or await services.github.parents_of(repo, head):
        raise Refused(f"{repo}: somebody has worked in it: left alone", limit="foreign")
    if origin == "earlier life":
        services.ledger.adopt_repository(repo, _proof(found, wanted.task_key), head=head)
    message = f"{FIRST_MESSAGE}\n\nFactory-Task: {wanted.task_key}"
    sha = await _commit(services, repo, head=head, tree=tree, files=files, message=message)

    async def moved() -> bool:
        return (await services.github.head_of(repo, branch))[0] == sha

    await perform(
        services, api.move_branch(repo, branch, sha), purpose=f"{repo}:first", happened=moved
    )
    return sha


async def _commit(
    services: Services,
    repo: str,
    *,
    head: str,
    tree: str,
    files: Sequence[tuple[str, str]],
    message: str,
) -> str:
    """Make a commit that no branch stands at yet, on `head` and no other; returns its SHA."""
    purpose = f"{repo}:first@{head[:12]}"

    async def never() -> bool:
        return False  # a tree or commit that nothing points to does no harm made twice

    made = await perform(
        services,
        api.create_tree(repo, tree, files),
        purpose=purpose,
        happened=never,
        settled_after=timedelta(0),
    )
    commit = await perform(
        services,
        api.create_commit(repo, message=message, tree=str(made.result["sha"]), parent=head),
        purpose=purpose,
        happened=never,
        settled_after=timedelta(0),
    )
    return str(commit.result["sha"])

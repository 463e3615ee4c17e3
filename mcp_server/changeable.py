"""Which repositories may be changed by a proposal: the account's own, but those left alone."""

from mcp_server.errors import Refused
from mcp_server.models import Repository
from mcp_server.services import Services


def is_left_alone(services: Services, repo: str) -> bool:
    """Whether the operator's `never_touch` names a repository, in whatever letters."""
    return repo.casefold() in {name.casefold() for name in services.settings.never_touch}


def refuse_left_alone(services: Services, repo: str) -> None:
    """Raise `Refused` for a repository in `never_touch`."""
    if is_left_alone(services, repo):
        raise Refused(f"{repo} is in never_touch: left alone", limit="never_touch")


async def changeable(services: Services, repo: str) -> Repository:
    """Return one of the account's repositories that may be changed.

    Raises:
        NotFound: it is none of the account's.
        Refused: it is in never_touch, archived, or a fork.
    """
    own = await services.account.repository(repo)
    refuse_left_alone(services, own.repo)
    if own.archived or own.fork:
        what = "archived" if own.archived else "a fork"
        raise Refused(f"{own.repo} is {what}: left alone", limit="state")
    return own

"""Which repositories may be changed by a proposal: the account's own, but those left alone."""

from mcp_server.errors import Refused
from mcp_server.models import Repository
from mcp_server.services import Services


async def changeable(services: Services, repo: str) -> Repository:
    """Return one of the account's repositories that may be changed.

    Raises:
        NotFound: it is none of the account's.
        Refused: it is in never_touch, archived, or a fork.
    """
    own = await services.account.repository(repo)
    if own.repo.casefold() in {name.casefold() for name in services.settings.never_touch}:
        raise Refused(f"{own.repo} is in never_touch: left alone", limit="never_touch")
    if own.archived or own.fork:
        what = "archived" if own.archived else "a fork"
        raise Refused(f"{own.repo} is {what}: left alone", limit="state")
    return own

"""Whose account this is, by its tokens, and what forbids to work with them at all."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcp_server.clients.github_tokens import DELETES, TokenOwner, TokensClient
from mcp_server.errors import SettingsError
from mcp_server.guard.installation import Installed


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose the tokens are; `maker` None: repositories are made with the same one."""

    work: TokenOwner | Installed
    maker: TokenOwner | None

    @property
    def login(self) -> str:
        """The owner of what is worked on, and of what is made."""
        return self.work.login

    @property
    def author(self) -> str:
        """Who GitHub says has written what is written here."""
        work = self.work
        return work.login if isinstance(work, TokenOwner) else f"{work.app_slug}[bot]"

    def makes_for(self) -> str | None:
        """Return the organization that a new repository is for; None: the token's own account.

        Raises:
            SettingsError: nobody here can make one.
        """
        if isinstance(self.work, TokenOwner):
            return None
        if self.work.organization:
            return self.login
        if self.maker is None:
            raise SettingsError(
                f"a GitHub App makes no repository for a person ({self.login}): set "
                "GITHUB_CREATE_TOKEN to a token of that account, or install the App for an "
                "organization"
            )
        return None


async def identify(tokens: TokensClient, owner: str | None) -> Identity:
    """Ask GitHub whose the tokens are; `owner` is whose they are to be, None: anybody's.

    Raises:
        SettingsError: a token is not valid, or must not be used: see `faults`.
    """
    identity = await look(tokens)
    for fault in faults(identity, owner):
        raise SettingsError(fault)
    return identity


async def look(tokens: TokensClient) -> Identity:
    """Ask GitHub whose the tokens are, whatever may speak against them."""
    return Identity(work=await tokens.work(), maker=await tokens.maker())


def faults(identity: Identity, owner: str | None = None) -> Iterator[str]:
    """Say why these tokens start nothing: they can delete, or are of the wrong account."""
    tokens = {"GITHUB_TOKEN": identity.work, "GITHUB_CREATE_TOKEN": identity.maker}
    for name, token in tokens.items():
        if isinstance(token, TokenOwner) and DELETES in (token.scopes or ()):
            yield (
                f"{name} has the scope {DELETES}: make one without it, with repo and workflow "
                "only; nothing here ever deletes a repository"
            )
    login, maker = identity.login, identity.maker
    if owner is not None and owner.casefold() != login.casefold():
        yield (
            f"GITHUB_TOKEN belongs to {login!r} and FACTORY_OWNER names {owner!r}: a token works "
            "for its own account; for an organization install a GitHub App"
        )
    of_organization = isinstance(identity.work, Installed) and identity.work.organization
    # `POST /user/repos` makes it for whoever asks: it would be another account's. What somebody
    # may do in an organization GitHub says only when it is tried.
    if maker is not None and not of_organization and maker.login.casefold() != login.casefold():
        yield (
            f"GITHUB_CREATE_TOKEN belongs to {maker.login!r}, and the repositories here to "
            f"{login!r}: new ones would be another account's; make it by the same one"
        )

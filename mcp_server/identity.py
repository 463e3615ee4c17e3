"""Whose account this is, by its tokens, and what forbids to work with them at all."""

from collections.abc import Iterator
from dataclasses import dataclass

from mcp_server.clients.github_tokens import DELETES, TokenOwner, TokensClient
from mcp_server.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whose the tokens are; `maker` None: repositories are made with the same one."""

    work: TokenOwner
    maker: TokenOwner | None

    @property
    def login(self) -> str:
        """The owner of what is worked on, and of what is made."""
        return self.work.login


async def identify(tokens: TokensClient) -> Identity:
    """Ask GitHub whose the tokens are.

    Raises:
        SettingsError: a token is not valid, or must not be used: see `faults`.
    """
    identity = await look(tokens)
    for fault in faults(identity):
        raise SettingsError(fault)
    return identity


async def look(tokens: TokensClient) -> Identity:
    """Ask GitHub whose the tokens are, whatever may speak against them."""
    return Identity(work=await tokens.work(), maker=await tokens.maker())


def faults(identity: Identity) -> Iterator[str]:
    """Say why these tokens start nothing: they can delete, or are not of one account."""
    tokens = {"GITHUB_TOKEN": identity.work, "GITHUB_CREATE_TOKEN": identity.maker}
    for name, token in tokens.items():
        if token is not None and DELETES in (token.scopes or ()):
            yield (
                f"{name} has the scope {DELETES}: make one without it, with repo and workflow "
                "only; nothing here ever deletes a repository"
            )
    maker = identity.maker
    # `POST /user/repos` makes it for whoever asks: it would be another account's.
    if maker is not None and maker.login.casefold() != identity.login.casefold():
        yield (
            f"GITHUB_CREATE_TOKEN belongs to {maker.login!r} and GITHUB_TOKEN to "
            f"{identity.login!r}: new repositories would not be {identity.login}'s; make both "
            "tokens by one account"
        )

"""Whose the GitHub tokens are and what they may do, as GitHub tells it (facts/github.md 1.8)."""

import re
from dataclasses import dataclass

import httpx2

from mcp_server.clients.wire import Wire, parse, read
from mcp_server.guard.installation import Installed
from mcp_server.guard.transport import GuardedTransport

# The scope without which a classic token cannot delete a repository.
DELETES = "delete_repo"


class _User(Wire):
    login: str


@dataclass(frozen=True, kw_only=True)
class TokenOwner:
    """Whose a token is; `scopes` None: no classic token, GitHub does not tell what it may do."""

    login: str
    scopes: frozenset[str] | None


class TokensClient:
    """Asks for each of the transport's tokens, none of which it ever sees."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str, transport: GuardedTransport) -> None:
        """Ask the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")
        self._transport = transport

    async def work(self) -> TokenOwner | Installed:
        """Return whose the token is that does everything but what `maker` does, or the App."""
        installation = self._transport.installation
        if installation is not None:
            return await installation.look()
        return _owner(await self._http.get(f"{self._base}/user"))

    async def maker(self) -> TokenOwner | None:
        """Return whose the token is that makes repositories; None: there is none for that."""
        response = await self._transport.ask_maker()
        return None if response is None else _owner(response)


def _owner(response: httpx2.Response) -> TokenOwner:
    login = read(_User, parse(response).data).login
    said = response.headers.get("x-oauth-scopes")
    scopes = None if said is None else frozenset(filter(None, re.split(r"[,\s]+", said)))
    return TokenOwner(login=login, scopes=scopes)

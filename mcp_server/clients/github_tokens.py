"""Whose the GitHub tokens are and what they may do, as GitHub tells it (facts/github.md 1.8)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from mcp_server.clients.wire import Wire, parse, read
from mcp_server.guard.installation import Installed
from mcp_server.guard.rate import is_limit
from mcp_server.guard.transport import GuardedTransport

# The scope without which a classic token cannot delete a repository.
DELETES = "delete_repo"


# One harmless read for each permission that a repository's reads need, by what it is below it.
_PROBES: Mapping[str, str] = {
    "contents": "/git/ref/heads/{branch}",
    "pull_requests": "/pulls?per_page=1",
    "issues": "/issues?per_page=1",
    "actions": "/actions/workflows?per_page=1",
    "statuses": "/commits/{branch}/status",
    "checks": "/commits/{branch}/check-runs?per_page=1",
}


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

    async def refused_reads(self, repo: str, branch: str) -> Mapping[str, str]:
        """Return which permissions are missing to read `repo`, and what GitHub asks for instead.

        One request each. Only a refusal counts: what is not there, or not now, says nothing.
        """
        refused: dict[str, str] = {}
        for permission, below in _PROBES.items():
            url = f"{self._base}/repos/{repo}{below.format(branch=branch)}"
            response = await self._http.get(url)
            if response.status_code == 403 and not is_limit(response):
                asked = response.headers.get("x-accepted-github-permissions", "")
                refused[permission] = asked or f"{permission}=read"
        return refused


def _owner(response: httpx2.Response) -> TokenOwner:
    login = read(_User, parse(response).data).login
    said = response.headers.get("x-oauth-scopes")
    scopes = None if said is None else frozenset(filter(None, re.split(r"[,\s]+", said)))
    return TokenOwner(login=login, scopes=scopes)

"""A mutation, fully built: what its ticket is digested over is what will be sent.

What it concerns is read from the request itself, so that no caller can reserve under one name and
send under another.
"""

import re
from dataclasses import dataclass

from mcp_server.errors import Refused
from mcp_server.guard import bodies, marker, policy
from mcp_server.guard.policy import Service
from mcp_server.models import Marker

_REPO = re.compile(r"/repos/([^/]+/[^/]+)(?:/|\Z)")
_ORGANIZATION = re.compile(r"/orgs/([^/]+)/repos")
_PULL = re.compile(r"/repos/([^/]+/[^/]+)/pulls/([0-9]+)/")
_SESSION = re.compile(r"/sessions/([^/:]+)(?::|\Z)")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """One mutation; `path` is below the service's address."""

    service: Service
    kind: str
    method: str
    path: str
    body: bodies.Body

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        return bodies.encode(self.body)

    @property
    def digest(self) -> str:
        """What binds a ticket to this request."""
        return policy.digest(self.service, self.method, self.path, self.content)

    @property
    def repo(self) -> str | None:
        """The repository it concerns; None for a session without one, or a new repository."""
        if isinstance(self.body, bodies.StartSession):
            context = self.body.sourceContext
            return context.source.removeprefix("sources/github/") if context else None
        found = _REPO.match(self.path)
        return found[1] if found else None

    def makes(self, repo: str) -> bool:
        """Whether it creates the repository `repo`, as far as the request says.

        That is its name, and the organization if it is one's.
        """
        owner, _, name = repo.partition("/")
        organization = _ORGANIZATION.fullmatch(self.path)
        if organization and organization[1].casefold() != owner.casefold():
            return False
        return isinstance(self.body, bodies.CreateRepository) and bool(
            owner and name == self.body.name
        )

    @property
    def target(self) -> str | None:
        """The session, the pull request (OWNER/NAME#NUMBER) or new branch (OWNER/NAME:BRANCH)."""
        if isinstance(self.body, bodies.CreateBranch):
            return f"{self.repo}:{self.body.ref.removeprefix('refs/heads/')}"
        if isinstance(self.body, bodies.OpenPull):
            return f"{self.repo}:{self.body.head}"
        if found := _PULL.match(self.path):
            return f"{found[1]}#{found[2]}"
        found = _SESSION.match(self.path)
        return found[1] if found else None

    def marker(self) -> Marker:
        """Return the marker in the title of a session to start; raises `Refused` without one."""
        if isinstance(self.body, bodies.StartSession):
            found = marker.read(self.body.title, (), repo=None, branch=None)
            if found is not None:
                return found
        raise Refused("a session without a marker in its title is never started", limit="marker")

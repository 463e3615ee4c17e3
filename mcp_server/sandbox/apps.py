"""A GitHub App of the world: who signs with its key gets tokens that are good for an hour.

As "Authenticating as a GitHub App" has it (docs.github.com, 2026-11; facts/github.md 1.8).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcp_server.sandbox.github_json import refuse
from mcp_server.sandbox.http import Call, Reply, second_time
from mcp_server.sandbox.tokens import Token

MINTS = "/access_tokens"
LONGEST_CLAIM = timedelta(minutes=10)
ALL = {
    **dict.fromkeys(("metadata", "checks", "statuses"), "read"),
    **dict.fromkeys(("contents", "pull_requests", "issues", "actions"), "write"),
    **dict.fromkeys(("workflows", "administration"), "write"),
}
# What an installation's token cannot do, whatever its permissions: GitHub's description says so.
_OF_PERSONS = frozenset({("GET", "/user"), ("GET", "/user/repos"), ("POST", "/user/repos")})


class InstallationToken(Token):
    """A token of an installation: nobody's own."""

    def check(self, call: Call) -> None:
        """Raise the refusal of what it may not do."""
        if (call.method, call.path) in _OF_PERSONS:
            raise refuse(403, "Resource not accessible by integration")
        super().check(call)


@dataclass(kw_only=True)
class App:
    """An App with one installation; `public_key` is in PEM, `minted` holds when each token ends.

    GitHub's tokens live an hour.
    """

    id: str
    public_key: str
    installation: int | None = 4242
    slug: str = "daily-factory"
    selection: str = "all"
    permissions: Mapping[str, str] = field(default_factory=lambda: dict(ALL))
    life: timedelta = timedelta(hours=1)
    minted: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def token(self, said: str, now: datetime) -> Token | None:
        """Return what a minted token may do; None: there is none such, or its hour is over."""
        if self.minted.get(said, now) <= now:
            return None
        bot = f"{self.slug}[bot]"
        return InstallationToken(
            scopes=None, may=self.permissions, what="integration", writes_as=bot
        )

    def answer(self, call: Call, now: datetime, account: Mapping[str, object]) -> Reply:
        """Answer what only the App itself may ask; raise `Problem` for a refusal."""
        self._check(call.headers.get("authorization", "").partition(" ")[2], now)
        installed = [] if self.installation is None else [self._told(self.installation, account)]
        if (call.method, call.path) == ("GET", "/app/installations"):
            return Reply(200, installed)
        path = f"/app/installations/{self.installation}{MINTS}"
        if self.installation is None or (call.method, call.path) != ("POST", path):
            raise refuse(404, "Not Found")
        digest = hashlib.sha256(f"{path} {len(self.minted)}".encode()).hexdigest()
        token, expires = f"v1.{digest[:40]}", now + self.life
        self.minted[token] = expires
        told = {"token": token, "expires_at": second_time(expires)}
        return Reply(201, {**told, "permissions": dict(self.permissions)})

    def _told(self, number: int, account: Mapping[str, object]) -> dict[str, object]:
        return {
            "id": number,
            "app_slug": self.slug,
            "account": account,
            "repository_selection": self.selection,
            "permissions": dict(self.permissions),
        }

    def _check(self, claim: str, now: datetime) -> None:
        # Not at the top: only a world with an App pays for loading the cryptography.
        import jwt

        try:
            claims = jwt.decode(
                claim,
                self.public_key,
                algorithms=["RS256"],
                issuer=self.id,
                # By the world's time, not the machine's.
                options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp"]},
            )
        except jwt.InvalidTokenError as error:
            raise refuse(401, "A JSON web token could not be decoded") from error
        begins, ends = int(claims["iat"]), int(claims["exp"])
        if begins > now.timestamp():
            raise refuse(401, "'Issued at' claim ('iat') must be an Integer in the past")
        if not now.timestamp() < ends <= (now + LONGEST_CLAIM).timestamp():
            raise refuse(401, "'Expiration time' claim ('exp') is too far in the future, or past")

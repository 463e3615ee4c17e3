"""A GitHub App's installation: which one is meant, and the short-lived tokens it is spoken with.

It asks through the transport that owns it. No token and no key leaves here but in the header of a
request; what both are is told to the redactor first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeVar

import httpx2
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from mcp_server.clock import Clock
from mcp_server.errors import SettingsError, Unavailable, Unreadable

# GitHub takes a signed request for ten minutes at most, and none that is dated after its own clock
# ("Generating a JSON Web Token for a GitHub App", docs.github.com, 2026-11).
DATED_BACK = timedelta(seconds=60)
SIGNED_FOR = timedelta(minutes=9)
# A token lives for an hour ("Generating an installation access token", docs.github.com, 2026-11).
RENEWED_BEFORE_SECONDS = 300.0
_LONGEST_LIFE_SECONDS = 3600.0
FIND = "/app/installations?per_page=100"

# Asks as the App itself: method, target below the service's address, the signed claim.
Ask = Callable[[str, str, str], Awaitable[httpx2.Response]]
A = TypeVar("A")


@dataclass(frozen=True, kw_only=True)
class App:
    """A GitHub App; `owner` is the account whose installation is meant, None: the only one."""

    id: str
    key: str = field(repr=False)
    owner: str | None = None


class _Account(BaseModel):
    login: str = ""
    type: str = ""


class Installed(BaseModel):
    """Where an App is installed; `permissions` are each `read` or `write` (or more).

    What it writes is signed with `app_slug` and `[bot]`.
    """

    id: Annotated[int, Field(ge=1, lt=10**16)]
    app_slug: str
    account: _Account
    repository_selection: str
    permissions: Mapping[str, str]

    @property
    def login(self) -> str:
        """The account it works for."""
        return self.account.login

    @property
    def organization(self) -> bool:
        """Whether that is an organization; else it is a person."""
        return self.account.type == "Organization"


class _Minted(BaseModel):
    token: Annotated[str, Field(pattern=r"^[\x21-\x7e]{20,4000}$")]
    expires_at: AwareDatetime


_FOUND: TypeAdapter[list[Installed]] = TypeAdapter(list[Installed])
_MINTED: TypeAdapter[_Minted] = TypeAdapter(_Minted)


class Installation:
    """One installation, found when it is first needed; its token is minted anew before its end."""

    def __init__(self, app: App, *, clock: Clock, ask: Ask, learn: Callable[[str], None]) -> None:
        """Speak for `app`; `learn` is told each token before anybody else.

        Raises:
            SettingsError: the key is no private RSA key in PEM.
        """
        self._app = app
        self._clock = clock
        self._ask = ask
        self._learn = learn
        self._sign = _signer(app.key)
        self._found: Installed | None = None
        self._token: str | None = None
        self._renew_at = 0.0
        self._minting: asyncio.Task[str] | None = None

    async def look(self) -> Installed:
        """Ask GitHub where the App is installed now.

        Raises:
            SettingsError: nowhere, not for `owner`, in several places, or with another key.
        """
        response = await self._ask("GET", FIND, self._claim())
        found = _read(_FOUND, self._good(response, "it has no installations"))
        self._found = _meant(self._app, found)
        return self._found

    async def token(self) -> str:
        """Return a token that is good for minutes at least; never mints two at once.

        Whoever asks meanwhile waits for the same one, and gets the same error; whoever stops
        waiting does not stop it.

        Raises:
            SettingsError: GitHub does not take the App's key, or the App is not installed.
            Unavailable: it does not answer now.
        """
        if self._token is not None and self._clock.elapsed() < self._renew_at:
            return self._token
        if self._minting is None:
            self._minting = asyncio.ensure_future(self._mint())
            self._minting.add_done_callback(self._ended)
        return await asyncio.shield(self._minting)

    def reject(self, token: str) -> None:
        """Forget a token that GitHub refused, unless there is a newer one by now."""
        if token == self._token:
            self._token = None

    def _ended(self, task: asyncio.Task[str]) -> None:
        self._minting = None
        if not task.cancelled():
            task.exception()  # retrieved here because those who waited may have gone

    async def _mint(self) -> str:
        found = self._found or await self.look()
        path = f"/app/installations/{found.id}/access_tokens"
        response = await self._ask("POST", path, self._claim())
        if response.status_code == 404:
            self._found = None  # put in again, it has another number
        minted = _read(_MINTED, self._good(response, f"its installation {found.id} is gone"))
        self._learn(minted.token)
        # Both times are GitHub's, and the rest is counted by a clock that nobody sets.
        life = (minted.expires_at - self._date(response)).total_seconds()
        lasts = min(life, _LONGEST_LIFE_SECONDS) - RENEWED_BEFORE_SECONDS
        self._renew_at = self._clock.elapsed() + lasts
        self._token = minted.token
        return minted.token

    def _claim(self) -> str:
        now = self._clock.now()
        return self._sign(
            {
                "iss": self._app.id,
                "iat": int((now - DATED_BACK).timestamp()),
                "exp": int((now + SIGNED_FOR).timestamp()),
            }
        )

    def _good(self, response: httpx2.Response, absent: str) -> httpx2.Response:
        """Return the answer if it is one; else raise what its status means for an App."""
        status, app = response.status_code, f"GitHub App {self._app.id}"
        if response.is_success:
            return response
        if status == 401:
            off = abs(self._clock.now() - self._date(response)).total_seconds()
            raise SettingsError(
                f"{app}: GitHub does not take its key (401): is GITHUB_APP_KEY_FILE a key of this "
                f"App? This machine's clock is {off:.0f} s off from GitHub's; 60 are too many"
            )
        if status == 404:
            raise SettingsError(f"{app}: {absent}: install it, and look at GITHUB_APP_ID")
        if status == 403:
            raise SettingsError(f"{app}: GitHub forbids it (403): is its installation suspended?")
        raise Unavailable(f"{app}: no token now (HTTP {status}); nothing was sent", status=status)

    def _date(self, response: httpx2.Response) -> datetime:
        """Return GitHub's own time; this machine's where it says none."""
        try:
            date = parsedate_to_datetime(response.headers.get("date", ""))
        except (ValueError, OverflowError):
            return self._clock.now()
        return date if date.tzinfo is not None else self._clock.now()


def _signer(pem: str) -> Callable[[Mapping[str, object]], str]:
    import jwt  # not at the top: only who has an App pays for loading the cryptography
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # likewise
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # likewise

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        # Not chained: what does not parse may be quoted, and may be a key all the same.
        raise SettingsError("GITHUB_APP_KEY_FILE is no private RSA key in PEM, without a password")
    return lambda claims: jwt.encode(dict(claims), key, algorithm="RS256")


def _meant(app: App, found: Sequence[Installed]) -> Installed:
    """Choose the installation that is meant."""
    logins = ", ".join(sorted(one.login for one in found)) or "nowhere"
    if app.owner is None:
        if len(found) == 1:
            return found[0]
        raise SettingsError(
            f"GitHub App {app.id} is installed for: {logins}; it must be for one account, or "
            "FACTORY_OWNER says which is meant"
        )
    for one in found:
        if one.login.casefold() == app.owner.casefold():
            return one
    raise SettingsError(
        f"GitHub App {app.id} is not installed for FACTORY_OWNER {app.owner!r}, but for: {logins}"
    )


def _read(shape: TypeAdapter[A], response: httpx2.Response) -> A:
    try:
        return shape.validate_json(response.content)
    except ValidationError as error:
        fields = ", ".join(str(item["loc"]) for item in error.errors(include_input=False))
        raise Unreadable(f"an answer about the GitHub App does not fit: {fields}") from None

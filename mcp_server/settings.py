"""Settings, read once at the edge: `factory.toml` (preferences), then environment, then flags.

The file lies in a working directory that may be somebody else's, so whatever could move a token,
widen a limit or open a door is refused there (DESIGN.md section 5).
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from mcp_server.errors import SettingsError

DEFAULT_ALLOWANCE = 100
DEFAULT_BRAVE_QUERIES = 30
JULES_URL = "https://jules.googleapis.com/v1alpha"
GITHUB_URL = "https://api.github.com"
Licence = Literal["cc-by-nc-4.0", "mit", "none"]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]


class Preferences(BaseModel):
    """What `factory.toml` may say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    never_touch: tuple[_Repo, ...] = Field(
        default=(), description="repositories, owner/name, that no session is ever spent on"
    )
    audit: tuple[_Repo, ...] = Field(
        default=(),
        description="repositories, owner/name, that are audited against the standard beside those "
        "that the factory made; none, for it asks for frontend-only work",
    )
    control: _Repo | None = Field(
        default=None,
        description="the repository, owner/name, that runs the daily workflow: agent doctor looks "
        "there first for schedules that compete",
    )
    licence: Licence = Field(
        default="cc-by-nc-4.0", description="licence that new repositories start with"
    )
    allowance: int = Field(
        default=DEFAULT_ALLOWANCE,
        ge=1,
        le=300,
        description="sessions in any rolling 24 h; 100 is the Pro plan; the file may only lower it",
    )


class Settings(Preferences):
    """Everything the server is told, secrets included (never shown by repr)."""

    jules_api_key: SecretStr | None = Field(default=None, description="the account's Jules key")
    github_token: SecretStr | None = Field(default=None, description="token of the GitHub user")
    github_create_token: SecretStr | None = Field(
        default=None,
        description="token that repositories are made with, and nothing else; None: github_token "
        "makes them too",
    )
    github_app_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9.]{1,40}$",
        description="number, or client id, of a GitHub App that works instead of github_token",
    )
    github_app_key: SecretStr | None = Field(
        default=None, description="the App's private key in PEM; short-lived tokens are made by it"
    )
    owner: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$",
        description="the account whose repositories these are; None: the token's own, or the only "
        "one where the App is installed",
    )
    marker_key: SecretStr | None = Field(
        default=None, description="signs session titles; None: derived from the Jules key"
    )
    marker_keys_old: tuple[SecretStr, ...] = Field(
        default=(),
        description="former marker keys, or former Jules keys of this account: what they signed "
        "is still ours",
    )
    archive_others: bool = Field(
        default=False,
        description="archive finished sessions of yours that this factory did not start, too",
    )
    enable_delete: bool = Field(
        default=False,
        description="let jules_delete_session remove sessions for good; they still count",
    )
    merge_own_ci: bool = Field(
        default=False,
        description="merge the CI that github_add_ci proposes, once its own run is green; else a "
        "person does, who may not want it",
    )
    source_keys: Mapping[str, SecretStr] = Field(
        default_factory=dict[str, SecretStr],
        description="keys of trend sources, by their variables: YOUTUBE_API_KEY, "
        "PRODUCTHUNT_TOKEN, else FACTORY_KEY_ and the source's name",
    )
    brave_api_key: SecretStr | None = Field(
        default=None, description="key of Brave Search; None: web_search is off"
    )
    brave_daily_queries: int = Field(
        default=DEFAULT_BRAVE_QUERIES,
        ge=0,
        le=1_000,
        description="most searches a UTC day: a monthly credit of $5 is about 1,000, the rest is "
        "billed (facts/trend-sources.md, 2026-11-22)",
    )
    jules_url: str = Field(default=JULES_URL, description="where Jules' API lives")
    github_url: str = Field(default=GITHUB_URL, description="where GitHub's API lives")
    allow_loopback_http: bool = Field(
        default=False, description="accept http for an address on this machine"
    )


_SECRETS = {
    "jules_api_key": "JULES_API_KEY",
    "github_token": "GITHUB_TOKEN",
    "github_create_token": "GITHUB_CREATE_TOKEN",
    "github_app_id": "GITHUB_APP_ID",
    "github_app_key": "GITHUB_APP_KEY",
    "marker_key": "FACTORY_MARKER_KEY",
    "marker_keys_old": "FACTORY_MARKER_KEYS_OLD",
    "brave_api_key": "BRAVE_API_KEY",
}
# Of each of these there may be one for every trend source, those of other packages among them.
# Sources of our own whose keys go by a name of their own (INTERFACE.md).
SOURCE_VARIABLES: Mapping[str, str] = {
    "producthunt": "PRODUCTHUNT_TOKEN",
    "youtube": "YOUTUBE_API_KEY",
}
_KEY = re.compile(
    rf"(FACTORY_KEY_[A-Z0-9_]{{1,40}}?|{'|'.join(SOURCE_VARIABLES.values())})(?:_FILE)?"
)
_LISTS = frozenset({"audit", "never_touch", "marker_keys_old"})


def load_settings(environ: Mapping[str, str], directory: Path) -> Settings:
    """Read the settings for a process started in `directory`.

    Raises:
        SettingsError: an unknown or unfit value, naming where it stands; or a guarded one in
            the file.
    """
    values: dict[str, object] = dict(_file(directory / "factory.toml"))
    for name in Settings.model_fields:
        if name == "source_keys":
            continue
        if name in _SECRETS:
            secret = _secret(environ, _SECRETS[name])
            if secret:
                values[name] = _listed(secret) if name in _LISTS else secret
        elif (text := environ.get(f"FACTORY_{name.upper()}")) is not None:
            values[name] = _listed(text) if name in _LISTS else text
    values["source_keys"] = _source_keys(environ)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        fields = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"settings: {fields}") from None
    _check_app(settings)
    for url in (settings.jules_url, settings.github_url):
        if not _keeps_secrets(url, loopback=settings.allow_loopback_http):
            raise SettingsError(
                f"{url!r} is not https; plain http only for this machine, "
                "with FACTORY_ALLOW_LOOPBACK_HTTP=1"
            )
    return settings


def check_keys(settings: Settings) -> None:
    """Raise `SettingsError` unless there is a key for Jules and one for GitHub."""
    for name, key in (
        ("JULES_API_KEY", settings.jules_api_key),
        ("GITHUB_TOKEN", settings.github_token or settings.github_app_key),
    ):
        if key is None:
            raise SettingsError(f"{name} is not set (or try everything with --sandbox, no key)")


def _check_app(settings: Settings) -> None:
    """Refuse half an App, and one beside a token: nobody would know which of them works."""
    app = (settings.github_app_id, settings.github_app_key)
    if (app[0] is None) != (app[1] is None):
        raise SettingsError("a GitHub App needs both GITHUB_APP_ID and GITHUB_APP_KEY_FILE")
    if app[0] is not None and settings.github_token is not None:
        raise SettingsError("GITHUB_TOKEN and GITHUB_APP_ID are both set: choose one of them")


def _source_keys(environ: Mapping[str, str]) -> dict[str, str]:
    names = sorted({found[1] for name in environ if (found := _KEY.fullmatch(name))})
    return {name: secret for name in names if (secret := _secret(environ, name))}


def _listed(text: str) -> list[str]:
    """Read a list: one a line, or between commas."""
    return [part for item in re.split(r"[,\n]", text) if (part := item.strip())]


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine."""
    return httpx2.URL(address).host in _LOOPBACK


def _keeps_secrets(address: str, *, loopback: bool) -> bool:
    """Whether a key may go there; read by the parser of the sender, so that both see one host."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        return False
    if url.userinfo or not url.host:
        return False
    return url.scheme == "https" or (loopback and url.scheme == "http" and url.host in _LOOPBACK)


def _file(path: Path) -> Mapping[str, object]:
    if not path.exists():
        return {}
    try:
        preferences = Preferences.model_validate(tomllib.loads(_text(path, path.name)))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        names = ", ".join(str(item["loc"][0]) for item in error.errors())
        raise SettingsError(
            f"{path.name}: {names} unfit, or not for the file; it holds only "
            f"{', '.join(Preferences.model_fields)}: say the rest by environment"
        ) from None
    if preferences.allowance > DEFAULT_ALLOWANCE:
        raise SettingsError(
            f"{path.name}: allowance {preferences.allowance} is above {DEFAULT_ALLOWANCE}: "
            "say it by FACTORY_ALLOWANCE"
        )
    return preferences.model_dump(exclude_unset=True)


def _secret(environ: Mapping[str, str], name: str) -> str | None:
    """Return a secret from the environment, or from the file that `NAME_FILE` names."""
    if said := environ.get(name, "").strip():
        return said
    path = environ.get(f"{name}_FILE")
    if not path:
        return None
    return _text(Path(path), f"{name}_FILE").strip()


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name}: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError:
        # Not chained: the error carries the bytes, and they may be a secret's.
        raise SettingsError(f"{name} is not UTF-8 text") from None

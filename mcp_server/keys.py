"""The secrets of a server, and which service each is sent to: from here they go to the guard."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from mcp_server.clients import brave
from mcp_server.clients import github as github_api
from mcp_server.clients.github_actions import LOG_HOSTS
from mcp_server.guard import marker
from mcp_server.guard.installation import App
from mcp_server.guard.transport import Origin
from mcp_server.settings import GITHUB_URL, Settings, check_keys
from mcp_server.trends import TrendSource


@dataclass(frozen=True, kw_only=True, repr=False)
class Keys:
    """Those to speak with, those that mark, former ones of either kind, and trend sites'.

    `github` is None where an `app` works; `maker` None: repositories are made with the same one;
    `brave` None: nothing is searched for.
    """

    jules: str
    github: str | None
    app: App | None
    maker: str | None
    brave: str | None
    own: tuple[str, ...]
    old: tuple[str, ...]
    sites: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "Keys":
        """Take them out of the settings; raises `SettingsError` for one that is needed."""
        check_keys(settings)
        own = [settings.marker_key] if settings.marker_key else []
        return cls(
            jules=_said(settings.jules_api_key) or "",
            github=_said(settings.github_token),
            app=_app(settings),
            maker=_said(settings.github_create_token),
            brave=_said(settings.brave_api_key),
            own=tuple(key.get_secret_value() for key in own),
            old=tuple(key.get_secret_value() for key in settings.marker_keys_old),
            sites=tuple(key.get_secret_value() for key in settings.source_keys.values()),
        )

    @property
    def all(self) -> tuple[str, ...]:
        """Everything that must stand in no text."""
        speaking = (self.jules, self.github, self.maker, self.brave, _bare(self.app))
        return tuple(key for key in (*speaking, *self.own, *self.old, *self.sites) if key)

    @property
    def that_mark(self) -> tuple[bytes, ...]:
        """The key that signs, then every one that may have signed: set as such, or derived."""
        derived = [marker.derive_key(key) for key in (self.jules, *self.old)]
        own, old = ([key.encode() for key in keys] for keys in (self.own, self.old))
        return tuple(dict.fromkeys([*own, *derived, *old]))

    @property
    def reader(self) -> str:
        """What tells whose reading a cache holds.

        An App's tokens change by the hour, what they may read does not: it is told by the App and
        the account it is to work for.
        """
        who = f"app {self.app.id} {self.app.owner or ''}" if self.app else self.github or ""
        return hashlib.sha256(b"daily-factory cache " + who.encode()).hexdigest()[:16]


def origins(settings: Settings, keys: Keys) -> tuple[Origin, ...]:
    """Return every address but trend sites', each with the keys that only it is sent."""
    return (
        Origin(service="jules", base=settings.jules_url, headers={"x-goog-api-key": keys.jules}),
        Origin(
            service="github",
            base=settings.github_url,
            headers=_speaking_with(keys.github) if keys.github else github_api.HEADERS,
            maker=_speaking_with(keys.maker) if keys.maker else {},
            app=keys.app,
        ),
        *_logs(settings),
        *_search(keys.brave),
        # Jules' own description, which is public: no key goes there.
        Origin(service="site", base=f"{settings.jules_url.rpartition('/')[0]}/$discovery"),
    )


def site_origins(
    sources: Sequence[TrendSource], keys: Mapping[str, SecretStr]
) -> tuple[Origin, ...]:
    """Return where trend sources may read; a key goes to the one host it is declared for."""
    headers: dict[str, dict[str, str]] = {}
    for facts in (source.facts for source in sources):
        for host in facts.hosts:
            headers.setdefault(host, {})
        if facts.key and facts.variable in keys:
            said = f"{facts.key.scheme} {keys[facts.variable].get_secret_value()}".lstrip()
            headers[facts.key.host][facts.key.header] = said
    return tuple(
        Origin(service="site", base=f"https://{host}", headers=said)
        for host, said in sorted(headers.items())
    )


def world_of(jules_key: str) -> str:
    """Return the stamp of the ledger of the account that the key belongs to."""
    digest = hashlib.sha256(b"daily-factory account " + jules_key.encode()).hexdigest()
    return f"account:{digest[:16]}"


def _said(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _app(settings: Settings) -> App | None:
    number, key = settings.github_app_id, settings.github_app_key
    if number is None or key is None:
        return None
    return App(id=number, key=key.get_secret_value(), owner=settings.owner)


def _bare(app: App | None) -> str:
    """Return an App's key without the lines around it, which are everybody's."""
    lines = app.key.splitlines() if app else []
    return "\n".join(line for line in lines if not line.startswith("-----"))


def _speaking_with(github_token: str) -> Mapping[str, str]:
    return {**github_api.HEADERS, "authorization": f"Bearer {github_token}"}


def _search(key: str | None) -> tuple[Origin, ...]:
    """Return where searches go; without a key there is no such service."""
    if key is None:
        return ()
    return (Origin(service="search", base=brave.URL, headers={brave.TOKEN_HEADER: key}),)


def _logs(settings: Settings) -> tuple[Origin, ...]:
    """Return where GitHub keeps logs; another GitHub keeps its own elsewhere, or has none."""
    if settings.github_url != GITHUB_URL:
        return ()
    return (Origin(service="log", base=f"https://{LOG_HOSTS[0]}", hosts=LOG_HOSTS[1]),)

"""The parts of a running server, built once from settings and handed to the tools."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx2
import sqlalchemy as sa
from pydantic import SecretStr

from mcp_server.account import Account
from mcp_server.clients import github as github_api
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.jules import JulesClient
from mcp_server.clients.pages import PagesClient
from mcp_server.clock import Clock
from mcp_server.errors import SettingsError
from mcp_server.guard import marker
from mcp_server.guard.budget import Limits
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.origins import Origins
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport, Origin
from mcp_server.settings import Settings
from mcp_server.trends import SOURCES

USER_AGENT = "daily-factory/0.1 (+https://github.com/daily-factory)"


@dataclass(frozen=True, kw_only=True)
class Services:
    """What a tool may use."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    transport: GuardedTransport
    jules: JulesClient
    github: GitHubClient
    pages: PagesClient
    account: Account
    origins: Origins
    redactor: Redactor
    marker_keys: tuple[bytes, ...] = field(repr=False)

    @property
    def marker_key(self) -> bytes:
        """The key that signs; all of `marker_keys` verify."""
        return self.marker_keys[0]


@dataclass(frozen=True, kw_only=True)
class Network:
    """The two kinds of connection: a pool for reads, and a fresh one for each mutation."""

    reads: httpx2.AsyncBaseTransport
    fresh: Callable[[], httpx2.AsyncBaseTransport]


def real_network() -> Network:
    """Return connections to the outside; HTTP/1.1, no environment proxies, no redirects."""
    return Network(
        reads=httpx2.AsyncHTTPTransport(trust_env=False),
        fresh=lambda: httpx2.AsyncHTTPTransport(trust_env=False),
    )


def connect(
    settings: Settings,
    *,
    clock: Clock,
    engine: sa.Engine,
    network: Network,
    world: str | None = None,
    new_id: Callable[[], str] = lambda: secrets.token_hex(4),
) -> Services:
    """Build the services; nothing is sent yet.

    Args:
        settings: with both keys.
        clock: of this world.
        engine: the database, from `store.open_engine`.
        network: what lies under the guard.
        world: stamp of the ledger; None: a fingerprint of the Jules key.
        new_id: names a ledger that is begun now.

    Raises:
        SettingsError: a key is missing.
        LedgerUnavailable: the ledger is another world's, or damaged.
    """
    jules_key = _needed(settings.jules_api_key, "JULES_API_KEY")
    github_token = _needed(settings.github_token, "GITHUB_TOKEN")
    own_key = settings.marker_key.get_secret_value() if settings.marker_key else None
    old_keys = [key.get_secret_value() for key in settings.marker_keys_old]
    marker_keys = _marker_keys(jules_key, own_key, old_keys)
    ledger = Ledger(
        engine,
        world=world or _world(jules_key),
        former_worlds=frozenset(_world(key) for key in old_keys),
        limits=Limits.for_allowance(settings.allowance),
        clock=clock,
        new_id=new_id,
    )
    redactor = Redactor([jules_key, github_token, *old_keys, *([own_key] if own_key else [])])
    transport = GuardedTransport(
        origins=_origins(settings, jules_key, github_token),
        tickets=ledger,
        clock=clock,
        reads=network.reads,
        fresh=network.fresh,
        redactor=redactor,
        switched_on=("delete_session",) if settings.enable_delete else (),
    )
    http = httpx2.AsyncClient(
        transport=transport, timeout=None, trust_env=False, headers={"user-agent": USER_AGENT}
    )
    jules = JulesClient(http, base=settings.jules_url, clock=clock, marker_keys=marker_keys)
    github = GitHubClient(http, base=settings.github_url, clock=clock)
    account = Account(jules=jules, github=github, ledger=ledger, clock=clock)
    return Services(
        settings=settings,
        clock=clock,
        ledger=ledger,
        transport=transport,
        jules=jules,
        github=github,
        pages=PagesClient(http),
        account=account,
        origins=Origins(account.is_public),
        redactor=redactor,
        marker_keys=marker_keys,
    )


def _needed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise SettingsError(f"{name} is not set (or try everything with --sandbox, no key)")
    return secret.get_secret_value()


def _origins(settings: Settings, jules_key: str, github_token: str) -> tuple[Origin, ...]:
    hosts = sorted({host for source in SOURCES for host in source.facts.hosts})
    return (
        Origin(service="jules", base=settings.jules_url, headers={"x-goog-api-key": jules_key}),
        Origin(
            service="github",
            base=settings.github_url,
            headers={**github_api.HEADERS, "authorization": f"Bearer {github_token}"},
        ),
        *(Origin(service="site", base=f"https://{host}") for host in hosts),
    )


def _world(jules_key: str) -> str:
    """Return the stamp of the ledger of the account that the key belongs to."""
    digest = hashlib.sha256(b"daily-factory account " + jules_key.encode()).hexdigest()
    return f"account:{digest[:16]}"


def _marker_keys(jules_key: str, own_key: str | None, old_keys: Sequence[str]) -> tuple[bytes, ...]:
    """Return the key that signs, then every one that may have signed: set as such, or derived."""
    own = [own_key.encode()] if own_key else []
    derived = [marker.derive_key(key) for key in (jules_key, *old_keys)]
    return tuple(dict.fromkeys([*own, *derived, *(key.encode() for key in old_keys)]))

"""The parts of a running server, built once from settings and handed to the tools."""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx2
import sqlalchemy as sa
from pydantic import SecretStr

from mcp_server.account import Account
from mcp_server.audits import AuditClients, Audits
from mcp_server.cache import Cache
from mcp_server.clients import github as github_api
from mcp_server.clients.etags import ConditionalReads
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.github_actions import LOG_HOSTS, ActionsClient
from mcp_server.clients.github_care import CareClient
from mcp_server.clients.github_graphql import GraphQLClient
from mcp_server.clients.github_patches import TreesClient
from mcp_server.clients.github_pulls import PullsClient
from mcp_server.clients.github_tokens import TokensClient
from mcp_server.clients.github_workflows import WorkflowsClient
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
from mcp_server.settings import GITHUB_URL, Settings, is_loopback
from mcp_server.standard import read_standard
from mcp_server.survey import Survey
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
    actions: ActionsClient
    pulls: PullsClient
    trees: TreesClient
    workflows: WorkflowsClient
    care: CareClient
    pages: PagesClient
    tokens: TokensClient
    account: Account
    survey: Survey
    audits: Audits
    origins: Origins
    redactor: Redactor
    marker_keys: tuple[bytes, ...] = field(repr=False)
    # When this process sent a ticket, or first saw it open, in elapsed seconds.
    first_looks: dict[str, float] = field(default_factory=dict[str, float])

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
    keys = _Keys.of(settings)
    ledger = Ledger(
        engine,
        world=world or _world(keys.jules),
        former_worlds=frozenset(_world(key) for key in keys.old),
        own_time=is_loopback(settings.jules_url),
        limits=Limits.for_allowance(settings.allowance),
        clock=clock,
        new_id=new_id,
    )
    redactor = Redactor(keys.all)
    transport = GuardedTransport(
        origins=_origins(settings, keys),
        tickets=ledger,
        clock=clock,
        reads=network.reads,
        fresh=network.fresh,
        redactor=redactor,
        switched_on=("delete_session",) if settings.enable_delete else (),
    )
    cache = Cache(engine, owner=_fingerprint(keys.github))
    return _over(settings, clock, ledger, transport, cache, redactor, keys.that_mark)


def _over(
    settings: Settings,
    clock: Clock,
    ledger: Ledger,
    transport: GuardedTransport,
    cache: Cache,
    redactor: Redactor,
    marker_keys: tuple[bytes, ...],
) -> Services:
    """Build the clients over the guarded transport, and what reads through them."""
    http = httpx2.AsyncClient(
        transport=transport, timeout=None, trust_env=False, headers={"user-agent": USER_AGENT}
    )
    jules = JulesClient(http, base=settings.jules_url, clock=clock, marker_keys=marker_keys)
    conditional = ConditionalReads(http, cache)
    github = GitHubClient(http, base=settings.github_url, clock=clock, conditional=conditional)
    tokens = TokensClient(http, base=settings.github_url, transport=transport)
    account = Account(jules=jules, github=github, tokens=tokens, ledger=ledger, clock=clock)
    graphql = GraphQLClient(http, base=settings.github_url)
    pulls = PullsClient(http, base=settings.github_url)
    trees = TreesClient(http, base=settings.github_url)
    return Services(
        settings=settings,
        clock=clock,
        ledger=ledger,
        transport=transport,
        jules=jules,
        github=github,
        actions=ActionsClient(http, base=settings.github_url),
        pulls=pulls,
        trees=trees,
        workflows=WorkflowsClient(http, base=settings.github_url),
        care=CareClient(http, base=settings.github_url),
        pages=PagesClient(http),
        tokens=tokens,
        account=account,
        survey=Survey(
            account=account,
            github=github,
            graphql=graphql,
            cache=cache,
            clock=clock,
            never_touch=settings.never_touch,
        ),
        audits=Audits(
            AuditClients(github=github, trees=trees, pulls=pulls),
            standard=read_standard(licence=settings.licence),
            cache=cache,
            clock=clock,
        ),
        origins=Origins(account.is_public),
        redactor=redactor,
        marker_keys=marker_keys,
    )


@dataclass(frozen=True, kw_only=True, repr=False)
class _Keys:
    """The secrets: those to speak with, those that mark, and former ones of either kind."""

    jules: str
    github: str
    maker: str | None
    own: tuple[str, ...]
    old: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> "_Keys":
        own = [settings.marker_key] if settings.marker_key else []
        return cls(
            jules=_needed(settings.jules_api_key, "JULES_API_KEY"),
            github=_needed(settings.github_token, "GITHUB_TOKEN"),
            maker=made.get_secret_value() if (made := settings.github_create_token) else None,
            own=tuple(key.get_secret_value() for key in own),
            old=tuple(key.get_secret_value() for key in settings.marker_keys_old),
        )

    @property
    def all(self) -> tuple[str, ...]:
        maker = () if self.maker is None else (self.maker,)
        return (self.jules, self.github, *maker, *self.own, *self.old)

    @property
    def that_mark(self) -> tuple[bytes, ...]:
        """The key that signs, then every one that may have signed: set as such, or derived."""
        derived = [marker.derive_key(key) for key in (self.jules, *self.old)]
        own, old = ([key.encode() for key in keys] for keys in (self.own, self.old))
        return tuple(dict.fromkeys([*own, *derived, *old]))


def _needed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise SettingsError(f"{name} is not set (or try everything with --sandbox, no key)")
    return secret.get_secret_value()


def _origins(settings: Settings, keys: _Keys) -> tuple[Origin, ...]:
    hosts = sorted({host for source in SOURCES for host in source.facts.hosts})
    return (
        Origin(service="jules", base=settings.jules_url, headers={"x-goog-api-key": keys.jules}),
        Origin(
            service="github",
            base=settings.github_url,
            headers=_speaking_with(keys.github),
            maker=_speaking_with(keys.maker) if keys.maker else {},
        ),
        *_logs(settings),
        # Jules' own description, which is public: no key goes there.
        Origin(service="site", base=f"{settings.jules_url.rpartition('/')[0]}/$discovery"),
        *(Origin(service="site", base=f"https://{host}") for host in hosts),
    )


def _speaking_with(github_token: str) -> Mapping[str, str]:
    return {**github_api.HEADERS, "authorization": f"Bearer {github_token}"}


def _logs(settings: Settings) -> tuple[Origin, ...]:
    """Return where GitHub keeps logs; another GitHub keeps its own elsewhere, or has none."""
    if settings.github_url != GITHUB_URL:
        return ()
    return (Origin(service="log", base=f"https://{LOG_HOSTS[0]}", hosts=LOG_HOSTS[1]),)


def _fingerprint(github_token: str) -> str:
    """Return what tells whose reading the cache holds: GitHub's tags are good for one token."""
    return hashlib.sha256(b"daily-factory cache " + github_token.encode()).hexdigest()[:16]


def _world(jules_key: str) -> str:
    """Return the stamp of the ledger of the account that the key belongs to."""
    digest = hashlib.sha256(b"daily-factory account " + jules_key.encode()).hexdigest()
    return f"account:{digest[:16]}"

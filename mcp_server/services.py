"""The parts of a running server, built once from settings and handed to the tools."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx2
import sqlalchemy as sa

from mcp_server.account import Account
from mcp_server.audits import AuditClients, Audits
from mcp_server.cache import Cache
from mcp_server.clients import brave
from mcp_server.clients.brave import BraveClient
from mcp_server.clients.etags import ConditionalReads
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.github_actions import ActionsClient
from mcp_server.clients.github_care import CareClient
from mcp_server.clients.github_graphql import GraphQLClient
from mcp_server.clients.github_patches import TreesClient
from mcp_server.clients.github_pulls import PullsClient
from mcp_server.clients.github_search import SearchClient
from mcp_server.clients.github_tokens import TokensClient
from mcp_server.clients.github_workflows import WorkflowsClient
from mcp_server.clients.jules import JulesClient
from mcp_server.clients.pages import PagesClient
from mcp_server.clients.web_pages import WebPages
from mcp_server.clock import Clock
from mcp_server.expectations import Expectations
from mcp_server.guard.budget import Limits
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.origins import Origins
from mcp_server.guard.paid import PaidQueries
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport
from mcp_server.identity import identify
from mcp_server.keys import Keys, origins, site_origins, world_of
from mcp_server.settings import Settings, is_loopback
from mcp_server.standard import read_standard
from mcp_server.survey import Survey
from mcp_server.trends import load_sources
from mcp_server.trends.history import TrendHistory

USER_AGENT = "daily-factory/0.1 (+https://github.com/daily-factory)"


@dataclass(frozen=True, kw_only=True)
class OpenWeb:
    """What reads what anybody may have written."""

    pages: WebPages
    search: BraveClient
    paid: PaidQueries


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
    searching: SearchClient
    workflows: WorkflowsClient
    care: CareClient
    pages: PagesClient
    cache: Cache
    tokens: TokensClient
    web: OpenWeb
    account: Account
    survey: Survey
    audits: Audits
    expectations: Expectations
    trends: TrendHistory
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
    """The kinds of connection: a pool for reads, a fresh one for each mutation, one for pages."""

    reads: httpx2.AsyncBaseTransport
    fresh: Callable[[], httpx2.AsyncBaseTransport]
    pages: httpx2.AsyncBaseTransport


def real_network() -> Network:
    """Return connections to the outside; HTTP/1.1, no environment proxies, no redirects."""
    # Only where there are sockets: in the sandbox nothing needs httpcore2.
    from mcp_server.guard.public_web import PublicWeb, SystemResolver

    return Network(
        reads=httpx2.AsyncHTTPTransport(trust_env=False),
        fresh=lambda: httpx2.AsyncHTTPTransport(trust_env=False),
        pages=PublicWeb(SystemResolver()),
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
    keys = Keys.of(settings)
    ledger = Ledger(
        engine,
        world=world or world_of(keys.jules),
        former_worlds=frozenset(world_of(key) for key in keys.old),
        own_time=is_loopback(settings.jules_url),
        limits=Limits.for_allowance(settings.allowance),
        clock=clock,
        new_id=new_id,
    )
    redactor = Redactor(keys.all)
    paid = PaidQueries(engine, clock=clock, most={brave.KIND: settings.brave_daily_queries})
    transport = GuardedTransport(
        origins=origins(settings, keys),
        late=lambda: site_origins(load_sources(), settings.source_keys),
        tickets=ledger,
        clock=clock,
        reads=network.reads,
        fresh=network.fresh,
        redactor=redactor,
        switched_on=("delete_session",) if settings.enable_delete else (),
        pages=network.pages,
        meter=paid,
    )
    kept = _Kept(
        ledger=ledger,
        cache=Cache(engine, owner=keys.reader),
        trends=TrendHistory(engine, redactor),
        paid=paid,
    )
    return _over(settings, clock, transport, kept, redactor, keys.that_mark)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What stands in the database."""

    ledger: Ledger
    cache: Cache
    trends: TrendHistory
    paid: PaidQueries


def _over(
    settings: Settings,
    clock: Clock,
    transport: GuardedTransport,
    kept: _Kept,
    redactor: Redactor,
    marker_keys: tuple[bytes, ...],
) -> Services:
    """Build the clients over the guarded transport, and what reads through them."""
    http = httpx2.AsyncClient(
        transport=transport, timeout=None, trust_env=False, headers={"user-agent": USER_AGENT}
    )
    jules = JulesClient(http, base=settings.jules_url, clock=clock, marker_keys=marker_keys)
    base, of_app = settings.github_url, transport.installation is not None
    reads = ConditionalReads(http, kept.cache)
    github = GitHubClient(http, base=base, clock=clock, conditional=reads, installed=of_app)
    tokens = TokensClient(http, base=base, transport=transport)
    who = partial(identify, tokens, settings.owner)
    account = Account(jules=jules, github=github, identify=who, ledger=kept.ledger, clock=clock)
    graphql = GraphQLClient(http, base=base)
    pulls = PullsClient(http, base=base)
    trees = TreesClient(http, base=base)
    audited = AuditClients(github=github, trees=trees, pulls=pulls)
    standard = read_standard(licence=settings.licence)
    return Services(
        settings=settings,
        clock=clock,
        ledger=kept.ledger,
        transport=transport,
        jules=jules,
        github=github,
        actions=ActionsClient(http, base=base),
        pulls=pulls,
        trees=trees,
        searching=SearchClient(http, base=base),
        workflows=WorkflowsClient(http, base=base),
        care=CareClient(http, base=base),
        pages=PagesClient(http),
        cache=kept.cache,
        tokens=tokens,
        web=OpenWeb(pages=WebPages(http, clock=clock), search=BraveClient(http), paid=kept.paid),
        account=account,
        survey=Survey(
            account=account,
            github=github,
            graphql=graphql,
            cache=kept.cache,
            clock=clock,
            never_touch=settings.never_touch,
        ),
        audits=Audits(audited, standard=standard, cache=kept.cache, clock=clock),
        expectations=Expectations(kept.cache, clock),
        trends=kept.trends,
        origins=Origins(account.is_public),
        redactor=redactor,
        marker_keys=marker_keys,
    )

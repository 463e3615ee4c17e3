"""The sandbox world: Jules, GitHub and the trend sites, with one clock, one seed and one judge.

It is advanced lazily: what is due happens just before a request is served. Clients reach it through
`transport()`, under real host names.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Protocol

import httpx2

from mcp_server.clock import Clock
from mcp_server.sandbox.actions_wire import LOG_HOST
from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.apps import MINTS
from mcp_server.sandbox.chance import between, pick
from mcp_server.sandbox.faults import Exchange, Fault, strike_after, strike_before
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_wire import GRAPHQL, GitHubWire
from mcp_server.sandbox.http import Call, Problem, Reply, parse_query
from mcp_server.sandbox.jules import Jules
from mcp_server.sandbox.jules_wire import JulesWire
from mcp_server.sandbox.mix import SMALL, Size
from mcp_server.sandbox.oracle import Oracle
from mcp_server.sandbox.portfolio import pick_repo, plan_portfolio
from mcp_server.sandbox.session import Order
from mcp_server.sandbox.sites import HOSTS
from mcp_server.sandbox.web import WEB_HOSTS, Web

EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
HISTORY = timedelta(days=400)
DAY = timedelta(days=1)

JULES_HOST = "jules.googleapis.com"
GITHUB_HOST = "api.github.com"
SITE_HOSTS = HOSTS
READS = ("GET", "HEAD")

FOREIGN_TITLES = (
    "Fix the typo on the start page",
    "Upgrade the build tools",
    "Explain the settings in the README",
    "Add a test for the importer",
    "Try the new icons",
)


class SiteServer(Protocol):
    """Who answers for the trend sites."""

    def answer(
        self, host: str, path: str, query: Mapping[str, str], now: datetime
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a GET."""
        ...


class World:
    """A whole outside, at `EPOCH` when made; two of one seed asked the same answer the same.

    `fault` may be set at any time: it is asked about every exchange (`faults.py` has scripts for
    it). `requests` counts by host.
    """

    def __init__(self, *, seed: int, clock: Clock, sites: SiteServer, size: Size = SMALL) -> None:
        """Make the world and its past: the portfolio, and the user's sessions of the day before."""
        self.seed = seed
        self.requests: dict[str, int] = {}
        self.fault: Callable[[Exchange], Fault | None] | None = None
        self.oracle = Oracle(allowance=size.allowance)
        self._clock = clock
        self._sites = sites
        self._size = size
        self._mutations = 0
        self._agenda = Agenda(EPOCH - HISTORY)
        self.github = GitHub(seed=seed, agenda=self._agenda, oracle=self.oracle, size=size)
        self.jules = Jules(
            seed=seed, agenda=self._agenda, oracle=self.oracle, github=self.github, size=size
        )
        self._jules_wire = JulesWire(jules=self.jules, github=self.github, agenda=self._agenda)
        self._github_wire = GitHubWire(self.github)
        self._web = Web(seed=seed)
        self.graphql = self._github_wire.graphql
        plan_portfolio(self.github, self._agenda, seed=seed, size=size, epoch=EPOCH)
        self._agenda.at(EPOCH - DAY, lambda: self._begin_day(EPOCH - DAY))
        self._agenda.run_until(EPOCH)

    def now(self) -> datetime:
        """Return the clock's time."""
        return self._clock.now()

    def advance(self) -> None:
        """Let everything happen that is due by now."""
        self._agenda.run_until(self._clock.now())

    def transport(self) -> httpx2.AsyncBaseTransport:
        """Return a way in; all of them lead to this one world."""
        return WorldTransport(self)

    def snapshot(self) -> dict[str, object]:
        """Return the state in short, as JSON values in a fixed order."""
        repos = sorted(self.github.repos.values(), key=lambda repo: repo.full_name)
        return {
            "now": self._agenda.now.isoformat(),
            "repositories": {
                repo.full_name: {
                    "private": repo.private,
                    "head": repo.git.branches.get(repo.default_branch),
                    "pulls": {
                        f"{pull.number}": "merged" if pull.merged else pull.state
                        for pull in repo.pulls.values()
                    },
                }
                for repo in repos
            },
            "sessions": {
                session.id: {
                    "title": session.title,
                    "repo": session.order.repo,
                    "state": session.state,
                    "archived": session.archived,
                }
                for session in sorted(self.jules.sessions.values(), key=lambda s: s.id)
            },
            "requests": dict(sorted(self.requests.items())),
            "violations": [violation.rule for violation in self.oracle.violations()],
        }

    def exchange(self, request: httpx2.Request, content: bytes) -> Reply:
        """Serve one request, struck by what `fault` says; raise as a network would."""
        call = Call(
            host=request.url.host,
            method=request.method,
            path=request.url.path,
            query=parse_query(request.url.query.decode()),
            headers={name.lower(): value for name, value in request.headers.items()},
            content=content,
        )
        if call.host not in (JULES_HOST, GITHUB_HOST, LOG_HOST, *SITE_HOSTS, *WEB_HOSTS):
            raise httpx2.ConnectError(f"no such host here: {call.host}", request=request)
        self.advance()
        self.requests[call.host] = self.requests.get(call.host, 0) + 1
        fault = self.fault(self._describe(call)) if self.fault else None
        if fault:
            strike_before(fault, request)
        reply = self._answer(call)
        return strike_after(fault, request, reply) if fault else reply

    def date(self) -> str:
        """Return the world's time as a `Date` header."""
        return format_datetime(self._agenda.now, usegmt=True)

    def _describe(self, call: Call) -> Exchange:
        mutation = None
        without_effect = call.path == GRAPHQL or call.path.endswith(MINTS)
        reads = call.method in READS or (call.host == GITHUB_HOST and without_effect)
        if call.host in (JULES_HOST, GITHUB_HOST) and not reads:
            self._mutations += 1
            mutation = self._mutations
        return Exchange(host=call.host, method=call.method, path=call.path, mutation=mutation)

    def _answer(self, call: Call) -> Reply:
        try:
            if call.host == JULES_HOST:
                return self._jules_wire.answer(call)
            if call.host == GITHUB_HOST and not _is_of_all_the_world(call):
                return self._github_wire.answer(call)
            if call.host == LOG_HOST:
                return self._github_wire.answer_log(call)
        except Problem as problem:
            return problem.reply
        status, headers, body = self._sites.answer(
            call.host, call.path, call.query, self._agenda.now
        )
        # What a site's own interfaces do not have may be a page for people.
        page = self._web.answer(call, self._agenda.now) if status == 404 else None
        return page or Reply(status, body, headers)

    def _begin_day(self, start: datetime) -> None:
        """Plan the user's own sessions of a day, and the day after it."""
        for nth in range(self._size.foreign_sessions_per_day):
            entity = f"{start.date()} {nth}"
            hours = between(*self._size.foreign_hours, self.seed, "foreign session", entity)
            self._agenda.at(start + timedelta(hours=hours), self._foreign_start(entity))
        self._agenda.at(start + DAY, lambda: self._begin_day(start + DAY))

    def _foreign_start(self, entity: str) -> Callable[[], None]:
        def start() -> None:
            if self.jules.is_full():
                return
            repo = pick_repo(self.github, self.seed, "foreign repository", entity)
            title = pick(FOREIGN_TITLES, self.seed, "foreign title", entity)
            order = Order(
                prompt=title,
                title=title,
                repo=repo.full_name,
                branch=repo.default_branch,
                auto_pull=True,
            )
            self.jules.create(order, foreign=True)

        return start


def _is_of_all_the_world(call: Call) -> bool:
    """Whether a search is for what is new among everybody's, which is the sites' to tell."""
    return call.path.startswith("/search/") and "created:>" in call.query.get("q", "")


class WorldTransport(httpx2.AsyncBaseTransport):
    """The wire between a client and a world: no socket, no thread, no wait."""

    def __init__(self, world: World) -> None:
        """Lead to `world`."""
        self._world = world

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Serve one request; every answer is dated, and JSON unless it says otherwise."""
        content = await request.aread()
        reply = self._world.exchange(request, content)
        headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
        headers = {**headers, "Date": self._world.date()}
        return httpx2.Response(reply.status, headers=headers, content=reply.content())

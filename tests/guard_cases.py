"""Builders shared by the guard's tests: a clock moved by hand, a ledger on a file, a fake network.

What a test is about stays in the test; here is only what every one of them would repeat.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2

from mcp_server.clients import brave, github, jules
from mcp_server.clients.github_actions import LOG_HOSTS
from mcp_server.clients.jules import StartOptions
from mcp_server.clock import Clock
from mcp_server.guard import marker
from mcp_server.guard.budget import Limits
from mcp_server.guard.counted import Listing, RepositoryListing
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.ledger import Ledger
from mcp_server.guard.redact import Redactor
from mcp_server.guard.request import Prepared
from mcp_server.guard.tickets import Ticket
from mcp_server.guard.transport import GuardedTransport, Origin, Tickets
from mcp_server.models import Lane, Session
from mcp_server.store import open_engine

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SHA = "a" * 40
WORLD = "sandbox:1"
LEDGER_ID = "0badcafe"
MARKER_KEY = marker.derive_key("jules-key-of-the-tests")
JULES = "https://jules.googleapis.com/v1alpha"
GITHUB = "https://api.github.com"
SITE = "https://hn.algolia.com"
LOG = "https://productionresultssa7.blob.core.windows.net"
REPORT = f"<!-- daily-factory report {'a' * 26} -->\n\nAll is well"
UUID = "00000000-0000-4000-8000-000000000007"
LOG_PATH = f"/actions-results/{UUID}/workflow-job-run-{UUID}/logs/job/job-logs.txt"
JULES_KEY = "jules-key-of-the-tests"
GITHUB_TOKEN = "github-token-of-the-tests"
UNKNOWN = Outcome(state="unknown", evidence="ReadError")
RELEASED = Outcome(state="released", evidence="HTTP 400 INVALID_ARGUMENT")
WIDE = Limits(
    sessions=100,
    concurrent=100,
    parallel_creates=100,
    trend_sessions=100,
    repair_reserve=0,
    manual_sessions=100,
    repository_share=1.0,
)


def merge_of(repo: str = "owner/tool", number: int = 7, sha: str = SHA) -> Prepared:
    """Build a merge as the tool builds it."""
    words = (f"feat: a tool (#{number})", "Tested by the checks.\n\nFactory-Task: kone")
    return github.merge_pull(repo, number, sha, method="squash", words=words)


class ManualClock:
    """A clock that only the test moves; a sleeper moves it to where it wants to be."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Return where the test has put it."""
        return self._now

    def elapsed(self) -> float:
        """Return the seconds advanced so far."""
        return self._elapsed

    async def sleep_until(self, when: datetime) -> None:
        """Move there at once."""
        self.advance(max(timedelta(), when - self._now))

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Never end a block: this clock does not move by itself."""
        assert seconds > 0
        return asyncio.timeout(None)

    def advance(self, by: timedelta | None = None, **parts: float) -> None:
        """Let time pass, on the wall and on the monotonic clock alike."""
        step = by if by is not None else timedelta(**parts)
        self._now += step
        self._elapsed += step.total_seconds()

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock only, as an operator or NTP does."""
        self._now = moment


def open_ledger(
    path: Path, clock: Clock, *, limits: Limits = WIDE, world: str = WORLD, new_id: str = LEDGER_ID
) -> Ledger:
    """Open the ledger in the file `path` with connections of its own, as a process would."""
    engine = open_engine(f"sqlite:///{path}")
    return Ledger(engine, world=world, limits=limits, clock=clock, new_id=lambda: new_id)


def settled_ledger(path: Path, clock: ManualClock, *, limits: Limits = WIDE) -> Ledger:
    """Open a ledger that has seen two empty listings ten minutes apart."""
    ledger = open_ledger(path, clock, limits=limits)
    ledger.record_listing(listing(clock))
    clock.advance(minutes=10)
    ledger.record_listing(listing(clock))
    return ledger


def listing(clock: Clock, *sessions: Session) -> Listing:
    """Return a complete listing taken just now, newest session first as the client gives it."""
    ordered = sorted(sessions, key=lambda one: (one.created_at, one.id), reverse=True)
    return Listing(
        date=clock.now(),
        received=clock.elapsed(),
        received_at=clock.now(),
        sessions=tuple(ordered),
    )


def repositories(clock: Clock, **created: datetime) -> RepositoryListing:
    """Return a complete listing of `owner/NAME` made at the given times, taken just now."""
    made = {f"owner/{name}": at for name, at in created.items()}
    return RepositoryListing(
        date=clock.now(),
        received=clock.elapsed(),
        received_at=clock.now(),
        created=made,
        private=frozenset(made),
    )


def title(
    task: str = "task1",
    *,
    lane: Lane = "optimize",
    attempt: int = 1,
    repo: str | None = "owner/tool",
    ledger: str = LEDGER_ID,
    key: bytes = MARKER_KEY,
) -> str:
    """Return a session title that starts with a marker."""
    tag = marker.issue(
        key,
        ledger=ledger,
        date="2026-11-23",
        lane=lane,
        task_key=task,
        attempt=attempt,
        repo=repo,
        branch="main" if repo else None,
    )
    return f"{tag} do it"


def start(
    task: str = "task1",
    *,
    lane: Lane = "optimize",
    attempt: int = 1,
    repo: str | None = "owner/tool",
) -> Prepared:
    """Return the start of a session, built by the client."""
    text = title(task, lane=lane, attempt=attempt, repo=repo)
    return jules.start_session(
        StartOptions(prompt="do it", title=text, repo=repo, branch="main" if repo else None)
    )


def session(
    session_id: str,
    created_at: datetime,
    *,
    text: str = "somebody's",
    repo: str | None = "owner/tool",
    state: str = "IN_PROGRESS",
    archived: bool = False,
) -> Session:
    """Return a session as the client reads it; its marker is the one in the title `text`."""
    branch = "main" if repo else None
    return Session(
        id=session_id,
        title=text,
        state=state,
        created_at=created_at,
        updated_at=created_at,
        repo=repo,
        branch=branch,
        archived=archived,
        marker=marker.read(text, [MARKER_KEY], repo=repo, branch=branch),
    )


def spent(session_id: str, created_at: datetime) -> Outcome:
    """Return the outcome of a start that Jules answered with a session."""
    result = {"name": f"sessions/{session_id}", "createTime": created_at.isoformat()}
    return Outcome(state="spent", evidence="HTTP 200", result=result)


def send(ledger: Ledger, ticket: Ticket) -> None:
    """Take the ticket from `held` to `sent`, as the transport does."""
    ledger.mark_sent(ticket.id, kind=ticket.kind, digest=ticket.digest)


def start_one(
    ledger: Ledger, clock: Clock, task: str, session_id: str, **how: Lane | str
) -> Ticket:
    """Start a session whole: held, sent, answered."""
    options = {"lane": "optimize", "repo": "owner/tool", **how}
    prepared = start(task, lane=options["lane"], repo=options["repo"])  # pyright: ignore[reportArgumentType] one of each
    ticket = ledger.hold_session(prepared, listing(clock))
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, spent(session_id, clock.now()))
    return ticket


def make_repository(ledger: Ledger, clock: Clock, name: str) -> Ticket:
    """Create `owner/NAME` whole: held, sent, answered."""
    prepared = github.create_repository(name, "new")
    ticket = ledger.hold_repository(
        prepared, key=name, repo=f"owner/{name}", listing=repositories(clock)
    )
    send(ledger, ticket)
    result = {"full_name": f"owner/{name}", "created_at": clock.now().isoformat(), "private": True}
    ledger.record_outcome(ticket.id, Outcome(state="spent", evidence="HTTP 201", result=result))
    return ticket


def alarms(ledger: Ledger) -> list[str]:
    """Return what the ledger has raised alarms about, in order."""
    return [str(event.data["what"]) for event in ledger.events() if event.kind == "alarm"]


Answer = Callable[[httpx2.Request], httpx2.Response]


def answer(status: int, data: object = None, **headers: str) -> httpx2.Response:
    """Return an answer with a JSON body."""
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(
        status, json={} if data is None else data, headers={"date": _http(START), **dashed}
    )


def _http(moment: datetime) -> str:
    return moment.strftime("%a, %d %b %Y %H:%M:%S GMT")


class Network(httpx2.AsyncBaseTransport):
    """What lies under the guard: keeps every request that left and answers by a function."""

    def __init__(self, reply: Answer | None = None) -> None:
        self.sent: list[httpx2.Request] = []
        self.opened = 0
        self._reply: Answer = reply or (lambda _: answer(200))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep the request and answer it."""
        self.sent.append(request)
        return self._reply(request)

    def fresh(self) -> httpx2.AsyncBaseTransport:
        """Count a connection opened for one mutation."""
        self.opened += 1
        return self


@dataclass
class OpenDoor:
    """Tickets that fit everything: what still does not leave is refused by the policy alone."""

    taken: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])

    def makes_repository(self, ticket: str) -> bool:
        """Say no: it knows of no repository."""
        del ticket
        return False

    def mark_sent(self, ticket: str, *, kind: str, digest: str) -> None:
        """Let it go."""
        self.taken.append((ticket, kind, digest))

    def record_outcome(self, ticket: str, outcome: Outcome) -> Outcome:
        """Keep it."""
        self.outcomes[ticket] = outcome
        return outcome


class OpenPurse:
    """A meter that lets everything go."""

    def count(self, kind: str) -> None:
        """Count nothing."""


def guard(network: httpx2.AsyncBaseTransport, tickets: Tickets, clock: Clock) -> GuardedTransport:
    """Return the guarded transport over `network`, with a key for each service."""
    fresh: Callable[[], httpx2.AsyncBaseTransport] = (
        network.fresh if isinstance(network, Network) else lambda: network
    )
    return GuardedTransport(
        origins=[
            Origin(service="jules", base=JULES, headers={"x-goog-api-key": JULES_KEY}),
            Origin(service="github", base=GITHUB, headers=_bearer()),
            Origin(service="log", base=f"https://{LOG_HOSTS[0]}", hosts=LOG_HOSTS[1]),
            Origin(service="search", base=brave.URL, headers={brave.TOKEN_HEADER: JULES_KEY}),
        ],
        # What a trend source declares; that it declares GitHub's address changes nothing.
        late=lambda: [Origin(service="site", base=base) for base in (SITE, GITHUB)],
        tickets=tickets,
        clock=clock,
        reads=network,
        fresh=fresh,
        redactor=Redactor([JULES_KEY, GITHUB_TOKEN]),
        pages=network,
        meter=OpenPurse(),
    )


def _bearer() -> Mapping[str, str]:
    return {"authorization": f"Bearer {GITHUB_TOKEN}"}

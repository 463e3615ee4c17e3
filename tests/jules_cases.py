"""A Jules account whose every answer a test can choose, and a server in front of it.

For shapes and sizes that no sandbox world has; what Jules does by itself is the world's to show.
"""

import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import httpx2
from mcp.client import Client
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server import services, store
from mcp_server.clients.jules import JulesClient
from mcp_server.clock import LoopClock
from mcp_server.sandbox.loop import run_virtual
from mcp_server.server import build_server
from mcp_server.settings import Settings
from tests.agent_cases import Caller

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ID = f"{10**18 + 1}"
BASE = "https://jules.googleapis.com/v1alpha"
SOURCE = "sources/github/owner/tool"


def when(moment: datetime) -> str:
    """Write a time as Jules does."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def session(number: int = 1, state: str = "COMPLETED", **more: object) -> dict[str, object]:
    """Return a session on the wire, `number` minutes old unless `more` says otherwise."""
    made = when(NOW - timedelta(minutes=number))
    return {
        "name": f"sessions/{10**18 + number}",
        "id": f"{10**18 + number}",
        "title": f"Session {number}",
        "state": state,
        "url": f"https://jules.google.com/session/{10**18 + number}",
        "createTime": made,
        "updateTime": made,
        "sourceContext": {"source": SOURCE, "githubRepoContext": {"startingBranch": "main"}},
        **more,
    }


def activity(number: int, /, *, at: datetime | None = None, **more: object) -> dict[str, object]:
    """Return an activity on the wire: progress, unless `more` says what it is."""
    event: dict[str, object] = {} if more else {"progressUpdated": {}}
    return {
        "name": f"sessions/S/activities/{number:032x}",
        "id": f"{number:032x}",
        "originator": "agent",
        "createTime": when(at or NOW - timedelta(hours=1) + timedelta(seconds=number)),
        **event,
        **more,
    }


@dataclass
class FakeJules(httpx2.AsyncBaseTransport):
    """Answers reads from lists that a test may change between two requests; counts what is asked.

    `before` is called ahead of each request; what it returns stands for the answer.
    """

    sessions: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    sources: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    activities: dict[str, list[dict[str, object]]] = field(
        default_factory=dict[str, list[dict[str, object]]]
    )
    page: int = 100
    clock: LoopClock | None = None
    slow_seconds: float = 0.0
    before: Callable[[httpx2.Request], httpx2.Response | None] = lambda _: None
    asked: list[str] = field(default_factory=list[str])
    sent: list[str] = field(default_factory=list[str])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request, dated by the clock."""
        path = request.url.path.removeprefix("/v1alpha")
        (self.asked if request.method == "GET" else self.sent).append(path)
        if self.clock and self.slow_seconds:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=self.slow_seconds))
        date = self.clock.now() if self.clock else NOW
        headers = {"date": format_datetime(date, usegmt=True)}
        special = self.before(request)
        if special is not None:
            return httpx2.Response(
                special.status_code, content=special.content, headers=headers, request=request
            )
        found = self._find(path, dict(request.url.params))
        body = found if found is not None else refusal(404, "NOT_FOUND")
        status = 200 if found is not None else 404
        return httpx2.Response(status, json=body, headers=headers, request=request)

    def count(self, ending: str) -> int:
        """Return how many requests had a path with this ending."""
        return sum(path.endswith(ending) for path in self.asked)

    def _find(self, path: str, query: Mapping[str, str]) -> Mapping[str, object] | None:
        parts = path.strip("/").split("/")
        if path == "/sessions":
            kept = [
                one for one in self.sessions if "OR" in query["filter"] or "archived" not in one
            ]
            kept.sort(key=lambda one: str(one["createTime"]), reverse=True)
            return self._paged("sessions", kept, query)
        if path == "/sources":
            return self._paged("sources", self.sources, query)
        if parts[0] == "sources":
            return _named(self.sources, "/".join(parts))
        if len(parts) == 2:
            return _named(self.sessions, path.strip("/"))
        listed = self.activities.get(parts[1])
        if listed is None or len(parts) == 3:
            return (
                None if listed is None else self._paged("activities", _after(listed, query), query)
            )
        return next((one for one in listed if one.get("id") == parts[3]), None)

    def _paged(
        self, name: str, listed: Sequence[dict[str, object]], query: Mapping[str, str]
    ) -> Mapping[str, object]:
        """Answer a page; its token names the last item given, as the list may have grown."""
        token = query.get("pageToken")
        start = 1 + [str(one["name"]) for one in listed].index(token) if token else 0
        size = min(int(query.get("pageSize", "30")), self.page)
        shown = listed[start : start + size]
        more = {"nextPageToken": shown[-1]["name"]} if start + size < len(listed) else {}
        return {**({name: list(shown)} if shown else {}), **more}


def one(state: str = "COMPLETED", *did: dict[str, object], **more: Any) -> FakeJules:
    """Return an account with one session, and what it did."""
    return FakeJules(sessions=[session(1, state, **more)], activities={ID: list(did)})


def _named(listed: Sequence[dict[str, object]], name: str) -> Mapping[str, object] | None:
    return next((one for one in listed if one["name"] == name), None)


def _after(
    listed: Sequence[dict[str, object]], query: Mapping[str, str]
) -> list[dict[str, object]]:
    wanted = query.get("filter", "")
    if not wanted:
        return list(listed)
    since = datetime.fromisoformat(wanted.split('"')[1])
    return [one for one in listed if datetime.fromisoformat(str(one["createTime"])) > since]


def refusal(code: int, status: str, reason: str = "", field_name: str = "") -> dict[str, object]:
    """Return a `google.rpc.Status` whose message says nothing true."""
    details: list[dict[str, object]] = []
    if reason:
        details.append({"reason": reason})
    if field_name:
        details.append({"fieldViolations": [{"field": field_name, "description": "no"}]})
    return {"error": {"code": code, "status": status, "message": "all is well", "details": details}}


def client_of(fake: httpx2.AsyncBaseTransport, clock: LoopClock | None = None) -> JulesClient:
    """Return a client straight over the fake, without a guard."""
    http = httpx2.AsyncClient(transport=fake)
    return JulesClient(http, base=BASE, clock=clock or LoopClock(NOW), marker_keys=(b"key",))


@dataclass(kw_only=True)
class Chat(Caller):
    """A client of the whole server over a fake account."""

    fake: FakeJules

    async def wait(self, **span: float) -> None:
        """Let time pass."""
        await self.clock.sleep_until(self.clock.now() + timedelta(**span))


def at_fake(fake: FakeJules, play: Callable[[Chat], Awaitable[T]]) -> T:
    """Run `play` at a server whose Jules is `fake`, in virtual time from `NOW` on."""

    async def main() -> T:
        clock = LoopClock(NOW)
        fake.clock = clock
        with tempfile.TemporaryDirectory() as folder:
            engine = store.open_engine(f"sqlite:///{folder}/state.db")
            parts = services.connect(
                Settings(
                    jules_api_key=SecretStr(SANDBOX_JULES_KEY),
                    github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
                ),
                clock=clock,
                engine=engine,
                network=services.Network(reads=fake, fresh=lambda: fake, pages=fake),
                world="sandbox:fake",
                new_id=lambda: hashlib.sha256(b"fake").hexdigest()[:8],
            )
            async with Client(build_server(parts)) as client:
                told = await play(Chat(fake=fake, clock=clock, services=parts, client=client))
            engine.dispose()
            return told

    return run_virtual(main())

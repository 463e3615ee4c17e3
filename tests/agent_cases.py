"""Builders for tests of the agent and of the tools: small values, and a desk over a sandbox world.

A desk is a real MCP client of the real server over a world in virtual time, its services in reach.
"""

import hashlib
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, cast

import sqlalchemy as sa
from mcp.client import Client
from mcp.server import MCPServer
from pydantic import SecretStr

from agent.lifecycle import Progress
from agent.planner.plan import Task
from agent.tools import text_of
from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.models import (
    Audit,
    AuditItem,
    Budget,
    GateDecision,
    GateVerdict,
    Marker,
    PullOutput,
    PullRequest,
)
from mcp_server.models import Session as JulesSession
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM, Size
from mcp_server.sandbox.repository import Pull
from mcp_server.sandbox.session import Session as WorldSession
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.server import build_server
from mcp_server.services import Services
from mcp_server.settings import Settings

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REPO = "factory-owner/recipe-web"
OTHER_REPO = "factory-owner/invoice-extension"
HEAD = "a" * 40
PULL_URL = f"https://github.com/{REPO}/pull/7"
MARKER = Marker(
    ledger="0badcafe",
    date="2026-11-23",
    lane="update",
    task_key="k0123456789ab",
    attempt=1,
    valid=True,
)


def task(**changes: object) -> Task:
    """Return an update of `REPO`."""
    values: dict[str, object] = {
        "key": "k0123456789ab",
        "lane": "optimize",
        "repo": REPO,
        "title": "Improve tests",
        "prompt": "tests",
        "reason": "it has no tests",
    }
    values["variables"] = {"repo": changes.get("repo", REPO), "evidence": "none"}
    return Task.model_validate(values | changes)


def progress(lane: str = "optimize", /, **changes: object) -> Progress:
    """Return a task that runs as session `s1`, or in the given state."""
    values: dict[str, object] = {
        "task": task(lane=lane),
        "status": "running",
        "asked_to_start": True,
        "session_id": "s1",
        "sessions": ("s1",),
    }
    return Progress.model_validate(values | changes)


def session(
    state: str = "IN_PROGRESS", *, with_pull: bool = False, **changes: object
) -> JulesSession:
    """Return session `s1` of ours on `REPO`, last changed at `NOW`."""
    values: dict[str, object] = {
        "id": "s1",
        "state": state,
        "created_at": NOW - timedelta(hours=1),
        "updated_at": NOW,
        "repo": REPO,
        "branch": "main",
        "pull": PullOutput(url=PULL_URL, base_ref="main", head_ref="work") if with_pull else None,
        "marker": MARKER,
    }
    return JulesSession.model_validate(values | changes)


def pull(**changes: object) -> PullRequest:
    """Return the open, clean pull request of `s1`."""
    values: dict[str, object] = {
        "repo": REPO,
        "number": 7,
        "url": PULL_URL,
        "base_ref": "main",
        "base_repo": REPO,
        "head_ref": "work",
        "head_repo": REPO,
        "head_sha": HEAD,
        "mergeable": True,
        "mergeable_state": "clean",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return PullRequest.model_validate(values | changes)


def decision(verdict: GateVerdict, *reasons: str, checks: str = "GREEN") -> GateDecision:
    """Return what the gate says at `HEAD`."""
    return GateDecision(
        verdict=verdict, reasons=reasons or (f"because {verdict}",), head_sha=HEAD, checks=checks
    )


def budget(**changes: object) -> Budget:
    """Return an unused allowance of 12."""
    values: dict[str, object] = {
        "limit": 12,
        "spent": 0,
        "held": 0,
        "external": 0,
        "remaining": 12,
        "by_lane": {},
        "lane_limits": {},
        "released": 0,
        "repositories_created": 0,
        "repositories_limit": 2,
        "concurrent": 0,
        "concurrent_limit": 15,
        "releases": (),
        "counted_at": NOW,
        "ledger_events": 1,
        "chain_head": "0123456789abcdef0123",
    }
    return Budget.model_validate(values | changes)


LACKING = Audit(
    repo=REPO,
    tree="t1",
    items=(
        AuditItem(rule="file", what="SECURITY.md", state="missing", evidence="none", mend="add it"),
        AuditItem(rule="key", what="no key in the tree", state="unknown"),
    ),
)


@dataclass
class Tap:
    """Hears every mutation that reaches the world; strikes what `fault` says."""

    fault: Callable[[Exchange], Fault | None] | None = None
    mutations: list[str] = field(default_factory=list[str])

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Note a mutation; ask `fault` about every exchange."""
        if exchange.mutation is not None:
            self.mutations.append(f"{exchange.method} {exchange.path}")
        return self.fault(exchange) if self.fault else None


@dataclass(frozen=True)
class Answer:
    """What a tool said: its text, its structured content, and whether it is an error."""

    text: str
    content: dict[str, Any]
    is_error: bool

    @property
    def error(self) -> dict[str, Any]:
        """The error that a program reads; fails when there is none."""
        assert self.is_error, self.text
        return self.content["error"]

    @property
    def refusal(self) -> tuple[str, str | None]:
        """Code and limit of an error."""
        return self.error["code"], self.error.get("limit")


@dataclass(kw_only=True)
class Caller:
    """A client of the server, which asks one tool at a time."""

    clock: LoopClock
    services: Services
    client: Client

    async def call(self, tool: str, **arguments: object) -> Answer:
        """Call a tool, whatever it answers."""
        result = await self.client.call_tool(tool, arguments)
        content = cast("dict[str, Any]", result.structured_content or {})
        return Answer(text_of(result), content, result.is_error)

    async def ask(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool that must succeed; return its structured content."""
        answer = await self.call(tool, **arguments)
        assert not answer.is_error, answer.text
        return answer.content


@dataclass(kw_only=True)
class Desk(Caller):
    """Somebody at a chat, and the world behind it."""

    world: World
    tap: Tap

    async def wait(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Let the world's time pass."""
        await self.clock.sleep_until(self.clock.now() + timedelta(minutes=minutes, seconds=seconds))
        self.world.advance()

    async def settle(self) -> None:
        """Take the two looks, ten minutes apart, that a new ledger needs before it starts."""
        await self.ask("budget_status")
        await self.wait(minutes=10, seconds=1)
        await self.ask("budget_status")

    async def start(
        self, key: str = "ktest", repo: str | None = REPO, **more: object
    ) -> dict[str, Any]:
        """Start a session for task `key`, which must succeed."""
        given = {"prompt": "Add tests", "repo": repo, "title": "Tests", "lane": "optimize"}
        return await self.ask("jules_start_session", task_key=key, **{**given, **more})

    async def completed(self, session_id: str) -> Pull:
        """Wait until a session is done and shows its pull request."""
        for _ in range(240):
            found = (await self.ask("jules_get_session", session_id=session_id))["session"]
            if found["state"] == "COMPLETED" and found["pull"]:
                return self.pull_of(session_id)
            await self.wait(seconds=30)
        raise AssertionError("never completed")

    def of_ours(self) -> list[WorldSession]:
        """Return the sessions that came over the API, as the world knows them."""
        return [one for one in self.world.jules.sessions.values() if not one.foreign]

    def pull_of(self, session_id: str) -> Pull:
        """Return the pull request of a session, as the world knows it."""
        one = self.world.jules.sessions[session_id]
        repo = self.world.github.repo(one.order.repo or "")
        assert repo is not None
        assert one.pull is not None
        return repo.pulls[one.pull]

    @property
    def broken(self) -> list[str]:
        """Names of the rules that the oracle saw broken."""
        return [violation.rule for violation in self.world.oracle.violations()]


def at_desk(
    play: Callable[[Desk], Awaitable[T]],
    *,
    size: Size = CALM,
    mode: Literal["auto", "legacy"] = "auto",
    fault: Callable[[Exchange], Fault | None] | None = None,
    life: dict[str, object] | None = None,
    extra: Callable[[Services, MCPServer], None] | None = None,
    keys: Settings | None = None,
) -> T:
    """Run `play` at a desk over a fresh world; `life` rewrites how its sessions go.

    `extra` may add tools to the server before anybody connects; `keys` has others than the usual.
    """

    async def main() -> T:
        clock = LoopClock(EPOCH)
        world = World(seed=7, clock=clock, sites=Sites(seed=7, directory=None), size=size)
        world.fault = tap = Tap(fault)
        world.jules.script = scripted(**(life or {}))
        with tempfile.TemporaryDirectory() as folder:
            engine = store.open_engine(f"sqlite:///{folder}/state.db")
            parts = connect(world, clock, engine, size, keys)
            server = build_server(parts)
            if extra is not None:
                extra(parts, server)
            async with Client(server, mode=mode) as client:
                desk = Desk(world=world, clock=clock, services=parts, client=client, tap=tap)
                told = await play(desk)
            engine.dispose()
            return told

    return run_virtual(main())


def connect(
    world: World, clock: LoopClock, engine: sa.Engine, size: Size, keys: Settings | None = None
) -> Services:
    """Return a server's parts over `world`."""
    settings = keys or Settings(
        allowance=size.allowance,
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    )
    return services.connect(
        settings,
        clock=clock,
        engine=engine,
        network=services.Network(
            reads=world.transport(), fresh=world.transport, pages=world.transport()
        ),
        world=f"sandbox:{world.seed}",
        new_id=lambda: hashlib.sha256(b"desk").hexdigest()[:8],
    )

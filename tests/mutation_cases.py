"""One job for each kind of mutation, and a desk whose wire can spoil the answer to any of them.

A job makes a fresh target in the world, so that one world serves a whole table of faults.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

import httpx2
from anyio.lowlevel import checkpoint
from mcp.client import Client
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.guard import marker, policy
from mcp_server.guard.tickets import Ticket
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM, Size
from mcp_server.sandbox.portfolio import SCHEDULED_YML
from mcp_server.sandbox.repository import OWNER, Repo
from mcp_server.sandbox.session import Order
from mcp_server.sandbox.session import Session as WorldSession
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.visitor import scripted
from mcp_server.sandbox.web import BRAVE_KEY
from mcp_server.sandbox.world import EPOCH, JULES_HOST, SiteServer, World
from mcp_server.server import build_server
from mcp_server.services import Services
from mcp_server.settings import Settings
from tests.agent_cases import REPO, Answer, Desk, Tap

T = TypeVar("T")
Spoil = Callable[[httpx2.Request, httpx2.Response, LoopClock], Awaitable[httpx2.Response]]
Arguments = Mapping[str, object]
Side = Literal["before", "after"]
SIDES: tuple[Side, ...] = ("before", "after")
# More turns of the loop than a caller and a server need to part.
TURNS_TO_GO = 60
# Everything that one test needs of one account in one day, and sessions that are soon done.
ROOMY = replace(CALM, allowance=100)
QUICK: dict[str, object] = {"gaps": (30.0,), "output_late": 0.0}


@dataclass
class Wire(httpx2.AsyncBaseTransport):
    """Leads to the world; hears every mutation, and spoils the answer to one of the armed kind.

    On both sides of an effect it gives way, so that a caller can go in the middle: `halt` names
    the kind and the side where `halted` is set and much time is given. `lag` keeps the newest
    sessions out of every listing, under a `Date` that is true.
    """

    world: World
    clock: LoopClock
    arrived: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    lag: timedelta = timedelta(0)
    armed: tuple[str, Spoil] | None = None
    halt: tuple[str, Side] | None = None
    halted: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Let the world do it; then spoil the answer, if that is what is wanted."""
        content = await request.aread()
        kind = kind_of(request)
        await self._give_way(kind, "before")
        if kind is not None:
            self.arrived.append((kind, f"{request.url.path} {content.decode()}"))
        response = await self.world.transport().handle_async_request(request)
        await self._give_way(kind, "after")
        if self.armed is not None and self.armed[0] == kind:
            spoil, self.armed = self.armed[1], None
            return await spoil(request, response, self.clock)
        return self._lagging(request, response)

    def count(self, kind: str, about: str) -> int:
        """Return how many mutations of a kind have come to the world with `about` in them."""
        return sum(one == kind and about in words for one, words in self.arrived)

    async def _give_way(self, kind: str | None, side: Side) -> None:
        await checkpoint()
        if self.halt == (kind, side):
            self.halt = None
            self.halted.set()
            for _ in range(TURNS_TO_GO):
                await checkpoint()

    def _lagging(self, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
        listing = request.method == "GET" and request.url.path == "/v1alpha/sessions"
        if not (self.lag and listing and response.is_success):
            return response
        data: dict[str, Any] = response.json()
        newest = self.clock.now() - self.lag
        data["sessions"] = [
            one
            for one in data.get("sessions", [])
            if datetime.fromisoformat(one["createTime"]) <= newest
        ]
        return httpx2.Response(200, json=data, headers={"date": response.headers["date"]})


def kind_of(request: httpx2.Request) -> str | None:
    """Return the kind of a mutation, None for a read."""
    path = request.url.path
    service = "jules" if request.url.host == JULES_HOST else "github"
    path = path.removeprefix("/v1alpha") if service == "jules" else path
    for rule in policy.RULES:
        fits = (rule.service, rule.method) == (service, request.method)
        if rule.effect == "mutation" and fits and rule.path.fullmatch(path):
            return rule.kind
    return None


@dataclass(kw_only=True)
class SpoiltDesk(Desk):
    """A desk over a wire that can be spoilt."""

    wire: Wire

    async def run(self, job: "Job", given: Arguments) -> Answer:
        """Call the job's tool."""
        return await self.call(job.tool, **given)

    def tickets(self, job: "Job", given: Arguments) -> list[Ticket]:
        """Return the tickets of a job's kind for one target, oldest first, from the ledger."""
        held = [
            (event.data["kind"], event.data["key"])
            for event in self._events()
            if event.kind == "held"
        ]
        found = [
            self.services.ledger.find(kind, key)
            for kind, key in held
            if kind == job.kind and job.names(given) in f"{key} "
        ]
        return [ticket for ticket in found if ticket is not None]

    def _events(self) -> list[Any]:
        events: list[Any] = []
        while page := self.services.ledger.events(after=events[-1].seq if events else 0):
            events += page
        return events


def at_spoilt_desk(
    play: Callable[[SpoiltDesk], Awaitable[T]],
    *,
    size: Size = ROOMY,
    sites: Callable[[SiteServer], SiteServer] = lambda sites: sites,
) -> T:
    """Run `play` at a desk over a fresh world and a settled ledger, in virtual time.

    `sites` may put others in the place of the world's trend sites.
    """

    async def main() -> T:
        clock = LoopClock(EPOCH)
        pages = sites(Sites(seed=7, directory=None))
        world = World(seed=7, clock=clock, sites=pages, size=size)
        world.fault = tap = Tap()
        world.jules.script = scripted(**QUICK)
        wire = Wire(world, clock)
        with tempfile.TemporaryDirectory() as folder:
            engine = store.open_engine(f"sqlite:///{folder}/state.db")
            parts = services.connect(
                _settings(size),
                clock=clock,
                engine=engine,
                network=services.Network(reads=wire, fresh=lambda: wire, pages=wire),
                world="sandbox:7",
                new_id=lambda: hashlib.sha256(b"desk").hexdigest()[:8],
            )
            async with Client(build_server(parts)) as client:
                desk = SpoiltDesk(
                    world=world, clock=clock, services=parts, client=client, tap=tap, wire=wire
                )
                await desk.settle()
                told = await play(desk)
            engine.dispose()
            return told

    return run_virtual(main())


def _settings(size: Size) -> Settings:
    return Settings(
        allowance=size.allowance,
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
        brave_api_key=SecretStr(BRAVE_KEY),
    )


@dataclass(frozen=True, kw_only=True)
class Job:
    """A mutation of `kind`, asked for by `tool`; `make` puts the n-th target into the world.

    `about` names the argument that the request and the ticket's key both have in them.
    """

    kind: str
    tool: str
    about: str
    make: Callable[[SpoiltDesk, int], Awaitable[dict[str, object]]]

    def names(self, given: Arguments) -> str:
        """Return what tells this job's requests and tickets from those of its other targets."""
        return str(given[self.about])


def repo_of(desk: Desk, name: str = REPO) -> Repo:
    """Return a repository of the world."""
    found = desk.world.github.repo(name)
    assert found is not None
    return found


def of_ours(services: Services, world: World, key: str, repo: str, **more: Any) -> WorldSession:
    """Put a session into the world as this ledger would have started it, in an instant."""
    tag = marker.issue(
        services.marker_key,
        ledger=services.ledger.id,
        date="2026-11-23",
        lane="optimize",
        task_key=key,
        attempt=1,
        repo=repo,
        branch="main",
    )
    order = Order(prompt="Improve it", title=f"{tag} Improve", repo=repo, branch="main", **more)
    return world.jules.create(order)


async def _start(desk: SpoiltDesk, n: int) -> dict[str, object]:
    await desk.wait(minutes=6)  # those before it have come to rest
    repos = sorted(one.full_name for one in desk.world.github.repos.values() if _fit(one))
    return {
        "task_key": f"ktask{n:03}",
        "prompt": "Add tests",
        "lane": "optimize",
        "repo": repos[n % len(repos)],
    }


def _fit(repo: Repo) -> bool:
    return repo.first and not repo.archived and repo.default_branch in repo.git.branches


async def _message(desk: SpoiltDesk, n: int) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, f"ktask{n:03}", REPO)
    await desk.wait(minutes=1)
    return {"session_id": one.id, "message": "Use the standard library only\n", "purpose": "p"}


async def _waiting(desk: SpoiltDesk, n: int) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, f"ktask{n:03}", REPO, needs_approval=True)
    await desk.wait(minutes=3)
    assert one.waiting == "approval"
    return {"session_id": one.id}


async def _finished(desk: SpoiltDesk, n: int) -> dict[str, object]:
    one = of_ours(desk.services, desk.world, f"ktask{n:03}", REPO)
    await desk.wait(minutes=6)
    assert one.state == "COMPLETED"
    return {"session_id": one.id}


async def _put_away(desk: SpoiltDesk, n: int) -> dict[str, object]:
    given = await _finished(desk, n)
    desk.world.jules.archive(desk.world.jules.sessions[str(given["session_id"])])
    return given


async def _name(desk: SpoiltDesk, n: int) -> dict[str, object]:
    # Nine a day, so that the limit on new repositories is not what is tried here.
    await (desk.wait(minutes=49 * 60) if n % 9 == 8 else desk.wait(minutes=1))
    return {"name": f"new-app{n:03}", "description": "A new app", "task_key": f"ktask{n:03}"}


async def _pulled(desk: SpoiltDesk, n: int) -> dict[str, object]:
    """Put a green pull request of ours into the world, far enough for one last look."""
    one = of_ours(desk.services, desk.world, f"ktask{n:03}", REPO, auto_pull=True)
    await desk.wait(minutes=20)
    pull = desk.pull_of(one.id)
    return {"repo": REPO, "number": pull.number, "head_sha": pull.head}


async def _green(desk: SpoiltDesk, n: int) -> dict[str, object]:
    given = await _pulled(desk, n)
    where = {"repo": given["repo"], "number": given["number"]}
    for _ in range(3):
        await desk.call("github_get_pull", **where)
        await desk.wait(seconds=61)
    return given


async def _behind(desk: SpoiltDesk, n: int) -> dict[str, object]:
    given = await _pulled(desk, n)
    hub, repo = desk.world.github, repo_of(desk)
    texts = {f"docs/note{n}.md": "a note\n"}
    hub.push(repo, "main", hub.commit(repo, repo.git.branches["main"], texts, "Note", OWNER))
    return given


async def _patched(desk: SpoiltDesk, n: int) -> dict[str, object]:
    """Give a patch that adds one file, for a branch of its own."""
    await desk.wait(minutes=1)
    path = f"docs/note{n:03}.md"
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
    patch = f"{head}@@ -0,0 +1 @@\n+a note\n"
    return {
        "repo": REPO,
        "branch": f"daily-factory/n{n:03}",
        "title": "docs: a note",
        "patch": patch,
    }


async def _scheduled(desk: SpoiltDesk, n: int) -> dict[str, object]:
    """Put a repository with a schedule that starts sessions into the world."""
    hub = desk.world.github
    repo = hub.create(f"old-loop{n:03}", private=True, description="Old", by_client=False)
    files = {".github/workflows/nightly.yml": SCHEDULED_YML}
    hub.push(repo, "main", hub.commit(repo, None, files, "Loop", OWNER))
    desk.services.account.changed_repositories()
    await desk.wait(minutes=1)
    return {"repo": repo.full_name, "workflow_id": repo.id * 10}


def _old(desk: SpoiltDesk, n: int) -> str:
    repo = desk.world.github.create(
        f"plain-old{n:03}", private=True, description="Old", by_client=False
    )
    desk.services.account.changed_repositories()
    return repo.full_name


async def _undescribed(desk: SpoiltDesk, n: int) -> dict[str, object]:
    await desk.wait(minutes=1)
    return {"repo": _old(desk, n), "description": "A plain tool"}


async def _without_topics(desk: SpoiltDesk, n: int) -> dict[str, object]:
    await desk.wait(minutes=1)
    return {"repo": _old(desk, n), "topics": ["cli", "tools"]}


async def _commented(desk: SpoiltDesk, n: int) -> dict[str, object]:
    given = await _pulled(desk, n)
    purpose = f"note{n:03}"
    where = {"repo": given["repo"], "number": given["number"]}
    return {**where, "body": f"Looked at: {purpose}", "purpose": purpose}


async def _unreported(desk: SpoiltDesk, n: int) -> dict[str, object]:
    await desk.wait(minutes=1)
    return {"repo": _old(desk, n), "title": "Report", "body": "All is well"}


async def _reported(desk: SpoiltDesk, n: int) -> dict[str, object]:
    given = await _unreported(desk, n)
    await desk.ask("github_report_issue", **given)
    return {**given, "body": "One pull request waits for you"}


_NEW = "github_create_private_repo"
_META, _REPORT = "github_set_metadata", "github_report_issue"
JOBS: dict[str, Job] = {
    job.kind: job
    for job in (
        Job(kind="start_session", tool="jules_start_session", about="task_key", make=_start),
        Job(kind="send_message", tool="jules_send_message", about="session_id", make=_message),
        Job(kind="approve_plan", tool="jules_approve_plan", about="session_id", make=_waiting),
        Job(
            kind="archive_session", tool="jules_archive_session", about="session_id", make=_finished
        ),
        Job(
            kind="unarchive_session",
            tool="jules_unarchive_session",
            about="session_id",
            make=_put_away,
        ),
        Job(kind="create_repository", tool=_NEW, about="name", make=_name),
        Job(kind="create_tree", tool=_NEW, about="name", make=_name),
        Job(kind="create_commit", tool=_NEW, about="name", make=_name),
        Job(kind="create_branch", tool="github_push_patch", about="branch", make=_patched),
        Job(kind="open_pull", tool="github_push_patch", about="branch", make=_patched),
        Job(kind="move_branch", tool=_NEW, about="name", make=_name),
        Job(kind="merge_pull", tool="github_merge_pull", about="head_sha", make=_green),
        Job(kind="update_branch", tool="github_update_branch", about="head_sha", make=_behind),
        Job(kind="set_description", tool=_META, about="repo", make=_undescribed),
        Job(kind="set_topics", tool=_META, about="repo", make=_without_topics),
        Job(kind="comment_pull", tool="github_comment_pull", about="purpose", make=_commented),
        Job(kind="open_report", tool=_REPORT, about="repo", make=_unreported),
        Job(kind="update_report", tool=_REPORT, about="repo", make=_reported),
        Job(
            kind="disable_workflow",
            tool="github_disable_workflow",
            about="workflow_id",
            make=_scheduled,
        ),
    )
}

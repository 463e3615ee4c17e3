"""No secret in anything that is written or said, however it comes in and in whatever coding.

One day and a few failures in a world whose every text carries every secret, and whose errors
repeat the request's own headers; then each surface is searched for each form.
"""

import base64
import html
import json
import logging
import os
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import quote

import httpx2
import pytest
from mcp.client import Client
from pydantic import SecretStr

from agent import commands
from agent.run import Options
from agent.state import State
from agent.tools import Tools, text_of
from agent.wiring import Wired
from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.guard.redact import RedactedStream, RedactingFilter
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from mcp_server.sandbox.world import EPOCH, World
from mcp_server.server import build_server
from mcp_server.services import Services
from mcp_server.settings import Settings
from tests.test_key_formats import SAMPLES

SIZE = replace(CALM, repositories=2, allowance=4, empty=0, archived=0, forks=0)
# Keys of the services must be header values; the one of the markers may be anything.
MARKER_KEY = 'm4rk&r <"key"> with\\ev\'ry+thing/= in it'
KNOWN = {"Jules key": JULES_KEY, "GitHub token": GITHUB_TOKEN, "marker key": MARKER_KEY}
UNKNOWN = {
    f"{name} {number}": before + key
    for name, rows in SAMPLES.items()
    for number, (before, key) in enumerate(rows)
}


def base64_core(secret: str, offset: int) -> str:
    """Return what of its Base64 depends on the secret alone, at this place modulo three."""
    text = base64.b64encode(b"x" * offset + secret.encode()).decode().rstrip("=")
    return text[4 if offset else 0 : -1]


CODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda secret: quote(secret, safe=""),
    "percent, path": quote,
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "HTML": html.escape,
    "reversed": lambda secret: secret[::-1],
    **{f"base64 at {n}": lambda secret, n=n: base64_core(secret, n) for n in range(3)},
}
FORMS = {
    f"{name}, {coding}": code(secret)
    for name, secret in KNOWN.items()
    for coding, code in CODINGS.items()
}
# What is looked for; of an unknown key the part that is the key, of which some stand in context.
SOUGHT = {**FORMS, **{name: key[-16:] for name, key in UNKNOWN.items()}}
CARGO = " ; ".join([*FORMS.values(), *UNKNOWN.values()])
KEY_HEADERS = ("authorization", "x-goog-api-key")
# Fields that hold other people's words, in the answers of Jules, GitHub and the sites.
WORDS = frozenset(
    {"agentMessage", "body", "description", "message", "prompt", "reason", "title", "userMessage"}
)


def laden(value: object) -> object:
    """Return JSON with the cargo behind every text of other people's."""
    if isinstance(value, list):
        return [laden(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{item} {CARGO}" if name in WORDS and isinstance(item, str) else laden(item)
        for name, item in cast("dict[str, object]", value).items()
    }


@dataclass
class Leaky(httpx2.AsyncBaseTransport):
    """A network that loads every answer; while `status` is set, it fails and repeats headers.

    With `reads` it goes on reading then, and only what would change something fails.
    """

    world: World
    status: int | None = None
    reads: bool = False
    heard: list[httpx2.Request] = field(default_factory=list[httpx2.Request])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer, laden."""
        self.heard.append(request)
        if self.status is not None and not (self.reads and request.method == "GET"):
            return self._echo(request, self.status)
        response = await self.world.transport().handle_async_request(request)
        body = await response.aread()
        try:
            answer = laden(json.loads(body))
        except ValueError:
            return response
        kept = [(k, v) for k, v in response.headers.raw if k.lower() != b"content-length"]
        return httpx2.Response(
            response.status_code, headers=kept, content=json.dumps(answer).encode()
        )

    def _echo(self, request: httpx2.Request, status: int) -> httpx2.Response:
        said = f"{ {name: request.headers.get(name) for name in KEY_HEADERS} } {CARGO}"
        error = {"code": status, "status": said, "message": said}
        date = self.world.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        body = {"error": error, "message": said} if "jules" in request.url.host else error
        return httpx2.Response(status, headers={"date": date}, json=body)


Surfaces = dict[str, str]
READS: Sequence[tuple[str, dict[str, object]]] = (
    ("budget_status", {}),
    ("audit_events", {}),
    ("jules_list_sources", {}),
    ("jules_list_sessions", {"max_age": 0}),
    ("github_list_repos", {"max_age": 0}),
    ("github_repo_health", {}),
    ("trends_discover", {}),
    ("trends_match", {"title": CARGO[:200]}),
)
FAILING: Sequence[tuple[str, dict[str, object]]] = (
    ("jules_list_sessions", {"max_age": 0}),
    ("jules_get_session", {"session_id": JULES_KEY}),
    ("github_get_pull", {"repo": f"a/{GITHUB_TOKEN}", "number": 1}),
    ("jules_start_session", {"prompt": "x", "template": JULES_KEY}),
    ("budget_pause", {"reason": CARGO[:200]}),
    ("budget_resume", {}),
)
REPO = "factory-owner/recipe-web"
# Refused by the services, each in their own words, which the ledger keeps.
REFUSED: Sequence[tuple[int, str, dict[str, object]]] = (
    (422, "github_create_private_repo", {"name": "another-app", "description": CARGO[:300]}),
    (400, "jules_start_session", {"prompt": CARGO, "repo": REPO, "title": CARGO[:150]}),
)


@dataclass
class Place:
    """A server over a leaky network, its agent, and where both of them write."""

    folder: Path
    clock: LoopClock
    network: Leaky
    parts: Services
    wired: Wired
    surfaces: Surfaces = field(default_factory=Surfaces)

    async def run(self) -> None:
        """Live a day, look at everything, and fail in every way."""
        printed: list[str] = []
        options = Options(until=timedelta(minutes=150))
        out = self.folder / "out"
        finished = await commands.run(self.wired, options, out=out, say=printed.append)
        self.surfaces["progress"] = "\n".join(printed)
        self.surfaces["report"] = finished.markdown + finished.report.model_dump_json()
        self.surfaces["tool results"] = "\n".join([await self.call(*one) for one in READS])
        errors: list[str] = []
        # Tomorrow there is an allowance again.
        await self.clock.sleep_until(self.clock.now() + timedelta(hours=25))
        self.network.reads = True
        for status, tool, given in REFUSED:
            self.network.status = status
            errors.append(await self.call(tool, given))
        self.network.reads = False
        for status in (400, 401, 403, 404, 409, 422, 429, 500):
            self.network.status = status
            errors += [await self.call(*one) for one in FAILING]
        self.surfaces["error results"] = "\n".join(errors)
        self.surfaces["requests"] = "\n".join(_sent(self.network.heard))

    async def call(self, tool: str, given: Mapping[str, object]) -> str:
        """Call a tool; return all that it says, in the form that travels."""
        result = await self.wired.tools.raw(tool, given)
        return f"{text_of(result)}\n{result.model_dump_json()}"


def _sent(requests: Sequence[httpx2.Request]) -> Iterator[str]:
    """Yield what left, but for the key that its own service is sent."""
    for request in requests:
        others = {k: v for k, v in request.headers.items() if k not in KEY_HEADERS}
        yield f"{request.method} {request.url} {others} {request.content.decode()}"


@contextmanager
def logged(parts: Services) -> Generator[tuple[StringIO, StringIO]]:
    """Collect every log line as the server's own handler would write it, and ours unfiltered."""
    root, sink, ours = logging.getLogger(), StringIO(), StringIO()
    handler = logging.StreamHandler(sink)
    handler.addFilter(RedactingFilter(parts.redactor))
    bare = logging.StreamHandler(ours)
    bare.addFilter(lambda record: record.name.startswith(("agent", "mcp_server")))
    root.addHandler(bare)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield sink, ours
    finally:
        root.setLevel(level)
        root.removeHandler(bare)
        root.removeHandler(handler)


def day_in(folder: Path) -> Surfaces:
    """Return everything that one day wrote and said, by surface."""
    surfaces = run_virtual(live(folder))
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            surfaces[path.name] = path.read_bytes().decode("utf-8", "replace")
    return surfaces


async def live(folder: Path) -> Surfaces:
    """Return everything that one day said."""
    clock = LoopClock(EPOCH)
    world = World(seed=7, clock=clock, sites=Sites(seed=7, directory=None), size=SIZE)
    network = Leaky(world)
    url = f"sqlite:///{folder}/state.db"
    async with AsyncExitStack() as stack:
        engine = store.open_engine(url)
        stack.callback(engine.dispose)
        parts = services.connect(
            Settings(
                allowance=SIZE.allowance,
                jules_api_key=SecretStr(JULES_KEY),
                github_token=SecretStr(GITHUB_TOKEN),
                marker_key=SecretStr(MARKER_KEY),
            ),
            clock=clock,
            engine=engine,
            network=services.Network(reads=network, fresh=lambda: network, pages=network),
            world="sandbox:7",
        )
        log, ours = stack.enter_context(logged(parts))
        client = await stack.enter_async_context(Client(build_server(parts)))
        state = State(url)
        stack.callback(state.close)
        tools = Tools(client)
        wired = Wired(
            tools=tools,
            clock=clock,
            state=state,
            name="sandbox:7",
            seed=7,
            never_touch=(),
            archive_others=False,
            world=world,
        )
        place = Place(folder, clock, network, parts, wired)
        await place.run()
        surfaces = place.surfaces
        await parts.transport.drain()
    surfaces["log"] = log.getvalue()
    surfaces["log, unfiltered"] = ours.getvalue()
    surfaces["traceback"] = _traceback(parts)
    surfaces["reprs"] = f"{parts!r} {parts.settings!r} {parts.transport!r} {parts.redactor!r}"
    return surfaces


def _traceback(parts: Services) -> str:
    """Return what the server's stderr shows of an error that nobody caught."""
    sink = StringIO()
    stream = RedactedStream(sink, parts.redactor)
    try:
        try:
            raise ValueError(CARGO)
        except ValueError as error:
            raise RuntimeError(CARGO) from error
    except RuntimeError:
        traceback.print_exc(file=cast("TextIO", stream))
    stream.release()
    return sink.getvalue()


WRITTEN = ("report.json", "report.md", "plan.json", "audit.jsonl", "run.log", "state.db")
SAID = (
    "progress",
    "report",
    "tool results",
    "error results",
    "requests",
    "log",
    "log, unfiltered",
    "traceback",
)


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> Surfaces:
    """Return everything that one day wrote and said."""
    return day_in(tmp_path_factory.mktemp("day"))


def leaks(text: str) -> list[str]:
    """Return the names of the forms that stand in `text`, also as Markdown escapes them."""
    plain = text.replace("\\", "")
    return [name for name, form in SOUGHT.items() if form in text or form in plain]


@pytest.mark.parametrize("surface", [*WRITTEN, *SAID, "reprs"])
def test_no_form_of_any_secret_stands_there(surfaces: Surfaces, surface: str) -> None:
    """facts/safety.md 7 (31): the cross product, 0 leaks."""
    assert surfaces[surface]
    assert leaks(surfaces[surface]) == []


@pytest.mark.parametrize(
    "surface",
    [
        "report.json",
        "report.md",
        "plan.json",
        "state.db",
        "tool results",
        "error results",
        "log",
        "requests",
    ],
)
def test_the_secrets_had_come_that_far(surfaces: Surfaces, surface: str) -> None:
    """A mask stands in their place; a surface that nothing reached would prove nothing."""
    assert "***" in surfaces[surface].replace("\\", "")


def test_every_file_was_searched(surfaces: Surfaces) -> None:
    """A new artefact must be named here, and so looked at."""
    assert set(surfaces) - {*WRITTEN, *SAID, "reprs"} <= {"report.html"}


def test_the_search_finds_each_form() -> None:
    """The check of the tests above can fail."""
    assert leaks(f"before {CARGO} after") == list(SOUGHT)


def test_the_secrets_are_no_part_of_this_process_environment() -> None:
    """A child would inherit them; settings take theirs from the caller's mapping only."""
    assert not any(secret in value for secret in KNOWN.values() for value in os.environ.values())

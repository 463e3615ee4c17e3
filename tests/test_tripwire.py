"""The tripwire: what goes round the guarded transport gets nowhere, and nothing of ours does.

An audit hook stays for the life of its process, so that every case runs in a child
(`tripwire_process.py`).
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from agent.tools import text_of
from mcp_server.sandbox.jules_wire import JULES_KEY
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from tests import tripwire_process
from tests.test_sigkill import Place, place

ROOT = Path(__file__).parents[1]
REPO = "factory-owner/recipe-web"
REFUSED = "mcp_server.errors.Refused: tripwire: "
WAYS = (
    *tripwire_process.CONNECTIONS,
    *tripwire_process.PROCESSES,
    *tripwire_process.ARMED_ONLY,
    "a task that outlives its pass",
)


def child(folder: Path, what: str, *arguments: str, environment: Mapping[str, str]) -> Any:
    """Run `tripwire_process` in `folder`; return what it told."""
    told = folder / "told"
    command = [sys.executable, "-m", "tests.tripwire_process", what, str(told), *arguments]
    done = subprocess.run(  # noqa: S603 -- our own module
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, check=False
    )
    assert told.exists(), done.stderr.decode()
    return {**json.loads(told.read_text(encoding="utf-8")), "stderr": done.stderr.decode()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Return how every way out ended in one process, first free and then armed."""
    # Short, since the name of a socket file may have 108 bytes.
    folder = tmp_path_factory.mktemp("w")
    return child(folder, "ways", str(folder), environment={"PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("way", WAYS)
def test_a_way_round_the_transport_is_refused(found: Mapping[str, Any], way: str) -> None:
    """facts/safety.md 2.3 and 7 (16): by an error of ours, whatever library stands between."""
    assert found["armed"][way]["said"].startswith(REFUSED)
    assert not found["armed"][way]["got_out"]


@pytest.mark.parametrize("way", [*tripwire_process.CONNECTIONS, *tripwire_process.PROCESSES])
def test_the_same_way_leads_out_where_nothing_is_armed(found: Mapping[str, Any], way: str) -> None:
    """Else the refusals above would prove nothing."""
    if way in ("git", "curl") and "FileNotFoundError" in found["free"][way]["said"]:
        pytest.skip(f"{way} is not installed")
    assert found["free"][way]["got_out"], found["free"][way]["said"]


def test_nothing_got_out_but_what_the_transport_would_send(found: Mapping[str, Any]) -> None:
    """Counted outside, with the one connection inside a pass that comes last."""
    assert (found["passed"], found["reached"]) == ("done", 1)


def test_what_is_ours_goes_on(found: Mapping[str, Any]) -> None:
    """A name that is being sent to, our own child, a loop, a database, a socket that may listen."""
    assert found["fine"] == dict.fromkeys(found["fine"], "done")
    assert len(found["fine"]) == 6


def test_arming_again_only_forbids_more(found: Mapping[str, Any]) -> None:
    """No code in the process can take a hook away, nor widen what it allows."""
    assert found["narrowed"].startswith(REFUSED)


def test_a_refusal_is_told_without_the_arguments_of_a_process(found: Mapping[str, Any]) -> None:
    """In the log, since a library may swallow it; a command line may hold a key."""
    assert "tripwire: subprocess.Popen: a process 'gh'" in found["stderr"]
    assert "key-in-an-argument" not in found["stderr"]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """Serve a small world to both tests that need one."""
    with place(tmp_path_factory.mktemp("world"), 3) as there:
        yield there


def served(there: Place) -> dict[str, str]:
    """Return the environment of a process whose services are a served world."""
    port = there.url.rpartition(":")[2]
    return {
        "PYTHONPATH": str(ROOT),
        "JULES_API_KEY": JULES_KEY,
        "GITHUB_TOKEN": GITHUB_TOKEN,
        # By name, so that asyncio looks it up in a thread.
        "FACTORY_JULES_URL": f"http://localhost:{port}/jules/v1alpha",
        "FACTORY_GITHUB_URL": f"http://localhost:{port}/github",
        "FACTORY_ALLOW_LOOPBACK_HTTP": "1",
    }


async def session(there: Place, told: Path) -> list[str]:
    """Look, settle, start a session and look again over stdio; return what was an error."""
    arguments = ["-m", "tests.tripwire_process", "server", str(told), "--state", there.state_url]
    parameters = StdioServerParameters(
        command=sys.executable, args=arguments, env={**os.environ, **served(there)}
    )
    failed: list[str] = []
    async with Client(stdio_client(parameters)) as client:

        async def call(tool: str, **given: object) -> None:
            result = await client.call_tool(tool, given)
            if result.is_error:
                failed.append(text_of(result))

        for tool in ("budget_status", "jules_list_sources", "github_list_repos", "trends_sources"):
            await call(tool)
        joined = there.ask("/world/join", {})
        later = datetime.fromisoformat(joined["now"]) + timedelta(minutes=11)
        there.ask("/world/sleep", {"client": joined["client"], "until": later.isoformat()})
        await call("jules_list_sessions", max_age=0)
        await call("jules_start_session", prompt="Add tests", repo=REPO, title="Tests")
    return failed


def test_a_session_over_stdio_trips_nothing_in_an_armed_server(
    there: Place, tmp_path: Path
) -> None:
    """Reads and a mutation over real sockets; then the same process cannot get out otherwise."""
    assert asyncio.run(session(there, tmp_path / "told")) == []
    assert len(there.ask("/world")["sessions"]) == 1
    told = json.loads((tmp_path / "told").read_text(encoding="utf-8"))
    assert told["exit"] == 0
    assert told["probe"].startswith(REFUSED)


def test_an_armed_agent_may_start_its_own_server(there: Place, tmp_path: Path) -> None:
    """And the child, armed as well, reaches its services."""
    told = child(
        tmp_path,
        *("agent", "budget", "--json", "--state", f"sqlite:///{tmp_path}/state.db"),
        environment=served(there),
    )
    assert told["exit"] == 0, told["stderr"]
    assert told["probe"].startswith(REFUSED)
    assert told["stderr"].count("tripwire: ") == 1  # the probe's


@pytest.mark.deep
@pytest.mark.parametrize("faults", ["none", "storm"])
def test_a_whole_day_trips_nothing(tmp_path: Path, faults: str) -> None:
    """facts/safety.md 7 (16): no event of ours in a day (test_day.py runs one armed as well)."""
    told = child(
        tmp_path,
        *("agent", "run", "--sandbox", "--size", "small", "--faults", faults),
        environment={"PYTHONPATH": str(ROOT)},
    )
    assert told["exit"] in (0, 3), told["stderr"]
    assert told["probe"].startswith(REFUSED)
    assert told["stderr"].count("tripwire: ") == 1  # the probe's

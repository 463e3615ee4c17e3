"""`agent sandbox serve` and `--world`: a world in one process, the commands of others in it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from tests.shared_data import CAPTURES, need_captures

ROOT = Path(__file__).parents[1]
# Real seconds; what takes milliseconds has hung by then.
PATIENCE_SECONDS = 60
LONG_PATIENCE_SECONDS = 600


@dataclass
class Serving:
    """A process that serves a world: the line it said, and the address in it."""

    process: subprocess.Popen[str]
    line: str
    url: str = field(init=False)

    def __post_init__(self) -> None:
        """Find the address."""
        found = re.search(r"http://127\.0\.0\.1:[0-9]+", self.line)
        assert found, self.line
        self.url = found[0]

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    @contextmanager
    def asked(self, path: str, body: object = None) -> Generator[http.client.HTTPConnection]:
        """Ask the world, by POST with a body, and let the block wait for its answer."""
        patience = PATIENCE_SECONDS
        with closing(
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        ) as asking:
            method = "GET" if body is None else "POST"
            asking.request(method, path, body=None if body is None else json.dumps(body))
            yield asking

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """Ask the world and return its answer."""
        with self.asked(path, body) as asking:
            response = asking.getresponse()
            assert response.status == http.client.OK
            return json.loads(response.read())

    def end(self, sent: signal.Signals) -> tuple[int, str, str]:
        """Send it a signal; return its exit code, and what it said after its line."""
        self.process.send_signal(sent)
        out, err = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, out, err


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `agent ARGUMENTS` in `folder`, with no key set."""
    return subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-m", "agent", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def served(folder: Path, *options: str) -> Generator[Serving]:
    """Serve a world with these options; the process does not outlive the block."""
    with start(folder, "sandbox", "serve", *options) as process:
        try:
            out: IO[str] | None = process.stdout
            assert out is not None
            yield Serving(process, out.readline())
        finally:
            process.kill()


@contextmanager
def running(folder: Path, there: Serving, *options: str) -> Generator[subprocess.Popen[str]]:
    """Run the day in a served world; the process does not outlive the block."""
    arguments = ("run", "--world", there.url, "--json", *options)
    with start(folder, *arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_command_in_another_process_joins_a_served_world_that_ends_by_sigterm(tmp_path: Path):
    """INTERFACE.md: `agent sandbox serve`; the allowance is the world's, not a flag's."""
    with served(tmp_path, "--json", "--size", "small", "--seed", "8") as there:
        assert json.loads(there.line) == {"url": there.url}
        silent = there.ask("/world/join", {})["client"]
        arguments = ("call", "budget_status", "--world", there.url, "--json")
        with start(tmp_path, *arguments) as joined:
            out, err = joined.communicate(timeout=PATIENCE_SECONDS)
        assert (joined.returncode, json.loads(out)["limit"]) == (0, 12)
        # Somebody who has not left: without a word, a run would wait for it for ever.
        assert silent in err
        assert f"{there.url}/world/kick" in err
        assert list(there.ask("/world/clock")["clients"]) == [silent]
        assert there.ask("/world")["seed"] == 8
        assert there.end(signal.SIGTERM) == (0, "", "")


def test_a_world_that_is_interrupted_ends_well_and_so_does_who_lives_in_it(tmp_path: Path):
    """Ctrl-C is how it is meant to end; a run without a world refuses to go on, in a sentence."""
    with served(tmp_path, "--size", "small") as there, running(tmp_path, there) as joined:
        assert there.line == f"sandbox 7 (small) at {there.url}\n"
        there.ask("/world/kill", {"mutation": 1, "side": "before"})
        there.ask("/world/frozen")
        assert there.end(signal.SIGINT) == (0, "", "")
        out, err = joined.communicate(timeout=PATIENCE_SECONDS)
    assert (joined.returncode, out) == (7, "")
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith(f"--world {there.url} is lost: ")


def test_a_joined_run_that_is_killed_is_resumed_by_the_next(tmp_path: Path):
    """A dead client is sent away by hand: that nothing comes from it proves nothing."""
    options = ("--state", f"sqlite:///{tmp_path}/state.db", "--only", "create")
    with served(tmp_path, "--size", "small") as there:
        there.ask("/world/kill", {"mutation": 14, "side": "after"})
        with running(tmp_path, there, *options) as first:
            there.ask("/world/frozen")
            first.kill()
        (dead,) = there.ask("/world/clock")["clients"]
        there.ask("/world/kick", {"client": dead})
        with running(tmp_path, there, *options) as second:
            out, err = second.communicate(timeout=PATIENCE_SECONDS)
        world = there.ask("/world")
    report = json.loads(out)
    assert second.returncode in (0, 3), err
    assert (report["run"]["world"], report["run"]["resumed"]) == ("sandbox:7", True)
    ours = [one for one in world["sessions"].values() if one["title"].startswith("[df1 ")]
    assert len(ours) == sum(task["sessions_spent"] for task in report["tasks"]) > 0
    assert world["violations"] == []


@pytest.mark.deep
def test_a_full_day_over_sockets_comes_home(tmp_path: Path):
    """A hundred sessions, with every byte between two processes."""
    need_captures()
    options = ("--json", "--sites", str(CAPTURES))
    with served(tmp_path, *options) as there, running(tmp_path, there) as joined:
        out, err = joined.communicate(timeout=LONG_PATIENCE_SECONDS)
        world = there.ask("/world")
        assert there.end(signal.SIGTERM) == (0, "", "")
    report = json.loads(out)
    assert joined.returncode in (0, 3), err
    assert 85 <= report["allowance"]["spent"] <= 100
    assert sum(task["state"] == "merged" for task in report["tasks"]) >= 60
    assert len(report["repositories"]["created"]) <= 10
    assert world["violations"] == []

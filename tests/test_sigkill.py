"""Real processes, really killed: a run dies by SIGKILL at points that the world names.

Half of the time the disk is lost too. The world goes on in a process of its own, and is asked in
the end whether anything was doubled, lost or over a limit.
"""

import http.client
import json
import re
import selectors
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
# Real seconds; what takes milliseconds has hung by then.
PATIENCE_SECONDS = 60
MARKER = re.compile(r"\[df1 \S+ \S+ \S+ (?P<key>\S+)\.a\d+ \S+\]")


class Death(NamedTuple):
    """A kill at the `mutation`-th mutation of a life, before or after its effect."""

    mutation: int
    side: Literal["before", "after"]
    disk: Literal["kept", "lost"]


@dataclass
class Place:
    """A world in a process of its own, and the folder that its clients keep their states in."""

    url: str
    folder: Path
    portfolio: frozenset[str] = frozenset()
    states: int = 1
    lines: list[str] = field(default_factory=list[str])

    @property
    def state_url(self) -> str:
        """Address of the present database; one that was lost is never used again."""
        return f"sqlite:///{self.folder}/{self.states}.db"

    def ask(self, path: str, body: object = None) -> dict[str, Any]:
        """Ask the world and return its answer; with a body, by POST."""
        with closing(self.connection()) as connection:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body=None if body is None else json.dumps(body))
            response = connection.getresponse()
            assert response.status == http.client.OK, response.read()
            return json.loads(response.read())

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to the world."""
        where = urlsplit(self.url)
        return http.client.HTTPConnection(
            where.hostname or "", where.port, timeout=PATIENCE_SECONDS
        )


@contextmanager
def process(folder: Path, *arguments: str) -> Generator[subprocess.Popen[bytes]]:
    """Start one of `tests/runner_process.py`; it does not outlive the block."""
    command = (sys.executable, "-m", "tests.runner_process", *arguments)
    with (folder / "stderr").open("ab") as stderr:
        started = subprocess.Popen(  # noqa: S603  our own module
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        )
    with started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def place(folder: Path, seed: int) -> Generator[Place]:
    """Serve the world of `seed`."""
    with process(folder, "serve", str(seed)) as serving:
        first = _stdout(serving).readline()
        assert first, (folder / "stderr").read_text()
        there = Place(url=json.loads(first)["url"], folder=folder)
        there.portfolio = frozenset(there.ask("/world")["repositories"])
        yield there


def live(there: Place, death: Death | None) -> dict[str, Any] | None:
    """Run the day until it is through, or until it stands where it is to die; then kill it.

    Returns its report; None when it was killed.
    """
    if death is not None:
        there.ask("/world/kill", {"mutation": death.mutation, "side": death.side})
    with (
        closing(there.connection()) as frozen,
        process(there.folder, "run", there.url, there.state_url) as running,
    ):
        frozen.request("GET", "/world/frozen")
        if _says_first(frozen, _stdout(running), there.lines):
            assert death is not None
            running.kill()
            running.wait(PATIENCE_SECONDS)
            for client in there.ask("/world/clock")["clients"]:
                there.ask("/world/kick", {"client": client})
            return None
        assert running.wait(PATIENCE_SECONDS) == 0, (there.folder / "stderr").read_text()
    return json.loads(there.lines[-1])["report"]


def _says_first(frozen: http.client.HTTPConnection, out: IO[bytes], lines: list[str]) -> bool:
    """Wait for the world's word that something is frozen, or for the end of a process."""
    with selectors.DefaultSelector() as waiting:
        waiting.register(frozen.sock, selectors.EVENT_READ)
        waiting.register(out, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in waiting.select(PATIENCE_SECONDS)}
            assert ready, ("nothing happens any more", lines[-5:])
            if frozen.sock in ready:
                return True
            line = out.readline()
            if not line:
                return False
            lines.append(line.decode())


def _stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None
    return process.stdout


def play(folder: Path, seed: int, deaths: Sequence[Death]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Die these deaths, one a life, then live to the end; return the world and the last report."""
    with place(folder, seed) as there:
        for death in deaths:
            if live(there, death) is not None:
                pytest.fail(f"the day was through before {death}")
            if death.disk == "lost":
                there.states += 1
        report = live(there, None)
        assert report is not None
        world = there.ask("/world")
        made = sorted(set(world["repositories"]) - there.portfolio)
        return {**world, "made": made}, report


def check(world: dict[str, Any], report: dict[str, Any]) -> None:
    """Nothing forbidden, nothing twice, and everything begun brought to its end."""
    assert world["violations"] == []
    ours = {
        session_id: (match["key"], session)
        for session_id, session in world["sessions"].items()
        if (match := MARKER.match(session["title"]))
    }
    keys = [key for key, _ in ours.values()]
    assert sorted(keys) == sorted(set(keys)), "a task was started twice"
    ended = {
        task["id"]: task["state"]
        for task in report["tasks"]
        if task["state"] in ("merged", "parked", "failed")
    }
    lost = [
        session["title"]
        for key, session in ours.values()
        if not session["archived"] and key not in ended
    ]
    assert lost == [], "sessions that nobody brings to an end"
    served = {session["repo"] for _, session in ours.values()}
    orphans = [repo for repo in world["made"] if repo not in served]
    assert orphans == [], "repositories made for a task that had no session"


# The first leaves a repository without its first commit, the second sessions that the plan made
# anew does not name.
EVERYDAY = (Death(1, "after", "lost"), Death(6, "after", "lost"), Death(2, "before", "kept"))
# Mutations of a day that nothing disturbs: 1 to 4 make the repository, 5 to 8 start sessions, then
# come merges and archives.
ONCE = (
    *(Death(nth, "after", "lost") for nth in (1, 2, 4, 7, 8, 11)),
    Death(14, "before", "lost"),
    *(Death(nth, "after", "kept") for nth in (1, 4, 8, 14)),
    *(Death(nth, "before", "kept") for nth in (3, 7, 11)),
)
DEEP = (
    Death(3, "before", "lost"),
    Death(1, "before", "lost"),
    Death(1, "after", "lost"),
    Death(1, "before", "kept"),
    Death(2, "after", "kept"),
)


def test_a_run_that_is_killed_three_times_brings_the_day_home(tmp_path: Path):
    """DESIGN.md section 6: kill it anywhere and start it again, with an empty disk."""
    check(*play(tmp_path, 3, EVERYDAY))


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_run_that_is_killed_again_and_again_brings_the_day_home(tmp_path: Path, seed: int):
    """Twenty real kills, twelve of them with the disk."""
    check(*play(tmp_path, seed, DEEP))


@pytest.mark.deep
@pytest.mark.parametrize("death", ONCE, ids=lambda death: "-".join(map(str, death)))
def test_a_run_that_is_killed_once_anywhere_brings_home_what_it_began(tmp_path: Path, death: Death):
    """With the disk lost, sessions and repositories are all that is left to tell of a task."""
    check(*play(tmp_path, 3, [death]))


def test_a_world_that_was_doubled_or_left_alone_is_told_from_a_good_one():
    """The check of the tests above can fail."""
    title = "[df1 5ec49f71 2026-11-23 optimize k50dc3647ba73.a1 p2luau6pqxhpq2b5] Improve readme"
    begun = {"title": title, "repo": "me/new", "archived": False}
    merged = {"tasks": [{"id": "k50dc3647ba73", "state": "merged"}]}
    fine: dict[str, Any] = {"violations": [], "sessions": {"1": begun}, "made": ["me/new"]}
    check(fine, merged)
    with pytest.raises(AssertionError, match="nobody brings to an end"):
        check(fine, {"tasks": []})
    with pytest.raises(AssertionError, match="started twice"):
        check({**fine, "sessions": {"1": begun, "2": begun}}, merged)
    with pytest.raises(AssertionError, match="had no session"):
        check({**fine, "made": ["me/new", "me/orphan"]}, merged)
    with pytest.raises(AssertionError):
        check({**fine, "violations": [{"rule": "red_merge"}]}, merged)

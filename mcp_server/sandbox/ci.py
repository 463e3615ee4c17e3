"""Continuous integration: what a push to a repository with a workflow sets going.

A check run's status is a function of the time; only its end is an event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.chance import between, draw
from mcp_server.sandbox.git import Git
from mcp_server.sandbox.mix import Size

WORKFLOWS = ".github/workflows/"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One check run of GitHub Actions on one commit."""

    id: int
    name: str
    sha: str
    branch: str
    pushed: datetime
    registered: datetime
    finished: datetime
    conclusion: str

    def status(self, now: datetime) -> str:
        """Return GitHub's word for how far it is."""
        if now >= self.finished:
            return "completed"
        return "queued" if now < self.registered + timedelta(seconds=5) else "in_progress"


class Ci:
    """The check runs of all repositories."""

    def __init__(self, *, seed: int, agenda: Agenda, size: Size) -> None:
        """Begin with no run; `on_red` is told repository and commit of every failed run."""
        self.on_red: Callable[[str, str], None] = lambda _repo, _sha: None
        self._seed = seed
        self._agenda = agenda
        self._size = size
        self._runs: dict[tuple[str, str], list[Run]] = {}
        self._pushes: dict[str, int] = {}

    def pushed(self, repo: str, branch: str, git: Git, *, broken: bool) -> None:
        """Start what the workflows at the head of `branch` ask for; at most once a commit.

        `broken` is whether the code fails its tests.
        """
        sha = git.branches[branch]
        names = [name for name, text in workflows(git, sha) if "push" in text or "pull_req" in text]
        if not names or (repo, sha) in self._runs:
            return
        place = f"{repo}@{branch}"
        nth = self._pushes[place] = self._pushes.get(place, 0) + 1
        red = broken or draw(self._seed, "ci flake", place, nth) < self._size.odds.ci_flake
        self._runs[repo, sha] = [
            self._run(f"{place}:{PurePosixPath(name).stem}", nth, sha, red=red) for name in names
        ]
        if red:
            end = max(run.finished for run in self._runs[repo, sha])
            self._agenda.at(end, lambda: self.on_red(repo, sha))

    def runs(self, repo: str, sha: str) -> list[Run]:
        """Return the runs registered by now on a commit."""
        now = self._agenda.now
        return [run for run in self._runs.get((repo, sha), []) if run.registered <= now]

    def runs_of(self, repo: str) -> list[Run]:
        """Return all runs of a repository registered by now, oldest first."""
        now = self._agenda.now
        return [
            run
            for (name, _), runs in self._runs.items()
            for run in runs
            if name == repo and run.registered <= now
        ]

    def _run(self, entity: str, nth: int, sha: str, *, red: bool) -> Run:
        seed, now, spans = self._seed, self._agenda.now, self._size.spans
        wait = between(*spans.check_registered, seed, "check registered", entity, nth)
        work = between(*spans.check_runs, seed, "check runs", entity, nth)
        place, _, name = entity.rpartition(":")
        return Run(
            id=int(between(10**9, 10**10, seed, "check id", entity, nth)),
            name=name,
            sha=sha,
            branch=place.partition("@")[2],
            pushed=now,
            registered=now + timedelta(seconds=wait),
            finished=now + timedelta(seconds=wait + work),
            conclusion="failure" if red else "success",
        )


def workflows(git: Git, sha: str) -> list[tuple[str, str]]:
    """Return path and text of every workflow in a commit, by path."""
    return [
        (path, git.text(file) or "")
        for path, file in sorted(git.files(sha).items())
        if path.startswith(WORKFLOWS) and path.endswith((".yml", ".yaml"))
    ]

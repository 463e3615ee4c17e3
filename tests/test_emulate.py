"""Our clients and tools at a GitHub that others wrote: npm `emulate`, over a loopback socket.

The scenarios of facts/github.md 4.1 (2026-11-22); what the peer does unlike GitHub is not asserted:
its refusals' codes, mergeability, secondary limits.
"""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import httpx2
import pytest
from pydantic import SecretStr

from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.errors import BadArgument, Refused
from mcp_server.guard import marker
from mcp_server.models import GateDecision, Merged, PullView
from mcp_server.sandbox.loop import run_virtual
from mcp_server.services import Services
from mcp_server.settings import Settings
from mcp_server.tools.github import GitHubTools
from tests.emulate_peer import OWNER, TOKEN, Peer, Shim, emulated, session
from tests.guard_cases import JULES_KEY, MARKER_KEY

T = TypeVar("T")


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    """Start the peer once; every test has a repository of its own name in it."""
    with emulated() as found:
        yield found


@dataclass(kw_only=True)
class Bench:
    """The tools over the peer, with the pull request number 1 of one repository."""

    peer: Peer
    shim: Shim
    clock: LoopClock
    parts: Services
    tools: GitHubTools
    repo: str

    @property
    def head(self) -> str:
        """Where the pull request's branch stands."""
        return self.peer.head(self.repo, "work")

    async def wait(self, **span: float) -> None:
        """Let the clock of our side go on."""
        await self.clock.sleep_until(self.clock.now() + timedelta(**span))

    async def decide(self) -> GateDecision:
        """Look once."""
        told = await self.tools.github_get_pull(self.repo, 1)
        return PullView.model_validate(told.structured_content).decision

    async def settled(self) -> GateDecision:
        """Look twice, a minute apart."""
        await self.decide()
        await self.wait(seconds=61)
        return await self.decide()

    async def merge(self, sha: str) -> Merged:
        """Ask for the merge of `sha`."""
        told = await self.tools.github_merge_pull(self.repo, 1, sha)
        return Merged.model_validate(told.structured_content)

    def is_open(self) -> bool:
        """Ask the peer itself."""
        return self.peer.ask("GET", f"/repos/{self.repo}/pulls/1")["state"] == "open"


def at_bench(peer: Peer, name: str, play: Callable[[Bench], Awaitable[T]]) -> T:
    """Run `play` over the peer's repository `name`; virtual time begins when the peer's does."""
    repo = f"{OWNER}/{name}"
    tag = marker.issue(
        MARKER_KEY,
        ledger="0badcafe",
        date="2026-11-23",
        lane="optimize",
        task_key="task1",
        attempt=1,
        repo=repo,
        branch="main",
    )

    async def main() -> T:
        clock = LoopClock(peer.now())
        shim = Shim(peer, clock, session(f"{peer.url}/{repo}/pull/1", repo, f"{tag} x"))
        settings = Settings(
            jules_api_key=SecretStr(JULES_KEY),
            github_token=SecretStr(TOKEN),
            github_url=peer.url,
            allow_loopback_http=True,
        )
        with tempfile.TemporaryDirectory() as folder:
            engine = store.open_engine(f"sqlite:///{folder}/state.db")
            parts = services.connect(
                settings,
                clock=clock,
                engine=engine,
                network=services.Network(reads=shim, fresh=lambda: shim, pages=shim),
                world="sandbox:emulate",
            )
            tools = GitHubTools(parts)
            told = await play(
                Bench(peer=peer, shim=shim, clock=clock, parts=parts, tools=tools, repo=repo)
            )
            engine.dispose()
        return told

    return run_virtual(main())


def test_three_repositories_over_two_pages_are_all_listed(peer: Peer):
    """The peer's own `Link` headers lead from page to page."""
    names = [f"paged-{number}" for number in range(3)]
    for name in names:
        peer.ask("POST", "/user/repos", {"name": name, "private": True, "auto_init": True})

    async def play(bench: Bench) -> None:
        bench.shim.page = 2
        found = await bench.parts.account.repositories(max_age=0)
        assert {f"{OWNER}/{name}" for name in names} <= {one.repo for one in found}
        assert len(bench.shim.sent) >= 2
        assert all(one.private for one in found)

    at_bench(peer, "paged-0", play)


def test_ten_repositories_are_made_private_and_the_eleventh_is_never_asked_for():
    """Ours is the limit; what was made has its first commit, which the peer's Git Data API took."""

    async def play(bench: Bench) -> None:
        await bench.parts.account.sessions(max_age=0)
        await bench.wait(minutes=10, seconds=1)
        await bench.parts.account.sessions(max_age=0)
        for number in range(10):
            await bench.tools.github_create_private_repo(f"made-{number}", "A tool", "task")
            await bench.wait(minutes=1)
        before = len(bench.shim.mutations())
        with pytest.raises(Refused):
            await bench.tools.github_create_private_repo("made-10", "A tool", "task")
        assert len(bench.shim.mutations()) == before
        ours = {one["name"]: one for one in bench.peer.ask("GET", "/user/repos?per_page=100")}
        assert sorted(ours) == [f"made-{number}" for number in range(10)]
        assert all(one["private"] and one["visibility"] == "private" for one in ours.values())
        tree = bench.peer.ask("GET", f"/repos/{OWNER}/made-0/git/trees/main?recursive=1")
        assert ".github/workflows/ci.yml" in {entry["path"] for entry in tree["tree"]}

    # A peer of its own: those that the other tests make would count.
    with emulated() as empty:
        at_bench(empty, "made-0", play)


def test_a_pull_request_without_a_check_is_not_merged(peer: Peer):
    """The peer calls it clean, and would merge it."""
    peer.proposed("bare")

    async def play(bench: Bench) -> None:
        decision = await bench.settled()
        assert (decision.verdict, decision.checks) == ("wait", "NONE")
        assert not (await bench.merge(bench.head)).merged
        assert bench.shim.mutations() == []
        assert bench.is_open()

    at_bench(peer, "bare", play)


@pytest.mark.parametrize(
    ("conclusion", "state"), [(None, "PENDING"), ("failure", "FAILED"), ("skipped", "INCOMPLETE")]
)
def test_a_check_that_has_not_succeeded_is_not_merged(
    peer: Peer, conclusion: str | None, state: str
):
    """Running, red, and skipped."""
    name = f"not-green-{conclusion}".lower()
    peer.proposed(name)

    async def play(bench: Bench) -> None:
        bench.peer.check(bench.repo, bench.head, conclusion)
        assert (await bench.settled()).checks == state
        assert not (await bench.merge(bench.head)).merged
        assert bench.shim.mutations() == []

    at_bench(peer, name, play)


def test_a_check_that_protection_requires_is_missed(peer: Peer):
    """Its name comes from the peer's protection; another one's success is not enough."""
    peer.proposed("required")
    protection = {
        "required_status_checks": {"strict": False, "contexts": ["security"]},
        "enforce_admins": True,
        "required_pull_request_reviews": None,
        "restrictions": None,
    }
    peer.ask("PUT", f"/repos/{OWNER}/required/branches/main/protection", protection)

    async def play(bench: Bench) -> None:
        bench.peer.check(bench.repo, bench.head, "success")
        decision = await bench.settled()
        assert decision.checks == "INCOMPLETE"
        assert "security" in decision.reasons[0]
        bench.peer.check(bench.repo, bench.head, "success", name="security")
        await bench.settled()
        assert (await bench.merge(bench.head)).merged

    at_bench(peer, "required", play)


def test_what_is_green_twice_is_merged_and_stands_on_the_base(peer: Peer):
    """The whole way, and what the peer then has."""
    peer.proposed("green")

    async def play(bench: Bench) -> None:
        bench.peer.check(bench.repo, bench.head, "success")
        assert (await bench.decide()).verdict == "wait"
        await bench.wait(seconds=61)
        assert (await bench.decide()).verdict == "merge"
        assert (await bench.merge(bench.head)).merged
        assert not bench.is_open()
        content = bench.peer.ask("GET", f"/repos/{bench.repo}/contents/a.py")
        assert content["path"] == "a.py"
        assert bench.shim.mutations() == [f"PUT /repos/{bench.repo}/pulls/1/merge"]

    at_bench(peer, "green", play)


def test_a_head_that_moves_after_the_judgement_is_not_merged(peer: Peer):
    """Between our last read and the merge; the peer refuses the SHA, and the gate begins anew."""
    peer.proposed("moved")

    async def play(bench: Bench) -> None:
        judged = bench.head
        bench.peer.check(bench.repo, judged, "success")
        await bench.settled()

        def push(request: httpx2.Request) -> None:
            if request.method == "PUT" and bench.head == judged:
                bench.peer.update(bench.repo)

        bench.shim.special = push
        with pytest.raises((BadArgument, Refused)):
            await bench.merge(judged)
        assert bench.is_open()
        assert bench.head != judged
        assert (await bench.settled()).checks == "NONE"
        with pytest.raises(Refused):
            await bench.merge(judged)

    at_bench(peer, "moved", play)


def test_after_an_update_of_the_branch_the_old_check_counts_no_more(peer: Peer):
    """The base moves, we update; what was green was another commit."""
    peer.proposed("updated")

    async def play(bench: Bench) -> None:
        before = bench.head
        bench.peer.check(bench.repo, before, "success")
        assert (await bench.settled()).verdict == "merge"
        bench.peer.push(bench.repo, "main", "c.py", "z = 3\n")
        await bench.tools.github_update_branch(bench.repo, 1, before)
        assert bench.head != before
        assert (await bench.settled()).checks == "NONE"
        bench.peer.check(bench.repo, bench.head, "success")
        await bench.settled()
        assert (await bench.merge(bench.head)).merged

    at_bench(peer, "updated", play)


SCRIPTS: dict[str, tuple[int, str]] = {
    "base moved": (405, "Base branch was modified. Review and try the merge again."),
    "head moved": (409, "Head branch was modified. Review and try the merge again."),
    "forbidden": (403, "Resource not accessible by personal access token"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_merge_that_is_refused_once_is_merged_by_the_next_look(peer: Peer, name: str):
    """Answers that the peer never gives, in GitHub's words, before its own."""
    status, message = SCRIPTS[name]
    place = f"refused-{status}"
    peer.proposed(place)

    async def play(bench: Bench) -> None:
        bench.peer.check(bench.repo, bench.head, "success")
        await bench.settled()
        told = [httpx2.Response(status, json={"message": message})]
        bench.shim.special = lambda request: (
            told.pop() if told and request.method == "PUT" else None
        )
        with pytest.raises(Refused):
            await bench.merge(bench.head)
        assert bench.is_open()
        await bench.wait(seconds=10)
        assert (await bench.merge(bench.head)).merged

    at_bench(peer, place, play)


def test_mergeability_that_is_not_computed_is_waited_for(peer: Peer):
    """`null` first, as GitHub says it; the peer always knows."""
    peer.proposed("unknown")

    async def play(bench: Bench) -> None:
        bench.peer.check(bench.repo, bench.head, "success")
        told: list[int] = [2]

        def forget(request: httpx2.Request) -> httpx2.Response | None:
            if not told[0] or not request.url.path.endswith("/pulls/1"):
                return None
            told[0] -= 1
            pull = bench.peer.ask("GET", request.url.path)
            return httpx2.Response(
                200, json={**pull, "mergeable": None, "mergeable_state": "unknown"}
            )

        bench.shim.special = forget
        decision = await bench.settled()
        assert (decision.verdict, decision.checks) == ("wait", "GREEN")
        assert (await bench.decide()).verdict == "merge"

    at_bench(peer, "unknown", play)

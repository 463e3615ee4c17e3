"""No interleaving of the world with our reads merges what was not wholly green, twice.

The real tools, evidence reader, gate, ledger and guarded transport over a scripted GitHub
(`gate_machine.py`), in virtual time.
"""

import hashlib
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from mcp_server import services, store
from mcp_server.clock import LoopClock
from mcp_server.errors import FactoryError
from mcp_server.guard import marker
from mcp_server.models import PullView
from mcp_server.sandbox.loop import run_virtual
from mcp_server.services import Services
from mcp_server.settings import Settings
from mcp_server.tools.github import GitHubTools
from tests.gate_machine import EVENTS, REPO, FakeGitHub, broken
from tests.guard_cases import GITHUB_TOKEN, JULES_KEY, MARKER_KEY, START

TITLE = marker.issue(
    MARKER_KEY,
    ledger="0badcafe",
    date="2026-11-23",
    lane="optimize",
    task_key="task1",
    attempt=1,
    repo=REPO,
    branch="main",
)
# A run waits for an approval, and the token may no longer see it (found among 5,000, 2026-11-23).
UNTOLD = [(0, "all green"), (0, "approval needed"), (0, "no right to actions")]
# What no run may be without: else it proves nothing.
HAPPENED = {"merged before the end", "merged at the end", "wait", "fix", "human", "merge"}


def connected(engine: sa.Engine, clock: LoopClock, github: FakeGitHub) -> Services:
    """Return a server's parts over the scripted GitHub."""
    return services.connect(
        Settings(jules_api_key=SecretStr(JULES_KEY), github_token=SecretStr(GITHUB_TOKEN)),
        clock=clock,
        engine=engine,
        network=services.Network(reads=github, fresh=lambda: github, pages=github),
        world="sandbox:gate",
        new_id=lambda: hashlib.sha256(b"gate").hexdigest()[:8],
    )


async def look(tools: GitHubTools, seen: Counter[str]) -> None:
    """Do what the agent does at each of its looks: read, and merge when the gate says so."""
    with suppress(FactoryError):
        told = await tools.github_get_pull(REPO, 7)
        decision = PullView.model_validate(told.structured_content).decision
        seen[decision.verdict] += 1
        if decision.verdict == "merge":
            await tools.github_merge_pull(REPO, 7, decision.head_sha)


async def play(
    engine: sa.Engine, script: list[tuple[int, str]], waits: list[int], kind: str
) -> Counter[str]:
    """Look again and again while the script goes on, then at a world that is fair and green."""
    clock = LoopClock(START)
    github = FakeGitHub(
        clock,
        f"{TITLE} tests",
        list(script),
        candid=kind != "silent",
        fine_grained=kind == "fine-grained",
    )
    tools, seen = GitHubTools(connected(engine, clock, github)), Counter[str]()

    async def wait(seconds: int) -> None:
        await clock.sleep_until(clock.now() + timedelta(seconds=seconds))

    for seconds in waits:
        await look(tools, seen)
        await wait(seconds)
    if github.merged:
        seen["merged before the end"] += 1
    else:
        github.mend()
        for _ in range(6):
            await look(tools, seen)
            await wait(45)
        seen["merged at the end"] += 1
    assert github.merged, "fair and green, and not merged"
    assert broken(github) is None, broken(github)
    return seen


KINDS = ("silent", "silent", "candid", "fine-grained")
# Green often enough that what comes next is a threat: of two scripts one begins so.
THREATS = ("status fails", "late check fails", "late check starts", "ci starts", "approval needed")
HAPPENINGS = (*sorted(EVENTS), *["all green"] * 8, *["rights again"] * 2, *THREATS * 3)
STEPS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(HAPPENINGS)), max_size=14)
SCRIPTS = STEPS | STEPS.map(lambda steps: [(0, "all green"), *steps])
WAITS = st.lists(st.sampled_from((1, 20, 31, 45, 90, 400)), min_size=4, max_size=10)


@pytest.mark.parametrize(
    ("examples", "number"), [(100, 1), pytest.param(5000, 2, marks=pytest.mark.deep)]
)
def test_no_schedule_merges_what_was_not_green_and_every_fair_end_is_merged(
    tmp_path: Path, examples: int, number: int
):
    """Issue 6 and facts/github.md 2, the property under its table: the law is `broken`'s."""
    seen = Counter[str]()
    empty = tmp_path / "empty.db"
    store.open_engine(f"sqlite:///{empty}").dispose()
    begun = empty.read_bytes()

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(SCRIPTS, WAITS, st.sampled_from(KINDS))
    @example(UNTOLD, [1, 1, 1, 90], "silent")
    def law(script: list[tuple[int, str]], waits: list[int], kind: str) -> None:
        file = tmp_path / "state.db"
        file.write_bytes(begun)
        engine = store.open_engine(f"sqlite:///{file}")
        seen.update(run_virtual(play(engine, script, waits, kind)))
        engine.dispose()

    law()
    assert set(seen) >= HAPPENED

"""The oracle against a deliberately bad client, which commits each forbidden act on the wire."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.sandbox.mix import CALM, SMALL
from mcp_server.sandbox.oracle import Oracle
from mcp_server.sandbox.repository import Pull
from mcp_server.sandbox.visitor import Visitor, scripted, visit

Act: TypeAlias = Callable[[Visitor], Awaitable[None]]

REPO = "factory-owner/habit-cli"
PATH = f"/repos/{REPO}"
EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
# Nothing goes wrong by chance, and Jules itself does not stop anybody.
LAWLESS = replace(
    CALM,
    foreign_sessions_per_day=1,
    cap_enforced=False,
    odds=replace(CALM.odds, foreign_with_pull=1),
)


def title(key: str = "k0123456789ab", attempt: int = 1) -> str:
    """Return a title with a marker as the product writes it."""
    marker = f"df1 7f3a9c2e 2026-11-23 optimize {key}.a{attempt} abcdefghijklmnopqrstuvwxyz"
    return f"[{marker}] Add tests"


async def open_pull(v: Visitor, name: str = title()) -> Pull:
    """Start a session and wait until it has opened a pull request, and no longer."""
    pulls = v.world.github.repos[REPO].pulls
    known = len(pulls)
    await v.start(REPO, name)
    while len(pulls) == known:
        await v.wait(seconds=20)
    return pulls[known + 1]


async def judged_pull(v: Visitor, name: str = title()) -> Pull:
    """Wait for the checks too, and read the pull request."""
    pull = await open_pull(v, name)
    await v.wait(minutes=6)
    await v.github("GET", f"{PATH}/pulls/{pull.number}")
    return pull


async def merge(v: Visitor, pull: Pull, sha: str | None) -> None:
    body = {"merge_method": "squash", **({"sha": sha} if sha else {})}
    answer = await v.github("PUT", f"{PATH}/pulls/{pull.number}/merge", body)
    answer.raise_for_status()


async def start_too_many(v: Visitor) -> None:
    for nth in range(SMALL.allowance):
        await v.start(None, title(f"k{nth}"))


async def run_too_many(v: Visitor) -> None:
    for nth in range(16):
        await v.start(None, title(f"k{nth}"))


async def double_a_task(v: Visitor) -> None:
    await v.start(REPO, title("k1"))
    await v.start(None, title("k1").replace("7f3a9c2e", "00000000"))


async def create_public(v: Visitor) -> None:
    await v.github("POST", "/user/repos", {"name": "open", "auto_init": True})


async def make_public(v: Visitor) -> None:
    await v.github("PATCH", PATH, {"private": False})


async def make_visible(v: Visitor) -> None:
    await v.github("PATCH", PATH, {"visibility": "public"})


async def create_eleven(v: Visitor) -> None:
    for nth in range(11):
        await v.github("POST", "/user/repos", {"name": f"n{nth}", "private": True})


async def delete_repository(v: Visitor) -> None:
    await v.github("DELETE", PATH)


async def delete_branch(v: Visitor) -> None:
    pull = await open_pull(v)
    await v.github("DELETE", f"{PATH}/git/refs/heads/{pull.head_ref}")


async def delete_session(v: Visitor) -> None:
    session = await v.start(None, title())
    await v.jules("DELETE", f"/sessions/{session['id']}")


async def force_a_ref(v: Visitor) -> None:
    pull = await open_pull(v)
    body = {"sha": pull.base, "force": True}
    await v.github("PATCH", f"{PATH}/git/refs/heads/{pull.head_ref}", body)


async def commit(v: Visitor) -> str:
    """Make a commit on the default branch that no branch stands at; return it."""
    repo = v.world.github.repos[REPO]
    return v.world.github.commit(repo, repo.git.branches["main"], {"a.py": "x = 1\n"}, "x", "y <z>")


async def write_to_main(v: Visitor) -> None:
    answer = await v.github("PATCH", f"{PATH}/git/refs/heads/main", {"sha": await commit(v)})
    answer.raise_for_status()


async def merge_its_own(v: Visitor) -> None:
    await v.github("POST", f"{PATH}/git/refs", {"ref": "refs/heads/x", "sha": await commit(v)})
    body = {"title": "x", "head": "x", "base": "main", "body": ""}
    number = (await v.github("POST", f"{PATH}/pulls", body)).json()["number"]
    await v.wait(minutes=6)
    head = (await v.github("GET", f"{PATH}/pulls/{number}")).json()["head"]["sha"]
    await merge(v, v.world.github.repos[REPO].pulls[number], head)


async def merge_red(v: Visitor) -> None:
    v.world.jules.script = scripted(first_push_red=True, fixes_itself=False)
    pull = await judged_pull(v)
    await merge(v, pull, pull.head)


async def merge_unchecked(v: Visitor) -> None:
    pull = await open_pull(v)
    await v.github("GET", f"{PATH}/pulls/{pull.number}")
    await merge(v, pull, pull.head)


async def merge_unpinned(v: Visitor) -> None:
    await merge(v, await judged_pull(v), None)


async def merge_unseen(v: Visitor) -> None:
    pull = await judged_pull(v)
    await v.jules("POST", f"/sessions/{pull.session}:sendMessage", {"prompt": "Once more"})
    await v.wait(minutes=15)
    await merge(v, pull, pull.head)


async def merge_the_users(v: Visitor) -> None:
    pull = await judged_pull(v, "Try something")
    await merge(v, pull, pull.head)


async def merge_a_workflow(v: Visitor) -> None:
    v.world.jules.script = scripted(touches_workflow=True)
    pull = await judged_pull(v)
    await merge(v, pull, pull.head)


async def archive_running(v: Visitor) -> None:
    session = await v.start(None, title())
    await v.wait(minutes=3)
    await v.jules("POST", f"/sessions/{session['id']}:archive", {})


async def archive_before_merge(v: Visitor) -> None:
    pull = await judged_pull(v)
    await v.jules("POST", f"/sessions/{pull.session}:archive", {})


async def archive_foreign(v: Visitor) -> None:
    foreign = next(s for s in v.world.jules.sessions.values() if s.foreign)
    repo = v.world.github.repos[foreign.order.repo or ""]
    while foreign.pull is None:
        await v.wait(minutes=1)
    path = f"/repos/{repo.full_name}/pulls/{foreign.pull}"
    await v.github("PATCH", path, {"state": "closed"})
    await v.jules("POST", f"/sessions/{foreign.id}:archive", {})


async def message_foreign(v: Visitor) -> None:
    foreign = next(s for s in v.world.jules.sessions.values() if s.foreign)
    await v.jules("POST", f"/sessions/{foreign.id}:sendMessage", {"prompt": "Stop"})


FORBIDDEN: list[tuple[Act, list[str]]] = [
    # One session of the user's stands in the window: the twelfth of ours is the thirteenth.
    (start_too_many, ["session_over_allowance"]),
    (run_too_many, [*["session_over_allowance"] * 5, "too_many_running"]),
    (double_a_task, ["task_doubled"]),
    (create_public, ["repository_public"]),
    (make_public, ["made_public"]),
    (make_visible, ["made_public"]),
    (create_eleven, ["too_many_repositories"]),
    (delete_repository, ["deleted"]),
    (delete_branch, ["deleted"]),
    (delete_session, ["deleted"]),
    (force_a_ref, ["foreign_write", "forced_ref"]),
    (write_to_main, ["foreign_write"]),
    (merge_its_own, ["foreign_merge"]),
    (merge_red, ["red_merge"]),
    (merge_unchecked, ["red_merge"]),
    (merge_unpinned, ["unpinned_merge"]),
    (merge_unseen, ["stale_merge"]),
    (merge_the_users, ["foreign_merge"]),
    (merge_a_workflow, ["protected_path_merge"]),
    (archive_running, ["archived_running"]),
    (archive_before_merge, ["archived_open_pr"]),
    (archive_foreign, ["archived_foreign"]),
    (message_foreign, ["messaged_foreign"]),
]


@pytest.mark.parametrize(("act", "rules"), FORBIDDEN, ids=[act.__name__ for act, _ in FORBIDDEN])
def test_each_forbidden_act_is_reported_by_its_name(act: Act, rules: list[str]) -> None:
    """And by no other: DESIGN.md section 8."""

    async def play(v: Visitor) -> list[str]:
        await act(v)
        return [violation.rule for violation in v.world.oracle.violations()]

    assert visit(play, size=LAWLESS) == rules


def test_a_well_behaved_flow_is_reported_by_nothing() -> None:
    """Start with a marker, wait, read, merge the head that was read, archive; create privately."""

    async def play(v: Visitor) -> tuple[list[str], list[str], str | None]:
        body = {"name": "fresh", "private": True, "auto_init": True}
        await v.github("POST", "/user/repos", body)
        await v.start(None, title("k2"))
        pull = await judged_pull(v)
        await merge(v, pull, pull.head)
        await v.jules("POST", f"/sessions/{pull.session}:archive", {})
        await v.wait(minutes=2 * 24 * 60)
        effects = [effect.kind for effect in v.world.oracle.effects]
        return [found.rule for found in v.world.oracle.violations()], effects, pull.merge_sha

    violations, effects, merged = visit(play, size=LAWLESS)
    assert violations == []
    assert merged is not None
    assert {"repository_created", "session_archived", "pull_merged"} < set(effects)


def test_the_same_flow_in_a_lawful_world_keeps_the_allowance() -> None:
    """Jules' own cap refuses what the oracle would report: the thirteenth leaves no effect."""

    async def play(v: Visitor) -> tuple[list[int], list[str]]:
        answers = [await v.jules("POST", "/sessions", {"prompt": "x"}) for _ in range(14)]
        codes = [answer.status_code for answer in answers]
        return codes, [found.rule for found in v.world.oracle.violations()]

    codes, violations = visit(play, size=SMALL)
    assert codes == [200] * 11 + [400] * 3
    assert violations == []


@given(
    hours=st.lists(st.integers(0, 24 * 8), max_size=60).map(sorted),
    foreign=st.lists(st.booleans(), min_size=60, max_size=60),
)
def test_the_allowance_is_judged_in_every_window_of_24_hours(
    hours: list[int], foreign: list[bool]
) -> None:
    """A start in quarter hours; counted again naively, one window for each start of ours."""
    oracle = Oracle(allowance=4)
    starts = [EPOCH + timedelta(minutes=15 * quarter) for quarter in hours]
    for nth, start in enumerate(starts):
        by = "foreign" if foreign[nth] else "api"
        oracle.record(start, "session_created", session=f"{nth}", by=by, title="")
    found = [v for v in oracle.violations() if v.rule == "session_over_allowance"]
    windows = [
        sum(start - timedelta(hours=24) < other for other in starts[: nth + 1])
        for nth, start in enumerate(starts)
        if not foreign[nth]
    ]
    assert len(found) == sum(count > 4 for count in windows)


@pytest.mark.parametrize(("minutes", "rules"), [(-1, ["session_over_allowance"]), (0, [])])
def test_a_start_leaves_the_window_after_exactly_24_hours(minutes: int, rules: list[str]) -> None:
    """The window is open at its far end."""
    oracle = Oracle(allowance=1)
    for nth, at in enumerate((EPOCH, EPOCH + timedelta(hours=24, minutes=minutes))):
        oracle.record(at, "session_created", session=f"{nth}", by="api", title="")
    assert [v.rule for v in oracle.violations()] == rules


@pytest.mark.parametrize(
    ("checks", "rules"),
    [
        (("success", "success"), []),
        (("success", "in_progress"), ["red_merge"]),
        (("success", "skipped"), ["red_merge"]),
        (("neutral",), ["red_merge"]),
        ((), ["red_merge"]),
    ],
)
def test_only_success_of_every_check_is_green(checks: tuple[str, ...], rules: list[str]) -> None:
    """Skipped and neutral have let red code in elsewhere (facts/github.md 1.6)."""
    oracle = Oracle(allowance=1)
    oracle.record(EPOCH, "session_created", session="1", by="api", title=title())
    oracle.record(EPOCH, "pull_opened", pull="p", session="1")
    oracle.record(EPOCH, "pull_shown", pull="p", head="h")
    oracle.record(
        EPOCH,
        "pull_merged",
        pull="p",
        head="h",
        sha="h",
        checks=checks,
        paths=("src/a.py",),
        added=(),
    )
    assert [v.rule for v in oracle.violations()] == rules


@pytest.mark.parametrize(("second", "doubled"), [(("k1", 1), True), (("k1", 2), False)])
def test_another_attempt_of_a_task_is_no_double(second: tuple[str, int], *, doubled: bool) -> None:
    """A task's key and attempt together name the work."""
    oracle = Oracle(allowance=100)
    for nth, name in enumerate((title("k1"), title(*second))):
        oracle.record(EPOCH, "session_created", session=f"{nth}", by="api", title=name)
    assert [v.rule for v in oracle.violations()] == ["task_doubled"] * doubled


@pytest.mark.parametrize(
    ("hours", "rules"),
    [
        ([20.0] * 10, []),
        ([20.0] * 5 + [30.0] * 6, ["too_many_repositories"]),  # two UTC days, one window
        ([0.0] * 5 + [23.0] * 6, ["too_many_repositories"]),
        ([20.0] * 10 + [44.0], []),
    ],
)
def test_repositories_are_counted_by_window_and_by_day(
    hours: list[float], rules: list[str]
) -> None:
    """Ten in any rolling 24 h and in a UTC day (DESIGN.md section 5)."""
    oracle = Oracle(allowance=100)
    for nth, hour in enumerate(hours):
        at = EPOCH + timedelta(hours=hour)
        oracle.record(at, "repository_created", repo=f"o/{nth}", private=True)
    assert [v.rule for v in oracle.violations()] == rules


def test_an_effect_without_a_rule_is_refused() -> None:
    """A misspelt kind must not be a hole in the judgement."""
    with pytest.raises(ValueError, match="no rule"):
        Oracle(allowance=1).record(EPOCH, "session_create", session="1")

"""After the merges: whether each base branch held, and which merge broke one that did not."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from agent.act import number_of
from agent.lifecycle import Progress
from agent.tools import Tools
from mcp_server.clock import Clock
from mcp_server.models import Health, HealthReport, PullView

# A base's checks register seconds after the merge, and mostly end within minutes.
# Longer than a listing of repositories is kept, so that each look sees the merges.
LOOK_EVERY = timedelta(minutes=6)
MOST_LOOKS = 4
# What more time can change: what runs, and what has not registered yet.
_OPEN = frozenset({"pending", "none"})
_RED = frozenset({"failure", "error"})


async def watch_bases(
    tools: Tools, clock: Clock, tasks: Iterable[Progress], deadline: datetime
) -> tuple[str, ...]:
    """Return a line for each base branch that is red after a merge of these tasks.

    Looks at all repositories at once, until their checks have ended, for `MOST_LOOKS` looks, or
    until the deadline; what is not known by then is not told.
    """
    merged: dict[str, list[Progress]] = {}
    for one in tasks:
        if one.merged_sha is not None:
            merged.setdefault(one.task.repo.casefold(), []).append(one)
    red: list[str] = []
    waiting = {ones[0].task.repo for ones in merged.values()}
    for _ in range(MOST_LOOKS):
        if not waiting or clock.now() >= deadline:
            break
        await clock.sleep_until(min(clock.now() + LOOK_EVERY, deadline))
        report = await tools.call("github_repo_health", HealthReport, repos=sorted(waiting))
        states = {
            one.repo: one.checks or await _of_merges(tools, merged[one.repo.casefold()])
            for one in report.health
        }
        red += [
            await _told(tools, one, merged[one.repo.casefold()])
            for one in report.health
            if states[one.repo] in _RED
        ]
        waiting = {
            one.repo
            for one in report.health
            if states[one.repo] in _OPEN and one.has_ci is not False
        }
    return tuple(sorted(red))


async def _told(tools: Tools, health: Health, merged: Sequence[Progress]) -> str:
    fails = next((line for line in health.evidence if line.startswith("branch: ")), "")
    said = fails.removeprefix("branch: ") or "the merge's own commit is red"
    return f"{health.repo}: {said}, since {await _breaking(tools, merged)} was merged"


async def _breaking(tools: Tools, merged: Sequence[Progress]) -> str:
    """Return the first merge whose own commit is red; all of them where none shows it."""
    urls = [one.pull_url or "" for one in merged]
    if len(urls) == 1:
        return urls[0]
    for one, url in zip(merged, urls, strict=True):
        if await _after(tools, one) == "FAILED":
            return url
    return f"one of {', '.join(urls)}"


async def _of_merges(tools: Tools, merged: Sequence[Progress]) -> str | None:
    """Return how the merges' own commits stand, where the branch's checks are not told.

    So it is with a fine-grained token, which sees no rollup (facts/github.md 1.8).
    """
    words = {"PENDING": "pending", "FAILED": "failure", "NONE": "none"}
    states = {await _after(tools, one) for one in merged}
    return next((said for state, said in words.items() if state in states), None)


async def _after(tools: Tools, merged: Progress) -> str | None:
    number = number_of(merged.pull_url or "")
    view = await tools.call("github_get_pull", PullView, repo=merged.task.repo, number=number)
    return view.after_merge

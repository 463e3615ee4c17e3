"""Offers CI to repositories without any: nothing is merged there, so no session is spent there."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from agent.tools import ToolFailed, Tools
from mcp_server.clock import Clock
from mcp_server.models import GateVerdict, Merged, ProposedPatch, PullView, Value

# New pull requests a day: a person has to read each.
MOST_NEW = 10
# Green is seen twice, half a minute apart; what runs longer than this is the next day's.
LOOK_AGAIN = timedelta(seconds=60)
PATIENCE = timedelta(minutes=20)


class Offer(Value):
    """A pull request that waits for a person; `new` when it was opened just now."""

    repo: str
    number: int
    new: bool


async def offer_ci(
    tools: Tools, repos: Sequence[str], say: Callable[[str], None]
) -> tuple[Offer, ...]:
    """Open at most ten new pull requests, in this order; returns all that wait for a person.

    One that a person has closed is a no, and not told again. A failure costs only its own offer.
    """
    found: list[Offer] = []
    for repo in repos:
        if sum(one.new for one in found) == MOST_NEW:
            break
        try:
            pull = await tools.call("github_add_ci", ProposedPatch, repo=repo)
        except ToolFailed as error:
            say(f"no CI is offered to {repo}: {error}")
            continue
        if pull.state == "open":
            found.append(Offer(repo=repo, number=pull.number, new=not pull.already))
    if found:
        say(f"{len(found)} repositories wait for a person to merge their CI")
    return tuple(found)


async def merge_ci(
    tools: Tools,
    clock: Clock,
    offers: Sequence[Offer],
    *,
    say: Callable[[str], None],
    until: datetime,
) -> tuple[Offer, ...]:
    """Merge what the gate lets through; returns what waits for a person, or for its run, still.

    Where the operator does not let our own CI be merged the gate says so at once, and nothing is
    waited for.
    """
    end = min(until, clock.now() + PATIENCE)
    left = tuple(offers)
    while True:
        seen = [(one, await _merge(tools, one, say)) for one in left]
        left = tuple(one for one, verdict in seen if verdict != "merge")
        if clock.now() >= end or not any(verdict == "wait" for _, verdict in seen):
            return left
        await clock.sleep_until(min(end, clock.now() + LOOK_AGAIN))


async def _merge(tools: Tools, offer: Offer, say: Callable[[str], None]) -> GateVerdict:
    """Return what the gate says of an offer, having merged it where that is `merge`."""
    place = {"repo": offer.repo, "number": offer.number}
    try:
        decision = (await tools.call("github_get_pull", PullView, **place)).decision
        if decision.verdict != "merge":
            return decision.verdict
        head = decision.head_sha
        done = await tools.call("github_merge_pull", Merged, **place, head_sha=head)
    except ToolFailed as error:
        say(f"the CI of {offer.repo} is not merged: {error}")
        return "human"
    if not done.merged:
        return "wait" if done.decision.verdict == "merge" else done.decision.verdict
    say(f"{offer.repo} has CI now: sessions may follow")
    return "merge"


def waiting(offers: Sequence[Offer]) -> tuple[str, ...]:
    """Return the line of a report that names them; none, when nothing waits."""
    if not offers:
        return ()
    pulls = ", ".join(f"{one.repo}#{one.number}" for one in offers)
    return (
        f"{len(offers)} repositories have no CI, and get no session before it has been green "
        f"once: merge {pulls}",
    )

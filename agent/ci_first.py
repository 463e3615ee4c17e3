"""Offers CI to repositories without any: nothing is merged there, so no session is spent there."""

from collections.abc import Callable, Sequence

from agent.tools import ToolFailed, Tools
from mcp_server.models import ProposedPatch, Value

# New pull requests a day: a person has to read each.
MOST_NEW = 10


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


def waiting(offers: Sequence[Offer]) -> tuple[str, ...]:
    """Return the line of a report that names them; none, when nothing waits."""
    if not offers:
        return ()
    pulls = ", ".join(f"{one.repo}#{one.number}" for one in offers)
    return (
        f"{len(offers)} repositories have no CI, and get no session before it has been green "
        f"once: merge {pulls}",
    )

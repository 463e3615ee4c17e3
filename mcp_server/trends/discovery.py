"""One discovery: sources read, noise dropped, ideas merged and rated by what was seen before."""

from collections.abc import Collection, Sequence

from mcp_server.cache import Cache
from mcp_server.clock import Clock
from mcp_server.models import Discovery, Idea, IdeaKind
from mcp_server.trends import Fetch, TrendSource, rating, read_all
from mcp_server.trends.cluster import cluster
from mcp_server.trends.history import TrendHistory
from mcp_server.trends.relevance import sift

DEADLINE_SECONDS = 120.0
# A day's report shows this many of each kind: what is returned holds them where they exist.
_OF_EACH_KIND = 5
_KINDS = 4


async def discover(
    sources: Sequence[TrendSource],
    fetch: Fetch,
    clock: Clock,
    history: TrendHistory,
    *,
    cache: Cache,
    keyed: Collection[str],
    whole: bool,
) -> Discovery:
    """Read the sources and return every idea, best first; what was seen is kept in `history`.

    Only a `whole` discovery, over every source there is, makes a day of the history: ranks among
    a few would say nothing beside those among all. What a source gave before, and was not asked
    for again, is no second look at it.
    """
    began = clock.now()
    gathered = await read_all(sources, fetch, clock, DEADLINE_SECONDS, cache=cache, keyed=keyed)
    now = clock.now()
    read_at = {status.name: status.read_at or now for status in gathered.statuses}
    past = history.past(now)
    general = {source.facts.name for source in sources if source.facts.general}
    measured = (
        signal
        for one in gathered.signals
        for signal in rating.measured((one,), past.looks, read_at.get(one.source, now))
    )
    sifted = sift(measured, general)
    ideas = cluster(sifted.kept, past)
    looked = [one for one in gathered.signals if read_at.get(one.source, now) >= began]
    history.keep(looked, ideas if whole else (), now)
    return Discovery(ideas=ideas, sources=gathered.statuses, dropped=sifted.dropped)


def limited(found: Discovery, limit: int) -> Discovery:
    """Return the best `limit` ideas, still best first, with up to five of each kind among them."""
    quota = min(_OF_EACH_KIND, limit // _KINDS)
    taken: dict[IdeaKind, int] = {}
    certain: list[Idea] = []
    others: list[Idea] = []
    for idea in found.ideas:
        taken[idea.kind] = taken.get(idea.kind, 0) + 1
        (certain if taken[idea.kind] <= quota else others).append(idea)
    chosen = {idea.key for idea in (*certain, *others[: limit - len(certain)])}
    ideas = tuple(idea for idea in found.ideas if idea.key in chosen)
    left_out = len(found.ideas) - len(ideas)
    return found.model_copy(update={"ideas": ideas, "left_out": left_out})

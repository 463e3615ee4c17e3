"""Ideas from signals: what is about the same thing is merged, rated and sorted.

Pure and independent of the order of its input. Leaves relevance to relevance.py, verdicts to the
planner.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mcp_server.models import Idea, Provenance
from mcp_server.trends import rating
from mcp_server.trends.address import names_of
from mcp_server.trends.clean import DESCRIPTION_LENGTH, one_line
from mcp_server.trends.kinds import kind_of
from mcp_server.trends.likeness import Words, bare_title, same_spelt, telling_words
from mcp_server.trends.rating import Past
from mcp_server.trends.signal import Signal

_NO_PAST = Past()


def cluster(signals: Iterable[Signal], past: Past = _NO_PAST) -> tuple[Idea, ...]:
    """Merge signals with the same address, the same repository or a title that says the same.

    The best idea comes first, of equal ones the newer; any order of the same signals gives the
    same ideas. `rating.measured` comes before this.
    """
    ordered = sorted(signals, key=_order)
    places = rating.percentiles(ordered)
    ideas = [
        _idea([ordered[i] for i in group], [places[i] for i in group], past)
        for group in _groups(ordered)
    ]
    return tuple(sorted(ideas, key=lambda idea: (-idea.score, -idea.novelty, idea.key)))


def _order(signal: Signal) -> tuple[str, int, str, str]:
    return (signal.source, signal.rank, signal.url, repr(signal))


class _Sets:
    """Disjoint sets of small integers."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = index = self._parents[self._parents[index]]
        return index

    def join(self, one: int, other: int) -> None:
        self._parents[self.root(one)] = self.root(other)


def _groups(signals: Sequence[Signal]) -> list[list[int]]:
    """Return the connected components of "about the same thing", as indices in rising order."""
    things, first = _Sets(len(signals)), dict[str, int]()
    names = [names_of(signal.url, signal.repo) for signal in signals]
    for index, own in enumerate(names):
        for name in own:
            things.join(index, first.setdefault(name, index))
    titles = [telling_words(signal.title) for signal in signals]
    _join_titles(things, titles, _repositories(things, names))
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(signals)):
        groups[things.root(index)].append(index)
    return list(groups.values())


def _repositories(things: _Sets, names: Sequence[Sequence[str]]) -> list[str | None]:
    """Return by which repository each signal's thing is known, if by any."""
    found: dict[int, str] = {}
    for index, own in enumerate(names):
        if own[0].startswith("repo:"):
            root = things.root(index)
            found[root] = min(found.get(root, own[0]), own[0])
    return [found.get(things.root(index)) for index in range(len(names))]


def _join_titles(
    things: _Sets, titles: Sequence[Words], repositories: Sequence[str | None]
) -> None:
    """Join things whose titles say the same, unless that would make one of two repositories.

    Two repositories are two things, however alike their announcements are; then only what has no
    repository is joined.
    """
    bearers: defaultdict[Words, list[int]] = defaultdict(list)
    for index, words in enumerate(titles):
        if words:
            bearers[words].append(index)
    ties = [(own[0], other) for own in bearers.values() for other in own[1:]]
    ties += [(bearers[a][0], bearers[b][0]) for a, b in same_spelt(bearers)]
    tied = _Sets(len(titles))
    for index in range(len(titles)):
        tied.join(index, things.root(index))
    for one, other in ties:
        tied.join(one, other)
    claimed: defaultdict[int, set[str]] = defaultdict(set)
    for index, repo in enumerate(repositories):
        if repo is not None:
            claimed[tied.root(index)].add(repo)
    free: dict[Words, int] = {}
    for index, words in enumerate(titles):
        root = tied.root(index)
        if len(claimed[root]) <= 1:
            things.join(index, root)
        elif words and repositories[index] is None:
            things.join(index, free.setdefault(words, index))


def _idea(signals: Sequence[Signal], places: Sequence[float], past: Past) -> Idea:
    """Describe one group; `signals` come in `_order`."""
    provenance = {
        (s.source, s.rank, s.url): Provenance(
            source=s.source,
            url=s.url,
            rank=s.rank,
            points=s.points,
            velocity_percentile=round(place, 4),
            velocity_estimated=s.velocity_estimated,
            content_hash=rating.content_hash(s),
        )
        for s, place in zip(signals, places, strict=True)
    }
    key = _key(signals)
    sources = len({signal.source for signal in signals})
    return Idea(
        key=key,
        title=_title(signals),
        description=_description(signals),
        kind=kind_of(signals),
        provenance=tuple(provenance.values()),
        score=rating.score(max(places), sources),
        corroboration=sources,
        novelty=rating.novelty(past.days.get(key, 0)),
    )


def _key(signals: Sequence[Signal]) -> str:
    """Hash the repository if there is one, else the address: titles are edited, these stay."""
    # "repo:" sorts before "url:".
    best = min(name for signal in signals for name in names_of(signal.url, signal.repo))
    return hashlib.blake2b(best.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _title(signals: Sequence[Signal]) -> str:
    """Prefer a sentence of people's to a repository's bare name."""
    titles = [
        bare_title(signal.title) for signal in sorted(signals, key=lambda s: s.title == s.repo)
    ]
    return next(filter(None, titles), "untitled")


def _description(signals: Sequence[Signal]) -> str:
    """Prefer a repository's own words to an article's about it."""
    by_repository = sorted(signals, key=lambda signal: signal.title != signal.repo)
    texts = (one_line(signal.description, DESCRIPTION_LENGTH) for signal in by_repository)
    return next(filter(None, texts), "")

"""Ideas from signals: what is about the same thing is merged, rated and sorted.

Pure and independent of the order of its input. Leaves novelty to history, relevance to the planner.
"""

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from urllib.parse import parse_qsl, urlencode, urlsplit

from rapidfuzz import fuzz

from mcp_server.models import Idea, IdeaKind, Provenance
from mcp_server.trends.signal import Signal

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 300

# Of 100: retitled posts of one thing stay above it, "TIFF vs PNG" and "TIFF vs GIF" far below.
_NEAR_EQUAL = 92.0
# Shorter titles ("Weekly update") are too common to be one thing.
_NEAR_EQUAL_WORDS = 3
# The part of a score that other sources' agreement can give; full with this many others.
_CORROBORATION = 0.3
_OTHERS = 2

_PREFIX = re.compile(r"^(?:show|ask|tell|launch) hn\s*[:\-\u2013\u2014]\s*", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_TRACKING = re.compile(r"utm_\w+|ref|ref_src|source|fbclid|gclid")
_EXTENSION = re.compile(
    r"\b(?:chrome|chromium|firefox|browser|safari|web) ?(?:extension|add ?on|plugin)s?\b"
    r"|chromewebstore\.google\.com|addons\.mozilla\.org|\buserscripts?\b"
)
_QUESTION = re.compile(
    r"^ask hn\b|^(?:is there|are there|does any|why (?:is|are|do|does|can)|how do|what do you use|"
    r"what is the best|looking for|can we|i wish)\b[^?]*\?"
)
_TOOL = re.compile(
    r"\b(?:cli|tui|command line|terminal|librar(?:y|ies)|sdk|framework|linter|formatter|"
    r"compiler|parser|debugger|profiler|mcp|plugin|devtools?|toolkit|daemon|api|action)\b"
)


def cluster(signals: Iterable[Signal]) -> tuple[Idea, ...]:
    """Merge signals with the same address, the same repository or a near-equal title.

    The best idea comes first; any order of the same signals gives the same ideas. A score is 0.7
    of the best velocity percentile within a source plus up to 0.3 for further sources.
    """
    ordered = sorted(signals, key=_order)
    percentiles = _percentiles(ordered)
    ideas = [
        _idea([ordered[i] for i in group], [percentiles[i] for i in group])
        for group in _groups(ordered)
    ]
    return tuple(sorted(ideas, key=lambda idea: (-idea.score, idea.key)))


def one_line(text: str, length: int) -> str:
    """Return `text` without control, direction and zero-width characters, at most `length` long."""
    shown = "".join(map(_shown, text))
    line = " ".join(shown.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def normal_url(url: str) -> str:
    """Return an address without what does not name the thing: scheme, www, tracking, fragment."""
    parts = urlsplit(url)
    query = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(pair[0].lower())
    ]  # fmt: skip
    host = parts.netloc.lower().removeprefix("www.")
    tail = f"?{urlencode(sorted(query))}" if query else ""
    return f"{host}{parts.path.rstrip('/')}{tail}"


def _order(signal: Signal) -> tuple[str, int, str, str]:
    return (signal.source, signal.rank, signal.url, repr(signal))


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    # Cf holds the direction marks and joiners, Cs what is no text at all; the supplementary
    # variation selectors are marks that show nothing and can carry hidden words.
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs"}
    return "" if hidden or "\U000e0100" <= character <= "\U000e01ef" else character


def _words(title: str) -> str:
    text = _PREFIX.sub("", one_line(title, TITLE_LENGTH)).casefold()
    return " ".join(sorted(_WORD.findall(text)))


def _percentiles(signals: Sequence[Signal]) -> list[float]:
    """Return for each signal the share of its source's others that are slower, ties half."""
    by_source: defaultdict[str, list[float]] = defaultdict(list)
    for signal in signals:
        by_source[signal.source].append(signal.velocity_per_hour)

    def percentile(signal: Signal) -> float:
        all_of_it = by_source[signal.source]
        others = len(all_of_it) - 1
        slower = sum(1 for v in all_of_it if v < signal.velocity_per_hour)
        equal = all_of_it.count(signal.velocity_per_hour) - 1
        return (slower + equal / 2) / others if others else 0.5

    return [percentile(signal) for signal in signals]


def _groups(signals: Sequence[Signal]) -> list[list[int]]:
    """Return the connected components of "about the same thing", as indices in rising order."""
    parents = list(range(len(signals)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = index = parents[parents[index]]
        return index

    first: dict[str, int] = {}
    titled: dict[tuple[str, str | None], int] = {}
    for index, signal in enumerate(signals):
        for name in _names(signal):
            parents[root(index)] = root(first.setdefault(name, index))
        words = _words(signal.title)
        if words.count(" ") + 1 >= _NEAR_EQUAL_WORDS:
            parents[root(index)] = root(titled.setdefault((words, signal.repo), index))
    for ((a, repo_a), i), ((b, repo_b), j) in combinations(titled.items(), 2):
        # Two repositories are two things, however alike their announcements are.
        if (repo_a is None or repo_b is None or repo_a == repo_b) and _near_equal(a, b):
            parents[root(i)] = root(j)
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for index in range(len(signals)):
        groups[root(index)].append(index)
    return list(groups.values())


def _names(signal: Signal) -> list[str]:
    """Return what names the thing: two signals that share one are about the same."""
    names = [f"url:{normal_url(signal.url)}"]
    return [f"repo:{signal.repo.lower()}", *names] if signal.repo else names


def _near_equal(a: str, b: str) -> bool:
    """Compare titles given as sorted words."""
    # "Part 3" and "Part 4", "3.13" and "3.14" differ by one letter and are different things.
    if {w for w in a.split() if w.isdigit()} != {w for w in b.split() if w.isdigit()}:
        return False
    return fuzz.ratio(a, b, score_cutoff=_NEAR_EQUAL) > 0


def _idea(signals: Sequence[Signal], percentiles: Sequence[float]) -> Idea:
    """Describe one group; `signals` come in `_order`."""
    provenance = {
        (s.source, s.rank, s.url): Provenance(
            source=s.source, url=s.url, rank=s.rank, velocity_percentile=round(p, 4)
        )
        for s, p in zip(signals, percentiles, strict=True)
    }
    others = min(len({signal.source for signal in signals}) - 1, _OTHERS)
    score = (1 - _CORROBORATION) * max(percentiles) + _CORROBORATION * others / _OTHERS
    return Idea(
        key=_key(signals),
        title=_title(signals),
        description=_description(signals),
        kind=_kind(signals),
        provenance=tuple(provenance.values()),
        score=round(score, 4),
    )


def _key(signals: Sequence[Signal]) -> str:
    """Hash the repository if there is one, else the address: titles are edited, these stay."""
    # "repo:" sorts before "url:".
    best = min(name for signal in signals for name in _names(signal))
    return hashlib.blake2b(best.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


def _title(signals: Sequence[Signal]) -> str:
    """Prefer a sentence of people's to a repository's bare name."""
    titles = [
        _PREFIX.sub("", title)
        for signal in sorted(signals, key=lambda s: s.title == s.repo)
        if (title := one_line(signal.title, TITLE_LENGTH))
    ]
    return next(filter(None, titles), "untitled")


def _description(signals: Sequence[Signal]) -> str:
    """Prefer a repository's own words to an article's about it."""
    by_repository = sorted(signals, key=lambda signal: signal.title != signal.repo)
    texts = (one_line(signal.description, DESCRIPTION_LENGTH) for signal in by_repository)
    return next(filter(None, texts), "")


def _kind(signals: Sequence[Signal]) -> IdeaKind:
    texts = [
        " ".join((one_line(s.title, TITLE_LENGTH), s.description, *s.tags, s.url))
        .casefold()
        .replace("-", " ")
        for s in signals
    ]
    asked = any(
        "ask_hn" in s.tags or _QUESTION.search(one_line(s.title, TITLE_LENGTH).casefold())
        for s in signals
    )
    rules: dict[IdeaKind, bool] = {
        "extension": any(_EXTENSION.search(text) for text in texts),
        "pain_point": asked,
        "tool": any(_TOOL.search(text) for text in texts),
    }
    for kind, holds in rules.items():
        if holds:
            return kind
    return "app"

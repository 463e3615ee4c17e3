"""Which trend sources there are: our own modules, and what other packages declare.

Nothing is imported before somebody asks: a server that is not asked about trends pays nothing.
"""

import logging
import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from mcp_server.errors import SettingsError
from mcp_server.trends.signal import Fetch, Reading, SourceFacts, TrendSource

GROUP = "daily_factory.trend_sources"
# Modules of this package, each with a `SOURCE`; the order is that of reports.
OWN = (
    "github_trending",
    "hackernews",
    "devto",
    "lobsters",
    "github_search",
    "github_issues",
    "stackexchange",
    "reddit",
    "youtube",
    "producthunt",
    "packages",
    "hashnode",
    "google_trends",
    "mastodon",
    "bluesky",
    "wikipedia",
)
_HOST = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{0,250}\.[a-z]{2,24}")
# They are asked with the user's own tokens.
_NOBODYS = frozenset({"api.github.com", "jules.googleapis.com"})

_log = logging.getLogger(__name__)


@cache
def load_sources() -> tuple[TrendSource, ...]:
    """Return the sources of this installation, our own first; found once in a process."""
    own = [import_module(f"{__package__}.{name}").SOURCE for name in OWN]
    return (*own, *sources_of(entry_points(group=GROUP), {one.facts.name for one in own}))


def sources_of(found: Iterable[EntryPoint], taken: Iterable[str] = ()) -> list[TrendSource]:
    """Return what other packages declare, by name; what cannot be used fails when it is read.

    Args:
        found: entry points of `GROUP`; each names a `TrendSource`, or a class of one.
        taken: names that none of them may have.
    """
    names = set(taken)
    sources: list[TrendSource] = []
    for entry in sorted(found, key=lambda one: one.name):
        source = _load(entry, names)
        names.add(source.facts.name)
        sources.append(source)
    return sources


def _load(entry: EntryPoint, taken: Iterable[str]) -> TrendSource:
    try:
        loaded = entry.load()
        source: TrendSource = loaded() if isinstance(loaded, type) else loaded
        if trouble := _trouble(source.facts, taken):
            return _Unusable(entry.name, trouble)
    except Exception as error:  # noqa: BLE001 - another package's bug costs its source, nothing else
        _log.exception("trend source cannot be loaded", extra={"source": entry.name})
        return _Unusable(entry.name, f"{entry.value!r}: {type(error).__name__}, see the log")
    return source


def _trouble(facts: object, taken: Iterable[str]) -> str:
    if not isinstance(facts, SourceFacts):
        return "its `facts` are no SourceFacts"
    if facts.name in taken or not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", facts.name):
        return f"the name {facts.name!r} is taken, or not a-z, 0-9 and -"
    if wrong := [one for one in facts.hosts if one in _NOBODYS or not _HOST.fullmatch(one)]:
        return f"{wrong[0]!r} is no host that it may read"
    if facts.key and facts.key.host not in facts.hosts:
        return f"its key is for {facts.key.host!r}, which is none of its hosts"
    return ""


class _Unusable:
    """Stands for a source that cannot be used, so that it is told and not just missing."""

    def __init__(self, name: str, trouble: str) -> None:
        self.facts = SourceFacts(
            name=f"entry-point-{name}",
            hosts=(),
            addresses=(),
            refresh_seconds=0,
            rate="",
            terms="",
            numbers="",
        )
        self._trouble = trouble

    async def read(self, fetch: Fetch, now: object) -> Reading:
        """Raise `SettingsError`: a person has to put it right."""
        del fetch, now
        raise SettingsError(f"{self._trouble} (docs/adding-a-source.md)")

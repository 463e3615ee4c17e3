"""The sandbox's trend sites: recorded answers from a folder, or days of its own making.

Knows the shapes of the real sites (docs/sources.md) and nothing of who reads them.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from mcp_server.sandbox.sites import articles, feeds, github, hackernews, talk
from mcp_server.sandbox.sites.recorded import recorded
from mcp_server.sandbox.sites.stock import Day

Reply = tuple[int, dict[str, str], bytes]

_HTML, _JSON, _XML = "text/html", "application/json", "application/rss+xml"
# Host -> the type of its answers, and who makes them up.
_SITES: Mapping[str, tuple[str, Callable[[Day, str, Mapping[str, str]], bytes | None]]] = {
    "github.com": (_HTML, github.page),
    "api.github.com": (_JSON, github.search),
    "hn.algolia.com": (_JSON, hackernews.algolia),
    hackernews.FIREBASE: (_JSON, hackernews.firebase),
    "dev.to": (_JSON, articles.devto),
    "lobste.rs": (_JSON, articles.lobsters),
    "api.stackexchange.com": (_JSON, articles.stackexchange),
    "www.reddit.com": ("application/atom+xml", feeds.reddit),
    "www.googleapis.com": (_JSON, talk.youtube),
    "api.producthunt.com": (_JSON, articles.producthunt),
    "pypi.org": (_XML, feeds.pypi),
    "crates.io": (_JSON, talk.crates),
    "engineering.hashnode.com": (_XML, feeds.hashnode),
    "townhall.hashnode.com": (_XML, feeds.hashnode),
    "trends.google.com": (_XML, feeds.google_trends),
    "mastodon.social": (_JSON, talk.mastodon),
    "public.api.bsky.app": (_JSON, talk.bluesky),
    "wikimedia.org": (_JSON, talk.wikipedia),
}
HOSTS = tuple(_SITES)
# What switches on the sources that need a key; the sites take any.
KEYS: Mapping[str, str] = {
    "YOUTUBE_API_KEY": "sandbox-youtube-key",
    "PRODUCTHUNT_TOKEN": "sandbox-producthunt-key",
}


class Sites:
    """The trend sites of one world."""

    def __init__(self, *, seed: int, directory: Path | None) -> None:
        """Serve recordings from `directory`, or invent days from `seed` when it is None."""
        self._seed = seed
        self._directory = directory

    def answer(self, host: str, path: str, query: Mapping[str, str], now: datetime) -> Reply:
        """Return status, headers and body; what the host does not have is its own 404.

        So is everything of a host that is none of `HOSTS`.

        Invented answers depend on the UTC date of `now` only; their stories are at most 20 hours
        older than the day, so that filters by age have nothing to leave out.
        """
        kind, invented = _SITES.get(host, (_HTML, _nothing))
        if self._directory:
            body = recorded(self._directory, host, path, query)
        else:
            body = invented(Day(seed=self._seed, date=now.astimezone(UTC).date()), path, query)
        if body is None and host == hackernews.FIREBASE and path.endswith(".json"):
            body = b"null"  # Firebase's word for what is not there, with status 200
        if body is not None:
            return 200, {"Content-Type": f"{kind}; charset=utf-8"}, body
        if kind == _JSON:
            missing = b'{"error":"not found","status":404}'
            return 404, {"Content-Type": f"{_JSON}; charset=utf-8"}, missing
        missing = b"<!DOCTYPE html><html><body>Not Found</body></html>"
        return 404, {"Content-Type": f"{_HTML}; charset=utf-8"}, missing


def _nothing(_day: Day, _path: str, _query: Mapping[str, str]) -> bytes | None:
    return None

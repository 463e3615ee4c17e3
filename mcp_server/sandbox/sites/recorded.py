"""Recorded answers of real sites, from a folder whose names docs/sources.md tells."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mcp_server.sandbox.sites.hackernews import FIREBASE, ITEM
from mcp_server.sandbox.sites.stock import sent

_TRENDING = re.compile(r"/trending(?:/([A-Za-z0-9#+.-]+))?")
_DATE = r"(\d{4}-\d{2}(?:-\d{2})?)"
# Host and path of a listing -> folder, what the names of its recordings begin with, their ending.
_RECORDINGS = {
    ("hn.algolia.com", "/api/v1/search"): ("hackernews", "algolia_search_", "json"),
    ("hn.algolia.com", "/api/v1/search_by_date"): (
        "hackernews",
        "algolia_search_by_date_",
        "json",
    ),
    (FIREBASE, "/v0/topstories.json"): ("hackernews", "firebase_topstories_", "json"),
    (FIREBASE, "/v0/askstories.json"): ("hackernews", "firebase_askstories_", "json"),
    (FIREBASE, "/v0/showstories.json"): ("hackernews", "firebase_showstories_", "json"),
    ("dev.to", "/api/articles"): ("devto", "articles_list_", "json"),
    ("lobste.rs", "/hottest.json"): ("lobsters", "hottest_", "json"),
    ("api.github.com", "/search/repositories"): ("github-api", "search_repositories_", "json"),
    ("api.github.com", "/search/issues"): ("github-api", "search_issues_", "json"),
    ("api.stackexchange.com", "/2.3/questions"): ("stackexchange", "questions_", "json"),
    ("api.stackexchange.com", "/2.3/questions/unanswered"): (
        "stackexchange",
        "unanswered_",
        "json",
    ),
    ("www.googleapis.com", "/youtube/v3/search"): ("youtube", "search_list_", "json"),
    ("www.googleapis.com", "/youtube/v3/videos"): ("youtube", "videos_list_", "json"),
    ("api.producthunt.com", "/v2/api/graphql"): ("producthunt", "posts_", "json"),
    ("pypi.org", "/rss/packages.xml"): ("pypi", "packages_", "xml"),
    ("crates.io", "/api/v1/summary"): ("crates", "summary_", "json"),
    ("engineering.hashnode.com", "/rss.xml"): ("hashnode", "rss_engineering_", "xml"),
    ("townhall.hashnode.com", "/rss.xml"): ("hashnode", "rss_townhall_", "xml"),
    ("mastodon.social", "/api/v1/trends/links"): ("mastodon", "trends_links_", "json"),
    ("mastodon.social", "/api/v1/trends/tags"): ("mastodon", "trends_tags_", "json"),
    ("public.api.bsky.app", "/xrpc/app.bsky.unspecced.getTrends"): (
        "bluesky",
        "trends_",
        "json",
    ),
}


def recorded(directory: Path, host: str, path: str, query: Mapping[str, str]) -> bytes | None:
    """Return the newest recording of what is asked for, None when there is none."""
    page = _TRENDING.fullmatch(path) if host == "github.com" else None
    if page:
        word = (page[1] or query.get("since", "daily")).lower()
        return _newest(directory / "github-trending", rf"trending_{re.escape(word)}_.*?", "html")
    item = ITEM.fullmatch(path) if host == FIREBASE else None
    if item:
        folder = directory / "hackernews"
        alone = _newest(folder, rf"firebase_item_{item[1]}_", "json")
        return _item_of_arrays(folder, int(item[1])) if alone is None else alone
    place = _RECORDINGS.get((host, path)) or _named(host, path, query)
    return _newest(directory / place[0], place[1], place[2]) if place else None


def _named(host: str, path: str, query: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Return the place of what has a name of its own in its path or query."""
    if (host, path) == ("trends.google.com", "/trending/rss"):
        return "google-trends", f"rss_trending_{re.escape(query.get('geo', ''))}_", "xml"
    if host == "wikimedia.org":
        return "wikipedia", "top_pageviews_", "json"
    if host == "www.reddit.com" and path.endswith("/top/.rss"):
        return "reddit", "rss_top_", "xml"
    return None


def _newest(folder: Path, start: str, suffix: str) -> bytes | None:
    """Return the recording with the last date in its name."""
    names = _dated(folder, start, suffix)
    return names[-1].read_bytes() if names else None


def _dated(folder: Path, start: str, suffix: str) -> list[Path]:
    """Return the files named `start`, a date, anything, `suffix`; by date, the last one last."""
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"{start}{_DATE}.*\.{suffix}")
    found = [(name[1], path) for path in folder.iterdir() if (name := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _item_of_arrays(folder: Path, item_id: int) -> bytes | None:
    for path in reversed(_dated(folder, "firebase_items_[a-z]+_", "json")):
        for item in cast(list[dict[str, object] | None], json.loads(path.read_bytes())):
            if item and item.get("id") == item_id:
                return sent(item)
    return None

"""Reddit's Atom feed: the day's top posts of a few communities, by place only.

Without a login its JSON is refused since 28-30 May 2026, and new credentials need an approval that
is rarely given (facts of 2026-11-22): so nothing tells votes or comments.
"""

from datetime import datetime
from xml.etree.ElementTree import Element

from mcp_server.trends.feed import ATOM, entries_of, feed_time, text_of
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import Answer, Signal, SourceFacts, read_rows, repo_of, web_url

# One request for all: several communities are one feed.
_COMMUNITIES = "SideProject+selfhosted+chrome_extensions+webdev+commandline+opensource"

FACTS = SourceFacts(
    name="reddit",
    hosts=("www.reddit.com",),
    addresses=(f"https://www.reddit.com/r/{_COMMUNITIES}/top/.rss?t=day",),
    refresh_seconds=6 * 3600,
    rate="often 429 from shared addresses (bentleypark/aiwatch issue 820, 2026); one request a run",
    terms="https://www.redditinc.com/policies/data-api-terms; the public feed only",
    numbers="none: only the place in the feed is said",
)


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the posts in the feed's order; raises as `entries_of` and `read_rows` do."""
    del now
    return read_rows(entries_of(answer), _read_entry, answer.url)


def _read_entry(rank: int, entry: Element) -> Signal:
    link = entry.find(f"{ATOM}link")
    title = text_of(entry, f"{ATOM}title")
    url = web_url(link.get("href") if link is not None else None)
    if not title or url is None:
        raise ValueError("a post without title or address")
    category = entry.find(f"{ATOM}category")
    community = category.get("term") if category is not None else None
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        url=url,
        repo=repo_of(url),
        tags=(community,) if community else (),
        at=feed_time(text_of(entry, f"{ATOM}published") or text_of(entry, f"{ATOM}updated")),
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [Listing(name="top", address=FACTS.addresses[0], parse=parse)],
)

"""Hashnode: its interface costs money since 13 May 2026, so two of its blogs' feeds are read."""

from datetime import datetime

from mcp_server.trends.feed import parse_items
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import Answer, Signal, SourceFacts

# Of Hashnode's own; which blogs matter, no free interface says any more.
_BLOGS = ("engineering.hashnode.com", "townhall.hashnode.com")
PAID = "its API is paid since 2026-05-13: only the feeds of two blogs are read, without counts"

FACTS = SourceFacts(
    name="hashnode",
    hosts=_BLOGS,
    addresses=tuple(f"https://{host}/rss.xml" for host in _BLOGS),
    refresh_seconds=24 * 3600,
    rate="not stated; one request a blog",
    terms="https://hashnode.com/terms; gql.hashnode.com is for paying plans (2026-05-13)",
    numbers="none: only the place in the feed is said",
)


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the articles, newest first; raises as `parse_items` does."""
    del now
    return parse_items(answer, FACTS.name)


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [
        Listing(name=host, address=address, parse=parse)
        for host, address in zip(_BLOGS, FACTS.addresses, strict=True)
    ],
    note=PAID,
)

"""Google Trends' RSS: about ten searches a country that rise today, mostly of no software."""

import re
from datetime import datetime
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

from mcp_server.trends.feed import entries_of, feed_time, text_of
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import Answer, Signal, SourceFacts, per_hour, read_rows

_GEOGRAPHIES = ("US", "GB", "IN", "DE")
# Of the feed of today; that of the retired daily one is another (facts of 2026-11-22).
_HT = "{https://trends.google.com/trending/rss}"
_TRAFFIC = re.compile(r"(\d+(?:[.,]\d+)*)\s*([A-Za-z]*)\s*\+?")
_UNITS = {"": 1, "k": 1_000, "mil": 1_000, "m": 1_000_000, "mi": 1_000_000}

FACTS = SourceFacts(
    name="google-trends",
    hosts=("trends.google.com",),
    addresses=tuple(f"https://trends.google.com/trending/rss?geo={geo}" for geo in _GEOGRAPHIES),
    refresh_seconds=6 * 3600,
    rate="not stated; one request a country, one after the other",
    terms="https://policies.google.com/terms; a public feed, without a contract",
    numbers="points: a coarse bucket of searches (200+, 20K+); velocity: the bucket over the age, "
    "an hour (estimate)",
    general=True,
)


def parse(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the searches in the feed's order; raises as `entries_of` and `read_rows` do."""
    return read_rows(entries_of(answer), lambda rank, item: _read_item(rank, item, now), answer.url)


def traffic(text: str) -> int:
    """Read `200+`, `5,000+`, `20K+` or `2 mi+`; anything else is a `ValueError`."""
    found = _TRAFFIC.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        raise ValueError(f"{text!r} is no traffic")
    unit = _UNITS[found[2].lower()]
    if unit == 1:
        return int(re.sub("[.,]", "", found[1]))
    return int(float(found[1].replace(",", ".")) * unit)


def _read_item(rank: int, item: Element, now: datetime) -> Signal:
    title = text_of(item, "title")
    if not title:
        raise ValueError("a search without words")
    at = feed_time(text_of(item, "pubDate"))
    searches = traffic(text_of(item, f"{_HT}approx_traffic"))
    news = item.find(f"{_HT}news_item")
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        description=text_of(news, f"{_HT}news_item_title") if news is not None else "",
        # The item's own link is the feed's on every item, and would make them all one.
        url=f"https://trends.google.com/trends/explore?{urlencode({'q': title})}",
        points=searches,
        velocity_per_hour=per_hour(searches, at, now),
        at=at,
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [
        Listing(name=geo, address=address, parse=parse)
        for geo, address in zip(_GEOGRAPHIES, FACTS.addresses, strict=True)
    ],
    at_once=False,
)

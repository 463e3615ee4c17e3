"""GitHub's trending pages: HTML without a contract; every row must be read or the page fails."""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mcp_server.errors import Unreadable
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.page import html_text
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Torn,
    plain,
    read_rows,
    repo_of,
)

# The week beside the day, and the languages of most browser extensions and command line tools: what
# rises in one of them is seldom on the page of all.
_PAGES = {
    "daily": "https://github.com/trending?since=daily",
    "weekly": "https://github.com/trending?since=weekly",
    "TypeScript": "https://github.com/trending/typescript?since=daily",
    "Python": "https://github.com/trending/python?since=daily",
    "Rust": "https://github.com/trending/rust?since=daily",
}

FACTS = SourceFacts(
    name="github-trending",
    hosts=("github.com",),
    addresses=tuple(_PAGES.values()),
    refresh_seconds=6 * 3600,
    rate="no stated allowance; five requests, one after the other (facts of 2026-11-22)",
    terms="https://docs.github.com/site-policy: scraping is limited; few pages, client named",
    numbers="points: all stars; velocity: stars gained in the page's period, an hour (measured)",
)

_PERIOD_HOURS = {"today": 24, "this week": 7 * 24, "this month": 30 * 24}
_PERIOD_STARS = re.compile(rf"([\d,]+) stars? ({'|'.join(_PERIOD_HOURS)})")
# h1 until 2022, h2 in pages of 2024 to April 2026. No class is anchored on: spacing classes were
# renamed by 2026 (`mr-3` became `tmp-mr-3`).
_HEADING_LINK = "h1 a[href], h2 a[href], h3 a[href]"


def parse(answer: Answer) -> tuple[Signal, ...]:
    """Return the page's repositories in its order; none only where GitHub says that there are none.

    Raises:
        Unavailable: the status is not 200.
        Torn: a row cannot be read.
        Unreadable: the page shows no rows and does not say why.
    """
    page = LexborHTMLParser(html_text(answer))
    rows = page.css("article")
    held = max(
        len(rows),
        len(page.css('a[href$="/stargazers"]')),
        sum(1 for span in page.css("span") if _PERIOD_STARS.fullmatch(_text(span))),
    )
    if not held:
        if any("trending repositories" in _text(slate) for slate in page.css(".blankslate")):
            return ()
        raise Unreadable(f"{answer.url!r} holds no rows and no message that there are none")
    signals = read_rows(rows, _read_row, answer.url)
    if len(signals) < held:
        counted = f"{len(signals)} of {held} rows could be read"
        raise Torn(f"{answer.url!r}: {counted}", rows=signals, expected=held)
    return signals


def _read_row(rank: int, row: LexborNode) -> Signal:
    link = row.css_first(_HEADING_LINK)
    # The text of the link holds line breaks and an icon; the href is exactly /owner/name.
    href = (link.attributes.get("href") if link else None) or ""
    repo = repo_of(f"https://github.com{href}")
    if repo is None or href != f"/{repo}":
        raise ValueError(f"{href!r} is not a repository")
    stars, hours = _period(row)
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=repo,
        description=_text(row.css_first("p")),
        url=f"https://github.com/{repo}",
        repo=repo,
        language=_text(row.css_first("[itemprop=programmingLanguage]")) or None,
        points=_number(_text(row.css_first('a[href$="/stargazers"]'))),
        velocity_per_hour=stars / hours,
        velocity_estimated=False,
    )


def _period(row: LexborNode) -> tuple[int, int]:
    """Return the stars of the page's period and its hours."""
    for span in row.css("span"):
        found = _PERIOD_STARS.fullmatch(_text(span))
        if found:
            return _number(found[1]), _PERIOD_HOURS[found[2]]
    raise ValueError("no stars of the period")


def _number(text: str) -> int:
    """Read `11,139`; the button's word `Star` in its place is a `ValueError`."""
    return int(text.replace(",", ""))


def _text(node: LexborNode | None) -> str:
    return plain(node.text()) if node else ""


def _listing(name: str, address: str) -> Listing:
    return Listing(
        name=name,
        address=address,
        parse=lambda answer, _now: parse(answer),
        headers={"Accept": "text/html"},
        may_be_empty=f"{name}: the page says that it has no trending repositories",
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [_listing(name, address) for name, address in _PAGES.items()],
    at_once=False,
)

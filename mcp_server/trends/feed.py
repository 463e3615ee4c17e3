"""RSS and Atom: a feed is judged before it is parsed, and all its entries are found or it fails.

No document type and no entity of its own is read: what could grow or fetch in XML begins there.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

from mcp_server.errors import Unreadable
from mcp_server.trends.signal import (
    Answer,
    Signal,
    Torn,
    demand_success,
    plain,
    read_rows,
    repo_of,
    utc,
    web_url,
)

ATOM = "{http://www.w3.org/2005/Atom}"
# A document type can stand only between the declaration and the root: there is room for comments
# and instructions, for nothing else. Other encodings could hide one. Nothing is tried twice (`*+`):
# a run of spaces can be split in as many ways as it pleases.
_PROLOG = re.compile(
    r"\ufeff?(?:<\?xml(?![^>]*encoding=[\"'](?!utf-8|us-ascii)[^>]*)[^>]*\?>)?"
    r"(?:\s+|<!--(?:(?!-->)[\s\S]){0,2000}-->|<\?(?!xml\s)[^>]{0,500}\?>)*+<(?:rss|feed)[\s>]",
    re.IGNORECASE,
)


def entries_of(answer: Answer) -> list[ET.Element]:
    """Return the items of an RSS channel, or the entries of an Atom feed, in its order.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: no feed by its type, its first bytes or its form.
        Torn: something else is built like an entry: the feed has changed.
    """
    demand_success(answer)
    if "xml" not in answer.content_type.lower():
        raise Unreadable(f"{answer.url!r} is not a feed ({answer.content_type!r})")
    try:
        text = answer.body.decode("utf-8").strip()
        if not _PROLOG.match(text):
            raise Unreadable(f"{answer.url!r} does not begin as a plain feed in UTF-8")
        root = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities
    except (UnicodeDecodeError, ET.ParseError) as error:
        raise Unreadable(f"{answer.url!r} is broken XML: {error}") from error
    parent, name, title = (
        (root, f"{ATOM}entry", f"{ATOM}title")
        if root.tag == f"{ATOM}feed"
        else (root.find("channel"), "item", "title")
    )
    if parent is None:
        raise Unreadable(f"{answer.url!r} holds no channel")
    rows = parent.findall(name)
    held = sum(1 for one in parent if one.find(title) is not None and one.tag != "image")
    if len(rows) < held:
        counted = f"{len(rows)} of {held} entries are called {name.rpartition('}')[2]!r}"
        raise Torn(f"{answer.url!r}: {counted}", rows=(), expected=held)
    return rows


def text_of(row: ET.Element, name: str) -> str:
    """Return the text of a child in one line, empty when there is none."""
    return plain(row.findtext(name) or "")


def feed_time(text: str) -> datetime | None:
    """Read the time of a feed (RFC 822, or ISO in Atom); None: none is said.

    Raises:
        ValueError: what is said is no time.
    """
    if not text:
        return None
    if text[:4].isdigit():
        return utc(datetime.fromisoformat(text.replace("Z", "+00:00")))
    return utc(parsedate_to_datetime(text))


def parse_items(
    answer: Answer, source: str, *, title_of: Callable[[str], str] = plain
) -> tuple[Signal, ...]:
    """Return the items of an RSS feed that has no counts: their rank is all that it says."""

    def read(rank: int, row: ET.Element) -> Signal:
        title, url = title_of(text_of(row, "title")), web_url(text_of(row, "link"))
        if not title or url is None:
            raise ValueError("an item without title or address")
        return Signal(
            source=source,
            rank=rank,
            title=title,
            description=text_of(row, "description"),
            url=url,
            repo=repo_of(url),
            at=feed_time(text_of(row, "pubDate")),
        )

    rows: Sequence[ET.Element] = entries_of(answer)
    return read_rows(rows, read, answer.url)

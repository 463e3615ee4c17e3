"""The main text of a page: its title, date and words, without what stands around them.

`trafilatura` does the work. What it takes grows with the number of tags, faster than they do, so
that of a page with too many only the beginning is read.
"""

import logging
import re
from dataclasses import dataclass
from datetime import datetime

from mcp_server.clients.web_pages import RawPage
from mcp_server.errors import Unreadable
from mcp_server.guard import tripwire

# Half a second's work at worst (tried with trafilatura 2.3.1 on 13 hostile pages, 2026-11-23).
MOST_TAGS = 10_000
MOST_CHARACTERS = 600_000
# Decoders with surprises (`unicode_escape`, `idna`, `zip`) are none of a page's business.
_CHARSET = re.compile(
    r"utf-?8|utf-16(?:le|be)?|us-ascii|latin-?1|iso-8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]"
    r"|gb2312|gbk|gb18030|big5|shift[_-]jis|euc-(?:jp|kr)",
    re.IGNORECASE,
)
_META = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MainText:
    """What a page says; `date` is YYYY-MM-DD. `whole` is False where its end was not read."""

    title: str
    date: str | None
    text: str
    whole: bool


def main_text(page: RawPage) -> MainText:
    """Read a page.

    Raises:
        Unreadable: no text in it.
    """
    text = page.body.decode(_charset(page), errors="replace").removeprefix("\ufeff")
    shown = _beginning(text, MOST_TAGS, MOST_CHARACTERS)
    if page.content_type.startswith("text/") and page.content_type != "text/html":
        return MainText(title="", date=None, text=shown, whole=shown == text)
    return _of_html(shown, page.read_at, whole=shown == text, url=page.url)


def _of_html(source: str, now: datetime, *, whole: bool, url: str) -> MainText:
    with tripwire.probing():
        import trafilatura  # a third of a second, and most servers never read a page
        from trafilatura.settings import Document  # likewise

    # It quotes the page in what it logs.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    logging.getLogger("htmldate").setLevel(logging.CRITICAL)
    found = trafilatura.bare_extraction(
        source,
        include_comments=False,
        with_metadata=True,
        # Only what the page declares: to guess from its words takes seconds, and is a guess.
        date_extraction_params={
            "extensive_search": False,
            "original_date": True,
            "max_date": f"{now:%Y-%m-%d}",
        },
    )
    known = found if isinstance(found, Document) else Document()
    text = known.text or trafilatura.html2txt(source)
    if not text.strip():
        raise Unreadable(f"{url} has no text of its own: it may need a browser")
    return MainText(title=known.title or "", date=known.date, text=text, whole=whole)


def _charset(page: RawPage) -> str:
    """Return what the header says, else what the page says of itself, else UTF-8."""
    itself = _META.search(page.body[:2_048])
    for said in (page.charset, itself[1].decode("ascii") if itself else None):
        if said is not None and _CHARSET.fullmatch(said):
            return said
    return "utf-8"


def _beginning(text: str, tags: int, characters: int) -> str:
    """Return as much of a page as is read: up to so many tags and characters."""
    for nth, tag in enumerate(re.finditer("<", text)):
        if nth == tags:
            return text[: min(tag.start(), characters)]
    return text[:characters]

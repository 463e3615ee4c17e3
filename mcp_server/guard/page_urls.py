"""Addresses of public pages: parsed once, by the sender's own parser, and rebuilt from the parts.

Whether the name leads to a public address is `public_web.py`'s to find out, when it connects.
"""

import re
from urllib.parse import unquote_plus

import httpx2

from mcp_server.errors import BadArgument

MOST_CHARACTERS = 1_000
# A longer query carries more than it asks (facts/safety.md 3).
MOST_OF_QUERY = 200
# What one parser skips and another takes for the end of the host: never part of an address.
_UNFIT = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_BEGINNING = re.compile(r"https?://[^/?#@:%\[\]]+(?::[0-9]{1,5})?(?:[/?#]|\Z)", re.IGNORECASE)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A name, not a number: what ends in one is read as an IPv4 address by some.
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?!0x)[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
_DECODINGS = 4


def parse(text: str) -> httpx2.URL:
    """Return the address that a page is asked by, without its fragment.

    Raises:
        BadArgument: no http(s) address of a named host at the scheme's own port, or too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadArgument(f"an address of {len(text)} characters: {MOST_CHARACTERS} at most")
    if _UNFIT.search(text) or not _BEGINNING.match(text):
        raise _unfit(text)
    try:
        url = httpx2.URL(text).copy_with(fragment=None)
    except httpx2.InvalidURL as error:
        raise _unfit(text) from error
    if len(url.query) > MOST_OF_QUERY:
        raise BadArgument(f"a query of {len(url.query)} characters: {MOST_OF_QUERY} at most")
    if not fits(url):
        raise _unfit(text)
    return url


def fits(url: httpx2.URL) -> bool:
    """Whether a page may be asked for there, by what the address itself says."""
    return (
        url.scheme in ("http", "https")
        and url.port is None
        and not url.userinfo
        and _HOST.fullmatch(url.raw_host.decode("ascii")) is not None
    )


def forms(text: str) -> tuple[str, ...]:
    """Return an address and what becomes of it when it is decoded, once and again."""
    found = [text]
    while len(found) < _DECODINGS and (decoded := unquote_plus(found[-1])) != found[-1]:
        found.append(decoded)
    return tuple(found)


def _unfit(text: str) -> BadArgument:
    return BadArgument(
        f"{text[:80]!r} is no address of a public page: http:// or https://, a name with a dot, "
        "no port, no user"
    )

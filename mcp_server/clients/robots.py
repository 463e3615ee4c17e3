"""What a site's robots.txt lets us read (RFC 9309): a pure parser and its verdict.

Patterns are matched piece by piece, so that no file can make one match take long.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

# The product token of our `User-Agent`.
US = "daily-factory"
_HEARD = frozenset({US, "*"})
# At least so much must be read (RFC 9309 2.5); what comes later is not.
MOST_BYTES = 512_000
_LINE = re.compile(r"\s*([A-Za-z-]+)\s*:\s*([^#]*)")
_TOKEN = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One pattern of the group that speaks to us."""

    pattern: str
    allowed: bool


def parse(body: bytes) -> tuple[Rule, ...]:
    """Return the rules for us: of all groups that name us, else of all groups for everybody."""
    groups: dict[str, list[Rule]] = {}
    # Of those that a group names, only who can mean us: a file may name thousands.
    agents: set[str] = set()
    naming = False
    for name, value in _lines(body):
        if name == "user-agent":
            agents = (agents if naming else set[str]()) | ({_agent(value)} & _HEARD)
            naming = True
            for agent in agents:
                groups.setdefault(agent, [])
        elif name in ("allow", "disallow"):
            naming = False
            # An empty pattern says nothing.
            rules = [Rule(pattern=_plain(value), allowed=name == "allow")] if value else []
            for agent in agents:
                groups[agent] += rules
    return tuple(groups.get(US, groups.get("*", ())))


def allows(rules: Sequence[Rule], target: str) -> bool:
    """Whether `target`, a path with its query, may be read: the longest match decides.

    Of two that are as long the one that allows; what nothing matches may be read.
    """
    plain = _plain(target)
    found = [(len(rule.pattern), rule.allowed) for rule in rules if _matches(rule.pattern, plain)]
    return max(found, default=(0, True))[1]


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    text = body[:MOST_BYTES].decode("utf-8", errors="replace").removeprefix("\ufeff")
    for line in text.splitlines():
        if found := _LINE.match(line):
            yield found[1].lower(), found[2].strip()


def _agent(value: str) -> str:
    if value == "*":
        return value
    found = _TOKEN.match(value)
    return found[0].lower() if found else ""


def _plain(text: str) -> str:
    """Return a path by its octets, so that `%7E` and `~` are one; `%2F` stays apart from `/`.

    So do `%2A` and `%24` from the two signs of a pattern.
    """
    kept = re.sub(r"%(2[FfAa]|24)", lambda code: f"%25{code[1].upper()}", text)
    return unquote_to_bytes(kept).decode("latin-1")


def _matches(pattern: str, path: str) -> bool:
    whole = pattern.endswith("$")
    first, *others = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    if not others:
        return at == len(path) or not whole
    *middle, last = others
    for piece in middle:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if whole:
        return path.endswith(last) and len(path) - len(last) >= at
    return path.find(last, at) >= 0

"""Newcomers of package indexes that publish them: PyPI's feed and crates.io's summary.

npm has no such list without a key: its feed is of every change to every package.
"""

import re
from datetime import datetime

from pydantic import BaseModel

from mcp_server.trends.feed import parse_items
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.signal import (
    Answer,
    Signal,
    SourceFacts,
    Time,
    json_field,
    per_hour,
    plain,
    read_rows,
    repo_of,
    web_url,
)

_PYPI = "https://pypi.org/rss/packages.xml"
_CRATES = "https://crates.io/api/v1/summary"
_ADDED = re.compile(r"(\S+) added to PyPI")

FACTS = SourceFacts(
    name="packages",
    hosts=("pypi.org", "crates.io"),
    addresses=(_PYPI, _CRATES),
    refresh_seconds=6 * 3600,
    rate="crates.io: one request a second, with a User-Agent that names who asks "
    "(crates.io/data-access); PyPI states none; one request each",
    terms="https://crates.io/policies, https://docs.pypi.org/api/feeds/; names come unasked: spam",
    numbers="points: downloads (crates.io), none at PyPI, where only the place in the feed is said",
)


class _Crate(BaseModel):
    name: str
    description: str | None
    downloads: int
    repository: str | None
    created_at: Time


def parse_pypi(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the packages, newest first; raises as `parse_items` does."""
    del now
    return parse_items(answer, FACTS.name, title_of=_package)


def parse_crates(answer: Answer, now: datetime) -> tuple[Signal, ...]:
    """Return the crates, newest first; raises as `read_rows` does, or `Unavailable`."""
    rows = json_field(answer, "new_crates")
    return read_rows(rows, lambda rank, row: _read_crate(rank, row, now), answer.url)


def _package(title: str) -> str:
    found = _ADDED.fullmatch(title)
    return found[1] if found else ""


def _read_crate(rank: int, row: object, now: datetime) -> Signal:
    crate = _Crate.model_validate(row)
    title = plain(crate.name)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", title):
        raise ValueError(f"{title!r} is no crate")
    source = web_url(crate.repository)
    return Signal(
        source=FACTS.name,
        rank=rank,
        title=title,
        description=plain(crate.description or ""),
        url=f"https://crates.io/crates/{title}",
        repo=repo_of(source) if source else None,
        language="Rust",
        points=crate.downloads,
        velocity_per_hour=per_hour(crate.downloads, crate.created_at, now),
        at=crate.created_at,
    )


SOURCE = ListedSource(
    facts=FACTS,
    listings=lambda _now: [
        Listing(name="PyPI", address=_PYPI, parse=parse_pypi),
        Listing(name="crates.io", address=_CRATES, parse=parse_crates),
    ],
)

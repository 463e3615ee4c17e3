"""What was read before, kept in the database for the next process; any of it may be missing.

What an entry means is its reader's business. Nothing is counted by what stands only here.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from mcp_server import store
from mcp_server.models import utc

_TABLE = store.cache.c


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that was read: `tag` tells whether it still holds, `read_at` how old it is."""

    tag: str
    read_at: datetime
    body: bytes


class Cache:
    """Entries by kind and key, of one owner: what a former token read is void."""

    def __init__(self, engine: sa.Engine, *, owner: str) -> None:
        """Keep entries in `engine`; `owner` is a fingerprint of the token they are read with."""
        self._engine = engine
        self._owner = owner

    def find(self, kind: str, key: str) -> Entry | None:
        """Return an entry; None when there is none, or not a whole one."""
        return self._select(kind, _TABLE.key == key).get(key)

    def all(self, kind: str) -> dict[str, Entry]:
        """Return every whole entry of a kind, by key."""
        return self._select(kind)

    def keep(self, kind: str, entries: Mapping[str, Entry]) -> None:
        """Write entries over those of the same keys; those of other owners go."""
        rows = [
            {
                "kind": kind,
                "key": key,
                "owner": self._owner,
                "tag": entry.tag,
                "read_at": entry.read_at.isoformat(),
                "body": zlib.compress(entry.body),
            }
            for key, entry in entries.items()
        ]
        if not rows:
            return
        with store.translated("cache"), self._engine.begin() as tx:
            tx.execute(sa.delete(store.cache).where(_TABLE.owner != self._owner))
            _drop(tx, kind, entries)
            tx.execute(sa.insert(store.cache), rows)

    def drop(self, kind: str, keys: Iterable[str]) -> None:
        """Forget entries."""
        if wanted := list(keys):
            with store.translated("cache"), self._engine.begin() as tx:
                _drop(tx, kind, wanted)

    def _select(self, kind: str, *more: sa.ColumnElement[bool]) -> dict[str, Entry]:
        query = sa.select(_TABLE.key, _TABLE.tag, _TABLE.read_at, _TABLE.body).where(
            _TABLE.kind == kind, _TABLE.owner == self._owner, *more
        )
        with store.translated("cache"), self._engine.begin() as tx:
            rows = tx.execute(query).all()
        found = {row.key: _entry(row.tag, row.read_at, row.body) for row in rows}
        return {key: entry for key, entry in found.items() if entry is not None}


def _entry(tag: str, read_at: str, body: bytes) -> Entry | None:
    try:
        return Entry(tag=tag, read_at=utc(read_at), body=zlib.decompress(body))
    except (zlib.error, ValueError):  # damaged: as good as never read
        return None


def _drop(tx: sa.Connection, kind: str, keys: Iterable[str]) -> None:
    # One statement a key: a list of thousands would not fit into one.
    gone = sa.delete(store.cache).where(
        _TABLE.kind == sa.bindparam("of"), _TABLE.key == sa.bindparam("named")
    )
    tx.execute(gone, [{"of": kind, "named": key} for key in keys])

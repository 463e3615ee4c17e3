"""The server's database: engine and schema. What rows mean is the ledger's business.

SQLite runs in rollback-journal mode with `synchronous=EXTRA`, and never in WAL: that can lose
commits on libraries before 3.51.3 (facts/safety.md 1.2), and a lost commit is a lost reservation.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound, OperationalError

from mcp_server import place
from mcp_server.errors import LedgerUnavailable, SettingsError

SCHEMA_VERSION = 2
# What a person can do about damage; neither way gives anything spent back.
WAY_OUT = (
    "move the file away and start anew: the new one settles for ten minutes and counts what Jules "
    "lists. An older copy in its place would not know what it has started since"
)
BUSY_TIMEOUT_SECONDS = 10

metadata = sa.MetaData()

# One row: who this ledger is, and the head of its chain, written with every event.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
    sa.Column("ledger_id", sa.Text, nullable=False),
    sa.Column("world", sa.Text, nullable=False),
    sa.Column("opened_at", sa.Text, nullable=False),
    sa.Column("events", sa.Integer, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    sa.Column("paused", sa.Text),
    sa.Column("first_listing_at", sa.Text),
    sa.Column("ready_at", sa.Text),
    sa.Column("rival_at", sa.Text),
    sa.Column("heard_at", sa.Text),
    sa.Column("heard_here_at", sa.Text),
    sa.Column("ceiling", sa.Integer),
    sa.Column("ceiling_running", sa.Integer),
    sa.Column("ceiling_at", sa.Text),
    sa.CheckConstraint("one = 1"),
)

# Append-only and hash-chained; the tables below are derived from it in the same transaction.
events = sa.Table(
    "ledger_events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
sa.Index(
    "one_sent_per_ticket",
    events.c.ticket,
    unique=True,
    sqlite_where=events.c.kind == "sent",
    postgresql_where=events.c.kind == "sent",
)
sa.Index(
    "one_end_per_ticket",
    events.c.ticket,
    unique=True,
    sqlite_where=events.c.kind.in_(["spent", "released"]),
    postgresql_where=events.c.kind.in_(["spent", "released"]),
)

tickets = sa.Table(
    "ledger_tickets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("lane", sa.Text),
    sa.Column("repo", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("held_at", sa.Text, nullable=False),
    sa.Column("sent_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("evidence", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("absent_since", sa.Text),
    sa.UniqueConstraint("kind", "key"),
)
sa.Index("tickets_by_state", tickets.c.state, tickets.c.kind)

# Every session id ever listed or created whose createTime could still matter.
sessions = sa.Table(
    "ledger_sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("lane", sa.Text),
    sa.Column("ticket", sa.Text),
    sa.Column("marker", sa.Text),
    sa.Column("repo", sa.Text),
    sa.Column("running", sa.Boolean(create_constraint=True, name="yes_or_no"), nullable=False),
    sa.Column("unseen_since", sa.Text),
)
sa.Index("sessions_by_time", sessions.c.created_at)

repositories = sa.Table(
    "ledger_repositories",
    metadata,
    sa.Column("repo", sa.Text, primary_key=True),
    sa.Column("created_at", sa.Text, nullable=False),
)

# What was read and can be read anew at any time: nothing is counted by it, so it has no version,
# and a ledger of any version gets it.
cache = sa.Table(
    "cache_entries",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column("read_at", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

# What was asked of services that cost money each time, by UTC day; never part of the record.
paid = sa.Table(
    "paid_queries",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("calls", sa.Integer, nullable=False),
)

# What trends were is told to people and compared with today, and nothing is counted by it either:
# without a version, like the cache. An idea as it was last seen; how it stood on each day; what a
# source counted at an item's last looks.
trend_ideas = sa.Table(
    "trend_ideas",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)
trend_days = sa.Table(
    "trend_days",
    metadata,
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("points", sa.Text, nullable=False),
)
trend_looks = sa.Table(
    "trend_looks",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("item", sa.Text, primary_key=True),
    sa.Column("hour", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("points", sa.Integer, nullable=False),
)
_UNVERSIONED = (cache, paid, trend_ideas, trend_days, trend_looks)


def open_engine(url: str) -> sa.Engine:
    """Open the database at `url` (`sqlite:///PATH` here); a new one gets this version's tables.

    Raises:
        SettingsError: the URL is not one this version can use.
        LedgerUnavailable: the file is unreadable, damaged, or from a newer version.
    """
    if not url.startswith("sqlite:///"):
        raise SettingsError(f"state {url!r} is not a database this version knows: sqlite:///PATH")
    name = url.removeprefix("sqlite:///")
    if name in ("", ":memory:") or "?" in name:
        raise SettingsError(f"state {url!r} names no file to keep the ledger in")
    path = Path(name)
    with _reachable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        place.refuse_unfit(path)
        if not path.exists():
            path.touch(mode=0o600)
        place.refuse_foreign(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    engine = _engine(url, path)
    with translated(path), engine.begin() as connection:
        _check_pages(connection, path)
        found = _tables(connection, path)
        if "ledger" not in found:
            if any(name.startswith("ledger_") for name in found):
                raise LedgerUnavailable(f"the ledger {path} has lost its head: {WAY_OUT}")
            if any(not name.startswith("agent_") for name in found):
                raise LedgerUnavailable(f"{path} holds somebody else's tables: name another file")
            metadata.create_all(connection)
        _check_version(connection, path)
        metadata.create_all(connection, tables=_UNVERSIONED)
    with translated(path), engine.connect() as connection, connection.begin() as probe:
        # A file that cannot be written opens and locks like any other: a write tells.
        connection.exec_driver_sql("PRAGMA user_version = 0")
        probe.rollback()
    return engine


def _engine(url: str, path: Path) -> sa.Engine:
    """Return an engine over the file as it is now; one that takes its place is refused."""
    with _reachable(path):
        opened = _identity(path)
    address = f"file:{quote(str(path.absolute()))}?mode=rw"

    def connected() -> sqlite3.Connection:
        # `mode=rw`: a file that was deleted is missed, not made anew.
        connection = sqlite3.connect(
            address, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None
        )
        _set_up(connection, path)
        return connection

    def begun(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with _reachable(path):
            there = _identity(path)
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        if mode != "delete":
            raise LedgerUnavailable(
                f"the ledger {path} was put into journal mode {mode!r} while in use: nothing was "
                "changed; end the process that did it, then start again"
            )
        if there != opened:
            raise LedgerUnavailable(
                f"the ledger {path} was replaced by another file while in use: nothing was "
                "changed; end every process that uses it, then start again"
            )

    engine = sa.create_engine(url, creator=connected)
    event.listen(engine, "begin", begun)
    return engine


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


@contextmanager
def _reachable(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerUnavailable(f"no ledger can be kept at {path}: {error.strerror}") from error


def _check_pages(connection: sa.Connection, path: Path) -> None:
    # Not quick_check: only the whole check lays the indexes beside their tables.
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if found != "ok":
        raise LedgerUnavailable(f"the ledger {path} is damaged ({found}): {WAY_OUT}")


def _tables(connection: sa.Connection, path: Path) -> frozenset[str]:
    """Return the names of all tables; a damaged name may have come to be no text."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    names: list[object] = list(connection.exec_driver_sql(query).scalars())
    texts = frozenset(name for name in names if isinstance(name, str))
    if len(texts) < len(names):
        raise LedgerUnavailable(f"the ledger {path} is damaged (a table has no name): {WAY_OUT}")
    return texts


def _check_version(connection: sa.Connection, path: Path) -> None:
    version = connection.execute(sa.select(ledger.c.schema_version)).scalar_one_or_none()
    if version is not None and not isinstance(version, int):
        raise LedgerUnavailable(
            f"the ledger {path} is damaged (its version is no number): {WAY_OUT}"
        )
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerUnavailable(
            f"{path} has ledger schema {version}, this version knows {SCHEMA_VERSION}: "
            "use the newer program, or another state"
        )


@contextmanager
def translated(what: object) -> Generator[None]:
    """Turn any failure of the database into `LedgerUnavailable`, so that callers fail closed."""
    try:
        yield
    except OperationalError as error:
        # The low byte names the kind; above it stands the occasion.
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
            raise LedgerUnavailable(
                f"the ledger {what} is held by another process for over "
                f"{BUSY_TIMEOUT_SECONDS} s; nothing was changed: "
                "call again, or end the process that holds it"
            ) from error
        raise LedgerUnavailable(f"the ledger {what} cannot be used: {error.orig}") from error
    except DBAPIError as error:
        raise LedgerUnavailable(
            f"the ledger {what} is damaged ({error.orig}): {WAY_OUT}"
        ) from error
    except UnicodeDecodeError as error:  # the driver's own, where a text is none any more
        raise LedgerUnavailable(f"the ledger {what} is damaged ({error}): {WAY_OUT}") from error
    except (NoResultFound, MultipleResultsFound) as error:
        raise LedgerUnavailable(f"the ledger {what} has lost its head: {WAY_OUT}") from error


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    # A file that somebody switched to WAL is switched back, unless others have it open.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode=DELETE")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode != "delete":
        connection.close()
        raise LedgerUnavailable(
            f"the ledger {path} is in journal mode {mode!r} and another process keeps it there: "
            "end that process, then start again"
        )
    for pragma in ("synchronous=EXTRA", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")

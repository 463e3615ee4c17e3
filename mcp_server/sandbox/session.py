"""A Jules session and its activities, as values that `jules.py` changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mcp_server.sandbox.git import File
from mcp_server.sandbox.life import Life, Turn

# States in which a session takes no place among the concurrent ones.
ENDED = ("COMPLETED", "FAILED", "PAUSED")
RESTING = ("QUEUED", *ENDED)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a create call asks for; `repo` and `branch` None is a repoless session."""

    prompt: str
    title: str = ""
    repo: str | None = None
    branch: str | None = None
    auto_pull: bool = False
    needs_approval: bool = False


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A whole diff: files before and after, and the commit before (None: repoless)."""

    diff: str
    base: str | None
    message: str
    files: Mapping[str, File]


@dataclass(frozen=True, kw_only=True)
class Activity:
    """One activity: `event` is its event field's name (None: the odd one without), with content."""

    id: str
    at: datetime
    originator: str
    event: str | None
    content: Mapping[str, object]
    description: str = ""
    artifacts: tuple[Mapping[str, object], ...] = ()


@dataclass(kw_only=True)
class Session:
    """A session; `entity` is its name for draws, `generation` voids the turns already noted."""

    id: str
    entity: str
    foreign: bool
    order: Order
    title: str
    life: Life
    turns: Iterator[tuple[float, Turn]]
    created: datetime
    updated: datetime
    base: str | None
    state: str = "QUEUED"
    archived: bool = False
    waiting: str | None = None
    fixes: int = 0
    generation: int = 0
    activities: list[Activity] = field(default_factory=list[Activity])
    patch: Patch | None = None
    pull: int | None = None
    pull_shows: datetime | None = None
    # How many reads of the session are still answered 503.
    unavailable: int = 0

    @property
    def name(self) -> str:
        """Return the resource name."""
        return f"sessions/{self.id}"

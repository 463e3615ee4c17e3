"""Trend sources, ideas and what they are near to."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from mcp_server.models.value import Page, Value

IdeaKind = Literal["app", "extension", "tool", "pain_point"]
Verdict = Literal["create", "update", "skip"]


class Provenance(Value):
    """Where one signal of an idea came from; a short answer has the best rank and its source."""

    source: str
    rank: int = Field(ge=1, description="place in its listing")
    url: str = ""
    points: int = Field(default=0, description="as its source counts them: compare only within it")
    velocity_percentile: float = Field(default=0, ge=0, le=1, description="within its source only")
    velocity_estimated: bool = Field(
        default=True, description="a count over an age; false: gained between two looks"
    )
    content_hash: str = Field(
        default="", description="of source, address, title and description: another one, edited"
    )


class Idea(Value):
    """Signals about the same thing, merged across sources."""

    key: str = Field(description="stable over days: a hash of the repository or the address")
    title: str
    description: str = ""
    kind: IdeaKind
    provenance: tuple[Provenance, ...]
    score: float = Field(ge=0, le=1, description="interest, before any judgement of ours")
    corroboration: int = Field(default=1, ge=1, description="how many sources speak of it")
    novelty: float = Field(
        default=1, ge=0, le=1, description="share of the last 30 days on which it was not seen"
    )


class SourceStatus(Value):
    """How one trend source did, and why it is no better."""

    name: str
    status: Literal["ok", "partial", "empty", "failed", "off"] = Field(
        description="partial: a list of it failed, or not all its rows could be read; off: no key"
    )
    signals: int = Field(default=0, description="of the lists that were read in full")
    expected: int = Field(default=0, description="rows of the lists that were read in part")
    parsed: int = Field(default=0, description="of these, rows that were read, and count nowhere")
    reason: str = ""
    read_at: datetime | None = Field(default=None, description="earlier than now: kept since then")


class Dropped(Value):
    """Signals that are beside the point, and why; a short answer has no titles."""

    reason: str
    signals: int = Field(ge=1)
    titles: tuple[str, ...] = Field(default=(), description="the first few")


class Discovery(Value):
    """What the trend sources gave."""

    ideas: tuple[Idea, ...]
    sources: tuple[SourceStatus, ...]
    dropped: tuple[Dropped, ...] = ()
    left_out: int = Field(default=0, ge=0, description="ideas past the limit")


class TrendDay(Value):
    """How an idea stood at the last whole discovery of a UTC day."""

    day: str = Field(description="YYYY-MM-DD")
    rank: int = Field(ge=1, description="among that day's ideas")
    score: float = Field(ge=0, le=1)
    points: dict[str, int] = Field(description="by source: compare only within one")


class IdeaHistory(Value):
    """An idea as it was last seen, in full, and its days, oldest first."""

    idea: Idea
    days: tuple[TrendDay, ...]


class Candidate(Value):
    """A repository near an idea."""

    repo: str
    score: float = Field(ge=0, le=1)
    evidence: str = ""


class Match(Value):
    """The nearest repositories to a title and description, and what that suggests."""

    candidates: tuple[Candidate, ...]
    decision: Verdict
    reason: str
    name: str | None = Field(
        default=None, description="a free name for a new repository; None: it would not be new"
    )


class SourceCard(Page):
    """What is declared of a trend source."""

    name: str
    addresses: tuple[str, ...]
    key: str | None = Field(description="the environment variable without which it is off")
    refresh_seconds: int
    rate: str
    terms: str
    numbers: str


class SourceCards(Page):
    """All trend sources."""

    sources: tuple[SourceCard, ...]

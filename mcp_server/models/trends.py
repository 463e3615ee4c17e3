"""Trend sources, ideas and what they are near to."""

from typing import Literal

from pydantic import Field

from mcp_server.models.value import Page, Value

IdeaKind = Literal["app", "extension", "tool", "pain_point"]
Verdict = Literal["create", "update", "skip"]


class Provenance(Value):
    """Where one signal of an idea came from."""

    source: str
    url: str
    rank: int = Field(ge=1, description="place in its listing")
    velocity_percentile: float = Field(ge=0, le=1, description="within its source only")


class Idea(Value):
    """Signals about the same thing, merged across sources."""

    key: str = Field(description="stable over days: a hash of the normalised title or URL")
    title: str
    description: str = ""
    kind: IdeaKind
    provenance: tuple[Provenance, ...]
    score: float = Field(ge=0, le=1, description="interest, before any judgement of ours")


class SourceStatus(Value):
    """How one trend source did: `ok`, `empty`, `failed` or `off`."""

    name: str
    status: Literal["ok", "empty", "failed", "off"]
    signals: int = 0
    reason: str = ""


class Discovery(Value):
    """What the trend sources gave."""

    ideas: tuple[Idea, ...]
    sources: tuple[SourceStatus, ...]


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
    key_needed: bool
    refresh_seconds: int
    rate: str
    terms: str
    numbers: str


class SourceCards(Page):
    """All trend sources."""

    sources: tuple[SourceCard, ...]

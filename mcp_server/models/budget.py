"""The allowance and the ledger."""

from typing import Any

from pydantic import AwareDatetime, Field

from mcp_server.models.value import Page, Value


class Release(Value):
    """Units that leave the window at a moment."""

    at: AwareDatetime
    units: int


class Budget(Value):
    """The allowance now (`budget_status`)."""

    limit: int
    window_hours: int = 24
    spent: int = Field(description="our sessions in the window")
    held: int = Field(description="open tickets without a session id")
    external: int = Field(description="sessions in the window that are not ours")
    remaining: int
    by_lane: dict[str, int]
    lane_limits: dict[str, int]
    released: int = Field(description="tickets given back with proof, in the window")
    repositories_created: int
    repositories_limit: int
    concurrent: int
    concurrent_limit: int
    releases: tuple[Release, ...]
    ceiling: int | None = Field(
        default=None, description="sessions at which Jules itself refuses now; None: it does not"
    )
    paused: str | None = None
    counted_at: AwareDatetime | None = Field(description="Date of the listing; None: none yet")
    settles_at: AwareDatetime | None = Field(
        default=None, description="before this a new ledger starts no session; None: it may"
    )
    ledger_events: int
    chain_head: str
    requests: dict[str, int] = Field(default_factory=dict, description="host -> requests so far")
    switched_off: dict[str, str] = Field(default_factory=dict, description="part -> why")
    unknown: tuple[str, ...] = Field(
        default=(), description="words in Jules' answers that this version does not know"
    )


class Event(Value):
    """One row of the ledger."""

    seq: int
    at: AwareDatetime
    kind: str
    ticket: str | None
    data: dict[str, Any]
    hash: str = Field(description="over this event and the hash of the one before")


class Verified(Value):
    """A ledger recomputed from its events: what agrees, and where it breaks first."""

    agrees: bool = Field(description="chain, count, head and the derived tables all agree")
    chain: bool = Field(description="every event's hash follows from the one before")
    count: bool = Field(description="there are as many events as the head says")
    head: bool = Field(description="the last event's hash is the head")
    tables: bool = Field(description="tickets, sessions and repositories are as the events say")
    reports: bool | None = Field(
        default=None, description="the heads that reports kept are in the record; None: no report"
    )
    events: int
    first_bad_seq: int | None = Field(description="the first event changed or missing; None: none")
    text: str


class Learnt(Page):
    """What reconciling found out."""

    learnt: tuple[str, ...]
    open_tickets: int


class Paused(Page):
    """Whether tickets go out."""

    paused: str | None


class Events(Page):
    """A page of the ledger."""

    events: tuple[Event, ...]
    verified: Verified | None = Field(default=None, description="None: was not asked for")

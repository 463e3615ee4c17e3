"""Jules, as tools give it and the agent reads it."""

from typing import Literal, get_args

from pydantic import AwareDatetime, Field

from mcp_server.models.value import Page, Value

Lane = Literal["create", "update", "optimize", "repair", "manual"]
LANES: tuple[Lane, ...] = get_args(Lane)
TREND_LANES: frozenset[str] = frozenset({"create", "update"})


class Marker(Value):
    """The keyed tag that starts a session's title (`guard/marker.py`)."""

    ledger: str
    date: str = Field(description="UTC date, YYYY-MM-DD")
    lane: Lane
    task_key: str
    attempt: int
    valid: bool = Field(description="the MAC is ours, for this repository and branch")


class Source(Value):
    """A repository as Jules sees it."""

    repo: str
    default_branch: str | None = None
    branches: tuple[str, ...] = ()
    private: bool | None = None


class PullOutput(Value):
    """The pull request a session says it opened."""

    url: str
    title: str = ""
    base_ref: str | None = None
    head_ref: str | None = None


class Session(Value):
    """A Jules session. `state` is Jules' own word, unknown ones included."""

    id: str
    title: str = ""
    state: str = "QUEUED"
    url: str = ""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    repo: str | None = Field(default=None, description="None: repoless, or a thin answer")
    branch: str | None = None
    archived: bool = False
    pull: PullOutput | None = None
    has_patch: bool = False
    marker: Marker | None = None

    @property
    def mine(self) -> bool:
        """Whether the title carries a valid marker of ours."""
        return self.marker is not None and self.marker.valid


class Activity(Value):
    """One entry of a session's history; `kind` is the event field's name, or `none`."""

    id: str
    at: AwareDatetime
    kind: str
    originator: str | None = None
    text: str = ""
    plan_steps: tuple[str, ...] = ()
    has_change_set: bool = False


class Sources(Page):
    """Connected repositories."""

    sources: tuple[Source, ...]


class Sessions(Page):
    """Sessions, newest first."""

    sessions: tuple[Session, ...]


class SessionDetail(Page):
    """One session."""

    session: Session


class Activities(Page):
    """Activities, oldest first, texts cut to 2,000 characters."""

    activities: tuple[Activity, ...]


class Started(Value):
    """A started session, or what happened to it before."""

    session_id: str
    url: str
    title: str
    already: bool
    task_key: str
    attempt: int


class Acted(Value):
    """What was done to a session."""

    session_id: str
    done: str
    already: bool

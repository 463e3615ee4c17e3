"""Jules, as tools give it and the agent reads it."""

from typing import Literal, get_args

from pydantic import AwareDatetime, Field

from mcp_server.models.value import Page, Value

Lane = Literal["create", "update", "optimize", "repair", "manual"]
LANES: tuple[Lane, ...] = get_args(Lane)
TREND_LANES: frozenset[str] = frozenset({"create", "update"})
# All that Jules' v1alpha says of a session and of an activity (facts/jules-api.md 2.1, 2.3;
# 2026-11-22). A word that is none of these is kept as it came, and never guessed.
STATES = (
    "STATE_UNSPECIFIED",
    "QUEUED",
    "PLANNING",
    "AWAITING_PLAN_APPROVAL",
    "AWAITING_USER_FEEDBACK",
    "IN_PROGRESS",
    "PAUSED",
    "FAILED",
    "COMPLETED",
)
ACTIVITY_KINDS = (
    "planGenerated",
    "planApproved",
    "userMessaged",
    "agentMessaged",
    "progressUpdated",
    "sessionCompleted",
    "sessionFailed",
)
# The kind of an activity that does not fit what is known of activities: shown, and proves nothing.
UNREADABLE = "unreadable"
SessionHealth = Literal[
    "working",
    "asking",
    "plan_ready",
    "silent",
    "stuck",
    "paused",
    "done",
    "failed",
    "revived",
    "unknown",
]


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
    branches_left_out: int = Field(default=0, description="branches that are not shown")
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
    """One entry of a session's history, without its bulk."""

    id: str
    at: AwareDatetime | None = Field(default=None, description="None: Jules did not say")
    kind: str = Field(
        description="name of the event, `none` for one without, or `unreadable`: not understood"
    )
    originator: str | None = None
    text: str = ""
    left_out: int = Field(default=0, description="characters of the text that are not shown")
    plan_steps: tuple[str, ...] = ()
    has_change_set: bool = False
    artifacts: tuple[str, ...] = Field(default=(), description="what jules_get_activity would add")


class Sources(Page):
    """Connected repositories."""

    sources: tuple[Source, ...]
    left_out: int = Field(default=0, description="sources that fit and stand on later pages")
    unreadable: int = Field(default=0, description="sources that were not understood")


class SourceDetail(Page):
    """One connected repository."""

    source: Source


class Sessions(Page):
    """Sessions, newest first."""

    sessions: tuple[Session, ...]
    since: AwareDatetime | None = Field(
        default=None, description="older sessions were not looked at; None: all were"
    )
    unreadable: int = Field(default=0, description="sessions that were not understood")


class Question(Value):
    """What a session last asked."""

    activity_id: str
    text: str


class SessionDetail(Page):
    """One session: how it is, by what evidence, and what to do next."""

    session: Session
    health: SessionHealth
    evidence: str
    next_step: str
    needs_somebody: bool = Field(description="nothing more will happen by itself")
    plan_steps: tuple[str, ...] = Field(default=(), description="of its latest session plan")
    last_words: str = Field(default="", description="the agent's last text, cut to 2,000")
    last_agent_at: AwareDatetime | None = None
    question: Question | None = Field(default=None, description="asked and not answered yet")
    activities: int = Field(default=0, description="how many there are")
    unreadable: int = Field(default=0, description="those of them that were not understood")


class Waited(SessionDetail):
    """How a session was when waiting ended."""

    timed_out: bool
    waited_seconds: float
    last_failure: str = Field(
        default="", description="why the last look failed; the rest is what was seen before"
    )


class Activities(Page):
    """Activities, oldest first, texts cut to 2,000 characters."""

    activities: tuple[Activity, ...]
    left_out: int = Field(default=0, description="earlier ones that fit and are not shown")
    resume_cursor: str | None = Field(
        default=None, description="as `cursor`, later: only what has come since; None: no end yet"
    )


class Command(Value):
    """A command that a session ran."""

    command: str
    output: str
    exit_code: int | None = None
    left_out: int = Field(default=0, description="characters of the output that are not shown")


class Image(Value):
    """An image that a session made; shown beside the text where `shown`."""

    mime_type: str
    size_bytes: int
    shown: bool


class FileChange(Value):
    """One file of a diff."""

    path: str
    added: int
    removed: int


class Patch(Value):
    """A unified diff with its stat, whole files first come first shown, under a cap."""

    base_commit: str | None = None
    suggested_message: str = ""
    files: tuple[FileChange, ...]
    files_left_out: int = Field(default=0, description="files of the stat that are not listed")
    added: int
    removed: int
    characters: int = Field(description="length of the whole diff")
    diff: str
    left_out: str = Field(default="", description="what of the diff is not shown; empty: nothing")


class ActivityDetail(Page):
    """Everything of one activity; its images stand beside the text."""

    activity: Activity
    patch: Patch | None = None
    commands: tuple[Command, ...] = ()
    images: tuple[Image, ...] = ()
    left_out: int = Field(default=0, description="commands and files that are not listed")


class SessionPatch(Page):
    """The final diff of a session; `patch` None: it has left none."""

    session_id: str
    repo: str | None
    found_in: str = Field(description="`outputs`, the id of an activity, or `nowhere`")
    patch: Patch | None
    unreadable: int = Field(
        default=0, description="activities not understood: a later diff may be among them"
    )


class Started(Value):
    """A started session, what happened to it before, or what would be sent (`dry_run`)."""

    session_id: str = Field(description="empty for a dry run")
    url: str
    title: str
    already: bool
    task_key: str
    attempt: int
    marker: Marker | None = None
    remaining: int | None = Field(default=None, description="units free after this start")
    dry_run: bool = False


class Acted(Value):
    """What was done to a session."""

    session_id: str
    done: str
    already: bool

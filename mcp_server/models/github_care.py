"""What is done for a repository beside its code: its words, and schedules that compete."""

from pydantic import AwareDatetime, Field

from mcp_server.models.value import Value


class Described(Value):
    """A repository's words as GitHub shows them after a change; `changed` names what was set."""

    repo: str
    description: str
    topics: tuple[str, ...]
    changed: tuple[str, ...]


class Commented(Value):
    """A comment on a pull request."""

    repo: str
    number: int
    already: bool


class Reported(Value):
    """The one report issue of a repository."""

    repo: str
    number: int
    url: str
    opened: bool


class RecentRun(Value):
    """One run of a workflow; `conclusion` None while it runs."""

    at: AwareDatetime
    event: str
    conclusion: str | None


class ScheduledWorkflow(Value):
    """A workflow that runs by itself."""

    id: int
    name: str
    path: str
    state: str = Field(description="active, or how it is off")
    crons: tuple[str, ...] = Field(description="as written, UTC; ? where it cannot be read")
    uses_jules: bool = Field(description="names a way to start Jules sessions")
    competes: bool = Field(description="on, scheduled, not this factory's, and uses Jules")
    runs: tuple[RecentRun, ...]


class ScheduledWorkflows(Value):
    """The schedules of one repository; `others` counts workflows without one."""

    repo: str
    workflows: tuple[ScheduledWorkflow, ...]
    others: int


class DisabledWorkflow(Value):
    """A workflow that is off; its file is still in the repository."""

    repo: str
    workflow_id: int
    path: str
    already: bool

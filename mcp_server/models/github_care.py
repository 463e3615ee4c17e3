"""What is done for a repository beside its code: schedules that compete for the allowance."""

from pydantic import AwareDatetime, Field

from mcp_server.models.value import Value


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

"""What the doctor finds: each with its fix."""

from typing import Literal

from mcp_server.models.value import Value

# `note`: good to know. `warning`: something does not work, or will stop. `error`: no run starts.
Level = Literal["ok", "note", "warning", "error"]


class Competitor(Value):
    """A scheduled workflow that starts Jules sessions by itself."""

    repo: str
    workflow_id: int
    path: str


class Finding(Value):
    """One thing that was looked at; `fix` says what a person does about it."""

    check: str
    level: Level
    text: str
    fix: str | None = None
    competitor: Competitor | None = None

    @property
    def line(self) -> str:
        """The finding for a reader, with what to do about it."""
        return f"{self.level:7} {self.check}: {self.text}" + (f"; {self.fix}" if self.fix else "")


class Findings(Value):
    """All findings, in the order they were looked at."""

    findings: tuple[Finding, ...]

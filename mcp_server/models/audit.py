"""What an audit of a repository against the standard found, as a checklist."""

from typing import Literal

from pydantic import Field

from mcp_server.models.value import Value

AuditRule = Literal["file", "root", "dependency", "import", "key"]
AuditState = Literal["ok", "missing", "unknown"]


class AuditItem(Value):
    """One thing that the standard asks for; `missing` means that the tree does not meet it."""

    rule: AuditRule
    what: str
    state: AuditState
    paths: tuple[str, ...] = Field(default=(), description="where it shows, the first few")
    evidence: str = Field(default="", description="what was seen; never the key itself")
    mend: str = ""


class Audit(Value):
    """The checklist of one tree, `tree` being its name in git."""

    repo: str
    tree: str
    items: tuple[AuditItem, ...]

    @property
    def missing(self) -> tuple[AuditItem, ...]:
        """What the tree does not meet."""
        return tuple(item for item in self.items if item.state == "missing")

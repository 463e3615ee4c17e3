"""The tool that looks for what is wrong with this installation."""

from typing import Annotated

from mcp_types import CallToolResult

from mcp_server.doctor import examine
from mcp_server.models import Findings
from mcp_server.services import Services
from mcp_server.tools.result import answer


class DoctorTools:
    """Reads everything that a run depends on; changes nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def doctor(self) -> Annotated[CallToolResult, Findings]:
        """Check keys, token, reach of Jules' app, clock, ledger, API drift, competing schedules.

        Use it when something is refused that should work, and before the first run. Each finding
        has a level (ok, note, warning, error) and its fix. Costs up to about a hundred requests.
        Next: what the fixes say; github_disable_workflow for a schedule that competes.
        """
        found = Findings(findings=await examine(self._services))
        return answer("\n".join(one.line for one in found.findings), found)

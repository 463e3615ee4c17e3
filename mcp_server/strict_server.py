"""The SDK's server, strict about what a tool is given.

The SDK drops unknown arguments in silence and echoes bad values (mcp 2.3, `FuncMetadata` and
`Tool.run`, 2026-11-23); a dropped one changes what was asked, and a value may be a secret.
"""

from collections.abc import Sequence
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, InputRequiredResult
from pydantic import ValidationError

from mcp_server.errors import BadArgument
from mcp_server.guard.redact import Redactor
from mcp_server.tools.result import error_result

_MOST_NAMED = 5
_LONGEST = 200


class StrictServer(MCPServer):
    """Calls a tool only with arguments that it has, and says shortly what is wrong with one."""

    def __init__(
        self, name: str, *, tools: Sequence[Tool], instructions: str, redactor: Redactor
    ) -> None:
        """Serve `tools`; nothing runs yet."""
        self._arguments: dict[str, tuple[str, ...]] = {}
        for tool in tools:
            self._arguments[tool.name] = tuple(tool.parameters.get("properties", {}))
            tool.parameters["additionalProperties"] = False
        self._redactor = redactor
        super().__init__(name, tools=list(tools), instructions=instructions, log_level="WARNING")

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; arguments that do not fit come back as the error `bad_argument`.

        Raises:
            ToolError: no such tool, or it crashed.
        """
        known = self._arguments.get(name)
        if known is not None and (unknown := [one for one in arguments if one not in known]):
            named = ", ".join(repr(one[:_LONGEST]) for one in unknown[:_MOST_NAMED])
            wrong = f"no argument {named}; its arguments: {', '.join(known) or 'none'}"
            return error_result(self._redactor, BadArgument(f"{name} has {wrong}"))
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = _told(error.__cause__)
            return error_result(self._redactor, BadArgument(f"{name}: {wrong}"))


def _told(error: ValidationError) -> str:
    """Say which arguments are wrong and how, never what they held."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, one['loc']))[:_LONGEST]}: {one['msg'][:_LONGEST]}"
        for one in found[:_MOST_NAMED]
    ]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")

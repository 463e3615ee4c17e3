"""The agent's hands: MCP tools, called by name, their structured answers read as models."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mcp.client import Client
from mcp_types import CallToolResult, TextContent, Tool

from mcp_server.errors import FactoryError
from mcp_server.models import Value

V = TypeVar("V", bound=Value)


class ToolFailed(FactoryError):
    """A tool said no, or failed. `code` and `limit` are the server's own words."""

    def __init__(
        self, message: str, *, tool: str, code: str, limit: str | None, retry_at: str | None
    ) -> None:
        super().__init__(message)
        self.tool = tool
        self.code = code
        self.limit = limit
        self.retry_at = retry_at


class Tools:
    """Calls tools of one server."""

    def __init__(self, client: Client) -> None:
        """Call over a connected client."""
        self._client = client

    async def call(self, tool: str, answer: type[V], **arguments: object) -> V:
        """Call `tool` and read its answer; arguments that are None are left out.

        Raises:
            ToolFailed: the tool answered with an error.
        """
        result = await self.raw(tool, arguments)
        if result.is_error:
            raise _failure(tool, result)
        return answer.model_validate(result.structured_content)

    async def list(self) -> Sequence[Tool]:
        """Return the server's tools, all pages."""
        found: list[Tool] = []
        cursor: str | None = None
        while True:
            page = await self._client.list_tools(cursor=cursor)
            found += page.tools
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def raw(self, tool: str, arguments: Mapping[str, object]) -> CallToolResult:
        """Call `tool` and return its answer as it came, errors included."""
        given = {name: value for name, value in arguments.items() if value is not None}
        return await self._client.call_tool(tool, given)


def text_of(result: CallToolResult) -> str:
    """Return the text blocks of an answer."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _failure(tool: str, result: CallToolResult) -> ToolFailed:
    content: Any = result.structured_content or {}
    error: Mapping[str, Any] = content.get("error", {})
    return ToolFailed(
        f"{tool}: {text_of(result)}",
        tool=tool,
        code=str(error.get("code", "failed")),
        limit=error.get("limit"),
        retry_at=error.get("retry_at"),
    )

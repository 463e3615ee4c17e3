"""The agent's hands: MCP tools, called by name, their structured answers read as models."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from mcp.client import Client
from mcp_types import CallToolResult, TextContent, Tool

from mcp_server.errors import BadArgument, FactoryError
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
            raise failure_of(tool, result)
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


def arguments_for(
    tool: Tool, given: Mapping[str, object], pairs: Mapping[str, str]
) -> dict[str, object]:
    """Return the arguments of a call: `given`, and over it `pairs` as the tool's schema reads them.

    What may be a string stays the text it is; anything else is JSON.

    Raises:
        BadArgument: the tool has no such argument, or a text is not the JSON it must be.
    """
    properties = cast("Mapping[str, Mapping[str, object]]", tool.input_schema.get("properties", {}))
    for name in (*given, *pairs):
        if name not in properties:
            known = ", ".join(properties) or "none"
            raise BadArgument(f"{tool.name} has no argument {name!r}; its arguments: {known}")
    typed = {name: _typed(name, properties[name], text) for name, text in pairs.items()}
    return {**given, **typed}


def _typed(name: str, schema: Mapping[str, object], text: str) -> object:
    branches = cast("Sequence[Mapping[str, object]]", schema.get("anyOf", (schema,)))
    kinds = [branch.get("type") for branch in branches]
    if "string" in kinds:
        return text
    try:
        return cast("object", json.loads(text))
    except ValueError as error:
        wanted = " or ".join(str(kind) for kind in kinds)
        raise BadArgument(f"{name}={text!r}: {name} is {wanted}, in JSON") from error


def text_of(result: CallToolResult) -> str:
    """Return the text blocks of an answer."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def failure_of(tool: str, result: CallToolResult) -> ToolFailed:
    """Return an error answer as an error.

    What the SDK rejects itself (an unknown tool) has text only, and is `bad_argument`. A crash
    reads `Error executing tool NAME` and nothing more (mcp 2.3, `Tool.run`, 2026-11-22), and is
    `failed`.
    """
    text = text_of(result)
    content: Any = result.structured_content or {}
    error: Mapping[str, Any] = content.get("error", {})
    unsaid = "failed" if text == f"Error executing tool {tool}" else "bad_argument"
    return ToolFailed(
        f"{tool}: {text}",
        tool=tool,
        code=str(error.get("code", unsaid)),
        limit=error.get("limit"),
        retry_at=error.get("retry_at"),
    )

"""What a caller is told of one repository does not come back as work on another."""

import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

from mcp_types import CallToolResult

from mcp_server.clients import jules_names
from mcp_server.errors import BadArgument
from mcp_server.guard.origins import NOWHERE
from mcp_server.services import Services

P = ParamSpec("P")


def keeping_apart(
    services: Services, tool: Callable[P, Awaitable[CallToolResult]], *, sends: bool
) -> Callable[P, Awaitable[CallToolResult]]:
    """Wrap a tool: remember whose words it tells; one that `sends` takes no other's words."""

    @functools.wraps(tool)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        repo, session_id = kwargs.get("repo"), kwargs.get("session_id")
        place = _named(jules_names.repo, repo) if isinstance(repo, str) else None
        if isinstance(session_id, str):
            name = _named(jules_names.session_id, session_id)
            place = services.ledger.repo_of_session(name) or NOWHERE
        if sends:
            services.origins.check(kwargs, place)
        result = await tool(*args, **kwargs)
        services.origins.heard(result.structured_content, place)
        return result

    return wrapped


def _named(read: Callable[[str], str], text: str) -> str:
    """Return the true form of a name; what is no name is the tool's to refuse."""
    try:
        return read(text)
    except BadArgument:
        return text

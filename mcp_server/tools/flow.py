"""What a caller is told of one repository does not come back as work on another."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import ParamSpec, cast

from mcp_types import CallToolResult

from mcp_server.clients import jules as jules_api
from mcp_server.clients import jules_names
from mcp_server.errors import BadArgument, FactoryError
from mcp_server.guard.ledger import Ledger
from mcp_server.services import Services
from mcp_server.tools.jules_arguments import repo_of

P = ParamSpec("P")
# What a tool takes beside words: names and ids, which lead somewhere and say nothing, and a
# purpose, which stays here. Whatever is not named is words: a branch and a task key are written
# where the call leads.
_NO_WORDS = frozenset({"activity_id", "cursor", "head_sha", "purpose", "repo", "session_id"})
# What these tell, everybody can read on the sites they name.
_PUBLIC = frozenset({"trends_discover", "trends_sources"})


def keeping_apart(
    services: Services, tool: Callable[P, Awaitable[CallToolResult]], *, sends: bool
) -> Callable[P, Awaitable[CallToolResult]]:
    """Wrap a tool: remember whose words it tells; one that `sends` takes no other's words."""
    public = tool.__name__ in _PUBLIC

    @functools.wraps(tool)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        place = await _place(services, kwargs)
        words = {name: one for name, one in kwargs.items() if name not in _NO_WORDS}
        if sends:
            services.origins.check(_without_own_key(services.ledger, words), place)
        try:
            result = await tool(*args, **kwargs)
        except FactoryError as error:
            services.origins.heard(str(error), place, asked=words)
            raise
        told: object = result.structured_content
        session_id = _session(kwargs)
        if session_id is not None:
            told = _without_ours(services.ledger, told, session_id)
        services.origins.heard(told, place, asked=words, public=public)
        return result

    return wrapped


async def _place(services: Services, given: Mapping[str, object]) -> str | None:
    """Return where a call leads; None: nowhere yet, or by a name that the tool will refuse."""
    session_id = _session(given)
    if session_id is not None:
        return services.origins.session(session_id, services.ledger.repo_of_session(session_id))
    repo, name = given.get("repo"), given.get("name")
    if isinstance(repo, str):
        try:
            return await repo_of(services, repo)
        except BadArgument:
            return None
    # A creation that goes on after a restart finds its own words in the repository.
    return f"{await services.account.login()}/{name}" if isinstance(name, str) else None


def _without_own_key(ledger: Ledger, words: Mapping[str, object]) -> Mapping[str, object]:
    """Return the words without a task key of ours, which the titles of its sessions show."""
    key = words.get("task_key")
    if not isinstance(key, str) or not ledger.has_issued(key):
        return words
    return {name: one for name, one in words.items() if name != "task_key"}


def _session(given: Mapping[str, object]) -> str | None:
    text = given.get("session_id")
    try:
        return jules_names.session_id(text) if isinstance(text, str) else None
    except BadArgument:
        return None


def _without_ours(ledger: Ledger, told: object, session_id: str) -> object:
    """Return a JSON value without our own messages: shown in a session, they are not its word."""
    sent: frozenset[str] | None = None

    def without(one: object) -> object:
        nonlocal sent
        if isinstance(one, list):
            return [without(item) for item in cast("list[object]", one)]
        if not isinstance(one, dict):
            return one
        items = cast("dict[str, object]", one)
        text = items.get("text")
        if items.get("kind") == "userMessaged" and isinstance(text, str) and text:
            if sent is None:
                sent = frozenset(ticket.digest for ticket in ledger.messages_to(session_id))
            # What a template makes ends with a line's end, which Jules may leave out.
            forms = (text, f"{text.rstrip()}\n")
            if any(jules_api.send_message(session_id, form).digest in sent for form in forms):
                return None
        return {name: without(item) for name, item in items.items()}

    return without(told)

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
# purpose, which stays here. Whatever is not named is words.
_NO_WORDS = frozenset(
    {"activity_id", "branch", "cursor", "head_sha", "purpose", "repo", "session_id", "task_key"}
)
# What these tell, everybody can read on the sites they name.
_PUBLIC = frozenset({"trends_discover", "trends_sources"})
# How far back our own messages are known, in events: about a week's.
_EVENTS_BACK = 20_000
_EVENTS_A_READ = 2_000


def keeping_apart(
    services: Services, tool: Callable[P, Awaitable[CallToolResult]], *, sends: bool
) -> Callable[P, Awaitable[CallToolResult]]:
    """Wrap a tool: remember whose words it tells; one that `sends` takes no other's words."""
    ours = _OurMessages(services.ledger)
    public = tool.__name__ in _PUBLIC

    @functools.wraps(tool)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        place = await _place(services, kwargs)
        words = {name: one for name, one in kwargs.items() if name not in _NO_WORDS}
        if sends:
            services.origins.check(words, place)
        try:
            result = await tool(*args, **kwargs)
        except FactoryError as error:
            services.origins.heard(str(error), place, asked=words)
            raise
        told: object = result.structured_content
        session_id = _session(kwargs)
        if session_id is not None:
            told = ours.left_out(told, session_id)
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


def _session(given: Mapping[str, object]) -> str | None:
    text = given.get("session_id")
    try:
        return jules_names.session_id(text) if isinstance(text, str) else None
    except BadArgument:
        return None


class _OurMessages:
    """What this ledger has sent to sessions; shown in a session, it is not the session's word."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._after: int | None = None
        self._digests: set[str] = set()

    def left_out(self, told: object, session_id: str) -> object:
        """Return a JSON value without the activities that are messages of ours."""
        if isinstance(told, list):
            return [self.left_out(one, session_id) for one in cast("list[object]", told)]
        if not isinstance(told, dict):
            return told
        items = cast("dict[str, object]", told)
        text = items.get("text")
        message = items.get("kind") == "userMessaged" and isinstance(text, str)
        if message and self._wrote(session_id, str(text)):
            return None
        return {name: self.left_out(one, session_id) for name, one in items.items()}

    def _wrote(self, session_id: str, text: str) -> bool:
        self._read_on()
        # What a template makes ends with a line's end, which Jules may leave out.
        forms = {text, f"{text.rstrip()}\n"} if text else set[str]()
        return any(jules_api.send_message(session_id, one).digest in self._digests for one in forms)

    def _read_on(self) -> None:
        after = self._after
        if after is None:
            after = max(0, self._ledger.head()[0] - _EVENTS_BACK)
        while page := self._ledger.events(after=after, limit=_EVENTS_A_READ):
            after = page[-1].seq
            sent = [event.data.get("digest") for event in page if event.kind == "sent"]
            self._digests.update(str(digest) for digest in sent)
        self._after = after

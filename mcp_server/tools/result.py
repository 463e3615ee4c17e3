"""How a tool answers: a short text that is enough by itself, beside structured content.

Exceptions would be masked by the SDK (facts/mcp-stack.md 1, trap 1), so each tool runs inside
`answering`, which turns our errors into an error result that says what to do next.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, cast

from mcp_types import CallToolResult, ImageContent, TextContent

from mcp_server.errors import Ambiguous, FactoryError, Refused, Unavailable, Unreadable
from mcp_server.guard.redact import Redactor
from mcp_server.models import Value

P = ParamSpec("P")
LOGGER = logging.getLogger(__name__)
# Of a whole answer as JSON, text, structured content and images together: hosts take about 1 MB.
MOST_ANSWER_BYTES = 900_000
# Each bound of a tool is halved until its answer fits, this often at most: to a 64th.
MOST_HALVINGS = 6

_NEXT = {
    "bad_argument": "Mend the arguments and call again.",
    "not_found": "Check the name with the matching list tool.",
    "refused": "This is final for now; see budget_status for what is left.",
    "ledger_unavailable": "No mutation is possible until the operator restores the ledger.",
    "settings": "Only the operator can mend this.",
    "unavailable": "Try again later.",
    "unreadable": "The service answered something unknown; nothing was concluded from it.",
    "ambiguous": "Do not repeat it: budget_reconcile will find out what happened.",
}
# Of a refusal for another reason than the allowance: what may change it, by its limit.
_NEXT_AFTER = {
    "permission": "Only the operator can mend this: doctor says what the key or token lacks.",
    "state": "Look again before you decide anew.",
    "archived": "Nothing can be changed there.",
    "foreign": "It is not ours, and is left alone.",
    "never_touch": "The operator wants it left alone.",
    "settling": "Wait until then, with the same --state: a new ledger settles anew.",
    "paused": "A person lets it go on with budget_resume.",
    "open_pull": "Merge or close the pull request first.",
    "public": "Only addresses that everybody can reach are read.",
    "robots": "Its site wants no program to read it: use another page.",
    "queries": "Go on with what is there, or wait for the next UTC day.",
    "key": "Leave the key out.",
    "origin": "Ask in words of your own.",
    "deletion_off": "Archive it with jules_archive_session instead.",
}


def answer(
    text: str, value: Value, images: Sequence[ImageContent] = (), *, brief: bool = False
) -> CallToolResult:
    """Return `text` for a reader and `value` for a program, once each, and images beside them.

    A `brief` value is told without the fields that have their defaults.
    """
    return CallToolResult(
        content=[TextContent(type="text", text=text), *images],
        structured_content=value.model_dump(mode="json", exclude_defaults=brief),
    )


def size_of(result: CallToolResult) -> int:
    """Return how many bytes an answer is, as JSON."""
    return len(result.model_dump_json(by_alias=True, exclude_none=True).encode())


def fitted(build: Callable[[int], CallToolResult]) -> CallToolResult:
    """Return an answer of at most `MOST_ANSWER_BYTES`, whatever is put into it.

    `build` makes it with each of its bounds divided by what it is given: 1, 2, 4 and so on, until
    it fits. So it is the one that shows less who says what is left out.

    Raises:
        Unreadable: not even the smallest fits.
    """
    for halving in range(MOST_HALVINGS + 1):
        result = build(2**halving)
        if size_of(result) <= MOST_ANSWER_BYTES:
            return result
    raise Unreadable(
        f"what was answered cannot be told in {MOST_ANSWER_BYTES:,} bytes: ask for less of it"
    )


def answering(
    redactor: Redactor, tool: Callable[P, Awaitable[CallToolResult]]
) -> Callable[P, Awaitable[CallToolResult]]:
    """Wrap a tool: our errors become error results, and no secret passes in any text, either way.

    What is given is masked too: it goes to Jules and into the ledger.
    """

    @functools.wraps(tool)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> CallToolResult:
        for name, value in kwargs.items():
            kwargs[name] = _masked(redactor, value)
        try:
            return _clean(redactor, await tool(*args, **kwargs))
        except FactoryError as error:
            LOGGER.info("tool refused or failed: %s", redactor.text(str(error)))
            return error_result(redactor, error)

    return wrapped


def _masked(redactor: Redactor, given: object) -> object:
    if isinstance(given, str):
        return redactor.text(given)
    if isinstance(given, list):
        return [_masked(redactor, item) for item in cast("list[object]", given)]
    if isinstance(given, dict):
        items = cast("dict[str, object]", given).items()
        return {name: _masked(redactor, item) for name, item in items}
    return given


def _clean(redactor: Redactor, result: CallToolResult) -> CallToolResult:
    """Mask secrets that other people's words brought along; rare, so looked for in one pass.

    Images are left as they are: their bytes are no text, and a chance match would spoil them.
    """
    images = [block for block in result.content if isinstance(block, ImageContent)]
    others = [block for block in result.content if not isinstance(block, ImageContent)]
    text = result.model_copy(update={"content": others}).model_dump_json()
    clean = redactor.text(text)
    if clean == text:
        return result
    masked = CallToolResult.model_validate_json(clean)
    return masked.model_copy(update={"content": [*masked.content, *images]})


def error_result(redactor: Redactor, error: FactoryError) -> CallToolResult:
    """Return one of our errors as a tool's answer, with the next step, secrets masked."""
    message = redactor.text(str(error))
    details: dict[str, Any] = {"code": error.code, "message": message}
    following = _NEXT[error.code]
    if isinstance(error, Refused):
        following = _NEXT_AFTER.get(error.limit, following)
        details |= {"limit": error.limit, "retry_at": error.retry_at}
    elif isinstance(error, Unavailable):
        details |= {"status": error.status}
    elif isinstance(error, Ambiguous):
        details |= {"ticket": error.ticket}
    return CallToolResult(
        content=[TextContent(type="text", text=f"{message.rstrip('.')}. {following}")],
        structured_content={"error": details},
        is_error=True,
    )

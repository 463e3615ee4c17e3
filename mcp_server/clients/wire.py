"""What both service clients share: reading answers, and turning bad ones into errors.

Pure but for `get_json` and `send`, which speak through the guarded transport.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar, cast

import httpx2
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from mcp_server.errors import BadArgument, NotFound, Refused, SettingsError, Unavailable, Unreadable
from mcp_server.guard import bodies, rate
from mcp_server.guard.request import Prepared
from mcp_server.json_text import json_of
from mcp_server.models import utc

# Fields that do not fit: an answer may have as many as it likes.
MOST_NAMED = 5


class Wire(BaseModel):
    """Base of the schemas of what services send: only the fields used, lenient on the rest."""

    model_config = ConfigDict(extra="ignore", frozen=True)


W = TypeVar("W", bound=Wire)
T = TypeVar("T")


def _time(raw: object) -> datetime:
    if not isinstance(raw, str):
        raise ValueError("no time")
    when = utc(raw)
    # The zero of a service's clock parses too; near either end no window can be counted.
    if when.tzinfo is None or not 2000 <= when.year < 9999:
        raise ValueError("no time of ours")
    return when


# A time as services write it; anything else makes the answer unreadable.
Timestamp = Annotated[datetime, BeforeValidator(_time)]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A parsed answer: its JSON, the service's `Date`, and the next page where there is one."""

    data: Any
    date: datetime
    next_url: str | None = None


async def get_json(
    http: httpx2.AsyncClient, url: str, params: Sequence[tuple[str, str]] = ()
) -> Answer:
    """Read JSON from `url`; raises the error that its status means."""
    return parse(await http.get(url, params=list(params) or None))


async def send(http: httpx2.AsyncClient, base: str, prepared: Prepared, ticket: str) -> Answer:
    """Send a mutation once, under `ticket`; raises `Ambiguous` when the outcome is unknown."""
    return parse(await send_once(http, base, prepared, ticket))


async def send_once(
    http: httpx2.AsyncClient, base: str, prepared: Prepared, ticket: str
) -> httpx2.Response:
    """Send a mutation once, under `ticket`, and return the answer whatever it says."""
    return await http.request(
        prepared.method,
        base + prepared.path,
        content=prepared.content,
        headers={"content-type": "application/json"},
        extensions={"ticket": ticket},
    )


def github_write(kind: str, method: str, path: str, body: bodies.Body) -> Prepared:
    """Build a mutation of GitHub's; `path` is below the API's root."""
    return Prepared(service="github", kind=kind, method=method, path=path, body=body)


def rows(answer: Answer, name: str = "") -> Sequence[object]:
    """Return the items of an answer that is a bare list, as GitHub's are, or an object with one.

    That stands under `name`, beside how many there are in all.
    """
    data: object = answer.data
    if name and isinstance(data, dict):
        data = cast("dict[str, object]", data).get(name)
    if not isinstance(data, list):
        raise Unreadable("a list from GitHub is not a JSON array")
    return cast("list[object]", data)


def read(schema: type[W], raw: object) -> W:
    """Read `raw` by `schema`; raises `Unreadable` naming the fields, never their values."""
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        wrong = error.errors(include_input=False)
        where = ", ".join(str(item["loc"])[:100] for item in wrong[:MOST_NAMED])
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise Unreadable(f"an answer does not fit {schema.__name__}: {where}{more}") from None


def readable(found: Iterable[object], reader: Callable[[object], T]) -> tuple[list[T], int]:
    """Return what can be read of a list that is only shown, and how many items cannot.

    What is counted by is read whole or not at all: not with this.
    """
    kept, odd = list[T](), 0
    for raw in found:
        try:
            kept.append(reader(raw))
        except Unreadable:
            odd += 1
    return kept, odd


def parse(
    response: httpx2.Response, meaning: Callable[[httpx2.Response], Exception] | None = None
) -> Answer:
    """Return the JSON of a good answer; raise what a bad one means: by `meaning`, or `error_of`."""
    if not response.is_success:
        raise (meaning or error_of)(response)
    if not response.content and response.request.method == "GET":
        raise Unreadable(f"{place(response)} answered nothing: that is not an empty list")
    try:
        data: Any = json_of(response.content) if response.content else {}
    except ValueError as error:
        raise Unreadable(f"{place(response)} answered no JSON") from error
    following = response.links.get("next", {}).get("url")
    return Answer(data=data, date=date_of(response), next_url=following)


def date_of(response: httpx2.Response) -> datetime:
    """Return the service's own clock; an answer without one cannot be counted by."""
    try:
        date = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError, OverflowError) as error:
        raise Unreadable(f"{place(response)} sent no usable Date header") from error
    if date.tzinfo is None or not 2000 <= date.year < 9999:  # `-0000`: a time of unknown zone
        raise Unreadable(f"{place(response)} sent a Date that nothing can be counted by")
    return date


def error_of(response: httpx2.Response) -> Exception:
    """Map a status to the error tree by code and machine-readable words, never by prose.

    GitHub's; what Jules means stands in `jules_errors.py`.
    """
    status, word = response.status_code, _status_word(response)
    where = f"{place(response)}: HTTP {status} {word}".rstrip()
    if rate.is_limit(response):
        return Unavailable(f"{where}: too many requests, try again later", status=status)
    if status == 401:
        return SettingsError(f"{where}: check the key of this service")
    if status == 404:
        return NotFound(f"{where}: no such thing, or not within this token's reach")
    if status == 403:
        return Refused(f"{where}: the service forbids it", limit="permission")
    if status == 429 or status >= 500:
        return Unavailable(f"{where}: try again later", status=status)
    if status in (405, 409):
        return Refused(f"{where}: {_message(response)}", limit="state")
    return BadArgument(f"{where}: {_message(response)}")


def place(response: httpx2.Response) -> str:
    """Return what was asked: host and path only, for a query or a header may carry a secret."""
    url = response.request.url
    return f"{response.request.method} {url.host}{url.path}"


def _error_object(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        data = json_of(response.content)
    except ValueError:
        return {}
    if not isinstance(data, dict):
        return {}
    inner = data.get("error")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return inner if isinstance(inner, dict) else data  # pyright: ignore[reportUnknownVariableType]


def _status_word(response: httpx2.Response) -> str:
    word = _error_object(response).get("status", "")
    return word if isinstance(word, str) and word.isupper() else ""


def _message(response: httpx2.Response) -> str:
    """Return what the service says, and of GitHub's `errors` the words that it only says there."""
    found = _error_object(response)
    listed = found.get("errors")
    errors = cast("list[object]", listed) if isinstance(listed, list) else []
    details = [
        str(cast("Mapping[str, object]", one)["message"])[:100]
        for one in errors[:3]
        if isinstance(one, dict) and "message" in one
    ]
    return ": ".join((str(found.get("message", ""))[:200], *details))

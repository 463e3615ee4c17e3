"""Google's API conventions, as Jules' v1alpha keeps them: errors, fields, pages, masks, JSON.

Source: facts/jules-api.md sections 1.2, 1.3 and 5.3 (2026-11-22).
"""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar, cast

from mcp_server.sandbox.http import Call, Json, Problem, Reply

T = TypeVar("T")

RPC = "type.googleapis.com/google.rpc"
PACKAGE = "type.googleapis.com/google.labs.jules.v1alpha"
SYSTEM_PARAMETERS = ("fields", "$fields", "alt", "$alt", "prettyPrint", "key")
LIST_PARAMETERS = ("pageSize", "pageToken", "filter", *SYSTEM_PARAMETERS)
LARGEST_PAGE = 100


@dataclass(frozen=True)
class Enum:
    """A closed set of words."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Repeated:
    """A list."""

    of: "Kind"


@dataclass(frozen=True)
class Message:
    """An object: the kind of each field it may have, by its JSON name."""

    name: str
    fields: "Mapping[str, Kind]"


Kind: TypeAlias = type[str] | type[bool] | type[int] | Enum | Repeated | Message
_SCALARS: Mapping[object, str] = {str: "TYPE_STRING", bool: "TYPE_BOOL", int: "TYPE_INT32"}


def status(code: int, name: str, message: str, details: Sequence[object] = ()) -> Problem:
    """Build a refusal in the shape of `google.rpc.Status`."""
    error: dict[str, object] = {"code": code, "message": message, "status": name}
    if details:
        error["details"] = list(details)
    return Problem(code, {"error": error})


def not_found() -> Problem:
    """Build the one 404 there is."""
    return status(404, "NOT_FOUND", "Requested entity was not found.")


def failed_precondition() -> Problem:
    """Build the bare 400 that also stands for "the allowance is used up"."""
    return status(400, "FAILED_PRECONDITION", "Precondition check failed.")


def exhausted() -> Problem:
    """Build the 429 of a quota by the minute; whether it says when to come back is not known."""
    message = "Resource has been exhausted (e.g. check quota)."
    return status(429, "RESOURCE_EXHAUSTED", message)


def unavailable() -> Problem:
    """Build the 503 that passes."""
    return status(503, "UNAVAILABLE", "The service is currently unavailable.")


def invalid(field: str, message: str = "Request contains an invalid argument.") -> Problem:
    """Build a 400 that names a field; "" is the request as a whole."""
    named = {"field": field} if field else {}
    violation = {**named, "description": message}
    details = [{"@type": f"{RPC}.BadRequest", "fieldViolations": [violation]}]
    return status(400, "INVALID_ARGUMENT", message, details)


def unauthenticated(*, missing: bool) -> Problem:
    """Build the 401, whose text misleads as the real one does."""
    return status(
        401,
        "UNAUTHENTICATED",
        "API keys are not supported by this API. Expected OAuth2 access token or other "
        "authentication credentials that assert a principal. "
        "See https://cloud.google.com/docs/authentication",
        [
            {
                "@type": f"{RPC}.ErrorInfo",
                "reason": "CREDENTIALS_MISSING" if missing else "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "jules.googleapis.com"},
            }
        ],
    )


def check_query(call: Call, allowed: Sequence[str] = SYSTEM_PARAMETERS) -> None:
    """Refuse a query parameter that the operation does not have."""
    for name in call.query:
        if name not in allowed:
            raise invalid(
                name,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query '
                f"parameter. Field '{name}' could not be found in request message.",
            )


def checked_body(call: Call, message: Message, where: str = "") -> dict[str, Json]:
    """Return the body sent (none is `{}`), refusing fields and values that `message` has not.

    `where` is the request's field that the body stands for, "" for the request itself.
    """
    try:
        body = call.body()
    except ValueError as error:
        raise invalid(where, "Invalid JSON payload received.") from error
    _check(body, message, where)
    return body


def _check(body: Mapping[str, Json], message: Message, where: str) -> None:
    for name, value in body.items():
        kind = message.fields.get(name)
        if kind is None:
            at = f" at '{where}'" if where else ""
            unknown = f'Invalid JSON payload received. Unknown name "{name}"{at}'
            raise invalid(where, f"{unknown}: Cannot find field.")
        # Violations name fields as the proto does: `session.automation_mode`.
        snake = re.sub(r"([A-Z])", r"_\1", name).lower()
        if value is not None:  # Proto3 JSON reads null as absent.
            _check_value(value, kind, f"{where}.{snake}" if where else snake)


def _check_value(value: Json, kind: Kind, place: str) -> None:
    match kind:
        case Message() if isinstance(value, dict):
            _check(value, kind, place)
        case Repeated(of=of) if isinstance(value, list):
            for nth, item in enumerate(value):
                _check_value(item, of, f"{place}[{nth}]")
        case Enum(name=name, words=words) if value not in words:
            raise invalid(place, f"Invalid value at '{place}' ({PACKAGE}.{name}), \"{value}\"")
        case Message() | Repeated():
            raise invalid(place, f"Invalid value at '{place}'")
        case Enum():
            pass
        case _ if type(value) is not kind:
            raise invalid(place, f"Invalid value at '{place}' ({_SCALARS[kind]}), \"{value}\"")
        case _:
            pass


def page(
    call: Call,
    keyed: Sequence[tuple[str, T]],
    write: Callable[[T], dict[str, object]],
    name: str,
    default: int,
) -> Reply:
    """Answer one page of items that are sorted by key; an empty list is left out.

    The token is the last key shown, so that a list may change between two pages.
    """
    size, after = _size(call), _after(call)
    start = bisect_right(keyed, after, key=lambda pair: pair[0]) if after else 0
    shown = keyed[start : start + min(size or default, LARGEST_PAGE)]
    body: dict[str, object] = {}
    if shown:
        body[name] = [write(item) for _, item in shown]
    if start + len(shown) < len(keyed):
        body["nextPageToken"] = base64.urlsafe_b64encode(shown[-1][0].encode()).decode()
    return Reply(200, body)


def _size(call: Call) -> int:
    asked = call.query.get("pageSize") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", asked):
        raise invalid("page_size")
    return int(asked)


def _after(call: Call) -> str:
    token = call.query.get("pageToken", "")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise invalid("page_token") from error


def masked(body: object, mask: str, message: Message) -> object:
    """Return the part of an answer that `fields=` asks for, e.g. `sessions(name,state)`.

    `/` or `.` goes down, `*` is every field, a list is passed through. A name that `message` does
    not have is refused, as is a mask that cannot be read.
    """
    wanted = _selection(mask)
    _check_selection(wanted, message, "")
    return _kept(body, wanted)


# What to keep of an object, by field; empty: all of it.
_Selection: TypeAlias = "dict[str, _Selection]"
_NAME = re.compile(r"[\w*]+")


def _selection(mask: str) -> _Selection:
    top: _Selection = {}
    heads, here = [top], top
    signs = re.findall(rf"{_NAME.pattern}|\S", mask)
    for sign, following in zip(signs, [*signs[1:], ","], strict=True):
        if _NAME.fullmatch(sign):
            here = here.setdefault(sign, {})
        elif sign == "(":
            heads.append(here)
        elif sign == ")" and len(heads) > 1:
            heads.pop()
        elif sign == ",":
            here = heads[-1]
        elif sign not in "/." or not _NAME.fullmatch(following):
            raise invalid("fields")
    if len(heads) > 1:
        raise invalid("fields")
    return top


def _check_selection(wanted: _Selection, kind: Kind, place: str) -> None:
    if isinstance(kind, Repeated):
        _check_selection(wanted, kind.of, place)
        return
    known: Mapping[str, Kind] = kind.fields if isinstance(kind, Message) else {}
    for name, under in wanted.items():
        path = f"{place}/{name}".removeprefix("/")
        if name in known:
            _check_selection(under, known[name], path)
        elif name != "*":
            told = "Error expanding 'fields' parameter. Cannot find matching fields for path"
            raise invalid("fields", f"{told} '{path}'.")


def _kept(value: object, wanted: _Selection) -> object:
    if isinstance(value, list):
        return [_kept(item, wanted) for item in cast("list[object]", value)]
    if not wanted or not isinstance(value, dict):
        return value
    kept: dict[str, object] = {}
    for name, part in cast("dict[str, object]", value).items():
        under = wanted.get(name, wanted.get("*"))
        # A field of a field that has none: nothing of it was asked for.
        if under is not None and not (under and isinstance(part, str | bool | int)):
            kept[name] = _kept(part, under)
    return kept


def lean(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out defaults, as proto3 JSON does."""
    return {name: value for name, value in fields.items() if value not in ("", False, [], {})}

"""Google's API conventions, as Jules' v1alpha keeps them: errors, strict fields, pages, JSON.

Source: facts/jules-api.md sections 1.2, 1.3 and 5.3 (2026-11-22).
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from mcp_server.sandbox.http import Call, Json, Problem, Reply

T = TypeVar("T")
# Field name to its type: a Python type, the words of an enum, or another object.
Schema: TypeAlias = "Mapping[str, type | tuple[str, ...] | Schema]"

RPC = "type.googleapis.com/google.rpc"
SYSTEM_PARAMETERS = ("fields", "$fields", "alt", "$alt", "prettyPrint", "key")
LIST_PARAMETERS = ("pageSize", "pageToken", "filter", *SYSTEM_PARAMETERS)
LARGEST_PAGE = 100


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


def invalid(field: str, message: str = "Request contains an invalid argument.") -> Problem:
    """Build a 400 that names a field."""
    violation = {"field": field, "description": message}
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


def checked_body(call: Call, schema: Schema, where: str = "") -> dict[str, Json]:
    """Return the body sent (none is `{}`), refusing fields and values the schema does not have."""
    check_query(call)
    try:
        body = call.body()
    except ValueError as error:
        raise invalid(where, "Invalid JSON payload received.") from error
    _check(body, schema, where)
    return body


def _check(body: Mapping[str, Json], schema: Schema, where: str) -> None:
    for name, value in body.items():
        place = f"{where}.{name}" if where else name
        kind = schema.get(name)
        if kind is None:
            text = f'Invalid JSON payload received. Unknown name "{name}"'
            raise invalid(where, f"{text} at '{where}': Cannot find field." if where else f"{text}")
        if value is None:
            continue  # Proto3 JSON reads null as absent.
        if isinstance(kind, Mapping):
            if not isinstance(value, dict):
                raise invalid(place, f"Invalid value at '{place}'")
            _check(value, kind, place)
        elif not (value in kind if isinstance(kind, tuple) else isinstance(value, kind)):
            raise invalid(place, f"Invalid value at '{place}', \"{value}\"")


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
    token = call.query.get("pageToken", "")
    try:
        size = int(call.query.get("pageSize") or 0)
        after = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise invalid("page") from error
    if size < 0:
        raise invalid("page_size")
    start = bisect_right(keyed, after, key=lambda pair: pair[0]) if after else 0
    shown = keyed[start : start + min(size or default, LARGEST_PAGE)]
    body: dict[str, object] = {}
    if shown:
        body[name] = [write(item) for _, item in shown]
    if start + len(shown) < len(keyed):
        body["nextPageToken"] = base64.urlsafe_b64encode(shown[-1][0].encode()).decode()
    return Reply(200, body)


def lean(fields: Mapping[str, object]) -> dict[str, object]:
    """Leave out defaults, as proto3 JSON does."""
    return {name: value for name, value in fields.items() if value not in ("", False, [], {})}

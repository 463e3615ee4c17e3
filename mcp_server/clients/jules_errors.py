"""What a refusal of Jules means to the caller: by HTTP code, `error.status`, reason and operation.

Never by its message (facts/jules-api.md 5.3, 2026-11): the text of a 401 is false, that of a used
up quota says nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx2

from mcp_server.clients.wire import place
from mcp_server.errors import (
    BadArgument,
    FactoryError,
    NotFound,
    Refused,
    SettingsError,
    Unavailable,
)
from mcp_server.json_text import json_of

_WORD = re.compile(r"[A-Z][A-Z_]{0,60}")
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]]{1,100}")


@dataclass(frozen=True, kw_only=True)
class _Said:
    """The machine-readable part of a `google.rpc.Status`; words that are none are empty.

    `code` is None where it is no such status: it is not Jules that has spoken.
    """

    code: int | None = None
    status: str = ""
    reasons: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


def error_of(response: httpx2.Response) -> FactoryError:
    """Return the error that a bad answer means; each names what to do next."""
    said, code = _said(response), response.status_code
    words = " ".join((said.status, *said.reasons))
    where = f"{place(response)}: HTTP {code} {words}".rstrip()
    # Other services of Google's say 400 for a key that they do not know, with this reason.
    if code == 401 or (code == 400 and "API_KEY_INVALID" in said.reasons):
        return SettingsError(
            f"{where}: check the key JULES_API_KEY: missing, mistyped, or revoked (a key seen in "
            "public is); jules.google.com/settings makes a new one, three at most"
        )
    if code == 429:
        return Unavailable(f"{where}: too many requests this minute: wait a minute", status=code)
    if code >= 500 or code == 408:
        return Unavailable(f"{where}: Jules fails for the moment: try again later", status=code)
    if said.code != code:
        return Unavailable(
            f"{where}: in no words of Jules' own: something on the way to it refused; try again "
            "later, or look at the proxy, and at FACTORY_JULES_URL where it is set",
            status=code,
        )
    if code == 403:
        return Refused(f"{where}: this key's account has no access to it", limit="permission")
    if code == 404:
        return NotFound(f"{where}: {_missing(response)}")
    if code == 400 and said.status == "FAILED_PRECONDITION":
        return _precondition(response, where)
    if code == 409:
        return Refused(f"{where}: it is not in a state for this", limit="state")
    fields = ", ".join(said.fields)
    return BadArgument(f"{where}: not accepted{f': look at {fields}' if fields else ''}")


def _precondition(response: httpx2.Response, where: str) -> Refused:
    """Of a create it is the bare word for a used up quota; of anything else, a wrong state."""
    if response.request.method == "POST" and response.request.url.path.endswith("/sessions"):
        return Refused(
            f"{where}: Jules starts no more now: its quota of 24 h, or too many at once (or its "
            "GitHub app does not reach the repository); nothing was started, budget_status says "
            "when to try again",
            limit="jules_quota",
        )
    return Refused(
        f"{where}: the session is not in a state for this; jules_get_session shows it",
        limit="state",
    )


def _missing(response: httpx2.Response) -> str:
    path = response.request.url.path
    if "/activities/" in path:
        return "no such activity: jules_list_activities shows those there are"
    if "/sessions/" in path:
        return "no such session: never there, or deleted; jules_list_sessions shows those there are"
    return (
        "Jules does not know this repository: give its GitHub app access to it, or wait when it "
        "is new; jules_list_sources shows those it knows"
    )


def _said(response: httpx2.Response) -> _Said:
    try:
        data: object = json_of(response.content)
    except ValueError:
        return _Said()
    error = _object(_object(data).get("error"))
    details = error.get("details")
    found = [_object(one) for one in cast("list[object]", details)] if _listed(details) else []
    violations = [
        _object(one)
        for detail in found
        if _listed(listed := detail.get("fieldViolations"))
        for one in cast("list[object]", listed)
    ]
    code = error.get("code")
    return _Said(
        code=code if isinstance(code, int) else None,
        status=_like(_WORD, error.get("status")),
        reasons=tuple(word for one in found if (word := _like(_WORD, one.get("reason")))),
        fields=tuple(name for one in violations if (name := _like(_FIELD, one.get("field")))),
    )


def _object(data: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else {}


def _listed(data: object) -> bool:
    return isinstance(data, list)


def _like(shape: re.Pattern[str], found: object) -> str:
    return found if isinstance(found, str) and shape.fullmatch(found) else ""

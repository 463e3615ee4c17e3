"""What an answer proves about a mutation: it happened, it did not, or nothing is known.

Only a row of these tables ends a ticket. 429, 408, 409 (where no row names it), 499, every 5xx,
time-outs, resets, truncated and strange bodies prove nothing (DESIGN.md section 5).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from mcp_server.models import utc

State = Literal["spent", "released", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one send ended; `result` holds the few fields that the ledger keeps."""

    state: State
    evidence: str
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])


# Gives back a field that is what it should be, None for anything else.
_Reader: TypeAlias = Callable[[object], str | bool | None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind: the code of success, the codes that prove a refusal, the fields kept.

    Without the first field there is no success; the others are left out where they do not fit.
    """

    success: int
    refusals: frozenset[int]
    keep: Mapping[str, _Reader] = field(default_factory=dict[str, _Reader])


def _like(pattern: str) -> _Reader:
    shape = re.compile(pattern)
    return lambda found: found if isinstance(found, str) and shape.fullmatch(found) else None


def _text(found: object) -> str | None:
    return found if isinstance(found, str) else None


def _flag(found: object) -> bool | None:
    return found if isinstance(found, bool) else None


def _time(found: object) -> str | None:
    if not isinstance(found, str):
        return None
    try:
        when = utc(found)
    except ValueError:
        return None
    # The zero of a service's clock parses too, and would put a new unit outside the window.
    return found if when.tzinfo is not None and 2000 <= when.year < 9999 else None


_SHA = _like(r"[0-9a-f]{40}")


# Jules refuses a create with a google.rpc.Status (facts/jules-api.md 5.3, 2026-11).
_RPC_REFUSALS = frozenset({400, 401, 403, 404})
_JULES = {
    "start_session": Row(
        success=200,
        refusals=_RPC_REFUSALS,
        keep={
            "name": _like(r"sessions/[A-Za-z0-9_-]{1,64}"),
            "id": _text,
            "createTime": _time,
            "url": _text,
        },
    ),
    "send_message": Row(success=200, refusals=_RPC_REFUSALS),
    "approve_plan": Row(success=200, refusals=_RPC_REFUSALS),
    "archive_session": Row(success=200, refusals=_RPC_REFUSALS),
}
# GitHub answers these before it acts (OpenAPI 2022-11-28; facts/github.md 1.4 and 1.7).
_DENIED = frozenset({401, 403, 404, 422})
_GITHUB = {
    "create_repository": Row(
        success=201,
        refusals=_DENIED,
        keep={
            "full_name": _like(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}"),
            "private": _flag,
            "visibility": _text,
            "created_at": _time,
        },
    ),
    "create_tree": Row(success=201, refusals=_DENIED | {409}, keep={"sha": _SHA}),
    "create_commit": Row(success=201, refusals=_DENIED | {409}, keep={"sha": _SHA}),
    "move_branch": Row(success=200, refusals=_DENIED | {409}),
    "merge_pull": Row(
        success=200, refusals=_DENIED | {405, 409}, keep={"sha": _SHA, "merged": _flag}
    ),
    "update_branch": Row(success=202, refusals=_DENIED),
}


def judge(service: str, kind: str, status: int, body: bytes) -> Outcome:
    """Return what a complete answer with this status and body proves."""
    row = (_JULES if service == "jules" else _GITHUB)[kind]
    parsed = _object(body)
    if status == row.success and parsed is not None:
        read = {key: reader(parsed.get(key)) for key, reader in row.keep.items()}
        kept = {key: value for key, value in read.items() if value is not None}
        if list(kept)[:1] == list(row.keep)[:1]:
            return Outcome(state="spent", evidence=f"HTTP {status}", result=kept)
    if status in row.refusals and parsed is not None:
        refusal = _rpc_refusal(parsed, status) if service == "jules" else _message(parsed)
        if refusal is not None:
            return Outcome(state="released", evidence=f"HTTP {status} {refusal}")
    return Outcome(state="unknown", evidence=f"HTTP {status} proves nothing")


def _object(body: bytes) -> Mapping[str, Any] | None:
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _rpc_refusal(parsed: Mapping[str, Any], status: int) -> str | None:
    error = parsed.get("error")
    if not isinstance(error, dict) or error.get("code") != status:  # pyright: ignore[reportUnknownMemberType]
        return None
    word = error.get("status")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return word if isinstance(word, str) else None


def _message(parsed: Mapping[str, Any]) -> str | None:
    message = parsed.get("message")
    return message[:200] if isinstance(message, str) else None

"""What an answer proves about a mutation: it happened, it did not, or nothing is known.

Only a row of these tables ends a ticket. 429, 408, 409 (where no row names it), 499, every 5xx,
time-outs, resets, truncated and strange bodies prove nothing (DESIGN.md section 5).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from mcp_server.models import utc

State = Literal["spent", "released", "unknown"]
# How Jules refuses a start beyond its quota (facts/jules-api.md 5.3: two clients agree).
QUOTA = "HTTP 400 FAILED_PRECONDITION"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one send ended; `result` holds the few fields that the ledger keeps."""

    state: State
    evidence: str
    result: Mapping[str, Any] = field(default_factory=dict[str, Any])


# Gives back a field that is what it should be, None for anything else.
_Reader: TypeAlias = Callable[[object], str | bool | int | None]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked, as far as an answer repeats it; empty where that is not known."""

    path: str = ""
    body: bytes = b""


_Parsed: TypeAlias = Mapping[str, Any]


def _anything(parsed: _Parsed, asked: Asked) -> bool:
    del parsed, asked
    return True


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind: the code of success, the codes that prove a refusal, the fields kept.

    Without the first field there is no success; the others are left out where they do not fit.
    Nor is there where `fits` says that the answer is another request's, or a proxy's own.
    """

    success: int
    refusals: frozenset[int]
    keep: Mapping[str, _Reader] = field(default_factory=dict[str, _Reader])
    fits: Callable[[_Parsed, Asked], bool] = _anything


def _like(pattern: str) -> _Reader:
    shape = re.compile(pattern)
    return lambda found: found if isinstance(found, str) and shape.fullmatch(found) else None


def _text(found: object) -> str | None:
    return found if isinstance(found, str) else None


def _flag(found: object) -> bool | None:
    return found if isinstance(found, bool) else None


def _number(found: object) -> int | None:
    return found if type(found) is int and found > 0 else None


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
_TAG = re.compile(r"\[[^\]]*\]")
_OF_SESSION = re.compile(r"/(sessions/[^/:]+):")
_OF_REF = re.compile(r"/git/(refs/.+)")


def _same_title(parsed: _Parsed, asked: Asked) -> bool:
    """Whether a session begins with the marker that was sent; one without a title may be it."""
    sent = _object(asked.body) or {}
    tag = _TAG.match(str(sent.get("title", "")))
    title = parsed.get("title")
    return tag is None or title is None or str(title).startswith(tag[0])


def _nothing(parsed: _Parsed, asked: Asked) -> bool:
    del asked
    return not any(parsed.values())  # in proto3 JSON a default value may stand for no field


def _nothing_or_the_session(parsed: _Parsed, asked: Asked) -> bool:
    """Jules says either (facts/jules-api.md 1.4 and 1.5); the session must be the one asked."""
    target = _OF_SESSION.search(asked.path)
    return not parsed or (target is not None and parsed.get("name") == target[1])


def _same_ref(parsed: _Parsed, asked: Asked) -> bool:
    target = _OF_REF.search(asked.path)
    return "ref" in parsed and (target is None or parsed["ref"] == target[1])


def _new_ref(parsed: _Parsed, asked: Asked) -> bool:
    """Whether it is the branch that was asked for, at the commit that was asked for."""
    found = {"ref": parsed.get("ref"), "sha": _within(parsed, "object", "sha")}
    return (_object(asked.body) or {}) in ({}, found)


def _from_head(parsed: _Parsed, asked: Asked) -> bool:
    """Whether a pull request is from the branch that was asked for."""
    body = _object(asked.body) or {}
    return not body or _within(parsed, "head", "ref") == body.get("head")


def _within(parsed: _Parsed, name: str, field: str) -> object:
    part: object = parsed.get(name)
    return cast("_Parsed", part).get(field) if isinstance(part, dict) else None


def _same_repository(parsed: _Parsed, asked: Asked) -> bool:
    name = str(parsed.get("full_name", ""))
    asked_for = asked.path.casefold()
    return bool(name) and (not asked_for or asked_for.endswith(f"/repos/{name}".casefold()))


def _same_topics(parsed: _Parsed, asked: Asked) -> bool:
    sent = (_object(asked.body) or {}).get("names")
    shown = parsed.get("names")
    if not isinstance(shown, list):
        return False
    return sent is None or sorted(map(str, sent)) == sorted(map(str, shown))  # pyright: ignore[reportUnknownArgumentType]


def _same_words(parsed: _Parsed, asked: Asked) -> bool:
    sent = _object(asked.body) or {}
    return "body" in parsed and all(parsed.get(name) == value for name, value in sent.items())


def _merged(parsed: _Parsed, asked: Asked) -> bool:
    del asked
    return parsed.get("merged") is True


def _said(parsed: _Parsed, asked: Asked) -> bool:
    del asked
    return _message(parsed) is not None


# Jules refuses a create with a google.rpc.Status (facts/jules-api.md 5.3, 2026-11).
_RPC_REFUSALS = frozenset({400, 401, 403, 404})
_WORD = re.compile(r"[A-Z_]{1,40}")
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
        fits=_same_title,
    ),
    "send_message": Row(success=200, refusals=_RPC_REFUSALS, fits=_nothing),
    "approve_plan": Row(success=200, refusals=_RPC_REFUSALS, fits=_nothing_or_the_session),
    "archive_session": Row(success=200, refusals=_RPC_REFUSALS, fits=_nothing_or_the_session),
    "unarchive_session": Row(success=200, refusals=_RPC_REFUSALS, fits=_nothing_or_the_session),
    "delete_session": Row(success=200, refusals=_RPC_REFUSALS, fits=_nothing),
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
    "create_branch": Row(
        success=201,
        refusals=_DENIED | {409},
        keep={"ref": _like(r"refs/heads/[A-Za-z0-9._/-]{1,200}")},
        fits=_new_ref,
    ),
    "open_pull": Row(success=201, refusals=_DENIED, keep={"number": _number}, fits=_from_head),
    "move_branch": Row(success=200, refusals=_DENIED | {409}, fits=_same_ref),
    "merge_pull": Row(
        success=200,
        refusals=_DENIED | {405, 409},
        keep={"sha": _SHA, "merged": _flag},
        fits=_merged,
    ),
    "update_branch": Row(success=202, refusals=_DENIED, fits=_said),
    # 204: there is no word in it to be another's (OpenAPI 2022-11-28).
    "set_description": Row(success=200, refusals=_DENIED, fits=_same_repository),
    "set_topics": Row(success=200, refusals=_DENIED, fits=_same_topics),
    "comment_pull": Row(success=201, refusals=_DENIED, fits=_same_words),
    "open_report": Row(success=201, refusals=_DENIED, fits=_same_words),
    "update_report": Row(success=200, refusals=_DENIED, fits=_same_words),
    "disable_workflow": Row(success=204, refusals=_DENIED, fits=_nothing),
}


def judge(service: str, kind: str, status: int, body: bytes, asked: Asked | None = None) -> Outcome:
    """Return what a complete answer with this status and body proves about what was asked."""
    row = (_JULES if service == "jules" else _GITHUB)[kind]
    parsed = _object(body)
    if status == row.success and parsed is not None and row.fits(parsed, asked or Asked()):
        read = {key: reader(parsed.get(key)) for key, reader in row.keep.items()}
        kept = {key: value for key, value in read.items() if value is not None}
        if list(kept)[:1] == list(row.keep)[:1]:
            return Outcome(state="spent", evidence=f"HTTP {status}", result=kept)
    if status in row.refusals and parsed is not None:
        refusal = _rpc_refusal(parsed, status) if service == "jules" else _message(parsed)
        if refusal is not None:
            return Outcome(state="released", evidence=f"HTTP {status} {refusal}")
    return Outcome(state="unknown", evidence=f"HTTP {status} proves nothing")


def _object(body: bytes) -> _Parsed | None:
    try:
        parsed = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None  # pyright: ignore[reportUnknownVariableType]


def _rpc_refusal(parsed: _Parsed, status: int) -> str | None:
    error = parsed.get("error")
    if not isinstance(error, dict) or error.get("code") != status:  # pyright: ignore[reportUnknownMemberType]
        return None
    word = error.get("status")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return word if isinstance(word, str) and _WORD.fullmatch(word) else None


def _message(parsed: _Parsed) -> str | None:
    message = parsed.get("message")
    return message[:200] if isinstance(message, str) else None

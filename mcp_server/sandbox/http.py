"""What the world's services share on the wire: calls, answers, routes, JSON, time formats.

It leaves meaning to the services, and sockets to nobody: the transport calls them in process.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias
from urllib.parse import parse_qsl

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as a service sees it: path and query decoded, header names in lower case."""

    host: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""
    args: tuple[str, ...] = ()

    def body(self) -> dict[str, Json]:
        """Return the JSON object sent, `{}` for no body; raise `ValueError` for anything else."""
        value: Json = json.loads(self.content) if self.content else {}
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value


@dataclass(frozen=True)
class Reply:
    """An answer; `body` None is an empty one, anything else is sent as JSON, bytes as they are."""

    status: int
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def content(self) -> bytes:
        """Return the bytes of the body."""
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode()


class Problem(Exception):
    """A refusal, in the service's own shape; whoever raises it has changed nothing."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.reply = Reply(status, body, headers or {})


Handler: TypeAlias = Callable[[Call], Reply]


class Router:
    """Finds the handler of a call: `{}` stands for one path segment, `{*}` for the rest."""

    def __init__(self, table: Iterable[tuple[str, str, Handler]]) -> None:
        """Compile `table` of (method, path shape, handler); the first match wins."""
        self._routes = [
            (method, re.compile(_pattern(shape)), handler) for method, shape, handler in table
        ]

    def find(self, call: Call) -> tuple[Handler, Call] | None:
        """Return the handler and the call with its `args`, None when there is no such route."""
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(call.path)
            if match and method == call.method:
                return handler, replace(call, args=tuple(match.groups()))
        return None


def _pattern(shape: str) -> str:
    escaped = re.escape(shape)
    return escaped.replace(r"\{\*\}", "(.+)").replace(r"\{\}", "([^/:]+)")


def parse_query(query: str) -> dict[str, str]:
    """Decode a query string (`+` is a space); of a repeated name the last counts."""
    return dict(parse_qsl(query, keep_blank_values=True))


def text(body: Mapping[str, Json], name: str, default: str = "") -> str:
    """Return a text field, `default` when it is absent or no text."""
    value = body.get(name)
    return value if isinstance(value, str) else default


def flag(body: Mapping[str, Json], name: str) -> bool:
    """Return a truth field; absent is false."""
    return body.get(name) is True


def texts(body: Mapping[str, Json], name: str) -> list[str]:
    """Return the texts of a list field, in order."""
    value = body.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def part(body: Mapping[str, Json], name: str) -> dict[str, Json]:
    """Return an object field, `{}` when it is absent or no object."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def micro_time(moment: datetime) -> str:
    """Write a time as Google does: UTC, 0 or 6 fraction digits."""
    return moment.replace(tzinfo=None).isoformat() + "Z"


def second_time(moment: datetime) -> str:
    """Write a time as GitHub does: UTC, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

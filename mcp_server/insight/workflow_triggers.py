"""Whether a workflow runs for a pull request, read from its text without a YAML parser.

Sure or silent: what is written in a way that is not read here `may` run.
"""

import re
from collections.abc import Callable
from typing import Literal, TypeAlias, TypeVar

T = TypeVar("T")
Filters: TypeAlias = dict[str, list[str]]
Runs = Literal["always", "may", "never"]

_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_ON = re.compile(r"""^(?:on|"on"|'on')\s*:[ \t]*(.*)$""", re.MULTILINE)
_KEY = re.compile(r"""^([ ]*)["']?([A-Za-z_-]+)["']?\s*:[ \t]*(.*)$""")
_ITEM = re.compile(r"^[ ]*-[ \t]+(.*)$")
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
# They set nothing going at the head of a pull request (docs.github.com, "Events that trigger
# workflows", as known on 2026-11-22); events named nowhere here may.
_ELSEWHERE = frozenset(
    {
        *("schedule", "workflow_dispatch", "workflow_call", "workflow_run", "repository_dispatch"),
        *("release", "issues", "issue_comment", "discussion", "discussion_comment", "label"),
        *("milestone", "fork", "watch", "gollum", "public", "page_build", "merge_group"),
        *("branch_protection_rule", "registry_package", "delete"),
    }
)


def runs_for_pull(text: str, *, base: str, head: str) -> Runs:
    """Say whether this workflow runs at the head of a pull request from `head` into `base`."""
    events = _events(_COMMENT.sub("", text))
    if events is None:
        return "may"
    answers = {_answer(name, filters, base, head) for name, filters in events.items()}
    return "always" if "always" in answers else "may" if "may" in answers else "never"


def _answer(event: str, filters: Filters | None, base: str, head: str) -> Runs:
    if event in _ELSEWHERE:
        return "never"
    if event not in ("push", "pull_request") or filters is None:
        return "may"
    if not filters:
        return "always"
    if event == "push" and set(filters) == {"tags"}:
        return "never"
    wanted = filters.get("branches", [])
    if set(filters) != {"branches"} or not all(_PLAIN.fullmatch(one) for one in wanted):
        return "may"
    return "always" if (head if event == "push" else base) in wanted else "never"


def _events(text: str) -> dict[str, Filters | None] | None:
    """Return each event with its filters; None stands for what cannot be read."""
    on = _ON.search(text)
    if on is None:
        return None
    block = _block(text[on.end() :].split("\n")[1:])
    items = [_ITEM.match(line) for line in block]
    if on[1].strip() or (block and all(items)):
        listed = ",".join(item[1] for item in items if item)
        names = _listed(on[1].strip() or f"[{listed}]") if not (on[1].strip() and block) else None
        return None if names is None else {name: {} for name in names}
    return _mapping(block, _filters)


def _block(lines: list[str]) -> list[str]:
    """Return the lines that belong to a key at the margin, without the empty ones."""
    found: list[str] = []
    for line in lines:
        if line.strip() and not line.startswith((" ", "-")):
            break
        found += [line.rstrip()] if line.strip() else []
    return found


def _mapping(lines: list[str], read: Callable[[str, list[str]], T]) -> dict[str, T] | None:
    """Read the keys of one indentation by `read(what stands beside it, the lines below it)`."""
    keys: list[tuple[str, str, list[str]]] = []
    for line in lines:
        found = _KEY.match(line)
        if found and found[1] == _indent(lines[0]):
            keys.append((found[2], found[3].strip(), []))
        elif not keys or len(_indent(line)) < len(_indent(lines[0])):
            return None
        else:
            keys[-1][2].append(line)
    return {name: read(inline, body) for name, inline, body in keys} or None


def _filters(inline: str, body: list[str]) -> Filters | None:
    if inline not in ("", "null", "~"):
        return None
    return _mapping(body, _wanted) if body else {}


def _wanted(inline: str, body: list[str]) -> list[str]:
    """Return a list's items; what is no plain list gives an item that no branch is called."""
    items = [_ITEM.match(line) for line in body]
    if inline:
        return (None if body else _listed(inline)) or ["*"]
    return [item[1].strip("\"' ") if item else "*" for item in items] or ["*"]


def _listed(inline: str) -> list[str] | None:
    names = inline[1:-1].split(",") if inline.startswith("[") and inline.endswith("]") else [inline]
    plain = [name.strip("\"' ") for name in names if name.strip()]
    return plain if plain and all(map(_PLAIN.fullmatch, plain)) else None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))]

"""What GraphQL's answer about one repository tells: its tree, its open pulls, its checks. Pure.

Every error's path is read, and what one stands for is unknown, not absent (facts/github.md 1.3).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from mcp_server.clients.wire import Timestamp, Wire, read

Checks = Literal["success", "failure", "error", "pending", "none"]
_STATES: Mapping[str, Checks] = {
    "SUCCESS": "success",
    "FAILURE": "failure",
    "ERROR": "error",
    "PENDING": "pending",
    "EXPECTED": "pending",
}
# Of a check run's conclusions and of a commit status' states; a new word names nothing.
_FAILED = frozenset(
    {"FAILURE", "TIMED_OUT", "STARTUP_FAILURE", "ACTION_REQUIRED", "CANCELLED", "ERROR"}
)
_README = re.compile(r"readme(?:\.\w+)?", re.IGNORECASE)
_WORKFLOWS = ".github/workflows"
_FORMS = ".github/ISSUE_TEMPLATE"


class _Context(Wire):
    name: str = ""
    conclusion: str | None = None
    context: str = ""
    state: str | None = None


class _Contexts(Wire):
    nodes: tuple[_Context | None, ...]


class _Rollup(Wire):
    state: str = ""
    contexts: _Contexts | None = None


class _Commit(Wire):
    statusCheckRollup: _Rollup | None = None


class _Ref(Wire):
    target: _Commit


class _Checked(Wire):
    defaultBranchRef: _Ref | None


class _Entry(Wire):
    name: str
    type: str
    size: int = 0
    object: "_Tree | None" = None


class _Tree(Wire):
    # A blob, or a folder that could not be read, has none.
    entries: tuple[_Entry, ...] | None = None


class _Pull(Wire):
    updatedAt: Timestamp


class _Pulls(Wire):
    totalCount: int
    nodes: tuple[_Pull | None, ...]


class _Facts(Wire):
    isEmpty: bool
    pullRequests: _Pulls | None = None
    root: _Tree | None = None
    workflows: _Tree | None = None
    forms: _Tree | None = None


@dataclass(frozen=True, kw_only=True)
class TreeFacts:
    """What the files of a repository's default branch tell, and its open pull requests.

    `paths` are those of the files that were seen, None when none could be; `folders` are folders
    that nobody looked into. `readme_bytes` None: there is none in the root, or its size is unknown.
    `pulls_updated` is of the open pull requests that nobody touched for longest.
    """

    empty: bool
    paths: tuple[str, ...] | None
    folders: tuple[str, ...] = ()
    readme_bytes: int | None = None
    open_pulls: int | None = None
    pulls_updated: tuple[datetime, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """What came of one repository; `failed` are the paths in it that an error stands for."""

    fields: Mapping[str, Any]
    failed: frozenset[tuple[str | int, ...]] = frozenset()

    def has_failed(self, field: str) -> bool:
        """Whether an error stands for this field, or for something in it."""
        return any(path[:1] == (field,) for path in self.failed)


def tree_facts(node: Node) -> TreeFacts | None:
    """Read `queries.FACTS`; None: nothing is certain. Raises `Unreadable` for another shape."""
    if node.has_failed("isEmpty"):
        return None
    wire = read(_Facts, node.fields)
    pulls = None if node.has_failed("pullRequests") else wire.pullRequests
    found = TreeFacts(
        empty=wire.isEmpty,
        paths=() if wire.isEmpty else None,
        open_pulls=pulls.totalCount if pulls else None,
        pulls_updated=tuple(one.updatedAt for one in pulls.nodes if one) if pulls else None,
    )
    if wire.isEmpty or wire.root is None or wire.root.entries is None:
        return found
    paths, folders = _seen(wire.root.entries)
    for place, deeper in ((_WORKFLOWS, wire.workflows), (_FORMS, wire.forms)):
        if place in folders and deeper is not None and deeper.entries is not None:
            folders.remove(place)
            paths += [f"{place}/{one.name}" for one in deeper.entries]
    return replace(
        found,
        paths=tuple(sorted(paths)),
        folders=tuple(sorted(folders)),
        readme_bytes=readme_size({one.name: one.size for one in wire.root.entries}),
    )


def _seen(root: Sequence[_Entry]) -> tuple[list[str], list[str]]:
    """Return the files of the two levels that were read, and the folders that were not."""
    paths = [one.name for one in root if one.type == "blob"]
    folders: list[str] = []
    for folder in (one for one in root if one.type == "tree"):
        inner = folder.object.entries if folder.object else None
        if inner is None:
            folders.append(folder.name)
            continue
        paths += [f"{folder.name}/{one.name}" for one in inner if one.type == "blob"]
        folders += [f"{folder.name}/{one.name}" for one in inner if one.type == "tree"]
    return paths, folders


def readme_size(sizes: Mapping[str, int]) -> int | None:
    """Return the bytes of the README among the files of the root; None where there is none."""
    found = sorted(name for name in sizes if _README.fullmatch(name))
    # Of several, the one that is written as it mostly is.
    return sizes[min(found, key=lambda name: name.lower() != "readme.md")] if found else None


def checks(node: Node) -> Checks | None:
    """Read `queries.CHECKS`: how the checks of the default branch stand; None: unknown."""
    if node.has_failed("defaultBranchRef"):
        return None
    rollup = _rollup(node)
    return "none" if rollup is None else _STATES.get(rollup.state)


def failing(node: Node) -> tuple[str, ...] | None:
    """Read `queries.FAILING`: the names of the checks that fail, as many as came; None: unknown."""
    if node.has_failed("defaultBranchRef"):
        return None
    rollup = _rollup(node)
    contexts = rollup.contexts.nodes if rollup and rollup.contexts else ()
    failed = {one.name or one.context for one in contexts if one and _has_failed(one)}
    return tuple(sorted(failed))


def _has_failed(context: _Context) -> bool:
    return (context.conclusion or context.state) in _FAILED


def _rollup(node: Node) -> _Rollup | None:
    ref = read(_Checked, node.fields).defaultBranchRef
    return ref.target.statusCheckRollup if ref else None

"""GitHub's GraphQL: what no listing tells of repositories, asked of many at once.

HTTP 200 does not mean success: every error's path is read, and what one stands for is unknown, not
absent (facts/github.md 1.3). Batches halve where one was too heavy, and grow again by one.
"""

import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import httpx2

from mcp_server.clients.wire import Timestamp, Wire, parse, read
from mcp_server.errors import Refused, Unavailable, Unreadable
from mcp_server.guard import bodies, queries

T = TypeVar("T")
Checks = Literal["success", "failure", "error", "pending", "none"]
# A page of 30 takes about 3 s, of 100 mostly fails (facts/github.md 1.3, measured by others). The
# state of checks is one word a repository.
LARGEST = {queries.FACTS: 30, queries.CHECKS: queries.MOST_IDS}
# So many batches in a row that were too heavy, down to single repositories: it is not their size.
MOST_HEAVY = 10
_HEAVY_STATUS = frozenset({502, 504})
_HEAVY_TYPES = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED"})
_DENIED_TYPES = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})
_STATES: Mapping[str, Checks] = {
    "SUCCESS": "success",
    "FAILURE": "failure",
    "ERROR": "error",
    "PENDING": "pending",
    "EXPECTED": "pending",
}
_README = re.compile(r"readme(?:\.\w+)?", re.IGNORECASE)
_WORKFLOWS = ".github/workflows"


class _Extensions(Wire):
    code: str = ""


class _Error(Wire):
    type: str = ""
    path: tuple[str | int, ...] = ()
    extensions: _Extensions = _Extensions()


class Rate(Wire):
    """What a query cost in points, how many are left of the hour's, and until when."""

    cost: int
    nodeCount: int
    remaining: int
    resetAt: Timestamp


class _Data(Wire):
    rateLimit: Rate | None = None
    nodes: tuple[dict[str, Any] | None, ...]


class _Answer(Wire):
    data: _Data | None = None
    errors: tuple[_Error, ...] = ()


class _Rollup(Wire):
    state: str


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


class _Count(Wire):
    totalCount: int


class _Facts(Wire):
    isEmpty: bool
    pullRequests: _Count | None = None
    root: _Tree | None = None
    workflows: _Tree | None = None


@dataclass(frozen=True, kw_only=True)
class TreeFacts:
    """What the files of a repository's default branch tell, and its open pull requests.

    `paths` are those of the files that were seen, None when none could be; `folders` are folders
    that nobody looked into. `readme_bytes` None: there is none in the root, or its size is unknown.
    """

    empty: bool
    paths: tuple[str, ...] | None
    folders: tuple[str, ...] = ()
    readme_bytes: int | None = None
    open_pulls: int | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """What came of one repository; `failed` are the paths in it that an error stands for."""

    fields: Mapping[str, Any]
    failed: frozenset[tuple[str | int, ...]] = frozenset()

    def has_failed(self, field: str) -> bool:
        """Whether an error stands for this field, or for something in it."""
        return any(path[:1] == (field,) for path in self.failed)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """The repositories that an answer tells of; `heavy`: the others are worth asking again."""

    nodes: tuple[Node | None, ...]
    heavy: bool


class GraphQLClient:
    """Asks the compiled-in documents; keeps the size of the next batch, and what it cost so far."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._url = f"{base.rstrip('/')}/graphql"
        self._sizes = dict(LARGEST)
        self.rate: Rate | None = None
        self.points = 0

    def facts(self, names: Mapping[str, str]) -> AsyncGenerator[Mapping[str, TreeFacts | None]]:
        """Read the trees of repositories, by id → `owner/name`; gives a batch at a time.

        None: nothing certain is known of this one, or it has another name now.

        Raises:
            Refused: the token may not ask GraphQL at all (so does `NotFound`: there is none).
            Unavailable: it does not answer, or every batch is too heavy for it.
        """
        return self._all(queries.FACTS, names, _facts)

    def checks(self, names: Mapping[str, str]) -> AsyncGenerator[Mapping[str, Checks | None]]:
        """Read how the checks on each default branch stand; the rest is as with `facts`."""
        return self._all(queries.CHECKS, names, _checks)

    async def _all(
        self, document: str, names: Mapping[str, str], reader: Callable[[Node], T | None]
    ) -> AsyncGenerator[Mapping[str, T | None]]:
        todo, heavy = list(names), 0
        while todo:
            size = self._sizes[document]
            asked, todo = todo[:size], todo[size:]
            batch = await self._ask(document, asked)
            told = dict(zip(asked, batch.nodes, strict=True))
            if batch.heavy:
                heavy += 1
                self._sizes[document] = max(1, len(asked) // 2)
                if heavy > MOST_HEAVY:
                    raise Unavailable(f"GraphQL: {heavy} batches in a row were too heavy")
                if len(asked) > 1:
                    todo = [one for one in asked if told[one] is None] + todo
                    told = {one: node for one, node in told.items() if node is not None}
            else:
                heavy = 0
                self._sizes[document] = min(size + 1, LARGEST[document])
            yield {one: _read(node, names[one], reader) for one, node in told.items()}

    async def _ask(self, document: str, ids: Sequence[str]) -> _Batch:
        body = queries.AskNodes(query=document, variables=queries.Ids(ids=[*ids]))
        headers = {"content-type": "application/json"}
        response = await self._http.post(self._url, content=bodies.encode(body), headers=headers)
        if response.status_code in _HEAVY_STATUS:
            return _Batch(nodes=(None,) * len(ids), heavy=True)
        answer = read(_Answer, parse(response).data)
        if answer.data is not None and answer.data.rateLimit is not None:
            self.rate = answer.data.rateLimit
            self.points += self.rate.cost
        return _batch(answer, len(ids))


def _batch(answer: _Answer, asked: int) -> _Batch:
    types = {error.type for error in answer.errors}
    if "RATE_LIMITED" in types:
        raise Unavailable("GraphQL: the hour's points are used up")
    heavy = bool(types & _HEAVY_TYPES)
    if answer.data is None:
        denied = types & _DENIED_TYPES or any(one.extensions.code for one in answer.errors)
        if denied:
            raise Refused("GraphQL: this token or this GitHub refuses it", limit="permission")
        # An error without any sign is GitHub's way of running out of time.
        return _Batch(nodes=(None,) * asked, heavy=True)
    failed: dict[int, set[tuple[str | int, ...]]] = {}
    for error in answer.errors:
        match error.path:
            case ("nodes", int(nth), *rest):
                failed.setdefault(nth, set()).add(tuple(rest))
            case _:
                heavy = True
    given = answer.data.nodes[:asked] + (None,) * (asked - len(answer.data.nodes))
    nodes = tuple(_node(fields, failed.get(nth, set())) for nth, fields in enumerate(given))
    return _Batch(nodes=nodes, heavy=heavy)


def _node(fields: Mapping[str, Any] | None, failed: set[tuple[str | int, ...]]) -> Node | None:
    """Return a repository; denied or gone it is one without fields: asked again it would be so."""
    if fields is None and not failed:
        return None
    return Node(fields=fields or {}, failed=frozenset(failed))


def _read(node: Node | None, name: str, reader: Callable[[Node], T | None]) -> T | None:
    """Read a repository that still has the name it was listed under; None for nothing certain."""
    if node is None or str(node.fields.get("nameWithOwner")).lower() != name.lower():
        return None
    try:
        return reader(node)
    except Unreadable:
        return None


def _facts(node: Node) -> TreeFacts | None:
    if node.has_failed("isEmpty"):
        return None
    wire = read(_Facts, node.fields)
    pulls = None if node.has_failed("pullRequests") else wire.pullRequests
    open_pulls = pulls.totalCount if pulls else None
    if wire.isEmpty:
        return TreeFacts(empty=True, paths=(), open_pulls=open_pulls)
    if wire.root is None or wire.root.entries is None:
        return TreeFacts(empty=False, paths=None, open_pulls=open_pulls)
    paths, folders = _seen(wire.root.entries)
    if _WORKFLOWS in folders and wire.workflows is not None and wire.workflows.entries is not None:
        folders.remove(_WORKFLOWS)
        paths += [f"{_WORKFLOWS}/{one.name}" for one in wire.workflows.entries]
    return TreeFacts(
        empty=False,
        paths=tuple(sorted(paths)),
        folders=tuple(sorted(folders)),
        readme_bytes=readme_size({one.name: one.size for one in wire.root.entries}),
        open_pulls=open_pulls,
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


def _checks(node: Node) -> Checks | None:
    if node.has_failed("defaultBranchRef"):
        return None
    ref = read(_Checked, node.fields).defaultBranchRef
    rollup = ref.target.statusCheckRollup if ref else None
    return "none" if rollup is None else _STATES.get(rollup.state)

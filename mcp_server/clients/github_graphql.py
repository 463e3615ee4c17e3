"""GitHub's GraphQL: what no listing tells of repositories, asked of many at once.

HTTP 200 does not mean success: every error's path is read, and what one stands for is unknown, not
absent (facts/github.md 1.3). Batches halve where one was too heavy, and grow again by one.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from mcp_server.clients import graphql_nodes
from mcp_server.clients.graphql_nodes import Checks, Node, TreeFacts
from mcp_server.clients.wire import Timestamp, Wire, parse, read
from mcp_server.errors import Refused, Unavailable, Unreadable
from mcp_server.guard import bodies, queries

T = TypeVar("T")
# A page of 30 takes about 3 s, of 100 mostly fails (facts/github.md 1.3, measured by others). The
# state of checks is one word a repository.
LARGEST = {queries.FACTS: 30, queries.CHECKS: queries.MOST_IDS, queries.FAILING: 30}
# So many batches in a row that were too heavy, down to single repositories: it is not their size.
MOST_HEAVY = 10
_HEAVY_STATUS = frozenset({502, 504})
_HEAVY_TYPES = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED"})
_DENIED_TYPES = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})


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
        return self._all(queries.FACTS, names, graphql_nodes.tree_facts)

    def checks(self, names: Mapping[str, str]) -> AsyncGenerator[Mapping[str, Checks | None]]:
        """Read how the checks on each default branch stand; the rest is as with `facts`."""
        return self._all(queries.CHECKS, names, graphql_nodes.checks)

    def failing(
        self, names: Mapping[str, str]
    ) -> AsyncGenerator[Mapping[str, tuple[str, ...] | None]]:
        """Read which checks fail on each default branch; the rest is as with `facts`."""
        return self._all(queries.FAILING, names, graphql_nodes.failing)

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

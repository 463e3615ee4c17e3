"""Every GraphQL document that may leave, against GitHub's own schema: valid, and cheap.

The schema is npm's `@octokit/graphql-schema` (facts/github.md 4.4); points and nodes are counted
as GitHub's "Rate limits and query limits for the GraphQL API" does, read 2026-11-22.
"""

import hashlib
from functools import cache

import pytest
from graphql import (
    FieldNode,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_ast_schema,
    get_named_type,
    parse,
    validate,
    visit,
)

from mcp_server.clients.github_graphql import LARGEST
from mcp_server.guard import queries
from mcp_server.guard.queries import CHECKS, FACTS, FAILING, HASHES
from tests import node_modules_dir

# GitHub's limits: nodes of one query; points an hour, of which a workflow's own token has fewest.
MOST_NODES = 500_000
LEAST_POINTS = 1_000
DOCUMENTS = {"facts": FACTS, "checks": CHECKS, "failing": FAILING}


@cache
def schema() -> GraphQLSchema:
    """Return GitHub's schema; taken as valid, for version 15.26.1 defines a field twice."""
    text = node_modules_dir.need("@octokit/graphql-schema/schema.graphql").read_text("utf-8")
    return build_ast_schema(parse(text, no_location=True), assume_valid=True, assume_valid_sdl=True)


class Cost(Visitor):
    """Counts the requests to fill every connection, and the nodes that may come of it."""

    def __init__(self, info: TypeInfo, ids: int) -> None:
        super().__init__()
        self._info = info
        self._ids = ids
        self._times = [1]
        self.requests = 0
        self.nodes = 0

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Multiply by what this field is a list of."""
        times = self._times[-1]
        if node.name.value == "nodes" and len(self._times) == 1:
            times *= self._ids
            self.nodes += times
        elif self._kind().endswith("Connection"):
            self.requests += times
            times *= self._first(node)
            self.nodes += times
        self._times.append(times)

    def _kind(self) -> str:
        kind = self._info.get_type()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] -- a list of anything
        return "" if kind is None else get_named_type(kind).name  # pyright: ignore[reportUnknownArgumentType]

    def leave_field(self, *_: object) -> None:
        """Go back to the field around it."""
        self._times.pop()

    def _first(self, node: FieldNode) -> int:
        sizes = [one.value for one in node.arguments or () if one.name.value in ("first", "last")]
        return max((int(one.value) for one in sizes if isinstance(one, IntValueNode)), default=0)


def cost(document: str, ids: int) -> tuple[int, int]:
    """Return points and nodes of a document about so many repositories."""
    info = TypeInfo(schema())
    counted = Cost(info, ids)
    visit(parse(document), TypeInfoVisitor(info, counted))
    return max(1, round(counted.requests / 100)), counted.nodes


def test_the_documents_are_those_whose_hashes_the_guard_knows():
    """Both ways: nothing is forgotten, nothing is left over."""
    assert {hashlib.sha256(one.encode()).hexdigest() for one in DOCUMENTS.values()} == HASHES


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_is_a_valid_query_of_githubs_schema(document: str):
    """No wrong field, no wrong argument, and a query: it has no effect."""
    parsed = parse(document)
    (operation,) = parsed.definitions
    assert isinstance(operation, OperationDefinitionNode)
    assert operation.operation is OperationType.QUERY
    assert validate(schema(), parsed) == []


@pytest.mark.parametrize(
    "broken",
    [
        FACTS.replace("isEmpty", "isVoid"),
        FACTS.replace("OPEN", "AJAR"),
        CHECKS.replace("$ids:[ID!]!", "$ids:[Int!]!"),
    ],
)
def test_the_schema_finds_what_is_wrong(broken: str):
    """Else the test above proves nothing."""
    assert validate(schema(), parse(broken)) != []


def test_a_batch_costs_a_point_or_two_and_few_nodes():
    """3,000 repositories cost a fifth of the smallest hourly budget (facts/github.md 1.3)."""
    assert LARGEST == {FACTS: 30, CHECKS: queries.MOST_IDS, FAILING: 30}
    for document, ids in LARGEST.items():
        points, nodes = cost(document, ids)
        assert nodes <= MOST_NODES / 100
        assert points * 3_000 / ids <= LEAST_POINTS / 5


def test_what_a_list_in_a_list_costs_is_counted():
    """GitHub's own example: 100 repositories, 50 pull requests, 20 comments each."""
    document = (
        "query($ids:[ID!]!){nodes(ids:$ids){...on User{repositories(first:100){nodes{"
        "pullRequests(first:50){nodes{comments(first:20){totalCount}}}}}}}}"
    )
    assert cost(document, 1) == (51, 1 + 100 + 5_000 + 100_000)

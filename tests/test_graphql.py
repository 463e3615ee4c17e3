"""GraphQL's client over scripted answers: every error stands for something unknown (issue 6)."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from mcp_server.clients.github_graphql import GraphQLClient
from mcp_server.clients.graphql_nodes import TreeFacts
from mcp_server.errors import FactoryError, NotFound, Refused, SettingsError, Unavailable
from mcp_server.guard import policy, queries
from mcp_server.guard.queries import CHECKS, FACTS, FAILING
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import GITHUB, ManualClock, Network, OpenDoor, answer, guard

RATE = {"cost": 1, "nodeCount": 1, "remaining": 4999, "resetAt": "2026-11-23T10:00:00Z"}
NAMES = {"R_a": "owner/a", "R_b": "owner/b"}
Json = dict[str, Any]


def tree(name: str = "owner/a", **fields: object) -> Json:
    """Return a repository with a README and source in a folder, as GraphQL tells it."""
    entries: list[Json] = [
        {"name": "ReadMe.md", "type": "blob", "size": 700, "object": {}},
        {"name": "src", "type": "tree", "size": 0, "object": folder("app.py", lib="tree")},
        {"name": ".github", "type": "tree", "size": 0, "object": DOT_GITHUB},
    ]
    return {
        "nameWithOwner": name,
        "isEmpty": False,
        "pullRequests": {"totalCount": 2, "nodes": [{"updatedAt": "2026-11-01T00:00:00Z"}]},
        "root": {"entries": entries},
        "workflows": folder("ci.yml"),
        "forms": folder("bug_report.md"),
        **fields,
    }


def folder(*files: str, **others: str) -> Json:
    """Return a folder with files, and with entries of other types."""
    entries = [{"name": name, "type": "blob"} for name in files]
    return {"entries": entries + [{"name": name, "type": kind} for name, kind in others.items()]}


DOT_GITHUB = folder(workflows="tree", ISSUE_TEMPLATE="tree")


def error(kind: str = "", *path: str | int, **more: object) -> Json:
    """Return an error as GraphQL tells it."""
    told: Json = {"message": "in words", **more}
    return told | ({"type": kind} if kind else {}) | ({"path": list(path)} if path else {})


def told(*nodes: Json | None, errors: tuple[Json, ...] = ()) -> httpx2.Response:
    """Return an answer with data."""
    whole: Json = {"data": {"rateLimit": RATE, "nodes": nodes}}
    return answer(200, whole | ({"errors": errors} if errors else {}))


WHOLE_PATHS = (
    ".github/ISSUE_TEMPLATE/bug_report.md",
    ".github/workflows/ci.yml",
    "ReadMe.md",
    "src/app.py",
)
WHOLE = TreeFacts(
    empty=False,
    paths=WHOLE_PATHS,
    folders=("src/lib",),
    readme_bytes=700,
    open_pulls=2,
    pulls_updated=(datetime(2026, 11, 1, tzinfo=UTC),),
)


def ask(*replies: httpx2.Response, document: str = FACTS) -> tuple[Json, list[int]]:
    """Ask about `NAMES` through the guard; return what came, and the size of each batch."""
    answers = iter(replies)
    network, tickets = Network(lambda _: next(answers)), OpenDoor()

    async def work() -> Json:
        http = httpx2.AsyncClient(transport=guard(network, tickets, ManualClock()))
        client = GraphQLClient(http, base=GITHUB)
        found: Json = {}
        asked = {FACTS: client.facts, CHECKS: client.checks, FAILING: client.failing}[document]
        async for batch in asked(NAMES):
            found |= batch
        return found

    try:
        found = run_virtual(work())
    finally:
        sizes = [len(json.loads(one.content)["variables"]["ids"]) for one in network.sent]
        assert tickets.taken == []
    return found, sizes


def test_what_a_tree_tells_is_read_two_levels_deep():
    """A README in any case, workflows by their files; folders below are not looked into."""
    assert ask(told(tree(), tree("Owner/B"))) == ({"R_a": WHOLE, "R_b": WHOLE}, [2])


NO_PULLS = replace(WHOLE, open_pulls=None, pulls_updated=None)
NO_ROOT = replace(WHOLE, paths=None, folders=(), readme_bytes=None)


@pytest.mark.parametrize(
    ("node", "errors", "known"),
    [
        (tree(pullRequests=None), [("pullRequests",)], NO_PULLS),
        (
            tree(pullRequests={"totalCount": 2, "nodes": [None]}),
            [("pullRequests", "nodes", 0)],
            NO_PULLS,
        ),
        (
            tree(forms=None),
            [("forms",)],
            replace(WHOLE, paths=WHOLE_PATHS[1:], folders=(".github/ISSUE_TEMPLATE", "src/lib")),
        ),
        (tree(root=None), [("root",)], NO_ROOT),
        (tree(root=None), [], NO_ROOT),
        (
            tree(workflows=None),
            [("workflows", "entries")],
            replace(
                WHOLE,
                paths=(WHOLE_PATHS[0], *WHOLE_PATHS[2:]),
                folders=(".github/workflows", "src/lib"),
            ),
        ),
        (
            tree(root={"entries": [{"name": "docs", "type": "tree", "object": None}]}),
            [("root", "entries", 0, "object")],
            replace(WHOLE, paths=(), folders=("docs",), readme_bytes=None),
        ),
        (
            tree(isEmpty=True, root=None, workflows=None),
            [],
            replace(WHOLE, empty=True, paths=(), folders=(), readme_bytes=None),
        ),
    ],
)
def test_what_an_error_stands_for_is_unknown(
    node: Json, errors: list[tuple[str | int, ...]], known: TreeFacts
):
    """`errors[].path` is read: a field that is missing by an error is not absent (1.3)."""
    wrong = tuple(error("SOMETHING", "nodes", 0, *path) for path in errors)
    found = ask(told(node, tree("owner/b"), errors=wrong))
    assert found == ({"R_a": known, "R_b": WHOLE}, [2])


@pytest.mark.parametrize(
    ("first", "errors"),
    [
        (None, (error("NOT_FOUND", "nodes", 0),)),
        (None, (error("FORBIDDEN", "nodes", 0),)),
        (tree(isEmpty=None), (error("SOMETHING", "nodes", 0, "isEmpty"),)),
        (tree("owner/renamed"), ()),
        ({}, ()),
        (tree(pullRequests={"totalCount": "many"}), ()),
    ],
)
def test_a_repository_of_which_nothing_is_certain_is_unknown(
    first: Json | None, errors: tuple[Json, ...]
):
    """Gone, denied, renamed, or in another shape: it is not asked about again, nor any other."""
    found = ask(told(first, tree("owner/b"), errors=errors))
    assert found == ({"R_a": None, "R_b": WHOLE}, [2])


HEAVY: dict[str, Callable[[], httpx2.Response]] = {
    "502": lambda: answer(502),
    "504": lambda: answer(504),
    "resources": lambda: told(None, None, errors=(error("RESOURCE_LIMITS_EXCEEDED"),)),
    "nodes": lambda: answer(200, {"errors": [error("MAX_NODE_LIMIT_EXCEEDED")]}),
    "time": lambda: answer(200, {"data": None, "errors": [error()]}),
    "no data": lambda: answer(200, {}),
    "fewer nodes": lambda: told(errors=(error(),)),
}


@pytest.mark.parametrize("heavy", HEAVY.values(), ids=HEAVY)
def test_a_batch_that_was_too_heavy_is_halved_at_once(heavy: Callable[[], httpx2.Response]):
    """Not tried three times as it is: each time-out costs points of the next hour (1.3)."""
    found = ask(heavy(), told(tree()), told(tree("owner/b")))
    assert found == ({"R_a": WHOLE, "R_b": WHOLE}, [2, 1, 1])


@pytest.mark.parametrize("heavy", HEAVY.values(), ids=HEAVY)
def test_one_that_is_too_heavy_by_itself_is_unknown(heavy: Callable[[], httpx2.Response]):
    """The other is read all the same."""
    assert ask(heavy(), heavy(), told(tree("owner/b"))) == (
        {"R_a": None, "R_b": WHOLE},
        [2, 1, 1],
    )


def test_what_came_of_a_batch_that_was_too_heavy_stands():
    """Partial data: only the rest is asked about again."""
    half = told(tree(), None, errors=(error("RESOURCE_LIMITS_EXCEEDED"),))
    assert ask(half, told(tree("owner/b"))) == ({"R_a": WHOLE, "R_b": WHOLE}, [2, 1])


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (answer(401), SettingsError),
        (answer(403, {"message": "no"}), Refused),
        (answer(404), NotFound),
        (answer(200, {"data": None, "errors": [error("FORBIDDEN")]}), Refused),
        (answer(200, {"errors": [error("INSUFFICIENT_SCOPES")]}), Refused),
        (answer(200, {"errors": [error(extensions={"code": "undefinedField"})]}), Refused),
        (answer(200, {"data": None, "errors": [error("RATE_LIMITED")]}), Unavailable),
    ],
)
def test_a_refusal_of_everything_is_told_as_one(
    reply: httpx2.Response, meaning: type[FactoryError]
):
    """HTTP 200 does not mean success; an older GitHub Enterprise does not know a field."""
    with pytest.raises(meaning):
        ask(reply)


@pytest.mark.parametrize(
    ("ref", "word"),
    [
        (None, "none"),
        ({"target": {"statusCheckRollup": None}}, "none"),
        ({"target": {"statusCheckRollup": {"state": "SUCCESS"}}}, "success"),
        ({"target": {"statusCheckRollup": {"state": "FAILURE"}}}, "failure"),
        ({"target": {"statusCheckRollup": {"state": "ERROR"}}}, "error"),
        ({"target": {"statusCheckRollup": {"state": "PENDING"}}}, "pending"),
        ({"target": {"statusCheckRollup": {"state": "EXPECTED"}}}, "pending"),
        ({"target": {"statusCheckRollup": {"state": "FINE"}}}, None),
    ],
)
def test_checks_are_read_by_the_words_that_are_known(ref: Json | None, word: str | None):
    """A new word blocks nothing and is taken for nothing: unknown."""
    nodes = [{"nameWithOwner": name, "defaultBranchRef": ref} for name in NAMES.values()]
    assert ask(told(*nodes), document=CHECKS) == ({"R_a": word, "R_b": word}, [2])


def test_checks_that_may_not_be_seen_are_unknown():
    """A fine-grained token: null and an error, which is not "no checks" (1.8)."""
    path = ("nodes", 0, "defaultBranchRef", "target", "statusCheckRollup")
    nodes = [
        {"nameWithOwner": name, "defaultBranchRef": {"target": {"statusCheckRollup": None}}}
        for name in NAMES.values()
    ]
    found, _ = ask(told(*nodes, errors=(error("FORBIDDEN", *path),)), document=CHECKS)
    assert found == {"R_a": None, "R_b": "none"}


def rollup(*contexts: Json | None) -> Json:
    """Return a default branch with these checks."""
    return {"target": {"statusCheckRollup": {"contexts": {"nodes": contexts}}}}


RED_CONTEXTS = (
    {"name": "lint", "conclusion": "FAILURE"},
    {"name": "fine", "conclusion": "SUCCESS"},
    {"name": "running", "conclusion": None},
    {"context": "ci/old", "state": "ERROR"},
    {"name": "new word", "conclusion": "SULKED"},
    None,
)


@pytest.mark.parametrize(
    ("ref", "errors", "names"),
    [
        (rollup(*RED_CONTEXTS), (), ("ci/old", "lint")),
        (rollup(), (), ()),
        (None, (), ()),
        ({"target": {"statusCheckRollup": None}}, (), ()),
        (None, (error("FORBIDDEN", "nodes", 0, "defaultBranchRef"),), None),
    ],
)
def test_the_checks_that_fail_are_named(
    ref: Json | None, errors: tuple[Json, ...], names: tuple[str, ...] | None
):
    """Issue 6 point 3: a failing default branch with its evidence; a status is a check too."""
    nodes = [{"nameWithOwner": name, "defaultBranchRef": ref} for name in NAMES.values()]
    found, _ = ask(told(*nodes, errors=errors), document=FAILING)
    assert found["R_a"] == names


def body(document: object = FACTS, ids: object = ("R_a",), **more: object) -> bytes:
    """Return a request's body as our own encoder would write it."""
    whole = {"query": document, "variables": {"ids": ids}, **more}
    return json.dumps(whole, separators=(",", ":")).encode()


def refused() -> Iterator[tuple[str, bytes]]:
    """Give what must not leave, by name."""
    yield "another document", body("query{viewer{login}}")
    yield "a mutation", body("mutation($ids:[ID!]!){deleteRef(input:{refId:$ids}){x}}")
    yield "a document and more", body(FACTS + " ")
    yield "two documents", body(FACTS + CHECKS)
    yield "by its hash", body(next(iter(queries.HASHES)))
    yield "an operation's name", body(operationName="Facts")
    yield "extensions", body(extensions={"persistedQuery": {"sha256Hash": "x"}})
    yield "more variables", body().replace(b'"ids":', b'"x":1,"ids":')
    yield "no variables", json.dumps({"query": FACTS}, separators=(",", ":")).encode()
    yield "no ids", body(ids=())
    yield "too many ids", body(ids=["R_a"] * 101)
    yield "one id by itself", body(ids="R_a")
    yield "a batch of requests", b"[" + body() + b"]"
    yield "spaces", json.dumps({"query": FACTS, "variables": {"ids": ["R_a"]}}).encode()
    for name in ("U_a", "PR_a", "r_a", "R_", "R_a b", "R_a\n", "R_" + "a" * 41, "", "MDQ6VXNlcjE="):
        yield f"the id {name!r}", body(ids=[name])


REFUSED = dict(refused())


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_known_document_about_repositories_never_leaves(content: bytes):
    """DESIGN.md section 5: exact path, exact body shape, by hash; batches by variables."""
    with pytest.raises(Refused):
        policy.decide("github", "POST", "/graphql", (), {}, content)


@pytest.mark.parametrize("node_id", ["R_kgDOA-b_c", "MDEwOlJlcG9zaXRvcnkxMjk2MjY5"])
def test_a_known_document_about_repositories_is_a_query(node_id: str):
    """Both of GitHub's ways of naming one; no ticket, its own cap."""
    rule = policy.decide("github", "POST", "/graphql", (), {}, body(ids=[node_id] * 100))
    assert (rule.kind, rule.effect, rule.most_bytes) == ("ask_nodes", "query", 10_000)


def test_a_key_among_the_ids_never_leaves():
    """Ids come from GitHub; whatever looks like a key has no business among them."""
    network = Network()
    key = "R_ghp_" + "a1B2c3D4e5" * 3

    async def work() -> None:
        http = httpx2.AsyncClient(transport=guard(network, OpenDoor(), ManualClock()))
        with suppress(Unavailable):
            async for _ in GraphQLClient(http, base=GITHUB).facts({key: "owner/a"}):
                pass

    with pytest.raises(Refused) as raised:
        run_virtual(work())
    assert (raised.value.limit, network.sent) == ("key", [])

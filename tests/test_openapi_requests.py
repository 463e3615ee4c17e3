"""Every request of ours that is GitHub's REST, against GitHub's own description of it.

npm `@octokit/openapi` 23.0.2 (2022-11-28), judged by `openapi-core`; what that leaves open, unknown
names in bodies and queries, is asked here. Answers are not judged: real ones break the description.
"""

import json
import re
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest

from mcp_server.cache import Cache
from mcp_server.clients.etags import ConditionalReads
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.github_actions import ActionsClient
from mcp_server.clients.github_care import CareClient
from mcp_server.clients.github_patches import TreesClient
from mcp_server.clients.github_pulls import PullsClient
from mcp_server.clients.github_search import SearchClient
from mcp_server.clients.github_tokens import TokensClient
from mcp_server.clients.github_workflows import WorkflowsClient
from mcp_server.clients.pages import PagesClient
from mcp_server.errors import FactoryError
from mcp_server.guard import policy
from mcp_server.guard.policy import RULES
from mcp_server.sandbox.loop import run_virtual
from mcp_server.store import open_engine
from mcp_server.trends import github_issues, github_search
from tests import node_modules_dir
from tests.guard_cases import GITHUB, SHA, START, ManualClock, Network, OpenDoor, answer, guard
from tests.test_policy import MUTATIONS
from tests.test_policy_surface import DESCRIPTION

REPO = "owner/tool"
# Parameters of several segments, which the description's judge cannot match: encoded for it alone.
_LONG = re.compile(
    r"(/(?:git/refs?|git/trees|contents|branches|(?<!git/)commits)/)"
    r"(.+?)(?=$|/(?:check-runs|check-suites|status|protection)$)"
)


def reply(request: httpx2.Request) -> httpx2.Response:
    """Answer so much that every client goes on to what it asks next."""
    path = request.url.path
    if "/git/ref/" in path:
        return answer(200, {"object": {"sha": SHA}})
    if path.endswith("/check-runs"):
        return answer(200, {"total_count": 0, "check_runs": []})
    if "/rules/" in path:
        return answer(200, [])
    return answer(200, {"tree": {"sha": SHA}})


def reads(folder: Path) -> list[httpx2.Request]:
    """Return one request of every kind that a client of GitHub's reads by."""
    network = Network(reply)

    async def go() -> None:
        clock = ManualClock()
        guarded = guard(network, OpenDoor(), clock)
        http = httpx2.AsyncClient(transport=guarded)
        cache = Cache(open_engine(f"sqlite:///{folder}/state.db"), owner="x")
        kept = ConditionalReads(http, cache)
        hub = GitHubClient(http, base=GITHUB, clock=clock, conditional=kept)
        of_app = GitHubClient(http, base=GITHUB, clock=clock, conditional=kept, installed=True)
        actions, trees = ActionsClient(http, base=GITHUB), TreesClient(http, base=GITHUB)
        workflows, words = WorkflowsClient(http, base=GITHUB), CareClient(http, base=GITHUB)
        pulls, search = PullsClient(http, base=GITHUB), SearchClient(http, base=GITHUB)
        everything: tuple[Awaitable[object], ...] = (
            TokensClient(http, base=GITHUB, transport=guarded).work(),
            TokensClient(http, base=GITHUB, transport=guarded).refused_reads(REPO, "main"),
            hub.list_repositories(),
            of_app.list_repositories(),
            hub.get_repository(REPO),
            hub.get_tree(REPO, "feature/x-1"),
            hub.list_checks(REPO, "feature/x-1"),
            hub.checks.statuses(REPO, SHA),
            hub.checks.suites(REPO, SHA),
            hub.checks.rules(REPO, "main"),
            hub.checks.workflow_text(REPO, ".github/workflows/ci.yml", "feature/x-1"),
            hub.list_pulls(REPO, state="all"),
            hub.get_pull(REPO, 7),
            hub.list_files(REPO, 7),
            hub.is_merged(REPO, 7),
            hub.head_of(REPO, "feature/x-1"),
            pulls.page(REPO, state="closed", number=2),
            pulls.files(REPO, 7),
            trees.blob(REPO, SHA),
            trees.files(REPO, SHA),
            actions.runs_at(REPO, SHA),
            actions.jobs(REPO, 71944394700),
            actions.job_log(REPO, 7),
            workflows.workflows(REPO),
            workflows.workflow(REPO, 7),
            workflows.recent_runs(REPO, 7),
            workflows.text(REPO, ".github/workflows/ci.yml"),
            words.comments(REPO, 7),
            words.issues(REPO),
            search.search("repositories", "tabs language:go", page=2, size=20),
            search.search("issues", "tabs", page=1, size=20),
            github_search.SOURCE.read(PagesClient(http).fetch, START),
            github_issues.SOURCE.read(PagesClient(http).fetch, START),
        )
        for read in everything:
            with suppress(FactoryError):  # the fake's answers mean little
                await read

    run_virtual(go())
    return network.sent


def writes() -> list[httpx2.Request]:
    """Return every mutation of GitHub's as its client builds it."""
    return [
        httpx2.Request(one.method, GITHUB + one.path, content=one.content)
        for one in MUTATIONS
        if one.service == "github"
    ]


def kind(request: httpx2.Request) -> str:
    """Return the rule that lets it out."""
    names = policy.query_names(request.url.raw_path.decode())
    return policy.decide(
        "github", request.method, request.url.path, names, {}, request.content
    ).kind


@cache
def document() -> dict[str, Any]:
    """Return the description; read once, for it is 13 MB."""
    return json.loads(node_modules_dir.need(DESCRIPTION).read_bytes())


@cache
def judge() -> OpenAPI:
    """Return the description's judge; the description itself is not judged: that takes minutes."""
    unjudged = Config(spec_validator_cls=None)  # pyright: ignore[reportArgumentType] as its documentation says
    return OpenAPI.from_dict(document(), config=unjudged)


def complaints(request: httpx2.Request) -> list[str]:
    """Return what the description has against a request."""
    path = _LONG.sub(lambda found: found[1] + found[2].replace("/", "%2F"), request.url.path)
    method = request.method.lower()
    try:
        judge().validate_request(
            MockRequest(
                GITHUB,
                method,
                path,
                args=dict(request.url.params),
                data=request.content or None,
                content_type="application/json",
            )
        )
    except OpenAPIError as error:
        return [f"{error!r}: {error.__cause__!r}"]
    operation = _operation(method, path)
    known = {str(one["name"]) for one in map(_resolved, operation.get("parameters", []))}
    asked = [f"query {name}" for name in dict(request.url.params) if name not in known]
    if not request.content:
        return asked
    content = operation["requestBody"]["content"]["application/json"]
    return asked + list(_unknown(json.loads(request.content), content["schema"], "body"))


def _operation(method: str, path: str) -> Mapping[str, Any]:
    """Return the operation whose path has the fewest places to fill in."""
    fitting = [
        (template.count("{"), operations[method])
        for template, operations in document()["paths"].items()
        if method in operations and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    return min(fitting, key=lambda one: one[0])[1]


def _unknown(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """Give the keys that no `properties` names, however deep; what names none allows all."""
    schema = _resolved(schema)
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _unknown(item, schema.get("items", {}), f"{where}[]")
    elif isinstance(value, dict) and "properties" in schema:
        for key, inner in cast("dict[str, object]", value).items():
            if key in schema["properties"]:
                yield from _unknown(inner, schema["properties"][key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema
    if "$ref" in schema:
        found = document()
        for part in str(schema["$ref"]).split("/")[1:]:
            found = found[part]
    return found


def test_every_read_is_one_that_github_describes(tmp_path: Path):
    """Path, method, and every name and value in the query; and no kind of read is left out."""
    made = reads(tmp_path)
    assert {kind(one) for one in made} == {
        rule.kind for rule in RULES if rule.service == "github" and rule.effect == "read"
    }
    assert {f"{one.method} {one.url}": complaints(one) for one in made} == {
        f"{one.method} {one.url}": [] for one in made
    }


def test_every_write_is_one_that_github_describes():
    """Body and path, with no key that GitHub does not know; and no kind of write is left out."""
    made = writes()
    assert {kind(one) for one in made} == {
        rule.kind for rule in RULES if rule.service == "github" and rule.effect == "mutation"
    }
    assert {one.content: complaints(one) for one in made} == {one.content: [] for one in made}


WRONG: dict[str, tuple[str, str, str]] = {
    "no such operation": ("PUT", f"/repos/{REPO}/pulls/7/megre", "{}"),
    "another method": ("POST", f"/repos/{REPO}/pulls/7/merge", "{}"),
    "a value that is none": ("PUT", f"/repos/{REPO}/pulls/7/merge", '{"merge_method":"squish"}'),
    "a key misspelt": ("PUT", f"/repos/{REPO}/pulls/7/merge", '{"shaa":"x"}'),
    "a name missing": ("POST", "/user/repos", '{"private":true}'),
    "a type that is another": ("POST", "/user/repos", '{"name":"x","private":"yes"}'),
    "a key too many, deep": (
        "POST",
        f"/repos/{REPO}/git/trees",
        '{"tree":[{"path":"a","mode":"100644","type":"blob","content":"x","size":3}]}',
    ),
    "a mode that is none": ("POST", f"/repos/{REPO}/git/trees", '{"tree":[{"mode":"100600"}]}'),
    "a name in the query": ("GET", f"/repos/{REPO}/pulls?per_pages=100", ""),
    "a state that is none": ("GET", f"/repos/{REPO}/pulls?state=merged", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_github_does_not_describe_is_complained_of(name: str):
    """The judge itself, and what we ask besides."""
    method, target, body = WRONG[name]
    assert complaints(httpx2.Request(method, GITHUB + target, content=body.encode()))

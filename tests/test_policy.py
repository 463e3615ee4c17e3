"""What may leave: every operation by the request its client builds, and nothing beside it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import get_args

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.cache import Cache
from mcp_server.clients import brave, github, github_patches, jules
from mcp_server.clients import github_care as care
from mcp_server.clients.brave import BraveClient
from mcp_server.clients.etags import ConditionalReads
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.github_actions import ActionsClient
from mcp_server.clients.github_care import CareClient
from mcp_server.clients.github_patches import TreesClient
from mcp_server.clients.github_search import Kind, SearchClient
from mcp_server.clients.github_tokens import TokensClient
from mcp_server.clients.github_workflows import WorkflowsClient, disable_workflow
from mcp_server.clients.jules import JulesClient
from mcp_server.clients.pages import PagesClient
from mcp_server.clients.web_pages import WebPages
from mcp_server.errors import Ambiguous, FactoryError, Refused
from mcp_server.guard import policy
from mcp_server.guard.policy import RULES
from mcp_server.guard.request import Prepared
from mcp_server.patches.plan import Change
from mcp_server.sandbox.loop import run_virtual
from mcp_server.store import open_engine
from mcp_server.trends import github_issues, github_search
from tests.guard_cases import (
    GITHUB,
    JULES,
    LOG,
    LOG_PATH,
    MARKER_KEY,
    REPORT,
    SHA,
    SITE,
    START,
    ManualClock,
    Network,
    OpenDoor,
    answer,
    guard,
    merge_of,
    start,
)
from tests.refused_cases import REFUSED, Case, plain, whole

MUTATIONS: tuple[Prepared, ...] = (
    start(),
    jules.send_message("s1", "go on"),
    jules.approve_plan("s1"),
    jules.archive_session("s1"),
    jules.unarchive_session("s1"),
    github.create_repository("new-tool", "a new tool"),
    github.create_tree("owner/tool", SHA, [("src/a.py", "x = 1\n")]),
    github.create_commit("owner/tool", message="first", tree=SHA, parent=SHA),
    github_patches.create_tree(
        "owner/tool",
        SHA,
        [
            Change(path="gone", mode="100644"),
            Change(path="moved", mode="100755", sha=SHA),
            Change(path="app/[id]/(x).ts", mode="100644", content="x"),
        ],
    ),
    github_patches.create_branch("owner/tool", "daily-factory/tests", SHA),
    github_patches.open_pull(
        "owner/tool", title="fix: x", head="daily-factory/tests", base="main", body="[df1 x] y"
    ),
    github.move_branch("owner/tool", "main", SHA),
    merge_of(),
    github.update_branch("owner/tool", 7, SHA),
    disable_workflow("owner/tool", 7),
    care.set_description("owner/tool", "A tool"),
    care.set_topics("owner/tool", ["cli", "tools"]),
    care.comment_pull("owner/tool", 7, "a comment"),
    care.open_report("owner/tool", "Report", REPORT),
    care.update_report("owner/tool", 7, "Report", REPORT),
)


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_in_the_table_never_leaves(case: Case):
    """Promise 19 of facts/safety.md 7: refused before a socket opens or a ticket is used."""
    network, tickets = Network(), OpenDoor()
    with pytest.raises(Refused) as refused:
        case.send(network, tickets)
    assert refused.value.limit == "policy"
    assert network.sent == []
    assert tickets.taken == []


@pytest.mark.parametrize("method", ["get", "Get", "GET ", "GET\r\n", ""])
def test_a_method_that_is_not_spelt_in_capitals_is_no_method(method: str):
    """`httpx2` writes methods in capitals, so this is asked of the policy itself."""
    with pytest.raises(Refused):
        policy.decide("github", method, "/user", (), {}, b"")


@pytest.mark.parametrize("path", ["/repos/./tool", "/repos/owner/..", "/user\n", "/repos/a/b\0"])
def test_a_path_that_is_not_plain_is_refused_by_the_policy_itself(path: str):
    """`httpx2` removes dot segments before the guard; another client might not."""
    with pytest.raises(Refused):
        policy.decide("github", "GET", path, (), {}, b"")


@pytest.mark.parametrize("prepared", MUTATIONS, ids=lambda one: one.kind)
def test_each_mutation_leaves_as_its_client_builds_it(prepared: Prepared):
    """Asks for a ticket of the client's own kind and digest, and sends just that body."""
    network, tickets = Network(), OpenDoor()
    base = JULES if prepared.service == "jules" else GITHUB
    case = Case(prepared.method, base + prepared.path, prepared.content)
    with suppress(Ambiguous):  # the fake's `{}` proves few effects
        case.send(network, tickets)
    assert tickets.taken == [("t1", prepared.kind, prepared.digest)]
    assert [(one.method, one.content) for one in network.sent] == [
        (prepared.method, prepared.content)
    ]


@pytest.mark.parametrize("prepared", MUTATIONS, ids=lambda one: one.kind)
def test_a_mutation_leaves_in_its_canonical_bytes_only(prepared: Prepared):
    """What was judged is what leaves: no assumed default, no second spelling of the same body."""
    body = whole(prepared)
    fields = type(prepared.body).model_fields
    said = [key for key in body if fields[key].default is not None]
    others = [
        json.dumps(body, indent=1).encode(),
        plain(dict(reversed(body.items()))),
        plain({**body, "automationMode": None}),
        prepared.content + b" ",
        b"\xef\xbb\xbf" + prepared.content,
        *(plain({key: body[key] for key in body if key != gone}) for gone in said),
    ]
    for other in others:
        if other == prepared.content:
            continue
        with pytest.raises(Refused):
            policy.decide(prepared.service, prepared.method, prepared.path, (), {}, other)


@given(st.text(min_size=1))
def test_any_text_leaves_as_its_client_writes_it(text: str):
    """Quotes, controls and every script: the canonical bytes are read back as the same."""
    prepared = jules.send_message("s1", text)
    rule = policy.decide("jules", "POST", prepared.path, (), {}, prepared.content)
    assert rule.kind == "send_message"


def test_the_table_holds_the_mutations_that_clients_build_and_no_other():
    """DESIGN.md section 5: what no client can ask for has no business in the table."""
    built = {prepared.kind for prepared in MUTATIONS}
    assert {rule.kind for rule in RULES if rule.effect == "mutation"} == built


def _reply(request: httpx2.Request) -> httpx2.Response:
    path = request.url.path
    if "/git/ref/" in path:
        return answer(200, {"object": {"sha": SHA}})
    if path.endswith("/jobs/7/logs"):
        return answer(302, location=f"{LOG}{LOG_PATH}?sig=a%2Bb")
    if path.endswith("/check-runs"):
        return answer(200, {"total_count": 0, "check_runs": []})
    if "/rules/" in path:
        return answer(200, [])
    return answer(200, {"sessions": [], "tree": {"sha": SHA}})


def test_each_read_that_a_client_makes_leaves_by_its_own_rule(tmp_path: Path):
    """No read is refused, and none needs a ticket (I9)."""
    network, tickets = Network(_reply), OpenDoor()

    async def go() -> None:
        clock = ManualClock()
        http = httpx2.AsyncClient(transport=(guarded := guard(network, tickets, clock)))
        cache = Cache(open_engine(f"sqlite:///{tmp_path}/state.db"), owner="x")
        kept = ConditionalReads(http, cache)
        hub = GitHubClient(http, base=GITHUB, clock=clock, conditional=kept)
        of_app = GitHubClient(http, base=GITHUB, clock=clock, conditional=kept, installed=True)
        actions, trees = ActionsClient(http, base=GITHUB), TreesClient(http, base=GITHUB)
        workflows = WorkflowsClient(http, base=GITHUB)
        words, search = CareClient(http, base=GITHUB), SearchClient(http, base=GITHUB).search
        ours = JulesClient(http, base=JULES, clock=clock, marker_keys=[MARKER_KEY])
        reads: Sequence[Callable[[], object]] = (
            TokensClient(http, base=GITHUB, transport=guarded).work,
            hub.list_repositories,
            of_app.list_repositories,
            lambda: hub.get_repository("owner/tool"),
            lambda: hub.get_tree("owner/tool", "feature/x-1"),
            lambda: hub.list_checks("owner/tool", SHA),
            lambda: hub.checks.suites("owner/tool", SHA),
            lambda: hub.checks.rules("owner/tool", "main"),
            lambda: hub.checks.workflow_text("owner/tool", ".github/workflows/ci.yml", "main"),
            lambda: hub.list_pulls("owner/tool"),
            lambda: hub.get_pull("owner/tool", 7),
            lambda: hub.list_files("owner/tool", 7),
            lambda: hub.is_merged("owner/tool", 7),
            lambda: hub.head_of("owner/tool", "main"),
            lambda: trees.blob("owner/tool", SHA),
            lambda: trees.files("owner/tool", SHA),
            lambda: actions.runs_at("owner/tool", SHA),
            lambda: actions.jobs("owner/tool", 71944394700),
            lambda: actions.job_log("owner/tool", 7),
            lambda: workflows.workflows("owner/tool"),
            lambda: words.comments("owner/tool", 7),
            lambda: words.issues("owner/tool"),
            lambda: workflows.workflow("owner/tool", 71944394700),
            lambda: workflows.recent_runs("owner/tool", 7),
            lambda: workflows.text("owner/tool", ".github/workflows/ci.yml"),
            *(partial(search, kind, "x", page=1, size=9) for kind in get_args(Kind)),
            ours.list_sessions,
            ours.list_sources,
            lambda: ours.get_session("s1"),
            lambda: ours.list_activities("s1", after=START - timedelta(hours=1)),
            lambda: ours.get_source("owner/tool"),
            lambda: ours.get_activity("s1", "a1"),
            lambda: github_search.SOURCE.read(PagesClient(http).fetch, START),
            lambda: github_issues.SOURCE.read(PagesClient(http).fetch, START),
            lambda: PagesClient(http).fetch(f"{SITE}/api/v1/search?tags=story&n=%31", {}),
            *_of_the_open_web(http, clock),
        )
        await _read_all(reads)

    run_virtual(go())
    assert tickets.taken == []
    seen = {_rule_of(request) for request in network.sent}
    reads = {rule.kind for rule in RULES if rule.effect == "read"}
    assert seen == reads


def _of_the_open_web(
    http: httpx2.AsyncClient, clock: ManualClock
) -> Sequence[Callable[[], object]]:
    return (
        partial(BraveClient(http).search, "a tool", freshness="day"),
        partial(WebPages(http, clock=clock).read, "https://a.page.example/b%2fc//d?e=f"),
    )


async def _read_all(reads: Sequence[Callable[[], object]]) -> None:
    for read in reads:
        await _whatever_comes(read)


async def _whatever_comes(read: Callable[[], object]) -> None:
    """Read; what the fake answers may not parse, but a refusal is a failure."""
    try:
        await read()  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType] all async
    except Refused:
        raise
    except FactoryError:
        return


_SERVICES: dict[str, policy.Service] = {
    JULES: "jules",
    GITHUB: "github",
    LOG: "log",
    SITE: "site",
    brave.URL: "search",
    "https://a.page.example": "page",
}


def _rule_of(request: httpx2.Request) -> str:
    base = next(base for base in _SERVICES if str(request.url).startswith(base))
    path = str(request.url.copy_with(query=None)).removeprefix(base)
    return policy.decide(_SERVICES[base], request.method, path, (), {}, request.content).kind


_WORDS = st.sampled_from(
    (
        "repos owner tool user sessions s1 s1:sendMessage s1:archive git refs heads main trees "
        f"pulls 7 merge .. . %2e graphql hooks actions secrets transfer contents orgs {SHA}"
    ).split(" ")
)
_BODIES = st.one_of(
    st.binary(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.dictionaries(
            st.sampled_from(["private", "sha", "force", "prompt", "title", "name", "tree"]), inner
        ),
        max_leaves=6,
    ).map(lambda data: json.dumps(data).encode()),
)
_WRITES = {(rule.method, rule.path): rule.kind for rule in RULES if rule.effect == "mutation"}


@settings(max_examples=400, deadline=None)
@given(
    service=st.sampled_from(["jules", "github"]),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "post", "MERGE", "LOCK"]),
    words=st.lists(_WORDS, max_size=7),
    body=_BODIES,
)
def test_whatever_is_made_up_is_a_read_or_an_exact_mutation_or_nothing(
    service: policy.Service, method: str, words: list[str], body: bytes
):
    """Promise 15: GET without a body, or a listed method and path with all a body must have."""
    path = "/" + "/".join(words)
    try:
        rule = policy.decide(service, method, path, (), {}, body)
    except Refused:
        return
    if rule.effect == "read":
        assert (method, body) == ("GET", b"")
        return
    assert any(method == verb and shape.fullmatch(path) for verb, shape in _WRITES)
    sent = json.loads(body)
    assert sent.get("private", True) is not False
    assert sent.get("force", False) is not True
    assert "sha" in sent or not path.endswith(("/merge", "/main"))


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_a_digest_tells_all_its_parts_apart(one: bytes, two: bytes, three: bytes):
    """Where one part runs into the next is never in doubt."""
    path, more = one.hex(), two.hex()
    whole_digest = policy.digest("jules", "POST", path, three)
    assert (policy.digest("jules", "POST", more, three) == whole_digest) == (path == more)
    assert policy.digest("jules", "POST", path + "0", three) != whole_digest
    assert policy.digest("github", "POST", path, three) != whole_digest
    assert policy.digest("jules", "PUT", path, three) != whole_digest
    assert policy.digest("jules", "POST", path, three + b" ") != whole_digest

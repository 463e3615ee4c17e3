"""What may leave: every operation by the request its client builds, and nothing beside it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.clients import github, jules
from mcp_server.clients.github import GitHubClient
from mcp_server.clients.github_actions import ActionsClient
from mcp_server.clients.github_workflows import WorkflowsClient, disable_workflow
from mcp_server.clients.jules import JulesClient
from mcp_server.clients.pages import PagesClient
from mcp_server.errors import Ambiguous, FactoryError, Refused
from mcp_server.guard import policy
from mcp_server.guard.policy import RULES
from mcp_server.guard.request import Prepared
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import (
    GITHUB,
    JULES,
    LOG,
    LOG_PATH,
    MARKER_KEY,
    SHA,
    SITE,
    START,
    ManualClock,
    Network,
    OpenDoor,
    answer,
    guard,
    start,
    title,
)

REPO = "/repos/owner/tool"
MUTATIONS: tuple[Prepared, ...] = (
    start(),
    jules.send_message("s1", "go on"),
    jules.approve_plan("s1"),
    jules.archive_session("s1"),
    jules.unarchive_session("s1"),
    github.create_repository("new-tool", "a new tool"),
    github.create_tree("owner/tool", SHA, [("src/a.py", "x = 1\n")]),
    github.create_commit("owner/tool", message="first", tree=SHA, parent=SHA),
    github.move_branch("owner/tool", "main", SHA),
    github.merge_pull("owner/tool", 7, SHA),
    github.update_branch("owner/tool", 7, SHA),
    disable_workflow("owner/tool", 7),
)


@dataclass(frozen=True)
class Case:
    """One request; `body` is sent as it stands when bytes, as plain JSON otherwise."""

    method: str
    url: str
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])

    def send(self, network: Network, tickets: OpenDoor) -> None:
        """Send it through the guard, with a ticket that would fit anything."""

        async def go() -> None:
            async with httpx2.AsyncClient(
                transport=guard(network, tickets, ManualClock())
            ) as client:
                await client.request(
                    self.method,
                    self.url,
                    content=self.body if isinstance(self.body, bytes) else plain(self.body),
                    headers=self.headers,
                    extensions={"ticket": "t1"},
                )

        run_virtual(go())


def plain(data: object) -> bytes:
    """Return JSON written as `bodies.encode` writes it: what is refused is then what it says."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def whole(prepared: Prepared) -> dict[str, object]:
    """Return the body of a mutation as the client builds it."""
    return json.loads(prepared.content or b"{}")


CREATE = whole(github.create_repository("new-tool", "a new tool"))
TREE = whole(github.create_tree("owner/tool", SHA, [("a.py", "x = 1\n")]))
SESSION = whole(start())
MERGE = f"{GITHUB}{REPO}/pulls/7/merge"
MAIN = f"{GITHUB}{REPO}/git/refs/heads/main"
NEW = f"{GITHUB}/user/repos"


def tree(**entry: str) -> dict[str, object]:
    """Return a tree of one entry, a plain file but for what `entry` says."""
    plain = {"path": "a.py", "mode": "100644", "type": "blob", "content": "x = 1\n"}
    return {"base_tree": SHA, "tree": [{**plain, **entry}]}


REFUSED: dict[str, Case] = {
    "visibility by PATCH": Case("PATCH", f"{GITHUB}{REPO}", {"private": False}),
    "visibility by word": Case("PATCH", f"{GITHUB}{REPO}", {"visibility": "public"}),
    "rename": Case("PATCH", f"{GITHUB}{REPO}", {"name": "other"}),
    "archive a repository": Case("PATCH", f"{GITHUB}{REPO}", {"archived": True}),
    "delete a repository": Case("DELETE", f"{GITHUB}{REPO}"),
    "delete a branch": Case("DELETE", MAIN),
    "delete a session": Case("DELETE", f"{JULES}/sessions/s1"),
    "delete a file": Case("DELETE", f"{GITHUB}{REPO}/contents/a.py", {"sha": SHA}),
    "write a file": Case("PUT", f"{GITHUB}{REPO}/contents/a.py", {"content": "eA=="}),
    "transfer": Case("POST", f"{GITHUB}{REPO}/transfer", {"new_owner": "else"}),
    "fork": Case("POST", f"{GITHUB}{REPO}/forks", {}),
    "create from a template": Case("POST", f"{GITHUB}{REPO}/generate", {"name": "x"}),
    "create in an organisation": Case("POST", f"{GITHUB}/orgs/acme/repos", CREATE),
    "create a branch": Case("POST", f"{GITHUB}{REPO}/git/refs", {"ref": "refs/heads/x"}),
    "force a branch": Case("PATCH", MAIN, {"sha": SHA, "force": True}),
    "force by word": Case("PATCH", MAIN, {"sha": SHA, "force": "false"}),
    "move a tag": Case("PATCH", f"{GITHUB}{REPO}/git/refs/tags/v1", {"sha": SHA}),
    "move a branch nowhere": Case("PATCH", MAIN, {"sha": "main", "force": False}),
    "merge without sha": Case("PUT", MERGE, {"merge_method": "squash"}),
    "merge with a short sha": Case("PUT", MERGE, {"sha": "abc1234"}),
    "merge with no sha": Case("PUT", MERGE, {"sha": None, "merge_method": "squash"}),
    "merge by rebase": Case("PUT", MERGE, {"sha": SHA, "merge_method": "rebase"}),
    "merge a branch": Case("POST", f"{GITHUB}{REPO}/merges", {"base": "main", "head": "x"}),
    "auto-merge": Case("PUT", f"{GITHUB}{REPO}/pulls/7/auto-merge", {"sha": SHA}),
    "update branch blindly": Case("PUT", f"{GITHUB}{REPO}/pulls/7/update-branch", {}),
    "private as text": Case("POST", NEW, {**CREATE, "private": "true"}),
    "private false": Case("POST", NEW, {**CREATE, "private": False}),
    "private null": Case("POST", NEW, {**CREATE, "private": None}),
    "private twice": Case("POST", NEW, plain(CREATE)[:-1] + b',"private":true}'),
    "private undone": Case("POST", NEW, b'{"private":false,' + plain(CREATE)[1:]),
    "private as one": Case("POST", NEW, {**CREATE, "private": 1}),
    "private as a fraction": Case("POST", NEW, {**CREATE, "private": 1.0}),
    "private unsaid": Case("POST", NEW, {"name": "new-tool", "description": "x"}),
    "auto-merge as nought": Case("POST", NEW, {**CREATE, "allow_auto_merge": 0}),
    "auto-merge unsaid": Case(
        "POST", NEW, plain(CREATE).replace(b',"allow_auto_merge":false', b"")
    ),
    "force as nought": Case("PATCH", MAIN, {"sha": SHA, "force": 0}),
    "force as a fraction": Case("PATCH", MAIN, {"sha": SHA, "force": 0.0}),
    "force unsaid": Case("PATCH", MAIN, {"sha": SHA}),
    "a merge of no method": Case("PUT", MERGE, {"sha": SHA}),
    "a body nested deep": Case("POST", NEW, b"[" * 100_000),
    "a body in UTF-16": Case("POST", NEW, json.dumps(CREATE).encode("utf-16")),
    "approval without a body": Case("POST", f"{JULES}/sessions/s1:approvePlan"),
    "visibility beside private": Case("POST", NEW, {**CREATE, "visibility": "public"}),
    "auto-merge allowed": Case("POST", NEW, {**CREATE, "allow_auto_merge": True}),
    "deleting on merge": Case("POST", NEW, {**CREATE, "delete_branch_on_merge": True}),
    "a name with a path": Case("POST", NEW, {**CREATE, "name": "../x"}),
    "a body that is no JSON": Case("POST", NEW, b"private=true"),
    "a body that is a list": Case("POST", NEW, [CREATE]),
    "an empty body": Case("POST", NEW),
    "a body too long": Case("POST", f"{JULES}/sessions", {**SESSION, "prompt": "x" * 1_000_001}),
    "a session without marker": Case("POST", f"{JULES}/sessions", {**SESSION, "title": "x"}),
    "a marker in the middle": Case(
        "POST", f"{JULES}/sessions", {**SESSION, "title": f"x {title()}"}
    ),
    "a session without title": Case(
        "POST", f"{JULES}/sessions", {"prompt": "do it", "automationMode": "AUTO_CREATE_PR"}
    ),
    "a session field too many": Case("POST", f"{JULES}/sessions", {**SESSION, "state": "QUEUED"}),
    "a source elsewhere": Case(
        "POST",
        f"{JULES}/sessions",
        {**SESSION, "sourceContext": {"source": "sources/gitlab/a/b", "githubRepoContext": {}}},
    ),
    "a source of dots": Case(
        "POST",
        f"{JULES}/sessions",
        {
            **SESSION,
            "sourceContext": {
                "source": "sources/github/owner/..",
                "githubRepoContext": {"startingBranch": "main"},
            },
        },
    ),
    "an empty message": Case("POST", f"{JULES}/sessions/s1:sendMessage", {"prompt": ""}),
    "approval with a body": Case("POST", f"{JULES}/sessions/s1:approvePlan", {"force": True}),
    "unknown verb": Case("POST", f"{JULES}/sessions/s1:delete", {}),
    "pause": Case("POST", f"{JULES}/sessions/s1:pause", {}),
    "patch a session": Case("PATCH", f"{JULES}/sessions/s1", {"title": "x"}),
    "override by header": Case(
        "POST", f"{JULES}/sessions", SESSION, {"X-HTTP-Method-Override": "DELETE"}
    ),
    "override of a read": Case("GET", f"{GITHUB}{REPO}", b"", {"x-http-method-override": "DELETE"}),
    "override, short": Case("GET", f"{GITHUB}{REPO}", b"", {"X-HTTP-Method": "DELETE"}),
    "override, other": Case("GET", f"{GITHUB}{REPO}", b"", {"X-Method-Override": "DELETE"}),
    "override by query": Case("GET", f"{JULES}/sessions/s1?$httpMethod=DELETE"),
    "override by encoded query": Case("GET", f"{JULES}/sessions/s1?%24httpMethod=DELETE"),
    "override by bare query": Case("GET", f"{JULES}/sessions/s1?$httpMethod"),
    "query on a mutation": Case("POST", f"{JULES}/sessions?pageSize=1", SESSION),
    "key in the query": Case("GET", f"{JULES}/sessions?key=abc"),
    "a read with a body": Case("GET", f"{JULES}/sessions", b"{}"),
    "HEAD": Case("HEAD", f"{GITHUB}{REPO}"),
    "OPTIONS": Case("OPTIONS", f"{GITHUB}{REPO}"),
    "dot segments encoded": Case("GET", f"{GITHUB}{REPO}/git/trees/%2e%2e/%2e%2e/x"),
    "encoded slash": Case("GET", f"{GITHUB}/repos/owner%2Ftool"),
    "encoded letter": Case("POST", f"{JULES}/session%73", SESSION),
    "double slash": Case("GET", f"{GITHUB}//repos/owner/tool"),
    "double slash inside": Case("GET", f"{GITHUB}/repos/owner//tool"),
    "trailing slash": Case("POST", f"{JULES}/sessions/", SESSION),
    "trailing slash of a branch": Case("PATCH", f"{MAIN}/", {"sha": SHA, "force": False}),
    "said to be a form": Case(
        "POST",
        f"{JULES}/sessions/s1:sendMessage",
        {"prompt": "&_method=DELETE&"},
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    "said to be UTF-16": Case(
        "POST", NEW, CREATE, {"content-type": "application/json; charset=utf-16"}
    ),
    "said to be packed": Case("POST", NEW, CREATE, {"content-encoding": "gzip"}),
    "a field mask": Case("GET", f"{JULES}/sessions?fields=sessions"),
    "a source of another host": Case("GET", f"{JULES}/sources/gitlab/owner/tool"),
    "a source with more behind it": Case("GET", f"{JULES}/sources/github/owner/tool/x"),
    "another version": Case("GET", "https://jules.googleapis.com/v1/sessions"),
    "above the base": Case("GET", f"{JULES}/../v1/sessions"),
    "GraphQL": Case("POST", f"{GITHUB}/graphql", {"query": "mutation { x }"}),
    "GraphQL by GET": Case("GET", f"{GITHUB}/graphql?query=x"),
    "workflow dispatch": Case(
        "POST", f"{GITHUB}{REPO}/actions/workflows/1/dispatches", {"ref": "main"}
    ),
    "repository dispatch": Case("POST", f"{GITHUB}{REPO}/dispatches", {"event_type": "x"}),
    "hooks": Case("POST", f"{GITHUB}{REPO}/hooks", {"config": {"url": "https://x.example"}}),
    "deploy keys": Case("POST", f"{GITHUB}{REPO}/keys", {"key": "ssh-ed25519 x"}),
    "secrets": Case("PUT", f"{GITHUB}{REPO}/actions/secrets/X", {"encrypted_value": "x"}),
    "secrets read": Case("GET", f"{GITHUB}{REPO}/actions/secrets"),
    "collaborators": Case("PUT", f"{GITHUB}{REPO}/collaborators/else", {}),
    "releases": Case("POST", f"{GITHUB}{REPO}/releases", {"tag_name": "v1"}),
    "protection": Case("DELETE", f"{GITHUB}{REPO}/branches/main/protection"),
    "pages": Case("POST", f"{GITHUB}{REPO}/pages", {"source": {"branch": "main"}}),
    "gists": Case("POST", f"{GITHUB}/gists", {"public": True, "files": {}}),
    "symlink": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(mode="120000")),
    "submodule": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(mode="160000", type="commit")),
    "path up": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="../a")),
    "path up inside": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="a/../../b")),
    "path absolute": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="/etc/passwd")),
    "path into .git": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path=".git/config")),
    "path into .GIT": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path="a/.GIT/hooks/x")),
    "path into .git.": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(path=".git. /config")),
    "a tree entry by sha": Case("POST", f"{GITHUB}{REPO}/git/trees", tree(sha=SHA)),
    "a tree on nothing": Case("POST", f"{GITHUB}{REPO}/git/trees", {"tree": TREE["tree"]}),
    "an empty tree": Case("POST", f"{GITHUB}{REPO}/git/trees", {"base_tree": SHA, "tree": []}),
    "a commit without parent": Case(
        "POST", f"{GITHUB}{REPO}/git/commits", {"message": "x", "tree": SHA, "parents": []}
    ),
    "a merge commit": Case(
        "POST", f"{GITHUB}{REPO}/git/commits", {"message": "x", "tree": SHA, "parents": [SHA, SHA]}
    ),
    "another host": Case("GET", "https://example.com/sessions"),
    "a host that ends like ours": Case("GET", "https://evil-api.github.com/user"),
    "a host that begins like ours": Case("GET", "https://api.github.com.evil.example/user"),
    "a host with a dot behind": Case("GET", "https://api.github.com./user"),
    "an address": Case("GET", "http://169.254.169.254/latest/meta-data"),
    "another port": Case("GET", "https://api.github.com:8443/user"),
    "userinfo": Case("GET", "https://me:pw@api.github.com/user"),
    "http": Case("GET", "http://api.github.com/user"),
    "a post to a log": Case("POST", f"{LOG}{LOG_PATH}", {}),
    "something else beside the logs": Case("GET", f"{LOG}/actions-results/x"),
    "another's storage": Case("GET", f"https://productionresults.blob.core.windows.net{LOG_PATH}"),
    "storage that ends like GitHub's": Case(
        "GET", f"https://x-productionresultssa7.blob.core.windows.net{LOG_PATH}"
    ),
    "a log without encryption": Case("GET", LOG.replace("https", "http") + LOG_PATH),
    "a post to a site": Case("POST", f"{SITE}/api/v1/search", {}),
}


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
    return answer(200, {"sessions": [], "tree": {"sha": SHA}})


def test_each_read_that_a_client_makes_leaves_by_its_own_rule():
    """No read is refused, and none needs a ticket (I9)."""
    network, tickets = Network(_reply), OpenDoor()

    async def go() -> None:
        clock = ManualClock()
        http = httpx2.AsyncClient(transport=guard(network, tickets, clock))
        hub = GitHubClient(http, base=GITHUB, clock=clock)
        actions = ActionsClient(http, base=GITHUB)
        workflows = WorkflowsClient(http, base=GITHUB)
        ours = JulesClient(http, base=JULES, clock=clock, marker_keys=[MARKER_KEY])
        reads: Sequence[Callable[[], object]] = (
            hub.login,
            hub.list_repositories,
            lambda: hub.get_repository("owner/tool"),
            lambda: hub.get_tree("owner/tool", "feature/x-1"),
            lambda: hub.list_checks("owner/tool", SHA),
            lambda: hub.list_pulls("owner/tool"),
            lambda: hub.get_pull("owner/tool", 7),
            lambda: hub.list_files("owner/tool", 7),
            lambda: hub.is_merged("owner/tool", 7),
            lambda: hub.head_of("owner/tool", "main"),
            lambda: actions.runs_at("owner/tool", SHA),
            lambda: actions.jobs("owner/tool", 71944394700),
            lambda: actions.job_log("owner/tool", 7),
            lambda: workflows.workflows("owner/tool"),
            lambda: workflows.workflow("owner/tool", 71944394700),
            lambda: workflows.recent_runs("owner/tool", 7),
            lambda: workflows.text("owner/tool", ".github/workflows/ci.yml"),
            ours.list_sessions,
            ours.list_sources,
            lambda: ours.get_session("s1"),
            lambda: ours.list_activities("s1", after=START - timedelta(hours=1)),
            lambda: ours.get_source("owner/tool"),
            lambda: ours.get_activity("s1", "a1"),
            lambda: PagesClient(http).fetch(f"{SITE}/api/v1/search?tags=story&n=%31", {}),
        )
        for read in reads:
            await _whatever_comes(read)

    run_virtual(go())
    assert tickets.taken == []
    seen = {_rule_of(request) for request in network.sent}
    reads = {rule.kind for rule in RULES if rule.effect == "read"}
    assert seen == reads


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

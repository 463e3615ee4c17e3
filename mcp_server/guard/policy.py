"""What may leave at all: a table of operations, everything else refused before a socket opens.

`read` is free, `query` is a POST without effect, `mutation` needs a ticket that fits exactly.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from mcp_server.errors import Refused
from mcp_server.guard import bodies, queries
from mcp_server.guard.bodies import Body

Effect = Literal["read", "query", "mutation"]
Service = Literal["jules", "github", "log", "site", "search", "page"]

_NAME = r"[A-Za-z0-9._-]{1,100}"
_REPO = rf"/repos/{_NAME}/{_NAME}"
# GitHub's own `Link` headers name a repository by its id (facts/github.md 1.2).
_LINKED = rf"(?:{_REPO}|/repositories/[1-9][0-9]{{0,11}})"
_ID = r"[A-Za-z0-9_-]{1,64}"
_SHA = r"[0-9a-f]{40}"
_BRANCH = r"[A-Za-z0-9._/-]{1,200}"
_NUMBER = r"[1-9][0-9]{0,8}"
_LONG_NUMBER = r"[1-9][0-9]{0,15}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# No encoded octets: everything we build is plain, so an escape is somebody else's idea.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._:/-]*")
# Others' addresses are as they are.
_ANY_PATH = ("site", "page")
MAX_BODY_BYTES = 1_000_000
# A method override would make the table judge another request than the service executes.
# Google also takes an override from the query (`$httpMethod`); only these names are ever asked.
_QUERY = frozenset(
    {"pageSize", "pageToken", "filter"}
    | {"affiliation", "sort", "state", "per_page", "page", "recursive", "head_sha", "ref", "q"}
)
_SEARCH_QUERY = frozenset({"q", "count", "freshness", "text_decorations"})
_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
# JSON is UTF-8 where nothing else is said (RFC 8259). Said to be a form, the same bytes may hold
# fields, and an override, that nobody judged.
_JSON = "application/json"

_READS: tuple[tuple[Service, str, str], ...] = (
    ("jules", r"/sources", "list_sources"),
    ("jules", rf"/sources/github/{_NAME}/{_NAME}", "get_source"),
    ("jules", r"/sessions", "list_sessions"),
    ("jules", rf"/sessions/{_ID}", "get_session"),
    ("jules", rf"/sessions/{_ID}/activities", "list_activities"),
    ("jules", rf"/sessions/{_ID}/activities/{_ID}", "get_activity"),
    ("github", r"/user", "whoami"),
    ("github", r"/user/repos", "list_repositories"),
    ("github", r"/installation/repositories", "list_installed_repositories"),
    ("github", _REPO, "get_repository"),
    ("github", rf"{_REPO}/git/trees/{_BRANCH}", "get_tree"),
    ("github", rf"{_REPO}/git/blobs/{_SHA}", "get_blob"),
    ("github", rf"{_REPO}/git/ref/heads/{_BRANCH}", "get_ref"),
    ("github", rf"{_REPO}/git/commits/{_SHA}", "get_commit"),
    ("github", rf"{_LINKED}/commits/{_BRANCH}/check-runs", "list_checks"),
    ("github", rf"{_LINKED}/commits/{_BRANCH}/check-suites", "list_suites"),
    ("github", rf"{_LINKED}/commits/{_BRANCH}/status", "list_statuses"),
    # What GitHub itself demands of a branch, where it tells.
    ("github", rf"{_REPO}/rules/branches/{_BRANCH}", "list_rules"),
    ("github", rf"{_REPO}/branches/{_BRANCH}/protection", "get_protection"),
    ("github", rf"{_REPO}/pulls", "list_pulls"),
    ("github", rf"{_REPO}/pulls/{_NUMBER}", "get_pull"),
    ("github", rf"{_LINKED}/pulls/{_NUMBER}/files", "list_files"),
    ("github", rf"{_REPO}/pulls/{_NUMBER}/merge", "is_merged"),
    # Whether our own comment, or the one report issue, is there already.
    ("github", rf"{_REPO}/issues", "list_issues"),
    ("github", rf"{_REPO}/issues/{_NUMBER}/comments", "list_comments"),
    # Which schedules compete for the allowance.
    ("github", rf"{_REPO}/actions/workflows", "list_workflows"),
    ("github", rf"{_REPO}/actions/workflows/{_LONG_NUMBER}", "get_workflow"),
    ("github", rf"{_REPO}/actions/workflows/{_LONG_NUMBER}/runs", "list_workflow_runs"),
    ("github", rf"{_REPO}/contents/\.github/workflows/{_NAME}", "get_workflow_file"),
    # What there is already, here and elsewhere.
    ("github", r"/search/repositories", "search_repositories"),
    ("github", r"/search/issues", "search_issues"),
    # What failed.
    ("github", rf"{_REPO}/actions/runs", "list_runs"),
    ("github", rf"{_REPO}/actions/runs/{_LONG_NUMBER}/jobs", "list_jobs"),
    ("github", rf"{_REPO}/actions/jobs/{_LONG_NUMBER}/logs", "find_job_log"),
    # Where that leads: the log of one job, on a host of its own, behind a signed address.
    (
        "log",
        rf"/actions-results/{_UUID}/workflow-job-run-{_UUID}/logs/job/job-logs\.txt",
        "read_log",
    ),
    ("site", r"/.*", "read_site"),
    # What costs money each time.
    ("search", r"/res/v1/web/search", "search_web"),
    # Any public page: its address is `page_urls.py`'s to judge, where it leads `public_web.py`'s.
    ("page", r"/.*", "read_page"),
)
# Kinds that leave only while the day's cap is not reached, and are counted before they do.
PAID = frozenset({"search_web"})
_MUTATIONS: tuple[tuple[Service, str, str, str, type[Body]], ...] = (
    ("jules", "POST", r"/sessions", "start_session", bodies.StartSession),
    ("jules", "POST", rf"/sessions/{_ID}:sendMessage", "send_message", bodies.SendMessage),
    ("jules", "POST", rf"/sessions/{_ID}:approvePlan", "approve_plan", bodies.Nothing),
    ("jules", "POST", rf"/sessions/{_ID}:archive", "archive_session", bodies.Nothing),
    ("jules", "POST", rf"/sessions/{_ID}:unarchive", "unarchive_session", bodies.Nothing),
    ("github", "POST", r"/user/repos", "create_repository", bodies.CreateRepository),
    ("github", "POST", rf"/orgs/{_NAME}/repos", "create_repository", bodies.CreateRepository),
    ("github", "POST", rf"{_REPO}/git/trees", "create_tree", bodies.CreateTree),
    ("github", "POST", rf"{_REPO}/git/commits", "create_commit", bodies.CreateCommit),
    ("github", "POST", rf"{_REPO}/git/refs", "create_branch", bodies.CreateBranch),
    ("github", "PATCH", rf"{_REPO}/git/refs/heads/{_BRANCH}", "move_branch", bodies.MoveBranch),
    ("github", "POST", rf"{_REPO}/pulls", "open_pull", bodies.OpenPull),
    ("github", "PUT", rf"{_REPO}/pulls/{_NUMBER}/merge", "merge_pull", bodies.MergePull),
    (
        "github",
        "PUT",
        rf"{_REPO}/pulls/{_NUMBER}/update-branch",
        "update_branch",
        bodies.UpdateBranch,
    ),
    (
        "github",
        "PUT",
        rf"{_REPO}/actions/workflows/{_LONG_NUMBER}/disable",
        "disable_workflow",
        bodies.Absent,
    ),
    ("github", "PATCH", _REPO, "set_description", bodies.SetDescription),
    ("github", "PUT", rf"{_REPO}/topics", "set_topics", bodies.SetTopics),
    (
        "github",
        "POST",
        rf"{_REPO}/issues/{_NUMBER}/comments",
        "comment_pull",
        bodies.CommentPull,
    ),
    ("github", "POST", rf"{_REPO}/issues", "open_report", bodies.Report),
    ("github", "PATCH", rf"{_REPO}/issues/{_NUMBER}", "update_report", bodies.Report),
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One operation that exists; `body` None means that it carries none, else one so long."""

    service: Service
    method: str
    path: re.Pattern[str]
    kind: str
    effect: Effect
    body: type[Body] | None
    most_bytes: int = MAX_BODY_BYTES


RULES: tuple[Rule, ...] = (
    *(
        Rule(service=s, method="GET", path=re.compile(p), kind=k, effect="read", body=None)
        for s, p, k in _READS
    ),
    Rule(
        service="github",
        method="POST",
        path=re.compile(r"/graphql"),
        kind="ask_nodes",
        effect="query",
        body=queries.AskNodes,
        most_bytes=queries.MOST_BYTES,
    ),
    # Product Hunt's; at another site it is a question that means nothing.
    Rule(
        service="site",
        method="POST",
        path=re.compile(r"/v2/api/graphql"),
        kind="ask_launches",
        effect="query",
        body=queries.AskLaunches,
        most_bytes=queries.MOST_BYTES,
    ),
    *(
        Rule(service=s, method=m, path=re.compile(p), kind=k, effect="mutation", body=b)
        for s, m, p, k, b in _MUTATIONS
    ),
)
# Nothing here leaves unless the operator switches it on, by environment or flag, by its kind.
SWITCHED: tuple[Rule, ...] = (
    Rule(
        service="jules",
        method="DELETE",
        path=re.compile(rf"/sessions/{_ID}"),
        kind="delete_session",
        effect="mutation",
        body=bodies.Absent,
    ),
)


# What the transport asks as the GitHub App itself, and for nobody else: an answer holds a token.
INNER: tuple[Rule, ...] = (
    Rule(
        service="github",
        method="GET",
        path=re.compile(r"/app/installations"),
        kind="find_installation",
        effect="read",
        body=None,
    ),
    # Without a body it is the installation's own permissions, and changes nothing.
    Rule(
        service="github",
        method="POST",
        path=re.compile(rf"/app/installations/{_LONG_NUMBER}/access_tokens"),
        kind="mint_token",
        effect="query",
        body=bodies.Absent,
    ),
)


def decide(
    service: Service,
    method: str,
    path: str,
    query: Collection[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    switched_on: Collection[str] = (),
    inner: bool = False,
) -> Rule:
    """Return the rule that lets this request out.

    Args:
        service: the service the address belongs to.
        method: as it will be sent; only upper case is known.
        path: below the service's address, without the query.
        query: the names in the query, as `query_names` reads them; what has a body has none.
        headers: lower-case names.
        body: as it will be sent.
        switched_on: the kinds of `SWITCHED` that may leave.
        inner: by the rules of `INNER` instead of those for callers.

    Raises:
        Refused: no rule fits (`limit` is `policy`).
    """
    if any(name in headers for name in _OVERRIDES):
        raise _refusal(f"method override on {method} {path}")
    if service not in _ANY_PATH and not _is_plain(path):
        raise _refusal(f"{path!r} is not a plain path")
    outer = (*RULES, *(one for one in SWITCHED if one.kind in switched_on))
    for rule in INNER if inner else outer:
        if rule.service == service and rule.method == method and rule.path.fullmatch(path):
            if not _asks_plainly(rule, query):
                raise _refusal(f"{rule.kind} with the query {sorted(query)}")
            _check_body(rule, headers, body)
            return rule
    raise _refusal(f"{method} {service}:{path} is no operation of ours")


def query_names(target: str) -> tuple[str, ...]:
    """Return the names in the query of a request's target, as they stand: nothing is decoded.

    Split at `;` too, as some servers do; an empty query has one empty name, no query has none.
    """
    _, mark, query = target.partition("?")
    return tuple(pair.partition("=")[0] for pair in re.split("[&;]", query)) if mark else ()


def _asks_plainly(rule: Rule, query: Collection[str]) -> bool:
    # A site's query is the source's business, a log's is the signature of who sent us there, and a
    # page's was looked through as part of its address.
    if rule.service in ("site", "log", "page") and rule.body is None:
        return True
    if rule.service == "search":
        return set(query) <= _SEARCH_QUERY
    return set(query) <= (_QUERY if rule.body is None else set())


def _refusal(reason: str) -> Refused:
    return Refused(f"policy: {reason}; it never leaves this machine", limit="policy")


def _is_plain(path: str) -> bool:
    parts = path.split("/")[1:]
    return bool(_PLAIN_PATH.fullmatch(path)) and not any(part in ("", ".", "..") for part in parts)


def _check_body(rule: Rule, headers: Mapping[str, str], body: bytes) -> None:
    if body and rule.body in (None, bodies.Absent):
        raise _refusal(f"{rule.kind} has no body, and carries one")
    if rule.body is None:
        return
    if headers.get("content-type", _JSON) != _JSON or "content-encoding" in headers:
        raise _refusal(f"{rule.kind} is said to be something else than plain {_JSON}")
    if rule.body is bodies.Absent:
        return
    if len(body) > rule.most_bytes:
        raise _refusal(f"{rule.kind} with {len(body)} bytes (most: {rule.most_bytes})")
    try:
        read = rule.body.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(str(item["loc"]) for item in error.errors(include_input=False))
        raise _refusal(f"{rule.kind} has not the one shape that may leave, see {fields}") from None
    # What was judged must be what leaves: no default that is only assumed (GitHub's own is a
    # public repository), no `1` for true, no key twice, no second encoding.
    if bodies.encode(read) != body:
        raise _refusal(f"{rule.kind} is not written as bodies.encode writes it")


def digest(service: str, method: str, path: str, body: bytes) -> str:
    """Return what binds a ticket to one request; a mutation has no query."""
    parts = (service.encode(), method.encode(), path.encode(), body)
    joined = b"".join(len(part).to_bytes(8) + part for part in parts)
    return hashlib.sha256(joined).hexdigest()

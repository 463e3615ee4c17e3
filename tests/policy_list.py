"""All that may ever leave, and the law of its bytes: the policy's judge, not its relative.

Own patterns, the standard library's JSON; nothing of the product is imported but the addresses
that the tests' guard serves.
"""

import hashlib
import json
import re
from collections.abc import Callable
from typing import cast

from tests.guard_cases import GITHUB, JULES, LOG, SITE

Field = Callable[[object], bool]


def like(pattern: str) -> Field:
    return lambda found: isinstance(found, str) and re.fullmatch(pattern, found) is not None


def says(*values: object) -> Field:
    return lambda found: any(type(found) is type(one) and found == one for one in values)


def either(*fields: Field) -> Field:
    return lambda found: any(field(found) for field in fields)


def hashed(*digests: str) -> Field:
    def fits(found: object) -> bool:
        return isinstance(found, str) and hashlib.sha256(found.encode()).hexdigest() in digests

    return fits


def part(**shape: Field) -> Field:
    """Return what accepts exactly these fields, in this order; `x_` may be left out."""

    def fits(found: object) -> bool:
        if not isinstance(found, dict):
            return False
        given = cast("dict[str, object]", found)
        fields = {name.removesuffix("_"): field for name, field in shape.items()}
        needed = {name for name in shape if not name.endswith("_")}
        in_order = list(given) == [name for name in fields if name in given]
        return in_order and needed <= set(given) and all(fields[k](v) for k, v in given.items())

    return fits


def some(field: Field, most: int = 10_000) -> Field:
    def fits(found: object) -> bool:
        if not isinstance(found, list):
            return False
        given = cast("list[object]", found)
        return 0 < len(given) <= most and all(field(one) for one in given)

    return fits


NAME = r"(?!\.\.?(?:[/?]|$))[A-Za-z0-9._-]{1,100}"
BRANCH = rf"{NAME}(?:/{NAME})*"
NUMBER = r"[1-9][0-9]{0,8}"
LONG_NUMBER = r"[1-9][0-9]{0,15}"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ID = r"[A-Za-z0-9_-]{1,64}"
WORDS = like(r"[\s\S]+")
TEXT = like(r"[\s\S]*")
COMMIT = like(r"[0-9a-f]{40}")
_QUERY_NAME = (
    "pageSize|pageToken|filter|affiliation|sort|state|per_page|page|recursive|head_sha|ref|q"
)
_PAIR = rf"(?:{_QUERY_NAME})(?:=[^&;#\s]*)?"
QUERY = rf"(?:\?{_PAIR}(?:&{_PAIR})*)?"
# A branch that git takes: no part begins or ends with a dot or ends with `.lock`, no two dots.
_PART = r"(?![.-])(?![^/]*(?:\.|\.lock)(?:/|$))[A-Za-z0-9._-]{1,200}"
NEW_BRANCH = rf"(?!.*\.\.)(?=.{{1,200}}$){_PART}(?:/{_PART})*"
PATH = like(
    r"(?!.*(?:^|/)(?:\.{0,2}|\.[gG][iI][tT][ .]*)(?:/|$))"
    r"[A-Za-z0-9._ /@+()\[\]{}$!,=&'#%^;-]{1,200}"
)
FILE = part(
    path=PATH,
    mode=says("100644", "100755"),
    type=says("blob"),
    content_=TEXT,
    sha_=either(COMMIT, says(None)),
)


def entry(found: object) -> bool:
    """Whether it is a file of a tree: with its content, or with a blob's SHA, or gone."""
    return FILE(found) and len(cast("dict[str, object]", found)) == 4


REPORT = part(
    title=like(r"[\s\S]{1,256}"),
    body=like(r"<!-- daily-factory report [a-z2-7]{26} -->\n[\s\S]*"),
)
_J, _G = re.escape(JULES), re.escape(GITHUB)
_REPO = rf"{_G}/repos/{NAME}/{NAME}"
_LINKED = rf"(?:{_REPO}|{_G}/repositories/[1-9][0-9]{{0,11}})"
# Kind, method, whole address, body: all that may ever leave.
LISTED: tuple[tuple[str, str, str, Field | None], ...] = (
    ("list_sources", "GET", rf"{_J}/sources{QUERY}", None),
    ("get_source", "GET", rf"{_J}/sources/github/{NAME}/{NAME}{QUERY}", None),
    ("list_sessions", "GET", rf"{_J}/sessions{QUERY}", None),
    ("get_session", "GET", rf"{_J}/sessions/{ID}{QUERY}", None),
    ("list_activities", "GET", rf"{_J}/sessions/{ID}/activities{QUERY}", None),
    ("get_activity", "GET", rf"{_J}/sessions/{ID}/activities/{ID}{QUERY}", None),
    ("whoami", "GET", rf"{_G}/user{QUERY}", None),
    ("list_repositories", "GET", rf"{_G}/user/repos{QUERY}", None),
    (
        "list_installed_repositories",
        "GET",
        rf"{_G}/installation/repositories{QUERY}",
        None,
    ),
    ("get_repository", "GET", rf"{_REPO}{QUERY}", None),
    ("get_tree", "GET", rf"{_REPO}/git/trees/{BRANCH}{QUERY}", None),
    ("get_blob", "GET", rf"{_REPO}/git/blobs/[0-9a-f]{{40}}{QUERY}", None),
    ("get_ref", "GET", rf"{_REPO}/git/ref/heads/{BRANCH}{QUERY}", None),
    ("get_commit", "GET", rf"{_REPO}/git/commits/[0-9a-f]{{40}}{QUERY}", None),
    ("list_checks", "GET", rf"{_LINKED}/commits/{BRANCH}/check-runs{QUERY}", None),
    ("list_suites", "GET", rf"{_LINKED}/commits/{BRANCH}/check-suites{QUERY}", None),
    ("list_statuses", "GET", rf"{_LINKED}/commits/{BRANCH}/status{QUERY}", None),
    ("list_rules", "GET", rf"{_REPO}/rules/branches/{BRANCH}{QUERY}", None),
    ("get_protection", "GET", rf"{_REPO}/branches/{BRANCH}/protection{QUERY}", None),
    ("list_pulls", "GET", rf"{_REPO}/pulls{QUERY}", None),
    ("get_pull", "GET", rf"{_REPO}/pulls/{NUMBER}{QUERY}", None),
    ("list_files", "GET", rf"{_LINKED}/pulls/{NUMBER}/files{QUERY}", None),
    ("is_merged", "GET", rf"{_REPO}/pulls/{NUMBER}/merge{QUERY}", None),
    ("list_issues", "GET", rf"{_REPO}/issues{QUERY}", None),
    ("search_repositories", "GET", rf"{_G}/search/repositories{QUERY}", None),
    ("search_issues", "GET", rf"{_G}/search/issues{QUERY}", None),
    ("list_comments", "GET", rf"{_REPO}/issues/{NUMBER}/comments{QUERY}", None),
    ("list_workflows", "GET", rf"{_REPO}/actions/workflows{QUERY}", None),
    ("get_workflow", "GET", rf"{_REPO}/actions/workflows/{LONG_NUMBER}{QUERY}", None),
    ("list_workflow_runs", "GET", rf"{_REPO}/actions/workflows/{LONG_NUMBER}/runs{QUERY}", None),
    (
        "get_workflow_file",
        "GET",
        rf"{_REPO}/contents/\.github/workflows/{NAME}{QUERY}",
        None,
    ),
    ("list_runs", "GET", rf"{_REPO}/actions/runs{QUERY}", None),
    ("list_jobs", "GET", rf"{_REPO}/actions/runs/{LONG_NUMBER}/jobs{QUERY}", None),
    ("find_job_log", "GET", rf"{_REPO}/actions/jobs/{LONG_NUMBER}/logs{QUERY}", None),
    (
        "read_log",
        "GET",
        rf"{re.escape(LOG)}/actions-results/{UUID}/workflow-job-run-{UUID}/logs/job/job-logs\.txt"
        r"(?:\?[\s\S]*)?",
        None,
    ),
    ("read_site", "GET", rf"{re.escape(SITE)}/.*", None),
    (
        "ask_nodes",
        "POST",
        rf"{_G}/graphql",
        part(
            query=hashed(
                "ca2581589cbd110a2398bd7caa8be0e92646be2e38acfba200a9333b22b65790",
                "cc2b97148a01823daa829e5df55d0b644afec1c8d9826bce6eeb9df53fb5750b",
                "dac4fc9557387c31969ba1cb7230a8ff50801c521c2d1f852e585335d3204808",
            ),
            variables=part(
                ids=some(
                    like(r"R_[A-Za-z0-9_-]{1,40}|MDEwOlJlcG9zaXRvcnk[A-Za-z0-9]{1,20}={0,2}"),
                    most=100,
                )
            ),
        ),
    ),
    (
        "ask_launches",
        "POST",
        rf"{re.escape(SITE)}/v2/api/graphql",
        part(
            query=hashed("31bae4a9427657f2c84467a1a812fea89da680a9349ab4579b53b14ce166c1cc"),
            variables=part(after=like(r"20\d\d-\d\d-\d\dT00:00:00Z")),
        ),
    ),
    (
        "start_session",
        "POST",
        rf"{_J}/sessions",
        part(
            prompt=WORDS,
            title=like(r"\[df1 [\s\S]*"),
            sourceContext_=part(
                source=like(rf"sources/github/{NAME}/{NAME}"),
                githubRepoContext=part(startingBranch=TEXT),
            ),
            automationMode_=says("AUTO_CREATE_PR"),
            requirePlanApproval_=says(True, False),
        ),
    ),
    ("send_message", "POST", rf"{_J}/sessions/{ID}:sendMessage", part(prompt=WORDS)),
    ("approve_plan", "POST", rf"{_J}/sessions/{ID}:approvePlan", part()),
    ("archive_session", "POST", rf"{_J}/sessions/{ID}:archive", part()),
    ("unarchive_session", "POST", rf"{_J}/sessions/{ID}:unarchive", part()),
    (
        "create_repository",
        "POST",
        rf"{_G}/(?:user|orgs/{NAME})/repos",
        part(
            name=like(r"[a-z0-9][a-z0-9-]{0,99}"),
            description=TEXT,
            private=says(True),
            auto_init=says(True),
            has_wiki=says(False),
            delete_branch_on_merge=says(False),
            allow_auto_merge=says(False),
        ),
    ),
    ("create_tree", "POST", rf"{_REPO}/git/trees", part(base_tree=COMMIT, tree=some(entry))),
    (
        "create_commit",
        "POST",
        rf"{_REPO}/git/commits",
        part(message=TEXT, tree=COMMIT, parents=some(COMMIT, most=1)),
    ),
    (
        "create_branch",
        "POST",
        rf"{_REPO}/git/refs",
        part(ref=like(rf"refs/heads/daily-factory/{NEW_BRANCH}"), sha=COMMIT),
    ),
    (
        "open_pull",
        "POST",
        rf"{_REPO}/pulls",
        part(
            title=like(r"\S[^\r\n]{0,199}"),
            head=like(NEW_BRANCH),
            base=like(NEW_BRANCH),
            body=like(r"\[df1 [\s\S]*"),
        ),
    ),
    (
        "move_branch",
        "PATCH",
        rf"{_REPO}/git/refs/heads/{BRANCH}",
        part(sha=COMMIT, force=says(False)),
    ),
    (
        "merge_pull",
        "PUT",
        rf"{_REPO}/pulls/{NUMBER}/merge",
        part(
            sha=COMMIT,
            merge_method=says("squash", "merge", "rebase"),
            commit_title=like(
                r"(?=.{1,200}$)(?:build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)"
                r"(?:\([a-z0-9./_-]+\))?!?: [^\s\x00-\x1f][^\x00-\x1f]*"
            ),
            commit_message=like(r"[^\x00-\x09\x0b-\x1f\x7f]{1,5000}"),
        ),
    ),
    (
        "update_branch",
        "PUT",
        rf"{_REPO}/pulls/{NUMBER}/update-branch",
        part(expected_head_sha=COMMIT),
    ),
    (
        "disable_workflow",
        "PUT",
        rf"{_REPO}/actions/workflows/{LONG_NUMBER}/disable",
        None,
    ),
    ("set_description", "PATCH", _REPO, part(description=like(r"[^\x00-\x1f\x7f]{1,350}"))),
    (
        "set_topics",
        "PUT",
        rf"{_REPO}/topics",
        part(names=some(like(r"[a-z0-9][a-z0-9-]{0,49}"), most=20)),
    ),
    (
        "comment_pull",
        "POST",
        rf"{_REPO}/issues/{NUMBER}/comments",
        part(body=like(r"[\s\S]{1,20000}")),
    ),
    ("open_report", "POST", rf"{_REPO}/issues", REPORT),
    ("update_report", "PATCH", rf"{_REPO}/issues/{NUMBER}", REPORT),
)


def row_of(method: str, address: str, body: bytes) -> str | None:
    """Return the kind of the one row that this is; None: it must never leave."""
    for kind, verb, pattern, field in LISTED:
        if verb == method and re.fullmatch(pattern, address):
            return kind if _is_exactly(body, field) else None
    return None


def _is_exactly(body: bytes, field: Field | None) -> bool:
    """Whether these bytes are the one writing of what the row wants; None: no body."""
    if field is None:
        return body == b""
    try:
        read: object = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    # A key twice, a space, an escape too many: written back, it is something else.
    again = json.dumps(read, separators=(",", ":"), ensure_ascii=False)
    return len(body) <= 1_000_000 and again.encode("utf-8", "replace") == body and field(read)

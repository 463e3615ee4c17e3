"""Real answers of GitHub's, recorded by others, replayed through our clients under the guard.

`../shared/captures/github` (38 files, PROVENANCE.md there): parsing, pages, limits, decisions; and
every write in them is refused, for none has exactly the one shape that may leave.
"""

import json
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from mcp_server.cache import Cache, Entry
from mcp_server.clients.etags import KIND, ConditionalReads
from mcp_server.clients.github import GitHubClient, pull_request, repository
from mcp_server.clients.github_actions import ActionsClient, read_runs
from mcp_server.clients.github_checks import ChecksClient
from mcp_server.clients.wire import parse, rows
from mcp_server.errors import Refused, Unreadable
from mcp_server.guard import evidence, policy
from mcp_server.guard.checks import ActionsRun, Expectation, Rules, Sources, app_of, combined
from mcp_server.guard.gate import judge_checks
from mcp_server.sandbox.loop import run_virtual
from mcp_server.store import open_engine
from tests.guard_cases import GITHUB, ManualClock, OpenDoor, guard
from tests.shared_data import CAPTURES, capture, need_captures

T = TypeVar("T")
FILES = 38
DATE = "Mon, 23 Nov 2026 09:00:00 GMT"


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request that somebody once made, and GitHub's answer."""

    method: str
    target: str
    sent: bytes
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The address without its query."""
        return self.target.partition("?")[0]

    @property
    def data(self) -> Any:
        """What the answer says, before any schema."""
        return json.loads(self.body)


def exchanges(name: str) -> list[Exchange]:
    """Return a recording, oldest first; a date that was a template is today's."""
    found: list[Exchange] = []
    for raw in json.loads(capture(f"github/{name}.json")):
        request, response = raw["request"], raw["response"]
        headers = {k: v for k, v in response["headers"].items() if "{{" not in v}
        # The clients read a body that is plain, of whatever length it now has.
        body = response["body"]
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        found.append(
            Exchange(
                method=request["method"],
                target=request["path"],
                sent=json.dumps(request.get("body")).encode() if request.get("body") else b"",
                status=response["status"],
                headers={"date": DATE, **headers},
                body=content if body is not None else b"",
            )
        )
    return found


@dataclass
class Replay(httpx2.AsyncBaseTransport):
    """Gives each answer once, to the first request of that method and path."""

    left: list[Exchange]
    sent: list[httpx2.Request] = field(default_factory=list[httpx2.Request])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request; one that nobody recorded is an error of the test."""
        self.sent.append(request)
        for one in self.left:
            if (one.method, one.path) == (request.method, request.url.path):
                self.left.remove(one)
                return httpx2.Response(
                    one.status, headers=one.headers, content=one.body, request=request
                )
        raise AssertionError(f"not recorded: {request.method} {request.url.path}")


@dataclass(kw_only=True)
class Hub:
    """Our clients over one recording."""

    replay: Replay
    github: GitHubClient
    actions: ActionsClient
    cache: Cache
    clock: ManualClock
    plain: httpx2.AsyncClient


def replayed(folder: Path, name: str, play: Callable[[Hub], Awaitable[T]]) -> T:
    """Run `play` with the clients over the guard over the recording `name`."""
    replay, clock = Replay(exchanges(name)), ManualClock()
    http = httpx2.AsyncClient(transport=guard(replay, OpenDoor(), clock), timeout=None)
    cache = Cache(open_engine(f"sqlite:///{folder}/state.db"), owner="x")
    conditional = ConditionalReads(http, cache)
    hub = Hub(
        replay=replay,
        github=GitHubClient(http, base=GITHUB, clock=clock, conditional=conditional),
        actions=ActionsClient(http, base=GITHUB),
        cache=cache,
        clock=clock,
        plain=httpx2.AsyncClient(transport=replay),
    )

    async def go() -> T:
        return await play(hub)

    return run_virtual(go())


def all_exchanges() -> Iterator[tuple[str, Exchange]]:
    need_captures()
    for file in sorted((CAPTURES / "github").glob("*.json")):
        for one in exchanges(file.stem):
            yield file.stem, one


def kind_of(one: Exchange) -> str | None:
    """Return the rule by which a request would leave; None: it would not."""
    names = policy.query_names(one.target)
    try:
        return policy.decide("github", one.method, one.path, names, {}, one.sent).kind
    except Refused:
        return None


def test_every_recording_is_read():
    """Issue 6: the 38 of them, and 150 exchanges at least."""
    found = list(all_exchanges())
    assert len({name for name, _ in found}) == FILES
    assert len(found) >= 150


def test_every_write_that_was_recorded_is_refused():
    """Deletions, public creations, protection, approvals, dispatches, merges without a SHA."""
    writes = [one for _, one in all_exchanges() if one.method != "GET"]
    assert {one.method for one in writes} == {"POST", "PUT", "PATCH", "DELETE"}
    assert len(writes) > 40
    assert [(one.method, one.target) for one in writes if kind_of(one)] == []


# What of the recorded reads may leave; all others (organisations, re-runs, …) may not.
READS = {
    *("get_repository", "get_tree", "get_pull", "list_pulls", "list_checks", "list_statuses"),
    *("list_rules", "get_protection", "list_runs", "list_jobs", "find_job_log", "is_merged"),
    *("list_issues",),
}


def test_of_the_recorded_reads_only_ours_leave():
    """The table again, on requests that nobody made for us."""
    kinds = {kind_of(one) for _, one in all_exchanges() if one.method == "GET"}
    assert kinds - {None} >= READS
    refused = {one.path for _, one in all_exchanges() if one.method == "GET" and not kind_of(one)}
    assert {"/rate_limit", "/search/repositories", "/orgs/hub4j-test-org"} <= refused


def test_every_recorded_repository_and_pull_request_is_understood():
    """Bodies from 2012 to 2025; a field that is newer than they are may be missing."""
    pulls = repositories = 0
    for _, one in all_exchanges():
        kind = kind_of(one) if one.method == "GET" and one.status == 200 else None
        if kind == "get_pull":
            assert pull_request("owner/tool", one.data).head_sha
            pulls += 1
        elif kind == "list_pulls":
            pulls += sum(bool(pull_request("owner/tool", raw).head_sha) for raw in one.data)
        elif kind == "get_repository" and "private" in one.data:
            repositories += bool(repository(one.data).repo)
    assert pulls >= 8
    assert repositories >= 20


def test_a_repository_that_does_not_say_whether_it_is_private_is_unreadable(tmp_path: Path):
    """Cut down by its recorder; what is not said is not assumed."""

    async def play(hub: Hub) -> None:
        with pytest.raises(Unreadable):
            await hub.github.get_repository("hub4j-test-org/GHWorkflowRunTest")

    replayed(tmp_path, "hub4j--GHWorkflowRunTest--testRerunVariants", play)


@pytest.mark.parametrize("kind", ["", "_Body_Marker_Only", "_Too_Many_Requests"])
def test_a_secondary_limit_is_waited_out_and_is_no_lack_of_rights(tmp_path: Path, kind: str):
    """A 403 or 429, with `retry-after` or with no more than the body's word (facts 1.9)."""
    name = f"testHandler_Wait_Secondary_Limits{kind}"

    async def play(hub: Hub) -> float:
        found = await hub.github.get_repository(f"hub4j-test-org/temp-{name}")
        assert found.repo.endswith(name)
        return hub.clock.elapsed()

    waited = replayed(tmp_path, f"hub4j--AbuseLimitHandlerTest--{name}", play)
    assert waited >= (60 if "Marker" in kind else 1)


def test_check_runs_are_followed_over_pages_that_name_the_repository_by_its_id(tmp_path: Path):
    """hub4j getCheckRuns: eight runs, two a page; `test (windows, Java 13)` is one."""
    sha = "78b9ff49d47daaa158eb373c4e2e040f739df8b9"

    async def play(hub: Hub) -> None:
        # Their first request was made twice.
        hub.replay.left = [one for one in hub.replay.left if "page=" in one.target][1:]
        runs = await hub.github.checks.runs("hub4j/github-api", sha)
        paths = [request.url.path for request in hub.replay.sent]
        assert paths[1:] == [f"/repositories/617210/commits/{sha}/check-runs"] * 3
        assert len({run.id for run in runs}) == 8
        assert {run.app for run in runs} == {"github-actions"}
        assert {run.sha for run in runs} == {sha}
        checks = combined(Sources(runs=runs, statuses=()))
        expected = Expectation(name="test (windows, Java 13)", app="github-actions")
        assert judge_checks(checks, {expected}) == "GREEN"
        assert judge_checks(checks, {Expectation(name="ci")}) == "INCOMPLETE"

    replayed(tmp_path, "hub4j--GHRepositoryTest--getCheckRuns", play)


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("pygithub--CommitCombinedStatus.setUp", "GREEN"),
        ("octokit--create-status", "FAILED"),
    ],
)
def test_statuses_are_judged_one_by_one(name: str, state: str):
    """Combined answers of 2016 and later; each context counts, not the combined word."""
    found = [one for one in exchanges(name) if one.path.endswith("/status") and one.data]
    assert found
    for one in found:
        replay = Replay([one])
        http = httpx2.AsyncClient(transport=replay)
        repo, ref = one.path.removeprefix("/repos/").split("/commits/")
        read = ChecksClient(http, base=GITHUB).statuses(repo, ref.split("/")[0])
        told = run_virtual(_run(read))
        assert len(told.sha) == 40
        assert judge_checks(told.checks, ()) == state


async def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    return await coroutine


@pytest.mark.parametrize(
    ("name", "place", "state"),
    [
        ("hub4j--GHWorkflowRunTest--testApproval", "/actions/runs", "ACTION_REQUIRED"),
        ("hub4j--GHWorkflowRunTest--testStartupFailureConclusion", "/runs", "FAILED"),
    ],
)
def test_runs_without_a_check_run_are_judged(name: str, place: str, state: str):
    """Approval is `completed`, without a pull request; a broken file is no word of REST's list."""
    [one] = [one for one in exchanges(name) if one.path.endswith(place)]
    runs = read_runs(one.data)
    workflows = tuple(
        ActionsRun(
            id=run.id,
            suite=run.suite,
            path=run.path,
            event=run.event,
            status=run.status,
            conclusion=run.conclusion,
        )
        for run in runs
    )
    assert all(run.suite for run in runs)
    checks = combined(Sources(runs=(), statuses=(), workflows=workflows))
    assert judge_checks(checks, ()) == state


def test_rules_are_read_and_where_they_say_nothing_of_checks_nothing_is_required(tmp_path: Path):
    """hub4j testGetRulesForBranch: deletion, non_fast_forward, pull_request; protection: none."""

    async def play(hub: Hub) -> None:
        gone = exchanges("octokit--branch-protection")[0]
        path = "/repos/ihrigb/node-doorbird/branches/main/protection"
        hub.replay.left.append(replace(gone, target=path))
        found = await hub.github.checks.rules("ihrigb/node-doorbird", "main")
        assert found == Rules()

    replayed(tmp_path, "hub4j--GHRepositoryTest--testGetRulesForBranch", play)


def test_protection_names_its_checks_and_their_apps(tmp_path: Path):
    """hub4j testChecksWithAppIds: what three PUTs answered is what a GET would say."""
    name = "hub4j--GHBranchProtectionTest--testChecksWithAppIds"

    async def play(hub: Hub) -> list[frozenset[Expectation]]:
        shown = [one for one in hub.replay.left if one.method == "PUT"]
        repo = "hub4j-test-org/temp-testChecksWithAppIds"
        rules = Exchange(
            method="GET",
            target=f"/repos/{repo}/rules/branches/main",
            sent=b"",
            status=403,
            headers={"date": DATE},
            body=b'{"message": "Upgrade to GitHub Pro"}',
        )
        hub.replay.left = [one for put in shown for one in (rules, replace(put, method="GET"))]
        return [(await hub.github.checks.rules(repo, "main") or Rules()).required for _ in shown]

    found = replayed(tmp_path, name, play)
    second = Expectation(name="context2", app=app_of(123))
    assert found == [
        {Expectation(name="context")},
        {Expectation(name="context"), second},
        {Expectation(name="context"), second, Expectation(name="context3")},
    ]


def test_mergeability_is_not_known_at_first_and_then_is(tmp_path: Path):
    """hub4j mergeCommitSHA: null and `unknown`, more than once."""

    async def play(hub: Hub) -> list[tuple[bool | None, str]]:
        pulls = [await hub.github.get_pull("hub4j-test-org/github-api", 309) for _ in range(3)]
        return [(pull.mergeable, pull.mergeable_state) for pull in pulls]

    found = replayed(tmp_path, "hub4j--GHPullRequestTest--mergeCommitSHA", play)
    assert found[0] == (None, "unknown")
    assert found[-1][0] is True


def test_a_branch_that_is_behind_is_told_and_after_the_update_nothing_is_known(tmp_path: Path):
    """hub4j updateOutdatedBranches; the gate's verdicts on these words are in its table."""

    async def play(hub: Hub) -> list[tuple[bool | None, str]]:
        pulls = [
            await hub.github.get_pull("hub4j-test-org/updateOutdatedBranches", 8) for _ in range(2)
        ]
        return [(pull.mergeable, pull.mergeable_state) for pull in pulls]

    found = replayed(tmp_path, "hub4j--GHPullRequestTest--updateOutdatedBranches", play)
    assert found == [(True, "behind"), (None, "unknown")]


def test_a_merge_is_proved_by_its_answer_and_read_back(tmp_path: Path):
    """PyGithub testMerge and hub4j squashMerge; a conflict's 409 proves that nothing happened."""

    async def play(hub: Hub) -> list[bool]:
        return [await hub.github.is_merged("PyGithub/PyGithub", 31) for _ in range(2)]

    name = "pygithub--PullRequest.testMerge"
    assert replayed(tmp_path, name, play) == [False, True]
    merges = [
        one
        for file in (name, "hub4j--GHPullRequestTest--squashMerge")
        for one in exchanges(file)
        if one.method == "PUT" and one.path.endswith("/merge")
    ]
    assert len(merges) == 2
    for one in merges:
        assert evidence.judge("github", "merge_pull", one.status, one.body).state == "spent"
    [conflict] = exchanges("pygithub--Repository.testMergeWithConflict")
    outcome = evidence.judge("github", "merge_pull", conflict.status, conflict.body)
    assert outcome.state == "released"


def test_an_unchanged_answer_is_given_from_the_cache(tmp_path: Path):
    """PyGithub testDidNotUpdate: a 304 without a body, to the tag of what is kept."""
    [full] = exchanges("octokit--get-repository")
    body = full.body.replace(b"octokit-fixture-org/hello-world", b"akfish/PyGithub")
    url = f"{GITHUB}/repos/akfish/PyGithub"
    tag = '"8600bedcb7fed1d8065e1693e05529ce"'

    async def play(hub: Hub) -> str:
        kept = Entry(tag=tag, read_at=hub.clock.now(), body=b"\n" + body)
        hub.cache.keep(KIND, {url: kept})
        return (await hub.github.get_repository("akfish/PyGithub")).repo

    name = "pygithub--ConditionalRequestUpdate.testDidNotUpdate"
    assert replayed(tmp_path, name, play) == "akfish/PyGithub"


def test_jobs_are_read_and_their_logs_on_a_host_of_old_are_refused(tmp_path: Path):
    """hub4j testJobs, of 2021: the log lay on another host, which is none of ours."""
    repo = "hub4j-test-org/GHWorkflowRunTest"

    async def play(hub: Hub) -> None:
        jobs = await hub.actions.jobs(repo, 719643947)
        assert len(jobs) == 2
        assert {(job.status, job.conclusion) for job in jobs} == {("completed", "success")}
        with pytest.raises(Refused):
            await hub.actions.job_log(repo, 2270858630)
        assert {request.url.host for request in hub.replay.sent} == {"api.github.com"}

    replayed(tmp_path, "hub4j--GHWorkflowRunTest--testJobs", play)


def test_a_list_of_issues_ends_where_its_links_end(tmp_path: Path):
    """Octokit paginate-issues: five pages, each named by the one before by the numeric id."""

    async def play(hub: Hub) -> int:
        read, url = 0, f"{GITHUB}/repos/octokit-fixture-org/paginate-issues/issues?per_page=3"
        following: str | None = url
        while following is not None:
            answer = parse(await hub.plain.get(following))
            read += len(rows(answer))
            following = answer.next_url
        return read

    assert replayed(tmp_path, "octokit--paginate-issues", play) == 13

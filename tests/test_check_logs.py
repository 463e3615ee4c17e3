"""Why CI is red: read through the guard, from the host of the logs, without a key, as data."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from mcp_server.check_logs import ends_of, read_check_logs
from mcp_server.clients.github_actions import ActionsClient, WorkflowRun
from mcp_server.errors import FactoryError, NotFound, Refused, Unreadable
from mcp_server.sandbox.actions_wire import LOG_HOST
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.repository import Pull
from tests.agent_cases import REPO, Desk, at_desk
from tests.guard_cases import (
    GITHUB,
    GITHUB_TOKEN,
    LOG,
    LOG_PATH,
    SHA,
    ManualClock,
    Network,
    OpenDoor,
    answer,
    guard,
)
from tests.mutation_cases import of_ours
from tests.shared_data import capture

RED: dict[str, object] = {"first_push_red": True, "fixes_itself": False, "gaps": (30.0,)}
HERE = f"{LOG}{LOG_PATH}?se=2026-11-23T09%3A01%3A00Z&sig=a%2Bb"
STARTED = "2026-11-23T09:00:00.1234567Z"
Reply = Callable[[httpx2.Request], httpx2.Response]


async def opened(desk: Desk, *, minutes: float) -> Pull:
    """Let a session of ours open a pull request, and its checks run."""
    one = of_ours(desk.services, desk.world, "kred1", REPO, auto_pull=True)
    await desk.wait(minutes=minutes)
    return desk.pull_of(one.id)


def test_the_failed_step_is_shown_from_a_host_that_gets_no_key():
    """facts/github.md 1.10: runs of the head, their jobs, then a log behind a signed address."""

    async def play(desk: Desk) -> None:
        pull = await opened(desk, minutes=20)
        told = await desk.call("github_check_logs", repo=REPO, number=pull.number)
        (job,) = told.content["jobs"]
        assert told.content["head_sha"] == pull.head
        assert (job["conclusion"], job["steps"]) == ("failure", ["Run make test"])
        assert job["log"].split("\n")[-2:] == [
            "##[error]Process completed with exit code 2.",
            "Cleaning up orphan processes",
        ]
        assert f"expected 3, got 2 (commit {pull.head[:7]})" in job["log"]
        assert "\x1b" not in job["log"]
        assert f"Log, as data:\n{job['log']}" in told.text
        # The world answers 401 there to whoever brings a token.
        assert desk.world.requests[LOG_HOST] == 1

    at_desk(play, life=RED)


def test_while_nothing_has_failed_there_is_nothing_to_show():
    """A green head has no failed job, and none that still runs."""

    async def play(desk: Desk) -> None:
        pull = await opened(desk, minutes=20)
        told = await desk.ask("github_check_logs", repo=REPO, number=pull.number)
        assert (told["jobs"], told["unfinished"], told["needs_person"]) == ([], [], [])

    at_desk(play)


def test_a_log_that_cannot_be_read_is_said_and_the_job_is_still_named():
    """Unknown is not absent: the failure stays, only its words are missing."""

    def without_logs(exchange: Exchange) -> Fault | None:
        return Fault("refuse_connect") if exchange.host == LOG_HOST else None

    async def play(desk: Desk) -> dict[str, Any]:
        pull = await opened(desk, minutes=20)
        return (await desk.ask("github_check_logs", repo=REPO, number=pull.number))["jobs"][0]

    job = at_desk(play, life=RED, fault=without_logs)
    assert (job["job"], job["log"]) == ("ci", None)
    assert "no answer" in job["unread"]


def run(conclusion: str | None, status: str = "completed") -> WorkflowRun:
    """Return a run that stands so."""
    at = datetime(2026, 11, 23, 9, tzinfo=UTC)
    return WorkflowRun(
        id=1, name="ci", path="", event="push", status=status, conclusion=conclusion, created_at=at
    )


PASSED, FAILED, UNFINISHED, WAITS = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)
STANDS: list[tuple[WorkflowRun, tuple[int, int, int]]] = [
    *((run(word), PASSED) for word in ("success", "skipped", "neutral")),
    *((run(word), FAILED) for word in ("failure", "timed_out", "cancelled", "stale")),
    *((run(word), FAILED) for word in ("startup_failure", "a new word", None)),
    *((run(None, word), UNFINISHED) for word in ("queued", "in_progress", "waiting", "new word")),
    (run("action_required"), WAITS),
]


@pytest.mark.parametrize(
    ("one", "counts"), STANDS, ids=[f"{one.status} {one.conclusion}" for one, _ in STANDS]
)
def test_a_run_that_waits_for_approval_needs_a_person_and_is_no_failure(
    one: WorkflowRun, counts: tuple[int, int, int]
):
    """facts/github.md 1.6: completed, action_required. A word that is new is looked at."""
    ends = ends_of([one])
    assert (len(ends.failed), len(ends.unfinished), len(ends.needs_person)) == counts


def read_log(reply: Reply) -> tuple[str, Network]:
    """Read the log of job 7 through a guard over `reply`."""
    network = Network(reply)

    async def go() -> str:
        http = httpx2.AsyncClient(transport=guard(network, OpenDoor(), ManualClock()))
        return await ActionsClient(http, base=GITHUB).job_log("owner/tool", 7)

    return run_virtual(go()), network


def leads_to(address: str, then: httpx2.Response) -> Reply:
    """Return a GitHub that says that the log is at `address`, where `then` is answered."""
    found = answer(302, location=address)
    return lambda request: found if request.url.host == "api.github.com" else then


def test_the_log_is_asked_for_once_without_a_key_at_the_address_as_it_was_signed():
    """What is signed is not spelt anew, and the signature is all that opens it."""
    log, network = read_log(leads_to(HERE, httpx2.Response(200, content="café ✓".encode())))
    assert log == "café ✓"
    first, second = network.sent
    assert str(second.url) == HERE
    assert GITHUB_TOKEN in str(first.headers.raw)
    assert GITHUB_TOKEN not in str(second.headers.raw)
    assert "authorization" not in second.headers


ADDRESSES = {
    "another host": "https://evil.example/actions-results/x",
    "another storage": f"https://mine.blob.core.windows.net{LOG_PATH}?sig=x",
    "the API with our key": f"{GITHUB}/repos/owner/tool/actions/secrets",
    "this machine": "http://127.0.0.1:8080/",
    "the cloud's own": "http://169.254.169.254/latest/meta-data",
    "no encryption": HERE.replace("https:", "http:"),
    "a name in front of the host": HERE.replace("https://", "https://me:pw@"),
    "another port": HERE.replace(".net/", ".net:8443/"),
    "another file there": f"{LOG}/actions-results/artifact.zip?sig=x",
}


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_no_other_place_is_followed(address: str):
    """One redirect of one kind of answer to one kind of address: nothing else leaves."""
    network = Network(leads_to(address, answer(200)))

    async def go() -> None:
        http = httpx2.AsyncClient(transport=guard(network, OpenDoor(), ManualClock()))
        with pytest.raises(Refused) as refused:
            await ActionsClient(http, base=GITHUB).job_log("owner/tool", 7)
        assert refused.value.limit == "policy"

    run_virtual(go())
    assert len(network.sent) == 1


BIG = b"x" * 8_000_001
PACKED = {"content-encoding": "gzip"}
ANSWERS: dict[str, tuple[httpx2.Response, type[FactoryError]]] = {
    "gone": (httpx2.Response(404), NotFound),
    "a signature that is past": (httpx2.Response(403, content=b"<Error/>"), Refused),
    "sent on once more": (httpx2.Response(302, headers={"location": HERE}), Unreadable),
    "too large": (httpx2.Response(200, content=BIG), Unreadable),
    "too large once it is unpacked": (
        httpx2.Response(200, headers=PACKED, content=gzip.compress(BIG, 1)),
        Unreadable,
    ),
}


@pytest.mark.parametrize(("reply", "error"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_log_that_is_not_simply_there_is_an_error(
    reply: httpx2.Response, error: type[FactoryError]
):
    """The size is that of what is unpacked; a second redirect is not followed."""
    with pytest.raises(error):
        read_log(leads_to(HERE, reply))


@pytest.mark.parametrize("said", ["", "https://[", "http://"])
def test_a_way_to_the_log_that_cannot_be_read_is_an_error_of_ours(said: str):
    """A library's own exception would pass for a bug."""
    with pytest.raises(FactoryError):
        read_log(leads_to(said, answer(200)))


def test_a_private_key_in_a_log_is_masked_before_the_log_is_cut():
    """Its middle alone looks like nothing; colours and times stand in each of its lines."""
    run = {"id": 1, "status": "completed", "conclusion": "failure", "created_at": STARTED}
    job = {"id": 7, "name": "ci", "status": "completed", "conclusion": "failure"}
    key = [f"\x1b[36;1m{nth:04}{'aB3dE5fG7h/+' * 5}\x1b[0m" for nth in range(400)]
    lines = ["-----BEGIN PRIVATE KEY-----", *key, "##[error]Process completed"]
    log = "".join(f"{STARTED} {line}\n" for line in lines)

    def reply(request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/runs"):
            return answer(200, {"total_count": 1, "workflow_runs": [run]})
        if path.endswith("/jobs"):
            return answer(200, {"total_count": 1, "jobs": [job]})
        return leads_to(HERE, httpx2.Response(200, content=log.encode()))(request)

    async def play(desk: Desk) -> str:
        pull = await opened(desk, minutes=20)
        http = httpx2.AsyncClient(transport=guard(Network(reply), OpenDoor(), ManualClock()))
        actions = ActionsClient(http, base=GITHUB)
        parts = replace(desk.services, actions=actions)
        found = await read_check_logs(parts, REPO, pull.number)
        return str(found.jobs[0].log)

    shown = at_desk(play)
    assert shown == "-----BEGIN PRIVATE KEY-----***\n##[error]Process completed"


def test_recorded_jobs_are_read_and_the_old_host_of_logs_is_refused():
    """captures/github: what GitHub said in 2021; it kept logs elsewhere then."""
    recorded: list[dict[str, Any]] = json.loads(
        capture("github/hub4j--GHWorkflowRunTest--testJobs.json")
    )
    repo = "hub4j-test-org/GHWorkflowRunTest"

    def reply(request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode().partition("?")[0]
        same = [one for one in recorded if one["request"]["path"].partition("?")[0] == path]
        said = same[-1]["response"]
        where = said["headers"].get("location")
        return answer(said["status"], said["body"], **({"location": where} if where else {}))

    async def go() -> None:
        http = httpx2.AsyncClient(transport=guard(Network(reply), OpenDoor(), ManualClock()))
        actions = ActionsClient(http, base=GITHUB)
        jobs = await actions.jobs(repo, 719643947)
        assert [job.name for job in jobs] == ["job2", "job1"]
        assert jobs[0].steps[1].name == "Run a one-line script"
        assert all(step.started_at and step.completed_at for step in jobs[0].steps)
        with pytest.raises(Unreadable):  # 93 runs, of which one page is recorded
            await actions.runs_at(repo, SHA)
        with pytest.raises(Refused):
            await actions.job_log(repo, jobs[0].id)

    run_virtual(go())

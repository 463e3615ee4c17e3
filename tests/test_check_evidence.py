"""What is read of a pull request's checks: no more than can change the decision, and nothing less.

The real reader, gate and tools over the scripted GitHub of `gate_machine.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from mcp_server import store
from mcp_server.cache import Cache, Entry
from mcp_server.clock import LoopClock
from mcp_server.expectations import KIND
from mcp_server.keys import Keys
from mcp_server.models import GateDecision, PullView
from mcp_server.sandbox.loop import run_virtual
from mcp_server.tools.github import GitHubTools
from tests.gate_machine import JOBS, OTHER_APP, REPO, Commit, FakeGitHub, Word
from tests.guard_cases import START
from tests.test_gate_machine import TITLE, connected

T = TypeVar("T")


@dataclass
class Watch:
    """Somebody who looks at the pull request now and then."""

    github: FakeGitHub
    clock: LoopClock
    tools: GitHubTools

    async def look(self, *, after: float = 0) -> GateDecision:
        """Wait and look; `asked` then holds this look's requests."""
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=after))
        self.github.asked.clear()
        told = await self.tools.github_get_pull(REPO, 7)
        return PullView.model_validate(told.structured_content).decision

    def asked(self) -> list[str]:
        """Return the paths of the last look, below the repository, without commits' names."""
        known = {one.sha: "HEAD" for one in self.github.commits} | {self.github.base.sha: "BASE"}
        paths = [line.removeprefix(f"GET /repos/{REPO}") for line in self.github.asked]
        return ["/".join(known.get(part, part) for part in path.split("/")) for path in paths]


def at_watch(
    folder: Path,
    play: Callable[[Watch], Awaitable[T]],
    *,
    candid: bool = False,
    fine_grained: bool = False,
) -> T:
    """Run `play` in virtual time, over a GitHub on which nothing happens by itself."""

    async def main() -> T:
        clock = LoopClock(START)
        github = FakeGitHub(clock, f"{TITLE} tests", [], candid=candid, fine_grained=fine_grained)
        engine = store.open_engine(f"sqlite:///{folder}/state.db")
        tools = GitHubTools(connected(engine, clock, github))
        told = await play(Watch(github, clock, tools))
        engine.dispose()
        return told

    return run_virtual(main())


def test_a_pull_request_costs_few_requests(tmp_path: Path):
    """Three while its checks run, five when it is green; what is kept is read once."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.say("ci", None)
        assert (await watch.look()).checks == "PENDING"
        judged = ["/pulls/7", "/commits/HEAD/check-runs", "/commits/HEAD/status"]
        assert watch.asked() == [*judged, "/pulls/7/files"]
        await watch.look(after=30)
        assert watch.asked() == judged
        github.settle(github.head)
        assert (await watch.look(after=30)).checks == "GREEN"
        more = ["/actions/runs", "/commits/HEAD/check-suites"]
        once = ["/actions/workflows", "/contents/.github/workflows/ci.yml"]
        base = ["/commits/main/status", "/commits/BASE/check-runs"]
        rules = ["/rules/branches/main", "/branches/main/protection"]
        assert watch.asked() == [*judged, *more, *once, *base, *rules]
        assert (await watch.look(after=31)).verdict == "merge"
        assert watch.asked() == [*judged, *more]
        github.push()
        github.settle(github.head)
        assert (await watch.look(after=30)).checks == "GREEN"
        assert watch.asked() == [*judged, *more, *base, "/pulls/7/files"]

    at_watch(tmp_path, play)


QUEUE = [{"type": "merge_queue"}]
REQUIRED = [
    {
        "type": "required_status_checks",
        "parameters": {"required_status_checks": [{"context": "security", "integration_id": 77}]},
    }
]
PROTECTED = {"required_status_checks": {"contexts": ["old"], "checks": []}}
RULES: dict[str, tuple[int, object, int, object, str, str]] = {
    "not available": (403, {}, 403, {}, "merge", "GREEN"),
    "not found": (404, {}, 404, {}, "merge", "GREEN"),
    "none": (200, [], 404, {}, "merge", "GREEN"),
    "of other kinds": (200, [{"type": "deletion"}], 404, {}, "merge", "GREEN"),
    "a queue": (200, QUEUE, 403, {}, "human", "GREEN"),
    "a check": (200, REQUIRED, 403, {}, "wait", "INCOMPLETE"),
    "a check of protection's": (403, {}, 200, PROTECTED, "wait", "INCOMPLETE"),
    "a shape nobody knows": (200, [{"kind": "queue"}], 403, {}, "wait", "UNREADABLE"),
    "a service that is down": (502, {}, 403, {}, "wait", "UNREADABLE"),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_count_where_they_are_told_and_nothing_depends_on_their_telling(
    tmp_path: Path, name: str
):
    """Three outcomes, facts/github.md 1.6; what cannot be understood is none of them."""
    status, rules, protected, protection, verdict, checks = RULES[name]

    async def play(watch: Watch) -> None:
        github = watch.github
        github.instead["/rules/branches/main"] = (status, rules)
        github.instead["/branches/main/protection"] = (protected, protection)
        github.settle(github.head)
        await watch.look()
        decision = await watch.look(after=61)
        assert (decision.verdict, decision.checks) == (verdict, checks)

    at_watch(tmp_path, play)


def test_a_required_app_is_known_by_the_check_that_it_made(tmp_path: Path):
    """The ruleset says 77; the check says which slug that is."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.instead["/rules/branches/main"] = (200, REQUIRED)
        github.settle(github.head)
        github.say("security", "success", {"id": 78, "slug": "third"})
        assert (await watch.look()).checks == "INCOMPLETE"
        github.say("security", "success", OTHER_APP)
        assert (await watch.look()).checks == "GREEN"

    at_watch(tmp_path, play)


def test_of_a_base_that_nobody_could_read_nothing_is_expected_and_nothing_is_green(tmp_path: Path):
    """Unknown is not absent; once it was read, what it runs is known."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        github.instead["/commits/main/status"] = (502, {})
        assert (await watch.look()).checks == "UNREADABLE"
        github.instead.clear()
        assert (await watch.look()).checks == "GREEN"
        github.instead["/commits/main/status"] = (502, {})
        assert (await watch.look()).checks == "GREEN"
        del github.head.words["lint"]
        assert (await watch.look()).checks == "PENDING"

    at_watch(tmp_path, play)


def test_a_job_of_a_workflow_that_never_runs_for_pull_requests_is_not_expected(tmp_path: Path):
    """`deploy` runs on the base after every push, and on no other branch."""
    deploy = {"id": 2, "path": ".github/workflows/deploy.yml", "state": "active"}
    text = "b246CiAgcHVzaDoKICAgIGJyYW5jaGVzOiBbbWFpbl0K"  # on: push: branches: [main]

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        github.base.words = {"deploy": github.base.words["ci"]}
        github.base.words["deploy"].name = "deploy"
        assert (await watch.look()).checks == "INCOMPLETE"
        github.instead["/actions/workflows"] = (200, {"total_count": 1, "workflows": [deploy]})
        github.instead["/contents/.github/workflows/deploy.yml"] = (
            200,
            {"content": text, "encoding": "base64"},
        )
        run = {
            "id": 5,
            "check_suite_id": 9,
            "path": deploy["path"],
            "status": "completed",
            "conclusion": "success",
            "created_at": "2026-11-23T09:00:00Z",
        }
        github.push()
        github.settle(github.head)
        github.instead["/actions/runs"] = (200, {"total_count": 1, "workflow_runs": [run]})
        await watch.look(after=3601)
        assert (await watch.look()).checks == "GREEN"

    at_watch(tmp_path, play)


def test_a_token_that_never_sees_check_runs_judges_by_the_jobs_of_actions(tmp_path: Path):
    """Fine-grained (facts/github.md 1.8): jobs and statuses, and only where GitHub says `clean`."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        assert (await watch.look()).checks == "GREEN"
        assert sum("/jobs" in path for path in watch.asked()) == 2
        github.say("late", None, OTHER_APP)
        assert (await watch.look(after=61)).checks == "UNREADABLE"
        github.say("late", "success", OTHER_APP)
        assert (await watch.look()).verdict == "wait"
        assert (await watch.look(after=31)).verdict == "merge"

    at_watch(tmp_path, play, fine_grained=True, candid=True)


@pytest.mark.parametrize("fine_grained", [False, True])
def test_what_is_merged_is_shown_whatever_the_token_may_read(
    tmp_path: Path, fine_grained: bool
) -> None:
    """A merge that could not be seen would be asked about for ever; its checks decide nothing."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        github.merged = github.base.sha
        for lost, said in (("", "GREEN"), ("/commits/", "UNREADABLE")):
            github.lost = lost
            told = await watch.tools.github_get_pull(REPO, 7)
            view = PullView.model_validate(told.structured_content)
            assert (view.pull.merged, view.after_merge) == (True, said)

    at_watch(tmp_path, play, fine_grained=fine_grained)


def test_a_token_that_saw_check_runs_and_sees_them_no_more_judges_nothing(tmp_path: Path):
    """It lost a right; that is not the token of the test above."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        assert (await watch.look()).checks == "GREEN"
        github.fine_grained = True
        assert (await watch.look(after=61)).checks == "UNREADABLE"

    at_watch(tmp_path, play)


def test_an_app_outside_actions_that_the_base_expects_cannot_be_judged_blind(tmp_path: Path):
    """What a status of the base says is seen; what a check of another app says never is."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        security = {"required_status_checks": [{"context": "security", "integration_id": 77}]}
        rule = {"type": "required_status_checks", "parameters": security}
        github.instead["/rules/branches/main"] = (200, [rule])
        assert (await watch.look()).checks == "UNREADABLE"

    at_watch(tmp_path, play, fine_grained=True)


@pytest.mark.parametrize("job", JOBS)
def test_a_name_that_is_red_in_one_workflow_and_green_in_another_is_red(tmp_path: Path, job: str):
    """Only the workflow runs say which of two words of one name is the last."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        runs = [
            {
                "id": number,
                "name": job,
                "head_sha": github.head.sha,
                "status": "completed",
                "conclusion": conclusion,
                "app": {"id": 15368, "slug": "github-actions"},
                "check_suite": {"id": number},
            }
            for number, conclusion in ((1, "failure"), (2, "success"))
        ]
        place = f"/commits/{github.head.sha}/check-runs"
        github.instead[place] = (200, {"total_count": 2, "check_runs": runs})
        assert (await watch.look()).checks == "FAILED"
        assert "/actions/runs" in watch.asked()

    at_watch(tmp_path, play)


def test_more_check_runs_than_one_page_are_read_to_the_end_or_not_at_all(tmp_path: Path):
    """A list that says that it is longer than it is proves nothing."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.settle(github.head)
        place = f"/commits/{github.head.sha}/check-runs"
        github.instead[place] = (200, {"total_count": 3, "check_runs": []})
        assert (await watch.look()).checks == "UNREADABLE"

    at_watch(tmp_path, play)


def test_what_a_base_was_seen_to_run_is_expected_by_the_next_process_too(tmp_path: Path):
    """A check of another service registers on a new commit of the base minutes after Actions'."""

    async def play(watch: Watch) -> None:
        github = watch.github
        github.base.words["scan"] = Word(1_000, "scan", "success", OTHER_APP)
        github.settle(github.head)
        assert (await watch.look()).checks == "INCOMPLETE"
        github.base = Commit("e" * 40)
        github.settle(github.base)
        engine = store.open_engine(f"sqlite:///{tmp_path}/state.db")
        later = Watch(github, watch.clock, GitHubTools(connected(engine, watch.clock, github)))
        assert (await later.look(after=600)).checks == "INCOMPLETE"
        github.say("scan", "success", OTHER_APP)
        assert (await later.look(after=30)).checks == "GREEN"
        engine.dispose()

    at_watch(tmp_path, play)


def test_what_was_kept_of_a_base_in_another_form_is_learnt_anew(tmp_path: Path):
    """Of an older program, or damaged: as good as never learnt."""

    async def play(watch: Watch) -> None:
        engine = store.open_engine(f"sqlite:///{tmp_path}/state.db")
        parts = connected(engine, watch.clock, watch.github)
        owner = Keys.of(parts.settings).reader
        entry = Entry(tag="", read_at=watch.clock.now(), body=b'{"finished": 3}')
        Cache(engine, owner=owner).keep(KIND, {f"{REPO}\nmain": entry})
        watch.github.settle(watch.github.head)
        assert (await watch.look()).checks == "GREEN"
        engine.dispose()

    at_watch(tmp_path, play)

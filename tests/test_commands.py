"""The commands around a day: what they show of it, and what a person's answers change."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.report.model import Report
from mcp_server.sandbox.world import EPOCH
from tests.agent_cases import REPO

DAY = f"{EPOCH:%Y-%m-%d}"
Agent = Callable[..., "Said"]


@dataclass(frozen=True)
class Said:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Stdout as the one JSON document that it must be."""
        return json.loads(self.out)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the state that a small day leaves: a run costs seconds, so all tests share it."""
    folder = tmp_path_factory.mktemp("day")
    state = f"sqlite:///{folder}/state.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(
            sys,
            "argv",
            ["agent", "run", "--sandbox", "--size", "small", "--json", "--state", state],
        )
        with pytest.raises(SystemExit):
            main()
    return (folder / "state.db").read_bytes()


@pytest.fixture
def agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Agent:
    """Run `agent ARGUMENTS --sandbox` in an empty folder, over one state kept between commands."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        world = ("--sandbox", "--size", "small", "--state", f"sqlite:///{tmp_path}/state.db")
        monkeypatch.setattr(sys, "argv", ["agent", *arguments, *world])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Said(int(left.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def after(agent: Agent, day: bytes, tmp_path: Path) -> Agent:
    """Run commands after the small day; each test has its own copy of it."""
    (tmp_path / "state.db").write_bytes(day)
    return agent


def tasks(agent: Agent) -> list[dict[str, Any]]:
    return agent("status", "--json").document["tasks"]


def first(agent: Agent, *states: str) -> dict[str, Any]:
    return next(one for one in tasks(agent) if one["state"] in states)


# What is there to see


def test_the_status_shows_every_task_and_the_allowance(after: Agent) -> None:
    """One line a task; the ended wait for nothing."""
    found = after("status", "--json").document
    told = after("status")
    assert (told.code, found["date"]) == (0, DAY)
    assert found["tasks"]
    for one in found["tasks"]:
        [line] = [line for line in told.out.splitlines() if one["id"] in line]
        assert one["state"] in line
        assert one["repo"] in line
        assert (one["waits_for"], one["since"]) == ("", None)
    merged = first(after, "merged")
    assert merged["session"]
    assert merged["pull_request"] in told.out
    assert told.out.splitlines()[-1].startswith("allowance: ")


def test_a_state_without_a_day_says_so(agent: Agent) -> None:
    """Nothing begun is an answer to `status`, and an error to `report`."""
    told = agent("status")
    assert (told.code, told.out.splitlines()[0]) == (0, "no day was begun")
    missing = agent("report")
    assert (missing.code, missing.out) == (2, "")


def test_a_task_is_shown_with_its_ledger_events(after: Agent) -> None:
    """From the ticket of its start to that of its merge; nothing about other tasks."""
    merged = first(after, "merged")
    found = after("task", merged["id"], "--json").document
    assert found["progress"]["task"]["key"] == merged["id"]
    held = [event["data"] for event in found["events"] if event["kind"] == "held"]
    kinds = [data["kind"] for data in held]
    assert {"start_session", "merge_pull", "archive_session"} <= set(kinds)
    assert {data["repo"] for data in held if data["repo"]} == {merged["repo"]}
    assert kinds.count("merge_pull") == 1
    seqs = [event["seq"] for event in found["events"]]
    assert seqs == sorted(set(seqs))
    told = after("task", merged["id"]).out
    assert merged["pull_request"] in told
    assert "merge_pull" in told


def test_the_audit_shows_all_events_or_those_of_a_task(after: Agent) -> None:
    """Every page as one document."""
    everything = after("audit", "--json").document["events"]
    assert [event["seq"] for event in everything] == list(range(1, len(everything) + 1))
    key = first(after, "merged")["id"]
    some = after("audit", "--task", key, "--json").document["events"]
    assert 0 < len(some) < len(everything)
    assert all(event in everything for event in some)
    assert after("audit", "--task", "knothing").out == "no such event\n"


def test_a_sound_ledger_is_verified(after: Agent) -> None:
    """INTERFACE.md: chain, count and head."""
    told = after("audit", "--verify")
    found = after("audit", "--verify", "--json").document["verified"]
    assert told.code == 0
    assert told.out.splitlines()[-1].startswith("verified: chain, count and head agree over ")
    assert found.pop("text")
    assert found.pop("events") > 100
    parts = ("agrees", "chain", "count", "head", "tables", "reports")
    assert found == {**dict.fromkeys(parts, True), "first_bad_seq": None}


def test_the_report_comes_again_from_state(after: Agent) -> None:
    """INTERFACE.md: `report [DATE] [--format]`; the newest when no date is given."""
    kept = Report.model_validate(after("report", "--json").document)
    assert kept.run.date == DAY
    assert after("report", DAY, "--format", "json").document == kept.model_dump(mode="json")
    assert after("report", DAY).out.startswith(f"# Daily Factory, {DAY}\n")
    summary = after("report", "--format", "summary").out.splitlines()
    assert len(summary) == 5
    merged = sum(task.state == "merged" for task in kept.tasks)
    assert f"{merged} merged" in summary[0]
    assert f"{kept.allowance.spent} of {kept.allowance.limit}" in summary[1]


def test_the_account_is_surveyed_without_a_day(agent: Agent) -> None:
    """Every repository with its health, and the allowance."""
    found = agent("survey", "--json").document
    told = agent("survey").out
    assert found["budget"]["limit"] == 12
    assert all(one["repo"] in told for one in found["repositories"])
    assert {one["repo"] for one in found["health"]} <= {
        one["repo"] for one in found["repositories"]
    }


def test_health_is_of_all_or_of_one_with_evidence(agent: Agent) -> None:
    """A repository that is not there is the caller's mistake."""
    everything = agent("health", "--json").document["health"]
    one = agent("health", REPO, "--json").document["health"]
    assert [score["repo"] for score in one] == [REPO]
    assert len(everything) > 1
    told = agent("health", REPO).out
    assert all(evidence in told for evidence in one[0]["evidence"])
    assert agent("health", "factory-owner/none").code == 2


def test_trends_and_matches_are_shown(agent: Agent) -> None:
    """Thin over the tools: one source alone, and a decision about an idea."""
    found = agent("trends", "--source", "hackernews", "--json").document
    assert [source["name"] for source in found["sources"]] == ["hackernews"]
    matched = agent("match", "A planner for recipes on the web", "--json").document
    assert matched["candidates"]
    assert agent("match", "A planner for recipes on the web").out.startswith(matched["decision"])


def test_a_pause_lasts_until_it_is_ended(agent: Agent) -> None:
    """DESIGN.md section 5: it is the ledger's, not a process's."""
    assert agent("pause", "--reason", "by hand").code == 0
    assert agent("budget", "--json").document["paused"] == "by hand"
    assert "PAUSED: by hand" in agent("status").out
    assert agent("resume").code == 0
    assert agent("budget", "status", "--json").document["paused"] is None


def test_the_budget_is_reconciled_on_request(agent: Agent) -> None:
    """`agent budget reconcile` is `budget_reconcile` by a shorter name."""
    assert agent("budget", "reconcile", "--json").document["open_tickets"] == 0


# A person's answers


def test_an_ended_task_is_planned_again_as_its_next_attempt(after: Agent) -> None:
    """It changes the agent's own state, which the next run takes up; no session is started."""
    before = first(after, "failed", "parked", "skipped")
    told = after("task", before["id"], "retry", "--json").document
    assert (told["status"], told["attempt"]) == ("planned", before["attempt"] + 1)
    again = next(one for one in tasks(after) if one["id"] == before["id"])
    assert again["state"] == "planned"
    assert again["waits_for"]
    said = after("task", before["id"], "retry")
    assert (said.code, said.out) == (2, "")


def test_a_task_planned_again_can_be_dropped(after: Agent) -> None:
    """It ends as skipped, with the reason; twice is a mistake."""
    key = first(after, "failed", "parked", "skipped")["id"]
    after("task", key, "retry")
    told = after("task", key, "drop", "--json").document
    assert (told["status"], told["reason"]) == ("skipped", "dropped by a person")
    assert after("task", key, "drop").code == 2


def test_what_is_merged_is_neither_tried_again_nor_dropped(after: Agent) -> None:
    """There is nothing to do again, and nothing to undo."""
    key = first(after, "merged")["id"]
    for answer in ("retry", "drop"):
        told = after("task", key, answer)
        assert (told.code, told.out) == (2, "")
        assert "merged" in told.err


def test_a_new_repository_is_reviewed_once_and_stays_private(after: Agent) -> None:
    """From the reports' list to a person's answer; later reports tell it."""
    report = Report.model_validate(after("report", "--json").document)
    asked = [one.repo for one in report.review_before_public]
    listed = after("review", "--json").document
    assert [one["repo"] for one in listed] == asked
    repo = asked[0]
    assert "not looked at" in after("review", repo).out
    told = after("review", repo.upper(), "--reviewed", "--json").document
    assert (told["repo"], told["answer"]) == (repo, "reviewed")
    assert told["at"].startswith(DAY)
    assert repo not in after("review").out
    assert after("review", repo, "--reject", "--json").document["answer"] == "rejected"
    assert "rejected by a person" in after("review", repo).out


def test_a_rejected_idea_is_never_proposed_again(after: Agent) -> None:
    """By its key or its title; the next plan skips it and says who said so."""
    before = after("plan", "--json").document
    wanted = [one["idea"] for one in before["ideas"] if one["verdict"] != "skip"][:2]
    after("reject", wanted[0]["key"])
    after("reject", wanted[1]["title"].upper())
    plan = after("plan", "--json").document
    for idea in wanted:
        again = next(one for one in plan["ideas"] if one["idea"]["key"] == idea["key"])
        assert (again["verdict"], again["reason"]) == ("skip", f"rejected by a person on {DAY}")
        assert idea["key"] not in {task["idea_key"] for task in plan["tasks"]}


def test_answers_stand_in_the_next_report(after: Agent) -> None:
    """A report is where a person looks for what was decided."""
    repo = after("review", "--json").document[0]["repo"]
    after("review", repo, "--reviewed")
    title = after("plan", "--json").document["ideas"][0]["idea"]["title"]
    after("reject", title)
    notes = after("run", "--until", "1m", "--json").document["notes"]
    assert f"{repo}: reviewed by a person on {DAY}; still private" in notes
    assert any(note.startswith(title) and "rejected by a person" in note for note in notes)
    assert after("report", "--json").document["notes"] == notes  # the newest of the day


def test_a_dry_run_leaves_no_report(agent: Agent) -> None:
    """What would be done is not what was done."""
    agent("run", "--dry-run")
    assert agent("report").code == 2


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "a task that is none": (("task", "knone"), "knone"),
    "a repository without an owner": (("health", "recipe-web"), "owner/name"),
    "an idea without a word": (("match", " "), "characters"),
    "an idea too long": (("match", "x" * 301), "301"),
    "a pause without a reason": (("pause", "--reason", ""), "reason"),
    "a report in no form": (("report", "--format", "html"), "md, json, summary"),
    "a date that is none": (("report", "yesterday"), "YYYY-MM-DD"),
    "a day without a report": (("report", "2020-01-01"), "2020-01-01"),
    "two answers": (("review", REPO, "--reviewed", "--reject"), "two answers"),
    "an answer about nothing": (("review", "--reviewed"), "name the repository"),
    "a repository that is not new": (("review", REPO, "--reviewed"), REPO),
    "an idea of no plan": (("reject", "Perpetual motion"), "Perpetual motion"),
}


@pytest.mark.parametrize(("arguments", "named"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_one_sentence_and_exit_2(
    agent: Agent, arguments: tuple[str, ...], named: str
) -> None:
    """INTERFACE.md, exit codes; the sentence names what was wrong."""
    told = agent(*arguments)
    assert (told.code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert named in told.err

"""The command line: one document or one sentence, and an exit code that means something."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.cli import duration, main
from agent.planner.plan import Plan
from mcp_server.errors import BadArgument

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


@pytest.fixture
def agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Agent:
    """Run `agent ARGUMENTS` in this process and in an empty folder, with no key set."""
    monkeypatch.chdir(tmp_path)
    for name in ("JULES_API_KEY", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["agent", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Said(int(left.value.code or 0), told.out, told.err)

    return run


MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "a lane that is none": (("run", "--sandbox", "--only", "fast"), "fast"),
    "sites that are not there": (("plan", "--sandbox", "--sites", "nowhere"), "nowhere"),
    "weather that is none": (("budget", "--sandbox", "--faults", "hail"), "hail"),
    "a time without a unit": (("run", "--sandbox", "--until", "90"), "90"),
    "no time at all": (("plan", "--sandbox", "--until", "0m"), "0m"),
    "two worlds": (("budget", "--sandbox", "--server", "http://127.0.0.1:9/mcp"), "two worlds"),
    "a plan that is not there": (("run", "--sandbox", "--plan", "none.json"), "none.json"),
    "a database of another kind": (("budget", "--sandbox", "--state", "mysql://x/y"), "mysql"),
    "an argument that is no pair": (("call", "budget_status", "mine", "--sandbox"), "mine"),
    "arguments that are no JSON": (("call", "budget_status", "--args", "{", "--sandbox"), "--args"),
    "arguments that are a list": (("call", "budget_status", "--args", "[]", "--sandbox"), "--args"),
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


@pytest.mark.parametrize(
    "arguments",
    [("nosuch",), ("budget", "--nosuch"), ("call",), ("budget", "--sandbox", "--seed", "x")],
)
def test_what_the_parser_refuses_exits_2_too(agent: Agent, arguments: tuple[str, ...]) -> None:
    """Typer's own words, without a traceback."""
    told = agent(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "Traceback" not in told.err


def test_a_tool_called_for_json_is_one_document(agent: Agent) -> None:
    """INTERFACE.md: one JSON document on stdout and nothing else there."""
    told = agent("call", "budget_status", "--sandbox", "--json")
    assert told.code == 0
    assert told.document["limit"] == 12
    assert told.document["remaining"] + told.document["external"] == 12


def test_a_tools_arguments_are_pairs_or_json(agent: Agent) -> None:
    """A pair wins over the object; values are JSON where they can be."""
    told = agent(
        *("call", "github_list_repos", "query=recipe", "--args", '{"query": "none"}'),
        *("--sandbox", "--json"),
    )
    assert [one["repo"] for one in told.document["repositories"]] == ["factory-owner/recipe-web"]


def test_a_tool_that_refuses_says_so_in_text_and_by_its_exit_code(agent: Agent) -> None:
    """Refusals are answers: the reason stands on stdout, in either form."""
    arguments = ("call", "jules_start_session", "prompt=x", "--sandbox")
    told, as_json = agent(*arguments), agent(*arguments, "--json")
    assert told.code == as_json.code != 0
    assert "settling" in told.out
    assert as_json.document["error"]["limit"] == "settling"


def test_the_budget_is_a_sentence_or_a_document(agent: Agent) -> None:
    """`agent budget` is `budget_status` by a shorter name."""
    told, as_json = agent("budget", "--sandbox"), agent("budget", "--sandbox", "--json")
    assert (told.code, as_json.code) == (0, 0)
    assert "of 12 sessions free now" in told.out
    assert as_json.document["limit"] == 12


def test_the_tools_are_listed_by_name(agent: Agent) -> None:
    """For a reader with the first sentence of each, for a program as the protocol has them."""
    told, as_json = agent("tools", "--sandbox"), agent("tools", "--sandbox", "--json")
    names = [tool["name"] for tool in as_json.document]
    assert [line.split()[0] for line in told.out.splitlines()] == names
    assert {"budget_status", "jules_start_session", "github_merge_pull"} <= set(names)
    assert all("inputSchema" in tool for tool in as_json.document)


def test_a_plan_is_printed_and_written_alike(agent: Agent, tmp_path: Path) -> None:
    """`agent plan -o` writes what `agent run --plan` reads."""
    told = agent("plan", "--sandbox", "--json", "-o", "plan.json")
    written = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert told.code == 0
    assert written == told.out
    assert Plan.model_validate_json(written).tasks


def test_a_plan_is_told_with_its_reasons(agent: Agent) -> None:
    """Every task with its lane, its repository and why."""
    plan = Plan.model_validate(agent("plan", "--sandbox", "--json").document)
    told = agent("plan", "--sandbox").out
    for task in plan.tasks:
        assert f"{task.repo}: {task.title} ({task.reason})" in told
    assert all(note in told for note in plan.notes)


def test_a_run_carries_out_the_plan_it_is_given(agent: Agent, tmp_path: Path) -> None:
    """A reviewed plan is executed as it is: what a person struck out is not done."""
    plan = Plan.model_validate(agent("plan", "--sandbox", "--json").document)
    kept = next(task for task in plan.tasks if task.lane == "optimize")
    reviewed = plan.model_copy(update={"tasks": (kept,)})
    (tmp_path / "mine.json").write_text(reviewed.model_dump_json(), encoding="utf-8")
    told = agent("run", "--sandbox", "--plan", "mine.json", "--json", "--out", "reports")
    assert told.code == told.document["run"]["exit"]
    assert [task["id"] for task in told.document["tasks"]] == [kept.key]
    assert told.document["tasks"][0]["sessions_spent"] >= 1
    folder = tmp_path / "reports" / plan.date
    assert json.loads((folder / "report.json").read_text()) == told.document
    assert Plan.model_validate_json((folder / "plan.json").read_text()) == reviewed
    left = {path.name for path in folder.iterdir()}
    assert left == {"report.json", "report.md", "plan.json", "audit.jsonl", "run.log"}
    events = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


def test_a_dry_run_plans_and_starts_nothing(agent: Agent, tmp_path: Path) -> None:
    """Every task is told as what would be done; the real day can still begin."""
    state = f"sqlite:///{tmp_path}/state.db"
    told = agent("run", "--sandbox", "--dry-run", "--json", "--state", state, "--only", "optimize")
    tasks = told.document["tasks"]
    assert (told.code, told.document["allowance"]["spent"]) == (0, 0)
    assert {task["state"] for task in tasks} == {"skipped"}
    assert {task["lane"] for task in tasks} == {"optimize"}
    assert all(task["reason"].startswith("dry run") for task in tasks)
    again = agent("run", "--sandbox", "--dry-run", "--json", "--state", state)
    assert again.document["run"]["resumed"] is False


def test_another_worlds_ledger_is_refused(agent: Agent, tmp_path: Path) -> None:
    """DESIGN.md section 5, fail closed: exit 7 and a sentence, with either command."""
    state = f"sqlite:///{tmp_path}/state.db"
    assert agent("budget", "--sandbox", "--state", state).code == 0
    for command in ("budget", "run"):
        told = agent(command, "--sandbox", "--seed", "8", "--state", state)
        assert (told.code, told.out) == (7, "")
        assert "sandbox:7" in told.err
        assert len(told.err.splitlines()) == 1


def test_a_damaged_ledger_is_refused(agent: Agent, tmp_path: Path) -> None:
    """DESIGN.md section 5: missing, corrupt or full means refuse and say why."""
    (tmp_path / "state.db").write_text("no database at all, but long enough to be read as one\n")
    told = agent("budget", "--sandbox", "--state", f"sqlite:///{tmp_path}/state.db")
    assert told.code == 7
    assert "state.db" in told.err


def test_settings_that_a_folder_may_not_make_are_refused(agent: Agent, tmp_path: Path) -> None:
    """DESIGN.md section 5, trust of configuration: the folder may be somebody else's."""
    (tmp_path / "factory.toml").write_text('jules_url = "https://evil.example"\n')
    told = agent("budget")
    assert told.code == 2
    assert "jules_url" in told.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("340m", timedelta(minutes=340)),
        ("5h", timedelta(hours=5)),
        ("90s", timedelta(seconds=90)),
        ("1s", timedelta(seconds=1)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    """INTERFACE.md: `--until 340m`."""
    assert duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "m", "90", "0m", "-5m", "1.5h", "5 h", "h5", "5d", "5hm", "5H"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The sentence shows what a duration looks like."""
    with pytest.raises(BadArgument, match="340m"):
        duration(text)


def test_an_installed_agent_starts_in_its_own_process(tmp_path: Path) -> None:
    """`python -m agent`, as a shell runs it: one document on stdout, nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", "budget", "--sandbox", "--json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["limit"] == 12

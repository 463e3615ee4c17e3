"""The command line: one document or one sentence, and an exit code that means something."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp_types import CallToolResult, TextContent

from agent.cli import duration, main
from agent.planner.plan import Plan
from agent.tools import failure_of
from mcp_server.errors import BadArgument

Agent = Callable[..., "Said"]
SMALL = ("--sandbox", "--size", "small")


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
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

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
    "a time beyond a day": (("plan", "--sandbox", "--until", "25h"), "25h"),
    "a level of no log": (("budget", "--sandbox", "--log-level", "bogus"), "bogus"),
    "a folder that is not there": (("plan", "--sandbox", "-o", "none/plan.json"), "none/plan.json"),
    "a file that is a folder": (("plan", "--sandbox", "-o", "."), "folder"),
    "reports where no folder can be": (("run", "--sandbox", "--out", "/dev/null/out"), "--out"),
    "no key": (("budget",), "JULES_API_KEY"),
    "a server without an address": (("budget", "--server", "nonsense"), "nonsense"),
    "a server without a host": (("budget", "--server", "http://"), "http://"),
    "a server on no port": (("budget", "--server", "http://x:y/mcp"), "http://x:y/mcp"),
    "two worlds": (
        ("budget", "--sandbox", "--server", "http://127.0.0.1:9/mcp"),
        "--sandbox and --server name 2 worlds",
    ),
    "a served world and one of its own": (
        ("budget", "--sandbox", "--world", "http://127.0.0.1:9"),
        "--sandbox and --world name 2 worlds",
    ),
    "a served world and a server": (
        ("budget", "--world", "http://127.0.0.1:9", "--server", "http://127.0.0.1:9/mcp"),
        "--world and --server name 2 worlds",
    ),
    "a served world elsewhere": (("run", "--world", "http://example.org:80"), "example.org"),
    "a served world that is not there": (("run", "--world", "http://127.0.0.1:1"), "127.0.0.1:1"),
    "weather that is none, for others": (("sandbox", "serve", "--faults", "hail"), "hail"),
    "sites that are not there, for others": (("sandbox", "serve", "--sites", "none"), "none"),
    "a plan that is not there": (("run", "--sandbox", "--plan", "none.json"), "none.json"),
    "a plan that is a folder": (("run", "--sandbox", "--plan", "."), "--plan"),
    "a database of no file": (("budget", "--sandbox", "--state", "sqlite:///"), "sqlite:///"),
    "a database of another kind": (("budget", "--sandbox", "--state", "mysql://x/y"), "mysql"),
    "an argument that is no pair": (("call", "budget_status", "mine", "--sandbox"), "mine"),
    "an argument the tool has not": (
        ("call", "budget_pause", "why=x", "--sandbox"),
        "reason",
    ),
    "an argument in JSON the tool has not": (
        ("call", "budget_status", "--args", '{"x": 1}', "--sandbox"),
        "'x'",
    ),
    "a number that is none": (
        ("call", "jules_list_sessions", "max_age=soon", "--sandbox"),
        "max_age",
    ),
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
    [
        *(("nosuch",), ("budget", "--nosuch"), ("call",), ("budget", "--sandbox", "--seed", "x")),
        *(("budget", "--sandbox", "--size", "huge"), ("sandbox", "serve", "--size", "huge")),
        *(("sandbox", "serve", "--port", "x"), ("sandbox", "serve", "--port", "65536")),
    ],
)
def test_what_the_parser_refuses_exits_2_too(agent: Agent, arguments: tuple[str, ...]) -> None:
    """Typer's own words, without a traceback."""
    told = agent(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "Traceback" not in told.err


def test_a_port_that_is_taken_is_one_sentence(agent: Agent) -> None:
    """Nothing is served then, and the port is named."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = agent("sandbox", "serve", "--port", str(port))
    assert (told.code, told.out, len(told.err.splitlines())) == (2, "", 1)
    assert f"--port {port}" in told.err


@pytest.mark.parametrize(
    ("size", "repositories", "allowance"), [((), 120, 100), (("--size", "small"), 15, 12)]
)
def test_a_sandbox_is_of_full_size_unless_a_small_one_is_asked_for(
    agent: Agent, size: tuple[str, ...], repositories: int, allowance: int
) -> None:
    """The day that a person sees first is the product's, not the tests'."""
    told = agent("survey", "--sandbox", "--json", *size)
    assert told.code == 0
    assert len(told.document["repositories"]) == repositories
    assert told.document["budget"]["limit"] == allowance


def test_a_tool_called_for_json_is_one_document(agent: Agent) -> None:
    """INTERFACE.md: one JSON document on stdout and nothing else there."""
    told = agent("call", "budget_status", *SMALL, "--json")
    assert told.code == 0
    assert told.document["limit"] == 12
    assert told.document["remaining"] + told.document["external"] == 12


@pytest.mark.parametrize(
    "content",
    ["{}", "[]", '{"date": "2026-11-23"}', "not JSON", "\xff"],
)
def test_a_file_that_is_no_plan_is_one_sentence(agent: Agent, tmp_path: Path, content: str) -> None:
    """`--plan` reads what `agent plan -o` writes; anything else is named, not dumped."""
    (tmp_path / "mine.json").write_bytes(content.encode("latin-1"))
    told = agent("run", *SMALL, "--plan", "mine.json")
    assert (told.code, told.out) == (2, "")
    assert len(told.err.splitlines()) == 1
    assert "mine.json" in told.err


def test_a_tools_arguments_are_pairs_or_json(agent: Agent) -> None:
    """A pair wins over the object."""
    told = agent(
        *("call", "github_list_repos", "query=recipe", "--args", '{"query": "none"}'),
        *(*SMALL, "--json"),
    )
    assert [one["repo"] for one in told.document["repositories"]] == ["factory-owner/recipe-web"]


def test_a_pair_is_read_as_the_tools_schema_has_it(agent: Agent) -> None:
    """An id of digits stays text (every real session id is one); numbers and booleans are JSON."""
    listed = agent(
        *(
            "call",
            "jules_list_sessions",
            "max_age=0",
            "mine=false",
            "repo=factory-owner/recipe-web",
        ),
        *(*SMALL, "--json"),
    )
    (session, *_) = listed.document["sessions"]
    assert session["id"].isdigit()
    told = agent("call", "jules_get_session", f"session_id={session['id']}", *SMALL, "--json")
    assert (told.code, told.document["session"]["id"]) == (0, session["id"])


def test_a_list_in_a_pair_is_json(agent: Agent) -> None:
    """A nullable list takes JSON, as `--args` does."""
    told = agent(
        *("call", "github_repo_health", 'repos=["factory-owner/recipe-web"]', *SMALL, "--json")
    )
    assert told.code == 0
    assert [one["repo"] for one in told.document["health"]] == ["factory-owner/recipe-web"]


def test_a_tool_that_refuses_says_so_in_text_and_by_its_exit_code(agent: Agent) -> None:
    """Refusals are answers: the reason stands on stdout, in either form."""
    arguments = ("call", "jules_start_session", "prompt=x", *SMALL)
    told, as_json = agent(*arguments), agent(*arguments, "--json")
    assert (told.code, as_json.code) == (7, 7)
    assert "settling" in told.out
    assert as_json.document["error"]["limit"] == "settling"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nosuch", "x=1"), "bad_argument"),
        (("jules_list_sessions", "max_age=-1"), "bad_argument"),
        (("jules_get_session",), "bad_argument"),
        (("jules_get_session", "session_id=12345"), "not_found"),
    ],
)
def test_a_call_that_is_the_callers_mistake_is_told_as_one(
    agent: Agent, arguments: tuple[str, ...], code: str
) -> None:
    """Exit 2 with a reason, whether the tool or the protocol's library said no."""
    told = agent("call", *arguments, *SMALL)
    as_json = agent("call", *arguments, *SMALL, "--json")
    assert (told.code, as_json.code) == (2, 2)
    error = as_json.document["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["message"] in told.out


def test_a_tool_that_crashed_is_nobodys_mistake() -> None:
    """The library hides the text of a crash (mcp 2.3, `Tool.run`): code `failed`, exit 1."""
    text = TextContent(type="text", text="Error executing tool budget_status")
    crash = CallToolResult(content=[text], is_error=True)
    assert failure_of("budget_status", crash).code == "failed"


def test_the_budget_is_a_sentence_or_a_document(agent: Agent) -> None:
    """`agent budget` is `budget_status` by a shorter name."""
    told, as_json = agent("budget", *SMALL), agent("budget", *SMALL, "--json")
    assert (told.code, as_json.code) == (0, 0)
    assert "of 12 sessions free now" in told.out
    assert as_json.document["limit"] == 12


def test_the_tools_are_listed_by_name(agent: Agent) -> None:
    """For a reader with the first sentence of each, for a program as the protocol has them."""
    told, as_json = agent("tools", *SMALL), agent("tools", *SMALL, "--json")
    names = [tool["name"] for tool in as_json.document]
    assert [line.split()[0] for line in told.out.splitlines()] == names
    assert {"budget_status", "jules_start_session", "github_merge_pull"} <= set(names)
    assert all("inputSchema" in tool for tool in as_json.document)


def test_a_plan_is_printed_and_written_alike(agent: Agent, tmp_path: Path) -> None:
    """`agent plan -o` writes what `agent run --plan` reads."""
    told = agent("plan", *SMALL, "--json", "-o", "plan.json")
    written = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert told.code == 0
    assert written == told.out
    assert Plan.model_validate_json(written).tasks


def test_a_plan_is_told_with_its_reasons(agent: Agent) -> None:
    """Every task with its lane, its repository and why."""
    plan = Plan.model_validate(agent("plan", *SMALL, "--json").document)
    told = agent("plan", *SMALL).out
    for task in plan.tasks:
        assert f"{task.repo}: {task.title} ({task.reason})" in told
    assert all(note in told for note in plan.notes)


def test_a_run_carries_out_the_plan_it_is_given(agent: Agent, tmp_path: Path) -> None:
    """A reviewed plan is executed as it is: what a person struck out is not done."""
    plan = Plan.model_validate(agent("plan", *SMALL, "--json").document)
    kept = next(task for task in plan.tasks if task.lane == "optimize")
    reviewed = plan.model_copy(update={"tasks": (kept,)})
    (tmp_path / "mine.json").write_text(reviewed.model_dump_json(), encoding="utf-8")
    told = agent("run", *SMALL, "--plan", "mine.json", "--json", "--out", "reports")
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
    told = agent("run", *SMALL, "--dry-run", "--json", "--state", state, "--only", "optimize")
    tasks = told.document["tasks"]
    assert (told.code, told.document["allowance"]["spent"]) == (0, 0)
    assert {task["state"] for task in tasks} == {"skipped"}
    assert {task["lane"] for task in tasks} == {"optimize"}
    assert all(task["reason"].startswith("dry run") for task in tasks)
    again = agent("run", *SMALL, "--dry-run", "--json", "--state", state)
    assert again.document["run"]["resumed"] is False


def test_another_worlds_ledger_is_refused(agent: Agent, tmp_path: Path) -> None:
    """DESIGN.md section 5, fail closed: exit 7 and a sentence, with either command."""
    state = f"sqlite:///{tmp_path}/state.db"
    assert agent("budget", *SMALL, "--state", state).code == 0
    for command in ("budget", "run"):
        told = agent(command, *SMALL, "--seed", "8", "--state", state)
        assert (told.code, told.out) == (7, "")
        assert "sandbox:7" in told.err
        assert len(told.err.splitlines()) == 1


def test_a_damaged_ledger_is_refused(agent: Agent, tmp_path: Path) -> None:
    """DESIGN.md section 5: missing, corrupt or full means refuse and say why."""
    (tmp_path / "state.db").write_text("no database at all, but long enough to be read as one\n")
    told = agent("budget", *SMALL, "--state", f"sqlite:///{tmp_path}/state.db")
    assert told.code == 7
    assert "state.db" in told.err


@pytest.mark.parametrize("path", ["/proc/none/x.db", "/proc/x.db", "/dev/null/x.db", "/proc"])
@pytest.mark.parametrize("world", [("--sandbox",), ("--server", "http://127.0.0.1:9/mcp")])
def test_a_place_where_no_ledger_can_be_is_refused(
    agent: Agent, path: str, world: tuple[str, ...]
) -> None:
    """Fail closed in one sentence, whoever finds out: file system or database."""
    told = agent("budget", "--state", f"sqlite:///{path}", *world)
    assert (told.code, told.out) == (7, "")
    assert len(told.err.splitlines()) == 1
    assert path in told.err


def test_a_server_that_does_not_answer_is_one_sentence(agent: Agent, tmp_path: Path) -> None:
    """Nothing listens on the discard port: exit 7, and the address is named."""
    state = f"sqlite:///{tmp_path}/state.db"
    told = agent("budget", "--server", "http://127.0.0.1:9/mcp", "--state", state)
    assert (told.code, told.out) == (7, "")
    assert len(told.err.splitlines()) == 1
    assert "http://127.0.0.1:9/mcp" in told.err


def test_the_last_words_of_a_server_that_dies_are_the_sentence(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that finds another world's ledger says so; the agent repeats no traceback."""
    state = f"sqlite:///{tmp_path}/state.db"
    assert agent("budget", *SMALL, "--state", state).code == 0
    monkeypatch.setenv("JULES_API_KEY", "a key of nobody")
    monkeypatch.setenv("GITHUB_TOKEN", "a token of nobody")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    told = agent("budget", "--state", state)
    assert (told.code, told.out) == (7, "")
    assert "sandbox:7" in told.err
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize("path", ["/proc/none/x.db", "/proc/x.db"])
def test_a_server_of_its_own_refuses_such_a_place_too(tmp_path: Path, path: str) -> None:
    """`mcp-server` as a chat host starts it: one sentence on stderr and exit 7."""
    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-m", "mcp_server", "--state", f"sqlite:///{path}"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "JULES_API_KEY": "a key of nobody",
            "GITHUB_TOKEN": "a token of nobody",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (7, "")
    assert len(done.stderr.splitlines()) == 1
    assert path in done.stderr


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
        ("24h", timedelta(hours=24)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    """INTERFACE.md: `--until 340m`."""
    assert duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "m", "90", "0m", "-5m", "1.5h", "5 h", "h5", "5d", "5hm", "5H", "5m\n"),
        *("²m", "\u0665m", "99999999999999h", "9" * 5000 + "s", "86401s", "25h"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """The sentence shows what a duration looks like."""
    with pytest.raises(BadArgument, match="340m"):
        duration(text)


def test_an_installed_agent_starts_in_its_own_process(tmp_path: Path) -> None:
    """`python -m agent`, as a shell runs it: one document on stdout, nothing on stderr."""
    done = subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-m", "agent", "budget", *SMALL, "--json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["limit"] == 12

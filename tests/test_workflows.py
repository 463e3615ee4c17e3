"""Schedules that compete for the allowance: found by what they say, switched off, never CI."""

from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.clients.github_workflows import schedules, uses_jules
from mcp_server.sandbox.portfolio import CI_YML, SCHEDULED_YML
from mcp_server.sandbox.repository import OWNER, Repo
from mcp_server.settings import Settings
from tests.agent_cases import REPO, Desk, at_desk
from tests.mutation_cases import repo_of

NIGHTLY = ".github/workflows/nightly.yml"
OURS = ".github/workflows/daily_factory.yml"
SECRET = "env:\n  KEY: ${{ secrets.JULES_API_KEY }}\n"
CRON = 'on:\n  schedule:\n    - cron: "0 3 * * *"\n'


@pytest.mark.parametrize(
    ("text", "crons"),
    [
        (CRON, ("0 3 * * *",)),
        (
            "on:\n  schedule:\n  - cron: '5 4 * * 1'\n  - cron: 0 0 * * *\n",
            ("5 4 * * 1", "0 0 * * *"),
        ),
        ("on: {schedule: [{cron: '1 2 * * *'}], push: {}}", ("1 2 * * *",)),
        ('"on":\n  "schedule":\n    - "cron": "0 3 * * *"\n', ("0 3 * * *",)),
        ("on:\n  schedule:\n    - <<: *night\n", ("?",)),
        ("on:\n  schedule: # at night\n    - cron: 0 3 * * * # UTC\n", ("0 3 * * *",)),
        ("on: [push]\n# schedule:\n#   - cron: '0 3 * * *'\n", ()),
        ("on: [push]\njobs:\n  x:\n    steps:\n      - run: ./reschedule: now\n", ()),
        (CI_YML, ()),
        ("", ()),
    ],
)
def test_a_schedule_is_found_however_it_is_written(text: str, crons: tuple[str, ...]):
    """A loop that is missed goes on spending; one too many is refused by a person's look."""
    assert schedules(text) == crons


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (SECRET, True),
        (SCHEDULED_YML, True),
        ("- uses: google-labs-code/jules-invoke@v1\n", True),
        ("- run: curl https://jules.googleapis.com/v1alpha/sessions\n", True),
        ("- run: jules remote new --repo a/b\n", True),
        ("# JULES_API_KEY is not used any more\n", False),
        ("- run: echo jules verne\n", False),
        (CI_YML, False),
    ],
)
def test_a_way_to_start_sessions_is_known_by_its_name(text: str, found: bool):
    """The key, the API, the action, or the command line tool; comments do nothing."""
    assert uses_jules(text) is found


def put(desk: Desk, **files: str) -> Repo:
    """Write workflows, by the name of their file, into `REPO`."""
    hub, repo = desk.world.github, repo_of(desk)
    texts = {f".github/workflows/{name}.yml": text for name, text in files.items()}
    hub.push(repo, "main", hub.commit(repo, repo.git.branches["main"], texts, "Flows", OWNER))
    return repo


async def by_name(desk: Desk) -> dict[str, int]:
    """Return every workflow's id, from what GitHub itself lists."""
    listed = await desk.services.workflows.workflows(REPO)
    return {one.name: one.id for one in listed}


def test_what_competes_is_shown_with_its_schedule_and_nothing_else_is():
    """Issue 6 point 9; this factory's own schedule is the one that shall go on."""

    async def play(desk: Desk) -> None:
        put(
            desk,
            nightly=CRON + SECRET,
            backup=CRON,
            daily_factory=CRON + SECRET,
            manual="on: [workflow_dispatch]\n" + SECRET,
        )
        told = await desk.ask("github_list_workflows", repo=REPO)
        found = {one["name"]: one for one in told["workflows"]}
        assert {name: one["competes"] for name, one in found.items()} == {
            "backup": False,
            "daily_factory": False,
            "nightly": True,
        }
        assert found["nightly"]["crons"] == ["0 3 * * *"]
        assert told["others"] == 2

    at_desk(play)


def test_a_competing_workflow_is_switched_off_once_and_again_when_somebody_undid_it():
    """Its file stays; what a person switches on again is a new wish, not an old answer."""

    async def play(desk: Desk) -> None:
        repo = put(desk, nightly=CRON + SECRET)
        given = {"repo": REPO, "workflow_id": (await by_name(desk))["nightly"]}
        first = await desk.ask("github_disable_workflow", **given)
        again = await desk.ask("github_disable_workflow", **given)
        assert (first["already"], again["already"]) == (False, True)
        assert repo.disabled == [NIGHTLY]
        told = await desk.ask("github_list_workflows", repo=REPO)
        assert (told["workflows"][0]["state"], told["workflows"][0]["competes"]) == (
            "disabled_manually",
            False,
        )
        repo.disabled = []
        third = await desk.ask("github_disable_workflow", **given)
        assert (third["already"], repo.disabled) == (False, [NIGHTLY])
        sent = [call for call in desk.tap.mutations if call.endswith("/disable")]
        assert len(sent) == 2
        assert NIGHTLY in repo.git.files(repo.git.branches["main"])

    at_desk(play)


Prepare = Callable[[Desk], Awaitable[dict[str, object]]]


def of_name(name: str) -> Prepare:
    """Return what names one workflow among CI, ours, and a mere schedule."""

    async def prepare(desk: Desk) -> dict[str, object]:
        put(desk, backup=CRON, daily_factory=CRON + SECRET)
        return {"repo": REPO, "workflow_id": (await by_name(desk))[name]}

    return prepare


async def of_strangers(desk: Desk) -> dict[str, object]:
    del desk
    return {"repo": "octo-helper/other", "workflow_id": 1}


async def of_nobody(desk: Desk) -> dict[str, object]:
    del desk
    return {"repo": REPO, "workflow_id": 1}


@pytest.mark.parametrize(
    ("prepare", "refusal"),
    [
        (of_name("ci"), ("refused", "workflow")),
        (of_name("backup"), ("refused", "workflow")),
        (of_name("daily_factory"), ("refused", "workflow")),
        (of_strangers, ("not_found", None)),
        (of_nobody, ("not_found", None)),
    ],
    ids=["CI", "a mere schedule", "our own", "another's repository", "no such workflow"],
)
def test_nothing_else_is_ever_switched_off(prepare: Prepare, refusal: tuple[str, str | None]):
    """Without CI nothing could be proved; a planner that was talked into it gets nowhere."""

    async def play(desk: Desk) -> None:
        told = await desk.call("github_disable_workflow", **await prepare(desk))
        assert told.refusal == refusal
        assert desk.tap.mutations == []

    at_desk(play)


def test_a_repository_that_is_never_touched_keeps_its_schedules():
    """The setting is a person's; names ignore case."""
    keys = Settings(
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
        never_touch=(REPO.upper(),),
    )

    async def play(desk: Desk) -> None:
        put(desk, nightly=CRON + SECRET)
        workflow_id = (await by_name(desk))["nightly"]
        told = await desk.call("github_disable_workflow", repo=REPO, workflow_id=workflow_id)
        assert told.refusal == ("refused", "never_touch")
        assert desk.tap.mutations == []

    at_desk(play, keys=keys)

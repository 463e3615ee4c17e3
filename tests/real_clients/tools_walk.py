"""Walks our own tools, over MCP and in memory, along the rows of the clients nobody here wrote."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.sandbox.mix import FULL
from mcp_server.settings import Settings
from tests.agent_cases import Answer, Desk, at_desk

LONG_AGO = "2026-01-01T00:00:00Z"
Row = Callable[["Walk"], Awaitable[str]]


def walk(repo: str) -> dict[str, str]:
    """Return what our tools make of each row, in a world as `agent sandbox serve` begins one."""

    async def play(desk: Desk) -> dict[str, str]:
        await desk.settle()
        here = Walk(desk, repo)
        results = {name: await row(here) for name, row in ROWS.items()}
        assert desk.broken == []
        return results

    async def strange(desk: Desk) -> str:
        return _failure(await desk.call("jules_list_sources"))

    async def destroy(desk: Desk) -> str:
        await desk.settle()
        return await _delete(Walk(desk, repo))

    return {
        **at_desk(play, size=FULL, keys=_settings()),
        # The judge minds, whoever allowed it.
        "sessions.delete": at_desk(destroy, size=FULL, keys=_settings(enable_delete=True)),
        "a wrong key": at_desk(strange, size=FULL, keys=_settings(jules_key="another-jules-key")),
    }


def _settings(*, jules_key: str = SANDBOX_JULES_KEY, enable_delete: bool = False) -> Settings:
    return Settings(
        allowance=FULL.allowance,
        jules_api_key=SecretStr(jules_key),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
        enable_delete=enable_delete,
    )


def _failure(answer: Answer) -> str:
    return f"`{answer.error['code']}`"


class Walk:
    """A desk, and the sessions that were started at it."""

    def __init__(self, desk: Desk, repo: str) -> None:
        """Start sessions on `repo`."""
        self.desk = desk
        self.repo = repo
        self._started = 0
        self._plain: str | None = None

    async def start(self, words: str, **more: object) -> str:
        """Start a session whose life these words steer; return its id."""
        return (await self.desk.ask("jules_start_session", **self.asked(words, **more)))[
            "session_id"
        ]

    def asked(self, words: str, **more: object) -> dict[str, object]:
        """Return the arguments of a start under a new task key."""
        self._started += 1
        prompt = f"Add tests for the parser\nsandbox-life: {words}"
        given = {"prompt": prompt, "repo": self.repo, "lane": "optimize", "title": "Tests"}
        return {**given, "task_key": f"kwalk{self._started}", **more}

    async def wait(self, session_id: str) -> dict[str, Any]:
        """Wait until a session needs somebody."""
        while True:
            told = await self.desk.ask("jules_wait", session_id=session_id)
            if not told["timed_out"]:
                return told

    async def finish(self, words: str, **more: object) -> str:
        """Start a session and wait for its end; return its id."""
        session_id = await self.start(words, **more)
        await self.wait(session_id)
        return session_id

    async def plain(self) -> str:
        """Return a session that went well."""
        if self._plain is None:
            self._plain = await self.finish("calm quick")
        return self._plain

    async def activities(self, session_id: str, **more: object) -> list[dict[str, Any]]:
        """Return its activities."""
        given = {"session_id": session_id, "last": 50, **more}
        return (await self.desk.ask("jules_list_activities", **given))["activities"]

    async def pull(self, session_id: str) -> object:
        """Return the pull request that a session shows."""
        return (await self.desk.ask("jules_get_session", session_id=session_id))["session"]["pull"]


async def _list_sources(here: Walk) -> str:
    found = (await here.desk.ask("jules_list_sources"))["sources"]
    assert len({one["repo"] for one in found}) == len(found)
    return f"{len(found)} sources, page by page"


async def _get_source(here: Walk) -> str:
    found = (await here.desk.ask("jules_get_source", repo=here.repo))["source"]
    assert found["default_branch"] in found["branches"]
    return "found, with its branches"


async def _create(here: Walk) -> str:
    assert await here.pull(await here.plain())
    return "with a repository: a pull request"


async def _late_pull(here: Walk) -> str:
    session_id = await here.finish("calm quick output-late")
    seen = [await here.pull(session_id)]
    await here.desk.wait(minutes=2)
    seen.append(await here.pull(session_id))
    return ", then ".join("there" if pull else "not there" for pull in seen)


async def _create_repoless(here: Walk) -> str:
    session_id = await here.finish("calm quick", repo=None, lane="manual")
    patch = (await here.desk.ask("jules_get_patch", session_id=session_id))["patch"]
    assert patch["files"]
    assert patch["removed"] == 0
    assert await here.pull(session_id) is None
    return "new files, no pull request"


async def _get_session(here: Walk) -> str:
    found = await here.desk.ask("jules_get_session", session_id=await here.plain())
    assert found["session"]["marker"]["valid"]
    return str(found["session"]["state"]).lower()


async def _listed(here: Walk, **more: object) -> list[str]:
    found = (await here.desk.ask("jules_list_sessions", max_age=0, **more))["sessions"]
    times = [one["created_at"] for one in found]
    assert times == sorted(times, reverse=True)
    return [one["id"] for one in found]


async def _list_sessions(here: Walk) -> str:
    ids = await _listed(here)
    assert await here.plain() in ids
    assert len(set(ids)) == len(ids) > 2
    return "newest first, each once"


async def _archive(here: Walk) -> str:
    session_id = await here.finish("calm quick no-outputs")
    await here.desk.ask("jules_archive_session", session_id=session_id)
    shown = [session_id in await _listed(here, archived=archived) for archived in (False, True)]
    assert shown == [False, True]
    return "hidden by default, shown by its filter"


async def _unarchive(here: Walk) -> str:
    session_id = await here.finish("calm quick no-outputs")
    await here.desk.ask("jules_archive_session", session_id=session_id)
    await here.desk.ask("jules_unarchive_session", session_id=session_id)
    assert session_id in await _listed(here)
    return "shown again"


async def _approve_plan(here: Walk) -> str:
    session_id = await here.start("calm quick", require_plan_approval=True)
    assert (await here.wait(session_id))["health"] == "plan_ready"
    await here.desk.ask("jules_approve_plan", session_id=session_id)
    end = await here.wait(session_id)
    return f"waited for, approved, {end['session']['state'].lower()}"


async def _send_message(here: Walk) -> str:
    session_id = await here.start("calm quick asks")
    asking = await here.wait(session_id)
    assert asking["health"] == "asking"
    assert asking["question"]["text"] == "Which of the two do you prefer?"
    await here.desk.ask("jules_send_message", session_id=session_id, message="The first one")
    end = await here.wait(session_id)
    while end["health"] == "asking":
        await here.desk.wait(minutes=1)
        end = await here.wait(session_id)
    return f"asked, answered, {end['session']['state'].lower()}"


async def _list_activities(here: Walk) -> str:
    session_id = await here.plain()
    first = await here.activities(session_id)
    assert (first[0]["kind"], first[-1]["kind"]) == ("planGenerated", "sessionCompleted")
    later = await here.activities(session_id, after=first[1]["at"])
    assert later == first[2:]
    return "oldest first; read on from a time: nothing twice"


async def _stream_activities(here: Walk) -> str:
    told = await here.wait(await here.start("calm quick"))
    assert told["plan_steps"]
    return "waited for to the end, with progress"


async def _get_activity(here: Walk) -> str:
    session_id = await here.plain()
    first = (await here.activities(session_id))[0]
    given = {"session_id": session_id, "activity_id": first["id"]}
    assert len((await here.desk.ask("jules_get_activity", **given))["activity"]["plan_steps"]) == 3
    return "with its plan"


async def _artifacts(here: Walk) -> str:
    session_id = await here.plain()
    found = list[dict[str, Any]]()
    for one in await here.activities(session_id):
        if one["artifacts"]:
            given = {"session_id": session_id, "activity_id": one["id"]}
            found.append(await here.desk.ask("jules_get_activity", **given))
    assert [image["mime_type"] for one in found for image in one["images"]] == ["image/png"]
    assert {run["exit_code"] or 0 for one in found for run in one["commands"]} == {0, 1}
    assert found[-1]["patch"]["files"]
    return "all three"


async def _diff_in_activities(here: Walk) -> str:
    session_id = await here.finish("calm quick no-outputs")
    found = await here.desk.ask("jules_get_patch", session_id=session_id)
    last = (await here.activities(session_id))[-1]
    assert found["found_in"] == last["id"]
    assert len(found["patch"]["base_commit"]) == 40
    return "found in the last activity"


async def _failed(here: Walk) -> str:
    told = await here.wait(await here.start("calm quick fails"))
    assert "The task could not be completed." in told["evidence"] + told["last_words"]
    return f"health `{told['health']}`, with the reason"


async def _unknown_source(here: Walk) -> str:
    asked = here.asked("calm", repo="factory-owner/nothing")
    return _failure(await here.desk.call("jules_start_session", **asked))


async def _unknown_session(here: Walk) -> str:
    before = sum(here.desk.world.requests.values())
    told = await here.desk.call("jules_get_session", session_id="1234567890123456789")
    asked = sum(here.desk.world.requests.values()) - before
    return f"{_failure(told)} after {asked} request{'s' if asked > 1 else ''}"


async def _early_activities(here: Walk) -> str:
    session_id = await here.start("calm")
    asked = here.desk.clock.elapsed()
    await here.desk.ask("jules_list_activities", session_id=session_id)
    return f"answered after {here.desk.clock.elapsed() - asked:.0f} s"


async def _odd_activity(here: Walk) -> str:
    session_id = await here.finish("calm quick odd-activity")
    first = (await here.activities(session_id))[0]
    assert (first["kind"], first["text"]) == ("none", "Session started")
    return "read: its description"


async def _unavailable(here: Walk) -> str:
    session_id = await here.start("calm quick unavailable")
    told = await here.desk.call("jules_get_session", session_id=session_id)
    again = await here.desk.call("jules_get_session", session_id=session_id)
    await here.desk.ask("jules_get_session", session_id=session_id)
    return f"{_failure(told)}, {_failure(again)}, then an answer"


async def _rate_limit(here: Walk) -> str:
    given = {"session_id": await here.plain(), "after": LONG_AGO}
    told = [await here.desk.call("jules_list_activities", **given) for _ in range(121)]
    await here.desk.wait(minutes=1)
    await here.desk.ask("jules_list_activities", **given)
    return f"{_failure(told[-1])}, and an answer a minute later"


async def _lost_answer(here: Walk) -> str:
    asked = here.asked("calm answer-lost", title="Only once")
    first = await here.desk.call("jules_start_session", **asked)
    await here.desk.ask("budget_reconcile")
    assert (await here.desk.ask("jules_start_session", **asked))["already"]
    listed = (await here.desk.ask("jules_list_sessions", max_age=0))["sessions"]
    found = sum(one["title"].endswith("Only once") for one in listed)
    return f"{_failure(first)}, never sent again: {found} session"


async def _delete(here: Walk) -> str:
    session_id = await here.finish("calm quick no-outputs")
    await here.desk.ask("jules_delete_session", session_id=session_id, confirm=True)
    gone = _failure(await here.desk.call("jules_get_session", session_id=session_id))
    return f"only if the operator enabled it; then {gone}"


ROWS: Mapping[str, Row] = {
    "sources.list": _list_sources,
    "sources.get": _get_source,
    "sessions.create": _create,
    "sessions.create, repoless": _create_repoless,
    "sessions.get": _get_session,
    "sessions.list": _list_sessions,
    "sessions.sendMessage": _send_message,
    "sessions.approvePlan": _approve_plan,
    "sessions.archive": _archive,
    "sessions.unarchive": _unarchive,
    "sessions.activities.list": _list_activities,
    "sessions.activities.list, as it happens": _stream_activities,
    "sessions.activities.get": _get_activity,
    "a pull request that shows late": _late_pull,
    "a picture, command output, a diff": _artifacts,
    "a diff in activities only": _diff_in_activities,
    "a session that fails": _failed,
    "an unknown source": _unknown_source,
    "an unknown session": _unknown_session,
    "activities right after the create": _early_activities,
    "an activity without an event": _odd_activity,
    "503 eight times, then an answer": _unavailable,
    "429 until the minute is over": _rate_limit,
    "a create whose answer is lost": _lost_answer,
}

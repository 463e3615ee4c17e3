"""The sandbox's Jules, on the wire: facts/jules-api.md section 8 is the checklist."""

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx2
import pytest

from mcp_server.sandbox.life import draw_life
from mcp_server.sandbox.mix import CALM, FULL, SMALL
from mcp_server.sandbox.visitor import Visitor, scripted, visit

REPO = "factory-owner/recipe-web"


async def session_of(v: Visitor, session_id: str) -> dict[str, Any]:
    return (await v.jules("GET", f"/sessions/{session_id}")).raise_for_status().json()


async def wait_for(v: Visitor, session_id: str, *states: str) -> dict[str, Any]:
    for _ in range(600):
        session = await session_of(v, session_id)
        if session["state"] in states:
            return session
        await v.wait(seconds=15)
    raise AssertionError(f"never {states}")


async def events(v: Visitor, session_id: str) -> list[str]:
    page = (await v.jules("GET", f"/sessions/{session_id}/activities?pageSize=100")).json()
    common = ("name", "id", "originator", "description", "createTime", "artifacts")
    return [
        next((k for k in item if k not in common), "none") for item in page.get("activities", [])
    ]


def on(source: str) -> dict[str, object]:
    """Return the context of a session on a branch that is not there."""
    return {"sourceContext": {"source": source, "githubRepoContext": {"startingBranch": "gone"}}}


CREATE = {"prompt": "Do it"}
REFUSALS: list[tuple[str, str, object, int, str]] = [
    ("GET", "/sessions/1", None, 404, "NOT_FOUND"),
    ("GET", "/sources/github/factory-owner/none", None, 404, "NOT_FOUND"),
    ("GET", "/sessions?state=FAILED", None, 400, "INVALID_ARGUMENT"),
    ("GET", '/sessions?filter=state="FAILED"', None, 400, "INVALID_ARGUMENT"),
    ("GET", "/sessions?pageToken=%21", None, 400, "INVALID_ARGUMENT"),
    ("GET", "/sessions?pageSize=-1", None, 400, "INVALID_ARGUMENT"),
    ("GET", "/sources?filter=owner%3Dx", None, 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", {"prompt": ""}, 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", {**CREATE, "colour": "red"}, 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", {**CREATE, "automationMode": "MANUAL"}, 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", {**CREATE, "requirePlanApproval": "yes"}, 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", [], 400, "INVALID_ARGUMENT"),
    ("POST", "/sessions", {**CREATE, **on("sources/github-a-b")}, 404, "NOT_FOUND"),
    ("POST", "/sessions", {**CREATE, **on(f"sources/github/{REPO}")}, 400, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("method", "path", "body", "code", "status"), REFUSALS)
def test_what_the_api_refuses_is_refused_in_googles_envelope(
    method: str, path: str, body: object, code: int, status: str
) -> None:
    """jules-api.md 5.3; a refused create has made nothing."""

    async def play(v: Visitor) -> tuple[httpx2.Response, int]:
        return await v.jules(method, path, body), len(v.world.jules.sessions)

    answer, sessions = visit(play, size=CALM)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (code, code, status)
    assert ("fieldViolations" in str(error.get("details"))) == (status == "INVALID_ARGUMENT")
    assert sessions == 0


def test_a_missing_key_gets_the_misleading_401() -> None:
    """jules-api.md 5.3, measured live by MOON."""

    async def play(v: Visitor) -> httpx2.Response:
        return await v.http.get("https://jules.googleapis.com/v1alpha/sources")

    answer = visit(play)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (401, "UNAUTHENTICATED")
    assert error["message"].startswith("API keys are not supported by this API.")
    assert error["details"][0]["reason"] == "CREDENTIALS_MISSING"


@pytest.mark.parametrize(("size", "first_page"), [("", 30), ("0", 30), ("7", 7), ("1000", 100)])
def test_pages_cover_every_source_once_and_in_order(size: str, first_page: int) -> None:
    """Default 30, never above 100 (jules-api.md 1.2)."""

    async def play(v: Visitor) -> list[list[str]]:
        pages: list[list[str]] = []
        token = ""
        while token or not pages:
            path = f"/sources?pageSize={size}&pageToken={token}"
            body = (await v.jules("GET", path)).json()
            pages.append([source["name"] for source in body["sources"]])
            token = body.get("nextPageToken", "")
        return pages

    pages = visit(play, size=FULL)
    names = [name for page in pages for name in page]
    assert len(pages[0]) == first_page
    assert len(names) == 120
    assert names == sorted(set(names))


def test_a_created_session_has_the_true_form() -> None:
    """Decimal id, names, defaults and empty fields left out (jules-api.md 1.1, 2.6)."""

    async def play(v: Visitor) -> dict[str, Any]:
        return await v.start(REPO, "Parser tests")

    session = visit(play, size=CALM)
    assert session["id"].isdecimal()
    assert 16 <= len(session["id"]) <= 20
    assert session == {
        "name": f"sessions/{session['id']}",
        "id": session["id"],
        "prompt": "Add tests for the parser",
        "title": "Parser tests",
        "state": "QUEUED",
        "url": f"https://jules.google.com/session/{session['id']}",
        "sourceContext": {
            "source": f"sources/github/{REPO}",
            "githubRepoContext": {"startingBranch": "main"},
        },
        "createTime": "2026-11-23T00:00:00Z",
        "updateTime": "2026-11-23T00:00:00Z",
    }


def test_archived_sessions_are_listed_by_the_three_filters_only() -> None:
    """`+` is a space; newest first; archived false is left out (jules-api.md 1.3, 1.4)."""

    async def play(v: Visitor) -> tuple[list[list[str]], list[str], dict[str, Any]]:
        ids: list[str] = []
        for _ in range(3):
            ids.append((await v.start(REPO))["id"])
            await v.wait(seconds=1)
        shown = (await v.jules("POST", f"/sessions/{ids[1]}:archive", {})).json()
        lists: list[list[str]] = []
        for wanted in ("", "archived+%3D+true", "archived = true OR archived = false"):
            body = (await v.jules("GET", f"/sessions?filter={wanted}")).json()
            lists.append([session["id"] for session in body["sessions"]])
        await v.jules("POST", f"/sessions/{ids[1]}:unarchive")
        again = await session_of(v, ids[1])
        return lists, ids, {**shown, "again": "archived" in again}

    lists, (a, b, c), archived = visit(play, size=CALM)
    assert lists == [[c, a], [b], [c, b, a]]
    assert (archived["archived"], archived["again"]) == (True, False)


def test_archiving_a_running_session_pauses_it_for_good() -> None:
    """jules-api.md 1.4, measured by AVI."""

    async def play(v: Visitor) -> tuple[str, str, bool]:
        session = await v.start(REPO)
        await v.wait(minutes=3)
        shown = (await v.jules("POST", f"/sessions/{session['id']}:archive", {})).json()
        seen = await events(v, session["id"])
        await v.wait(minutes=60)
        later = await session_of(v, session["id"])
        return shown["state"], later["state"], seen == await events(v, session["id"])

    assert visit(play, size=CALM) == ("PAUSED", "PAUSED", True)


def test_a_deleted_session_is_gone_but_still_counts() -> None:
    """Whether a unit is given back is unknown; here it is not (jules-api.md 1.4, 5.1)."""

    async def play(v: Visitor) -> list[int]:
        first = await v.start(REPO)
        for _ in range(CALM.allowance - 1):
            await v.start(None)
        answers = [
            await v.jules("DELETE", f"/sessions/{first['id']}"),
            await v.jules("DELETE", f"/sessions/{first['id']}"),
            await v.jules("GET", f"/sessions/{first['id']}"),
            await v.jules("POST", "/sessions", CREATE),
        ]
        return [answer.status_code for answer in answers]

    assert visit(play, size=CALM) == [200, 404, 404, 400]


def test_the_plans_cap_is_rolling() -> None:
    """Over it the bare 400 "Precondition check failed." (jules-api.md 5.1, 5.3)."""

    async def play(v: Visitor) -> tuple[dict[str, Any], list[int]]:
        for _ in range(CALM.allowance):
            await v.start(None)
        full = await v.jules("POST", "/sessions", CREATE)
        await v.wait(minutes=24 * 60 - 1)
        still = await v.jules("POST", "/sessions", CREATE)
        await v.wait(minutes=1)
        free = await v.jules("POST", "/sessions", CREATE)
        codes = [answer.status_code for answer in (full, still, free)]
        return full.json()["error"], codes

    error, codes = visit(play, size=CALM)
    assert codes == [400, 400, 200]
    assert error == {
        "code": 400,
        "status": "FAILED_PRECONDITION",
        "message": "Precondition check failed.",
    }


def test_the_users_own_sessions_take_units_every_day() -> None:
    """One stands in the window at the start; they carry no marker (DESIGN.md section 8)."""

    async def play(v: Visitor) -> tuple[list[str], int, int]:
        titles = [session.title for session in v.world.jules.sessions.values()]
        started = 0
        while (await v.jules("POST", "/sessions", CREATE)).status_code == 200:
            started += 1
        await v.wait(minutes=3 * 24 * 60)
        return titles, started, sum(s.foreign for s in v.world.jules.sessions.values())

    titles, started, foreign = visit(play)
    assert len(titles) == 1
    assert not titles[0].startswith("[")
    assert started == SMALL.allowance - 1
    # The first day was full, so the user's session of that day was refused like any other.
    assert foreign == 3


def test_sessions_over_the_concurrent_cap_wait_queued() -> None:
    """Undocumented; the world lets them wait (jules-api.md 5.1)."""

    async def play(v: Visitor) -> tuple[list[str], str]:
        ids = [(await v.start(None))["id"] for _ in range(3)]
        await v.wait(minutes=3)
        states = [(await session_of(v, session_id))["state"] for session_id in ids]
        last = ids[states.index("QUEUED")]
        return sorted(states), (await wait_for(v, last, "COMPLETED"))["state"]

    states, end = visit(play, size=replace(CALM, concurrent=2))
    assert (states.count("QUEUED"), end) == (1, "COMPLETED")


def test_the_pull_request_shows_after_completion_and_the_diff_is_whole() -> None:
    """jules-api.md 2.5 and 4: late outputs, branch named by session, cumulative change set."""

    async def play(v: Visitor) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        v.world.jules.script = scripted(
            output_late=60.0, change_set_too=True, plain_branch_name=False
        )
        session = await v.start(REPO, "[df1 x] Sharper parser")
        early = await wait_for(v, session["id"], "COMPLETED")
        await v.wait(minutes=2)
        return early, await session_of(v, session["id"]), await events(v, session["id"])

    early, late, seen = visit(play, size=CALM)
    assert [list(output) for output in early["outputs"]] == [["changeSet"]]
    pull, patch = late["outputs"][0]["pullRequest"], late["outputs"][1]["changeSet"]
    assert pull["headRef"] == f"sharper-parser-{late['id']}"
    assert pull["url"].startswith(f"https://github.com/{REPO}/pull/")
    assert patch["gitPatch"]["unidiffPatch"].startswith("diff --git a/src/sharper_parser_")
    assert len(patch["gitPatch"]["baseCommitId"]) == 40
    assert seen[-1] == "sessionCompleted"
    assert seen.index("planGenerated") < seen.index("planApproved") < seen.index("progressUpdated")


def test_a_repoless_session_gives_a_change_set_only() -> None:
    """No source, no base commit (jules-api.md 3)."""

    async def play(v: Visitor) -> dict[str, Any]:
        return await wait_for(v, (await v.start(None, "New tool"))["id"], "COMPLETED")

    session = visit(play, size=CALM)
    assert "sourceContext" not in session
    change_set = session["outputs"][0]["changeSet"]
    assert "baseCommitId" not in change_set["gitPatch"]
    assert "new file mode 100644" in change_set["gitPatch"]["unidiffPatch"]


def test_activities_hide_for_a_moment_and_are_read_on_from_a_time() -> None:
    """404 just after create; `create_time` is exclusive; flat `createTime` is refused (1.3)."""

    async def play(v: Visitor) -> tuple[list[int], list[Any], list[Any]]:
        path = f"/sessions/{(await v.start(REPO))['id']}/activities"
        codes = [(await v.jules("GET", path)).status_code]
        await v.wait(minutes=30)
        first = (await v.jules("GET", f"{path}?pageSize=2")).json()["activities"]
        at = first[0]["createTime"]
        codes.append((await v.jules("GET", f"{path}?createTime={at}")).status_code)
        rest = await v.jules("GET", f'{path}?filter=create_time>"{at}"')
        one = await v.jules("GET", f"{path}/{first[0]['id']}")
        codes.append(one.status_code)
        return codes, first, rest.json()["activities"]

    codes, first, rest = visit(play, size=CALM)
    assert codes == [404, 400, 200]
    assert len(first[0]["id"]) == 32
    start = datetime.fromisoformat(first[0]["createTime"])
    assert rest
    assert all(datetime.fromisoformat(activity["createTime"]) > start for activity in rest)


def test_activity_lists_are_limited_by_the_minute() -> None:
    """120 a minute, then 429 RESOURCE_EXHAUSTED (jules-api.md 5.2)."""

    async def play(v: Visitor) -> list[int]:
        path = f"/sessions/{(await v.start(REPO))['id']}/activities"
        await v.wait(minutes=1)
        codes = [(await v.jules("GET", path)).status_code for _ in range(121)]
        await v.wait(minutes=1)
        return [*codes[119:], (await v.jules("GET", path)).status_code]

    assert visit(play, size=CALM) == [200, 429, 200]


def test_a_plan_waits_for_approval_once() -> None:
    """Approval answers `{}` with or without a body; nothing pending is a 400 (1.5)."""

    async def play(v: Visitor) -> tuple[list[int], str]:
        session = await v.start(REPO, requirePlanApproval=True)
        path = f"/sessions/{session['id']}:approvePlan"
        early = await v.jules("POST", path)
        await wait_for(v, session["id"], "AWAITING_PLAN_APPROVAL")
        await v.wait(minutes=60)
        await wait_for(v, session["id"], "AWAITING_PLAN_APPROVAL")
        approved = await v.jules("POST", path)
        again = await v.jules("POST", path, {})
        end = await wait_for(v, session["id"], "COMPLETED")
        return [early.status_code, approved.status_code, again.status_code], end["state"]

    assert visit(play, size=CALM) == ([400, 200, 400], "COMPLETED")


@pytest.mark.parametrize(
    ("change", "state"),
    [({"asks_at": 2}, "AWAITING_USER_FEEDBACK"), ({"silent_at": 2}, "IN_PROGRESS")],
)
def test_a_session_that_asks_or_falls_silent_goes_on_after_a_message(
    change: dict[str, object], state: str
) -> None:
    """Answered within a minute or two, then finished (jules-api.md 2.1)."""

    async def play(v: Visitor) -> tuple[str, bool, list[str]]:
        v.world.jules.script = scripted(**change)
        session_id = (await v.start(REPO))["id"]
        await v.wait(minutes=40)
        seen, waiting = await events(v, session_id), await session_of(v, session_id)
        await v.wait(minutes=40)
        still = seen == await events(v, session_id)
        await v.jules("POST", f"/sessions/{session_id}:sendMessage", {"prompt": "Go on"})
        await wait_for(v, session_id, "COMPLETED")
        return waiting["state"], still, (await events(v, session_id))[len(seen) :][:2]

    assert visit(play, size=CALM) == (state, True, ["userMessaged", "agentMessaged"])


@pytest.mark.parametrize(
    ("change", "state", "last"),
    [
        ({"outcome": "pause"}, "PAUSED", {"progressUpdated": {"title": "Make the change"}}),
        ({"outcome": "fail", "reason": ""}, "FAILED", {"sessionFailed": {}}),
        (
            {"outcome": "fail", "reason": "No disk"},
            "FAILED",
            {"sessionFailed": {"reason": "No disk"}},
        ),
    ],
)
def test_a_session_may_pause_or_fail_with_or_without_a_reason(
    change: dict[str, object], state: str, last: dict[str, object]
) -> None:
    """The reason stands in the activity only, if anywhere (jules-api.md 2.1, 2.2)."""

    async def play(v: Visitor) -> tuple[dict[str, Any], dict[str, Any]]:
        v.world.jules.script = scripted(**change)
        session = await wait_for(v, (await v.start(REPO))["id"], "PAUSED", "FAILED")
        path = f"/sessions/{session['id']}/activities?pageSize=100"
        return session, (await v.jules("GET", path)).json()["activities"][-1]

    session, activity = visit(play, size=CALM)
    assert session["state"] == state
    assert "outputs" not in session
    assert activity | last == activity


def test_a_new_repository_becomes_a_source_late_or_never() -> None:
    """Minutes later, for 5 % never (jules-api.md 3)."""

    async def play(v: Visitor) -> list[list[int]]:
        codes: list[list[int]] = []
        for minutes in (0, 2, 10, 60):
            if minutes == 0:
                for nth in range(9):
                    body = {"name": f"new-{nth}", "private": True, "auto_init": True}
                    await v.github("POST", "/user/repos", body)
            await v.wait(minutes=minutes)
            answers = [
                await v.jules("GET", f"/sources/github/factory-owner/new-{nth}") for nth in range(9)
            ]
            codes.append([answer.status_code for answer in answers])
        return codes

    at_once, soon, later, hours = visit(
        play, size=replace(CALM, odds=replace(CALM.odds, source_never=0.3))
    )
    assert at_once == [404] * 9
    assert soon.count(200) < later.count(200) or soon.count(200) < 9
    assert later == hours
    assert 0 < later.count(404) < 9


def test_a_message_to_a_finished_session_pushes_a_new_head() -> None:
    """COMPLETED is not final (jules-api.md 2.1)."""

    async def play(v: Visitor) -> tuple[str, str, str]:
        session_id = (await v.start(REPO))["id"]
        await wait_for(v, session_id, "COMPLETED")
        pull = next(p for p in v.world.github.repos[REPO].pulls.values() if p.session)
        head = pull.head
        await v.jules("POST", f"/sessions/{session_id}:sendMessage", {"prompt": "Fix the CI"})
        revived = (await session_of(v, session_id))["state"]
        await wait_for(v, session_id, "COMPLETED")
        return revived, head, pull.head

    revived, before, after = visit(play, size=CALM)
    assert revived == "IN_PROGRESS"
    assert before != after


DAY = """
from mcp_server.sandbox.visitor import visit
async def play(v):
    sources = (await v.jules("GET", "/sources")).json()["sources"]
    for source in sources[:9]:
        if "branches" in source["githubRepo"]:
            await v.start(source["id"].removeprefix("github/"))
    text = ""
    for _ in range(12):
        await v.wait(minutes=10)
        text += (await v.jules("GET", "/sessions?pageSize=100")).text
        text += (await v.github("GET", "/user/repos?per_page=100")).text
    return text + str(v.world.snapshot())
print(visit(play, seed=11))
"""


def test_the_same_seed_gives_the_same_bytes_under_another_hash_seed() -> None:
    """DESIGN.md section 8: nothing hangs on the order of a set or on an address."""
    runs = [
        subprocess.run(  # noqa: S603 -- our own interpreter and our own text
            [sys.executable, "-c", DAY],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(runs[0]) > 10_000
    assert runs[0] == runs[1]


def test_one_more_session_elsewhere_does_not_reshuffle_the_others() -> None:
    """Draws are keyed by repository and ordinal there, not by how many came before."""

    async def day(v: Visitor, *, one_more: bool) -> list[Any]:
        if one_more:
            await v.start("factory-owner/habit-cli")
        session_id = (await v.start(REPO))["id"]
        await v.wait(minutes=90)
        return [session_id, (await session_of(v, session_id))["updateTime"]]

    assert visit(lambda v: day(v, one_more=False)) == visit(lambda v: day(v, one_more=True))


def test_the_mix_ends_sessions_as_measured() -> None:
    """93.6 / 4.3 / 2.0 % over 2,000 draws, and 14 % silent (jules-api.md 2.1)."""
    lives = [draw_life(1, f"session {nth}", SMALL, foreign=False) for nth in range(2000)]
    shares = {
        end: sum(life.outcome == end for life in lives) / 2000
        for end in ("complete", "pause", "fail")
    }
    silent = sum(life.silent_at is not None for life in lives) / 2000
    assert shares["complete"] == pytest.approx(0.937, abs=0.015)
    assert shares["pause"] == pytest.approx(0.043, abs=0.012)
    assert shares["fail"] == pytest.approx(0.020, abs=0.009)
    assert silent == pytest.approx(0.14, abs=0.02)

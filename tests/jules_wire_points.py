"""Points 1 to 5 of the sandbox's checklist (facts/jules-api.md 8), and its discovery document."""

from dataclasses import replace

from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.visitor import Visitor, scripted
from tests.jules_points import REPO, Point, activities, refusal, steered

WIDE = replace(CALM, allowance=200, concurrent=200)


async def names(v: Visitor) -> object:
    session_id = await steered(v, "calm quick")
    await v.wait(minutes=20)
    found = await activities(v, session_id)
    plan = next(one["planGenerated"]["plan"] for one in found if "planGenerated" in one)
    shapes = {
        (len(one["id"]), one["id"].isalnum(), one["name"].rpartition("/")[0]) for one in found
    }
    return (
        shapes == {(32, True, f"sessions/{session_id}/activities")},
        [sorted(step) for step in plan["steps"]],
        plan["createTime"],
        any("artifacts" in one for one in found) and not all("artifacts" in one for one in found),
    )


async def page_sizes(v: Visitor) -> object:
    v.world.jules.script = scripted(gaps=(26.0,) * 120)
    ids = [(await v.start(None))["id"] for _ in range(101)]
    await v.wait(minutes=90)
    lists = ("/sessions", f"/sessions/{ids[0]}/activities")
    bodies = [
        (await v.jules("GET", f"{path}{query}")).json()
        for path in lists
        for query in ("", "?pageSize=1000")
    ]
    return [len(body.get("sessions", body.get("activities"))) for body in bodies]


async def orders(v: Visitor) -> object:
    ids = list[str]()
    for _ in range(3):
        ids.append((await v.start(None))["id"])
        await v.wait(seconds=1)
    first = (await v.jules("GET", "/sessions?pageSize=2")).json()
    await v.start(None)
    token = first["nextPageToken"]
    rest = (await v.jules("GET", f"/sessions?pageSize=2&pageToken={token}")).json()
    seen = [one["id"] for one in (*first["sessions"], *rest["sessions"])]
    await v.wait(minutes=30)
    times = [one["createTime"] for one in await activities(v, ids[0])]
    return seen == ids[::-1], "nextPageToken" in rest, times == sorted(times)


async def unknown_fields(v: Visitor) -> object:
    session_id = await steered(v, "calm")
    mode = {"prompt": "x", "automationMode": "MANUAL"}
    deep = {"prompt": "x", "sourceContext": {"source": "sources/github/a/b", "branch": "main"}}
    answers = [
        await v.jules("GET", "/sources?orderBy=name"),
        await v.jules("GET", "/sessions/1?view=FULL"),
        await v.jules("POST", f"/sessions/{session_id}:sendMessage", {"message": "Go on"}),
        await v.jules("POST", f"/sessions/{session_id}:archive", {"name": "x"}),
        await v.jules("POST", "/sessions", deep),
        await v.jules("POST", "/sessions", mode),
    ]
    return [refusal(answer) for answer in answers]


def violation(told: str, field: str = "") -> tuple[int, str, list[dict[str, str]]]:
    named = {"field": field} if field else {}
    return 400, "INVALID_ARGUMENT", [{**named, "description": told}]


UNKNOWN = "Invalid JSON payload received. Unknown name"
NO_PARAMETER = "Cannot bind query parameter. Field '{0}' could not be found in request message."
MODE = "type.googleapis.com/google.labs.jules.v1alpha.AutomationMode"
UNKNOWN_FIELDS = [
    violation(f'{UNKNOWN} "orderBy": {NO_PARAMETER.format("orderBy")}', "orderBy"),
    violation(f'{UNKNOWN} "view": {NO_PARAMETER.format("view")}', "view"),
    violation(f'{UNKNOWN} "message": Cannot find field.'),
    violation(f'{UNKNOWN} "name": Cannot find field.'),
    violation(
        f"{UNKNOWN} \"branch\" at 'session.source_context': Cannot find field.",
        "session.source_context",
    ),
    violation(
        f"Invalid value at 'session.automation_mode' ({MODE}), \"MANUAL\"",
        "session.automation_mode",
    ),
]


async def form_encoding(v: Visitor) -> object:
    session_id = await steered(v, "calm quick")
    await v.wait(minutes=20)
    found = await activities(v, session_id)
    since = found[2]["createTime"].replace(":", "%3A")
    later = await activities(v, session_id, f"&filter=create_time+%3E+%22{since}%22")
    return len(found) - len(later)


async def bodiless(v: Visitor) -> object:
    """Send POSTs as `jules-agent-sdk` does: neither a body nor a content type."""
    session_id = await steered(v, "calm quick", requirePlanApproval=True)
    await v.wait(minutes=5)
    codes = list[int]()
    for verb in (":approvePlan", ":archive", ":unarchive", ""):
        path = f"/sessions/{session_id}{verb}" if verb else "/sessions"
        answer = await v.jules("POST", path)
        assert "content-type" not in answer.request.headers
        codes.append(answer.status_code)
    return codes


async def masks(v: Visitor) -> object:
    session_id = await steered(v, "calm quick")
    await v.wait(minutes=20)
    base = f"/sessions/{session_id}"
    wanted = (
        f"{base}?fields=state,sourceContext/githubRepoContext",
        f"{base}/activities?pageSize=1&fields=activities(originator,*/plan/id)",
        f"{base}?fields=outputs.pullRequest(colour)",
        f"{base}/activities?fields=activities(name",
        f"{base}?fields=id/",
    )
    answers = [await v.jules("GET", path) for path in wanted]
    return [*(one.json() for one in answers[:2]), *(refusal(one)[2] for one in answers[2:])]


NO_MATCH = "Error expanding 'fields' parameter. Cannot find matching fields for path"
MASKED = [
    {"state": "COMPLETED", "sourceContext": {"githubRepoContext": {"startingBranch": "main"}}},
    {"activities": [{"originator": "agent", "planGenerated": {"plan": {"id": "1"}}}]},
    [{"field": "fields", "description": f"{NO_MATCH} 'outputs/pullRequest/colour'."}],
    *[[{"field": "fields", "description": "Request contains an invalid argument."}]] * 2,
]


async def refused_mask(v: Visitor) -> object:
    answer = await v.jules("POST", "/sessions?fields=nothing", {"prompt": "x"})
    return answer.status_code, len(v.world.jules.sessions)


async def flaky_sources(v: Visitor) -> object:
    codes = list[list[int]]()
    for flaky in (False, True):
        v.world.jules.flaky_sources = flaky
        await v.wait(seconds=1)
        answers = [await v.jules("GET", f"/sources/github/{REPO}") for _ in range(7)]
        codes.append([answer.status_code for answer in answers])
    await v.wait(seconds=1)
    again = await v.jules("GET", f"/sources/github/{REPO}")
    return [*codes, again.status_code]


async def discovery(v: Visitor) -> object:
    """Ask without a key, for this version and for another."""
    address = "https://jules.googleapis.com/$discovery/rest?version="
    answers = [await v.http.get(f"{address}{version}") for version in ("v1alpha", "v1")]
    document = answers[0].json()
    get = document["resources"]["sources"]["methods"]["get"]
    return (
        [answer.status_code for answer in answers],
        (document["id"], len(document["schemas"])),
        (get["path"], get["flatPath"], get["parameters"]["name"]["pattern"]),
        document["schemas"]["Session"]["properties"]["outputs"],
    )


STEP = ["description", "id", "index", "title"]
WIRE_POINTS = [
    Point(
        name="1 activity ids and names, defaults left out",
        play=names,
        seen=(
            True,
            [["id", "title"], STEP, STEP],
            "2026-11-23T00:01:05Z",
            True,
        ),
    ),
    Point(name="2 page sizes", play=page_sizes, seen=[30, 100, 50, 100], size=WIDE),
    Point(
        name="2 orders, and a token that outlives an insert", play=orders, seen=(True, False, True)
    ),
    Point(name="3 unknown fields", play=unknown_fields, seen=UNKNOWN_FIELDS),
    Point(name="4 form encoding, and an exclusive time", play=form_encoding, seen=3),
    Point(name="4 POST without a body", play=bodiless, seen=[200, 200, 200, 400]),
    Point(name="4 fields masks", play=masks, seen=MASKED),
    Point(name="4 a bad mask has no effect", play=refused_mask, seen=(400, 0)),
    Point(
        name="5 sources.get under load",
        play=flaky_sources,
        seen=[[200] * 7, [200] * 5 + [404] * 2, 200],
    ),
    Point(
        name="7. the discovery document",
        play=discovery,
        seen=(
            [200, 404],
            ("jules:v1alpha", 33),
            ("v1alpha/{+name}", "v1alpha/sources/{sourcesId}", "^sources/.*$"),
            {"type": "array", "items": {"$ref": "SessionOutput"}},
        ),
    ),
]

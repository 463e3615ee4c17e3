"""Points 6 to 10 of the sandbox's checklist: what becomes of sessions (facts/jules-api.md 8)."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.visitor import Visitor
from tests.jules_points import COMMON, REPO, Point, activities, steered


def bare(kind: str, artifact: Mapping[str, Any]) -> bool:
    return list(artifact) == [kind]


async def archived_twice(v: Visitor) -> object:
    session_id = await steered(v, "calm quick")
    await v.wait(minutes=20)
    path = f"/sessions/{session_id}"
    shown = [(await v.jules("POST", f"{path}:archive", {})).json() for _ in range(2)]
    by_id = (await v.jules("GET", path)).json()
    return [(one["state"], one["archived"], "sourceContext" in one) for one in (*shown, by_id)]


async def deleted(v: Visitor) -> object:
    session_id = await steered(v, "calm")
    path = f"/sessions/{session_id}"
    gone = await v.jules("DELETE", path)
    after = [
        await v.jules("GET", f"{path}/activities"),
        await v.jules("POST", f"{path}:archive", {}),
        await v.jules("POST", f"{path}:sendMessage", {"prompt": "Hello"}),
    ]
    return gone.text, [answer.status_code for answer in after]


async def answered(v: Visitor) -> object:
    """Write to a session at work, and again when all is done and its pull request is open."""
    session_id = await steered(v, "calm quick")
    seen = list[list[str]]()
    for minutes in (3, 30):
        await v.wait(minutes=minutes)
        before = len(await activities(v, session_id))
        sent = await v.jules("POST", f"/sessions/{session_id}:sendMessage", {"prompt": "Hello"})
        assert (sent.status_code, sent.json()) == (200, {})
        await v.wait(minutes=15)
        kinds = [next(iter(one.keys() - COMMON)) for one in await activities(v, session_id)]
        seen.append([kind for kind in kinds[before:] if "Messaged" in kind])
    return seen


async def crowded(v: Visitor) -> object:
    v.world.jules.refuses_over_concurrent = True
    codes = [(await v.jules("POST", "/sessions", {"prompt": "x"})).status_code for _ in range(3)]
    await v.wait(minutes=60)
    codes.append((await v.jules("POST", "/sessions", {"prompt": "x"})).status_code)
    return codes


async def wrong_key(v: Visitor) -> object:
    address = "https://jules.googleapis.com/v1alpha/sessions"
    answer = await v.http.get(address, headers={"x-goog-api-key": "AIza-another"})
    error = answer.json()["error"]
    return answer.status_code, error["status"], error["details"][0]["reason"]


async def lost_answer(v: Visitor) -> object:
    """Ask twice for the same, as a client does that takes a 503 for a failure."""
    body = {"prompt": "Do it\nsandbox-life: answer-lost", "title": "Once"}
    answers = [await v.jules("POST", "/sessions", body) for _ in range(2)]
    listed = (await v.jules("GET", "/sessions")).json()["sessions"]
    return [answer.status_code for answer in answers], [one["title"] for one in listed]


async def burst(v: Visitor) -> object:
    session_id = await steered(v, "calm unavailable")
    path = f"/sessions/{session_id}"
    answers = [await v.jules("GET", path) for _ in range(10)]
    return [answer.status_code for answer in answers], answers[0].json()["error"]["status"]


async def empty_outputs(v: Visitor) -> object:
    session_id = await steered(v, "calm quick no-outputs", title="Sharper parser")
    await v.wait(minutes=30)
    session = (await v.jules("GET", f"/sessions/{session_id}")).json()
    last = (await activities(v, session_id))[-1]
    (artifact,) = last["artifacts"]
    patch = artifact["changeSet"]["gitPatch"]
    head = v.world.github.repos[REPO].git.branches["main"]
    return (
        "outputs" in session,
        patch["unidiffPatch"].count("diff --git"),
        patch["baseCommitId"] == head,
        patch["suggestedCommitMessage"],
        artifact["changeSet"]["source"],
    )


async def late_output(v: Visitor) -> object:
    session_id = await steered(v, "calm quick output-late")
    seen = list[tuple[str, bool]]()
    for minutes in (5, 1):
        await v.wait(minutes=minutes)
        session = (await v.jules("GET", f"/sessions/{session_id}")).json()
        seen.append((session["state"], "pullRequest" in str(session.get("outputs"))))
    return seen


async def repeated_change_sets(v: Visitor) -> object:
    session_id = await steered(v, "calm quick", title="Sharper parser")
    await v.wait(minutes=30)
    diffs = [
        artifact["changeSet"]["gitPatch"]["unidiffPatch"]
        for one in await activities(v, session_id)
        for artifact in one.get("artifacts", [])
        if "changeSet" in artifact
    ]
    return [diff.count("diff --git") for diff in diffs], diffs[-1].startswith(diffs[0])


async def artifact_kinds(v: Visitor) -> object:
    session_id = await steered(v, "calm quick", title="Sharper parser")
    await v.wait(minutes=30)
    found = [item for one in await activities(v, session_id) for item in one.get("artifacts", [])]
    outputs = [item["bashOutput"] for item in found if bare("bashOutput", item)]
    media = next(item["media"] for item in found if bare("media", item))
    return (
        [(one["command"], one["output"], one.get("exitCode")) for one in outputs],
        (media["mimeType"], base64.b64decode(media["data"], validate=True)[:4]),
        sum(bare("changeSet", item) for item in found) + len(outputs) + 1 == len(found),
    )


async def odd_activity(v: Visitor) -> object:
    session_id = await steered(v, "calm odd-activity")
    await v.wait(minutes=5)
    first = (await activities(v, session_id))[0]
    return sorted(first), first["description"]


LIFE_POINTS = [
    Point(
        name="6 archived twice, read by id",
        play=archived_twice,
        seen=[("COMPLETED", True, True)] * 3,
    ),
    Point(name="6 deleted", play=deleted, seen=("{}", [404, 404, 404])),
    Point(
        name="7 a message is answered",
        play=answered,
        seen=[["userMessaged", "agentMessaged"]] * 2,
    ),
    Point(
        name="8 the concurrent cap, where it refuses",
        play=crowded,
        seen=[200, 200, 400, 200],
        size=replace(CALM, concurrent=2),
    ),
    Point(name="9 a wrong key", play=wrong_key, seen=(401, "UNAUTHENTICATED", "API_KEY_INVALID")),
    Point(
        name="9 a create that is answered 503 has happened",
        play=lost_answer,
        seen=([503, 200], ["Once", "Once"]),
    ),
    Point(name="9 a burst of 503", play=burst, seen=([503] * 8 + [200] * 2, "UNAVAILABLE")),
    Point(
        name="10 outputs empty, the diff in activities only",
        play=empty_outputs,
        seen=(False, 2, True, "Sharper parser", f"sources/github/{REPO}"),
    ),
    Point(
        name="10 completed before the pull request shows",
        play=late_output,
        seen=[("COMPLETED", False), ("COMPLETED", True)],
    ),
    Point(
        name="10 change sets repeat, the last is whole",
        play=repeated_change_sets,
        seen=([1, 2], True),
    ),
    Point(
        name="10 artifact kinds",
        play=artifact_kinds,
        seen=(
            [("make test", "ok\n", None), ("make test", "1 failed\n", 1)],
            ("image/png", b"\x89PNG"),
            True,
        ),
    ),
    Point(
        name="10 an activity without an event",
        play=odd_activity,
        seen=(["createTime", "description", "id", "name", "originator"], "Session started"),
    ),
]

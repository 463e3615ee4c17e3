"""Whatever Jules sends, an answer stays small: diffs, pictures, words without end; and patches."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from agent.tools import text_of
from agent.wiring import SANDBOX_JULES_KEY
from mcp_server.clients.jules_cursor import MOST_SEEN, Cursor
from mcp_server.models import Activity, ActivityDetail
from mcp_server.tools import jules_bulk
from tests.agent_cases import Answer
from tests.jules_cases import ID, NOW, Chat, activity, at_fake, one, when


def size(told: Answer) -> int:
    """Return how much an answer is, text and structured content together."""
    return len(told.text) + len(json.dumps(told.content))


def diff(*sizes: int) -> str:
    """Return a diff that adds a file of so many lines of a hundred characters, for each."""
    return "".join(
        f"diff --git a/f{nth} b/f{nth}\nnew file mode 100644\n--- /dev/null\n+++ b/f{nth}\n"
        f"@@ -0,0 +1,{lines} @@\n" + f"+{'x' * 98}\n" * lines
        for nth, lines in enumerate(sizes)
    )


def change_set(text: str) -> dict[str, object]:
    return {
        "changeSet": {
            "source": "sources/github/owner/tool",
            "gitPatch": {
                "unidiffPatch": text,
                "baseCommitId": "b" * 40,
                "suggestedCommitMessage": "Do it",
            },
        }
    }


def test_whatever_jules_sends_an_answer_stays_small_and_says_what_is_left_out():
    """Issue 5, item 4: 5,000 activities, a diff of 20 MB, a picture of 2 MB, words without end."""
    long = "word " * 400_000
    bulk = [
        change_set(diff(200_000, 3)),
        {"media": {"mimeType": "image/png", "data": base64.b64encode(b"x" * 2_000_000).decode()}},
        {"bashOutput": {"command": "make " * 9_000, "output": long}},
    ]
    plan = activity(0, planGenerated={"plan": {"steps": [{"title": "Look"}]}})
    account = one("IN_PROGRESS", plan, *(activity(n) for n in range(1, 5_000)), title=long)
    last = activity(5_000, agentMessaged={"agentMessage": long}, artifacts=bulk)
    name = str(last["id"])

    async def play(chat: Chat) -> dict[str, Answer]:
        await chat.ask("jules_list_activities", session_id=ID)
        account.activities[ID].append(last)
        account.sessions[0]["updateTime"] = when(NOW)
        return {
            "session": await chat.call("jules_get_session", session_id=ID),
            "last": await chat.call("jules_list_activities", session_id=ID),
            "after": await chat.call("jules_list_activities", session_id=ID, after=when(NOW)),
            "one": await chat.call("jules_get_activity", session_id=ID, activity_id=name),
            "patch": await chat.call("jules_get_patch", session_id=ID),
            "file": await chat.call(
                "jules_get_patch", session_id=ID, path="f0", characters=200_000
            ),
            "list": await chat.call("jules_list_sessions"),
        }

    told = at_fake(account, play)
    assert {name: one.is_error for name, one in told.items()} == dict.fromkeys(told, False)
    assert {name: size(one) for name, one in told.items() if size(one) > 130_000} == {
        "file": size(told["file"])
    }
    assert size(told["file"]) < 500_000
    shown = told["last"].content
    assert (len(shown["activities"]), shown["left_out"]) == (20, 4981)
    assert shown["activities"][-1]["left_out"] == len(long) - 2_000
    assert told["session"].content["activities"] == 5_001
    assert told["session"].content["plan_steps"] == ["Look"]
    assert told["patch"].content["patch"]["left_out"] == "1 files do not fit: f0"
    assert [item["path"] for item in told["patch"].content["patch"]["files"]] == ["f0", "f1"]
    assert told["patch"].content["patch"]["added"] == 200_003
    assert "characters of f0" in told["file"].content["patch"]["left_out"]
    assert told["one"].content["images"][0]["shown"] is False
    assert told["one"].content["commands"][0]["left_out"] > 0


KEY = [f"{nth:04}{'aB3dE5fG7h/+' * 5}" for nth in range(400)]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *KEY])
HUNK = f"diff --git a/k.pem b/k.pem\n--- a/k.pem\n+++ /dev/null\n@@ -1,401 +0,0 @@\n-{PEM}"


def test_a_key_across_the_end_of_what_is_shown_is_masked_too():
    """Of the command that names an artifact, of a step of a plan, of a title in a list."""

    def at(place: int) -> str:
        return f"{'x ' * (place // 2)}ghp_{'aB3dE5fG7h' * 4}"

    told = activity(
        1,
        planGenerated={"plan": {"steps": [{"title": at(180)}]}},
        artifacts=[{"bashOutput": {"command": at(40)}}],
    )
    account = one("COMPLETED", told, title=at(100))

    async def play(chat: Chat) -> list[Answer]:
        return [
            await chat.call("jules_list_sessions"),
            await chat.call("jules_get_session", session_id=ID),
            await chat.call("jules_list_activities", session_id=ID),
            await chat.call("jules_get_activity", session_id=ID, activity_id=f"{1:032x}"),
        ]

    for said in at_fake(account, play):
        assert not said.is_error
        assert "ghp_" not in said.text + json.dumps(said.content)


def test_a_private_key_is_masked_before_what_holds_it_is_cut():
    """Its middle alone looks like nothing, nor do its last lines, or its first characters."""
    token = f"see {'x ' * 92}ghp_{'aB3dE5fG7h' * 4}"
    told = activity(
        1,
        progressUpdated={"title": token},
        artifacts=[
            {"bashOutput": {"command": f"echo {'x ' * 487}{token[-44:]}", "output": PEM}},
            change_set(HUNK.replace("\n0", "\n-0")),
        ],
    )
    account = one("COMPLETED", told)

    async def play(chat: Chat) -> list[Answer]:
        given = {"session_id": ID, "activity_id": f"{1:032x}", "characters": 1_000}
        whole = await chat.call("jules_get_activity", **given)
        return [whole, await chat.call("jules_list_activities", session_id=ID)]

    whole, listed = at_fake(account, play)
    for said in (whole, listed):
        both = said.text + json.dumps(said.content)
        assert not [line for line in KEY if line[:12] in both]
        assert "ghp_" not in both
        assert "***" in both
    (command,) = whole.content["commands"]
    assert (command["output"], command["left_out"]) == ("-----BEGIN PRIVATE KEY-----***", 0)
    assert whole.content["patch"]["removed"] == 401


def test_images_come_as_images():
    """INTERFACE.md: as MCP images, capped; what is none is named and not shown.

    They stay where the words beside them had to be masked.
    """
    pictures = [b"\x89PNG one", b"two", b"three", b"four", b"five", b"x" * 600_001]
    media: list[dict[str, object]] = [
        {"media": {"mimeType": "image/png", "data": base64.b64encode(one).decode()}}
        for one in pictures
    ]
    text = base64.b64encode(b"<svg/>").decode()
    media.insert(1, {"media": {"mimeType": "image/svg+xml", "data": text}})
    told = activity(1, description=f"key {SANDBOX_JULES_KEY}", artifacts=media)
    account = one("COMPLETED", told)

    async def play(chat: Chat) -> tuple[list[bytes], list[bool]]:
        given = {"session_id": ID, "activity_id": f"{1:032x}"}
        result = await chat.client.call_tool("jules_get_activity", given)
        images = [block for block in result.content if block.type == "image"]
        assert "key ***" in text_of(result)
        assert {block.mime_type for block in images} == {"image/png"}
        told = ActivityDetail.model_validate(result.structured_content).images
        return [base64.b64decode(block.data) for block in images], [one.shown for one in told]

    shown, flags = at_fake(account, play)
    assert shown == pictures[: jules_bulk.MOST_IMAGES]
    assert flags == [True, False, True, True, True, False, False]


OUTPUT = [change_set(diff(1)), change_set(diff(1, 2))]
THIN = {"changeSet": {"source": "sources/github/owner/tool"}}
LATER = activity(7, artifacts=[change_set(diff(1)), change_set(diff(4))])
# outputs, activities → where the diff was found, and what it adds to which files.
PATCHES: dict[str, tuple[list[Any], list[Any], str, dict[str, int] | None]] = {
    "the last of the outputs": (OUTPUT, [LATER], "outputs", {"f0": 1, "f1": 2}),
    "no outputs": ([], [activity(1), LATER, activity(9)], f"{7:032x}", {"f0": 4}),
    "thin outputs": ([THIN], [LATER], f"{7:032x}", {"f0": 4}),
    "a thin output after a whole one": ([*OUTPUT, THIN], [], "outputs", {"f0": 1, "f1": 2}),
    "nothing": ([], [activity(1)], "nowhere", None),
    "a diff that is none": ([change_set("no diff")], [], "outputs", {}),
}


@pytest.mark.parametrize(("outputs", "did", "found_in", "adds"), PATCHES.values(), ids=PATCHES)
def test_the_patch_is_the_last_change_set_wherever_it_is(
    outputs: list[Any], did: list[Any], found_in: str, adds: dict[str, int] | None
):
    """Facts 2.4 and 2.5: outputs are often empty, and the last change set is the whole diff."""
    account = one("COMPLETED", *did, outputs=outputs)

    async def play(chat: Chat) -> dict[str, Any]:
        return await chat.ask("jules_get_patch", session_id=f"sessions/{ID}")

    told = at_fake(account, play)
    assert told["found_in"] == found_in
    patch = told["patch"]
    assert (patch and {item["path"]: item["added"] for item in patch["files"]}) == adds
    if adds:
        assert (patch["base_commit"], patch["suggested_message"]) == ("b" * 40, "Do it")
        assert patch["diff"].count("\n+") == sum(adds.values()) + len(adds)


def test_one_file_of_a_patch_can_be_asked_for():
    """What did not fit; and a file that is not in it is an error that names those that are."""
    account = one("COMPLETED", outputs=[change_set(diff(300, 2))])

    async def play(chat: Chat) -> tuple[dict[str, Any], Answer]:
        shown = await chat.ask("jules_get_patch", session_id=ID, path="f0", characters=100_000)
        return shown["patch"], await chat.call("jules_get_patch", session_id=ID, path="f9")

    patch, wrong = at_fake(account, play)
    assert (patch["diff"], patch["left_out"]) == (diff(300), "")
    assert wrong.refusal == ("bad_argument", None)
    assert "f0, f1" in wrong.text


def test_thousands_of_activities_at_one_instant_are_all_given_once():
    """Issue 5, item 1: the cursor names all that lie within its overlap, and is taken again."""
    at = NOW - timedelta(hours=1)
    account = one("IN_PROGRESS", *(activity(n, at=at) for n in range(1_800)))

    async def play(chat: Chat) -> list[str]:
        given: list[str] = []
        where: dict[str, object] = {"after": when(at - timedelta(minutes=1))}
        while where:
            page = await chat.ask("jules_list_activities", session_id=ID, **where)
            given += [one["id"] for one in page["activities"]]
            where = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        return given

    given = at_fake(account, play)
    assert (len(given), len(set(given))) == (1_800, 1_800)


def test_reading_on_from_the_last_ones_gives_none_of_those_before_them_again():
    """However many lie at the instant of the last: all of them were counted, few were shown."""
    at = NOW - timedelta(hours=1)
    account = one("IN_PROGRESS", *(activity(n, at=at) for n in range(300)))

    async def play(chat: Chat) -> list[str]:
        last = await chat.ask("jules_list_activities", session_id=ID)
        account.activities[ID].append(activity(300, at=at))
        cursor = last["resume_cursor"]
        told = await chat.ask("jules_list_activities", session_id=ID, cursor=cursor)
        return [one["id"] for one in told["activities"]]

    assert at_fake(account, play) == [f"{300:032x}"]


def test_what_cannot_be_read_on_from_is_refused_not_ended():
    """A cursor has an end; an answer without `next_cursor` would say that there is no more."""
    at = NOW - timedelta(hours=1)
    given = [Activity(id=f"g{n}", at=at, kind="none") for n in range(MOST_SEEN)]
    cursor = Cursor().past(given[60:]).text()
    account = one("IN_PROGRESS", *(activity(n, at=at) for n in range(120)))

    async def play(chat: Chat) -> list[Answer]:
        read = {"session_id": ID, "cursor": cursor}
        first = await chat.call("jules_list_activities", **read)
        read["cursor"] = first.content["next_cursor"]
        return [first, await chat.call("jules_list_activities", **read)]

    first, second = at_fake(account, play)
    assert len(first.content["activities"]) == 50
    assert second.refusal == ("unreadable", None)
    assert "last" in second.text
    assert Cursor().past(given).text() is not None
    assert Cursor().past([*given, Activity(id="one", at=at, kind="none")]).text() is None

"""What a point of the sandbox's checklist is, and what its plays need."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from mcp_server.sandbox.mix import CALM, Size
from mcp_server.sandbox.visitor import Visitor

REPO = "factory-owner/recipe-web"
COMMON = frozenset({"name", "id", "originator", "description", "createTime", "artifacts"})


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of the checklist: what is done, and what must be seen."""

    name: str
    play: Callable[[Visitor], Awaitable[object]]
    seen: object
    size: Size = CALM


async def steered(v: Visitor, words: str, title: str = "", **fields: object) -> str:
    """Start a session whose life a line of its prompt steers; return its id."""
    prompt = f"Add tests for the parser\nsandbox-life: {words}"
    return (await v.start(REPO, title, prompt=prompt, **fields))["id"]


async def activities(v: Visitor, session_id: str, query: str = "") -> list[dict[str, Any]]:
    page = await v.jules("GET", f"/sessions/{session_id}/activities?pageSize=100{query}")
    return page.raise_for_status().json().get("activities", [])


def refusal(answer: httpx2.Response) -> tuple[int, str, list[dict[str, str]]]:
    """Return code, status and field violations of a refused call."""
    error = answer.json()["error"]
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    return answer.status_code, error["status"], detail["fieldViolations"]

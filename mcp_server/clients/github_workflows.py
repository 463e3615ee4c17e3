"""A repository's workflows over REST (version 2022-11-28): what they are, when they ran, and off.

Read for one question: which of them spend the allowance by themselves.
"""

import base64
import re
from dataclasses import dataclass

import httpx2

from mcp_server.clients.github_actions import WorkflowRun, read_runs
from mcp_server.clients.wire import Wire, get_json, github_write, read
from mcp_server.errors import Unreadable
from mcp_server.guard import bodies
from mcp_server.guard.request import Prepared

RECENT_RUNS = 5
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*$", re.MULTILINE)
_SCHEDULE = re.compile(r"""(?:^|[\s{,-])["']?schedule["']?\s*:""", re.MULTILINE)
_CRON = re.compile(r"""["']?\bcron["']?\s*:\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\n#,}\]]*))""")
# How a workflow comes to start sessions: with the key, the API, the action or the command line tool
# of Jules (facts/jules-api.md, 2026-11).
_JULES = re.compile(
    r"JULES_API_KEY|jules\.googleapis\.com|google-labs-code/jules|\bjules\s+(?:new|remote)\b"
)


class _Workflow(Wire):
    id: int
    name: str = ""
    path: str
    state: str


class _Workflows(Wire):
    total_count: int
    workflows: tuple[_Workflow, ...]


class _File(Wire):
    content: str
    encoding: str


@dataclass(frozen=True, kw_only=True)
class FoundWorkflow:
    """A workflow that GitHub knows; `state` is `active` or one of several ways of being off."""

    id: int
    name: str
    path: str
    state: str


class WorkflowsClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def workflows(self, repo: str) -> tuple[FoundWorkflow, ...]:
        """Return every workflow, those that are off too."""
        url = f"{self._base}/repos/{repo}/actions/workflows"
        found = read(_Workflows, (await get_json(self._http, url, [("per_page", "100")])).data)
        if found.total_count > len(found.workflows):
            raise Unreadable(f"{repo} has more workflows than one page shows")
        return tuple(_workflow(wire) for wire in found.workflows)

    async def workflow(self, repo: str, workflow_id: int) -> FoundWorkflow:
        """Return one workflow; raises `NotFound`."""
        url = f"{self._base}/repos/{repo}/actions/workflows/{workflow_id}"
        return _workflow(read(_Workflow, (await get_json(self._http, url)).data))

    async def recent_runs(self, repo: str, workflow_id: int) -> tuple[WorkflowRun, ...]:
        """Return the last few runs of one workflow, newest first."""
        url = f"{self._base}/repos/{repo}/actions/workflows/{workflow_id}/runs"
        return read_runs((await get_json(self._http, url, [("per_page", str(RECENT_RUNS))])).data)

    async def text(self, repo: str, path: str) -> str:
        """Return a workflow's text on the default branch; raises `NotFound`."""
        found = await get_json(self._http, f"{self._base}/repos/{repo}/contents/{path}")
        file = read(_File, found.data)
        if file.encoding != "base64":
            raise Unreadable(f"{path} of {repo} is encoded as {file.encoding!r}")
        try:
            return base64.b64decode(file.content).decode("utf-8", "replace")
        except ValueError as error:
            raise Unreadable(f"{path} of {repo} is not base64") from error


def disable_workflow(repo: str, workflow_id: int) -> Prepared:
    """Build the switching off of one workflow; its file stays, a person can switch it on again."""
    path = f"/repos/{repo}/actions/workflows/{workflow_id}/disable"
    return github_write("disable_workflow", "PUT", path, bodies.Absent())


def schedules(text: str) -> tuple[str, ...]:
    """Return the cron lines of a workflow that runs by itself, without a YAML parser.

    Generous: a schedule that is written strangely is found, and named `?` where its time is not.
    """
    said = _COMMENT.sub("", text)
    if not _SCHEDULE.search(said):
        return ()
    crons = tuple("".join(found.groups("")).strip() for found in _CRON.finditer(said))
    return crons or ("?",)


def uses_jules(text: str) -> bool:
    """Whether a workflow, outside its comments, names a way to start sessions."""
    return _JULES.search(_COMMENT.sub("", text)) is not None


def _workflow(wire: _Workflow) -> FoundWorkflow:
    return FoundWorkflow(id=wire.id, name=wire.name or wire.path, path=wire.path, state=wire.state)

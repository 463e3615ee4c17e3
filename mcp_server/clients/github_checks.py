"""What GitHub says of the checks at a commit, and of a branch's rules, over REST (2022-11-28).

Each source by itself and to its end; `guard/checks.py` makes them one. Workflow runs are
`github_actions.py`'s.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import httpx2

from mcp_server.clients.wire import Wire, get_json, read, rows
from mcp_server.errors import NotFound, Refused, Unreadable
from mcp_server.guard.checks import STATUS, CheckRun, Expectation, Rules, Suite, app_of
from mcp_server.models import Check

MOST_PAGES = 5
_FULL = (("per_page", "100"),)
# Protection says it so, or with null; rulesets leave it out.
_ANY_APP = -1


class _App(Wire):
    id: int = 0
    slug: str = ""


class _SuiteOfRun(Wire):
    id: int = 0


class _CheckRun(Wire):
    id: int
    name: str
    head_sha: str = ""
    status: str
    conclusion: str | None = None
    app: _App | None = None
    check_suite: _SuiteOfRun | None = None


class _Suite(Wire):
    id: int
    status: str | None = None
    conclusion: str | None = None
    app: _App | None = None
    latest_check_runs_count: int | None = None


class _Status(Wire):
    context: str
    state: str


class _Runs(Wire):
    total_count: int
    check_runs: tuple[_CheckRun, ...]


class _Suites(Wire):
    total_count: int
    check_suites: tuple[_Suite, ...]


class _Statuses(Wire):
    sha: str
    total_count: int
    statuses: tuple[_Status, ...]


class _Required(Wire):
    context: str
    integration_id: int | None = None
    app_id: int | None = None


class _Rule(Wire):
    type: str
    parameters: object = None


class _RequiredByRule(Wire):
    required_status_checks: tuple[_Required, ...]


class _RequiredByProtection(Wire):
    contexts: tuple[str, ...] = ()
    checks: tuple[_Required, ...] = ()


class _Protection(Wire):
    required_status_checks: _RequiredByProtection | None = None


class _Content(Wire):
    content: str
    encoding: str


P = TypeVar("P", _Runs, _Suites, _Statuses)


@dataclass(frozen=True, kw_only=True)
class Statuses:
    """The statuses of one commit, as checks of the app `STATUS`."""

    sha: str
    checks: tuple[Check, ...]


class ChecksClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def runs(self, repo: str, ref: str) -> tuple[CheckRun, ...]:
        """Return the latest check runs of every suite at a commit or branch.

        Raises:
            Refused: a fine-grained token, which sees none (`limit` is `permission`).
            Unreadable: there are more than 500, or the pages do not add up.
        """
        pages = await self._pages(f"/repos/{repo}/commits/{ref}/check-runs", _Runs)
        return tuple(_check_run(wire) for page in pages for wire in page.check_runs)

    async def suites(self, repo: str, ref: str) -> tuple[Suite, ...]:
        """Return the check suites at a commit, those without a run too; errors as in `runs`."""
        pages = await self._pages(f"/repos/{repo}/commits/{ref}/check-suites", _Suites)
        return tuple(_suite(wire) for page in pages for wire in page.check_suites)

    async def statuses(self, repo: str, ref: str) -> Statuses:
        """Return the commit at `ref`, and the newest status of each context there."""
        pages = await self._pages(f"/repos/{repo}/commits/{ref}/status", _Statuses)
        # The combined `state` says "pending" when there is no status at all: not read.
        checks = tuple(_status_check(wire) for page in pages for wire in page.statuses)
        return Statuses(sha=pages[0].sha, checks=checks)

    async def rules(self, repo: str, branch: str) -> Rules | None:
        """Return what rulesets and protection demand of a branch; None: GitHub does not tell.

        That is so of private repositories on a free plan (403), and of tokens that may not ask.
        Apps are called by their ids (`checks.app_of`).
        """
        found = await self._rulesets(repo, branch)
        protected = await self._protection(repo, branch)
        if found is None or protected is None:
            return found if protected is None else Rules(required=protected)
        return Rules(required=found.required | protected, merge_queue=found.merge_queue)

    async def workflow_text(self, repo: str, path: str, branch: str) -> str:
        """Return a workflow's text on a branch; raises `NotFound`."""
        url = f"{self._base}/repos/{repo}/contents/{path}"
        found = read(_Content, (await get_json(self._http, url, [("ref", branch)])).data)
        try:
            return base64.b64decode(found.content).decode("utf-8", "replace")
        except ValueError as error:
            raise Unreadable(f"{path} of {repo} is not Base64") from error

    async def _pages(self, path: str, schema: type[P]) -> list[P]:
        url: str | None = self._base + path
        params: Sequence[tuple[str, str]] = _FULL
        pages: list[P] = []
        for _ in range(MOST_PAGES):
            answer = await get_json(self._http, url, params)
            pages.append(read(schema, answer.data))
            url, params = answer.next_url, ()
            if url is None:
                break
        # A list that is cut off, or that grew between two pages, is no list.
        if url is not None or {page.total_count for page in pages} != {sum(map(_size, pages))}:
            raise Unreadable(f"{path} does not end within {MOST_PAGES} pages, or changed meanwhile")
        return pages

    async def _rulesets(self, repo: str, branch: str) -> Rules | None:
        url = f"{self._base}/repos/{repo}/rules/branches/{branch}"
        try:
            answer = await get_json(self._http, url, _FULL)
        except (Refused, NotFound):
            return None
        if answer.next_url is not None:
            raise Unreadable(f"{repo} has more rules on {branch} than one page shows")
        rules = [read(_Rule, raw) for raw in rows(answer)]
        required = [
            _expectation(one.context, one.integration_id)
            for rule in rules
            if rule.type == "required_status_checks"
            for one in read(_RequiredByRule, rule.parameters).required_status_checks
        ]
        queue = any(rule.type == "merge_queue" for rule in rules)
        return Rules(required=frozenset(required), merge_queue=queue)

    async def _protection(self, repo: str, branch: str) -> frozenset[Expectation] | None:
        """Return the checks that protection requires; it needs a right that no token must have."""
        url = f"{self._base}/repos/{repo}/branches/{branch}/protection"
        try:
            answer = await get_json(self._http, url)
        except (Refused, NotFound):
            return None
        wire = read(_Protection, answer.data).required_status_checks
        if wire is None:
            return frozenset()
        named = {one.context for one in wire.checks}
        return frozenset(
            [_expectation(one.context, one.app_id) for one in wire.checks]
            + [Expectation(name=context) for context in wire.contexts if context not in named]
        )


def _size(page: _Runs | _Suites | _Statuses) -> int:
    if isinstance(page, _Runs):
        return len(page.check_runs)
    return len(page.check_suites if isinstance(page, _Suites) else page.statuses)


def _expectation(context: str, app: int | None) -> Expectation:
    if app is None or app == _ANY_APP:
        return Expectation(name=context)
    return Expectation(name=context, app=app_of(app))


def _check_run(wire: _CheckRun) -> CheckRun:
    app = wire.app or _App()
    return CheckRun(
        id=wire.id,
        suite=wire.check_suite.id if wire.check_suite else 0,
        name=wire.name,
        app=app.slug,
        app_id=app.id,
        sha=wire.head_sha,
        status=wire.status,
        conclusion=wire.conclusion,
    )


def _suite(wire: _Suite) -> Suite:
    # Where the number of its runs is not told, what the suite itself says counts.
    untold = 0 if wire.status == "completed" else 1
    return Suite(
        id=wire.id,
        app=wire.app.slug if wire.app else "",
        status=wire.status or "unknown",
        conclusion=wire.conclusion,
        runs=untold if wire.latest_check_runs_count is None else wire.latest_check_runs_count,
    )


def _status_check(wire: _Status) -> Check:
    # A commit status has one word for both; anything but success is not green.
    finished = wire.state != "pending"
    return Check(
        name=wire.context,
        app=STATUS,
        status="completed" if finished else "pending",
        conclusion={"success": "success"}.get(wire.state, "failure") if finished else None,
    )

"""Pull requests as somebody reads them: page by page, and file by file with their hunks."""

from dataclasses import dataclass
from typing import Literal

import httpx2

from mcp_server.clients.github import pull_request
from mcp_server.clients.wire import Wire, get_json, read, rows
from mcp_server.models import PullRequest

PAGE = 100
MOST_PAGES_OF_FILES = 3
State = Literal["open", "closed", "all"]


class _File(Wire):
    filename: str
    status: str
    additions: int = 0
    deletions: int = 0
    previous_filename: str | None = None
    patch: str | None = None


@dataclass(frozen=True, kw_only=True)
class PatchedFile:
    """A changed file as GitHub lists it; it shows no `patch` of binary or very large files."""

    path: str
    status: str
    additions: int
    deletions: int
    previous_path: str | None
    patch: str | None


class PullsClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def page(
        self, repo: str, *, state: State, number: int
    ) -> tuple[tuple[PullRequest, ...], bool]:
        """Return the `number`-th hundred, from 1, newest first, and whether there are more."""
        params = [("state", state), ("per_page", str(PAGE)), ("page", str(number))]
        answer = await get_json(self._http, f"{self._base}/repos/{repo}/pulls", params)
        found = tuple(pull_request(repo, raw) for raw in rows(answer))
        return found, answer.next_url is not None

    async def files(self, repo: str, number: int) -> tuple[tuple[PatchedFile, ...], bool]:
        """Return up to 300 changed files with their hunks, and whether these are all."""
        url: str | None = f"{self._base}/repos/{repo}/pulls/{number}/files"
        params = [("per_page", str(PAGE))]
        files: list[PatchedFile] = []
        for _ in range(MOST_PAGES_OF_FILES):
            if url is None:
                break
            answer = await get_json(self._http, url, params)
            files += [_file(raw) for raw in rows(answer)]
            url, params = answer.next_url, []
        return tuple(files), url is None


def _file(raw: object) -> PatchedFile:
    wire = read(_File, raw)
    return PatchedFile(
        path=wire.filename,
        status=wire.status,
        additions=wire.additions,
        deletions=wire.deletions,
        previous_path=wire.previous_filename,
        patch=wire.patch,
    )

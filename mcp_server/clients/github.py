"""GitHub's REST API (facts/github.md, version 2022-11-28): requests built, answers read.

Unknown is never absent: what cannot be read is None or an error, not an empty list.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import httpx2
from pydantic import Field

from mcp_server.clients.etags import ConditionalReads
from mcp_server.clients.github_checks import ChecksClient
from mcp_server.clients.wire import (
    Answer,
    Timestamp,
    Wire,
    error_of,
    get_json,
    github_write,
    read,
    rows,
    send,
)
from mcp_server.clock import Clock
from mcp_server.errors import NotFound, Unreadable
from mcp_server.guard import bodies
from mcp_server.guard.checks import Sources, combined
from mcp_server.guard.counted import RepositoryListing
from mcp_server.guard.request import Prepared
from mcp_server.models import ChangedFile, Check, PullRequest, Repository

HEADERS = {
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
}
MOST_PAGES = 100
# The API lists no more than 3,000 files of a pull request; past that nothing is complete.
MOST_FILES = 3000
_TAG = re.compile(r"\[df1 [^\]\n]{1,200}\]")


class _License(Wire):
    spdx_id: str | None = None


class _Repository(Wire):
    full_name: str
    node_id: str = ""
    private: bool
    visibility: str = "private"
    archived: bool = False
    fork: bool = False
    description: str | None = None
    language: str | None = None
    topics: tuple[str, ...] = ()
    license: _License | None = None
    default_branch: str = "main"
    created_at: Timestamp
    pushed_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    open_issues_count: int = 0


class _MergeMethods(Wire):
    squash: bool | None = Field(default=None, alias="allow_squash_merge")
    merge: bool | None = Field(default=None, alias="allow_merge_commit")
    rebase: bool | None = Field(default=None, alias="allow_rebase_merge")


class _User(Wire):
    login: str = ""


class _RepoName(Wire):
    full_name: str


class _Ref(Wire):
    ref: str
    sha: str
    repo: _RepoName | None = None


class _Pull(Wire):
    number: int
    html_url: str
    title: str = ""
    user: _User | None = None
    state: str
    merged: bool = False
    merged_at: str | None = None
    merge_commit_sha: str | None = None
    draft: bool = False
    base: _Ref
    head: _Ref
    mergeable: bool | None = None
    mergeable_state: str = "unknown"
    body: str | None = None
    created_at: Timestamp
    updated_at: Timestamp


class _File(Wire):
    filename: str
    status: str
    additions: int = 0
    deletions: int = 0
    previous_filename: str | None = None
    sha: str | None = None


class _Entry(Wire):
    path: str
    type: str
    sha: str
    size: int | None = None


class _Tree(Wire):
    sha: str
    truncated: bool = False
    tree: tuple[_Entry, ...]


class _Object(Wire):
    sha: str


class _GitRef(Wire):
    object: _Object


class _Commit(Wire):
    tree: _Object
    parents: tuple[_Object, ...]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A repository of a listing, with what a survey needs beside it.

    `node_id` is its name in GraphQL, empty where none was told; `stamp` changes with every push,
    setting, issue and pull request.
    """

    repository: Repository
    node_id: str
    stamp: str


class TreeListing(Wire):
    """The files of a branch: path → size in bytes, and → blob; what is no file has neither.

    `sha` names the whole tree; `complete` is False when GitHub cut the list off.
    """

    sha: str
    files: dict[str, int]
    blobs: dict[str, str]
    complete: bool


class GitHubClient:
    """Reads and sends through the guarded transport; keeps nothing but answers with their tags."""

    def __init__(
        self,
        http: httpx2.AsyncClient,
        *,
        base: str,
        clock: Clock,
        conditional: ConditionalReads,
        installed: bool = False,
    ) -> None:
        """Speak to the API at `base`; what is asked again and again, over `conditional`.

        `installed` means that a GitHub App works: it has an installation's repositories, no user's.
        """
        self._http = http
        self._conditional = conditional
        self._base = base.rstrip("/")
        self._clock = clock
        self._installed = installed
        self.checks = ChecksClient(http, base=base)

    async def list_repositories(self) -> tuple[tuple[Listed, ...], RepositoryListing]:
        """Return every repository of the account, and when each was made.

        Each page is asked conditionally; the listing's date is of this reading all the same.
        """
        received, received_at = self._clock.elapsed(), self._clock.now()
        url: str | None = f"{self._base}/user/repos"
        params = [("affiliation", "owner"), ("per_page", "100"), ("sort", "full_name")]
        if self._installed:
            url, params = f"{self._base}/installation/repositories", [("per_page", "100")]
        found: list[Listed] = []
        first: datetime | None = None
        for _ in range(MOST_PAGES):
            if url is None:
                break
            page = await self._conditional.get(url, params)
            first = first or page.date
            found += [_listed(raw) for raw in rows(page, "repositories")]
            url, params = page.next_url, []
        if first is None or url is not None:
            raise Unreadable(f"the repositories do not end within {MOST_PAGES} pages")
        known = [item.repository for item in found]
        listing = RepositoryListing(
            date=first,
            received=received,
            received_at=received_at,
            created={item.repo: item.created_at for item in known},
            private=frozenset(item.repo for item in known if item.private),
        )
        return tuple(found), listing

    async def get_repository(self, repo: str) -> Repository:
        """Return one repository; `NotFound` when the token cannot see one of that exact name."""
        found = repository((await self._conditional.get(f"{self._base}/repos/{repo}")).data)
        if found.repo.lower() != repo.lower():
            raise NotFound(f"{repo} is now {found.repo}: use that name")
        return found

    async def merge_methods(self, repo: str) -> frozenset[str] | None:
        """Return how pull requests may be merged; None: this token is not shown it."""
        wire = read(_MergeMethods, (await self._get(f"/repos/{repo}")).data)
        said = {"squash": wire.squash, "merge": wire.merge, "rebase": wire.rebase}
        if None in said.values():
            return None
        return frozenset(name for name, allowed in said.items() if allowed)

    async def get_tree(self, repo: str, ref: str) -> TreeListing:
        """Return all files at a branch or commit; raises `NotFound` or `Refused` when empty."""
        answer = await self._get(f"/repos/{repo}/git/trees/{ref}", [("recursive", "1")])
        tree = read(_Tree, answer.data)
        found = [entry for entry in tree.tree if entry.type == "blob"]
        return TreeListing(
            sha=tree.sha,
            files={entry.path: entry.size or 0 for entry in found},
            blobs={entry.path: entry.sha for entry in found},
            complete=not tree.truncated,
        )

    async def list_checks(self, repo: str, ref: str) -> tuple[Check, ...]:
        """Return the last word of each check run and each commit status at `ref`."""
        runs = await self.checks.runs(repo, ref)
        statuses = await self.checks.statuses(repo, ref)
        return combined(Sources(runs=runs, statuses=statuses.checks))

    async def list_pulls(
        self, repo: str, *, state: Literal["open", "closed", "all"] = "open"
    ) -> tuple[PullRequest, ...]:
        """Return up to 100 pull requests, newest first; without mergeability."""
        answer = await self._get(f"/repos/{repo}/pulls", [("state", state), ("per_page", "100")])
        return tuple(pull_request(repo, raw) for raw in rows(answer))

    async def get_pull(self, repo: str, number: int) -> PullRequest:
        """Return one pull request; `mergeable` is None until GitHub has computed it."""
        return pull_request(repo, (await self._get(f"/repos/{repo}/pulls/{number}")).data)

    async def list_files(self, repo: str, number: int) -> tuple[ChangedFile, ...] | None:
        """Return every changed file; None when there are more than GitHub lists."""
        url: str | None = f"{self._base}/repos/{repo}/pulls/{number}/files"
        params = [("per_page", "100")]
        files: list[ChangedFile] = []
        while url is not None:
            page = await get_json(self._http, url, params)
            files += [_changed_file(raw) for raw in rows(page)]
            if len(files) >= MOST_FILES:
                return None
            url, params = page.next_url, []
        return tuple(files)

    async def is_free(self, repo: str) -> bool:
        """Ask whether nothing stands at a name, and no former name leads from there (301).

        A new repository at a former name would take over whatever still goes by it.
        """
        response = await self._http.get(f"{self._base}/repos/{repo}")
        if response.status_code not in (200, 301, 302, 307, 308, 404):
            raise error_of(response)
        return response.status_code == 404

    async def is_merged(self, repo: str, number: int) -> bool:
        """Ask GitHub whether a pull request is merged (204) or not (404)."""
        response = await self._http.get(f"{self._base}/repos/{repo}/pulls/{number}/merge")
        if response.status_code not in (204, 404):
            raise Unreadable(f"{repo}#{number}: merged or not? HTTP {response.status_code}")
        return response.status_code == 204

    async def head_of(self, repo: str, branch: str) -> tuple[str, str]:
        """Return the commit and the tree that a branch stands at."""
        ref = read(_GitRef, (await self._get(f"/repos/{repo}/git/ref/heads/{branch}")).data)
        commit = (await self._get(f"/repos/{repo}/git/commits/{ref.object.sha}")).data
        return ref.object.sha, read(_Commit, commit).tree.sha

    async def parents_of(self, repo: str, commit: str) -> tuple[str, ...]:
        """Return what a commit was made on; nothing for a repository's very first one."""
        found = (await self._get(f"/repos/{repo}/git/commits/{commit}")).data
        return tuple(parent.sha for parent in read(_Commit, found).parents)

    async def send(self, prepared: Prepared, ticket: str) -> Mapping[str, Any]:
        """Send a prepared mutation under its ticket, once; returns the parsed answer."""
        return (await send(self._http, self._base, prepared, ticket)).data

    async def _get(self, path: str, params: Sequence[tuple[str, str]] = ()) -> Answer:
        return await get_json(self._http, self._base + path, params)


def repository(raw: object) -> Repository:
    """Read a repository."""
    return _repository(read(_Repository, raw))


def _listed(raw: object) -> Listed:
    wire = read(_Repository, raw)
    parts = (wire.pushed_at, wire.updated_at, wire.open_issues_count, wire.default_branch)
    return Listed(
        repository=_repository(wire), node_id=wire.node_id, stamp="|".join(map(str, parts))
    )


def _repository(wire: _Repository) -> Repository:
    return Repository(
        repo=wire.full_name,
        private=wire.private and wire.visibility == "private",
        archived=wire.archived,
        fork=wire.fork,
        description=wire.description or "",
        language=wire.language,
        topics=wire.topics,
        license=wire.license.spdx_id if wire.license else None,
        default_branch=wire.default_branch,
        created_at=wire.created_at,
        pushed_at=wire.pushed_at,
        open_issues=wire.open_issues_count,
    )


def pull_request(repo: str, raw: object) -> PullRequest:
    """Read a pull request from a list or by itself."""
    wire = read(_Pull, raw)
    merged = wire.merged or wire.merged_at is not None
    return PullRequest(
        repo=repo,
        number=wire.number,
        url=wire.html_url,
        title=wire.title,
        author=wire.user.login if wire.user else "",
        state=wire.state,
        merged=merged,
        draft=wire.draft,
        base_ref=wire.base.ref,
        base_repo=wire.base.repo.full_name if wire.base.repo else repo,
        head_ref=wire.head.ref,
        head_repo=wire.head.repo.full_name if wire.head.repo else None,
        head_sha=wire.head.sha,
        mergeable=wire.mergeable,
        mergeable_state=wire.mergeable_state,
        # Before, it is the commit of a merge that GitHub tries for itself.
        merge_sha=wire.merge_commit_sha if merged else None,
        tag=found[0] if (found := _TAG.match(wire.body or "")) else "",
        created_at=wire.created_at,
        updated_at=wire.updated_at,
    )


def create_repository(name: str, description: str, *, organization: str | None = None) -> Prepared:
    """Build the creation of a private repository with a first commit.

    It becomes the organization's, or that of the account whose token it leaves with.
    """
    body = bodies.CreateRepository(name=name, description=description)
    path = f"/orgs/{organization}/repos" if organization else "/user/repos"
    return github_write("create_repository", "POST", path, body)


def create_tree(repo: str, base_tree: str, files: Sequence[tuple[str, str]]) -> Prepared:
    """Build a tree of text files, `(path, content)`, on top of `base_tree`."""
    tree = (bodies.TreeFile(path=path, content=content) for path, content in files)
    body = bodies.CreateTree(base_tree=base_tree, tree=[*tree])
    return github_write("create_tree", "POST", f"/repos/{repo}/git/trees", body)


def create_commit(repo: str, *, message: str, tree: str, parent: str) -> Prepared:
    """Build a commit on `parent`."""
    body = bodies.CreateCommit(message=message, tree=tree, parents=[parent])
    return github_write("create_commit", "POST", f"/repos/{repo}/git/commits", body)


def move_branch(repo: str, branch: str, sha: str) -> Prepared:
    """Build the fast-forward of a branch."""
    path = f"/repos/{repo}/git/refs/heads/{branch}"
    return github_write("move_branch", "PATCH", path, bodies.MoveBranch(sha=sha))


def merge_pull(
    repo: str, number: int, head_sha: str, *, method: bodies.MergeMethod, words: tuple[str, str]
) -> Prepared:
    """Build a merge of exactly `head_sha`; `words` are title and message of its commit.

    A rebase has the commits of the branch, and no use for them.
    """
    path = f"/repos/{repo}/pulls/{number}/merge"
    title, message = words
    body = bodies.MergePull(
        sha=head_sha, merge_method=method, commit_title=title, commit_message=message
    )
    return github_write("merge_pull", "PUT", path, body)


def update_branch(repo: str, number: int, head_sha: str) -> Prepared:
    """Build the merge of the base into a pull request's branch."""
    path = f"/repos/{repo}/pulls/{number}/update-branch"
    return github_write(
        "update_branch", "PUT", path, bodies.UpdateBranch(expected_head_sha=head_sha)
    )


def _changed_file(raw: object) -> ChangedFile:
    wire = read(_File, raw)
    return ChangedFile(
        path=wire.filename,
        status=wire.status,
        additions=wire.additions,
        deletions=wire.deletions,
        previous_path=wire.previous_filename,
        sha=wire.sha,
    )

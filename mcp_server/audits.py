"""Reads trees for the audit against the standard: few requests, and each tree once.

An audit is a function of the tree and the standard: it is kept under both their names, so that a
merge that changes nothing more, or another process, asks nothing but which tree it is.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from mcp_server.cache import Cache, Entry
from mcp_server.clients.github import GitHubClient, TreeListing
from mcp_server.clients.github_patches import TreesClient
from mcp_server.clients.github_pulls import PatchedFile, PullsClient
from mcp_server.clock import Clock
from mcp_server.errors import NotFound, Refused, Unreadable
from mcp_server.insight.audit import Standard, Tree, audit, unread, worth_reading
from mcp_server.models import Audit, PullRequest
from mcp_server.patches.tree import blob_sha

KIND = "audit"
# Of a file that no pull request shows whole: one request each.
MOST_BLOBS = 12
# What is longer was made by a program, not written.
MOST_BYTES = 200_000


@dataclass(frozen=True, kw_only=True)
class AuditClients:
    """What is read with."""

    github: GitHubClient
    trees: TreesClient
    pulls: PullsClient


class Audits:
    """Audits trees by one standard."""

    def __init__(
        self, clients: AuditClients, *, standard: Standard, cache: Cache, clock: Clock
    ) -> None:
        """Read over `clients`, keep in `cache`."""
        self._clients = clients
        self._standard = standard
        self._digest = hashlib.sha256(standard.model_dump_json().encode()).hexdigest()[:12]
        self._cache = cache
        self._clock = clock
        self._heads: dict[tuple[str, str], Audit] = {}

    async def of_branch(self, repo: str, branch: str) -> Audit:
        """Audit what stands on a branch: up to 13 requests, 1 when the tree is known.

        Here and below, of what cannot be read everything is unknown; it is tried again.
        """
        try:
            return await self._at(repo, await self._clients.github.get_tree(repo, branch), None)
        except (Refused, NotFound, Unreadable) as error:
            return unread(repo, self._standard, str(error))

    async def of_pull(self, pull: PullRequest) -> Audit:
        """Audit the tree that a pull request proposes: 2 to 4 requests a head, as a rule.

        Files that it adds are read off its hunks; they are believed where they come to the blob
        that the tree names.
        """
        key = (pull.repo, pull.head_sha)
        if key not in self._heads:
            try:
                tree = await self._clients.github.get_tree(pull.repo, pull.head_sha)
                self._heads[key] = await self._at(pull.repo, tree, pull.number)
            except (Refused, NotFound, Unreadable) as error:
                return unread(pull.repo, self._standard, str(error))
        return self._heads[key]

    async def _at(self, repo: str, tree: TreeListing, number: int | None) -> Audit:
        kept = self._kept(repo, tree.sha)
        if kept is not None:
            return kept
        files = () if number is None else (await self._clients.pulls.files(repo, number))[0]
        texts = _added(files, tree.blobs)
        wanted = [path for path, size in tree.files.items() if size <= MOST_BYTES]
        unread = [path for path in wanted if path not in texts]
        for path in worth_reading(unread, most=MOST_BLOBS):
            text = await self._text(repo, tree.blobs[path])
            if text is not None:
                texts[path] = text
        paths = tuple(sorted(tree.files))
        found = audit(
            Tree(repo=repo, name=tree.sha, paths=paths, complete=tree.complete, texts=texts),
            self._standard,
        )
        body = found.model_dump_json().encode()
        entry = Entry(tag=self._digest, read_at=self._clock.now(), body=body)
        self._cache.keep(KIND, {_key(repo, tree.sha): entry})
        return found

    def _kept(self, repo: str, sha: str) -> Audit | None:
        entry = self._cache.find(KIND, _key(repo, sha))
        if entry is None or entry.tag != self._digest:
            return None
        try:
            return Audit.model_validate_json(entry.body)
        except ValidationError:  # another version's
            return None

    async def _text(self, repo: str, sha: str) -> str | None:
        """Return a file's text; None for what is none, or cannot be had."""
        try:
            return (await self._clients.trees.blob(repo, sha)).decode()
        except (NotFound, Unreadable, UnicodeDecodeError):
            return None


def _key(repo: str, sha: str) -> str:
    return f"{repo}@{sha}"


def _added(files: Sequence[PatchedFile], blobs: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of added files that the hunks show whole."""
    texts: dict[str, str] = {}
    for file in files:
        if file.status != "added" or file.patch is None:
            continue
        lines = [line[1:] for line in file.patch.split("\n") if line.startswith("+")]
        text = "\n".join(lines) + ("" if "\n\\ No newline" in file.patch else "\n")
        if blob_sha(text.encode()) == blobs.get(file.path):
            texts[file.path] = text
    return texts

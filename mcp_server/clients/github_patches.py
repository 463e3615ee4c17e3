"""What a patch needs of GitHub's Git Data API: whole trees and blobs read, requests built.

What is read is checked against its own name, so that nothing is planned on half an answer.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Literal

import httpx2

from mcp_server.clients.wire import Wire, get_json, github_write, read
from mcp_server.errors import Unreadable
from mcp_server.guard import bodies
from mcp_server.guard.request import Prepared
from mcp_server.patches.plan import Change
from mcp_server.patches.tree import Entry, blob_sha, tree_sha


class _Entry(Wire):
    path: str
    mode: str
    type: str
    sha: str


class _Tree(Wire):
    truncated: bool = True
    tree: tuple[_Entry, ...]


class _Blob(Wire):
    content: str
    encoding: Literal["base64"]


class TreesClient:
    """Reads through the guarded transport; keeps nothing."""

    def __init__(self, http: httpx2.AsyncClient, *, base: str) -> None:
        """Speak to the API at `base`."""
        self._http = http
        self._base = base.rstrip("/")

    async def files(self, repo: str, tree: str) -> dict[str, Entry]:
        """Return every file of a tree by path, symlinks and submodules too.

        Raises:
            Unreadable: cut off (over 100,000 entries or 7 MB), or not the tree of that name.
        """
        url = f"{self._base}/repos/{repo}/git/trees/{tree}"
        found = read(_Tree, (await get_json(self._http, url, [("recursive", "1")])).data)
        files = {one.path: Entry(one.mode, one.sha) for one in found.tree if one.type != "tree"}
        if found.truncated or tree_sha(files) != tree:
            raise Unreadable(f"{repo}: the listing of tree {tree} is not whole")
        return files

    async def blob(self, repo: str, sha: str) -> bytes:
        """Return the content of a blob; raises `Unreadable` when it is another one's."""
        url = f"{self._base}/repos/{repo}/git/blobs/{sha}"
        found = read(_Blob, (await get_json(self._http, url)).data)
        try:
            content = base64.b64decode(found.content.replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            raise Unreadable(f"{repo}: blob {sha} is no Base64") from None
        if blob_sha(content) != sha:
            raise Unreadable(f"{repo}: what came for blob {sha} is another one")
        return content


def create_tree(repo: str, base_tree: str, changes: Sequence[Change]) -> Prepared:
    """Build a tree on top of `base_tree`: texts, blobs that are there already, files that go."""
    body = bodies.CreateTree(base_tree=base_tree, tree=[_entry(change) for change in changes])
    return github_write("create_tree", "POST", f"/repos/{repo}/git/trees", body)


def create_branch(repo: str, branch: str, sha: str) -> Prepared:
    """Build a new branch at a commit; GitHub refuses one that is there."""
    body = bodies.CreateBranch(ref=f"refs/heads/{branch}", sha=sha)
    return github_write("create_branch", "POST", f"/repos/{repo}/git/refs", body)


def open_pull(repo: str, *, title: str, head: str, base: str, body: str) -> Prepared:
    """Build a pull request between two branches of one repository; `body` begins with a marker."""
    opened = bodies.OpenPull(title=title, head=head, base=base, body=body)
    return github_write("open_pull", "POST", f"/repos/{repo}/pulls", opened)


def _entry(change: Change) -> bodies.TreeFile | bodies.TreeBlob | bodies.TreeGone:
    if change.content is not None:
        return bodies.TreeFile(path=change.path, mode=change.mode, content=change.content)
    if change.sha is not None:
        return bodies.TreeBlob(path=change.path, mode=change.mode, sha=change.sha)
    return bodies.TreeGone(path=change.path, mode=change.mode, sha=None)

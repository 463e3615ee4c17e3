"""A repository's content: real git objects with real SHA-1 names, in memory.

Trees are kept flat (path to file) and as git's own one-level listings. Merging is by whole file.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class File(NamedTuple):
    """A blob at a path; `mode` as git writes it (`100644`)."""

    mode: str
    sha: str


class Entry(NamedTuple):
    """One line of a tree listing; a folder's mode is `40000`."""

    name: str
    mode: str
    sha: str


class Change(NamedTuple):
    """One file that differs between two trees; None where it does not exist."""

    path: str
    old: File | None
    new: File | None


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit; `author` is `NAME <EMAIL>`."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    message: str
    author: str
    at: datetime


FOLDER = "40000"


def object_sha(kind: str, content: bytes) -> str:
    """Name an object as git does."""
    head = f"{kind} {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


class Git:
    """Objects and branches of one repository."""

    def __init__(self) -> None:
        """Begin empty: no branch, no commit."""
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, File]] = {}
        self.listings: dict[str, tuple[Entry, ...]] = {}
        self.commits: dict[str, Commit] = {}
        self.branches: dict[str, str] = {}

    def add_blob(self, content: bytes) -> str:
        """Keep `content`; return its name."""
        sha = object_sha("blob", content)
        self.blobs[sha] = content
        return sha

    def add_tree(self, files: Mapping[str, File]) -> str:
        """Keep a tree and all trees in it; return its name."""
        folders: dict[str, dict[str, File]] = {}
        entries: list[Entry] = []
        for path, file in files.items():
            top, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(top, {})[rest] = file
            else:
                entries.append(Entry(top, file.mode, file.sha))
        entries += [Entry(name, FOLDER, self.add_tree(inner)) for name, inner in folders.items()]
        # Git sorts a folder as if its name ended in a slash.
        entries.sort(key=lambda e: (e.name + "/" if e.mode == FOLDER else e.name).encode())
        content = b"".join(
            f"{entry.mode} {entry.name}\0".encode() + bytes.fromhex(entry.sha) for entry in entries
        )
        sha = object_sha("tree", content)
        self.trees[sha] = dict(files)
        self.listings[sha] = tuple(entries)
        return sha

    def add_commit(
        self, tree: str, parents: tuple[str, ...], *, message: str, author: str, at: datetime
    ) -> str:
        """Keep a commit (author and committer are one); return its name."""
        who = f"{author} {int(at.timestamp())} +0000"
        lines = [f"tree {tree}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {who}", f"committer {who}", "", message]
        sha = object_sha("commit", "\n".join(lines).encode())
        self.commits[sha] = Commit(
            sha=sha, tree=tree, parents=parents, message=message, author=author, at=at
        )
        return sha

    def files(self, commit: str) -> dict[str, File]:
        """Return the files of a commit, by path."""
        return self.trees[self.commits[commit].tree]

    def text(self, file: File | None) -> str | None:
        """Return a file's text (undecodable bytes replaced), None for no file."""
        return None if file is None else self.blobs[file.sha].decode(errors="replace")

    def put(self, files: Mapping[str, File], changes: Mapping[str, str]) -> dict[str, File]:
        """Return `files` with texts written over them."""
        new = {path: File("100644", self.add_blob(text.encode())) for path, text in changes.items()}
        return {**files, **new}

    def walk(self, tree: str, prefix: str = "") -> Iterator[Entry]:
        """Yield every entry under a tree, folders too, named by full path."""
        for entry in self.listings[tree]:
            full = entry._replace(name=prefix + entry.name)
            yield full
            if entry.mode == FOLDER:
                yield from self.walk(entry.sha, full.name + "/")

    def ancestors(self, commit: str) -> dict[str, None]:
        """Return a commit and all before it, nearest first."""
        seen = {commit: None}
        queue = [commit]
        for sha in queue:
            for parent in self.commits[sha].parents:
                if parent not in seen:
                    seen[parent] = None
                    queue.append(parent)
        return seen

    def contains(self, commit: str, older: str) -> bool:
        """Say whether `older` is in the history of `commit`."""
        return older in self.ancestors(commit)

    def fork_point(self, base: str, head: str) -> dict[str, File]:
        """Return the files where the two histories part (none: unrelated)."""
        known = self.ancestors(base)
        shared = next((sha for sha in self.ancestors(head) if sha in known), None)
        return {} if shared is None else self.files(shared)

    def merge(self, base: str, head: str) -> tuple[dict[str, File], tuple[str, ...]]:
        """Put what `head` changed on top of `base`; return the files and the paths in conflict.

        A path in conflict (changed on both sides, differently) is returned as `head` has it.
        """
        start, ours = self.fork_point(base, head), self.files(base)
        merged, conflicts = dict(ours), list[str]()
        for change in changes(start, self.files(head)):
            if ours.get(change.path) not in (change.old, change.new):
                conflicts.append(change.path)
            if change.new is None:
                merged.pop(change.path, None)
            else:
                merged[change.path] = change.new
        return merged, tuple(conflicts)

    def diff(self, old: Mapping[str, File], new: Mapping[str, File]) -> str:
        """Return the unified diff between two trees, as `git diff` writes it."""
        return "".join(self._file_diff(change) for change in changes(old, new))

    def hunks(self, change: Change) -> str:
        """Return the hunks of one changed file, without any header; no final newline."""
        old, new = (_lines(self.text(file) or "") for file in (change.old, change.new))
        lines = list(difflib.unified_diff(old, new))[2:]
        missing = "\n\\ No newline at end of file\n"
        return "".join(line if line.endswith("\n") else line + missing for line in lines)[:-1]

    def _file_diff(self, change: Change) -> str:
        path, old, new = change
        mode = (new or old or File("100644", "")).mode
        kind = f"new file mode {mode}\n" if old is None else ""
        kind = f"deleted file mode {mode}\n" if new is None else kind
        before, after = (file.sha[:7] if file else "0000000" for file in (old, new))
        tail = f" {mode}" if old and new else ""
        left, right = f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null"
        hunks = self.hunks(change)
        body = f"--- {left}\n+++ {right}\n{hunks}\n" if hunks else ""
        return f"diff --git a/{path} b/{path}\n{kind}index {before}..{after}{tail}\n{body}"


def changes(old: Mapping[str, File], new: Mapping[str, File]) -> list[Change]:
    """Return what differs between two trees, by path."""
    paths = sorted({**old, **new})
    return [
        Change(path, old.get(path), new.get(path))
        for path in paths
        if old.get(path) != new.get(path)
    ]


def _lines(text: str) -> list[str]:
    """Split at newlines only, and keep them: `splitlines` knows other ends that git does not."""
    whole, last = text.split("\n")[:-1], text.rpartition("\n")[2]
    return [f"{line}\n" for line in whole] + ([last] if last else [])

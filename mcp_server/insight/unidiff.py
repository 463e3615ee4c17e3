"""A unified diff taken apart by file, counted, and cut to a size without cutting a file. Pure."""

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_GIT = re.compile(r"diff --git (?:\"?a/.*?\"? )\"?b/(?P<path>.*?)\"?")
_SIDE = re.compile(r"(?:---|\+\+\+) (?:\"?[ab]/)?(?P<path>.*?)\"?(?:\t.*)?")
_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@.*")
_NOWHERE = "/dev/null"


@dataclass(frozen=True, kw_only=True)
class FileDiff:
    """One file's part of a diff; `text` is that part as it stood, its line ends included."""

    path: str
    added: int
    removed: int
    text: str


@dataclass
class _Part:
    """A part that is being read; `old` and `new` are the lines its open hunk still owes."""

    path: str
    lines: list[str]
    added: int = 0
    removed: int = 0
    old: int = 0
    new: int = 0

    @property
    def in_hunk(self) -> bool:
        return self.old > 0 or self.new > 0

    def take(self, line: str) -> None:
        """Count a line of an open hunk; one that only looks like a header is a line too."""
        self.lines.append(line)
        if line.startswith("+"):
            self.added, self.new = self.added + 1, self.new - 1
        elif line.startswith("-"):
            self.removed, self.old = self.removed + 1, self.old - 1
        elif not line.startswith("\\"):
            self.old, self.new = self.old - 1, self.new - 1


def split(diff: str) -> tuple[FileDiff, ...]:
    """Take a diff apart; what stands before its first file belongs to no file and is left out."""
    return tuple(
        FileDiff(path=one.path, added=one.added, removed=one.removed, text="".join(one.lines))
        for one in _parts(diff)
    )


def fitting(files: Sequence[FileDiff], most: int) -> tuple[FileDiff, ...]:
    """Return the files, first come first served, whose texts together have at most `most`."""
    room, kept = most, list[FileDiff]()
    for one in files:
        if len(one.text) <= room:
            kept.append(one)
            room -= len(one.text)
    return tuple(kept)


def _parts(diff: str) -> Iterator[_Part]:
    part: _Part | None = None
    for line in io.StringIO(diff, newline="\n"):  # `splitlines` would end lines at form feeds too
        if part is not None and part.in_hunk:
            part.take(line)
            continue
        bare = line.rstrip("\r\n")
        header = _GIT.fullmatch(bare)
        if header or (bare.startswith("--- ") and (part is None or part.added or part.removed)):
            if part is not None:
                yield part
            part = _Part(header["path"] if header else "", [])
        if part is not None:
            _outside(part, line, bare)
    if part is not None:
        yield part


def _outside(part: _Part, line: str, bare: str) -> None:
    """Take a line between hunks: the two names, a hunk's head, or git's own remarks."""
    part.lines.append(line)
    if hunk := _HUNK.fullmatch(bare):
        part.old = int(hunk["old"] or 1)
        part.new = int(hunk["new"] or 1)
    elif (side := _SIDE.fullmatch(bare)) and side["path"] != _NOWHERE:
        part.path = side["path"]

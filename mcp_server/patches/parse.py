"""Reads a unified diff as `git diff` writes it; what is not plainly that is refused by its line."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mcp_server.patches import names
from mcp_server.patches.values import MODES, Action, FilePatch, Hunk, Line, Mode, Sign, unreadable

_NUMBER = "[0-9]{1,9}"
_HUNK = re.compile(rf"@@ -({_NUMBER})(?:,({_NUMBER}))? \+({_NUMBER})(?:,({_NUMBER}))? @@.*")
_INDEX = re.compile(r"[0-9a-f]{4,64}\.\.[0-9a-f]{4,64}(?: ([0-7]{6}))?")
_PERCENT = re.compile(r"[0-9]{1,3}%")
_BINARY = ("GIT binary patch", "Binary files ")
_NOWHERE = "/dev/null"
_DIFF = "diff --git "
# Past these it is no change that anybody reviews.
MOST_FILES = 300
MOST_CHARACTERS = 2_000_000

_Side = Literal["old", "new"]
_SIDES: Mapping[Sign, str] = {" ": "-+", "-": "-", "+": "+"}
# Some writers leave out the blank of an empty line; git reads it as one too.
_SIGNS: Mapping[str, Sign] = {"": " ", " ": " ", "-": "-", "+": "+"}


@dataclass
class _Head:
    """The lines above the first hunk of a file, as far as they are read."""

    line: int
    pairs: list[tuple[str, str]]
    names: dict[_Side, str | None] = field(default_factory=dict[_Side, "str | None"])
    modes: dict[_Side, Mode] = field(default_factory=dict[_Side, Mode])
    moved: dict[_Side, str] = field(default_factory=dict[_Side, str])
    actions: set[Action] = field(default_factory=set[Action])


def parse(diff: str) -> tuple[FilePatch, ...]:
    """Return what a diff says of each file, in its order.

    Raises:
        Refused: binary, a symlink or submodule, too big, or not as git writes it
            (`limit` is `patch_unreadable`).
    """
    if len(diff) > MOST_CHARACTERS:
        raise unreadable(1, f"{len(diff):,} characters, more than {MOST_CHARACTERS:,}")
    try:
        diff.encode()
    except UnicodeEncodeError as error:
        raise unreadable(diff.count("\n", 0, error.start) + 1, "this is no text") from None
    reader = _Reader(diff)
    found = tuple(reader.files())
    if not found:
        raise unreadable(1, "no file is in it: give it as `git diff` writes it")
    if len(found) > MOST_FILES:
        raise unreadable(1, f"{len(found)} files, more than {MOST_FILES}")
    return found


class _Reader:
    """Goes through the lines once."""

    def __init__(self, diff: str) -> None:
        self._lines = diff.removesuffix("\n").split("\n")  # no other line ends: git knows none
        self._at = 0

    def files(self) -> Iterator[FilePatch]:
        while self._at < len(self._lines):
            if self._line.startswith(_DIFF):
                yield self._file()
            elif self._line:
                raise self._refusal(f"{self._line[:60]!r} belongs to no file")
            else:
                self._at += 1

    @property
    def _line(self) -> str:
        return self._lines[self._at]

    def _refusal(self, why: str) -> Exception:
        return unreadable(self._at + 1, why)

    def _peek(self, start: str) -> bool:
        return self._at < len(self._lines) and self._line.startswith(start)

    def _file(self) -> FilePatch:
        head = _Head(self._at + 1, list(names.pairs(self._line.removeprefix(_DIFF))))
        self._at += 1
        while self._at < len(self._lines) and self._line and not self._peek(_DIFF):
            if self._peek("--- "):
                self._sides(head)
                break
            self._extended(head)
        hunks = tuple(self._hunks()) if head.names else ()
        if head.names and not hunks:
            raise self._refusal("a file is named here, and no hunk follows")
        return _file_patch(head, hunks)

    def _extended(self, head: _Head) -> None:
        line = self._line
        if line.startswith(_BINARY):
            raise self._refusal("binary: only text is applied, move binary files by hand")
        for start, take in _EXTENDED.items():
            if line.startswith(start):
                why = take(head, line.removeprefix(start))
                if why:
                    raise self._refusal(why)
                self._at += 1
                return
        raise self._refusal(f"{line[:60]!r} is nothing that git says of a file")

    def _sides(self, head: _Head) -> None:
        """Read the `---` and `+++` lines; a tab after a name ends it."""
        sides: tuple[tuple[_Side, str, str], ...] = (("old", "--- ", "a/"), ("new", "+++ ", "b/"))
        for side, start, prefix in sides:
            if not self._peek(start):
                raise self._refusal(f"expected {start!r} and a name")
            name = self._line.removeprefix(start).partition("\t")[0]
            path = None if name == _NOWHERE else names.prefixed(name, prefix)
            if path is None and name != _NOWHERE:
                raise self._refusal(f"{name[:80]!r} is no name under {prefix!r}")
            head.names[side] = path
            self._at += 1

    def _hunks(self) -> Iterator[Hunk]:
        while self._peek("@@ "):
            yield self._hunk()

    def _hunk(self) -> Hunk:
        header = self._line
        found = _HUNK.fullmatch(header)
        if found is None:
            raise self._refusal(f"{header[:60]!r} is no head of a hunk")
        owed = {"-": int(found[2] or 1), "+": int(found[4] or 1)}
        sides = ((int(found[1]), owed["-"]), (int(found[3]), owed["+"]))
        # An empty side stands after its line, any other at it.
        begins = [at if count == 0 else at - 1 for at, count in sides]
        if min(begins) < 0 or not any(owed.values()):
            raise self._refusal(f"{header[:60]!r} begins nowhere")
        self._at += 1
        lines = self._body(owed)
        if not any(line.sign != " " for line in lines):
            raise self._refusal(f"{header[:60]!r} changes nothing")
        return Hunk(header=header, old_start=begins[0], new_start=begins[1], lines=tuple(lines))

    def _body(self, owed: dict[str, int]) -> list[Line]:
        lines: list[Line] = []
        ended = set[str]()
        while any(owed.values()) or self._peek("\\ "):
            if self._at == len(self._lines):
                raise self._refusal(f"the patch ends here; lines are still owed: {owed}")
            line = self._line
            if line.startswith("\\ "):
                ended |= self._end_without_newline(lines, ended)
                continue
            sign = _SIGNS.get(line[:1])
            sides = _SIDES[sign] if sign else ""
            if sign is None or any(owed[side] == 0 for side in sides):
                raise self._refusal(f"{line[:60]!r} does not belong to the hunk above")
            if ended & set(sides):
                raise self._refusal("a line follows the one that ends the file")
            if "\0" in line:
                raise self._refusal("binary: a NUL stands in it")
            for side in sides:
                owed[side] -= 1
            lines.append(Line(sign=sign, text=line[1:].encode() + b"\n"))
            self._at += 1
        return lines

    def _end_without_newline(self, lines: list[Line], ended: set[str]) -> set[str]:
        """Take the newline off the line above; returns the sides that end with it."""
        sides = set(_SIDES[lines[-1].sign]) if lines else set[str]()
        if not sides or sides & ended or not lines[-1].text.endswith(b"\n"):
            raise self._refusal("nothing above that could end without a newline")
        lines[-1] = Line(sign=lines[-1].sign, text=lines[-1].text[:-1])
        self._at += 1
        return sides


def _mode(*sides: _Side, action: Action | None = None) -> Callable[[_Head, str], str]:
    def take(head: _Head, word: str) -> str:
        mode: Mode | None = next((one for one in MODES if one == word), None)
        if mode is None:
            return f"mode {word[:20]!r}: only plain files are written, no symlink, no submodule"
        if any(head.modes.get(side, mode) != mode for side in sides):
            return f"mode {mode} against what was said above"
        head.modes.update((side, mode) for side in sides)
        head.actions |= {action} if action else set[Action]()
        return ""

    return take


def _moved(side: _Side, action: Action) -> Callable[[_Head, str], str]:
    def take(head: _Head, word: str) -> str:
        path = names.plain(word)
        if path is None or side in head.moved:
            return f"{word[:80]!r} is no name, or a second one"
        head.moved[side] = path
        head.actions.add(action)
        return ""

    return take


def _index(head: _Head, word: str) -> str:
    found = _INDEX.fullmatch(word)
    if found is None:
        return f"{word[:60]!r} names no two blobs"
    return _mode("old", "new")(head, found[1]) if found[1] else ""


def _percent(head: _Head, word: str) -> str:
    del head
    return "" if _PERCENT.fullmatch(word) else f"{word[:20]!r} is no percentage"


_EXTENDED: Mapping[str, Callable[[_Head, str], str]] = {
    "old mode ": _mode("old"),
    "new mode ": _mode("new"),
    "new file mode ": _mode("new", action="add"),
    "deleted file mode ": _mode("old", action="delete"),
    "rename from ": _moved("old", "rename"),
    "rename to ": _moved("new", "rename"),
    "copy from ": _moved("old", "copy"),
    "copy to ": _moved("new", "copy"),
    "similarity index ": _percent,
    "dissimilarity index ": _percent,
    "index ": _index,
}


def _file_patch(head: _Head, hunks: tuple[Hunk, ...]) -> FilePatch:
    """Put together what the lines above the hunks say, if they say one thing."""
    if len(head.actions) > 1:
        raise unreadable(head.line, f"it is to be {' and '.join(sorted(head.actions))} at once")
    actions: list[Action] = [*head.actions, "modify"]
    action = actions[0]
    old, new = _paths(head, action)
    if action == "modify" and not hunks and head.modes.get("old") == head.modes.get("new"):
        raise unreadable(head.line, f"nothing is changed in {new!r}")
    if {"old", "new"} == set(head.modes) or not head.modes or action in ("add", "delete"):
        return FilePatch(
            action=action,
            old=old,
            new=new,
            old_mode=head.modes.get("old"),
            new_mode=head.modes.get("new"),
            hunks=hunks,
        )
    raise unreadable(head.line, f"one mode of {new!r} is said, and not the other")


# Which action has no file on which side.
_MISSING: Mapping[_Side, Action] = {"old": "add", "new": "delete"}


def _paths(head: _Head, action: Action) -> tuple[str, str]:
    """Return both names, which every line that names them agrees on."""
    for side, needed in _MISSING.items():
        if head.names and (head.names[side] is None) != (action == needed):
            raise unreadable(head.line, f"{_NOWHERE} stands where a name belongs, or the reverse")
    named = {side: name for side, name in head.names.items() if name is not None}
    if action in ("rename", "copy"):
        if len(head.moved) != 2 or not named.items() <= head.moved.items():
            raise unreadable(head.line, f"not one and the same two names for a {action}")
        fitting = [pair for pair in head.pairs if pair == (head.moved["old"], head.moved["new"])]
    else:
        fitting = [pair for pair in head.pairs if {*pair, *named.values()} == {pair[0]}]
    if not fitting:
        raise unreadable(head.line, "its names do not agree, or have not a/ and b/ before them")
    return fitting[0]

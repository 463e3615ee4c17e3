"""What a unified diff says of each file, as values; and how it is refused."""

from dataclasses import dataclass
from typing import Literal, get_args

from mcp_server.errors import Refused

Action = Literal["modify", "add", "delete", "rename", "copy"]
Sign = Literal[" ", "-", "+"]
# The only modes that are ever written: no symlink (120000), no submodule (160000).
Mode = Literal["100644", "100755"]
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a hunk with its newline, or without one where the file ends without it."""

    sign: Sign
    text: bytes


@dataclass(frozen=True, kw_only=True)
class Hunk:
    """Lines that belong together; `old_start` and `new_start` count from 0."""

    header: str
    old_start: int
    new_start: int
    lines: tuple[Line, ...]

    def side(self, sign: Literal["-", "+"]) -> tuple[bytes, ...]:
        """Return the lines as they are before (`-`) or after (`+`) it."""
        return tuple(line.text for line in self.lines if line.sign in (" ", sign))


@dataclass(frozen=True, kw_only=True)
class FilePatch:
    """One file's part of a diff.

    `old` is the path it is made from, `new` the one it is made at: the same but for a rename or a
    copy. A mode of None is not said: what is there stays.
    """

    action: Action
    old: str
    new: str
    old_mode: Mode | None = None
    new_mode: Mode | None = None
    hunks: tuple[Hunk, ...] = ()


def unreadable(line: int, why: str) -> Refused:
    """Return the refusal of a diff that is not plain; `line` counts from 1."""
    return Refused(f"line {line} of the patch: {why}", limit="patch_unreadable")


def unfit(path: str, why: str) -> Refused:
    """Return the refusal of a diff that does not apply to the tree as it is."""
    return Refused(f"the patch does not apply to {path!r}: {why}", limit="patch_does_not_apply")

"""Applies one file's hunks to its content: every line where the patch says it is, or not at all."""

from mcp_server.errors import Refused
from mcp_server.patches.values import FilePatch, Hunk, unfit


def applied(patch: FilePatch, content: bytes) -> bytes:
    """Return the content after the patch; `content` is empty for a file that it adds.

    Raises:
        Refused: a line is another than the patch says, or one that it deletes is not all there
            (`limit` is `patch_does_not_apply`).
    """
    old = _lines(content)
    new: list[bytes] = []
    at = 0
    for hunk in patch.hunks:
        if hunk.old_start < at:
            raise _misfit(patch, hunk, "it overlaps the one before it")
        new += old[at : hunk.old_start]
        if len(new) != hunk.new_start:
            raise _misfit(patch, hunk, f"its lines would come to stand at {len(new) + 1}")
        at = _matched(patch, hunk, old)
        new += hunk.side("+")
    new += old[at:]
    if any(not line.endswith(b"\n") for line in new[:-1]):
        raise unfit(patch.old, "a line without its end would stand in the middle")
    if patch.action == "delete" and new:
        raise unfit(patch.old, f"it deletes the file, and leaves {len(new)} lines of it")
    return b"".join(new)


def _matched(patch: FilePatch, hunk: Hunk, old: list[bytes]) -> int:
    """Return the line after those that the hunk is about, which are there as it says."""
    wanted = hunk.side("-")
    end = hunk.old_start + len(wanted)
    if hunk.old_start > len(old):
        raise _misfit(patch, hunk, f"the file has {len(old)} lines")
    for nth, line in enumerate(wanted, hunk.old_start):
        if nth >= len(old) or old[nth] != line:
            raise _misfit(patch, hunk, f"line {nth + 1} is another")
    # As git's own `apply`, for which line 1 is the beginning, said to stand after it or not.
    if not wanted and hunk.old_start == 1:
        raise _misfit(patch, hunk, "it shows no line around its change")
    # As git's own `apply`: without a line after it, a hunk is about the end of the file.
    if hunk.lines[-1].sign != " " and end != len(old):
        raise _misfit(patch, hunk, "it shows no line after its change, and is not at the end")
    return end


def _misfit(patch: FilePatch, hunk: Hunk, why: str) -> Refused:
    return unfit(patch.old, f"hunk {hunk.header[:60]!r}: {why}")


def _lines(content: bytes) -> list[bytes]:
    """Split after newlines only; `bytes.splitlines` would split after a lone return as well."""
    parts = content.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]

"""Plans the entries of a git tree that a patch leads to, from the tree it is applied to.

What may not be proposed at all is `guard.paths`' to say; nothing is read here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcp_server.errors import Refused
from mcp_server.guard import paths
from mcp_server.patches.apply import applied
from mcp_server.patches.tree import Entry, blob_sha, tree_sha
from mcp_server.patches.values import MODES, FilePatch, Mode, unfit

# What one request carries (guard.policy's bound on a body, with room for escapes).
MOST_BYTES = 900_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """One entry of the tree to ask for.

    `content` is a new text; without one, `sha` is the blob that is there already, and neither
    means that the path goes.
    """

    path: str
    mode: Mode
    content: str | None = None
    sha: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The changes by path, and git's name of the whole tree they lead to."""

    changes: tuple[Change, ...]
    tree: str


def check(patches: Sequence[FilePatch]) -> None:
    """Refuse what touches a path that no proposal may touch, or one path in two ways.

    Raises:
        Refused: `limit` is `protected_path` or `patch_unreadable`.
    """
    made, used_up = set[str](), set[str]()
    for patch in patches:
        for path in {patch.old, patch.new}:
            why = paths.why_not(path)
            if why is not None:
                raise Refused(f"the patch touches {path!r}: {why}", limit="protected_path")
        if patch.action != "delete":
            _note(made, patch.new)
        if patch.action in ("delete", "rename", "modify"):
            _note(used_up, patch.old)


def blobs_needed(patches: Sequence[FilePatch], tree: Mapping[str, Entry]) -> frozenset[str]:
    """Return the blobs whose content must be read; refuses what is not in the tree as said."""
    sources = [(patch, _source(patch, tree)) for patch in patches if patch.action != "add"]
    return frozenset(entry.sha for patch, entry in sources if patch.hunks)


def plan_of(changes: Sequence[Change], tree: Mapping[str, Entry]) -> Plan:
    """Return what to ask for, so that `tree` gets exactly these changes.

    Raises:
        Refused: a new file is there already, or one that shall go is not.
    """
    files = dict(tree)
    for change in changes:
        goes = change.content is None and change.sha is None
        if goes is not (change.path in files):
            raise unfit(change.path, "it is there already" if not goes else "there is no such file")
        if goes:
            files.pop(change.path)
        else:
            files[change.path] = Entry(change.mode, _sha_of(change))
    _refuse_nesting(files)
    _refuse_too_much(changes, files, tree)
    ordered = sorted(changes, key=lambda change: change.path)
    return Plan(changes=tuple(ordered), tree=tree_sha(files))


def plan(
    patches: Sequence[FilePatch], tree: Mapping[str, Entry], contents: Mapping[str, bytes]
) -> Plan:
    """Return what to ask for, so that `tree` becomes what the patches say.

    Args:
        patches: checked by `check`.
        tree: every file of the tree by path, symlinks and submodules too.
        contents: the blobs of `blobs_needed`, by their SHA.

    Raises:
        Refused: a file or a hunk does not fit (`limit` is `patch_does_not_apply`).
    """
    files = dict(tree)
    for patch in patches:
        if patch.action in ("delete", "rename"):
            _check_removal(patch, tree, contents)
            files.pop(patch.old)
    changes: dict[str, Change] = {}
    for patch in patches:
        if patch.action == "delete":
            continue
        if patch.action != "modify" and patch.new in files:
            raise unfit(patch.new, "there is a file of that name")
        change = _change(patch, tree, contents)
        files[patch.new] = Entry(change.mode, _sha_of(change))
        changes[patch.new] = change
    _refuse_nesting(files)
    gone = [path for path in tree if path not in files]
    removals = {path: Change(path=path, mode=_mode(path, tree[path])) for path in gone}
    _refuse_too_much(list(changes.values()), files, tree)
    ordered = sorted({**changes, **removals}.values(), key=lambda change: change.path)
    return Plan(changes=tuple(ordered), tree=tree_sha(files))


def _note(seen: set[str], path: str) -> None:
    if path in seen:
        raise Refused(f"the patch changes {path!r} twice", limit="patch_unreadable")
    seen.add(path)


def _source(patch: FilePatch, tree: Mapping[str, Entry]) -> Entry:
    entry = tree.get(patch.old)
    if entry is None:
        raise unfit(patch.old, "there is no such file")
    mode = _mode(patch.old, entry)
    if patch.old_mode not in (None, mode):
        raise unfit(patch.old, f"its mode is {mode}, not {patch.old_mode}")
    return entry


def _mode(path: str, entry: Entry) -> Mode:
    found: Mode | None = next((mode for mode in MODES if mode == entry.mode), None)
    if found is None:
        raise unfit(path, f"it is no plain file, but of mode {entry.mode}")
    return found


def _check_removal(
    patch: FilePatch, tree: Mapping[str, Entry], contents: Mapping[str, bytes]
) -> None:
    """See to it that a file to delete is the one that the patch shows."""
    entry = _source(patch, tree)
    if patch.action == "delete":
        if not patch.hunks and entry.sha != blob_sha(b""):
            raise unfit(patch.old, "it deletes an empty file, and this one is not")
        if patch.hunks:
            applied(patch, contents[entry.sha])


def _change(patch: FilePatch, tree: Mapping[str, Entry], contents: Mapping[str, bytes]) -> Change:
    if patch.action == "add" and patch.new_mode is not None:
        return _written(patch, applied(patch, b""), patch.new_mode)
    entry = _source(patch, tree)
    mode = patch.new_mode or _mode(patch.old, entry)
    if not patch.hunks:
        return Change(path=patch.new, mode=mode, sha=entry.sha)
    return _written(patch, applied(patch, contents[entry.sha]), mode)


def _written(patch: FilePatch, content: bytes, mode: Mode) -> Change:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise unfit(patch.new, "it is not UTF-8: it cannot be sent as text") from None
    if "\0" in text:
        raise unfit(patch.new, "it is binary: a NUL stands in it")
    return Change(path=patch.new, mode=mode, content=text)


def _sha_of(change: Change) -> str:
    return change.sha or blob_sha((change.content or "").encode())


def _refuse_nesting(files: Mapping[str, Entry]) -> None:
    """Refuse a file in the place of a folder, or below a file: also below a symlink."""
    for path in files:
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in files:
                raise unfit(path, f"{above!r} is no folder")


def _refuse_too_much(
    changes: Sequence[Change], files: Mapping[str, Entry], tree: Mapping[str, Entry]
) -> None:
    size = sum(len((change.content or "").encode()) for change in changes)
    if size > MOST_BYTES:
        why = f"its files have {size:,} bytes together, more than {MOST_BYTES:,}"
        raise Refused(f"the patch is too big: {why}", limit="patch_too_big")
    if not files or files == tree:
        what = "nothing at all" if not files else "the tree as it is"
        raise Refused(f"the patch leaves {what}", limit="patch_does_not_apply")

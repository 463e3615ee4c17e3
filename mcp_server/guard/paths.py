"""Which paths a proposal may touch: plain files inside the tree, and none that steers what runs.

Pure. Stricter than the gate, which leaves such a change to a person: here it is not even proposed.
"""

import re

from mcp_server.guard import own_ci
from mcp_server.guard.bodies import PATH, TreeBlob, TreeFile, TreeGone
from mcp_server.guard.gate import PROTECTED_PATHS, is_protected

_SHAPE = re.compile(PATH)
# Of git's own names, those that only say what is not committed, or hold a folder's place.
_HARMLESS = frozenset({".gitignore", ".gitkeep", ".github"})
_WORKFLOW = re.compile(r"\.github/workflows/[A-Za-z0-9._-]+\.ya?ml")


def is_offered(entry: TreeFile | TreeBlob | TreeGone) -> bool:
    """Whether an entry is our CI, or the end of a workflow: a person decides on either.

    A change of these alone may be proposed; together with any other it would hide among them.
    """
    if isinstance(entry, TreeGone):
        return _WORKFLOW.fullmatch(entry.path) is not None
    if not isinstance(entry, TreeFile) or entry.path != own_ci.PATH:
        return False
    return own_ci.is_text(entry.content)


def why_not(path: str) -> str | None:
    """Return why no proposal may touch `path`; None: it may."""
    if _SHAPE.fullmatch(path) is None:
        return "its name is too long, or has characters that are not plain everywhere"
    for part in path.split("/"):
        # A trailing dot or space is dropped by Windows: `.git.` is checked out as `.git`.
        bare = part.rstrip(" .").lower()
        if not bare:
            return "it leaves the tree, or has a part without a name"
        if bare != part.lower():
            return f"{part!r} is another name on Windows"
        if bare.startswith(".git") and bare not in _HARMLESS:
            return f"{part!r} steers git itself"
    if is_protected(path, PROTECTED_PATHS):
        return "it steers what runs or who reviews: a person changes that"
    return None

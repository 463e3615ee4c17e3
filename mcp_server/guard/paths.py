"""Which paths a proposal may touch: plain files inside the tree, and none that steers what runs.

Pure. Stricter than the gate, which leaves such a change to a person: here it is not even proposed.
"""

import hashlib
import re

from mcp_server.guard.bodies import PATH, TreeBlob, TreeFile, TreeGone
from mcp_server.guard.gate import PROTECTED_PATHS, is_protected

_SHAPE = re.compile(PATH)
# Of git's own names, those that only say what is not committed, or hold a folder's place.
_HARMLESS = frozenset({".gitignore", ".gitkeep", ".github"})
# Where the one workflow stands that may be proposed, and the SHA-256 of each text it may have:
# those of prompts/standard, which are ours byte for byte.
CI = ".github/workflows/ci.yml"
CI_TEXTS = frozenset(
    {
        "a120bc6870445392d2fafcabc860bb645dc15ee4c4f6a348cc6ed29778a080d1",
        "343b601e8d4eeccc7698e9e0719beb634184a65a14c5b2853652758d5bf256c8",
        "e9ff8f1ee31799fe909042ad94508978f17fa6ece48cf1a63587a5d3e10c0f1d",
        "39c3edc116f4bec0b3e62658dca62e54d4c5c242dae864d495f56b60a4bf496b",
    }
)
_WORKFLOW = re.compile(r"\.github/workflows/[A-Za-z0-9._-]+\.ya?ml")


def is_offered(entry: TreeFile | TreeBlob | TreeGone) -> bool:
    """Whether an entry is our CI, or the end of a workflow: a person decides on either.

    A change of these alone may be proposed; together with any other it would hide among them.
    """
    if isinstance(entry, TreeGone):
        return _WORKFLOW.fullmatch(entry.path) is not None
    if not isinstance(entry, TreeFile) or entry.path != CI:
        return False
    return hashlib.sha256(entry.content.encode()).hexdigest() in CI_TEXTS


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

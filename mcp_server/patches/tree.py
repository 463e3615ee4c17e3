"""The name that git gives to a tree: what a patch leads to, known before GitHub says it."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

_FOLDER = "40000"


class Entry(NamedTuple):
    """What stands at a path: `mode` as git writes it (`100644`), `sha` its object."""

    mode: str
    sha: str


def blob_sha(content: bytes) -> str:
    """Return git's name of a file's content."""
    return _sha("blob", content)


def tree_sha(files: Mapping[str, Entry]) -> str:
    """Return git's name of the tree with these files by path, and no folder without a file."""
    here: dict[str, Entry] = {}
    folders: dict[str, dict[str, Entry]] = {}
    for path, entry in files.items():
        name, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(name, {})[rest] = entry
        else:
            here[name] = entry
    here |= {name: Entry(_FOLDER, tree_sha(inner)) for name, inner in folders.items()}
    # Git sorts a folder as if its name ended in a slash.
    ordered = sorted(
        here, key=lambda name: f"{name}/".encode() if name in folders else name.encode()
    )
    lines = (
        f"{here[name].mode} {name}\0".encode() + bytes.fromhex(here[name].sha) for name in ordered
    )
    return _sha("tree", b"".join(lines))


def _sha(kind: str, content: bytes) -> str:
    whole = f"{kind} {len(content)}\0".encode() + content
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()

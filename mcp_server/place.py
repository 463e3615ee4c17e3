"""Whether a place can hold the ledger's file: a disk of this machine, ours, copied by nobody.

File locks do not hold between machines, and one that is copied by a synchroniser is two ledgers
(facts/safety.md 1.2).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from mcp_server.errors import LedgerUnavailable

# File systems that live on another machine, by the names that Linux, macOS and Windows give them.
# What runs in user space may be anywhere; `fuseblk`, a local NTFS disk, is not among them.
_REMOTE = frozenset(
    {"9p", "afp", "afpfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "davfs2", "drvfs"}
    | {"fakeowner", "fuse", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs3", "nfs4"}
    | {"orangefs", "panfs", "prl_fs", "pvfs2", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs"}
    | {"vmhgfs", "webdav", "wekafs"}
)
_OWN_ROOTS = frozenset({"9p", "virtiofs"})
# Folders that a synchroniser keeps equal on several machines, by how their names begin.
_SYNCED = (
    "dropbox",
    "onedrive",
    "google drive",
    "googledrive",
    "nextcloud",
    "mobile documents",  # iCloud Drive
    "cloudstorage",  # macOS' File Provider
)
OTHER_PLACE = "name a --state on a disk of this machine, or a postgresql+psycopg:// one to share it"


class Mount(NamedTuple):
    """A mounted file system: where, and of which type."""

    at: PurePath
    type: str


def unfit(path: PurePath, mounts: Sequence[Mount]) -> str | None:
    """Say why no ledger can be kept at the absolute `path`; None: it can.

    A root file system of type 9p or virtiofs is a sandboxed container's own disk, not a shared one.
    """
    over = [mount for mount in mounts if path.is_relative_to(mount.at)]
    # Of several at one place the last one counts: it lies over the others, as on an automount.
    nearest = max(reversed(over), key=lambda mount: len(mount.at.parts), default=None)
    if nearest is not None and _remote(nearest):
        return f"{nearest.at} is a network file system ({nearest.type}), where locks do not hold"
    synced = [part for part in path.parts[:-1] if part.lower().startswith(_SYNCED)]
    return f"{synced[0]!r} is a synchronised folder: copies are two ledgers" if synced else None


def refuse_unfit(path: Path) -> None:
    """Raise `LedgerUnavailable` unless a ledger can be kept at `path`; reads the mount table."""
    import psutil  # imported where used: start time counts

    real = path.resolve()
    try:
        partitions = psutil.disk_partitions(all=True)
    except OSError:  # a hidden /proc: then nothing is known to be remote
        partitions = []
    mounts = [Mount(PurePath(one.mountpoint), one.fstype) for one in partitions]
    why = unfit(real, mounts)
    if why is None and any(_is_there(folder / ".stfolder") for folder in real.parents):
        why = "Syncthing copies it: copies are two ledgers"
    if why is not None:
        raise LedgerUnavailable(f"no ledger can be kept at {path}: {why}; {OTHER_PLACE}")


def refuse_foreign(path: Path) -> None:
    """Raise `LedgerUnavailable` when the file at `path` is another user's, or has two names."""
    if path.stat().st_nlink > 1:
        raise LedgerUnavailable(
            f"the ledger {path} has a second name (a hard link): its journal would have two as "
            "well; remove the other one"
        )
    if sys.platform == "win32":
        return
    owner, us = path.stat().st_uid, os.geteuid()
    if owner != us:
        raise LedgerUnavailable(
            f"the ledger {path} belongs to user {owner}, this is user {us}: run as its owner, or "
            "name another --state; what this user left beside it could lock its owner out"
        )


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # what cannot be looked at synchronises nothing for us
        return False
    return True


def _remote(mount: Mount) -> bool:
    kind = mount.type.lower()
    own_root = kind in _OWN_ROOTS and mount.at == PurePath("/")
    return not own_root and (kind in _REMOTE or kind.startswith(("fuse.", "macfuse", "osxfuse")))

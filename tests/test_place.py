"""Where a ledger may be kept: a table of mounts and paths."""

from pathlib import Path, PurePosixPath

import pytest

from mcp_server import place
from mcp_server.place import Mount, unfit

HOME = PurePosixPath("/home/user/.local/state/daily-factory/state.db")


def mounts(kind: str, at: str = "/home") -> list[Mount]:
    return [
        Mount(PurePosixPath("/"), "ext4"),
        Mount(PurePosixPath("/homework"), "nfs"),
        Mount(PurePosixPath(at), kind),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "nfs",
            "nfs4",
            "NFS4",
            "cifs",
            "smb3",
            "smbfs",
            "9p",
            "fuse.sshfs",
            "fuse.rclone",
            "fuse",
        ),
        *("ceph", "glusterfs", "lustre", "afpfs", "davfs", "virtiofs", "vboxsf"),
    ],
)
def test_a_file_system_of_another_machine_is_refused_by_name(kind: str):
    assert kind in str(unfit(HOME, mounts(kind)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "apfs", "tmpfs", "fuseblk"])
def test_a_disk_of_this_machine_is_fit_whatever_lies_beside_it(kind: str):
    assert unfit(HOME, mounts(kind)) is None


@pytest.mark.parametrize(("kind", "fit"), [("9p", True), ("virtiofs", True), ("nfs", False)])
def test_a_containers_own_root_is_no_shared_one(kind: str, fit: bool):
    assert (unfit(HOME, [Mount(PurePosixPath("/"), kind)]) is None) == fit


def test_of_several_mounts_at_one_place_the_last_decides():
    """So do systemd's automounts look: what is used lies over what waits for it."""
    over = [*mounts("autofs"), Mount(PurePosixPath("/home"), "nfs4")]
    assert "nfs4" in str(unfit(HOME, over))


def test_the_nearest_mount_decides():
    over = [*mounts("nfs"), Mount(PurePosixPath("/home/user"), "ext4")]
    assert unfit(HOME, over) is None
    assert unfit(PurePosixPath("/home/other/state.db"), over) is not None


@pytest.mark.parametrize(
    "folder",
    [
        *("Dropbox", "Dropbox (Work)", "OneDrive - Firm", "Google Drive", "Nextcloud"),
        *("Library/Mobile Documents/x", "Library/CloudStorage/GoogleDrive-me"),
    ],
)
def test_a_synchronised_folder_is_refused(folder: str):
    assert unfit(PurePosixPath("/home/user") / folder / "state.db", mounts("ext4")) is not None


def test_a_file_is_not_a_folder():
    assert unfit(PurePosixPath("/home/user/dropbox.db"), mounts("ext4")) is None


def test_this_machines_mount_table_can_be_read(tmp_path: Path):
    """The wiring: a folder of a temporary directory is fit, a synchronised one beside it not."""
    place.refuse_unfit(tmp_path / "state.db")
    with pytest.raises(place.LedgerUnavailable, match="synchronised"):
        place.refuse_unfit(tmp_path / "Dropbox" / "state.db")

"""Real git, asked what a diff means: the oracle of the patches' tests, in a bare repository."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mcp_server.patches.tree import Entry

# Path → mode and content.
Files = Mapping[str, tuple[str, bytes]]


@dataclass(frozen=True)
class RealGit:
    """A bare repository in `folder`, whose index is whatever was read last."""

    folder: Path

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Run git, which must succeed; `given` is what it reads."""
        done = self.tried(*arguments, given=given)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def tried(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run git, whatever comes of it; nobody's configuration has a say."""
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_DIR": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(self.folder),
        }
        return subprocess.run(  # noqa: S603 -- git, on a folder of the test's own
            ["git", *arguments],  # noqa: S607 -- whichever git the machine has
            input=given,
            capture_output=True,
            env=environment,
            check=False,
        )

    def trees(self, *sets: Files) -> list[str]:
        """Keep sets of files as commits; return the SHA of each one's tree."""
        lines = list[bytes]()
        for nth, files in enumerate(sets):
            lines += [b"commit refs/heads/set%d" % nth, b"committer a <a@b> 0 +0000", b"data 0"]
            lines += [b"deleteall"]
            for path, (mode, content) in files.items():
                lines.append(b'M %s inline "%s"' % (mode.encode(), path.encode()))
                lines.append(b"data %d\n%s" % (len(content), content))
        self.run("fast-import", "--quiet", "--force", given=b"\n".join(lines) + b"\n")
        names = [f"refs/heads/set{nth}^{{tree}}" for nth in range(len(sets))]
        return self.run("rev-parse", *names).decode().split()

    def listing(self, tree: str) -> dict[str, Entry]:
        """Return every file of a tree, as GitHub's recursive listing shows it."""
        lines = self.run("ls-tree", "-r", "-z", tree).decode().split("\0")[:-1]
        found: dict[str, Entry] = {}
        for line in lines:
            about, _, path = line.partition("\t")
            mode, _, sha = about.split(" ")
            found[path] = Entry(mode, sha)
        return found

    def after(self, tree: str, diff: bytes) -> str | None:
        """Return the tree that a diff makes of `tree`; None: git does not apply it."""
        self.run("read-tree", tree)
        if self.tried("apply", "--cached", given=diff).returncode != 0:
            return None
        return self.run("write-tree").decode().strip()


def real_git(folder: Path) -> RealGit:
    """Return an empty repository in a folder."""
    git = RealGit(folder / "oracle.git")
    git.run("init", "--quiet", "--bare", str(git.folder))
    return git

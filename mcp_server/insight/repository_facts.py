"""What was read of one repository, and what its paths say by their names alone. Pure."""

import re
from pathlib import PurePosixPath

from pydantic import AwareDatetime

from mcp_server.models import Repository, Value

README = re.compile(r"(?:\.github/|docs/)?readme(?:\.\w+)?", re.IGNORECASE)
LICENCE = re.compile(r"(?:licen[cs]e|copying)(?:[.-].+)?", re.IGNORECASE)
CI_FILE = re.compile(r"\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|\.circleci/config\.yml")
CUT_OFF = "..."
"""Stands among the unseen folders where GitHub cut a tree off: anything may be in the rest."""

_CI_FOLDERS = (".github/workflows", ".circleci")
_TEST_FOLDERS = frozenset(("test", "tests", "__tests__", "spec", "specs", "e2e"))
_TEST_FILE = re.compile(r"^test_.+|.+_test\.\w+$|.+\.(?:test|spec)\.\w+$", re.IGNORECASE)
_SOURCE_FILE = re.compile(
    r".+\.(?:c|cc|cpp|cs|css|dart|ex|go|html|java|jsx?|kt|lua|mjs|php|py|rb|rs|scala|sh|svelte|swift"
    r"|tsx?|vue|zig)$",
    re.IGNORECASE,
)


class RepositoryFacts(Value):
    """What was read of a repository. None means that it could not be read."""

    repository: Repository
    paths: tuple[str, ...] | None
    """Paths of all files on the default branch, from the root; may be a part of them."""
    folders: tuple[str, ...] = ()
    """Paths of the folders that nobody looked into: what they hold is unknown."""
    readme_bytes: int | None
    ci_conclusion: str | None
    """GitHub's word for the newest run on the default branch."""
    failing: tuple[str, ...] = ()
    """The names of the checks that fail there, as far as they were read."""
    open_pulls: int | None
    pulls_updated: tuple[AwareDatetime, ...] | None = ()
    """When open pull requests were last touched: of the five that nobody touched for longest."""
    never_touch: bool = False
    """Whether the operator wants the repository left alone."""
    observed_at: AwareDatetime
    notes: tuple[str, ...] = ()
    """What the reading itself has to say, e.g. that checks are not this token's to see."""

    @property
    def files(self) -> tuple[str, ...] | None:
        """The paths; of a repository without a commit none, and that is known."""
        return () if self.repository.empty else self.paths

    @property
    def has_ci(self) -> bool | None:
        """Whether anything checks it; None: could not be read."""
        if self.ci_conclusion is not None:
            return True
        if self.files is None:
            return None
        found = any(map(CI_FILE.fullmatch, self.files))
        return found or (None if self.may_hide(*_CI_FOLDERS) else False)

    def may_hide(self, *places: str) -> bool:
        """Whether one of these folders was not looked into, or one around it, or not all came."""
        return CUT_OFF in self.folders or any(
            f"{place}/".startswith(f"{folder}/") for folder in self.folders for place in places
        )


def is_test(path: str) -> bool:
    """Whether a path is a source file that tests others."""
    pure = PurePosixPath(path)
    in_folder = not _TEST_FOLDERS.isdisjoint(part.lower() for part in pure.parts[:-1])
    return bool(_SOURCE_FILE.fullmatch(pure.name)) and (
        in_folder or bool(_TEST_FILE.fullmatch(pure.name))
    )


def is_test_folder(path: str) -> bool:
    """Whether a folder is one for tests, or lies in one."""
    return not _TEST_FOLDERS.isdisjoint(path.lower().split("/"))


def is_source(path: str) -> bool:
    """Whether a path is a source file that is no test."""
    return bool(_SOURCE_FILE.fullmatch(PurePosixPath(path).name)) and not is_test(path)

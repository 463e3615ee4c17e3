"""The world's repositories and pull requests, as values that `github.py` changes."""

from dataclasses import dataclass, field
from datetime import datetime

from mcp_server.sandbox.git import Git

OWNER = "factory-owner"
OWNER_ID = 4242001
AUTHOR = f"{OWNER} <{OWNER}@users.noreply.github.com>"
# google-labs-jules[bot], user id 161369871 (facts/jules-api.md 4).
BOT = "google-labs-jules[bot]"
BOT_ID = 161369871
BOT_AUTHOR = f"{BOT} <{BOT_ID}+{BOT}@users.noreply.github.com>"


@dataclass(kw_only=True)
class Issue:
    """An issue; comments on pull requests are kept the same way."""

    number: int
    title: str
    body: str
    created: datetime
    updated: datetime
    author: str = OWNER
    state: str = "open"
    comments: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class Pull:
    """A pull request; `session` is the Jules session that opened it.

    `head` and `base` are commits, kept after the end as they were at the end. `computed` is the
    pair of commits for which mergeability has been asked once.
    """

    number: int
    title: str
    body: str
    author: str
    head_ref: str
    base_ref: str
    head: str
    base: str
    created: datetime
    updated: datetime
    session: str | None = None
    draft: bool = False
    state: str = "open"
    merged: datetime | None = None
    merge_sha: str | None = None
    computed: tuple[str, str] | None = None
    shown: str | None = None
    attempts: int = 0
    comments: list[str] = field(default_factory=list[str])


@dataclass(kw_only=True)
class Repo:
    """A repository; `broken` says of which branches the code fails its tests."""

    id: int
    owner: str
    name: str
    private: bool
    created: datetime
    pushed: datetime
    updated: datetime
    description: str = ""
    language: str | None = None
    topics: list[str] = field(default_factory=list[str])
    archived: bool = False
    fork: bool = False
    first: bool = False
    default_branch: str = "main"
    git: Git = field(default_factory=Git)
    pulls: dict[int, Pull] = field(default_factory=dict[int, Pull])
    issues: dict[int, Issue] = field(default_factory=dict[int, Issue])
    broken: dict[str, bool] = field(default_factory=dict[str, bool])
    merge_methods: frozenset[str] = frozenset({"squash", "merge", "rebase"})
    disabled: list[str] = field(default_factory=list[str])

    @property
    def full_name(self) -> str:
        """Return `owner/name`."""
        return f"{self.owner}/{self.name}"

    def open_pulls(self) -> list[Pull]:
        """Return the open pull requests, oldest first."""
        return [pull for pull in self.pulls.values() if pull.state == "open"]

    def next_number(self) -> int:
        """Return the next number; issues and pull requests share one row of them."""
        return len(self.pulls) + len(self.issues) + 1

    def url(self, pull: Pull) -> str:
        """Return a pull request's address for people."""
        return f"https://github.com/{self.full_name}/pull/{pull.number}"

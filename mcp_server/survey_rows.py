"""What a survey keeps of each repository, and what that is good for: pure, and the reading by REST.

A row lives in the cache from one process to the next; an older program's is as good as none.
"""

from datetime import datetime, timedelta

from pydantic import AwareDatetime, ValidationError

from mcp_server.cache import Entry
from mcp_server.clients.github import GitHubClient, Listed
from mcp_server.clients.graphql_nodes import Checks, TreeFacts, readme_size
from mcp_server.errors import NotFound, Refused, Unreadable
from mcp_server.guard.gate import judge_checks
from mcp_server.insight.health_parts import RED
from mcp_server.insight.repository_facts import CUT_OFF, RepositoryFacts
from mcp_server.models import Value

# Checks that had not ended, and what could not be read, are looked at again after so long.
AGAIN_AFTER = timedelta(minutes=5)
# Nothing tells when checks of an unchanged repository change: they are read anew in turns.
OLD_AFTER = timedelta(hours=1)
# A push shows no check at first (facts/github.md 1.6): none so soon after one proves nothing.
REGISTERED_WITHIN = timedelta(minutes=10)
MOST_PULLS_TOLD = 5
_UNREADABLE = "ci: checks could not be read"
_UNASKED = "ci: checks were not read yet"


class Row(Value):
    """What was read of one repository, under the `stamp` that its listing had.

    None means that it could not be read; in `checks_at` and `failing`, that nobody asked yet.
    """

    stamp: str
    read_at: AwareDatetime
    empty: bool = False
    paths: tuple[str, ...] | None = None
    folders: tuple[str, ...] = ()
    readme_bytes: int | None = None
    open_pulls: int | None = None
    pulls_updated: tuple[AwareDatetime, ...] | None = None
    checks: Checks | None = None
    checks_at: AwareDatetime | None = None
    failing: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def is_stale(self, listed: Listed, now: datetime) -> bool:
        """Whether the repository changed since, or could not be read a while ago."""
        unread = self.paths is None and now - self.read_at >= AGAIN_AFTER
        return unread or self.stamp != listed.stamp

    def wants_checks(self, listed: Listed, now: datetime) -> bool:
        """Whether its checks were never read, had not ended, or may not have begun."""
        if self.empty or is_left_alone(listed):
            return False
        if self.checks_at is None:
            return True
        pushed_at = listed.repository.pushed_at or listed.repository.created_at
        early = self.checks == "none" and self.checks_at - pushed_at < REGISTERED_WITHIN
        return (self.checks == "pending" or early) and now - self.checks_at >= AGAIN_AFTER

    @property
    def wants_names(self) -> bool:
        """Whether checks fail on its default branch and nobody asked which."""
        return self.checks in RED and self.failing is None

    @property
    def entry(self) -> Entry:
        """The row as the cache keeps it."""
        return Entry(tag=self.stamp, read_at=self.read_at, body=self.model_dump_json().encode())


def row_of(entry: Entry) -> Row | None:
    """Read a row from the cache; None for one that another version wrote."""
    try:
        return Row.model_validate_json(entry.body)
    except ValidationError:
        return None


def row_from(listed: Listed, read: TreeFacts | None, now: datetime) -> Row:
    """Return the row of what GraphQL told; nothing is known of the checks yet."""
    if read is None:
        return Row(stamp=listed.stamp, read_at=now)
    return Row(
        stamp=listed.stamp,
        read_at=now,
        empty=read.empty,
        paths=read.paths,
        folders=read.folders,
        readme_bytes=read.readme_bytes,
        open_pulls=read.open_pulls,
        pulls_updated=read.pulls_updated,
    )


def facts_of(
    listed: Listed, row: Row | None, now: datetime, *, never_touch: bool
) -> RepositoryFacts:
    """Return what health is scored by; without a row, that nothing could be read."""
    row = row or Row(stamp=listed.stamp, read_at=now)
    notes = list(row.notes)
    if row.checks is None and not row.empty and not is_left_alone(listed):
        notes.append(_UNASKED if row.checks_at is None else _UNREADABLE)
    return RepositoryFacts(
        repository=listed.repository.model_copy(update={"empty": row.empty}),
        paths=row.paths,
        folders=row.folders,
        readme_bytes=row.readme_bytes,
        ci_conclusion=row.checks if row.checks in ("success", "failure", "error") else None,
        failing=row.failing or (),
        open_pulls=row.open_pulls,
        pulls_updated=row.pulls_updated,
        never_touch=never_touch,
        observed_at=now,
        notes=tuple(notes),
    )


def is_left_alone(listed: Listed) -> bool:
    """Whether no session is ever spent here, so that its checks matter to nobody."""
    return listed.repository.archived or listed.repository.fork


async def read_by_rest(github: GitHubClient, listed: Listed, why: str, now: datetime) -> Row:
    """Read one repository with up to four requests: the way that is left without GraphQL.

    Raises:
        Unavailable: GitHub wants patience; whoever reads many shall stop.
    """
    repository = listed.repository
    row = Row(stamp=listed.stamp, read_at=now, checks_at=now, notes=(why,))
    try:
        tree = await github.get_tree(repository.repo, repository.default_branch)
    except Refused as error:
        # 409: no commit yet, and so no pull request.
        empty = {"empty": True, "paths": (), "open_pulls": 0, "pulls_updated": ()}
        return row.model_copy(update=empty if error.limit == "state" else {})
    except (NotFound, Unreadable):
        return row
    sizes = {path: size for path, size in tree.files.items() if "/" not in path}
    found: dict[str, object] = {
        "paths": tuple(sorted(tree.files)),
        # Where GitHub cut the tree off, whatever is missing may be in the rest.
        "folders": () if tree.complete else (CUT_OFF,),
        "readme_bytes": readme_size(sizes),
        **await _open_pulls(github, listed),
    }
    if not is_left_alone(listed):
        found |= await _checks(github, listed)
    return row.model_copy(update=found)


async def _checks(github: GitHubClient, listed: Listed) -> dict[str, object]:
    """Read how the checks stand, and which of them fail."""
    repository = listed.repository
    try:
        checks = await github.list_checks(repository.repo, repository.default_branch)
    except (Refused, NotFound, Unreadable):
        return {}
    if not checks:
        return {"checks": "none"}
    words: dict[str, Checks] = {"GREEN": "success", "FAILED": "failure", "PENDING": "pending"}
    return {
        "checks": words.get(judge_checks(checks, frozenset()), "none"),
        "failing": tuple(sorted(one.name for one in checks if one.conclusion in RED)),
    }


async def _open_pulls(github: GitHubClient, listed: Listed) -> dict[str, object]:
    """Read how many pull requests are open, up to 100, and who waits longest."""
    try:
        pulls = await github.list_pulls(listed.repository.repo)
    except (Refused, NotFound, Unreadable):
        return {}
    updated = sorted(one.updated_at for one in pulls)[:MOST_PULLS_TOLD]
    return {"open_pulls": len(pulls), "pulls_updated": tuple(updated)}

"""Reads what decisions need from GitHub and Jules: the gate's evidence, a repository's health."""

from collections.abc import Sequence

from mcp_server.account import Expected
from mcp_server.errors import NotFound, Refused, Unavailable, Unreadable
from mcp_server.guard import marker, proposal
from mcp_server.guard.gate import GateEvidence, Observation, judge_checks
from mcp_server.insight.health import RepositoryFacts, score
from mcp_server.models import ChangedFile, Check, Health, Marker, PullRequest, Repository, Session
from mcp_server.services import Services

_README = ("readme.md", "readme", "readme.rst", "readme.txt")


async def read_pull(services: Services, repo: str, number: int) -> GateEvidence:
    """Read everything that the gate looks at, just now."""
    pull = await services.github.get_pull(repo, number)
    now = services.clock.now()
    key = (repo, number)
    checks = await _checks(services, repo, pull.head_sha)
    expected = await _expected(services, repo, pull.base_ref, pull.head_sha)
    state = judge_checks(checks, expected)
    earlier = services.account.observations.get(key)
    if earlier is None or earlier.sha != pull.head_sha or earlier.checks != state:
        services.account.observations[key] = Observation(sha=pull.head_sha, at=now, checks=state)
    head, since = services.account.heads.get(key, ("", now))
    if head != pull.head_sha:
        since = now
        services.account.heads[key] = (pull.head_sha, now)
    opener = await _session_of(services, pull.url)
    proposer = await _proposer_of(services, pull) if opener is None else None
    return GateEvidence(
        now=now,
        pull=pull,
        head_since=since,
        checks=checks,
        checks_sha=pull.head_sha,
        expected=expected,
        earlier=earlier,
        session=opener or proposer,
        proposed=proposer is not None,
        files=await _files(services, repo, number, pull.head_sha),
    )


async def own_session_of(services: Services, repo: str, number: int) -> Session:
    """Return the session of ours that opened a pull request; refuse any other pull request."""
    pull = await services.github.get_pull(repo, number)
    session = await _session_of(services, pull.url)
    if session is None or not session.mine:
        raise Refused(f"{pull.url} was not opened by a session of ours", limit="foreign")
    return session


def own_tag(services: Services, pull: PullRequest) -> Marker | None:
    """Return the marker of a pull request that stands at the commit we made for it; else None."""
    place = proposal.place(pull.base_ref, pull.head_ref, pull.head_sha)
    found = marker.read(pull.tag, services.marker_keys, repo=pull.repo, branch=place)
    return found if found is not None and found.valid else None


async def read_health(services: Services, repos: Sequence[str] | None) -> tuple[Health, ...]:
    """Score the named repositories, or all; unchanged ones from memory. Worst first."""
    known = await services.account.repositories(max_age=300)
    names = None if repos is None else {repo.lower() for repo in repos}
    found = [
        await _health(services, repository)
        for repository in known
        if names is None or repository.repo.lower() in names
    ]
    return tuple(sorted(found, key=lambda health: (health.score, health.repo)))


async def _health(services: Services, repository: Repository) -> Health:
    kept = services.account.health.get(repository.repo)
    if kept is not None and kept[0] == repository:
        return kept[1]
    health = score(await _facts(services, repository))
    services.account.health[repository.repo] = (repository, health)
    return health


async def _facts(services: Services, repository: Repository) -> RepositoryFacts:
    paths, readme = await _paths(services, repository)
    checks: tuple[Check, ...] | None = ()
    open_pulls = 0
    empty = paths == ()
    if not (empty or repository.archived or repository.fork):
        checks = await _checks(services, repository.repo, repository.default_branch)
        open_pulls = len(await services.github.list_pulls(repository.repo))
    return RepositoryFacts(
        repository=repository.model_copy(update={"empty": empty}),
        paths=paths,
        readme_bytes=readme,
        ci_conclusion=_conclusion(checks),
        open_pulls=open_pulls,
        observed_at=services.clock.now(),
    )


async def _paths(
    services: Services, repository: Repository
) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the file paths and the README's size; None where they cannot be read."""
    try:
        tree = await services.github.get_tree(repository.repo, repository.default_branch)
    except Refused as error:
        if error.limit == "state":  # 409: no commit yet
            return (), 0
        return None, None
    except (NotFound, Unavailable, Unreadable):
        return None, None
    sizes = {path.lower(): size for path, size in tree.files.items()}
    readme = next((sizes[name] for name in _README if name in sizes), 0)
    return tuple(sorted(tree.files)), readme


def _conclusion(checks: tuple[Check, ...] | None) -> str | None:
    """Return one word for the default branch: the worst that its checks say."""
    state = judge_checks(checks, frozenset())
    return {"GREEN": "success", "FAILED": "failure"}.get(state)


async def _checks(services: Services, repo: str, ref: str) -> tuple[Check, ...] | None:
    """Return the checks at a commit or branch; None when they cannot be read to the end."""
    try:
        return await services.github.list_checks(repo, ref)
    except (Refused, NotFound, Unavailable, Unreadable):
        return None


async def _expected(services: Services, repo: str, branch: str, head: str) -> frozenset[str]:
    """Return the names that ran on the base branch: what a pull request must repeat.

    Read once for every head that is judged. A base that was pushed a moment ago shows some of its
    checks only: what it showed before is expected still, until all that there are have finished.
    """
    known = services.account.expected.get((repo, branch))
    if known is not None and head in known.read_for:
        return known.names
    checks = await _checks(services, repo, branch)
    names = frozenset(check.name for check in checks or ())
    if known is not None and judge_checks(checks, frozenset()) not in ("GREEN", "FAILED"):
        names |= known.names
    read_for = (known.read_for if known else frozenset[str]()) | {head}
    if names:
        services.account.expected[(repo, branch)] = Expected(names=names, read_for=read_for)
    return names


async def _files(
    services: Services, repo: str, number: int, head_sha: str
) -> tuple[ChangedFile, ...] | None:
    """Return all changed files of this head; None when the list cannot be had whole.

    A service that fails for a moment is an error instead: the pull request is judged later.
    """
    key = (repo, number)
    kept = services.account.files.get(key)
    if kept is None or kept[0] != head_sha:
        try:
            files = await services.github.list_files(repo, number)
        except (Refused, NotFound):
            return None
        if files is None:
            return None
        kept = (head_sha, files)
        services.account.files[key] = kept
    return kept[1]


async def _session_of(services: Services, url: str) -> Session | None:
    """Return the session whose outputs name this pull request, from a listing a minute old."""
    listing = await services.account.sessions(max_age=60)
    return next((item for item in listing.sessions if item.pull and item.pull.url == url), None)


async def _proposer_of(services: Services, pull: PullRequest) -> Session | None:
    """Return the session whose patch we opened this pull request with, by its marker."""
    tag = own_tag(services, pull)
    if tag is None:
        return None
    listing = await services.account.sessions(max_age=60)
    return next((item for item in listing.sessions if item.marker == tag), None)

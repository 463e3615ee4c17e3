"""Reads what the gate decides by from GitHub and Jules: the evidence of one pull request."""

from mcp_server.changeable import is_left_alone
from mcp_server.check_evidence import read_checks
from mcp_server.clock import steady
from mcp_server.errors import FactoryError, NotFound, Refused
from mcp_server.guard import marker, proposal
from mcp_server.guard.gate import GateEvidence, Observation, state_of
from mcp_server.models import ChangedFile, Marker, PullRequest, Session
from mcp_server.services import Services


async def read_pull(services: Services, repo: str, number: int) -> GateEvidence:
    """Read everything that the gate looks at, just now."""
    key = (repo, number)
    try:
        pull = await services.github.get_pull(repo, number)
    except FactoryError:
        # What held before nobody saw go on holding.
        services.account.observations.pop(key, None)
        raise
    # "Twice, 30 s apart" is time that passed: a wall that is set makes none of it.
    now = steady(services.clock)
    found = await read_checks(services, pull)
    read = steady(services.clock)
    head, since = services.account.heads.get(key, ("", now))
    if head != pull.head_sha:
        since = now
        services.account.heads[key] = (pull.head_sha, now)
    opener = await _session_of(services, pull.url)
    proposer = await _proposer_of(services, pull) if opener is None else None
    files = await _files(services, repo, number, pull.head_sha)
    # No other look comes between this one and what it leaves for the next.
    earlier = services.account.observations.get(key)
    evidence = GateEvidence(
        now=now,
        pull=pull,
        head_since=since,
        checks=found.checks,
        checks_sha=pull.head_sha,
        expected=found.expected,
        blind=found.blind,
        rules=found.rules,
        earlier=earlier,
        session=opener or proposer,
        proposed=proposer is not None,
        own_ci=opener is None and _may_be_own_ci(services, pull),
        files=files,
    )
    # From when the last answer was there, so that two looks are as far apart as they seem.
    seen = Observation(sha=pull.head_sha, at=read, checks=state_of(evidence))
    changed = earlier is None or (earlier.sha, earlier.checks) != (seen.sha, seen.checks)
    if changed and (earlier is None or earlier.sha != seen.sha or earlier.at <= read):
        services.account.observations[key] = seen
    return evidence


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


def _may_be_own_ci(services: Services, pull: PullRequest) -> bool:
    """Whether we opened it by ourselves, and the operator lets our own CI be merged there."""
    allowed = services.settings.merge_own_ci and not is_left_alone(services, pull.repo)
    return allowed and own_tag(services, pull) is not None


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

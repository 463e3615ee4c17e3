"""Is this installation sound: what is read, what that means, and what a person does about it.

Each check stands alone: one that cannot be made is a finding, and the next is made all the same.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from mcp_server import competitors, identity, permissions
from mcp_server.clients.jules_discovery import Drift, drift
from mcp_server.errors import FactoryError, SettingsError
from mcp_server.guard.installation import Installed
from mcp_server.guard.ledger import LISTING_FRESH_SECONDS
from mcp_server.models import Finding, Repository, Source
from mcp_server.services import Services

# A clock further off misnames days, and ages what waits wrongly.
CLOCK_MAY_DIFFER = timedelta(minutes=2)
MOST_NAMED = 8


async def examine(services: Services) -> tuple[Finding, ...]:
    """Look at everything, in the order in which it matters; reads only."""
    found: list[Finding] = []
    for name, check in _CHECKS.items():
        try:
            found += await check(services)
        except FactoryError as error:
            level = "error" if isinstance(error, SettingsError) else "warning"
            found.append(
                Finding(check=name, level=level, text=str(error), fix=_FIXES.get(name, _LATER))
            )
    return tuple(found)


async def _jules(services: Services) -> Sequence[Finding]:
    sources = await services.account.sources(max_age=0)
    await services.account.sessions(max_age=LISTING_FRESH_SECONDS)
    return (
        _ok("jules", f"the key works: {len(sources)} sources"),
        *_odd_sources(services.account.unreadable_sources),
        Finding(
            check="jules",
            level="note",
            text="Jules' API is v1alpha: it may change any day; an account has at most three keys",
        ),
    )


def _odd_sources(number: int) -> Iterator[Finding]:
    if number:
        yield Finding(
            check="jules",
            level="warning",
            text=f"{number} sources could not be read: they are taken for none",
            fix="look for a newer version of this program",
        )


async def _github(services: Services) -> Sequence[Finding]:
    found = await identity.look(services.tokens)
    said = tuple(permissions.judge(found, services.settings.owner))
    if isinstance(found.work, Installed) or found.work.scopes is not None:
        return said
    return (*said, *await _reads(services, permissions.WORK if found.maker else ""))


async def _reads(services: Services, name: str) -> Sequence[Finding]:
    """Try what a token reads, of which GitHub tells nothing, on the repository pushed to last."""
    known = await services.account.repositories(max_age=300)
    pushed = [one for one in known if one.pushed_at and not one.archived]
    if not pushed:
        return ()
    last = max(pushed, key=lambda one: one.pushed_at or one.created_at)
    refused = await services.tokens.refused_reads(last.repo, last.default_branch)
    return tuple(permissions.judge_reads(last.repo, refused, name))


async def _coverage(services: Services) -> Sequence[Finding]:
    repositories = await services.account.repositories(max_age=300)
    sources = await services.account.sources(max_age=300)
    return tuple(judge_coverage(repositories, sources))


def judge_coverage(
    repositories: Sequence[Repository], sources: Sequence[Source]
) -> Iterator[Finding]:
    """Say which repositories Jules' GitHub app does not reach."""
    reached = {source.repo.casefold() for source in sources}
    worked_on = [one.repo for one in repositories if not one.archived and not one.fork]
    out = [repo for repo in worked_on if repo.casefold() not in reached]
    if not out:
        yield _ok("coverage", f"Jules reaches all {len(worked_on)} repositories")
        return
    yield Finding(
        check="coverage",
        level="warning",
        text=f"Jules does not reach {len(out)} of {len(worked_on)} repositories: {_few(out)}; a "
        "new one that it does not reach gets its session without a repository",
        fix="give its GitHub app all repositories: github.com/settings/installations",
    )


async def _clock(services: Services) -> Sequence[Finding]:
    listing = await services.account.sessions(max_age=LISTING_FRESH_SECONDS)
    age = timedelta(seconds=services.account.sessions_age)
    return (judge_clock(services.clock.now() - age, listing.date),)


def judge_clock(here: datetime, there: datetime) -> Finding:
    """Say how far the local clock is off from Jules'."""
    off = here - there
    if abs(off) <= CLOCK_MAY_DIFFER:
        return _ok("clock", f"within {abs(off).total_seconds():.0f} s of Jules' own")
    side = "ahead of" if off > timedelta() else "behind"
    return Finding(
        check="clock",
        level="warning",
        text=f"the local clock is {abs(off).total_seconds():.0f} s {side} Jules' own; the "
        "allowance is counted by theirs, days and reports are named by this one",
        fix="set the clock by a time server",
    )


async def _ledger(services: Services) -> Sequence[Finding]:
    ledger = services.ledger
    verified = ledger.verify()
    found = [
        _ok("ledger", verified.text)
        if verified.agrees
        else Finding(
            check="ledger",
            level="error",
            text=verified.text,
            fix="move the file away: a new ledger counts what Jules and GitHub list, and settles",
        )
    ]
    paused = ledger.head()[2]
    if paused:
        text = f"paused: {paused}; nothing is sent"
        fix = "look at what it names, then agent resume"
        found.append(Finding(check="ledger", level="error", text=text, fix=fix))
    settles_at = ledger.settles_at()
    if settles_at is not None:
        text = f"a new ledger: it starts and makes nothing before {settles_at:%H:%M} UTC"
        found.append(Finding(check="ledger", level="note", text=text))
    in_doubt = [one.key for one in ledger.open_tickets() if one.state == "sent"]
    if in_doubt:
        text = f"{len(in_doubt)} sends without an answer: {_few(in_doubt)}"
        fix = "agent budget reconcile looks for what became of them"
        found.append(Finding(check="ledger", level="note", text=text, fix=fix))
    return found


async def _markers(services: Services) -> Sequence[Finding]:
    if services.settings.marker_key is not None:
        return (_ok("markers", "signed with a key of their own"),)
    return (
        Finding(
            check="markers",
            level="note",
            text="markers are signed with a key derived from the Jules key: after a change of "
            "that, name the old one in FACTORY_MARKER_KEYS_OLD",
            fix="or set FACTORY_MARKER_KEY once, to any long random text",
        ),
    )


async def _words(services: Services) -> Sequence[Finding]:
    words = services.jules.unknown.words
    if not words:
        return (_ok("words", "Jules has said nothing unknown since this server started"),)
    return (
        Finding(
            check="words",
            level="warning",
            text=f"Jules said {len(words)} words that nobody here knows: {_few(words)}; what they "
            "mean is not guessed",
            fix="look for a newer version of this program",
        ),
    )


async def _drift(services: Services) -> Sequence[Finding]:
    return tuple(judge_drift(drift(await services.jules.discovery())))


def judge_drift(found: Sequence[Drift]) -> Iterator[Finding]:
    """Say how the live API differs from the one that this client was written for."""
    breaking = [one.text for one in found if one.breaks]
    new = [one.text for one in found if not one.breaks]
    fix = "look for a newer version of this program; run with --dry-run until then"
    if breaking:
        text = f"Jules' API has changed where this client relies on it: {_few(breaking)}"
        yield Finding(check="drift", level="warning", text=text, fix=fix)
    if new:
        yield Finding(check="drift", level="note", text=f"Jules' API has more now: {_few(new)}")
    if not found:
        yield _ok("drift", "Jules' API is the one that this client was written for")


async def _schedules(services: Services) -> Sequence[Finding]:
    looked_at, found = await competitors.find(services)
    if not found:
        where = f"the {looked_at} repositories that were pushed to last"
        return (_ok("schedules", f"no other schedule starts sessions in {where}"),)
    return tuple(
        Finding(
            check="schedules",
            level="warning",
            text=f"{one.path} of {one.repo} starts Jules sessions by itself, out of the same "
            "allowance",
            fix="agent doctor --fix switches it off, and opens a pull request that removes it",
            competitor=one,
        )
        for one in found
    )


def _ok(check: str, text: str) -> Finding:
    return Finding(check=check, level="ok", text=text)


def _few(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


_CHECKS: Mapping[str, Callable[[Services], Awaitable[Sequence[Finding]]]] = {
    "jules": _jules,
    "github": _github,
    "coverage": _coverage,
    "clock": _clock,
    "ledger": _ledger,
    "markers": _markers,
    "words": _words,
    "drift": _drift,
    "schedules": _schedules,
}
_LATER = "this could not be looked at: ask the doctor again when the service answers"
_FIXES: Mapping[str, str] = {
    "jules": "jules.google.com/settings#api shows the keys; set JULES_API_KEY",
    "github": "github.com/settings/tokens shows the tokens; set GITHUB_TOKEN",
}

"""What the Jules tools are given: types with bounds, and names and words read strictly."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Annotated

from pydantic import Field

from mcp_server.clients import jules_names
from mcp_server.clients.jules_wire import Unknown
from mcp_server.errors import BadArgument
from mcp_server.models import ACTIVITY_KINDS, STATES, UNREADABLE, Session, utc
from mcp_server.services import Services

Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", description="owner/name")]
RepoName = Annotated[str, Field(max_length=200, description="owner/name, or a source's name")]
SessionId = Annotated[
    str, Field(min_length=1, max_length=200, description="id of a session, or its address")
]
Cursor = Annotated[
    # Of activities it names all that were given within five seconds, 13 characters each.
    str | None, Field(max_length=70_000, description="next_cursor of the page before")
]
MaxAge = Annotated[
    float, Field(ge=0, le=3600, description="accept data this many seconds old; 0 reads anew")
]
Variables = Annotated[
    dict[str, str] | None, Field(description="the template's variables, exactly those it names")
]
Template = Annotated[str | None, Field(max_length=100, description="a prompt of ours by name")]
_KEYSET = re.compile(r"(?P<at>[0-9T:+.-]{19,40})~(?P<id>[A-Za-z0-9_-]{1,64})")


async def repo_of(services: Services, name: str) -> str:
    """Return the `owner/name` that a repository's or source's name means."""
    if not jules_names.is_dashed(name):
        return jules_names.repo(name)
    sources = await services.account.sources(max_age=3600)
    return jules_names.repo(name, [source.repo for source in sources])


def known_state(state: str, unknown: Unknown) -> str:
    """Return a session state that Jules is known to use; raises `BadArgument` listing them."""
    return _known("state", state, STATES, unknown, "session state: ")


def known_kinds(kinds: Iterable[str], unknown: Unknown) -> frozenset[str]:
    """Return activity kinds that Jules is known to use; raises `BadArgument` listing them."""
    known = (*ACTIVITY_KINDS, "none", UNREADABLE)
    return frozenset(_known("kind", kind, known, unknown, "activity kind: ") for kind in kinds)


def _known(what: str, word: str, known: Collection[str], unknown: Unknown, prefix: str) -> str:
    # A word that Jules has said here is one that can be asked for, whatever it means.
    heard = [one.removeprefix(prefix) for one in unknown.words if one.startswith(prefix)]
    if word not in (*known, *heard):
        raise BadArgument(f"{word[:60]!r} is no {what}: one of {', '.join((*known, *heard))}")
    return word


def place_of(session: Session) -> str:
    """Return the cursor of the sessions older than this one."""
    return f"{session.created_at.isoformat()}~{session.id}"


def place(cursor: str) -> tuple[datetime, str]:
    """Read what `place_of` wrote; raises `BadArgument`."""
    found = _KEYSET.fullmatch(cursor)
    try:
        at = utc(found["at"]) if found else None
    except ValueError:
        at = None
    if found is None or at is None or at.tzinfo is None:
        raise BadArgument(
            f"{cursor[:60]!r} is no cursor: give next_cursor as jules_list_sessions gave it, or "
            "leave it out for the newest"
        )
    return at, found["id"]

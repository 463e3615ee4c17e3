"""Names of Jules' things: every form seen in the wild is read, only the true form is built.

Forms: facts/jules-api.md 2.6 (2026-11-22). Ids are text: a session's exceeds 2^63.
"""

import re
from collections.abc import Collection

from mcp_server.errors import BadArgument

_ID = r"[A-Za-z0-9_-]{1,64}"
# Not of dots alone: `..` would name another place.
_PART = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"
_SESSION = re.compile(rf"(?:sessions/)?({_ID})")
_SESSION_ADDRESS = re.compile(rf"https://jules\.google\.com/(?:session|task)/({_ID})/?")
_ACTIVITY = re.compile(rf"(?:(?:sessions/)?{_ID}/activities/)?({_ID})")
_REPO = re.compile(rf"(?:https://github\.com/|(?:sources/)?github/)?({_PART}/{_PART})/?")
_TRUE_SOURCE = re.compile(rf"sources/github/({_PART}/{_PART})")
# Jules' reference pages write it so, its service does not: which dash parts the two is not said.
_DASHED = re.compile(r"(?:sources/)?github-([A-Za-z0-9._-]+-[A-Za-z0-9._-]+)")


def session_id(text: str) -> str:
    """Return the id in a session's id, name or web address; raises `BadArgument`."""
    found = _SESSION.fullmatch(text.strip()) or _SESSION_ADDRESS.fullmatch(text.strip())
    if found is None:
        raise BadArgument(
            f"{text[:80]!r} names no session: give its id, sessions/ID, or "
            "https://jules.google.com/session/ID; jules_list_sessions shows them"
        )
    return found[1]


def activity_id(text: str) -> str:
    """Return the id in an activity's id or name; raises `BadArgument`."""
    found = _ACTIVITY.fullmatch(text.strip())
    if found is None:
        raise BadArgument(
            f"{text[:80]!r} names no activity: give its id, or sessions/ID/activities/ID; "
            "jules_list_activities shows them"
        )
    return found[1]


def repo(text: str, known: Collection[str] = ()) -> str:
    """Return the `owner/name` that a repository's or source's name, or its address, means.

    Of a name written with dashes, `github-OWNER-NAME`, it is the one among `known`.

    Raises:
        BadArgument: no such form, or dashes that fit none or several of `known`.
    """
    if found := _DASHED.fullmatch(text.strip()):
        fitting = [one for one in known if one.replace("/", "-") == found[1]]
        if len(fitting) == 1:
            return fitting[0]
    elif found := _REPO.fullmatch(text.strip()):
        return found[1].removesuffix(".git")
    raise BadArgument(
        f"{text[:120]!r} names no repository: give owner/name; jules_list_sources shows them"
    )


def is_dashed(text: str) -> bool:
    """Whether a name needs the known sources to be read."""
    return _DASHED.fullmatch(text.strip()) is not None


def repo_of_source(name: str | None) -> str | None:
    """Return `owner/name` of a source's name in an answer; None where it names no repository.

    Written with dashes it is read only where one dash alone can be the one between the two.
    """
    if found := _TRUE_SOURCE.fullmatch(name or ""):
        return found[1]
    if (found := _DASHED.fullmatch(name or "")) and found[1].count("-") == 1:
        return found[1].replace("-", "/")
    return None


def source_name(repo: str) -> str:
    """Return the true name of a repository's source."""
    return f"sources/github/{repo}"

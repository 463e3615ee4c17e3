"""The marker: the keyed tag that starts a session's title and says that the session is ours.

Pure. Who asks for which repository and branch is the caller's knowledge; the ledger maps a valid
marker to its ticket (facts/safety.md 1.3).
"""

import base64
import hmac
import json
import re
from collections.abc import Sequence

from mcp_server.errors import BadArgument, SettingsError
from mcp_server.models import LANES, Lane, Marker

_VERSION = "df1"
_MAC_BYTES = 16
_KEY_PURPOSE = b"daily-factory marker key 1"

# One spelling per value (no leading zero, no second alphabet): what is read back is what was
# signed, so a title cannot be varied without breaking its MAC.
_LEDGER = r"[0-9a-z]{1,32}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TASK_KEY = r"[0-9A-Za-z_-]{1,64}"
_ATTEMPT = r"[1-9][0-9]{0,3}"
_MARKER = re.compile(
    rf"\[{_VERSION} (?P<ledger>{_LEDGER}) (?P<date>{_DATE}) (?P<lane>{'|'.join(LANES)}) "
    rf"(?P<task_key>{_TASK_KEY})\.a(?P<attempt>{_ATTEMPT}) (?P<mac>[a-z2-7]{{26}})\](?= |\Z)"
)


def derive_key(jules_key: str) -> bytes:
    """Return the marker key that belongs to a Jules key, for when no key of its own is set.

    One-way: a marker, which anyone who sees a session can read, says nothing about the Jules key.
    """
    if not jules_key:
        raise SettingsError("a marker key cannot be derived from an empty Jules key")
    return hmac.digest(jules_key.encode(), _KEY_PURPOSE, "sha256")


def issue(
    key: bytes,
    *,
    ledger: str,
    date: str,
    lane: Lane,
    task_key: str,
    attempt: int,
    repo: str | None,
    branch: str | None,
) -> str:
    """Return `[df1 LEDGER DATE LANE KEY.aN MAC]`; a title goes on after one space.

    `repo` and `branch` are signed but not shown: the marker fits no other repository or starting
    branch. None for both means repoless.

    Raises:
        BadArgument: a field has characters or a length that the marker's form cannot hold.
    """
    mac = _mac(key, [ledger, date, lane, task_key, str(attempt), repo, branch])
    marker = f"[{_VERSION} {ledger} {date} {lane} {task_key}.a{attempt} {mac}]"
    if _MARKER.fullmatch(marker) is None:
        raise BadArgument(
            f"no marker can be made of ledger {ledger!r}, date {date!r}, lane {lane!r}, task key "
            f"{task_key!r}, attempt {attempt!r}: expected [0-9a-z]{{1,32}}, YYYY-MM-DD, one of "
            f"{', '.join(LANES)}, [0-9A-Za-z_-]{{1,64}} and 1 to 9999"
        )
    return marker


def read(
    title: str, keys: Sequence[bytes], *, repo: str | None, branch: str | None
) -> Marker | None:
    """Return the marker at the very start of `title`, or None when no marker stands there.

    `keys` are all keys still honoured, the current and the retired ones. `repo` and `branch` are
    where the session really works: `Marker.valid` is False when the MAC fits none of the keys for
    them, which is a forgery, a copy from elsewhere or another installation's.
    """
    match = _MARKER.match(title)
    if match is None:
        return None
    ledger, date, lane, task_key, attempt, shown = match.groups()
    signed = [ledger, date, lane, task_key, attempt, repo, branch]
    # Every key is tried, so that the time taken does not tell which one fits.
    fits = [hmac.compare_digest(_mac(key, signed), shown) for key in keys]
    return Marker.model_validate(
        {
            "ledger": ledger,
            "date": date,
            "lane": lane,
            "task_key": task_key,
            "attempt": int(attempt),
            "valid": any(fits),
        }
    )


def tag(key: bytes, purpose: str, repo: str) -> str:
    """Return 26 characters that mark something in `repo` as ours, for that one purpose."""
    return _mac(key, [purpose, repo])


def _mac(key: bytes, signed: Sequence[str | None]) -> str:
    """Return 128 bits over the fields as 26 base32 characters.

    JSON keeps the fields apart, and None apart from an empty name. The text form is compared, not
    the bytes: 26 characters hold 130 bits, and the two spare ones must not be free to change.
    """
    if not key:
        raise SettingsError("the marker key is empty: set FACTORY_MARKER_KEY or JULES_API_KEY")
    digest = hmac.digest(key, json.dumps([_VERSION, *signed]).encode(), "sha256")
    return base64.b32encode(digest[:_MAC_BYTES]).decode().rstrip("=").lower()

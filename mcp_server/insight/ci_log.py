"""The log of a failed job, cut down to what failed: pure, bounded, and plain text.

It is other people's words: what is done with it is quoted as data. Secrets are taken out between
`plain` and `trimmed`: colours would hide them, and of a half nobody sees what it is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from mcp_server.models import utc

MOST_CHARACTERS = 20_000
# Of a step; facts/github.md 1.10.
LAST_LINES = 150
BEFORE_AN_ERROR = 30
AFTER_AN_ERROR = 5
LONGEST_LINE = 500
_ERROR = "##[error]"
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) ?")
# What colours, moves the cursor or names the window (ECMA-48), and single escapes.
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])?")
# Controls, and marks that turn the direction of text or take no room.
_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

# When a step began and ended, in whole seconds; None: not told.
Span = tuple[datetime | None, datetime | None]
_Line = tuple[datetime | None, str]


def plain(log: str) -> str:
    """Return a log as it would be read: with its times, without escapes and hidden characters."""
    return "\n".join(f"{stamp}{text}" for stamp, text in _lines(log))


def trimmed(log: str, failed: Sequence[Span], most: int = MOST_CHARACTERS) -> str:
    """Return the lines around errors, and the last ones of the failed steps.

    Args:
        log: of one job, each line with its time, its secrets taken out.
        failed: the steps that failed; where none is known the end of the log stands for them.
        most: characters of the answer; where it is too short, the end is kept.

    Returns:
        Whole lines without times and escapes, a note where lines are left out.
    """
    lines = list(_read(log))
    wanted = _around_errors(lines)
    spans = [span for span in failed if span[0] is not None]
    for chosen in [_of_step(lines, span) for span in spans] or [range(len(lines))]:
        wanted.update(list(chosen)[-LAST_LINES:])
    return _last(_with_gaps(lines, sorted(wanted)), most)


def _read(log: str) -> Iterator[_Line]:
    at: datetime | None = None
    for stamp, text in _lines(log):
        at = utc(stamp.rstrip()) if stamp else at
        yield at, text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"


def _lines(log: str) -> Iterator[tuple[str, str]]:
    """Yield each line as its time, empty where it has none, and its text as it would be read."""
    for raw in log.rstrip("\r\n").split("\n"):
        line = raw.lstrip("\ufeff")
        stamp = _STAMP.match(line)
        text = line[stamp.end() :] if stamp else line
        # A progress bar writes over itself: the last writing is what stands there.
        shown = text.rstrip("\r").rpartition("\r")[2]
        yield stamp[0] if stamp else "", _UNSEEN.sub("", _ESCAPE.sub("", shown)).rstrip()


def _around_errors(lines: Sequence[_Line]) -> set[int]:
    return {
        near
        for number, (_, text) in enumerate(lines)
        if text.startswith(_ERROR)
        for near in range(number - BEFORE_AN_ERROR, number + AFTER_AN_ERROR + 1)
        if 0 <= near < len(lines)
    }


def _of_step(lines: Sequence[_Line], span: Span) -> Sequence[int]:
    """Return the lines written during a step, up to its last error where it says one."""
    started, ended = span
    inside = [
        number
        for number, (at, _) in enumerate(lines)
        if at is not None
        and (started is None or at >= started)
        and (ended is None or at < ended + timedelta(seconds=1))
    ]
    errors = [place for place, number in enumerate(inside) if lines[number][1].startswith(_ERROR)]
    return inside[: errors[-1] + 1] if errors else inside


def _with_gaps(lines: Sequence[_Line], wanted: Iterable[int]) -> Iterator[str]:
    following = 0
    for number in wanted:
        if number > following:
            yield f"[{number - following} lines left out]"
        following = number + 1
        yield lines[number][1]
    if following < len(lines):
        yield f"[{len(lines) - following} lines left out]"


def _last(lines: Iterable[str], most: int) -> str:
    every = list(lines)
    note = "[what came before is left out]"
    room = most - len(note)
    kept: list[str] = []
    for line in reversed(every):
        room -= len(line) + 1
        if room < 0:
            return "\n".join([note, *reversed(kept)])[-most:]
        kept.append(line)
    return "\n".join(every)

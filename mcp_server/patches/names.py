"""The names in a diff: quoted as C does or plain, two of them on one line that may hold spaces."""

import re
from collections.abc import Iterator

_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_QUOTED = re.compile(r'"(?:[^"\\]|\\(?:[0-3][0-7]{2}|[abtnvfr"\\]))*"')
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|.)")


def plain(name: str) -> str | None:
    """Return a name without the quotes it may have; None: it is no name."""
    if not name.startswith('"'):
        return name or None
    if _QUOTED.fullmatch(name) is None:
        return None
    whole = bytearray()
    end = 1
    for found in _ESCAPE.finditer(name, 1, len(name) - 1):
        whole += name[end : found.start()].encode()
        code = _ESCAPES.get(found[1])
        whole.append(int(found[1], 8) if code is None else code)
        end = found.end()
    whole += name[end:-1].encode()
    try:
        return whole.decode()
    except UnicodeDecodeError:
        return None


def prefixed(name: str, prefix: str) -> str | None:
    """Return the path in `a/PATH` or `b/PATH`, quoted or not; None: it is none of that side."""
    found = plain(name)
    if found is None or not found.startswith(prefix) or found == prefix:
        return None
    return found.removeprefix(prefix)


def pairs(line: str) -> Iterator[tuple[str, str]]:
    """Yield every way to read `a/OLD b/NEW`: plain names may hold ` b/` themselves."""
    spaces = [nth for nth, one in enumerate(line) if one == " "]
    for nth in spaces:
        old, new = prefixed(line[:nth], "a/"), prefixed(line[nth + 1 :], "b/")
        if old is not None and new is not None:
            yield old, new

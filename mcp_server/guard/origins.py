"""Whose words are whose: what was read of one repository never goes into work on another.

A rule about flow, not a filter of bad words (facts/safety.md 2.1): a task for a repository is made
of its own words, of public ones and of the caller's. It is kept in memory, for this process's
callers, and it sees words that are carried as they are: who rephrases or encodes them gets past.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import cast

from mcp_server.errors import Refused

# So many words in a row are a quotation; fewer may be everybody's.
_RUN = 8
# A key, an id, a name: one word that says by itself where it comes from.
_TELLING = re.compile(r"(?=\w*\d)\w{12,}|\w{21,}")
_WORD = re.compile(r"\w+")
_MOST_WORDS = 20_000
_MOST_KEPT = 200_000
_SHARED = ""
# Whose words a session's are that has no repository.
NOWHERE = "a session without a repository"


class Origins:
    """Where the words came from that callers were given; the oldest are forgotten first."""

    def __init__(self, is_public: Callable[[str], bool]) -> None:
        """Begin with nothing known; `is_public` says whether everybody can read a repository."""
        self._is_public = is_public
        self._origin: dict[int, str] = {}
        self._read: set[int] = set()

    def heard(self, data: object, repo: str | None) -> None:
        """Remember what a caller is told: words under a `repo` are its own, others everybody's.

        `data` is a JSON value; `repo` is whose words they are where it does not say. What two
        repositories say is everybody's too; what is merely said again is still the first one's.
        """
        for owner, text in _texts(data, repo):
            mark = hash((owner, text))
            if mark in self._read:
                continue
            self._read.add(mark)
            public = self._is_public(owner)
            for print_ in _prints(text):
                known = self._origin.get(print_, owner)
                self._origin[print_] = _SHARED if public else _both(known, owner)
        for print_ in list(islice(self._origin, max(0, len(self._origin) - _MOST_KEPT))):
            del self._origin[print_]
        if len(self._read) > _MOST_KEPT:
            self._read.clear()

    def check(self, given: object, to: str | None) -> None:
        """Let a caller's own words go to the repository `to`; None: to one that is new.

        From then on they are everybody's, unless they were somebody's before.

        Raises:
            Refused: they quote what was read of another repository.
        """
        prints = {one for _, text in _texts(given, None) for one in _prints(text)}
        for print_ in prints:
            owner = self._origin.get(print_, _SHARED)
            if owner not in (_SHARED, to):
                place = to or "a new repository"
                raise Refused(
                    f"this quotes what was read of {owner}, and goes to {place}: nothing of "
                    "one repository goes into another; say it in words of your own",
                    limit="origin",
                )
        for print_ in prints:
            self._origin.setdefault(print_, _SHARED)


def _both(known: str, whose: str) -> str:
    """Return whose the words are that `known` said first, and `whose` says now."""
    if whose in (known, _SHARED, NOWHERE):
        return known  # said again: by an echo, or by an answer that leaves out where it is from
    return whose if known == NOWHERE else _SHARED


def _texts(data: object, repo: str | None) -> Iterator[tuple[str, str]]:
    """Yield every text in a JSON value with whose it is; everybody's is an empty name."""
    if isinstance(data, str):
        yield repo or _SHARED, data
    elif isinstance(data, Mapping):
        items = cast("Mapping[str, object]", data)
        named = items.get("repo")
        inner = repo if named is None and "repo" not in items else (str(named or NOWHERE))
        yield from chain.from_iterable(_texts(one, inner) for one in items.values())
    elif isinstance(data, Sequence):
        yield from chain.from_iterable(_texts(one, repo) for one in cast("Sequence[object]", data))


def _prints(text: str) -> Iterator[int]:
    for found in _TELLING.finditer(text):
        yield hash(found[0])
    words = [found[0] for found in islice(_WORD.finditer(text.lower()), _MOST_WORDS)]
    for start in range(len(words) - _RUN + 1):
        yield hash(tuple(words[start : start + _RUN]))

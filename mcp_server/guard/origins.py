"""Whose words are whose: what was read of one repository never goes into work on another.

A rule about flow, not a filter of bad words (facts/safety.md 2.1): a task for a repository is made
of its own words, of public ones and of the caller's. It is kept in memory, for this process's
callers, and it sees words that are carried as they are: who rephrases them gets past.
"""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import cast

from mcp_server.errors import BadArgument, Refused

# So many words in a row are a quotation; fewer may be everybody's.
_RUN = 8
# A key, an id, a name: one word that says by itself where it comes from.
_TELLING = re.compile(r"(?=.*\d).{12,}|.{21,}")
_WORD = re.compile(r"\w+")
# Most of what is told are states, numbers and names: neither a quotation nor a telling word.
_SHORTEST = 12
# No body that leaves may be longer (policy.MAX_BODY_BYTES).
_MOST_GIVEN = 1_000_000
# Quotations and telling words of about a megabyte of text; one answer has a fifth of it at most.
_MOST_KEPT = 200_000
_SHARED = ""
# Whose words are that say that they are a repository's, and neither which nor in what session.
_NOWHERE = "a place that was not named"
_ENTITY_DEPTH = 8
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me"})


class Origins:
    """Where the words came from that callers were given; those unheard for longest go first.

    A place is a repository, `owner/name` in any case, or a session that is not known to work on
    one (`session`).
    """

    def __init__(self, is_public: Callable[[str], bool], *, most: int = _MOST_KEPT) -> None:
        """Begin with nothing known.

        Args:
            is_public: whether everybody can read a repository.
            most: how many prints are kept.
        """
        self._is_public = is_public
        self._most = most
        self._owner: dict[int, str] = {}
        # The texts that were heard, by mark, each with its prints; and how many texts have a print.
        self._heard: dict[int, tuple[int, ...]] = {}
        self._holders = Counter[int]()
        self._kept = 0
        self._home: dict[str, str] = {}

    def session(self, session_id: str, repo: str | None) -> str:
        """Return the place of a session, which is its repository where that is or gets known."""
        name = f"session {session_id}"
        if repo is not None:
            self._home[name] = repo.casefold()
        return name

    def heard(
        self, data: object, place: str | None, *, asked: object = None, public: bool = False
    ) -> None:
        """Remember what a caller is told: words under a `repo` are its own, others the place's.

        What two places say is everybody's; what is merely said again is still the first one's. A
        session that is not known to work anywhere is no second place beside a repository.

        Args:
            data: a JSON value.
            place: whose words they are where it does not say; None: everybody's, unless they were
                somebody's before.
            asked: what the caller said to be told this: its echo is no sign of whose it is.
            public: everybody could read it, so from now on it is everybody's.
        """
        echoed = frozenset(print_ for text in texts_in(asked) for print_ in _prints(text))
        told = list[tuple[str, str]]()
        self._gather(data, place or _SHARED, told)
        for owner, text in told:
            free = public or bool(owner and self._is_public(owner))
            self._remember(text, owner.casefold(), free=free, echoed=echoed)

    def check(self, given: object, to: str | None) -> None:
        """Let a caller's own words go to the place `to`; None: to a session yet to be made.

        From then on they are everybody's, unless they were somebody's before.

        Raises:
            BadArgument: they are more than can leave.
            Refused: they quote what was read of another place.
        """
        # As one text, so that nothing is taken apart between two arguments.
        text = "\n".join(texts_in(given))
        if len(text) > _MOST_GIVEN:
            raise BadArgument(f"{len(text):,} characters are too many: {_MOST_GIVEN:,} at most")
        target = self._lies_in(to.casefold()) if to else None
        for print_ in _prints(text):
            owner = self._lies_in(self._owner.get(print_, _SHARED))
            if owner not in (_SHARED, target):
                raise Refused(
                    f"this quotes what was read of {owner}, and goes to "
                    f"{target or 'a new session'}: nothing of one repository "
                    "goes into another; say it in words of your own",
                    limit="origin",
                )
        self._remember(text, _SHARED, free=False, echoed=frozenset())

    def _gather(self, data: object, place: str, told: list[tuple[str, str]]) -> None:
        """Add every text in a JSON value that may have prints, with whose it is.

        A list that is handed down, where generators in generators would cost a day's per cent.
        """
        if isinstance(data, str):
            if len(data) >= _SHORTEST:
                told.append((place, data))
        elif isinstance(data, dict):
            items = cast("dict[str, object]", data)
            inner = self._named_in(items, place)
            for one in items.values():
                self._gather(one, inner, told)
        elif isinstance(data, list):
            for one in cast("list[object]", data):
                self._gather(one, place, told)

    def _named_in(self, items: Mapping[str, object], place: str) -> str:
        if "repo" not in items:
            return place
        repo, name = items["repo"], items.get("session_id", items.get("id"))
        known = repo if isinstance(repo, str) else None
        session = self.session(name, known) if isinstance(name, str) else None
        # Jules may leave the repository out (facts/jules-api.md 2.1): then the session is named.
        return known or session or place or _NOWHERE

    def _lies_in(self, place: str) -> str:
        return self._home.get(place, place)

    def _remember(self, text: str, owner: str, *, free: bool, echoed: frozenset[int]) -> None:
        mark = hash((owner, free, text, echoed))
        prints = self._heard.pop(mark, None)
        if prints is None:
            prints = tuple(set(_prints(text)))
            self._kept += len(prints)
            for print_ in prints:
                self._holders[print_] += 1
                if print_ not in echoed:
                    known = self._owner.get(print_, owner)
                    self._owner[print_] = _SHARED if free else self._both(known, owner)
        if prints:
            self._heard[mark] = prints
        while self._kept > self._most and len(self._heard) > 1:
            self._forget(self._heard.pop(next(iter(self._heard))))

    def _forget(self, prints: Sequence[int]) -> None:
        self._kept -= len(prints)
        for print_ in prints:
            self._holders[print_] -= 1
            if not self._holders[print_]:
                del self._holders[print_]
                self._owner.pop(print_, None)

    def _both(self, known: str, whose: str) -> str:
        """Return whose the words are that `known` said first, and `whose` says now."""
        known, whose = self._lies_in(known), self._lies_in(whose)
        if whose in (known, _SHARED, _NOWHERE):
            return known  # said again: by an echo, or by an answer that leaves out where it is from
        if known in (_SHARED, _NOWHERE):
            return whose if known == _NOWHERE else known
        # Of a repository and a session of which the repository is not known, the session may well
        # work on the other: that is one place which says it, not two.
        named = [place for place in (known, whose) if " " not in place]
        return named[0] if len(named) == 1 else _SHARED


def texts_in(data: object) -> Iterator[str]:
    """Yield every text in a JSON value, names of fields left out."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        yield from texts_in(list(cast("dict[str, object]", data).values()))
    elif isinstance(data, list):
        yield from chain.from_iterable(map(texts_in, cast("list[object]", data)))


def shown(text: str) -> str:
    """Return a text as its reader sees it: entities resolved, without signs that show nothing.

    The server cleans what it renders (`prompts.plain`): who looks at less would be got round.
    """
    if text.isascii() and text.isprintable() and "&" not in text:
        return text
    for _ in range(_ENTITY_DEPTH):
        before, text = text, _visible(html.unescape(text))
        if text == before:
            break
    return text


def _visible(text: str) -> str:
    hidden = [
        one for one in set(text) if one not in "\t\n\r" and unicodedata.category(one) in _HIDDEN
    ]
    return text.translate(dict.fromkeys(map(ord, hidden))) if hidden else text


def _prints(text: str) -> Iterator[int]:
    words = _WORD.findall(shown(text).casefold())
    for word in words:
        if len(word) >= _SHORTEST and _TELLING.match(word):
            yield hash(word)
    for start in range(len(words) - _RUN + 1):
        yield hash(tuple(words[start : start + _RUN]))

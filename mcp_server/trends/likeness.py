"""When two titles say the same: equal but for empty words, order, endings and one spelling.

Numbers and every other word count: "Part 3" is not "Part 4", "public" not "private".
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from rapidfuzz import fuzz

from mcp_server.trends.clean import TITLE_LENGTH, one_line

# Fewer telling words ("Weekly update") are too common to be one thing.
_TELLING_WORDS = 3
# Scripts without spaces: so many letters say as much.
_TELLING_LETTERS = 6
# Of 100: "organise" and "organize" stay above it, "encode" and "decode" far below.
_ONE_SPELLING = 87.0
_SPELT_LETTERS = 5

_PREFIX = re.compile(r"^(?:show|ask|tell|launch) hn\s*[:\-\u2013\u2014\uff1a]\s*", re.IGNORECASE)
_MAKER = re.compile(
    r"^(?:i|we)(?: have|['\u2019]ve)? (?:just )?(?:built|made|wrote|created)\s+", re.IGNORECASE
)
_SUFFIX = re.compile(r"\s*[\[(](?:video|pdf|audio|slides)[\])]\s*$", re.IGNORECASE)
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019\u02bc](?=\w)")
_WORD = re.compile(r"[cf]#|c\+\+|v?\d+(?:\.\d+)+|\w+")
_EMPTY = frozenset(
    _WORD.findall(
        "a an the and or of for to in on at by with from is are was be it its this that these my"
        " our your you i we new now just today here introducing announcing meet"
    )
)
Words = frozenset[str]


def bare_title(title: str) -> str:
    """Return a title as one line, without what Hacker News wants in front of it."""
    return _PREFIX.sub("", one_line(title, TITLE_LENGTH))


def telling_words(title: str) -> Words:
    """Return the words by which a title is known again; empty when they are too few."""
    bare = _MAKER.sub("", _SUFFIX.sub("", bare_title(title)))
    text = unicodedata.normalize("NFKC", bare).casefold()
    found = {_stem(word) for word in _WORD.findall(_APOSTROPHE.sub("", text))} - _EMPTY
    letters = sum(len(word) for word in found if not word.isascii())
    return (
        frozenset(found) if len(found) >= _TELLING_WORDS or letters >= _TELLING_LETTERS else _NONE
    )


def same_spelt(titles: Iterable[Words]) -> list[tuple[Words, Words]]:
    """Return the pairs of titles that differ in the spelling of one word; equal ones are none."""
    # All words but one, and the first letter of that one: only who shares these is compared.
    open_places: defaultdict[tuple[Words, str], list[tuple[str, Words]]] = defaultdict(list)
    pairs: list[tuple[Words, Words]] = []
    for words in set(titles):
        for word in words:
            if len(word) < _SPELT_LETTERS or not word.isalpha():
                continue
            place = open_places[words - {word}, word[0]]
            for other, title in place:
                if fuzz.ratio(word, other, score_cutoff=_ONE_SPELLING):
                    pairs.append((title, words))
            place.append((word, words))
    return pairs


_NONE: Words = frozenset()


def _stem(word: str) -> str:
    """Fold plurals, and "v2" into "2"; short words stay."""
    if word[0] == "v" and word[1:2].isdigit():
        return word[1:]
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] not in "siu" else word

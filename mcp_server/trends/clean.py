"""Strangers' texts made fit to show: one line, no entities, nothing that is not seen.

Leaves words and their meaning alone; what a source's markup means is the source's business.
"""

import re
import unicodedata

from mcp_server.trends.signal import plain

TITLE_LENGTH = 200
DESCRIPTION_LENGTH = 300

# A joiner between two pictures makes one of them (a family, a profession); elsewhere it hides.
_PICTURE = "[\u2190-\u2bff\U0001f000-\U0001faff\ufe0f]"
_STRAY_JOINER = re.compile(f"(?<!{_PICTURE})\u200d|\u200d(?!{_PICTURE})")


def one_line(text: str, length: int) -> str:
    """Return `text` without entities, controls, direction and zero-width characters.

    At most `length` characters, an ellipsis being the last one where it was cut; emoji stay whole.
    """
    line = plain(text)
    if not (line.isascii() and line.isprintable()):
        line = _STRAY_JOINER.sub("", unicodedata.normalize("NFC", line))
        line = " ".join("".join(map(_shown, line)).split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _shown(character: str) -> str:
    if character.isspace():
        return " "
    if character == "\u200d":
        return character
    # Cf holds the direction marks and joiners, Cs what is no text at all; the supplementary
    # variation selectors are marks that show nothing and can carry hidden words.
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs"}
    return "" if hidden or "\U000e0100" <= character <= "\U000e01ef" else character

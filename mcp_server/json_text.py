"""Reads the JSON of other people's servers; what the values mean is their readers' business."""

import json
import re

# The only way into JSON for half a character, as who cuts a text inside an emoji leaves it.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def json_of(content: bytes) -> object:
    """Parse JSON in UTF-8 (RFC 8259); half a character is read as U+FFFD: it cannot be told on.

    Raises:
        ValueError: it is none, or nested deeper than can be read.
    """
    text = content.decode("utf-8-sig")
    try:
        data: object = json.loads(text)
        if _HALF.search(text):
            halves = json.dumps(data, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
            data = json.loads(halves.decode("utf-16-le", "replace"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return data

"""Secrets taken out of text by exact value, in every coding they are likely to travel in.

Everything that leaves towards a log, a report, a tool result or a model passes here, before it is
cut to length: half a secret is not recognised. Guessing at the look of unknown keys is not done.
"""

import base64
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from mcp_server.errors import SettingsError

MASK = "***"
SHORTEST_SECRET = 8

# What may be shown; every other header is taken for a secret, since each vendor names its key
# header differently (httpx's repr printed `x-goog-api-key` in clear: facts/safety.md 4).
_SAFE_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "etag",
        "host",
        "if-none-match",
        "last-modified",
        "retry-after",
        "user-agent",
        "x-accepted-github-permissions",
        "x-github-api-version",
        "x-github-request-id",
        "x-oauth-scopes",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-resource",
        "x-ratelimit-used",
    }
)


class Redactor:
    """Replaces the secrets it was made with by `***`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Compile one pattern for all secrets.

        Raises:
            SettingsError: a secret is shorter than 8 characters; masking it would eat ordinary
                words, and not masking it would leak it.
        """
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        # `(?!)` matches nowhere; an empty alternation would match everywhere.
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def text(self, text: str) -> str:
        """Return `text` without the secrets; a second pass changes nothing more.

        A mask can complete another secret (`ab` + masked + `cd`), hence the repetition. It ends,
        because every form is longer than the mask.
        """
        while (masked := self._pattern.sub(MASK, text)) != text:
            text = masked
        return text


class RedactingFilter(logging.Filter):
    """Masks records in place; belongs on every root handler.

    On a handler, not on a logger: a logger's filters are not asked about its children's records.
    Text in `extra` is masked too; structures in `extra` are not looked into.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask message, arguments, traceback and extra texts of `record`; let it pass."""
        record.msg = _message(record)
        record.args = ()
        if record.exc_info:
            # Rendered here and dropped: a handler with a format of its own would render it again.
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        for name, value in list(vars(record).items()):
            if isinstance(value, str):
                setattr(record, name, self._redactor.text(value))
        return True


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` with lower-case names and every value masked that is not known harmless."""
    return {
        name.lower(): value if name.lower() in _SAFE_HEADERS else MASK
        for name, value in headers.items()
    }


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # Arguments that do not fit the format: logging would print them raw to stderr.
        return f"{record.msg} {record.args!r}"


def _forms(secret: str) -> Iterator[str]:
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"a secret of {len(secret)} characters cannot be kept out of logs: "
            f"use one of at least {SHORTEST_SECRET}"
        )
    yield from _codings(secret)
    # A key file is often quoted line by line.
    for line in secret.splitlines():
        if SHORTEST_SECRET <= len(line) < len(secret):
            yield from _codings(line)


def _codings(secret: str) -> Iterator[str]:
    for plain in (secret, secret[::-1]):
        yield plain
        yield json.dumps(plain)[1:-1]
        yield json.dumps(plain, ensure_ascii=False)[1:-1]
        yield json.dumps(plain)[1:-1].replace("/", "\\/")
        yield repr(plain)[1:-1]
        yield html.escape(plain)
    for percent in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield percent
        yield re.sub(r"%[0-9A-F]{2}", lambda code: code[0].lower(), percent)
    for offset in range(3):
        core = _base64_core(secret.encode(), offset)
        yield core
        yield core.replace("+", "-").replace("/", "_")


def _base64_core(secret: bytes, offset: int) -> str:
    """Return the characters that `secret` alone decides when it starts at byte 3k + `offset`."""
    text = base64.b64encode(bytes(offset) + secret).decode()
    first = -(-offset * 8 // 6)
    last = (offset + len(secret)) * 8 // 6
    return text[first:last]

"""Secrets taken out of text: ours by exact value in every likely coding, unknown keys by look.

Everything that leaves towards a log, a report, a tool result or a model passes here, before it is
cut to length. What unknown keys look like stands in `key_formats.py`.
"""

import base64
import html
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO
from urllib.parse import quote, quote_plus

from mcp_server.errors import SettingsError
from mcp_server.guard import key_formats

MASK = "***"
SHORTEST_SECRET = 8
# A part of a secret that is this long is masked like the whole (facts/safety.md 4).
CHUNK = 12
# Every chunk holds a gram at a multiple of `_STRIDE`, wherever it begins.
_GRAM = 6
_MOST_LEARNT = 3
_STRIDE = CHUNK - _GRAM + 1
# What a stream holds back of a line without an end, or of a key without one.
_MOST_HELD = 64 * 1024

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
    """Replaces the secrets it was made with, parts of them, and what looks like a key, by `***`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Index all codings of all secrets.

        Raises:
            SettingsError: a secret is shorter than 8 characters; masking it would eat ordinary
                words, and not masking it would leak it.
        """
        self._given = tuple(secrets)
        self._learnt: tuple[str, ...] = ()
        self._index()

    def learn(self, secret: str) -> None:
        """Mask this from now on, too; of what was learnt the last few are kept.

        For what lives an hour and is replaced before: the one before the last opens nothing.
        """
        self._learnt = (*self._learnt, secret)[-_MOST_LEARNT:]
        self._index()

    def _index(self) -> None:
        secrets = (*self._given, *self._learnt)
        forms = {form for secret in secrets for form in _forms(secret)}
        self._short = tuple(sorted(form for form in forms if len(form) < CHUNK))
        grams: dict[str, list[tuple[str, int]]] = {}
        for form in sorted(form for form in forms if len(form) >= CHUNK):
            for at in range(len(form) - _GRAM + 1):
                grams.setdefault(form[at : at + _GRAM], []).append((form, at))
        self._grams = grams

    def text(self, text: str) -> str:
        """Return `text` without the secrets; a second pass changes nothing more.

        No short secret and no `CHUNK` characters of a longer one remain, in any coding. A mask can
        complete another secret (`ab` + masked + `cd`), hence the repetition. It ends, because
        every masked place is longer than the mask.
        """
        while (masked := _masked(text, self._places(text))) != text:
            text = masked
        return text

    def _places(self, text: str) -> list[tuple[int, int]]:
        places = [*self._chunks(text), *key_formats.keys_in(text)]
        for form in self._short:
            at = text.find(form)
            while at >= 0:
                places.append((at, at + len(form)))
                at = text.find(form, at + len(form))
        return places

    def _chunks(self, text: str) -> Iterator[tuple[int, int]]:
        done = 0
        for at in range(0, len(text) - _GRAM + 1, _STRIDE):
            if at + _GRAM <= done:
                continue  # inside what is masked already: a long secret is walked once, not often
            for form, place in self._grams.get(text[at : at + _GRAM], ()):
                start, end = _widened(text, at, form, place)
                if end - start >= CHUNK:
                    done = max(done, end)
                    yield start, end


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


class RedactedStream(io.TextIOBase):
    """Masks what is written, line by line, so that a secret in two writes is one again.

    What has no end yet is held: an open line, and a private key without its last line. `release`
    passes that on; at most 64 KiB are held.
    """

    def __init__(self, sink: TextIO, redactor: Redactor) -> None:
        super().__init__()
        self._sink = sink
        self._redactor = redactor
        self._held = ""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str, /) -> int:
        """Pass on what is complete, masked; return how much was taken, all of it."""
        self._held += text
        cut = self._held.rfind("\n") + 1
        opened = key_formats.open_key(self._held[:cut])
        if len(self._held) > _MOST_HELD:
            cut = len(self._held)
        elif opened is not None:
            cut = min(cut, opened)
        if cut:
            self._sink.write(self._redactor.text(self._held[:cut]))
            self._held = self._held[cut:]
        return len(text)

    def flush(self) -> None:
        """Flush what was passed on; what is held stays held, since it may be half a secret."""
        self._sink.flush()

    def release(self) -> None:
        """Pass on what is held, masked: nothing more will come."""
        held, self._held = self._held, ""
        self._sink.write(self._redactor.text(held))
        self._sink.flush()


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
    # A key file is often quoted line by line; a line of fewer characters is too little of it.
    for line in secret.splitlines():
        if SHORTEST_SECRET <= len(line) < CHUNK and line != secret:
            yield from _codings(line)


def _masked(text: str, places: list[tuple[int, int]]) -> str:
    """Return `text` with one mask for each place, and one for places that touch or overlap."""
    parts: list[str] = []
    done = 0
    for start, end in sorted(places):
        if start > done or not parts:
            parts += [text[done:start], MASK]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _widened(text: str, at: int, form: str, place: int) -> tuple[int, int]:
    """Return how far text and form agree around a gram that both hold."""
    start, end = at, at + _GRAM
    before, after = place, place + _GRAM
    while start and before and text[start - 1] == form[before - 1]:
        start, before = start - 1, before - 1
    while end < len(text) and after < len(form) and text[end] == form[after]:
        end, after = end + 1, after + 1
    return start, end


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

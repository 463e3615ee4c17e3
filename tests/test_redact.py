"""Redaction: no coding of a secret gets through, and everything else does."""

import base64
import hashlib
import html
import itertools
import json
import logging
import sys
from collections.abc import Callable, Iterable
from io import StringIO
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_server.errors import SettingsError
from mcp_server.guard.redact import (
    CHUNK,
    RedactedStream,
    RedactingFilter,
    Redactor,
    safe_headers,
)

if TYPE_CHECKING:
    from _typeshed import TraceFunction

# One of each look: hex, prefixed, with the characters that codings change, text, a key file.
SECRETS = (
    "0123456789abcdef0123456789abcdef01234567",
    "github_pat_11ABCDEFG0abcdefghijklmnop",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz012345",
    "AQ.Ab8RN6K_abcdefghijklmnop",
    "sk-ant-api03-abcdefghijkl-mnopqrst_uvwxyz",
    "csk-abcdefghijklmnopqrstuvwxyz012345",
    'a+b/c=d&e?f#g%h "ü',
    "pass\"word\\with'quotes<&>",
    "schlüssel-mit-ä-und-漢字",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAo\n-----END KEY-----",
)
REDACTOR = Redactor(SECRETS)


def b64(text: str, *, before: str = "") -> str:
    return base64.b64encode((before + text).encode()).decode()


CODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "reversed": lambda s: s[::-1],
    "percent": lambda s: quote(s, safe=""),
    "percent, path": quote,
    "percent, form": quote_plus,
    "percent, lower case": lambda s: (
        "".join(
            c if c.isascii() and c.isalnum() else "".join(f"%{b:02x}" for b in c.encode())
            for c in s
        )
        if set("-_.~").isdisjoint(s)
        else s
    ),
    "json": json.dumps,
    "json in UTF-8": lambda s: json.dumps(s, ensure_ascii=False),
    "json, slashes escaped": lambda s: json.dumps(s).replace("/", "\\/"),
    "repr": repr,
    "html": html.escape,
    "base64 at 0": b64,
    "base64 at 1": lambda s: b64(s, before="u"),
    "base64 at 2": lambda s: b64(s, before="u:"),
    "base64 of basic auth": lambda s: b64(s + "\n", before="user:"),
    "base64 for URLs": lambda s: b64(s, before="xy").replace("+", "-").replace("/", "_"),
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("secret", SECRETS)
def test_no_coding_of_a_secret_gets_through(secret: str, coding: str):
    """facts/safety.md 4 and 7 (31): what is left of it is too little to be of use."""
    coded = CODINGS[coding](secret)
    clean = REDACTOR.text(f"before {coded} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "***" in clean
    # What base64 leaves are the characters shared with the neighbours, and quotation marks.
    assert len(clean) <= len("before *** after") + (12 if "base64" in coding else 2)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_line_of_a_key_file_is_a_secret_of_its_own(secret: str):
    """Key files are quoted line by line."""
    for line in secret.splitlines():
        assert line not in REDACTOR.text(f"> {line}")


def test_a_short_line_of_a_key_file_is_a_secret_too():
    """The last one, as a rule: fewer characters than make a part, and enough to be masked."""
    assert Redactor(["first-line-of-a-key\nlast-one"]).text("> last-one") == "> ***"


@given(st.text())
def test_other_text_is_left_alone(text: str):
    """What looks like a key is `test_key_formats.py`'s."""
    assume(not any(secret in text for secret in SECRETS))
    assert REDACTOR.text(text) == text
    assert Redactor(()).text(text) == text


secrets = st.lists(st.text("ab*=%/", min_size=8, max_size=10), min_size=1, max_size=3)


@given(secrets, st.text("ab*=%/", max_size=60))
def test_redacting_twice_is_redacting_once(chosen: list[str], text: str):
    """Even where a mask completes another secret, or a secret is made of asterisks."""
    redactor = Redactor(chosen)
    once = redactor.text(text)
    assert redactor.text(once) == once
    assert not any(secret in once for secret in chosen)


@given(secrets, st.text(), st.text())
def test_a_secret_inside_any_text_is_masked(chosen: list[str], before: str, after: str):
    """The exact value, wherever it stands."""
    clean = Redactor(chosen).text(before + chosen[0] + after)
    assert "***" in clean
    assert chosen[0] not in clean


SCRAPS = st.lists(
    st.one_of(
        st.text("ab+/=% ", max_size=5),
        st.tuples(st.sampled_from(SECRETS), st.integers(0, 60), st.integers(0, 40)).map(
            lambda cut: cut[0][cut[1] : cut[1] + cut[2]]
        ),
    ),
    max_size=8,
).map("".join)


def chunks_of(secret: str) -> set[str]:
    """Return the parts of a secret that are worth keeping back: a dozen characters."""
    return {secret[at : at + CHUNK] for at in range(len(secret) - CHUNK + 1)}


@given(SCRAPS)
def test_no_dozen_characters_of_a_secret_remain(text: str):
    """facts/safety.md 4: a message that was cut to length holds half a secret."""
    clean = REDACTOR.text(text)
    assert REDACTOR.text(clean) == clean
    for secret in SECRETS:
        assert not any(chunk in clean for chunk in chunks_of(secret))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_part_of_a_coded_secret_is_masked_too(coding: str):
    """At any place where it was cut."""
    coded = CODINGS[coding](SECRETS[1])
    # What base64 begins with here is `user:`.
    for at in range(8, len(coded) - CHUNK - 4):
        assert REDACTOR.text(f"...{coded[at : at + CHUNK]} ") == "...*** "


@pytest.mark.parametrize("before", range(20))
def test_a_part_of_a_secret_is_masked_wherever_it_begins(before: int):
    """The search strides; no place is between its steps."""
    text = f"{' ' * before}{SECRETS[0][5 : 5 + CHUNK]}"
    assert REDACTOR.text(text) == f"{' ' * before}***"


def test_fewer_characters_of_a_secret_are_left_alone():
    """Eleven are too little to be of use, and too likely to be a word."""
    assert REDACTOR.text(SECRETS[0][:11]) == SECRETS[0][:11]


SLOW = ("a", "ab", "0123456789", "sandbox-jules", "aaaaaaaaaaab", SECRETS[0], SECRETS[11])


@pytest.mark.parametrize("piece", SLOW)
def test_twice_the_text_takes_twice_the_steps(piece: str):
    """Counted, not timed; secrets of one letter, and texts made of almost a secret."""
    redactor = Redactor([*SECRETS, "a" * 40, "ab" * 20, "sandbox-jules-key"])
    one, two = (steps(redactor, (piece * 4000)[:length]) for length in (4000, 8000))
    assert two <= 2.1 * one + 200


def test_a_long_secret_is_walked_once():
    """Not once more for each of its parts: a key file has thousands of characters."""
    secret = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(30))
    text = secret * 2
    assert steps(Redactor([secret]), text) <= 10 * len(text)


def steps(redactor: Redactor, text: str) -> int:
    """Return how many lines of Python it takes to mask a text."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: object) -> "TraceFunction":
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        redactor.text(text)
    finally:
        sys.settrace(before)
    return count


def written(pieces: Iterable[str], redactor: Redactor = REDACTOR) -> str:
    """Return what a redacted stream passes on of these writes, and then lets go of."""
    sink = StringIO()
    stream = RedactedStream(sink, redactor)
    for piece in pieces:
        assert stream.write(piece) == len(piece)
        stream.flush()
    stream.release()
    return sink.getvalue()


@given(SCRAPS, st.lists(st.integers(0, 100), max_size=6))
def test_a_secret_in_two_writes_is_one_secret(text: str, cuts: list[int]):
    """However a stream is cut, and flushed between."""
    text = f"{text} {SECRETS[0]}\n{SECRETS[2]}"
    edges = [0, *sorted(cuts), len(text)]
    clean = written(text[a:b] for a, b in itertools.pairwise(edges))
    for secret in (SECRETS[0], SECRETS[2]):
        assert not any(chunk in clean for chunk in chunks_of(secret))


@given(st.lists(st.text("ab\n -"), max_size=9))
def test_a_stream_loses_nothing(pieces: list[str]):
    """What holds no secret comes out as it went in."""
    assert written(pieces) == "".join(pieces)


def test_a_line_is_passed_on_when_it_ends():
    """A log on a screen must not wait for the next one."""
    sink = StringIO()
    stream = RedactedStream(sink, REDACTOR)
    stream.write("one\ntw")
    assert sink.getvalue() == "one\n"
    assert stream.writable()
    stream.write("o\n")
    assert sink.getvalue() == "one\ntwo\n"


def test_a_private_key_of_nobody_we_know_is_masked_line_by_line():
    """Its later lines look like nothing; so the stream waits for the last one."""
    body = "".join(f"MIIEvQaB3dE5fG7hJ9kL1mN2pQ4rS6t{n}\n" for n in range(9))
    lines = f"before\n-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\nafter\n"
    expected = "before\n-----BEGIN PRIVATE KEY-----***-----END PRIVATE KEY-----\nafter\n"
    assert written(lines.splitlines(keepends=True), Redactor(())) == expected
    assert written(lines, Redactor(())) == expected


@pytest.mark.parametrize("before", ["> ", "-", "2026-11-23T09:00:00Z "])
def test_a_private_key_is_masked_line_by_line_whatever_stands_before_its_lines(before: str):
    """A diff, a quotation, a log: each line is complete, and none looks like more follows."""
    body = [f"MIIEvQaB3dE5fG7hJ9kL1mN2pQ4rS6t{n}" for n in range(9)]
    lines = [before + line for line in ("-----BEGIN PRIVATE KEY-----", *body, "", "bye: now")]
    clean = written((f"{line}\n" for line in lines), Redactor(()))
    assert not [line for line in body if line[:12] in clean]
    assert clean.endswith(": now\n")


def test_a_stream_does_not_hold_without_bound():
    """64 KiB of a line without an end; where that is cut, a dozen characters get lost at most."""
    sink = StringIO()
    stream = RedactedStream(sink, REDACTOR)
    for _ in range(70):
        stream.write("x " * 512)
    assert len(sink.getvalue()) >= 64 * 1024


def test_a_secret_that_a_mask_completes_is_masked_too():
    """Else a second pass would say something else than the first."""
    assert Redactor(["ab***cdef", "12345678"]).text("ab12345678cdef") == "***"


def test_the_longer_of_two_secrets_is_masked_whole():
    """Or the rest of it would stand in the log."""
    redactor = Redactor(["abcdefgh", "abcdefgh-and-more"])
    assert redactor.text("abcdefgh-and-more, abcdefgh") == "***, ***"


@pytest.mark.parametrize("short", ["", "x", "1234567"])
def test_a_secret_too_short_to_mask_is_refused_and_not_told(short: str):
    """Loudly: a silent skip would leak it."""
    with pytest.raises(SettingsError) as refusal:
        Redactor(["long-enough-secret", short])
    assert f"{len(short)} characters" in str(refusal.value)
    assert short not in str(refusal.value).split()


def logged(act: Callable[[logging.Logger], None], form: str = "%(message)s") -> str:
    """Return what a filtered handler writes."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(form))
    handler.addFilter(RedactingFilter(REDACTOR))
    logger = logging.Logger("child.of.somebody")
    logger.addHandler(handler)
    act(logger)
    return stream.getvalue()


def failing(logger: logging.Logger) -> None:
    try:
        try:
            raise ValueError(SECRETS[0])
        except ValueError as error:
            raise RuntimeError(f"key={SECRETS[1]}") from error
    except RuntimeError:
        logger.exception("failed with %s", SECRETS[2])


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"GET /?key={SECRETS[0]}", ()),
        ("GET %s", (SECRETS[0],)),
        ("GET %(url)s", ({"url": SECRETS[0]},)),
        ("sent %r", ({"x-goog-api-key": SECRETS[8]},)),
        (ValueError(SECRETS[0]), ()),
        ("does not fit %d", (SECRETS[0],)),
        ("does not fit %s %s", (SECRETS[0],)),
        ("does not fit %(url)s", ({"uri": SECRETS[0]},)),
    ],
)
def test_no_secret_reaches_a_log_by_its_message(message: object, arguments: tuple[object, ...]):
    """Message, arguments, and arguments that do not fit, which logging would print raw."""
    written = logged(lambda logger: logger.error(message, *arguments))
    assert "***" in written
    assert not any(secret in written for secret in SECRETS)


def test_no_secret_reaches_a_log_by_a_field_of_its_own():
    """`extra` is what structured handlers print."""
    written = logged(lambda logger: logger.error("x", extra={"url": SECRETS[0]}), "%(url)s")
    assert written == "***\n"


def test_no_secret_reaches_a_log_by_a_traceback():
    """The error, what caused it, and the message logged with them."""
    written = logged(failing)
    assert "Traceback" in written
    assert not any(secret in written for secret in SECRETS)


def test_a_log_record_keeps_everything_else():
    """The filter masks, it does not censor."""
    assert logged(lambda logger: logger.warning("%d of %s", 3, "5")) == "3 of 5\n"
    written = logged(failing)
    assert "failed with ***" in written
    assert "RuntimeError: key=***" in written
    assert "ValueError: ***" in written


def test_a_second_handler_cannot_render_the_traceback_anew():
    """A handler with a format of its own reads `exc_info`, not `exc_text`."""
    record = logging.LogRecord(
        "x", logging.ERROR, "f", 1, "m", None, (ValueError, ValueError(SECRETS[0]), None)
    )
    assert RedactingFilter(REDACTOR).filter(record)
    assert record.exc_info is None
    assert record.exc_text == "ValueError: ***"


def test_headers_are_shown_only_when_known_harmless():
    """Each vendor names its key header differently."""
    shown = safe_headers(
        {
            "Content-Type": "application/json",
            "X-Goog-Api-Key": "k",
            "Authorization": "Bearer k",
            "Cookie": "k",
            "X-RateLimit-Remaining": "7",
            "X-New-Vendor-Token": "k",
        }
    )
    assert shown == {
        "content-type": "application/json",
        "x-goog-api-key": "***",
        "authorization": "***",
        "cookie": "***",
        "x-ratelimit-remaining": "7",
        "x-new-vendor-token": "***",
    }

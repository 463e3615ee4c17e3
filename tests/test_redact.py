"""Redaction: no coding of a secret gets through, and everything else does."""

import base64
import html
import json
import logging
from collections.abc import Callable
from io import StringIO
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcp_server.errors import SettingsError
from mcp_server.guard.redact import RedactingFilter, Redactor, safe_headers

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


@given(st.text())
def test_other_text_is_left_alone(text: str):
    """Nothing is guessed at."""
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

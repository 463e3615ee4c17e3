"""What keys look like that nobody told us of: one row a kind, by what a key begins with.

The net under `redact.py`'s exact values, for keys in other people's text. A key without a form of
its own (Mistral's, AWS' secret half) is found only where a name or a header stands before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = r"[A-Za-z0-9_-]*+"
_DOTTED = r"[A-Za-z0-9_.-]*+"
_ALNUM = r"[A-Za-z0-9]*+"
_VALUE = r"[A-Za-z0-9._~+/=%-]*+"
_DIGIT = re.compile(r"[0-9]")
_SCHEMES = ("Bearer", "bearer", "Basic", "basic")
# A private key, line by line; also as JSON escapes it, once or more.
_BASE64 = r"(?:[A-Za-z0-9+/=]|\\++(?:/|u00[0-9A-Fa-f]{2}+))"
_BREAK = r"(?:[\r\n]|\\++[nr])"
_TWO = "[0-9]{2}+"
_STAMP = (
    rf"{_TWO}{_TWO}-{_TWO}-{_TWO}[T ]{_TWO}:{_TWO}:{_TWO}(?:[.,][0-9]{{1,9}}+)?+"
    rf"(?:Z|[+-]{_TWO}:?+{_TWO})?+"
)
# What stands round a line: of a diff, a quotation, a list, a log with times or numbers, and code. A
# quotation mark only where JSON escapes it: a bare one may be the end of a text in JSON.
_ROUND = (
    rf"(?:{_STAMP}|[0-9]{{1,6}}+(?:[:|\t]|\\++t)|(?!-----[BE])[-+>|#*,;' \t]"
    r"|\\++(?:t|u003[Ee])|(?:\\\\)*+\\\")"
)
_NEXT_LINE = rf"(?:{_ROUND}*+{_BREAK})++{_ROUND}*+"
# RFC 1421 4.6, RFC 9580 6.2.2.
_FIELD = r"(?:Charset|Comment|DEK-Info|Hash|MessageID|Proc-Type|Version): [^\r\n\\\"]*+"
_PEM = rf"(?:{_BASE64}|{_NEXT_LINE}(?:{_FIELD}|{_BASE64}))*+(?:{_NEXT_LINE}(?=-----END))?+"
_LEAST_PEM = 32
# Some of one line, or nothing but lines: a time and a word are no key.
_PEM_SHAPE = re.compile(rf"[A-Za-z0-9+/=]{{12}}|\A(?:{_BASE64}|{_BREAK}[ \t]*+)*+\Z")
_OPEN = re.compile(rf"-----BEGIN [A-Z ]*+-----{_PEM}(?:{_NEXT_LINE})?+")
# The same from its end on, each part written backwards, for a text of which the beginning was cut
# away: so it is read once, where a search for the beginning would begin anew with every word.
_ARMOUR = re.compile(r"PRIVATE KEY(?: BLOCK)?+-----")
_END = re.compile(r"-----END [A-Z ]{0,20}+\Z")
_LONGEST_END = len("-----END ") + 20
_STAMP_BACK = (
    rf"(?:Z|{_TWO}:?+{_TWO}[+-])?+(?:[0-9]{{1,9}}+[.,])?+"
    rf"{_TWO}:{_TWO}:{_TWO}[T ]{_TWO}-{_TWO}-{_TWO}{_TWO}"
)
_ROUND_BACK = (
    rf"(?:{_STAMP_BACK}|(?:[:|\t]|t\\++)[0-9]{{1,6}}+|[-+>|#*,;' \t]|(?:t|[Ee]300u)\\++"
    r"|\"\\(?:\\\\)*+(?!\\))"
)
_LINE_BEFORE = rf"(?:{_ROUND_BACK}*+(?:[\r\n]|[nr]\\++))++{_ROUND_BACK}*+"
_PEM_BACK = re.compile(rf"(?:[nr]\\++{_ROUND_BACK}*+|[A-Za-z0-9+/=]|\\++|{_LINE_BEFORE})*+")


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of key.

    `body` follows one of `prefixes`: it takes each character once, and gives none back. At least
    `least` characters of it make a key, in which `shape` is found. `alone`: no letter or digit
    before it. `context`: the prefix is no part of the key.
    """

    name: str
    prefixes: tuple[str, ...]
    body: str
    least: int
    source: str
    shape: re.Pattern[str] = re.compile("")
    alone: bool = False
    context: bool = False


@dataclass(frozen=True, kw_only=True)
class Look:
    """A place where one prefix stood; `start` to `end` was read, and is to be masked if a key."""

    start: int
    end: int
    is_key: bool


# Lengths and alphabets: the detectors of trufflehog (pkg/detectors/) and gitleaks
# (config/gitleaks.toml), read 2026-11-22, unless a vendor says it himself. `least` is below the
# present length where that costs no false alarm: formats grow.
_TRUFFLEHOG = "github.com/trufflesecurity/trufflehog pkg/detectors"
_GITLEAKS = "github.com/gitleaks/gitleaks config/gitleaks.toml"
FORMATS = (
    Format(
        name="GitHub",
        prefixes=("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        body=_DOTTED,  # room for longer installation tokens, which hold a JWT
        least=30,
        source="github.blog/changelog/2021-03-31 (prefixes, up to 255 characters)",
    ),
    Format(
        name="GitHub, fine-grained",
        prefixes=("github_pat_",),
        body=_WORD,
        least=22,
        source=_GITLEAKS,
    ),
    Format(name="Google", prefixes=("AIza",), body=_WORD, least=30, source=_GITLEAKS),
    Format(
        name="Google, auth key",
        prefixes=("AQ.",),
        body=_WORD,
        least=20,
        alone=True,
        source="facts/safety.md 4 (ai.google.dev/tutorials/setup)",
    ),
    Format(  # OpenAI, Anthropic, OpenRouter, DeepSeek
        name="sk-",
        prefixes=("sk-",),
        body=_WORD,
        least=20,
        alone=True,
        shape=_DIGIT,  # a class name of a style sheet has none
        source=_GITLEAKS,
    ),
    Format(name="Groq", prefixes=("gsk_",), body=_ALNUM, least=40, source=_TRUFFLEHOG),
    Format(name="Cerebras", prefixes=("csk-",), body=_ALNUM, least=32, source=_TRUFFLEHOG),
    Format(name="NVIDIA", prefixes=("nvapi-",), body=_WORD, least=40, source=_TRUFFLEHOG),
    Format(name="xAI", prefixes=("xai-",), body=_WORD, least=40, source=_TRUFFLEHOG),
    Format(name="Hugging Face", prefixes=("hf_",), body=_ALNUM, least=30, source=_GITLEAKS),
    Format(
        name="Slack",
        prefixes=("xoxa-", "xoxb-", "xoxe-", "xoxe.xoxp-", "xoxo-", "xoxp-", "xoxr-", "xoxs-"),
        body=_WORD,
        least=10,
        shape=_DIGIT,
        source=_GITLEAKS,
    ),
    Format(
        name="Slack, webhook",
        prefixes=("hooks.slack.com/services/",),
        body=r"[A-Za-z0-9+/]*+",
        least=30,
        context=True,
        source=_GITLEAKS,
    ),
    Format(
        name="AWS",
        prefixes=("AKIA", "ASIA"),
        body=r"[A-Z0-9]*+",
        least=16,
        alone=True,
        source=_GITLEAKS,
    ),
    Format(
        name="Stripe",
        prefixes=("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
        body=_ALNUM,
        least=20,
        source=_GITLEAKS,
    ),
    Format(name="npm", prefixes=("npm_",), body=_ALNUM, least=36, source=_GITLEAKS),
    Format(name="PyPI", prefixes=("pypi-AgE",), body=_WORD, least=40, source=_GITLEAKS),
    Format(name="GitLab", prefixes=("glpat-",), body=_DOTTED, least=20, source=_GITLEAKS),
    Format(
        name="JWT",
        prefixes=("eyJ",),
        body=_DOTTED,
        least=30,
        shape=re.compile(r"\A[^.]++\.[^.]++\."),
        source="RFC 7519 3: three parts, the first one the Base64 of an object",
    ),
    Format(
        name="private key",
        prefixes=("PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"),
        body=_PEM,
        least=_LEAST_PEM,
        context=True,
        shape=_PEM_SHAPE,
        source="RFC 7468 10 and 11; RFC 9580 6.2",
    ),
    Format(
        name="header",
        prefixes=(
            *(f"{scheme}{gap}" for scheme in _SCHEMES for gap in (" ", "%20")),
            "uthorization: token ",
            *(f"api-key{gap}" for gap in (": ", '": "', "': '", r"\": \"")),
        ),
        body=_VALUE,
        least=16,
        context=True,
        shape=_DIGIT,  # "Basic understanding" has none
        source="RFC 6750 2.1, RFC 7617 2; facts/safety.md 4 (header reprs)",
    ),
    Format(
        name="query",
        prefixes=tuple(
            f"{before}{name}="
            for before in ("?", "&")
            for name in ("key", "api_key", "apikey", "access_token", "token", "client_secret")
        ),
        body=r"[A-Za-z0-9._~+%-]*+",
        least=12,
        context=True,
        source="facts/safety.md 4 (missed by detect-secrets)",
    ),
    Format(
        name="assignment",
        prefixes=("_KEY=", "_TOKEN=", "_SECRET=", "_PASSWORD=", "_PAT="),
        body=rf"[\\\"']*+{_VALUE}",
        least=12,
        context=True,
        shape=_DIGIT,
        source="facts/safety.md 4 (missed by detect-secrets)",
    ),
    Format(
        name="user and password in an address",
        prefixes=("://",),
        body=r"[A-Za-z0-9._~%+:@-]*+",
        least=8,
        context=True,
        shape=re.compile(r"\A[^:@]*+:[^@]{3,}+@"),
        source="RFC 3986 3.2.1",
    ),
)


def keys_in(text: str) -> list[tuple[int, int]]:
    """Return where keys stand in `text`, unordered; they may overlap."""
    found = [
        (look.start, look.end)
        for form in FORMATS
        for prefix in form.prefixes
        if prefix in text
        for look in looks(form, prefix, text)
        if look.is_key
    ]
    return [*found, *_ends_of_keys(text)]


def open_key(text: str) -> int | None:
    """Return where a private key begins whose end is not in these lines yet; None: nowhere."""
    at = text.rfind("-----BEGIN ")
    run = _OPEN.match(text, at) if at >= 0 else None
    return at if run and run.end() == len(text) else None


def _ends_of_keys(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the last lines of private keys stand, whose first ones may be missing."""
    done = 0
    for armour in _ARMOUR.finditer(text):
        end = _END.search(text, max(done, armour.start() - _LONGEST_END), armour.start())
        if end is not None:
            lines = _PEM_BACK.match(text[done : end.start()][::-1])
            start = end.start() - (lines.end() if lines else 0)
            key = text[start : end.start()]
            if len(key) >= _LEAST_PEM and _PEM_SHAPE.search(key):
                yield start, end.start()
        done = armour.end()


def looks(form: Format, prefix: str, text: str) -> Iterator[Look]:
    """Yield every place that is read for one prefix, in order.

    No two overlap, so that no text makes it read more than once what it holds.
    """
    body = re.compile(form.body)
    found = text.find(prefix)
    while found >= 0:
        inside = found + len(prefix)
        run = body.match(text, inside)
        end = run.end() if run else inside
        is_key = (
            end - inside >= form.least
            and (not form.alone or not _continues_a_word(text, found))
            and form.shape.search(text[inside:end]) is not None
        )
        yield Look(start=inside if form.context else found, end=end, is_key=is_key)
        found = text.find(prefix, end)


def _continues_a_word(text: str, at: int) -> bool:
    """Whether a letter or digit stands before `at`, other than the one of a JSON escape."""
    before = text[max(0, at - 2) : at]
    return before[-1:].isalnum() and before not in (r"\n", r"\r", r"\t")

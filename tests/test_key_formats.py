"""Keys that nobody told us of: found by their look, in one pass over any text."""

import json
import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.guard.key_formats import FORMATS, Format, looks
from mcp_server.guard.redact import Redactor

REDACTOR = Redactor(())
MIXED = "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzA1bC2dE3fG4hJ5kL6mN7pQ8rS9t"
UPPER = "ABCDEFGH23456JKLMNPQ"
PEM = "\n".join(f"{'MIIEvQ' + MIXED[n : n + 50]}" for n in range(4))
# Put together here, so that no scanner takes this file for a leak. The last part is what must go.
SAMPLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "GitHub": (
        *(("", f"gh{kind}_{MIXED[:36]}") for kind in "pousr"),
        ("", f"ghs_123456_{MIXED[:30]}.{MIXED}.{MIXED[:20]}"),
    ),
    "GitHub, fine-grained": (("", f"github_pat_{MIXED[:22]}_{MIXED[:59]}"),),
    "Google": (("", f"AIzaSy{MIXED[:16]}-_{MIXED[:15]}"),),
    "Google, auth key": (("", f"AQ.Ab8RN6{MIXED[:40]}"),),
    "sk-": (
        ("", f"sk-{MIXED[:48]}"),
        ("", f"sk-proj-{MIXED}_{MIXED}"),
        ("", f"sk-ant-api03-{MIXED}-{MIXED[:30]}AA"),
        ("", f"sk-or-v1-{'0123456789abcdef' * 4}"),
    ),
    "Groq": (("", f"gsk_{MIXED[:52]}"),),
    "Cerebras": (("", f"csk-{MIXED[:48].lower()}"),),
    "NVIDIA": (("", f"nvapi-{MIXED}-_{MIXED[:4]}"),),
    "xAI": (("", f"xai-{MIXED}{MIXED[:20]}"),),
    "Hugging Face": (("", f"hf_{MIXED[:34]}"),),
    "Slack": (("", f"xoxb-123456789012-1234567890123-{MIXED[:24]}"), ("", f"xoxp-12-{MIXED}")),
    "Slack, webhook": (("https://hooks.slack.com/services/", f"T{UPPER}/B{UPPER}/{MIXED[:24]}"),),
    "AWS": (("", f"AKIA{UPPER[:16]}"), ("", f"ASIA{UPPER[:16]}")),
    "Stripe": tuple(("", f"{head}{MIXED[:24]}") for head in ("sk_live_", "rk_test_", "whsec_")),
    "npm": (("", f"npm_{MIXED[:36]}"),),
    "PyPI": (("", f"pypi-AgEIcHlwaS5vcmc{MIXED}"),),
    "GitLab": (("", f"glpat-{MIXED[:20]}"),),
    "JWT": (("", f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{MIXED[:43]}"),),
    "private key": tuple(
        (f"-----BEGIN {kind}PRIVATE KEY-----\n", PEM) for kind in ("", "RSA ", "OPENSSH ")
    ),
    "header": (
        ("Authorization: Bearer ", MIXED[:40]),
        ("authorization: basic ", f"{MIXED[:20]}=="),
        ("Authorization: token ", MIXED[:40]),
        ("x-goog-api-key: ", MIXED[:39]),
    ),
    "query": (("https://a.example/x?key=", MIXED[:39]), ("?a=b&access_token=", MIXED[:20])),
    "assignment": (("JULES_API_KEY=", MIXED[:39]), ("export GITHUB_TOKEN='", MIXED[:40])),
    "user and password in an address": (("postgresql://", "factory:pa5sword@db.example:5432"),),
}
CASES = [(name, before, key) for name, rows in SAMPLES.items() for before, key in rows]
CARRIERS: Mapping[str, Callable[[str], str]] = {
    "alone": str,
    "in a sentence": lambda text: f"It says {text}.",
    "after a line": lambda text: f"first\n{text}\nlast",
    "in JSON": lambda text: json.dumps({"log": f"first\n{text}", "n": 1}),
    "in JSON in JSON": lambda text: json.dumps({"body": json.dumps({"log": f"first\n{text}"})}),
    "twice": lambda text: f"{text} {text}",
}


def test_every_format_has_a_sample():
    """A row without one would be a row that nobody has seen work."""
    assert list(SAMPLES) == [form.name for form in FORMATS]
    assert len(FORMATS) >= 16
    assert all(form.source for form in FORMATS)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize(("name", "before", "key"), CASES, ids=[case[0] for case in CASES])
def test_a_key_of_a_known_format_is_masked(name: str, before: str, key: str, carrier: str):
    """facts/safety.md 7 (31): keys of nobody we know, in text that was fetched."""
    clean = REDACTOR.text(CARRIERS[carrier](before + key))
    assert "***" in clean, name
    left = [key[at : at + 12] for at in range(len(key) - 11) if key[at : at + 12] in clean]
    assert left == []
    assert REDACTOR.text(clean) == clean


def test_what_is_round_a_key_stays():
    """The name of a variable, an address, the lines round a private key."""
    assert REDACTOR.text(f"A_TOKEN={MIXED}; b") == "A_TOKEN=***; b"
    assert REDACTOR.text(f"GET /x?key={MIXED}&n=1") == "GET /x?key=***&n=1"
    armour = "-----{} RSA PRIVATE KEY-----"
    text = f"{armour.format('BEGIN')}\n{PEM}\n{armour.format('END')}\nnext"
    assert REDACTOR.text(text) == f"{armour.format('BEGIN')}***{armour.format('END')}\nnext"


@pytest.mark.parametrize(
    "text",
    [
        "task-force-with-a-very-long-name-1",
        "class=sk-folding-cube-large-container",
        "FAQ.how-do-i-install-this-on-my-machine-2",
        "the ghp_ prefix, then 36 characters",
        "bearer of bad news, basic understanding",
        "eyJhbGciOiJIUzI1NiJ9 is a header",
        "https://user@host.example/path and ssh://git@github.com:owner/repo",
        "mailto://a:b",
        "MONKEY=banana MY_KEY=os.environ",
        "-----BEGIN PUBLIC KEY-----\n" + PEM,
        "sha512-" + MIXED,
        "a" * 40 + " " + "0123456789abcdef" * 4,
        "PRIVATE KEY----- begins what follows",
        "-----END PRIVATE KEY-----\n2026-11-23T10:00:00.0000000Z Process completed\n- an item",
        "several words\n- and\n- a list\n- of\n- such\n- items\n-----END PRIVATE KEY-----",
        "https://a.example/search?key=value&token=short",
    ],
)
def test_ordinary_text_is_left_alone(text: str):
    """A commit's id is no key, nor is a word that begins like one."""
    assert REDACTOR.text(text) == text


STAMP = "2026-11-23T09:00:0{}.1234567Z "
LINES: Mapping[str, Callable[[int, str], str]] = {
    "added in a diff": lambda _, line: f"+{line}",
    "removed in a diff": lambda _, line: f"-{line}",
    "removed in a diff of a diff": lambda _, line: f" --{line}",
    "quoted": lambda _, line: f"> > {line}",
    "indented": lambda _, line: f"\t  {line}",
    "in a log": lambda nth, line: STAMP.format(nth) + line,
    "in a log with zones": lambda nth, line: f"2026-11-23 09:00:0{nth},123+01:00 {line}",
    "numbered": lambda nth, line: f"{nth:6}\t{line}",
    "found": lambda nth, line: f"{nth}:{line}",
    "a comment": lambda _, line: f" # {line}",
    "lines of Windows": lambda _, line: f"{line} \r",
}
PARTS: Mapping[str, slice] = {
    "whole": slice(None),
    "without its beginning": slice(1, None),
    "without its end": slice(0, -1),
}
LAYERS: Mapping[str, Callable[[str], str]] = {
    "text": str,
    "JSON": lambda text: json.dumps({"log": text, "n": 1}),
    "JSON in JSON": lambda text: json.dumps([json.dumps({"log": text})]),
}
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("written", LINES)
def test_a_private_key_is_masked_however_its_lines_are_written(written: str, part: str, layer: str):
    """What removes a leaked key shows it, and a log's end is shown without its beginning."""
    lines = [BEGIN, *PEM.split("\n"), END]
    dressed = [LINES[written](nth, line) for nth, line in enumerate(lines)][PARTS[part]]
    text = LAYERS[layer]("\n".join(["see this, please:", *dressed, "[and go on]"]))
    clean = REDACTOR.text(text)
    assert not [line for line in PEM.split("\n") if line[:20] in clean or line[-20:] in clean]
    assert "see this, please:" in clean
    assert "[and go on]" in clean
    assert (BEGIN in clean, END in clean) == (BEGIN in text, END in text)
    assert layer == "text" or type(json.loads(clean)) is type(json.loads(text))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("layer", ["JSON", "JSON in JSON"])
def test_a_private_key_in_code_that_is_told_as_json_is_masked(part: str, layer: str):
    """A bare quotation mark may be the end of a text in JSON; an escaped one is not."""
    code = [f'-  "{line}\\n" +' for line in (BEGIN, *PEM.split("\n"), END)]
    clean = REDACTOR.text(LAYERS[layer]("\n".join(code[PARTS[part]])))
    assert not [line for line in PEM.split("\n") if line[:20] in clean]
    json.loads(clean)


@pytest.mark.parametrize(
    "fields", ["Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A1B2C\n\n", "Version: G v2\n\n"]
)
def test_the_fields_before_a_private_key_do_not_hide_it(fields: str):
    """RFC 1421 4.6 and RFC 9580 6.2.2: named lines, then an empty one."""
    assert REDACTOR.text(f"{BEGIN}\n{fields}{PEM}\n{END}") == f"{BEGIN}***{END}"
    assert "***" in REDACTOR.text(f"{BEGIN}\n{fields}{PEM}")


def test_of_two_keys_each_is_masked_and_what_is_between_them_stays():
    text = f"{PEM}\n{END}\nand: this\n{BEGIN}\n{PEM}\n{END}\nbye: now"
    assert REDACTOR.text(text) == f"***{END}\nand: this\n{BEGIN}***{END}\nbye: now"


PREFIXES = sorted({prefix for form in FORMATS for prefix in form.prefixes})
DRESSED = ["-----BEGIN ", END, "\n-", "\n> ", STAMP.format(1), '"\n+"', "\\u", "Version: "]
PIECES = st.sampled_from([*PREFIXES, *"aZ9_-.:@/=\\\"'n \n", *DRESSED, "***", MIXED])
TANGLED = st.lists(PIECES, max_size=30).map("".join)


def read(form: Format, prefix: str, text: str) -> int:
    """Return how many characters are read for one prefix; fails where two looks overlap."""
    done = total = 0
    for look in looks(form, prefix, text):
        inside = text.find(prefix, done) + len(prefix)
        assert done <= look.start <= inside <= look.end <= len(text)
        done = look.end
        total += look.end - look.start
    return total


@given(TANGLED)
def test_no_character_is_read_twice_for_the_same_prefix(text: str):
    """Hence linear time, whatever somebody writes to make it slow."""
    for form in FORMATS:
        for prefix in form.prefixes:
            assert read(form, prefix, text) <= len(text)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_text_made_to_be_slow_is_read_once(form: Format):
    """Counted, not timed: prefixes in a row, one endless body, bodies that just fail."""
    for prefix in form.prefixes:
        for evil in (prefix, f"{prefix}-", f"{prefix}a.", f"{prefix}\n", f"{prefix}a:b"):
            text = evil * 2000
            assert read(form, prefix, text) <= len(text)
        assert read(form, prefix, prefix + "a" * 50_000) <= 50_000 + len(prefix)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_body_gives_no_character_back(form: Format):
    """Every quantifier is possessive (`*+`): the engine itself cannot go back."""
    without_classes = re.sub(r"\[(?:\\.|[^\]])*\]|\\.", "", form.body)
    without_classes = re.sub(r"\(\?[:!=]", "(", without_classes)  # groups, and looks ahead
    assert re.fullmatch(r"(?:[^*+?{}]|[*?+]\+|\{[0-9,]+\}\+)*", without_classes)


@settings(max_examples=40)
@given(st.recursive(TANGLED, lambda inner: st.lists(inner) | st.dictionaries(TANGLED, inner)))
def test_json_stays_json(document: object):
    """Tool results are masked in their JSON: no mask may eat a quote or half an escape."""
    for text in (json.dumps(document), json.dumps(document, ensure_ascii=False)):
        assert type(json.loads(REDACTOR.text(text))) is type(document)

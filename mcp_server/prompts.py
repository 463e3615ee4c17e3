"""The prompts in prompts/: found by name, rendered with every variable accounted for.

Each variable is somebody else's text: it is cleaned on its way in, whatever the template does.
"""

import hashlib
import html
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mcp_server.errors import BadArgument, NotFound, SettingsError

FOLDER = Path(__file__).parents[1] / "prompts"
INLINE_CHARACTERS = 300
BLOCK_CHARACTERS = 4_000

_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:/{1,}|www\.|(?:javascript|mailto|data|file):)\S*"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}[:/]\S*"
    r"|\b(?:[a-z0-9-]+\.)+(?:ai|app|co|com|dev|gg|info|io|ly|me|net|org|ru|sh|site|xyz)/\S*",
    re.IGNORECASE,
)
_HIDDEN_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ENTITY_DEPTH = 5
_NAME = re.compile(r"[a-z]+(?:_[a-z]+)*")


class _Cleaned(str):
    """Text that went through `plain` or `quoted`."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One template of prompts/jules and what its front matter declares."""

    name: str
    purpose: str
    variables: frozenset[str]
    body: str


def render(name: str, variables: Mapping[str, str]) -> str:
    """Return the prompt with its variables as quoted data.

    Raises:
        NotFound: there is no such prompt.
        BadArgument: a variable is missing, or one is given that the prompt does not have.
    """
    prompt = load(name)
    missing = sorted(prompt.variables - variables.keys())
    unknown = sorted(variables.keys() - prompt.variables)
    if missing or unknown:
        raise BadArgument(f"prompt {name!r}: missing {missing}, unknown {unknown}")
    try:
        return _environment().from_string(prompt.body).render(variables).strip() + "\n"
    except TemplateError as error:
        raise SettingsError(f"prompt {name!r} does not render: {error}") from error


def load(name: str) -> Prompt:
    """Read one prompt of prompts/jules by its file's stem."""
    fields, body = front_matter(_text(name))
    variables = fields.get("variables", ())
    if fields.get("name") != name or isinstance(variables, str):
        raise SettingsError(f"prompt {name!r}: its front matter has another name or no variables")
    return Prompt(
        name=name,
        purpose=str(fields.get("purpose", "")),
        variables=frozenset(variables),
        body=body,
    )


def digest(name: str) -> str:
    """Return 12 hex characters that change with any byte of the prompt's file."""
    return hashlib.sha256(_text(name).encode()).hexdigest()[:12]


def front_matter(text: str) -> tuple[dict[str, str | tuple[str, ...]], str]:
    """Split a Markdown file into its front matter and its body.

    The front matter is the part of YAML that needs no parser: one `key: value` a line between
    `---` lines, where a value is plain text or a JSON list of texts on that line.
    """
    head, separator, body = text.removeprefix("---\n").partition("\n---\n")
    if not text.startswith("---\n") or not separator:
        raise SettingsError("a prompt must begin with front matter between --- lines")
    fields: dict[str, str | tuple[str, ...]] = {}
    for line in head.splitlines():
        key, colon, value = line.partition(": ")
        if not colon:
            raise SettingsError(f"front matter line without 'key: value': {line!r}")
        fields[key] = _value(value)
    return fields, body


def readable(text: str) -> str:
    """Return untrusted text as its reader sees it: no hidden characters; lines and links stay.

    For a reader who is told whose words these are. Applying it again changes nothing.
    """
    return _VARIATION_SELECTORS.sub("", "".join(_visible(character) for character in text))


def plain(text: str, limit: int = INLINE_CHARACTERS) -> str:
    """Return untrusted text as one line: no links, no hidden characters, at most `limit` long.

    Applying it again changes nothing.
    """
    return _Cleaned(_capped(" ".join(_bare(text).split()), limit))


def quoted(text: str, limit: int = BLOCK_CHARACTERS) -> str:
    """Return untrusted text as a Markdown quotation, each line cleaned; the end is kept.

    What matters in a log or a conversation stands at its end, so that is what survives the cap.
    """
    lines = [" ".join(line.split()) for line in _bare(text).split("\n")]
    kept = "\n".join(line for line in lines if line)[-limit:]
    return _Cleaned("\n".join(f"> {line}" for line in kept.split("\n")))


def _text(name: str) -> str:
    path = FOLDER / "jules" / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        known = ", ".join(sorted(one.stem for one in (FOLDER / "jules").glob("*.md")))
        raise NotFound(f"no prompt {name[:60]!r}; there are {known}")
    return path.read_text(encoding="utf-8")


def _value(text: str) -> str | tuple[str, ...]:
    if not text.startswith("["):
        return text
    try:
        items: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(f"front matter list is not JSON: {text!r}") from error
    if not isinstance(items, list):
        raise SettingsError(f"front matter value is not a list: {text!r}")
    return tuple(map(str, items))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - texts whatever JSON held


def _bare(text: str) -> str:
    """Drop links and what no reader sees; entities are resolved first, so that none hides."""
    for _ in range(_ENTITY_DEPTH):
        before, text = text, _stripped(html.unescape(text))
        if text == before:
            return text
    # Nested deeper than any honest text, and each level costs a pass: end it.
    return _stripped(text.replace("&", ""))


def _stripped(text: str) -> str:
    seen = "".join(_visible(character) for character in text)
    return _LINK.sub("[link]", _VARIATION_SELECTORS.sub("", seen))


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    return " " if character in "\t\r" else ""


def _capped(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _finalize(value: object) -> object:
    """Clean what a template printed without a filter of its own."""
    return plain(value) if isinstance(value, str) and not isinstance(value, _Cleaned) else value


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # Markdown for a model, not HTML for a browser: escaping entities would only hide characters.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        autoescape=False,
        finalize=_finalize,
    )
    environment.filters.update(plain=plain, quoted=quoted)
    return environment

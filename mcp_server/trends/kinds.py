"""Which kind of idea a group of signals is: the first rule that holds, else an app."""

import re
from collections.abc import Sequence

from mcp_server.models import IdeaKind
from mcp_server.trends.address import is_question
from mcp_server.trends.clean import TITLE_LENGTH, one_line
from mcp_server.trends.signal import Signal

_EXTENSION = re.compile(
    r"\b(?:chrome|chromium|firefox|browser|safari|web) ?(?:extension|add ?on|plugin)s?\b"
    r"|chromewebstore\.google\.com|addons\.mozilla\.org|\buserscripts?\b"
)
_QUESTION = re.compile(
    r"^ask hn\b|^(?:is there|are there|does any|why (?:is|are|do|does|can)|how do|what do you use|"
    r"what is the best|looking for|can we|i wish)\b[^?]*\?"
)
_TOOL = re.compile(
    r"\b(?:cli|tui|command line|terminal|librar(?:y|ies)|sdk|framework|linter|formatter|"
    r"compiler|parser|debugger|profiler|mcp|plugin|devtools?|toolkit|daemon|api|action)\b"
)


def kind_of(signals: Sequence[Signal]) -> IdeaKind:
    """Judge by titles, descriptions, tags and addresses; any order gives the same kind."""
    titles = [one_line(signal.title, TITLE_LENGTH).casefold() for signal in signals]
    texts = [
        " ".join((title, s.description, *s.tags, s.url)).casefold().replace("-", " ")
        for title, s in zip(titles, signals, strict=True)
    ]
    asked = any(
        "ask_hn" in s.tags or is_question(s.url) or _QUESTION.search(title)
        for title, s in zip(titles, signals, strict=True)
    )
    rules: dict[IdeaKind, bool] = {
        "extension": any(_EXTENSION.search(text) for text in texts),
        "pain_point": asked,
        "tool": any(_TOOL.search(text) for text in texts),
    }
    for kind, holds in rules.items():
        if holds:
            return kind
    return "app"

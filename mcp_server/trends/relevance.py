"""What is no software, by signs in titles: one table for what is dropped and for what is skipped.

A sign is a word that people use, never a name of the day. Judges no worth and no likeness.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mcp_server.models import Dropped
from mcp_server.trends.clean import TITLE_LENGTH, one_line
from mcp_server.trends.signal import Signal

_SHOWN_TITLES = 3
_NO_SIGN = "nothing says that this is software"

_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE))
    for what, pattern in (
        (
            "a list",
            r"\bawesome\b[- ]|\bcurated\b|^(?:a )?(?:list|collection) of\b|\blist of free\b",
        ),
        ("a course", r"\b(?:course|tutorial|bootcamp|curriculum|roadmap|cheat ?sheet|lessons?)\b"),
        (
            "an article",
            r"^(?:how to|how (?:i|we)|why|what|when|should|understanding|introduction|thoughts on"
            r"|getting started|mastering|lessons|some|things|a (?:study|guide|tale|story)|the state"
            r"|the \d+|beyond|ask hn)\b|\((?:19|20)\d\d\)\s*$|\b(?:quick guide|case study|essay)\b",
        ),
        (
            "model weights",
            r"\b(?:model|open|pretrained)[- ]weights\b|\b\d+b[- ](?:model|parameters|instruct)\b"
            r"|^[\w.-]+/(?:llama|deepseek|qwen|mistral|gemma|grok|phi)[-.]?[vr]?\d[\w.]*(?=$|\s)",
        ),
        ("a job advertisement", r"\b(?:hiring|job opening|job offer|recruiting)\b"),
        (
            "news",
            r"\b(?:announces?|acquires?|acquired|begins|bans|fined|gave|hits|kills|launches|lawsuit"
            r"|layoffs|outperforms?|raises|sues|to launch|to test|wants|warns)\b",
        ),
    )
)
"""What may be about software and is none: skipped by the matcher, with its reason."""

_SUBJECTS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern, re.IGNORECASE))
    for what, pattern in (
        (
            "sport",
            r"\b(?:nba|nfl|mlb|nhl|wnba|ncaa|uefa|fifa|ufc|wwe|motogp|premier league|la liga"
            r"|champions league|bundesliga|serie a|world cup|super bowl|olympics|grand prix"
            r"|formula (?:1|one)|wimbledon|cricket|rugby|basketball|baseball|footballer|quarterback"
            r"|play-?offs|boxer|midfielder|goalkeeper)\b|футбол|サッカー|축구",
        ),
        (
            "politics",
            r"\b(?:elections?|electoral|senate|senators?|congressm[ae]n|parliament|prime minister"
            r"|tariffs?|supreme court|white house|ceasefire|nato|ballots?|republicans|democrats"
            r"|impeach\w*|referendum|troops|air ?strikes?|missiles?|war crimes|border patrol"
            r"|aircraft carriers?|u\.?s\.? (?:navy|army|military))\b|выборы|選挙|선거",
        ),
        (
            "celebrity and entertainment",
            r"\b(?:celebrit(?:y|ies)|actor|actress|singer|rapper|k-?pop|new album|debut album"
            r"|(?:official|music|lyric) (?:\w+ )?video|(?:official|teaser) trailer|trailer hd"
            r"|(?:tv|television) series|box office|oscars|grammys|red carpet|royal family"
            r"|season finale|movie review|film review)\b",
        ),
        (
            "weather and disaster",
            r"\b(?:earthquakes?|hurricanes?|typhoons?|tornado(?:es)?|wildfires?|heat ?waves?"
            r"|tsunamis?|heavy rain|plane crash|volcano(?:es)?)\b",
        ),
        (
            "crime and courts",
            r"\b(?:murder(?:ed|er)?|stabb(?:ed|ing)|mass shooting|arrested|sentenced|kidnap\w*"
            r"|criminal inquiry|opioids?)\b",
        ),
        (
            "games of chance and loans",
            r"\b(?:lottery|powerball|mega millions|casinos?|horoscopes?|(?:bank|payday|sba) loans?"
            r"|loan rates?|betting odds)\b",
        ),
        (
            "an advertisement",
            r"\bnear me\b|\bbuy (?:verified|aged|old) \w+ accounts?\b|\bbi-? ?folds?\b",
        ),
    )
)
"""What is about something else altogether, unless it says that it is software: dropped."""

_MADE = re.compile(
    r"^\s*show hn|\b(?:i|we)(?:'ve)? (?:just )?(?:built|made|wrote|created)\b"
    r"|\b(?:web ?app|mobile app|desktop app|browser extension|chrome extension|firefox extension"
    r"|add-?on|plugin|cli|command[- ]line|tui|sdk|apis?|open[- ]?source|github|gitlab|npm|pypi"
    r"|software|chatbot|dashboard|framework|linter|compiler|codebase|source code|self-?hosted"
    r"|visuali[sz]er|simulator|dataset|scraper)\b",
    re.IGNORECASE,
)
_REPOSITORY = re.compile(r"\s*[\w-]+/[\w.-]+(?=$|[\s:])", re.ASCII)
_COMPUTING = re.compile(
    rf"{_MADE.pattern}|\b(?:ai|llms?|chatgpt|openai|anthropic|claude code|copilot|gpt-?\d\S*"
    r"|vs ?code|chrome|firefox|web browser|apps?|coding|programmers?|programming|web developers?"
    r"|developer tools?|docker|kubernetes|linux|javascript|typescript|python|golang|sql|databases?"
    r"|mcp|automation tool|no-?code|deep ?seek)\b|人工智能|人工知能|인공지능|编程|软件",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Sifted:
    """Signals that may be about software, and what was dropped, by reason, most first."""

    kept: tuple[Signal, ...]
    dropped: tuple[Dropped, ...]


def not_software(title: str, description: str) -> str | None:
    """Return what an idea is instead of software, for a sentence; None without such a sign."""
    for what, sign in _FORMS:
        if sign.search(title) or sign.search(description[:60]):
            return what
    return _subject(title, description)


def sift(signals: Iterable[Signal], general: Collection[str]) -> Sifted:
    """Drop what is about something else; a signal of a source in `general` has to say software.

    `general` names the sources where people talk of everything.
    """
    kept: list[Signal] = []
    dropped: defaultdict[str, list[str]] = defaultdict(list)
    for signal in signals:
        why = _beside_the_point(signal, general=signal.source in general)
        if why is None:
            kept.append(signal)
        else:
            dropped[why].append(one_line(signal.title, TITLE_LENGTH))
    found = [
        Dropped(reason=why, signals=len(titles), titles=tuple(titles[:_SHOWN_TITLES]))
        for why, titles in dropped.items()
    ]
    return Sifted(
        kept=tuple(kept), dropped=tuple(sorted(found, key=lambda d: (-d.signals, d.reason)))
    )


def _beside_the_point(signal: Signal, *, general: bool) -> str | None:
    if signal.repo is not None:
        return None
    title = one_line(signal.title, TITLE_LENGTH)
    why = _subject(title, signal.description)
    if why is None and general:
        text = " ".join((title, signal.description, *signal.tags))
        return None if _COMPUTING.search(text) else _NO_SIGN
    return why


def _subject(title: str, description: str) -> str | None:
    if _REPOSITORY.match(title) or _MADE.search(f"{title}\n{description}"):
        return None
    for what, sign in _SUBJECTS:
        if sign.search(title) or sign.search(description[:60]):
            return what
    return None

"""Is an idea new, a repository's next feature, or no work for us? And what would it be called?

Deterministic word matching over names, descriptions and topics; meaning in other words, or in
another language, is left to the planner's judge.
"""

import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from mcp_server.models import Candidate, Match, Repository, Verdict
from mcp_server.trends.relevance import not_software

UPDATE_FROM = 0.6
"""Score from which a repository counts as doing the job. Chosen for precision: a wrong update
edits something unrelated, a missed one is caught by the judge or by a person's review."""

NAME_CHARACTERS = 50
NAME_WORDS = 5
_NAME_WORD_CHARACTERS = 24  # so that two words and a hyphen always fit

_ONE_WORD_AT_MOST = 0.3
"""Below `UPDATE_FROM`: a single shared word never makes an update, unless it is the whole name."""

_COMMON_WORD_WEIGHT = 0.4
_BODY_WORD_WEIGHT = 0.6
_HALF_SCORE = 0.7
"""How much shared weight makes a score of one half; a rare word in a name weighs 1."""

_ALIKE = 88.0
"""`fuzz.ratio` from which two words are one: plurals and endings, not neighbours."""

_OWNER_AND_NAME = re.compile(r"^\s*[\w.-]+/(?P<name>[\w.-]+)(?=$|[\s:\u2013\u2014-])")
_LABEL = re.compile(
    r"^\s*(?:(?:show|launch|ask|tell) hn|\[[^\]]*\]|(?:i|we) (?:built|made|wrote)\b)"
    r"\s*[:\u2013\u2014-]?\s*",
    re.IGNORECASE,
)
_BRAND_THEN_JOB = re.compile(
    r"^(?P<brand>\S+(?:\s\S+){0,2}?)(?::\s+|\s+[\u2013\u2014-]\s+)(?P<job>\S+\s.+)$"
)
_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _stem(word: str) -> str:
    """Fold scanner, scanning and scans into scan; words of four letters and less stay."""
    for ending in ("ing", "ers", "er", "ed", "s"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 4 and not word.endswith("ss"):
            return stem[:-1] if len(stem) > 4 and stem[-1] == stem[-2] else stem
    return word


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EMPTY_WORDS = _word_set(
    "a about after all am an and any are as at be been before best better built but by can could"
    " did do does easy every fast first for free from get got has have hn how i if in into is it"
    " its just like made make making me more most my new no not of off on one only open or our out"
    " over own powered real s see show simple small smart so t than that the their them then there"
    " these they this those to too turn up us use used user users using via was we were what when"
    " where which while who why will with without you your"
)
_COMMON_WORDS = frozenset(
    _stem(word)
    for word in _word_set(
        "agent agents ai anthropic api app application assistant auto automate azure bot "
        "browser chat chrome claude cli client code codex coding command content create data "
        "day deepseek developer developers editor engine extension feature file files "
        "framework gemini generate generator git github google gpt html image intelligent "
        "javascript js kit language library line llm local manager mcp mistral model models "
        "module name next node online open openai page personal plugin project python react "
        "repo repository search server service site software source system terminal text time "
        "tool toolkit tools type types typescript ui url utilities vscode vue web website "
        "work worker "
    )
)
# Names of others that would read as theirs in a repository's name.
_BRAND = re.compile(
    r"\b(?:amazon|anthropic|apple|aws|azure|chatgpt|claude|codex|copilot|cursor|deepseek|facebook"
    r"|gemini|github|gmail|google|gpt|hugging ?face|instagram|llama|microsoft|mistral|netflix"
    r"|notion|nvidia|ollama|openai|qwen|reddit|slack|spotify|tiktok|twitter|vercel|vs ?code"
    r"|whatsapp|youtube)\b",
    re.IGNORECASE,
)
_TWINS_FROM = 90.0
"""`fuzz.ratio` of two names from which they look alike: a changed letter, not another word."""

_SAME = {"prs": "pr", "qrcode": "qr", "yt": "youtube", "i18n": "translation"}

_NOT_FOR_US: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (why, re.compile(pattern, re.IGNORECASE))
    for why, pattern in (
        (
            "it needs a server of its own",
            r"\bself[- ]?host(?:ed|ing)?\b|\b(?:kubernetes|k8s|nginx|ingress)\b|\bbackend\b"
            r"|(?<!mcp )(?<!language )\bserver\b(?! (?:logic|needed|required))|\bmessage broker\b",
        ),
        ("it is hardware", r"\b(?:raspberry pi|arduino|esp32|firmware|pcb|robots?|drones?)\b"),
        ("it is a native phone app", r"\b(?:ios|iphone|ipad|android|swiftui)\b"),
        ("it is far too large", r"\b(?:operating system|browser engine|foundation model|kernel)\b"),
    )
)
"""Software, but nothing one session can build for a browser or a command line, and why."""

_SOFTWARE = re.compile(
    r"^\s*show hn|\b(?:i|we)(?:'ve)? (?:just )?(?:built|made|wrote|created)\b|^[\w.-]+/[\w.-]+\b"
    r"|\b(?:add-?on|app|application|assistant|bot|calculator|checker|cli|component|converter|dashboard|editor"
    r"|extension|formatter|framework|game|generator|library|linter|package|parser|playground|plugin"
    r"|script|sdk|theme|tool|toolkit|tracker|translator|viewer|visualizer|widget)s?\b"
    r"|插件|工具|应用|扩展|软件|计算器|编辑器",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A repository as words; `name` holds those of its name alone."""

    name: frozenset[str]
    all: frozenset[str]


def match(
    title: str, description: str, repositories: Sequence[Repository], *, limit: int = 5
) -> Match:
    """Return the nearest repositories, best first, and what to do about the idea.

    `title` may be a headline or an `owner/name`. What is not software is skipped however near a
    repository is; an archived repository or a fork that does the job is named, never updated.
    """
    idea = _words(f"{_without_owner(title)} {description}")
    named = [(repository, _read(repository)) for repository in repositories]
    rarity = _rarity([text.all for _, text in named])
    found: list[tuple[Repository, Candidate]] = []
    for repository, text in named:
        score, shared = _nearness(idea, text, rarity)
        if shared:
            evidence = "shares " + ", ".join(shared)
            candidate = Candidate(repo=repository.repo, score=round(score, 3), evidence=evidence)
            found.append((repository, candidate))
    found.sort(key=lambda pair: (-pair[1].score, pair[0].repo.casefold()))
    verdict, reason = _decide(title, description, found[:1])
    nearest = tuple(candidate for _, candidate in found[:limit])
    if verdict != "create":
        return Match(candidates=nearest, decision=verdict, reason=reason)
    taken = [repository.repo for repository in repositories]
    name = repository_name(_job(title, description), taken, foreign=_words_of_name(title))
    if twin := _twin(name, taken):
        reason = f"it would be called {name}, and {twin} is there"
        return Match(candidates=nearest, decision="skip", reason=reason)
    return Match(candidates=nearest, decision=verdict, reason=reason, name=name)


def repository_name(title: str, taken: Collection[str], *, foreign: Collection[str] = ()) -> str:
    """Return a free kebab-case name of two to five words, at most 50 characters.

    It says the job: a leading `owner/name`, brand or "Show HN" is left out, and so are letters
    outside ASCII. `taken` holds bare or `owner/name` names, compared ignoring case as GitHub does;
    `foreign` are words of somebody else's product, which are left out too.
    """
    text = _LABEL.sub("", title)
    owned = _OWNER_AND_NAME.match(text)
    if owned:
        text = text[owned.end() :].lstrip(" :-\u2013\u2014")
    elif brand := _BRAND_THEN_JOB.match(text):
        text = brand["job"]
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = _BRAND.sub(" ", plain)
    left_out = _EMPTY_WORDS | frozenset(foreign)
    words = [word[:_NAME_WORD_CHARACTERS] for word in _split(plain)]
    telling = list(dict.fromkeys(word for word in words if word not in left_out))
    used = {name.split("/")[-1].casefold() for name in taken}
    names = (_joined(telling, ending) for ending in _endings(len(telling)))
    return next(name for name in names if name not in used)


def _words_of_name(title: str) -> frozenset[str]:
    """Return the words of a leading `owner/name`, together and apart; none for a headline."""
    owned = _OWNER_AND_NAME.match(title)
    if owned is None:
        return frozenset()
    names = owned[0].strip().split("/")
    return frozenset(word for name in names for word in (*_split(name), name.lower()))


def _twin(name: str, taken: Collection[str]) -> str | None:
    """Return an existing name that a person would confuse with `name`; None without one."""
    bare = {repo.split("/")[-1].casefold(): repo for repo in taken}
    found = process.extractOne(name, list(bare), scorer=fuzz.ratio, score_cutoff=_TWINS_FROM)
    return bare[found[0]] if found else None


def _job(title: str, description: str) -> str:
    """Return the text that says what is to be built: an `owner/name` title says only who did."""
    is_repository_name = "/" in title and " " not in title.strip()
    return description if is_repository_name and description else title


def _decide(
    title: str, description: str, nearest: Sequence[tuple[Repository, Candidate]]
) -> tuple[Verdict, str]:
    """Return the verdict with its reason in words."""
    if what := not_software(title, description):
        return "skip", f"not software but {what}"
    for repository, candidate in nearest:
        if candidate.score < UPDATE_FROM:
            break
        if repository.archived or repository.fork:
            state = "archived" if repository.archived else "a fork"
            return "skip", f"{repository.repo} does this already, but is {state}"
        return "update", f"{repository.repo} does this job: {candidate.evidence}"
    text = f"{title}\n{description}"
    for why, sign in _NOT_FOR_US:
        if sign.search(text):
            return "skip", why
    if not _SOFTWARE.search(text):
        return "skip", "nothing says that this is software"
    return "create", "can be built, and no repository is near"


def _without_owner(title: str) -> str:
    owned = _OWNER_AND_NAME.match(title)
    return title[owned.start("name") :] if owned else _LABEL.sub("", title)


def _read(repository: Repository) -> _Text:
    name = repository.repo.split("/")[-1]
    body = " ".join((name, repository.description, *repository.topics))
    return _Text(name=_words(name), all=_words(body))


def _split(text: str) -> list[str]:
    return [found[0].lower() for found in _WORD.finditer(_HUMP.sub(" ", text))]


def _words(text: str) -> frozenset[str]:
    """Split at humps, hyphens and marks, drop empty words, and cut endings off."""
    known = (_SAME.get(word, word) for word in _split(text) if word not in _EMPTY_WORDS)
    return frozenset(_stem(word) for word in known if len(word) > 1)


def _rarity(texts: Sequence[frozenset[str]]) -> dict[str, float]:
    """Weigh each word from 0 to 1: 1 when a single repository has it, less the more common."""
    frequency = Counter(word for text in texts for word in text)
    most = math.log(1 + len(texts) / 2) or 1.0
    return {
        word: math.log(1 + len(texts) / (1 + times))
        / most
        * (_COMMON_WORD_WEIGHT if word in _COMMON_WORDS else 1.0)
        for word, times in frequency.items()
    }


def _nearness(
    idea: frozenset[str], repository: _Text, rarity: Mapping[str, float]
) -> tuple[float, list[str]]:
    """Return a score from 0 to 1 and the shared words, heaviest first."""
    nearest = (
        process.extractOne(word, repository.all, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        for word in idea
    )
    shared = frozenset(str(found[0]) for found in nearest if found)
    weight = sum(
        rarity[word] * (1.0 if word in repository.name else _BODY_WORD_WEIGHT) for word in shared
    )
    score = weight / (weight + _HALF_SCORE)
    if not shared - _COMMON_WORDS or (len(shared) < 2 and shared != repository.name):
        score = min(score, _ONE_WORD_AT_MOST)
    return score, sorted(shared, key=lambda word: (-rarity[word], word))


def _joined(words: Sequence[str], ending: Sequence[str]) -> str:
    """Join as many words as fit before the ending, whole words only."""
    chosen: list[str] = []
    for word in words[: NAME_WORDS - len(ending)]:
        if len("-".join((*chosen, word, *ending))) > NAME_CHARACTERS:
            break
        chosen.append(word)
    return "-".join((*chosen, *ending))


def _endings(words: int) -> Iterator[tuple[str, ...]]:
    """Yield what to add to a name, without end: nothing where it stands alone, words, digits."""
    suffixes = ("tool", "kit", "studio", "lab", "works", "desk", "box", "hub")
    if words >= 2:
        yield ()
    if words >= 1:
        yield from ((suffix,) for suffix in suffixes)
    yield from itertools.permutations(suffixes, 2)
    yield from (("tool", str(number)) for number in itertools.count(2))

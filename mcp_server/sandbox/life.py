"""A session's life, drawn when it is created: how long, which turns, what end, what it writes.

The draws are pure; `jules.py` lives them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from mcp_server.sandbox.chance import between, draw, pick
from mcp_server.sandbox.mix import Size

Outcome: TypeAlias = Literal["complete", "pause", "fail"]
Turn: TypeAlias = Literal[
    "start", "plan", "progress", "silence", "ask", "complete", "pause", "fail"
]

REASONS = ("The environment could not be set up.", "The task could not be completed.")


@dataclass(frozen=True, kw_only=True)
class Life:
    """What will become of a session. Seconds; `asks_at` and `silent_at` count activities."""

    queued: float
    planning: float
    gaps: tuple[float, ...]
    outcome: Outcome
    reason: str = ""
    asks_at: int | None = None
    silent_at: int | None = None
    reply: float
    activities_hidden: float
    output_late: float
    outputs_empty: bool = False
    change_set_too: bool = False
    opens_pull: bool = True
    bot_author: bool = False
    plain_branch_name: bool = False
    first_push_red: bool = False
    conflicts: bool = False
    fixes_itself: bool = True
    leaves_out: bool = False
    completes: bool = True
    odd_activity: bool = False
    # Never drawn: for a test that needs a session to do what it must not.
    touches_workflow: bool = False
    # Nor this: told when it is done, it answers and does nothing.
    rests_for_good: bool = False
    # Never drawn: the create has its effect and is answered 503; so many reads are answered 503.
    answer_lost: bool = False
    unavailable: int = 0

    def turns(self) -> Iterator[tuple[float, Turn]]:
        """Yield every turn with the seconds before it."""
        yield self.queued, "start"
        yield self.planning, "plan"
        for nth, gap in enumerate(self.gaps):
            if nth == self.silent_at:
                yield gap, "silence"
            elif nth == self.asks_at:
                yield gap, "ask"
            else:
                yield gap, "progress"
        yield 20.0, self.outcome


def draw_life(seed: int, entity: str, size: Size, *, foreign: bool) -> Life:
    """Draw the life of the session `entity`; one of the user's own never waits for anybody."""
    odds, spans = size.odds, size.spans

    def happens(share: float, what: str) -> bool:
        return draw(seed, what, entity) < share

    def seconds(span: tuple[float, float], what: str) -> float:
        return between(*span, seed, what, entity)

    outcome, end = _outcome(draw(seed, "outcome", entity), odds.paused, odds.failed)
    gaps = _gaps(seed, entity, seconds(spans.foreign_work if foreign else spans.work, "work"), size)
    if outcome != "complete":
        gaps = gaps[: 1 + int(end * len(gaps))]
    silent = not foreign and happens(odds.falls_silent, "falls silent")
    asks = not foreign and not silent and happens(odds.asks, "asks")
    middle = int(draw(seed, "middle", entity) * len(gaps))
    no_reason = happens(odds.failed_without_reason, "no reason")
    return Life(
        queued=seconds(spans.queued, "queued"),
        planning=seconds(spans.planning, "planning"),
        gaps=gaps,
        outcome=outcome,
        reason="" if no_reason else pick(REASONS, seed, "reason", entity),
        asks_at=middle if asks else None,
        silent_at=middle if silent else None,
        reply=seconds(spans.reply, "reply"),
        activities_hidden=seconds(spans.activities_hidden, "activities hidden"),
        output_late=seconds(spans.output_late, "output late"),
        outputs_empty=happens(odds.outputs_empty, "outputs empty"),
        change_set_too=happens(odds.change_set_beside_pull, "change set too"),
        opens_pull=not foreign or happens(odds.foreign_with_pull, "opens pull"),
        bot_author=happens(odds.bot_author, "bot author"),
        plain_branch_name=happens(odds.plain_branch_name, "plain branch"),
        first_push_red=happens(odds.first_push_red, "first push red"),
        conflicts=happens(odds.conflicts, "conflicts"),
        fixes_itself=happens(odds.fixes_itself, "fixes itself"),
        leaves_out=happens(odds.leaves_out, "leaves out"),
        completes=happens(odds.completes, "completes"),
        odd_activity=happens(odds.odd_activity, "odd activity"),
    )


# What a client may ask of a session's life, in a line `sandbox-life: WORD ...` of its prompt; a
# later word wins. It is how a client in another process brings about what would else be chance.
STEERS: Mapping[str, Mapping[str, Any]] = {
    "calm": {
        "outcome": "complete",
        "asks_at": None,
        "silent_at": None,
        "outputs_empty": False,
        "opens_pull": True,
        "first_push_red": False,
        "conflicts": False,
        "odd_activity": False,
    },
    "quick": {
        "queued": 5.0,
        "planning": 60.0,
        "gaps": (26.0,) * 8,
        "reply": 30.0,
        "output_late": 0.0,
    },
    "output-late": {"output_late": 60.0},
    "asks": {"asks_at": 1},
    "falls-silent": {"silent_at": 1},
    "pauses": {"outcome": "pause"},
    "fails": {"outcome": "fail", "reason": REASONS[1]},
    "fails-without-reason": {"outcome": "fail", "reason": ""},
    "no-outputs": {"outputs_empty": True, "opens_pull": False},
    "change-set-too": {"change_set_too": True},
    "odd-activity": {"odd_activity": True},
    "answer-lost": {"answer_lost": True},
    "unavailable": {"unavailable": 8},
}


def steered(prompt: str, life: Life) -> Life:
    """Return `life` as a prompt steers it."""
    for word in _steers(prompt):
        life = replace(life, **STEERS.get(word, {}))
    return life


def unknown_steers(prompt: str) -> list[str]:
    """Return the words of a prompt that steer nothing, for a refusal."""
    return [word for word in _steers(prompt) if word not in STEERS]


def _steers(prompt: str) -> list[str]:
    lines: list[str] = re.findall(r"^sandbox-life:(.*)$", prompt, re.MULTILINE)
    return [word for line in lines for word in line.split()]


def _outcome(number: float, paused: float, failed: float) -> tuple[Outcome, float]:
    """Return how a session ends, and at which share of its work."""
    if number < paused:
        return "pause", number / paused
    if number < paused + failed:
        return "fail", (number - paused) / failed
    return "complete", 1.0


def _gaps(seed: int, entity: str, work: float, size: Size) -> tuple[float, ...]:
    low, high = size.spans.gap
    gaps = list[float]()
    while sum(gaps) < work:
        # The square pulls the draw towards the short end, as measured.
        share = draw(seed, "gap", entity, len(gaps)) ** 2
        gaps.append(low + (high - low) * share)
    return tuple(gaps)


def subject(title: str, prompt: str) -> str:
    """Return what a session is about, in a line: its title without any bracket, or its prompt."""
    return re.sub(r"^\[[^\]]*\]\s*", "", title) or prompt.strip().partition("\n")[0][:70]


def slug(line: str) -> str:
    """Return a name for branches and files made from a line of text."""
    return re.sub(r"[^a-z0-9]+", "-", line.lower()).strip("-")[:32].strip("-") or "work"


def write_files(line: str, session: str, before: Mapping[str, str], life: Life) -> dict[str, str]:
    """Invent the work of a session: texts by path, to be written over `before`.

    Words in its subject choose the files; new ones carry the session's number, so that two sessions
    meet in one file only where both were asked about that file. What the repository's own AGENTS.md
    demands is written too, but for the last file where the session leaves something out.
    """
    name = f"{slug(line).replace('-', '_')}_{session[-4:]}"
    files = dict[str, str]()
    words = line.lower()
    if life.touches_workflow:
        path = ".github/workflows/ci.yml"
        files[path] = before.get(path, "on: [push]\n") + "# quicker\n"
    if "readme" in words or "document" in words:
        old = before.get("README.md", "# Project\n")
        files["README.md"] = f"{old}\n## {line}\n\nSee the source.\n"
    if "licen" in words and "LICENSE" not in before:
        files["LICENSE"] = "MIT License\n\nPermission is hereby granted ...\n"
    if "test" not in words and not files:
        files[f"src/{name}.py"] = f'"""{line}"""\n\n\ndef run() -> str:\n    return "{name}"\n'
    if "README.md" not in files:
        files[f"tests/test_{name}.py"] = f'"""{line}"""\n\n\ndef test_{name}() -> None:\n    pass\n'
    demanded = demanded_files(before)
    if life.leaves_out:
        demanded = dict(list(demanded.items())[:-1])
    return demanded | files


def demanded_files(before: Mapping[str, str]) -> dict[str, str]:
    """Return what a repository's AGENTS.md lists as mandatory and its tree does not hold."""
    listed = re.search(r"^mandatory_files: (\[.*\])$", before.get("AGENTS.md", ""), re.MULTILINE)
    paths: list[str] = json.loads(listed[1]) if listed else []
    return {path: f"{path}, as AGENTS.md asks\n" for path in paths if path not in before}

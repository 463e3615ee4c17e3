"""What a model is told of a discovery: short by default, so that 25 ideas fit 3,000 tokens.

Cuts texts and leaves out what a second call gives in full; decides nothing.
"""

import unicodedata
from collections.abc import Iterable

from mcp_server.models import Discovery, Dropped, Idea, IdeaHistory, Provenance, SourceStatus
from mcp_server.trends.clean import one_line

# Of a title. Four letters make a token, but beyond ASCII a letter costs about one, a picture two.
_TITLE_WIDTH = 54
_WIDE, _WIDEST = 3, 5
_REASON_CHARACTERS = 32
_LINES = 25


def shortened(found: Discovery) -> Discovery:
    """Return a discovery without descriptions, addresses and examples, its texts cut."""
    return found.model_copy(
        update={
            "ideas": tuple(_short_idea(idea) for idea in found.ideas),
            "sources": tuple(_short_status(status) for status in found.sources),
            "dropped": tuple(Dropped(reason=d.reason, signals=d.signals) for d in found.dropped),
        }
    )


def discovery_text(found: Discovery) -> str:
    """Return ideas by line, best first, behind what the sources gave; enough by itself."""
    lines = [
        f"{idea.score:.2f} {idea.kind}{_company(idea)}: {idea.title}"
        for idea in found.ideas[:_LINES]
    ]
    more = len(found.ideas) - len(lines[:_LINES]) + found.left_out
    if more:
        lines.append(f"and {more} more ideas")
    if found.dropped:
        lines.append(f"dropped: {dropped_text(found.dropped)}")
    lines.append("; ".join(_status_text(status) for status in found.sources))
    return "\n".join(lines)


def dropped_text(dropped: Iterable[Dropped]) -> str:
    """Return how many signals were dropped for which reason."""
    return ", ".join(f"{one.signals} {one.reason}" for one in dropped)


def history_text(history: IdeaHistory) -> str:
    """Return how an idea moved, in words, and its last days."""
    idea, days = history.idea, history.days
    head = f"{idea.title} ({idea.kind}, {idea.key})"
    if not days:
        return f"{head}: seen, but on none of the days that are kept"
    first, last = days[0], days[-1]
    way = "rose" if last.rank < first.rank else "fell" if last.rank > first.rank else "stayed"
    moved = f"{way} from rank {first.rank} on {first.day} to {last.rank} on {last.day}"
    shown = [
        f"{one.day}: rank {one.rank}, score {one.score:.2f}, "
        + ", ".join(f"{source} {points}" for source, points in one.points.items())
        for one in days[-10:]
    ]
    where = [f"{one.source} rank {one.rank}: {one.url}" for one in idea.provenance]
    said = [f"{head}: seen on {len(days)} days, {moved}" if len(days) > 1 else f"{head}: seen once"]
    return "\n".join([*said, *shown, *where])


def _company(idea: Idea) -> str:
    """Return how many sources speak of an idea, and whether it is new, where that says much."""
    several = f" {idea.corroboration} sources" if idea.corroboration > 1 else ""
    return several + (" new" if idea.novelty == 1 else "")


def _short_idea(idea: Idea) -> Idea:
    best = min(idea.provenance, key=lambda one: (one.rank, one.source))
    return idea.model_copy(
        update={
            "title": _short_title(idea.title),
            "description": "",
            "score": round(idea.score, 2),
            "provenance": (Provenance(source=best.source, rank=best.rank),),
        }
    )


def _short_title(title: str) -> str:
    room = _TITLE_WIDTH
    for place, character in enumerate(title):
        wide = _WIDE if unicodedata.category(character).startswith("L") else _WIDEST
        room -= 1 if character.isascii() else wide
        if room < 0:
            return f"{title[:place].rstrip()}…"
    return title


def _short_status(status: SourceStatus) -> SourceStatus:
    """Keep why a source failed, or in part; what would switch one on, trends_sources says."""
    broken = status.status in ("failed", "partial")
    told = one_line(status.reason, _REASON_CHARACTERS) if broken else ""
    return status.model_copy(update={"reason": told})


def _status_text(status: SourceStatus) -> str:
    why = f" ({status.reason})" if status.reason else ""
    return f"{status.name} {status.status} {status.signals}{why}"

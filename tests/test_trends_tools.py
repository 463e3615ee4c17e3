"""The trend tools over a real client: what a model is told, and what is remembered."""

import json
from typing import Any

import pytest

from mcp_server.models import (
    Discovery,
    Dropped,
    Idea,
    IdeaHistory,
    IdeaKind,
    Provenance,
    SourceStatus,
    TrendDay,
)
from mcp_server.tools.result import answer
from mcp_server.trends.discovery import limited
from mcp_server.trends.telling import discovery_text, history_text, shortened
from tests.agent_cases import Desk, at_desk

# 3,000 tokens of o200k at 3.5 characters each: JSON and titles measured 3.4 to 4.1 (2026-11-23).
MOST_CHARACTERS = 10_500


def idea(n: int, kind: IdeaKind = "tool", title: str = "") -> Idea:
    where = [
        Provenance(source=f"source-{s}", rank=n + s, url="https://x.example/" + "y" * 90)
        for s in (2, 1, 3)
    ]
    return Idea(
        key=f"{n:016x}", title=title or f"Idea {n}", description="d" * 300, kind=kind,
        provenance=tuple(where), score=1 - n / 1000, corroboration=3, novelty=0.87,
    )  # fmt: skip


def crowded(title: str) -> Discovery:
    """Return a day with all that a short answer can have: 60 ideas, 18 sources in trouble."""
    reason = "unavailable: 'https://api.example/list' answered 503 and asked for patience"
    return Discovery(
        ideas=tuple(idea(n, "pain_point", f"{n} {title}") for n in range(60)),
        sources=tuple(
            SourceStatus(name=f"source-{n}", status="failed" if n % 3 else "off", reason=reason)
            for n in range(18)
        ),
        dropped=tuple(
            Dropped(reason=f"about some other subject {n}", signals=40, titles=(title,) * 3)
            for n in range(7)
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    "title",
    ["word " * 40, "用终端管理待办事项的新工具" * 15, "🚀👩‍💻" * 60, "x" * 200],
    ids=["words", "Chinese", "pictures", "one word"],
)
def test_a_short_answer_stays_short_whatever_the_day_was(title: str) -> None:
    """Text and structure together; the most that a default answer can hold."""
    short = shortened(limited(crowded(title), 25))
    told = answer(discovery_text(short), short, brief=True)
    structure = json.dumps(told.structured_content, ensure_ascii=False, separators=(",", ":"))
    assert len(discovery_text(short)) + len(structure) <= MOST_CHARACTERS
    assert Discovery.model_validate(told.structured_content) == short
    assert len(short.ideas) == 25
    assert short.left_out == 35
    assert "and 35 more ideas" in discovery_text(short)


def test_five_of_each_kind_are_among_the_best() -> None:
    """The plan and the report show so many; order and limit stay."""
    ideas = [idea(n, "app") for n in range(40)] + [idea(40 + n, "extension") for n in range(7)]
    found = limited(Discovery(ideas=tuple(ideas), sources=()), 25)
    kinds = [one.kind for one in found.ideas]
    assert (len(kinds), kinds.count("extension")) == (25, 5)
    scores = [one.score for one in found.ideas]
    assert scores == sorted(scores, reverse=True)
    few = limited(Discovery(ideas=tuple(ideas), sources=()), 3)
    assert [one.key for one in few.ideas] == [one.key for one in ideas[:3]]


def test_a_default_answer_is_short_and_enough_to_go_on() -> None:
    """Every source's status, ideas with where they come from, and what was dropped."""

    async def play(desk: Desk) -> None:
        told = await desk.call("trends_discover")
        assert len(told.text) + len(json.dumps(told.content, ensure_ascii=False)) <= MOST_CHARACTERS
        found = Discovery.model_validate(told.content)
        assert 20 <= len(found.ideas) <= 25
        for one in found.ideas:
            assert one.title in told.text
            assert one.provenance[0].source
            assert not one.description
            assert len(one.provenance) == 1
        for status in found.sources:
            assert f"{status.name} {status.status} {status.signals}" in told.text
        whole = Discovery.model_validate(
            (await desk.call("trends_discover", detail=True, limit=200)).content
        )
        assert len(whole.ideas) == len(found.ideas) + found.left_out
        assert all(p.url and p.content_hash for one in whole.ideas for p in one.provenance)
        assert any(one.description for one in whole.ideas)

    at_desk(play)


def test_a_later_look_measures_and_the_history_tells_how_it_moved() -> None:
    """Two looks make a velocity, two days a movement; what is new says so."""

    async def play(desk: Desk) -> None:
        def discovered(told: Any) -> dict[str, Idea]:
            return {one.key: one for one in Discovery.model_validate(told.content).ideas}

        first = discovered(await desk.call("trends_discover", detail=True, limit=200))
        places = [p for one in first.values() for p in one.provenance]
        assert {p.velocity_estimated for p in places if p.source == "hackernews"} == {True}
        assert {one.novelty for one in first.values()} == {1}
        await desk.wait(minutes=90)
        await desk.call("trends_discover", sources=["hackernews"])
        second = discovered(await desk.call("trends_discover", detail=True, limit=200))
        places = [p for one in second.values() for p in one.provenance]
        assert {p.velocity_estimated for p in places if p.source == "hackernews" and p.points} == {
            False
        }
        await desk.wait(minutes=24 * 60)
        third = discovered(await desk.call("trends_discover", detail=True, limit=200))
        key = next(key for key in third if key in first)
        assert third[key].novelty < 1
        told = await desk.ask("trends_history", idea=key)
        assert [day["day"] for day in told["days"]] == ["2026-11-23", "2026-11-24"]
        assert told["idea"] == third[key].model_dump(mode="json")
        by_title = await desk.call("trends_history", idea=third[key].title.upper())
        assert by_title.content == told
        assert "from rank" in by_title.text

    at_desk(play)


def test_only_a_discovery_over_every_source_makes_a_day() -> None:
    """A rank among one source's ideas is none among all."""

    async def play(desk: Desk) -> None:
        found = await desk.ask("trends_discover", sources=["hackernews"])
        told = await desk.call("trends_history", idea=found["ideas"][0]["key"])
        assert told.refusal == ("not_found", None)

    at_desk(play)


def test_an_idea_that_nobody_saw_is_not_found() -> None:
    """With the way to a name that is known."""

    async def play(desk: Desk) -> None:
        told = await desk.call("trends_history", idea="No such idea")
        assert told.refusal == ("not_found", None)
        assert "trends_discover" in told.text

    at_desk(play)


@pytest.mark.parametrize(
    ("ranks", "words"),
    [((9, 2), "rose from rank 9"), ((2, 9), "fell from rank 2"), ((3, 3), "stayed from rank 3")],
)
def test_a_movement_is_told_in_words(ranks: tuple[int, int], words: str) -> None:
    """A smaller rank is a higher place."""
    days = tuple(
        TrendDay(day=f"2026-11-2{n}", rank=rank, score=0.5, points={"devto": 7})
        for n, rank in enumerate(ranks)
    )
    told = history_text(IdeaHistory(idea=idea(1), days=days))
    assert words in told
    assert "2026-11-21: rank" in told
    assert "seen once" in history_text(IdeaHistory(idea=idea(1), days=days[:1]))
    assert "none of the days" in history_text(IdeaHistory(idea=idea(1), days=()))

"""What discovery drops: other subjects, by signs that are judged on recordings of real days."""

import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Any, cast
from zlib import crc32

import pytest

from agent.planner.rules import judge
from agent.planner.split import PlanningSettings
from mcp_server.insight.match import match
from mcp_server.models import Idea, Repository
from mcp_server.trends import Signal
from mcp_server.trends.cluster import cluster
from mcp_server.trends.relevance import not_software, sift
from tests.agent_cases import NOW
from tests.shared_data import capture

GENERAL = "google-trends"


def signal(
    title: str, description: str = "", *, source: str = "hackernews", repo: str | None = None
) -> Signal:
    url = f"https://x.example/{crc32(title.encode())}"
    return Signal(source=source, rank=1, title=title, url=url, description=description, repo=repo)


def reasons(signals: Iterable[Signal]) -> dict[str, int]:
    return {one.reason: one.signals for one in sift(signals, {GENERAL}).dropped}


# Signs, one by one


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("Warriors win the NBA finals", "sport"),
        ("Who plays at the World Cup today", "sport"),
        ("Senate votes on tariffs again", "politics"),
        ("Actress wins at the Oscars", "celebrity and entertainment"),
        ("Somebody - Something (Official Music Video)", "celebrity and entertainment"),
        ("Hurricane nears the coast", "weather and disaster"),
        ("Man arrested after a bank robbery", "crime and courts"),
        ("Powerball numbers of tonight", "games of chance and loans"),
        ("Door repairs near me: five secrets", "an advertisement"),
    ],
)
def test_another_subject_is_dropped_and_skipped_for_the_same_reason(
    title: str, reason: str
) -> None:
    """One table: what discovery drops, the matcher would skip."""
    assert reasons([signal(title)]) == {reason: 1}
    assert not_software(title, "") == reason
    assert match(title, "", ()).reason == f"not software but {reason}"


@pytest.mark.parametrize(
    "title",
    [
        "Show HN: NBA scores in your menu bar",
        "I built a tracker for the World Cup",
        "An open-source map of wildfires",
        "A CLI that reads election results",
        "A Chrome extension that hides the Kardashians and every actor",
        "stats/nba-live",
        "How trailers end up in commits",
        "Rust vs Go",
        "The president of our user group writes a compiler",
    ],
)
def test_software_about_another_subject_is_kept(title: str) -> None:
    """A subject is no reason where somebody made something."""
    assert reasons([signal(title)]) == {}


def test_a_repository_is_never_dropped_for_its_subject() -> None:
    """It is software whatever it is about."""
    one = signal("own/nba", "NBA, NFL and the Senate", repo="own/nba")
    assert reasons([one]) == {}


@pytest.mark.parametrize(
    ("title", "description", "kept"),
    [
        ("Somebody Famous", "", False),
        ("belgium vs france", "", False),
        ("terminal 4", "", False),
        ("", "", False),
        ("Somebody Famous", "An app by somebody famous tops the charts", True),
        ("claude code", "", True),
        ("best linux laptop", "", True),
    ],
)
def test_where_people_talk_of_everything_software_has_to_be_said(
    title: str, description: str, kept: bool
) -> None:
    """A developers' site is about software until it says otherwise, a search site never is."""
    expected = {} if kept else {"nothing says that this is software": 1}
    assert reasons([signal(title, description, source=GENERAL)]) == expected
    assert reasons([signal(title or "x", description)]) == {}


def test_what_is_dropped_is_counted_with_examples_and_the_order_of_the_rest_stays() -> None:
    """Nothing vanishes in silence; titles in the examples are cleaned like any other."""
    signals = [
        signal("NBA\u202e finals"), signal("A parser"), signal("NFL draft"), signal("UFC night"),
        signal("NHL trade"), signal("A lexer"), signal("Senate news"),
    ]  # fmt: skip
    found = sift(signals, ())
    assert [one.title for one in found.kept] == ["A parser", "A lexer"]
    assert [(one.reason, one.signals, one.titles) for one in found.dropped] == [
        ("sport", 4, ("NBA finals", "NFL draft", "UFC night")),
        ("politics", 1, ("Senate news",)),
    ]


# Real days


def rows(name: str) -> list[tuple[str, str]]:
    """Return title and description of every row of a recording."""
    body = capture(name).decode()
    if name.endswith(".xml"):
        found = re.findall(r"<item>.*?<title>(.*?)</title>", body, re.DOTALL)
        return [(title, "") for title in found]
    if name.endswith(".csv"):
        return [(row["title"], row["description"]) for row in csv.DictReader(io.StringIO(body))]
    value: Any = json.loads(body)
    if "google-trends" in name:
        return [(title, "") for place in value.values() for title in place]
    items = cast("Any", value["data"] if isinstance(value, dict) else value)
    told = [(item["title"], item.get("description") or "") for item in items if item.get("title")]
    return [(title.replace("_", " "), about) for title, about in told]


NO_SIGN = "nothing says that this is software"
# How many rows, how many of them stay, and the reasons that were read through by a person.
DAYS: dict[str, tuple[int, int, dict[str, int]]] = {
    "google-trends/trending_searches_ok_1.json": (960, 0, {}),
    "google-trends/rss_trending_KR_2026-09-02.partial.xml": (3, 0, {NO_SIGN: 3}),
    "google-trends/rss_trending_VN_2026-08-26.partial.xml": (2, 0, {NO_SIGN: 2}),
    "google-trends/rss_legacy_daily_PT_2023-11-18.partial.xml": (3, 0, {NO_SIGN: 3}),
    "wikipedia/derived_top_pageviews_2026-08-22.json": (15, 0, {}),
    "youtube/trending_page_default_20250823.csv": (60, 2, {}),
    "youtube/trending_page_default_20251111.csv": (60, 2, {}),
    "youtube/trending_page_gaming_20250617.csv": (40, 3, {}),
    "youtube/derived_search_vibe_coding_2026-08-22.json": (15, 14, {}),
    "hackernews/firebase_items_topstories_2019-11-11.json": (
        250, 242, {"politics": 5, "crime and courts": 2, "weather and disaster": 1},
    ),
    "hackernews/firebase_items_showstories_2019-11.json": (56, 56, {}),
    "hackernews/derived_top_2026-06-27.json": (29, 29, {}),
    "hackernews/derived_top_2026-08-22.json": (20, 19, {"politics": 1}),
    "lobsters/hottest_2025-02-14.json": (25, 25, {}),
    "devto/articles_list_2024-11.json": (
        30, 23, {"an advertisement": 5, "games of chance and loans": 2},
    ),
    "stackexchange/derived_hot_2026-08-22.json": (15, 15, {}),
}  # fmt: skip
OF_EVERYTHING = ("google-trends", "wikipedia", "youtube")


@pytest.mark.parametrize("name", DAYS)
def test_a_recorded_day_keeps_what_is_software(name: str) -> None:
    """Counts are exact: a new sign shows at once what else it hits."""
    read = rows(name)
    everything = name.startswith(OF_EVERYTHING)
    source = GENERAL if everything else "site"
    found = sift([signal(*row, source=source) for row in read], {GENERAL})
    count, kept, why = DAYS[name]
    assert (len(read), len(found.kept)) == (count, kept)
    assert sum(one.signals for one in found.dropped) == count - kept
    if why or not everything:
        assert {one.reason: one.signals for one in found.dropped} == why


# Titles that give orders


def orders() -> list[str]:
    """Return texts that want to be obeyed."""
    names = ("product_specific", "bastioncorpus_a", "spikee_cybersec_2026_01_jailbreaks")
    lines = [
        line for name in names for line in capture(f"injections/{name}.jsonl").decode().splitlines()
    ]
    return [json.loads(line)["text"] for line in lines]


def test_titles_that_give_orders_change_no_decision() -> None:
    """Data only: beside 200 of them every other idea is decided as without, and none is obeyed."""
    software = [
        signal("Show HN: A habit tracker in the terminal"),
        signal("A browser extension that blurs spoilers"),
        signal("Understanding closures, part 4"),
        signal("own/portwhy", "CLI that tells which process holds a port", repo="own/portwhy"),
        signal("Warriors win the NBA finals"),
    ]
    repository = Repository(
        repo="me/habit-tracker", private=True, description="Track habits", created_at=NOW
    )

    def decided(signals: Iterable[Signal]) -> dict[str, tuple[str, str | None, str]]:
        ideas: tuple[Idea, ...] = cluster(sift(signals, ()).kept)
        matches = {one.key: match(one.title, one.description, [repository]) for one in ideas}
        settings = PlanningSettings(owner="me")
        told = judge(ideas, matches, [repository], (), settings, (), ())
        return {one.idea.key: (one.verdict, one.repo, one.reason) for one in told}

    texts = orders()
    assert len(texts) >= 200
    alone = decided(software)
    planted = [signal(text, text, source="devto") for text in texts]
    beside = decided([*software, *planted])
    assert {key: beside[key] for key in alone} == alone
    assert {verdict for verdict, _, _ in alone.values()} == {"update", "create", "skip"}
    theirs = [told for key, told in beside.items() if key not in alone]
    assert not [told for told in theirs if told[0] == "update"]

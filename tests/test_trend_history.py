"""What is remembered of trends: days of ideas, looks at items, and what these change."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mcp_server import store
from mcp_server.guard.redact import Redactor
from mcp_server.models import Idea, TrendDay
from mcp_server.trends import Signal
from mcp_server.trends.cluster import cluster
from mcp_server.trends.history import KEPT_DAYS, TrendHistory
from mcp_server.trends.rating import Look, item_of, measured

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECRET = "AIzaSy" + "S3cret-0" * 4


def signal(title: str = "A tool", points: int = 10, **changes: object) -> Signal:
    url = f"https://a.example/{title.replace(' ', '-')}"
    one = Signal(source="hackernews", rank=1, title=title, url=url, points=points)
    return replace(one, velocity_per_hour=1.0, **changes)  # pyright: ignore[reportArgumentType] -- fields of Signal


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return store.open_engine(f"sqlite:///{tmp_path}/state.db")


@pytest.fixture
def history(engine: sa.Engine) -> TrendHistory:
    return TrendHistory(engine, Redactor([SECRET]))


def keep(history: TrendHistory, now: datetime, *signals: Signal) -> Sequence[Idea]:
    ideas = cluster(signals, history.past(now))
    history.keep(signals, ideas, now)
    return ideas


# Two looks


@pytest.mark.parametrize(
    ("before", "points", "ago", "velocity", "estimated"),
    [
        (10, 34, 24 * HOUR, 1.0, False),
        (10, 16, 2 * HOUR, 3.0, False),
        (10, 8, 2 * HOUR, -1.0, False),
        (10, 10, HOUR, 0.0, False),
        (10, 90, HOUR - timedelta(seconds=1), 1.0, True),
        (0, 0, 5 * HOUR, 1.0, True),
    ],
)
def test_a_velocity_is_measured_between_two_looks(
    before: int, points: int, ago: timedelta, velocity: float, estimated: bool
) -> None:
    """facts/trend-sources.md section 2; an hour apart at least, and only where something counts."""
    one = signal(points=points)
    looks = {item_of(signal()): Look(at=NOW - ago, points=before)}
    [found] = measured([one], looks, NOW)
    assert (found.velocity_per_hour, found.velocity_estimated) == (velocity, estimated)


def test_what_a_site_measured_itself_and_what_is_new_stay_as_they_are() -> None:
    """GitHub counts the stars of a day; a first look has nothing to be compared with."""
    of_a_site = signal("Counted", velocity_estimated=False)
    looks = {item_of(of_a_site): Look(at=NOW - DAY, points=1)}
    new = signal("New")
    assert measured([of_a_site, new], looks, NOW) == (of_a_site, new)


def test_the_last_look_that_is_an_hour_old_is_compared_with(history: TrendHistory) -> None:
    """Looks of the hour in between neither count nor hide the one before them."""
    for ago, points in ((26 * HOUR, 1), (3 * HOUR, 5), (HOUR / 2, 9)):
        keep(history, NOW - ago, signal(points=points))
    looks = history.past(NOW).looks
    assert looks == {item_of(signal()): Look(at=NOW - 3 * HOUR, points=5)}
    assert history.past(NOW + 60 * HOUR).looks == {}


def test_a_source_that_was_not_asked_keeps_its_look_of_the_hour(history: TrendHistory) -> None:
    """A discovery of one source is no news of another."""
    keep(history, NOW, signal(points=5), replace(signal(points=7), source="devto"))
    history.keep([signal(points=6)], (), NOW + timedelta(minutes=5))
    looks = history.past(NOW + 2 * HOUR).looks
    assert {source: look.points for (source, _), look in looks.items()} == {
        "devto": 7,
        "hackernews": 6,
    }


# Days


def test_an_idea_is_known_by_the_days_it_was_seen_on(history: TrendHistory) -> None:
    """Of the last 30 before today: neither today itself nor what is older."""
    for days in (31, 30, 10, 1, 0):
        [idea] = keep(history, NOW - days * DAY, signal())
    assert history.past(NOW).days == {idea.key: 3}
    [again] = cluster([signal()], history.past(NOW))
    assert again.novelty == 0.9


def test_how_an_idea_moved_is_told_by_key_and_by_title(history: TrendHistory) -> None:
    """Its rank among the day's ideas, its score, and each source's own count."""
    other = signal("Another thing", points=3)
    keep(history, NOW - DAY, replace(signal(), velocity_per_hour=0.5), other)
    [idea, _] = keep(history, NOW, signal(points=40), replace(other, velocity_per_hour=0.1))
    found = history.find(idea.key)
    assert found is not None
    assert found.idea == idea
    assert found.days == (
        TrendDay(day="2026-11-22", rank=2, score=0.0, points={"hackernews": 10}),
        TrendDay(day="2026-11-23", rank=1, score=0.7, points={"hackernews": 40}),
    )
    assert history.find("  a TOOL ") == found
    assert history.find("a too") is None


def test_a_day_is_as_its_last_discovery_saw_it(history: TrendHistory) -> None:
    """A second run of a day renews it; one that asked few sources (no ideas) leaves it."""
    keep(history, NOW, signal(points=1), signal("Gone"))
    [idea] = keep(history, NOW + HOUR, signal(points=2))
    history.keep([signal(points=3)], (), NOW + 2 * HOUR)
    found, gone = history.find(idea.key), history.find("Gone")
    assert found is not None
    assert [one.points for one in found.days] == [{"hackernews": 2}]
    assert gone is not None
    assert gone.days == ()


def test_ninety_days_are_kept(engine: sa.Engine, history: TrendHistory) -> None:
    """And with the last of its days an idea itself goes."""
    keep(history, NOW - KEPT_DAYS * DAY, signal("Old"))
    for days in (KEPT_DAYS - 1, 0):
        keep(history, NOW - days * DAY, signal())
    found = history.find("A tool")
    assert found is not None
    assert [one.day for one in found.days] == ["2026-08-26", "2026-11-23"]
    assert history.find("Old") is None
    with engine.begin() as tx:
        count = sa.select(sa.func.count()).select_from(store.trend_looks)
        assert tx.execute(count).scalar_one() == 1


def test_no_secret_that_a_site_shows_us_is_kept(tmp_path: Path, history: TrendHistory) -> None:
    """Neither in a title nor in an address, whatever normalising makes of it."""
    one = replace(signal(f"Look at {SECRET} here"), description=SECRET)
    [idea] = keep(history, NOW, one)
    found = history.find(idea.key)
    assert found is not None
    assert found.idea.title.startswith("Look at ")
    written = (tmp_path / "state.db").read_bytes()
    assert SECRET.encode() not in written
    assert SECRET.casefold().encode() not in written


def test_a_damaged_row_is_as_good_as_none(tmp_path: Path, history: TrendHistory) -> None:
    """Nothing is counted by it, so nothing stops for it."""
    keep(history, NOW, signal())
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
        raw.execute("UPDATE trend_ideas SET record = '{}'")
    assert history.find("A tool") is None
    [idea] = keep(history, NOW, signal())
    assert history.find(idea.key) is not None


def test_a_ledger_from_before_gets_the_tables(tmp_path: Path, engine: sa.Engine) -> None:
    """They have no version: an older program opens the file as before, a newer one adds them."""
    engine.dispose()
    names = ("trend_ideas", "trend_days", "trend_looks", "cache_entries")
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
        for name in names:
            raw.execute(f"DROP TABLE {name}")
    again = store.open_engine(f"sqlite:///{tmp_path}/state.db")
    assert keep(TrendHistory(again, Redactor([SECRET])), NOW, signal())
    assert set(names) <= set(sa.inspect(again).get_table_names())

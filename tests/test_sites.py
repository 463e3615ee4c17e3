"""The sandbox's trend sites through the real sources, and how sources are read at once."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from mcp_server.clock import LoopClock
from mcp_server.errors import Unavailable
from mcp_server.models import SourceStatus
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.sites import Sites
from mcp_server.trends import Answer, Reading, Signal, SourceFacts, hashnode, load_sources, read_all
from mcp_server.trends import hackernews as hn_source
from mcp_server.trends.cluster import cluster
from tests.shared_data import CAPTURES, capture, need_captures

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
URL = "https://site.example/list"
# What a day of seed 1 gives: famous names go, the rest of the general sources stays.
INVENTED = {
    "github-trending": ("ok", 20),
    "hackernews": ("ok", 30),
    "devto": ("ok", 20),
    "lobsters": ("ok", 25),
    "github-search": ("ok", 25),
    "github-issues": ("ok", 8),
    "stackexchange": ("ok", 14),
    "reddit": ("ok", 15),
    "youtube": ("ok", 10),
    "producthunt": ("ok", 12),
    "packages": ("ok", 12),
    "hashnode": ("ok", 5),
    "google-trends": ("ok", 2),
    "mastodon": ("ok", 9),
    "bluesky": ("ok", 2),
    "wikipedia": ("ok", 0),
}
KEYED = [source.facts.variable for source in load_sources()]


def read_sites(
    sites: Sites, now: datetime = NOW
) -> tuple[tuple[Signal, ...], dict[str, SourceStatus]]:
    """Read every source from the sandbox's sites."""

    async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        del headers, body
        parts = urlsplit(url)
        status, kinds, content = sites.answer(
            parts.hostname or "", parts.path, dict(parse_qsl(parts.query)), now
        )
        return Answer(status=status, content_type=kinds["Content-Type"], body=content, url=url)

    gathered = run_virtual(read_all(load_sources(), fetch, LoopClock(now), 30, keyed=KEYED))
    return gathered.signals, {status.name: status for status in gathered.statuses}


def get(sites: Sites, address: str, now: datetime = NOW) -> tuple[int, str, bytes]:
    """Ask for one address; gives status, content type and body."""
    parts = urlsplit(address)
    status, headers, body = sites.answer(
        parts.hostname or "", parts.path, dict(parse_qsl(parts.query)), now
    )
    return status, headers["Content-Type"], body


# Days of its own making


def test_an_invented_day_is_read_by_every_source_without_a_note():
    """In the real shapes, and nothing lost on the way; what is famous is dropped as noise."""
    _, statuses = read_sites(Sites(seed=1, directory=None))
    assert {name: (s.status, s.signals) for name, s in statuses.items()} == INVENTED
    told = {name: s.reason for name, s in statuses.items() if s.reason}
    assert told == {
        "hashnode": hashnode.PAID,
        "google-trends": "12 are among what Wikipedia is read for",
        "mastodon": "5 are among what Wikipedia is read for",
        "bluesky": "6 are among what Wikipedia is read for",
        "wikipedia": "13 titles as noise",
    }


def test_a_day_is_fixed_by_seed_and_date():
    """Keyed draws: the hour changes nothing, the day and the seed change the ideas."""
    at_three = read_sites(Sites(seed=1, directory=None))[0]
    at_nine = read_sites(Sites(seed=1, directory=None), NOW + timedelta(hours=6))[0]
    tomorrow = read_sites(Sites(seed=1, directory=None), NOW + timedelta(days=1))[0]
    elsewhere = read_sites(Sites(seed=2, directory=None))[0]
    titles = [
        [signal.title for signal in day if signal.source == "github-trending"]
        for day in (at_three, at_nine, tomorrow, elsewhere)
    ]
    assert titles[0] == titles[1]
    assert set(titles[0]) != set(titles[2])
    assert set(titles[0]) != set(titles[3])


@pytest.mark.parametrize("seed", range(5))
def test_an_invented_day_gives_ideas_of_all_kinds_some_in_all_sources(seed: int):
    """Enough for a planner to do: every kind, ideas of three sources, noise that is in one."""
    ideas = cluster(read_sites(Sites(seed=seed, directory=None))[0])
    spread = [len({p.source for p in idea.provenance}) for idea in ideas]
    assert {idea.kind for idea in ideas} == {"app", "extension", "tool", "pain_point"}
    assert sum(1 for sources in spread if sources >= 3) >= 2
    assert spread.count(1) >= 15


def test_invented_rows_of_the_two_hn_apis_agree():
    """The same story has the same title, votes and time in Algolia and Firebase."""
    sites = Sites(seed=3, directory=None)
    body = get(sites, "https://hn.algolia.com/api/v1/search?tags=show_hn&hitsPerPage=50")[2]
    hits = json.loads(body)["hits"]
    ids = json.loads(get(sites, "https://hacker-news.firebaseio.com/v0/showstories.json")[2])
    assert [int(hit["objectID"]) for hit in hits] == ids[:-1]
    for hit in hits:
        item = json.loads(
            get(sites, f"https://hacker-news.firebaseio.com/v0/item/{hit['objectID']}.json")[2]
        )
        assert (item["title"], item["score"], item["time"], item["url"]) == (
            hit["title"],
            hit["points"],
            hit["created_at_i"],
            hit["url"],
        )


def test_an_item_of_yesterday_is_still_there_and_one_of_tomorrow_is_not():
    """A run that passes midnight reads the items of the list it began with."""
    sites = Sites(seed=3, directory=None)
    ids = json.loads(get(sites, "https://hacker-news.firebaseio.com/v0/showstories.json")[2])
    item = f"https://hacker-news.firebaseio.com/v0/item/{ids[0]}.json"
    assert get(sites, item, NOW + timedelta(days=1)) == get(sites, item)
    assert get(sites, item, NOW - timedelta(days=1))[2] == b"null"


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    ("address", "status", "kind", "start"),
    [
        ("https://github.com/trending/cobol?since=daily", 404, "text/html", b"<"),
        ("https://github.com/trending?since=hourly", 404, "text/html", b"<"),
        ("https://github.com/a/b", 404, "text/html", b"<"),
        ("https://dev.to/api/users/1", 404, "application/json", b"{"),
        ("https://hn.algolia.com/api/v1/users/x", 404, "application/json", b"{"),
        ("https://hacker-news.firebaseio.com/v0/item/9.json", 200, "application/json", b"null"),
        ("https://hacker-news.firebaseio.com/v0/item/../x", 404, "application/json", b"{"),
    ],
)
def test_what_a_site_does_not_have_is_its_own_not_found(
    *, recorded: bool, address: str, status: int, kind: str, start: bytes, tmp_path: Path
):
    """404 in the host's format; Firebase says null with 200."""
    found = get(Sites(seed=1, directory=tmp_path if recorded else None), address)
    assert found[0] == status
    assert found[1].startswith(kind)
    assert found[2].startswith(start)


# Recordings


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://github.com/trending", "github-trending/trending_daily_2026-04-26.html"),
        (
            "https://github.com/trending?since=monthly",
            "github-trending/trending_monthly_2022-01_h1_markup.html",
        ),
        (
            "https://github.com/trending/typescript?since=daily",
            "github-trending/trending_typescript_2025-01-06.html",
        ),
        (
            "https://github.com/trending/purescript",
            "github-trending/trending_purescript_empty_blankslate_2019-06.html",
        ),
        ("https://dev.to/api/articles?top=1", "devto/articles_list_2024-11.json"),
        (
            "https://hn.algolia.com/api/v1/search_by_date?tags=ask_hn",
            "hackernews/algolia_search_by_date_2026-04-25.json",
        ),
        (
            "https://hacker-news.firebaseio.com/v0/topstories.json",
            "hackernews/firebase_topstories_2019-11.json",
        ),
        (
            "https://hacker-news.firebaseio.com/v0/item/21278790.json",
            "hackernews/firebase_item_21278790_2019-11.json",
        ),
    ],
)
def test_a_folder_is_served_byte_for_byte_newest_first(address: str, name: str):
    """The names that docs/sources.md promises, on the recordings there are."""
    need_captures()
    status, _, body = get(Sites(seed=1, directory=CAPTURES), address)
    assert (status, body) == (200, capture(name))


def test_items_come_from_the_arrays_too():
    """`firebase_items_*` holds many items in one file."""
    name = "hackernews/firebase_items_topstories_2019-11-11.json"
    item = json.loads(capture(name))[-1]
    address = f"https://hacker-news.firebaseio.com/v0/item/{item['id']}.json"
    assert json.loads(get(Sites(seed=1, directory=CAPTURES), address)[2]) == item


def test_a_folder_of_recordings_is_read_and_says_what_it_lacks():
    """No front page was recorded, and few of the listed items: both are said."""
    need_captures()
    rows = len(
        re.findall(b'class="Box-row"', capture("github-trending/trending_daily_2026-04-26.html"))
    )
    _, statuses = read_sites(Sites(seed=1, directory=CAPTURES))
    trending = statuses["github-trending"]
    assert (trending.status, trending.signals) == ("partial", rows + 17)
    assert "Rust failed" in trending.reason
    assert (statuses["devto"].status, statuses["devto"].signals) == ("ok", 30)
    assert statuses["hackernews"].status == "partial"
    assert "front page failed" in statuses["hackernews"].reason
    assert "items are gone" in statuses["hackernews"].reason


def test_search_recordings_are_not_mixed_up(tmp_path: Path):
    """`algolia_search_` is a prefix of `algolia_search_by_date_`."""
    folder = tmp_path / "hackernews"
    folder.mkdir()
    (folder / "algolia_search_by_date_2026-05.json").write_bytes(b"[1]")
    sites = Sites(seed=1, directory=tmp_path)
    assert get(sites, "https://hn.algolia.com/api/v1/search")[0] == 404
    (folder / "algolia_search_2026-04-30.json").write_bytes(b"[2]")
    (folder / "algolia_search_2026-04.json").write_bytes(b"[3]")
    assert get(sites, "https://hn.algolia.com/api/v1/search")[2] == b"[2]"
    assert get(sites, "https://hn.algolia.com/api/v1/search_by_date")[2] == b"[1]"


# Hacker News as a whole


def data(value: object, status: int = 200) -> Answer:
    body = json.dumps(value).encode()
    return Answer(status=status, content_type="application/json", body=body, url=URL)


def hit(item_id: int, *, comments: int = 0, url: str | None = None) -> dict[str, object]:
    return {
        "objectID": str(item_id),
        "title": f"Title {item_id}",
        "url": url,
        "points": 3,
        "num_comments": comments,
        "created_at_i": int(NOW.timestamp()) - 3600,
    }


class FakeHn:
    """Both APIs from values; counts what is asked."""

    def __init__(self, *, down: tuple[str, ...] = (), items: int = 3) -> None:
        self.down = down
        self.ids = list(range(100, 100 + items))
        self.asked: list[str] = []

    async def fetch(self, url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        """Answer as the host in `url` would, or 503."""
        del headers, body
        parts = urlsplit(url)
        self.asked.append(f"{parts.hostname}{parts.path}")
        if any(word in url for word in self.down):
            return data({}, 503)
        if parts.path.endswith("showstories.json"):
            return data(self.ids)
        if "/item/" in parts.path:
            item_id = int(re.findall(r"\d+", parts.path)[-1])
            return data({"id": item_id, "type": "story", "title": f"Title {item_id}"})
        query = dict(parse_qsl(parts.query))
        if query["tags"] == "front_page":
            return data({"hits": [hit(1, url="https://x.example/"), hit(100)]})
        return data({"hits": [hit(20, comments=5), hit(21, comments=50)]})


def read_hn(fake: FakeHn) -> Reading:
    return run_virtual(hn_source.HackerNews().read(fake.fetch, NOW))


def test_three_listings_are_read_and_a_story_of_two_is_kept_once():
    """Front page first; questions by comments; Show HN in its own order."""
    reading = read_hn(FakeHn())
    assert [(s.title, s.rank) for s in reading.signals] == [
        ("Title 1", 1),
        ("Title 100", 2),
        ("Title 21", 1),
        ("Title 20", 2),
        ("Title 101", 2),
        ("Title 102", 3),
    ]
    assert reading.notes == ()


def test_show_hn_asks_for_a_bounded_number_of_items():
    """Firebase lists up to 200 ids and takes one request for each item."""
    fake = FakeHn(items=200)
    read_hn(fake)
    asked = Counter("item" if "/item/" in address else "list" for address in fake.asked)
    assert asked == {"item": hn_source.SHOW_ITEMS, "list": 3}


@pytest.mark.parametrize(
    ("down", "kept", "notes"),
    [
        (("algolia",), 3, 2),
        (("firebase",), 4, 1),
        (("tags=front_page",), 5, 1),
        (("item/101",), 5, 1),
    ],
)
def test_what_one_api_gives_is_kept_when_the_other_fails(
    down: tuple[str, ...], kept: int, notes: int
):
    """Each listing alone in its failure, and each failure said."""
    reading = read_hn(FakeHn(down=down))
    assert (len(reading.signals), len(reading.lost)) == (kept, notes)
    assert all("503" in lost.reason for lost in reading.lost)


def test_both_apis_down_is_a_failure():
    """Nothing left to keep."""
    with pytest.raises(Unavailable) as caught:
        read_hn(FakeHn(down=("algolia", "firebase")))
    assert caught.value.status == 503


# All sources at once


@dataclass(frozen=True)
class Fake:
    """A source that waits, then gives signals or raises."""

    name: str
    seconds: float = 0.0
    count: int = 1
    error: Exception | None = None

    @property
    def facts(self) -> SourceFacts:
        """Return facts that matter to nobody."""
        return SourceFacts(
            name=self.name, hosts=(), addresses=(), refresh_seconds=1,
            rate="", terms="", numbers="",
        )  # fmt: skip

    async def read(self, fetch: object, now: datetime) -> Reading:
        """Wait in the loop's time."""
        del fetch
        await LoopClock(NOW).sleep_until(now + timedelta(seconds=self.seconds))
        if self.error:
            raise self.error
        signals = (
            Signal(source=self.name, rank=r + 1, title="t", url=URL) for r in range(self.count)
        )
        return Reading(signals=tuple(signals))


async def nothing(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
    raise AssertionError((url, headers, body))


def read_fakes(*fakes: Fake) -> tuple[list[str], list[SourceStatus], float]:
    async def main() -> tuple[list[str], list[SourceStatus], float]:
        found = await read_all(fakes, nothing, LoopClock(NOW), 30)
        names = [s.source for s in found.signals]
        return names, list(found.statuses), asyncio.get_running_loop().time()

    return run_virtual(main())


def test_sources_are_read_at_once_and_given_in_order():
    """The slowest decides how long it takes, the declaration decides the order."""
    names, statuses, seconds = read_fakes(
        Fake("a", seconds=9, count=2), Fake("b"), Fake("c", count=0)
    )
    assert names == ["a", "a", "b"]
    assert [(s.name, s.status, s.signals) for s in statuses] == [
        ("a", "ok", 2),
        ("b", "ok", 1),
        ("c", "empty", 0),
    ]
    assert seconds == 9


def test_each_source_fails_alone(caplog: pytest.LogCaptureFixture):
    """An answer that fails, a source past the deadline, and a bug: each costs one source."""
    names, statuses, seconds = read_fakes(
        Fake("down", error=Unavailable("later", status=503)),
        Fake("slow", seconds=31),
        Fake("bug", error=KeyError("secret-value")),
        Fake("inner", error=TimeoutError()),
        Fake("well"),
    )
    assert names == ["well"]
    assert [(s.name, s.status, s.reason) for s in statuses] == [
        ("down", "failed", "unavailable: later"),
        ("slow", "failed", "no answer within 30 s"),
        ("bug", "failed", "unexpected KeyError, see the log"),
        ("inner", "failed", "unexpected TimeoutError, see the log"),
        ("well", "ok", ""),
    ]
    assert seconds == 30
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_the_declared_facts_name_the_hosts_of_their_addresses():
    """The guard lets a source read nothing else."""
    assert [source.facts.name for source in load_sources()] == list(INVENTED)
    for source in load_sources():
        hosts = {urlsplit(address).hostname for address in source.facts.addresses}
        assert hosts == set(source.facts.hosts)

"""How sources are found, switched on, asked again and told: the frame around their parsers."""

import json
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.metadata import Distribution, DistributionFinder, EntryPoint, MetadataPathFinder
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from mcp_server.cache import Cache, Entry
from mcp_server.clock import LoopClock
from mcp_server.errors import FactoryError, Unavailable
from mcp_server.guard.transport import Origin
from mcp_server.keys import site_origins
from mcp_server.models import SourceStatus
from mcp_server.sandbox.loop import run_virtual
from mcp_server.settings import load_settings
from mcp_server.store import open_engine
from mcp_server.trends import (
    Answer,
    Fetch,
    Gathered,
    Lost,
    Reading,
    Signal,
    SourceFacts,
    SourceKey,
    TrendSource,
    load_sources,
    read_all,
)
from mcp_server.trends.listing import ListedSource, Listing
from mcp_server.trends.reading import LONGEST_PATIENCE_SECONDS
from mcp_server.trends.registry import GROUP, sources_of
from mcp_server.trends.signal import Torn

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
FACTS = SourceFacts(
    name="made-up",
    hosts=("a.example.org",),
    addresses=("https://a.example.org/",),
    refresh_seconds=3600,
    rate="",
    terms="",
    numbers="",
)


def one(title: str, rank: int = 1) -> Signal:
    return Signal(source="made-up", rank=rank, title=title, url=f"https://x.example/{quote(title)}")


@dataclass
class Told:
    """A source that gives what it is told to, and counts how often it is asked."""

    reading: Reading | FactoryError
    facts: SourceFacts = FACTS
    asked: list[datetime] = field(default_factory=list[datetime])

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Give it."""
        del fetch
        self.asked.append(now)
        if isinstance(self.reading, FactoryError):
            raise self.reading
        return self.reading


async def nothing(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
    raise AssertionError((url, headers, body))


def gather(
    *sources: TrendSource, at: datetime = NOW, cache: Cache | None = None, fetch: Fetch = nothing
) -> Gathered:
    return run_virtual(read_all(sources, fetch, LoopClock(at), 30, cache=cache))


# Status

TORN = Torn("2 of 3 rows could be read", rows=[one("a"), one("b", 2)], expected=3)
STATUSES: dict[str, tuple[Reading | FactoryError, SourceStatus]] = {
    "ok": (
        Reading(signals=(one("a"),), notes=("well",)),
        SourceStatus(name="made-up", status="ok", signals=1, reason="well"),
    ),
    "empty, and why": (
        Reading(signals=(), notes=("the page says so",)),
        SourceStatus(name="made-up", status="empty", reason="the page says so"),
    ),
    "a list of two failed": (
        Reading(signals=(one("a"),), lost=(Lost(reason="weekly failed"),)),
        SourceStatus(name="made-up", status="partial", signals=1, reason="weekly failed"),
    ),
    "rows of the only list": (
        TORN,
        SourceStatus(
            name="made-up",
            status="partial",
            expected=3,
            parsed=2,
            reason="unreadable: 2 of 3 rows could be read",
        ),
    ),
    "no row at all": (
        Torn("0 of 3", rows=[], expected=3),
        SourceStatus(name="made-up", status="failed", expected=3, reason="unreadable: 0 of 3"),
    ),
    "no answer": (
        Unavailable("answered 503", status=503),
        SourceStatus(name="made-up", status="failed", reason="unavailable: answered 503"),
    ),
    "only noise": (
        Reading(signals=(), noise=("Somebody",)),
        SourceStatus(name="made-up", status="ok"),
    ),
}


@pytest.mark.parametrize("name", STATUSES)
def test_a_source_says_how_it_did(name: str):
    """Issue of trends: ok, partial with rows expected and parsed, empty with a reason, failed."""
    reading, status = STATUSES[name]
    (found,) = gather(Told(reading)).statuses
    assert found == status.model_copy(update={"read_at": NOW})


def test_rows_of_a_torn_list_are_kept_aside_and_count_nowhere():
    """A partial parse is a failure: fewer rows are never called all."""
    found = gather(Told(TORN))
    assert (found.signals, [row.title for row in found.aside]) == ((), ["a", "b"])


def test_general_topics_are_held_against_what_everybody_looks_up():
    """Wikipedia's titles take the same words from general sources, written as a tag too."""
    talk = Reading(signals=(one("Mira Castellane"), one("#MiraCastellane", 2), one("Rust", 3)))
    general = Told(talk, facts=replace(FACTS, name="talk", general=True))
    noise = Told(Reading(signals=(), noise=("Mira Castellane",)), facts=replace(FACTS, name="wiki"))
    found = gather(general, Told(talk), noise)
    assert [row.title for row in found.signals] == [
        "Rust",
        "Mira Castellane",
        "#MiraCastellane",
        "Rust",
    ]
    assert found.statuses[0].reason == "2 are among what Wikipedia is read for"


def test_what_one_source_gives_is_bounded():
    """What is done with signals grows faster than they do, and would hold up everybody."""
    wordy = replace(one("a"), description="x" * 3_000_000)
    flood = tuple(one("b", rank) for rank in range(1, 2_002))
    found = gather(Told(Reading(signals=(wordy,))), Told(Reading(signals=flood)))
    assert [len(row.description) for row in found.signals] == [2_000]
    assert found.statuses[1].reason == "unreadable: 2,001 rows: 2,000 at most are read"


@pytest.mark.parametrize(
    "changes",
    [
        {"rank": 0},
        {"url": ""},
        {"url": "https://[::1"},
        {"url": "ftp://a.example/"},
        {"velocity_per_hour": math.nan},
    ],
)
def test_a_signal_that_nothing_can_be_made_of_is_its_source_s_error(changes: Mapping[str, Any]):
    """A source of another package that gives one fails alone; the others are told."""

    class Careless(Told):
        async def read(self, fetch: Fetch, now: datetime) -> Reading:
            del fetch, now
            return Reading(signals=(replace(one("a"), **changes),))

    found = gather(Careless(Reading(signals=())), Told(Reading(signals=(one("b"),))))
    assert [status.status for status in found.statuses] == ["failed", "ok"]


@pytest.mark.parametrize(
    "changes",
    [{"title": "\ud83d"}, {"tags": ("a", "\ud83d")}, {"language": "\udfff"}],
)
def test_a_signal_holds_no_half_character(changes: Mapping[str, Any]):
    """A source of another package may read without our parsers: the error is its own then."""
    with pytest.raises(ValueError, match="surrogates"):
        replace(one("a"), **changes)


# Keys


def test_a_source_without_its_key_is_off_and_says_what_to_set():
    """It is not asked, and not failed."""
    key = SourceKey(host="a.example.org", header="x-key")
    source = Told(Reading(signals=()), facts=replace(FACTS, key=key))
    (status,) = gather(source).statuses
    assert (status.status, status.reason) == ("off", "set FACTORY_KEY_MADE_UP")
    assert source.asked == []


def test_keys_come_by_environment_and_stay_out_of_sight(tmp_path: Path):
    """One variable a source, or the file that it names; other variables are none."""
    (tmp_path / "key").write_text("from-a-file\n", encoding="utf-8")
    environ = {
        "YOUTUBE_API_KEY": "a-youtube-key",
        "FACTORY_KEY_MADE_UP_FILE": str(tmp_path / "key"),
        "FACTORY_KEY_EMPTY": "",
        "FACTORY_KEYRING": "x",
    }
    settings = load_settings(environ, tmp_path)
    keys = {name: key.get_secret_value() for name, key in settings.source_keys.items()}
    assert keys == {
        "FACTORY_KEY_MADE_UP": "from-a-file",
        "YOUTUBE_API_KEY": "a-youtube-key",
    }
    assert "a-youtube-key" not in repr(settings)


def test_a_key_goes_to_the_one_host_that_it_is_declared_for(tmp_path: Path):
    """Added by the transport: neither the source nor another host sees it."""
    key = SourceKey(host="a.example.org", header="authorization", scheme="Bearer")
    hosts = ("a.example.org", "b.example.org")
    keyed = Told(Reading(signals=()), facts=replace(FACTS, hosts=hosts, key=key))
    other = Told(Reading(signals=()), facts=replace(FACTS, name="o", hosts=("c.example.org",)))
    keys = load_settings({"FACTORY_KEY_MADE_UP": "a-made-up-key"}, tmp_path).source_keys
    assert site_origins([keyed, other], keys) == (
        Origin(
            service="site",
            base="https://a.example.org",
            headers={"authorization": "Bearer a-made-up-key"},
        ),
        Origin(service="site", base="https://b.example.org"),
        Origin(service="site", base="https://c.example.org"),
    )


def test_a_source_can_ask_no_host_that_it_does_not_declare():
    """Another source's site is a stranger's, whatever the guard would let through."""

    async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        del headers, body
        return Answer(status=200, content_type="application/json", body=b"[]", url=url)

    listing = Listing(name="x", address="https://b.example.org/", parse=lambda _a, _n: (one("a"),))
    source = ListedSource(facts=FACTS, listings=lambda _now: [listing])
    (status,) = gather(source, fetch=fetch).statuses
    assert (status.status, "does not declare" in status.reason) == ("failed", True)


# When it is asked again


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(open_engine(f"sqlite:///{tmp_path}/state.db"), owner="token")


def test_nobody_is_asked_again_before_its_time(cache: Cache):
    """The last answer's signals are given, and its time is told."""
    source = Told(Reading(signals=(one("a"),)))
    first = gather(source, cache=cache)
    later = gather(source, cache=cache, at=NOW + timedelta(minutes=59))
    assert source.asked == [NOW]
    assert later == first
    assert later.statuses[0].read_at == NOW
    gather(source, cache=cache, at=NOW + timedelta(minutes=60))
    assert len(source.asked) == 2


@pytest.mark.parametrize(
    ("reading", "seconds"),
    [
        (Unavailable("later", status=429, retry_after_seconds=90), 90),
        (Unavailable("down", status=503), 0),
        (TORN, 0),
        (Reading(signals=(), wait_seconds=7200), 7200),
        (Unavailable("later", status=429, retry_after_seconds=1e12), LONGEST_PATIENCE_SECONDS),
        (Reading(signals=(), wait_seconds=math.inf), LONGEST_PATIENCE_SECONDS),
    ],
)
def test_what_failed_is_asked_again_unless_the_site_wants_patience(
    cache: Cache, reading: Reading | FactoryError, seconds: float
):
    """`Retry-After`, and Stack Exchange's `backoff`; a slip of theirs is no end of all days."""
    source = Told(reading)
    gather(source, cache=cache)
    if seconds:
        gather(source, cache=cache, at=NOW + timedelta(seconds=seconds - 1))
        assert len(source.asked) == 1
    gather(source, cache=cache, at=NOW + timedelta(seconds=seconds))
    assert len(source.asked) == 2


def test_what_was_kept_by_another_program_is_asked_for_anew(cache: Cache):
    """Another declaration, or bytes that no longer mean anything."""
    source = Told(Reading(signals=(one("a"),)))
    gather(source, cache=cache)
    gather(replace(source, facts=replace(FACTS, refresh_seconds=7200)), cache=cache)
    tag = cache.all("trend")["made-up"].tag
    cache.keep("trend", {"made-up": Entry(tag=tag, read_at=NOW, body=b"{}")})
    gather(replace(source, facts=replace(FACTS, refresh_seconds=7200)), cache=cache)
    assert len(source.asked) == 3


# Lists of one source


def rows(*titles: str) -> Answer:
    body = json.dumps(list(titles)).encode()
    return Answer(status=200, content_type="application/json", body=body, url="https://a/")


def read_titles(found: Answer, now: datetime) -> tuple[Signal, ...]:
    del now
    return tuple(one(title, rank) for rank, title in enumerate(json.loads(found.body), 1))


def listed(*names: str, wait: float = 0.0, **more: str) -> ListedSource:
    return ListedSource(
        facts=FACTS,
        listings=lambda _now: [
            Listing(
                name=name,
                address=f"https://a.example.org/{name}",
                parse=read_titles,
                wait=lambda _answer: wait,
                **more,  # pyright: ignore[reportArgumentType] may_be_empty alone
            )
            for name in names
        ],
        at_once=False,
    )


async def by_name(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
    del headers, body
    name = url.rpartition("/")[2]
    if name == "down":
        raise Unavailable("answered 503", status=503)
    return rows() if name == "none" else rows(name, "both")


def test_lists_are_put_together_and_what_failed_is_named():
    """A signal of two lists is kept where it came first."""
    found = gather(listed("day", "down", "week"), fetch=by_name)
    assert [row.title for row in found.signals] == ["day", "both", "week"]
    assert found.statuses[0].reason == "down failed: answered 503"


def test_an_empty_list_is_believed_only_where_it_is_said_why():
    """Nothing at all is not a quiet day."""
    (failed,) = gather(listed("none"), fetch=by_name).statuses
    (empty,) = gather(listed("none", may_be_empty="quiet"), fetch=by_name).statuses
    assert (failed.status, "holds 0 rows" in failed.reason) == ("failed", True)
    assert (empty.status, empty.reason) == ("empty", "quiet")


def test_after_a_wish_for_patience_the_rest_is_not_asked():
    """Stack Exchange's `backoff` holds for the next call of the same method."""
    found = gather(listed("day", "week", wait=9.0), fetch=by_name)
    assert [row.title for row in found.signals] == ["day", "both"]
    assert "week failed: not asked: the site wants 9 s" in found.statuses[0].reason


# Sources of other packages

PLUGIN = """
from mcp_server.trends import Reading, SourceFacts, SourceKey

def facts(name="{name}", hosts=("news.example.org",), **more):
    return SourceFacts(name=name, hosts=hosts, addresses=(), refresh_seconds=60,
                       rate="", terms="", numbers="", **more)

class Source:
    facts = facts()
    async def read(self, fetch, now):
        return Reading(signals=(), notes=("asked",))

class Bad(Source): pass
class Taken(Source): facts = facts(name="devto")
class Api(Source): facts = facts(name="api", hosts=("api.github.com",))
class Local(Source): facts = facts(name="local", hosts=("127.0.0.1",))
class Key(Source): facts = facts(name="key", key=SourceKey(host="b.example.org", header="x"))
Bad.facts = None
source = Source()
raise_ = 1 / {divisor}
"""


def declared(folder: Path, monkeypatch: pytest.MonkeyPatch, *values: str) -> list[EntryPoint]:
    """Install a package that declares these sources; return its entry points."""
    module = f"plugin_{folder.name.replace('-', '_')}"
    text = PLUGIN.format(name="their-news", divisor=1)
    (folder / f"{module}.py").write_text(text, encoding="utf-8")
    info = folder / "plugin-1.0.dist-info"
    info.mkdir()
    lines = "\n".join(
        f"s{nth} = {value.replace('PLUGIN', module)}" for nth, value in enumerate(values)
    )
    (info / "METADATA").write_text("Name: plugin\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    context = DistributionFinder.Context(path=[str(folder)])
    found: list[Distribution] = list(MetadataPathFinder().find_distributions(context))
    return [entry for one in found for entry in one.entry_points]


def test_a_source_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A class or a value; read like any other."""
    found = sources_of(declared(tmp_path, monkeypatch, "PLUGIN:Source"))
    assert [source.facts.name for source in found] == ["their-news"]
    (status,) = gather(*found).statuses
    assert (status.status, status.reason) == ("empty", "asked")
    (value,) = sources_of(declared_value(found[0]))
    assert value.facts.hosts == ("news.example.org",)


def declared_value(source: TrendSource) -> list[EntryPoint]:
    return [EntryPoint("s", f"{type(source).__module__}:source", GROUP)]


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        ("PLUGIN:Bad", "no SourceFacts"),
        ("PLUGIN:Taken", "'devto' is taken"),
        ("PLUGIN:Api", "api.github.com"),
        ("PLUGIN:Local", "127.0.0.1"),
        ("PLUGIN:Key", "b.example.org"),
        ("PLUGIN:Nothing", "AttributeError"),
        ("no_such_module_here:x", "ModuleNotFoundError"),
    ],
)
def test_a_source_that_cannot_be_used_is_told_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, trouble: str
):
    """A broken package costs itself; no name, host or key is another's."""
    found = sources_of(declared(tmp_path, monkeypatch, value), ["devto"])
    (status,) = gather(*found).statuses
    assert (status.name, status.status) == ("entry-point-s0", "failed")
    assert trouble in status.reason


def test_the_template_of_the_guide_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """docs/adding-a-source.md, as it stands there: found, read, and strict."""
    guide = (Path(__file__).parents[1] / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "example_news.py").write_text(block, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (source,) = sources_of([EntryPoint("example-news", "example_news:SOURCE", GROUP)])
    story = {"title": "A &amp; B", "url": "https://github.com/a/b", "votes": 6}
    told = {**story, "created_at": "2026-11-23T01:00:00Z"}

    def read(*stories: object) -> Gathered:
        async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
            del headers, body
            body = json.dumps({"stories": stories}).encode()
            return Answer(status=200, content_type="application/json", body=body, url=url)

        keyed = ["FACTORY_KEY_EXAMPLE_NEWS"]
        return run_virtual(read_all([source], fetch, LoopClock(NOW), 30, keyed=keyed))

    (found,) = read(told).signals
    assert (found.title, found.repo, found.velocity_per_hour) == ("A & B", "a/b", 3.0)
    assert (read(told, story).statuses[0].status, read().statuses[0].status) == (
        "partial",
        "failed",
    )


def test_our_own_sources_are_all_usable():
    """By the same rules as anybody else's: names apart, hosts by name, a key for an own host."""
    facts = [source.facts for source in load_sources()]
    assert len({one.name for one in facts}) == len(facts)
    assert all(one.key is None or one.key.host in one.hosts for one in facts)
    assert all(one.rate and one.terms and one.numbers and one.refresh_seconds for one in facts)

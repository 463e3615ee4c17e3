"""Every recorded answer of a trend source is read to the last row or refused; so is damage to it.

What a file should come to is the manifest's word, never the parser's.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from mcp_server.clock import LoopClock
from mcp_server.errors import Unreadable
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.sites import Sites
from mcp_server.trends import (
    Answer,
    devto,
    github_issues,
    github_search,
    github_trending,
    google_trends,
    hackernews,
    hashnode,
    load_sources,
    lobsters,
    mastodon,
    packages,
    producthunt,
    read_all,
    reddit,
    stackexchange,
    wikipedia,
    youtube,
)
from mcp_server.trends.signal import Torn
from tests.shared_data import CAPTURES, capture, need_captures

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
TYPES = {".html": "text/html", ".json": "application/json", ".xml": "application/rss+xml"}

Parser = Callable[[Answer, datetime], object]


def answer_of(body: bytes, kind: str = "application/json", *, status: int = 200) -> Answer:
    return Answer(status=status, content_type=kind, body=body, url="https://site.example/list")


def recorded(name: str) -> Answer:
    return answer_of(capture(name), TYPES.get(Path(name).suffix, "text/plain"))


KEYED = [source.facts.variable for source in load_sources()]


@cache
def invented() -> Mapping[str, Answer]:
    """Return an answer for every address that the sources ask the sandbox's sites for."""
    asked: dict[str, Answer] = {}
    sites = Sites(seed=1, directory=None)

    async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        del headers, body
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        status, kinds, body = sites.answer(parts.hostname or "", parts.path, query, NOW)
        asked[url] = answer_of(body, kinds["Content-Type"], status=status)
        return asked[url]

    run_virtual(read_all(load_sources(), fetch, LoopClock(NOW), 30, keyed=KEYED))
    return asked


PARSERS: dict[str, Parser] = {
    "trending": lambda answer, _now: github_trending.parse(answer),
    "devto": devto.parse,
    "search": github_search.parse,
    "issues": github_issues.parse,
    "google": google_trends.parse,
    "hits": hackernews.parse_hits,
    "ids": lambda answer, _now: hackernews.parse_ids(answer),
    "hashnode": hashnode.parse,
    "lobsters": lobsters.parse,
    "links": partial(mastodon.parse, name="title"),
    "tags": partial(mastodon.parse, name="name"),
    "launches": producthunt.parse,
    "reddit": reddit.parse,
    "questions": stackexchange.parse,
    "wikipedia": lambda answer, _now: wikipedia.parse(answer),
    "videos found": lambda answer, _now: youtube.parse_search(answer),
    "videos": partial(youtube.parse_videos, asked=()),
}

# File, parser, rows. Item by item and page by page, test_trend_parsers.py compares the fields.
READ = [
    ("devto/articles_list_2024-11.json", "devto", 30),
    ("devto/articles_me_published_2026-06.json", "devto", 39),
    ("devto/articles_two_emoji_2021-07.json", "devto", 2),
    ("github-api/search_repositories_page1.json", "search", 30),
    ("github-api/search_repositories_no_results.json", "search", 0),
    ("github-trending/trending_daily_2024-04.html", "trending", 25),
    ("github-trending/trending_daily_2026-04-26.html", "trending", 20),
    ("github-trending/trending_monthly_2022-01_h1_markup.html", "trending", 25),
    ("github-trending/trending_purescript_empty_blankslate_2019-06.html", "trending", 0),
    ("github-trending/trending_typescript_2025-01-06.html", "trending", 17),
    ("google-trends/rss_trending_VN_2026-08-26.partial.xml", "google", 2),
    ("hackernews/algolia_search_by_date_2026-04-25.json", "hits", 3),
    ("hackernews/firebase_askstories_2019-11.json", "ids", 35),
    ("hackernews/firebase_showstories_2019-11.json", "ids", 47),
    ("hackernews/firebase_topstories_2019-11.json", "ids", 419),
    *((f"lobsters/{name}.json", "lobsters", 25) for name in (
        "hottest_2022-02-08T1003Z",
        "hottest_2023-11-01T1703Z",
        "hottest_2023-11-01T1804Z",
        "hottest_2023-11-01T1903Z",
        "hottest_2023-11-01T2003Z",
        "hottest_2023-11-01T2103Z",
        "hottest_2023-11-02T1604Z",
        "hottest_2025-02-14",
        "hottest_fork_2024-03-15T1817Z",
        "newest_2023-11-02T1604Z",
    )),
    ("mastodon/trends_links_empty.json", "links", 0),
    ("mastodon/trends_tags_social.tchncs.de_2022.json", "tags", 10),
    ("reddit/rss_r_pics_2025-12-30.xml", "reddit", 1),
    ("stackexchange/v2x_search_wrapper_2021-12.json", "questions", 25),
    ("stackexchange/v22_users_empty_items_2015-05-31.json", "questions", 0),
    ("youtube/search_list_keywords_p1.json", "videos found", 25),
]  # fmt: skip

# File, parser, rows that could be read, rows there are: it is told as partial or failed.
IN_PART = [
    # Written without a search's words by who trimmed it.
    ("google-trends/rss_trending_KR_2026-09-02.partial.xml", "google", 2, 3),
    # The retired daily feed: its traffic is in another namespace.
    ("google-trends/rss_legacy_daily_PT_2023-11-18.partial.xml", "google", 0, 3),
    # People, where repositories are due.
    ("github-trending/trending_developers_2024-04.html", "trending", 0, 47),
    # Topics, where repositories are due.
    ("github-api/search_topics.json", "search", 0, 6),
    # Their authors took titles and addresses out.
    ("stackexchange/v22_stackexchange_question_page_2016-04.json", "questions", 0, 2),
    ("stackexchange/v22_stackexchange_question_page_2_2016-04.json", "questions", 0, 2),
    ("stackexchange/v22_stackexchange_question_backoff_page_2016-04.json", "questions", 0, 2),
    # Asked for without `statistics`.
    ("youtube/videos_list_mostPopular_page1_2019-12.json", "videos", 0, 5),
    ("youtube/videoCategories_by_region.json", "videos", 0, 32),
]
# Read item by item in test_trend_parsers.py: one Firebase item each, or arrays of them.
ITEMS = "hackernews/firebase_item"
# What is no answer of a site that we ask: errors, pages in the place of data, retired interfaces,
# interfaces that need a login, and lists that a collector has put into a form of his own.
REFUSED: Mapping[str, tuple[str, ...]] = {
    "devto": ("devto",),
    "github-api": ("search", "issues"),
    "github-trending": ("trending",),
    "google-trends": ("google",),
    "hackernews": ("hits", "ids"),
    "hashnode": ("hashnode",),
    "lobsters": ("lobsters",),
    "multi": ("hits", "trending"),
    "producthunt": ("launches",),
    "reddit": ("reddit",),
    "stackexchange": ("questions",),
    "wikipedia": ("wikipedia",),
    "youtube": ("videos found", "videos"),
}


@pytest.mark.parametrize(("name", "parser", "rows"), READ)
def test_a_recorded_answer_is_read_to_its_last_row(name: str, parser: str, rows: int):
    """Counts by the manifest or by the file itself."""
    assert len(cast("list[object]", PARSERS[parser](recorded(name), NOW))) == rows


@pytest.mark.parametrize(("name", "parser", "whole", "rows"), IN_PART)
def test_what_cannot_be_read_in_full_says_how_much_of_it(
    name: str, parser: str, whole: int, rows: int
):
    """Fewer rows are never called the list."""
    with pytest.raises(Torn) as caught:
        PARSERS[parser](recorded(name), NOW)
    assert (len(caught.value.rows), caught.value.expected) == (whole, rows)


def test_every_other_recording_is_refused():
    """And each file of these sources is in one of the tables."""
    need_captures()
    known = {name for name, *_ in (*READ, *IN_PART)}
    others = [
        f"{folder}/{path.name}"
        for folder in (*REFUSED, "mastodon")
        for path in sorted((CAPTURES / folder).iterdir())
    ]
    others = [name for name in others if name not in known and not name.startswith(ITEMS)]
    for name in others:
        for parser in REFUSED[name.partition("/")[0]]:
            with pytest.raises(Unreadable):
                PARSERS[parser](recorded(name), NOW)
    assert len(others) == 54


def test_fields_of_the_new_sources_come_out_as_they_were_recorded():
    """One row of each shape, against the file's own fields."""
    stories = lobsters.parse(recorded("lobsters/hottest_2025-02-14.json"), NOW)
    raw = json.loads(capture("lobsters/hottest_2025-02-14.json"))
    assert [(s.title, s.points, s.comments, s.url) for s in stories] == [
        (
            " ".join(r["title"].split()),
            r["score"],
            r["comment_count"],
            r["url"] or r["comments_url"],
        )
        for r in raw
    ]
    name = "stackexchange/v2x_search_wrapper_2021-12.json"
    questions = stackexchange.parse(recorded(name), NOW)
    assert [(q.points, q.comments, q.tags) for q in questions] == [
        (r["score"], r["answer_count"], tuple(r["tags"]))
        for r in json.loads(capture(name))["items"]
    ]
    assert not [q.title for q in questions if "&quot;" in q.title or "&#39;" in q.title]
    tags = mastodon.parse(
        recorded("mastodon/trends_tags_social.tchncs.de_2022.json"), NOW, name="name"
    )
    assert (tags[0].title, tags[0].points, tags[0].velocity_estimated) == ("mytopshelf", 71, False)
    hogs, place = google_trends.parse(
        recorded("google-trends/rss_trending_VN_2026-08-26.partial.xml"), NOW
    )
    assert (hogs.points, place.points) == (200, 20_000)
    assert hogs.url != place.url
    assert hogs.at == datetime(2026, 8, 27, 5, tzinfo=UTC)
    (post,) = reddit.parse(recorded("reddit/rss_r_pics_2025-12-30.xml"), NOW)
    assert (post.points, post.tags) == (0, ("pics",))
    assert post.at == datetime(2025, 12, 29, 23, 22, 35, tzinfo=UTC)
    found = github_search.parse(recorded("github-api/search_repositories_page1.json"), NOW)
    raw = json.loads(capture("github-api/search_repositories_page1.json"))["items"]
    assert [(r.repo, r.points) for r in found] == [
        (r["full_name"], r["stargazers_count"]) for r in raw
    ]


@pytest.mark.parametrize(
    ("text", "searches"),
    [
        ("200+", 200),
        ("5,000+", 5_000),
        ("20K+", 20_000),
        ("2 mi+", 2_000_000),
        ("1.5M+", 1_500_000),
    ],
)
def test_traffic_is_read_in_all_its_spellings(text: str, searches: int):
    """facts/trend-sources.md 4."""
    assert google_trends.traffic(text) == searches


@pytest.mark.parametrize("text", ["", "many", "+", "5 dozen+"])
def test_traffic_in_other_words_is_no_number(text: str):
    """A row that cannot be read, not a zero."""
    with pytest.raises(ValueError, match="no traffic"):
        google_trends.traffic(text)


def test_a_wish_for_patience_is_read():
    """0.2 s in the recording, none in most answers."""
    name = "stackexchange/v22_stackexchange_question_backoff_page_2016-04.json"
    assert stackexchange.backoff(recorded(name)) == 0.2
    assert stackexchange.backoff(answer_of(b'{"items": []}')) == 0
    for odd in (b'"soon"', b"-5", b"NaN", b"1e400"):
        with pytest.raises(Unreadable, match="backoff"):
            stackexchange.backoff(answer_of(b'{"backoff": ' + odd + b"}"))


def test_a_search_that_github_could_not_end_is_not_a_whole_answer():
    """`incomplete_results`: it ran out of time."""
    with pytest.raises(Torn, match="not a whole answer"):
        github_search.parse(answer_of(b'{"incomplete_results": true, "items": []}'), NOW)


def test_a_private_repository_is_no_trend():
    """A search with the user's token would find them: it asks for public ones, and looks again."""
    queries = [dict(parse_qsl(urlsplit(one.address).query)) for one in _searches()]
    assert all("is:public" in query["q"].split() for query in queries)
    rows = json.loads(invented()[_searches()[0].address].body)
    rows["items"][0]["private"] = True
    with pytest.raises(Torn):
        github_search.parse(answer_of(json.dumps(rows).encode()), NOW)


def _searches():
    return [*github_search.SOURCE.listings(NOW), *github_issues.SOURCE.listings(NOW)]


# XML


@pytest.mark.parametrize(
    "start",
    [
        b'<!DOCTYPE rss [<!ENTITY a "aaaa">]>',
        b'<?xml version="1.0"?><!DOCTYPE rss SYSTEM "https://evil.example/x.dtd">',
        b"<!-- a --><!DOCTYPE rss><!-- b -->",
        b'<?xml version="1.0" encoding="UTF-7"?>',
        b"<html><body>consent</body></html>",
        pytest.param(b'<?xml version="1.0"?>' + b"\n" * 100_000 + b"<html/>", id="far away"),
    ],
)
def test_a_feed_with_a_document_type_or_another_beginning_is_not_parsed(start: bytes):
    """What could grow or fetch begins there; other encodings could hide it."""
    body = start + b'<rss version="2.0"><channel></channel></rss>'
    with pytest.raises(Unreadable, match="begin as a plain feed"):
        packages.parse_pypi(answer_of(body, "text/xml"), NOW)


def test_a_feed_in_another_encoding_is_not_parsed():
    """UTF-16 would hide a document type from whoever looks for its letters."""
    body = '<?xml version="1.0"?><!DOCTYPE rss><rss/>'.encode("utf-16")
    with pytest.raises(Unreadable):
        packages.parse_pypi(answer_of(body, "text/xml"), NOW)


def test_words_about_a_document_type_are_words():
    """Inside an item they are text."""
    feed = (
        "<rss><channel><item><title>x</title><link>https://a.example/</link>"
        "<description><![CDATA[<!DOCTYPE html>]]></description></item></channel></rss>"
    )
    (found,) = hashnode.parse(answer_of(feed.encode(), "text/xml"), NOW)
    assert found.description == "<!DOCTYPE html>"

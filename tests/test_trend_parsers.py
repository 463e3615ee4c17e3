"""The three trend sources against recordings, and against what goes wrong with them.

Expected values are taken from the raw bytes by regex or from the JSON fields, never by the parsers.
"""

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_server.errors import Unavailable, Unreadable
from mcp_server.trends import Answer, Signal
from mcp_server.trends import devto as devto_source
from mcp_server.trends import github_trending as trending_source
from mcp_server.trends import hackernews as hn_source
from mcp_server.trends.signal import Torn
from tests.shared_data import capture

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
URL = "https://site.example/list"

Json = Any


def page(body: bytes | str, *, status: int = 200) -> Answer:
    raw = body.encode() if isinstance(body, str) else body
    return Answer(status=status, content_type="text/html; charset=utf-8", body=raw, url=URL)


def data(value: Json, *, status: int = 200) -> Answer:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Answer(status=status, content_type="application/json", body=raw, url=URL)


# GitHub trending


@dataclass(frozen=True)
class Recording:
    """A recorded page of repositories: how many rows, and what its star counts count."""

    name: str
    rows: int
    period: str
    hours: int


RECORDINGS = [
    Recording("trending_monthly_2022-01_h1_markup.html", 25, "this month", 720),
    Recording("trending_daily_2024-04.html", 25, "today", 24),
    Recording("trending_typescript_2025-01-06.html", 17, "today", 24),
    Recording("trending_daily_2026-04-26.html", 20, "today", 24),
]


def stripped(markup: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", markup)).split())


def row_by_regex(rank: int, row: str, recording: Recording) -> Signal:
    repo = re.findall(r'href="/([^"]+)/stargazers"', row)[0]
    total = re.findall(r'/stargazers".*?</svg>\s*([\d,]+)', row, re.DOTALL)[0]
    gained = re.findall(rf"([\d,]+) stars? {recording.period}", row)[0]
    text = re.findall(r'<p class="col-9[^>]*>(.*?)</p>', row, re.DOTALL)
    language = re.findall(r'itemprop="programmingLanguage">([^<]+)<', row)
    return Signal(
        source="github-trending",
        rank=rank,
        title=repo,
        description=stripped(text[0]) if text else "",
        url=f"https://github.com/{repo}",
        repo=repo,
        language=html.unescape(language[0]) if language else None,
        points=int(total.replace(",", "")),
        velocity_per_hour=int(gained.replace(",", "")) / recording.hours,
        velocity_estimated=False,
    )


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda r: r.name)
def test_every_row_of_a_recorded_trending_page_is_read_in_full(recording: Recording):
    """Markup of 2022 (h1), 2024, 2025 and 2026 (h2, tmp- classes); sponsor buttons among them."""
    body = capture(f"github-trending/{recording.name}")
    rows = re.findall(r'<article class="Box-row">.*?</article>', body.decode(), re.DOTALL)
    expected = [row_by_regex(rank, row, recording) for rank, row in enumerate(rows, 1)]
    assert len(expected) == recording.rows
    assert list(trending_source.parse(page(body))) == expected


def test_rows_without_language_or_description_are_rows():
    """The page of April 2024 holds one row without language and one without description."""
    signals = trending_source.parse(page(capture("github-trending/trending_daily_2024-04.html")))
    assert sum(signal.language is None for signal in signals) == 1
    assert sum(signal.description == "" for signal in signals) == 1


def test_a_blankslate_page_is_an_honest_nothing():
    """PureScript had no trending repositories in June 2019, and the page says so."""
    name = "github-trending/trending_purescript_empty_blankslate_2019-06.html"
    assert trending_source.parse(page(capture(name))) == ()


def test_a_page_of_developers_is_unreadable():
    """Wrong page type: rows of people, whose first links are no repositories."""
    body = capture("github-trending/trending_developers_2024-04.html")
    with pytest.raises(Unreadable, match=r"0 of \d+ rows"):
        trending_source.parse(page(body))


def renamed_slate(body: str) -> str:
    return body.replace("blankslate", "nothingness")


def first_row(change: Callable[[str], str]) -> Callable[[str], str]:
    def damage(body: str) -> str:
        start, end = body.index("<article"), body.index("</article>") + len("</article>")
        return body[:start] + change(body[start:end]) + body[end:]

    return damage


DAMAGES: dict[str, tuple[str, Callable[[str], str]]] = {
    "heading gone": ("24 of 25", first_row(lambda row: row.replace("h2", "h5"))),
    "row no article": ("24 of 25", first_row(lambda row: row.replace("article", "section"))),
    "Star as count": (
        "24 of 25",
        first_row(
            lambda row: re.sub(
                r"(/stargazers.*?</svg>)\s*[\d,]+", r"\1 Star", row, count=1, flags=re.S
            )
        ),
    ),
    "no period": ("24 of 25", first_row(lambda row: re.sub("stars? today", "stars", row))),
    "no articles": ("0 of 25|0 rows|25", lambda body: body.replace("article", "section")),
    "cut off": ("breaks off", lambda body: body[: body.index("</article>") + 10]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_trending_page_fails_and_says_how_much_was_lost(name: str):
    """Our rule: fewer rows than the page holds is a failure, never a shorter list."""
    said, damage = DAMAGES[name]
    body = capture("github-trending/trending_daily_2024-04.html").decode()
    damaged = damage(body)
    assert damaged != body
    with pytest.raises(Unreadable, match=said):
        trending_source.parse(page(damaged))


def test_no_rows_without_a_blankslate_is_a_failure():
    """A layout change must not look like a quiet day."""
    name = "github-trending/trending_purescript_empty_blankslate_2019-06.html"
    with pytest.raises(Unreadable, match="no rows"):
        trending_source.parse(page(renamed_slate(capture(name).decode())))


def trending_row(*, text: str = "Text", stars: str = "12 stars today") -> str:
    return (
        '<!DOCTYPE html><html><body><article class="Box-row"><h2><a href="/a/b">a /\n b</a></h2>'
        f'<p>{text}</p><a href="/a/b/stargazers">1,234</a><span>\n{stars}\n</span></article>'
        "</body></html>"
    )


def test_a_page_of_more_tags_than_pages_have_is_not_parsed():
    """A parser's time grows with the square of their depth: it would hold up every other source."""
    nested = "<div>" * 400_000
    with pytest.raises(Unreadable, match="400,005 tags"):
        trending_source.parse(page(f"<html><body><article>{nested}</body></html>"))


def test_a_single_star_and_a_week_are_read():
    """GitHub writes `1 star today`; weekly pages write `this week`."""
    single = trending_source.parse(page(trending_row(stars="1 star today")))[0]
    weekly = trending_source.parse(page(trending_row(stars="1,680 stars this week")))[0]
    assert (single.velocity_per_hour, weekly.velocity_per_hour) == (1 / 24, 10.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Q&amp;amp;A &amp;quot;now&amp;quot;", 'Q&A "now"'),
        ("it&#39;s &#x1F600; &lt;b&gt;", "it's 😀 <b>"),
        ("<g-emoji>🦊</g-emoji> مرحبا 你好", "🦊 مرحبا 你好"),
        ("said 9 stars today", "said 9 stars today"),
    ],
)
def test_texts_come_out_as_people_see_them(text: str, shown: str):
    """Entities once and twice escaped, emoji, right-to-left and CJK text, a decoy of a count."""
    signal = trending_source.parse(page(trending_row(text=text)))[0]
    assert (signal.description, signal.velocity_per_hour) == (shown, 0.5)


@pytest.mark.parametrize("href", ["/a/b/issues", "/a", "/trending/b", "https://evil.example/a/b"])
def test_a_heading_that_links_elsewhere_is_no_repository(href: str):
    """Only `/owner/name` names one; GitHub's own pages have two segments too."""
    with pytest.raises(Unreadable, match="0 of 1 rows"):
        trending_source.parse(page(trending_row().replace('"/a/b"', f'"{href}"')))


# Dev.to


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("articles_list_2024-11.json", 30),
        ("articles_me_published_2026-06.json", 39),
        ("articles_two_emoji_2021-07.json", 2),
    ],
)
def test_every_recorded_article_is_read_in_full(name: str, rows: int):
    """Real Forem lists, spam and emoji included; fields compared with the JSON itself."""
    body = capture(f"devto/{name}")
    raw: list[dict[str, Json]] = json.loads(body)
    expected = [
        (
            rank,
            " ".join(a["title"].split()),
            a["url"],
            a["public_reactions_count"],
            a["comments_count"],
            tuple(a["tag_list"]),
            datetime.strptime(a["published_timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        )
        for rank, a in enumerate(raw, 1)
    ]
    found = devto_source.parse(data(body), NOW)
    assert len(expected) == rows
    assert [(s.rank, s.title, s.url, s.points, s.comments, s.tags, s.at) for s in found] == expected


def article(**changes: Json) -> dict[str, Json]:
    return {"title": "T", "url": "https://dev.to/a/b", **changes}


@pytest.mark.parametrize(
    ("fields", "points", "comments"),
    [
        ({"positive_reactions_count": 7}, 7, 0),
        ({"public_reactions_count": 0, "positive_reactions_count": 7}, 0, 0),
        ({"public_reactions_count": "1,234", "comments_count": "5"}, 1234, 5),
        ({"public_reactions_count": None, "comments_count": None}, 0, 0),
    ],
)
def test_numbers_may_be_strings_null_or_missing(fields: Json, points: int, comments: int):
    """Older answers hold only `positive_reactions_count`; some collectors send strings."""
    signal = devto_source.parse(data([article(**fields)]), NOW)[0]
    assert (signal.points, signal.comments) == (points, comments)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-11-22T01:00:00Z", NOW - timedelta(hours=2)),
        ("2026-11-22T02:00:00.000+01:00", NOW - timedelta(hours=2)),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
    ],
)
def test_velocity_is_the_count_over_the_age(stamp: str | None, at: datetime | None):
    """Reactions and comments an hour; without a usable time the velocity is 0."""
    fields = article(published_timestamp=stamp, public_reactions_count=9, comments_count=1)
    signal = devto_source.parse(data([fields]), NOW)[0]
    assert (signal.at, signal.velocity_per_hour) == (at, 5.0 if at else 0.0)
    assert signal.velocity_estimated


@pytest.mark.parametrize(
    "bad",
    [
        article(title=None),
        article(title=" \u00a0 "),
        article(url="javascript:alert(1)"),
        article(url="https://dev.to/a\u202eb"),
        article(comments_count="many"),
        article(published_timestamp="soon"),
        None,
        "text",
    ],
)
def test_one_bad_article_fails_the_list_and_is_counted(bad: Json):
    """Our rule for lists: all rows, or a failure that says how many of how many."""
    with pytest.raises(Unreadable, match="2 of 3 rows"):
        devto_source.parse(data([article(), bad, article()]), NOW)


def test_tags_of_a_single_article_are_a_string():
    """List answers give an array, the single-article answer a string."""
    signal = devto_source.parse(data([article(tag_list="webdev, css")]), NOW)[0]
    assert signal.tags == ("webdev", "css")


def test_a_double_escaped_title_is_resolved():
    """Some collectors escape what the platform had escaped already."""
    signal = devto_source.parse(data([article(title="a &amp;quot;b&amp;quot; &#39;c")]), NOW)[0]
    assert signal.title == 'a "b" \'c'


@pytest.mark.parametrize(
    "changes",
    [
        {"positive_reactions_count": 2**63},
        {"comments_count": -(2**63)},
        {"positive_reactions_count": 10**400, "published_at": "2026-11-21T00:00:00Z"},
        {"published_at": "9999-12-31T23:59:59-12:00"},
    ],
)
def test_a_number_that_nothing_can_hold_tears_its_list_alone(changes: Json):
    """No calendar and no column goes so far: further on it would end the reading of all sources."""
    with pytest.raises(Torn, match="1 of 2 rows"):
        devto_source.parse(data([article(), article(**changes)]), NOW)


def test_half_a_character_in_a_tag_is_marked():
    """Tags are kept as they are, and must be fit to be written."""
    (signal,) = devto_source.parse(data([article(tag_list=["a\ud83d"])]), NOW)
    assert signal.tags == ("a\ufffd",)


def test_half_a_character_is_dropped():
    """JSON can escape a lone surrogate, which nothing could write afterwards."""
    signal = devto_source.parse(data(b'[{"title":"a\\ud83d b","url":"https://dev.to/x"}]'), NOW)[0]
    assert signal.title == "a b"


# Hacker News


def hn_fields(item: Mapping[str, Json], rank: int) -> Json:
    url = item.get("url") or f"https://news.ycombinator.com/item?id={item['id']}"
    repo = re.match(r"https?://github\.com/([\w-]+/[\w.-]+)", url)
    return (
        rank,
        " ".join(html.unescape(item["title"]).split()),
        url,
        repo[1] if repo else None,
        item["score"],
        item.get("descendants", 0),
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=item["time"]),
    )


@pytest.mark.parametrize(
    ("name", "stories", "others"),
    [
        ("firebase_items_topstories_2019-11-11.json", 249, 1),
        ("firebase_items_showstories_2019-11.json", 56, 0),
    ],
)
def test_recorded_items_are_stories_or_left_out(name: str, stories: int, others: int):
    """Real items: Ask HN without address and one job advertisement among them."""
    items: list[dict[str, Json]] = json.loads(capture(f"hackernews/{name}"))
    found = [hn_source.parse_item(data(item), rank, NOW) for rank, item in enumerate(items, 1)]
    expected = [
        hn_fields(item, rank) for rank, item in enumerate(items, 1) if item["type"] == "story"
    ]
    assert (len(expected), found.count(None)) == (stories, others)
    assert [
        (s.rank, s.title, s.url, s.repo, s.points, s.comments, s.at) for s in found if s
    ] == expected


@pytest.mark.parametrize(
    "name", ["firebase_item_null_2019-11.json", "firebase_item_21501055_2019-11.json"]
)
def test_null_and_deleted_items_are_no_stories(name: str):
    """As recorded: the value null, and a deleted comment without title."""
    assert hn_source.parse_item(data(capture(f"hackernews/{name}")), 1, NOW) is None


@pytest.mark.parametrize("mark", ["deleted", "dead"])
def test_dead_and_deleted_stories_are_left_out(mark: str):
    """Such items may keep or lose their title."""
    assert hn_source.parse_item(data({"id": 1, "type": "story", mark: True}), 1, NOW) is None


def test_recorded_hits_are_read():
    """Algolia as of 25 April 2026; the time is checked against its ISO twin."""
    body = capture("hackernews/algolia_search_by_date_2026-04-25.json")
    hits: list[dict[str, Json]] = json.loads(body)["hits"]
    assert [
        (s.rank, s.title, s.url, s.points, s.comments, s.at, s.tags)
        for s in hn_source.parse_hits(data(body), NOW)
    ] == [
        (
            rank,
            hit["title"],
            hit["url"],
            hit["points"],
            hit["num_comments"],
            datetime.fromisoformat(hit["created_at"].replace("Z", "+00:00")),
            ("story",),
        )
        for rank, hit in enumerate(hits, 1)
    ]


def test_a_question_is_its_own_page_and_its_markup_becomes_text():
    """Ask HN: no address, `text` in HTML with entities (Firebase) or `story_text` (Algolia)."""
    text = "Why &amp; how?<p>It&#x27;s <i>slow</i>"
    item = {"id": 7, "type": "story", "title": "Ask HN: Why?", "text": text}
    hit = {"objectID": "7", "title": "Ask HN: Why?", "url": None, "story_text": text}
    by_item = hn_source.parse_item(data(item), 1, NOW)
    (by_hit,) = hn_source.parse_hits(data({"hits": [hit]}), NOW)
    assert by_item == by_hit
    assert by_hit.url == "https://news.ycombinator.com/item?id=7"
    assert by_hit.description == "Why & how? It's slow"


def test_of_a_question_without_end_the_beginning_is_read():
    """Its markup is anybody's, and may be nested as deep as an answer is long."""
    hit = {"objectID": "7", "title": "Ask HN: Why?", "story_text": "So<ul><li>" * 100_000}
    (found,) = hn_source.parse_hits(data({"hits": [hit]}), NOW)
    assert found.description.startswith("So So So")


@pytest.mark.parametrize("value", [[], {}, {"hits": None}, {"hits": {"a": 1}}, None])
def test_an_answer_without_hits_is_unreadable(value: Json):
    """No list of hits is a change of the interface, not an empty front page."""
    with pytest.raises(Unreadable):
        hn_source.parse_hits(data(value), NOW)


# All sources: how an answer fails

PARSERS: dict[str, Callable[[Answer], object]] = {
    "github-trending": trending_source.parse,
    "devto": lambda answer: devto_source.parse(answer, NOW),
    "hackernews hits": lambda answer: hn_source.parse_hits(answer, NOW),
    "hackernews ids": hn_source.parse_ids,
    "hackernews item": lambda answer: hn_source.parse_item(answer, 1, NOW),
}
JSON_PARSERS = [name for name in PARSERS if name != "github-trending"]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("status", [204, 301, 401, 403, 404, 429, 500, 503])
def test_any_status_but_200_is_unavailable_whatever_the_body(parser: str, status: int):
    """The error carries the status and the patience that was asked for."""
    answer = Answer(
        status=status, content_type="text/html", body=b"[]", url=URL, retry_after_seconds=9.0
    )
    with pytest.raises(Unavailable) as caught:
        PARSERS[parser](answer)
    assert (caught.value.status, caught.value.retry_after_seconds) == (status, 9.0)


def test_an_empty_403_is_told_apart_from_an_application_s():
    """dev.to's edge refuses unnamed clients with an empty body, its application with JSON."""
    with pytest.raises(Unavailable, match="empty body"):
        devto_source.parse(Answer(status=403, content_type="", body=b"", url=URL), NOW)
    with pytest.raises(Unavailable) as caught:
        devto_source.parse(data(capture("devto/401_unauthorized.json"), status=401), NOW)
    assert "empty" not in str(caught.value)


@pytest.mark.parametrize("parser", JSON_PARSERS)
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"<!DOCTYPE html><html><body>consent</body></html>"),
        ("text/html", b"[1]"),
        ("application/json", b""),
        ("application/json", b'[{"title": "cut'),
        ("application/json", b"[" * 100_000),
        ("application/json", b'["\xff"]'),
    ],
)
def test_what_is_not_json_is_unreadable(parser: str, kind: str, body: bytes):
    """Judged by content type and first bytes alike: consent, login and challenge pages are 200."""
    with pytest.raises(Unreadable):
        PARSERS[parser](Answer(status=200, content_type=kind, body=body, url=URL))


@pytest.mark.parametrize(
    ("kind", "body"), [("application/json", trending_row()), ("text/html", '{"error":1}')]
)
def test_what_is_not_html_is_unreadable(kind: str, body: str):
    """The trending page likewise."""
    with pytest.raises(Unreadable):
        trending_source.parse(Answer(status=200, content_type=kind, body=body.encode(), url=URL))


def test_an_empty_list_where_there_always_is_one_is_unreadable():
    """A day without Show HN does not happen."""
    with pytest.raises(Unreadable, match="holds 0"):
        hn_source.parse_ids(data([]))

"""Merging signals into ideas: what is one thing, how it is rated, and that order says nothing."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.models import Idea
from mcp_server.trends import Signal
from mcp_server.trends.address import normal_url
from mcp_server.trends.clean import DESCRIPTION_LENGTH, TITLE_LENGTH
from mcp_server.trends.cluster import cluster
from mcp_server.trends.rating import Past
from mcp_server.trends.signal import repo_of
from tests.cluster_pairs import (
    APART_ADDRESS,
    APART_BOTH,
    APART_TITLE,
    ONE_ADDRESS,
    ONE_TITLE,
)


def signal(
    title: str = "Some tool for testing of things",
    url: str = "https://a.example/x",
    *,
    source: str = "hackernews",
    repo: str | None = None,
    velocity: float = 1.0,
    rank: int = 1,
) -> Signal:
    return Signal(
        source=source, rank=rank, title=title, url=url, repo=repo, velocity_per_hour=velocity
    )


def only(*signals: Signal) -> Idea:
    (idea,) = cluster(signals)
    return idea


def at(title: str, url: str, source: str = "hackernews") -> Signal:
    """Return a signal as its source would give it."""
    return signal(title, url, repo=repo_of(url), source=source)


def addressed(first: str, second: str) -> tuple[Signal, Signal]:
    return at("Quiet words about it", first), at("Other words for a reader", second, "devto")


def titled(first: str, second: str) -> tuple[Signal, Signal]:
    return at(first, "https://one.example/1"), at(second, "https://two.example/2", "devto")


SAME = {
    **{name: addressed(*pair) for name, pair in ONE_ADDRESS.items()},
    **{name: titled(*pair) for name, pair in ONE_TITLE.items()},
}
APART = {
    **{name: addressed(*pair) for name, pair in APART_ADDRESS.items()},
    **{name: titled(*pair) for name, pair in APART_TITLE.items()},
    **{name: (at(*one), at(*other, "devto")) for name, (one, other) in APART_BOTH.items()},
}


@pytest.mark.parametrize("name", SAME)
def test_signals_about_one_thing_become_one_idea(name: str):
    """Same address, same repository, or a title that says the same; either order."""
    first, second = SAME[name]
    idea = only(first, second)
    assert idea.corroboration == 2
    assert {p.url for p in idea.provenance} == {first.url, second.url}
    assert only(second, first) == idea


@pytest.mark.parametrize("name", APART)
def test_signals_about_different_things_stay_apart(name: str):
    """Likeness that misleads: parts of a series, versions, common titles, names of siblings."""
    assert len(cluster(APART[name])) == 2


def test_two_repositories_are_not_joined_by_what_somebody_writes_of_both():
    """An article of the same title is neither's, whichever comes first."""
    title = "Show HN: A terminal file manager"
    signals = [
        signal(title, "https://github.com/a/x", repo="a/x"),
        signal(title, "https://github.com/b/y", repo="b/y"),
        signal("A terminal file manager", "https://dev.to/c", source="devto"),
        signal("A terminal file manager!", "https://d.example/", source="lobsters"),
    ]
    found = [{p.url for p in idea.provenance} for idea in cluster(signals)]
    assert sorted(map(sorted, found)) == [
        ["https://d.example/", "https://dev.to/c"],
        ["https://github.com/a/x"],
        ["https://github.com/b/y"],
    ]


def test_a_third_signal_joins_what_two_have_in_common():
    """Repository to announcement by address, announcement to article by title."""
    idea = only(
        signal(
            "own/warden",
            "https://github.com/own/warden",
            repo="own/warden",
            source="github-trending",
        ),
        signal(
            "Show HN: Warden, closes forgotten tabs",
            "https://github.com/own/warden",
            repo="own/warden",
        ),
        signal("Warden: closes forgotten tabs", "https://dev.to/a/b", source="devto"),
    )
    assert [p.source for p in idea.provenance] == ["devto", "github-trending", "hackernews"]
    assert idea.title == "Warden: closes forgotten tabs"


def test_a_sentence_of_people_s_is_preferred_to_a_bare_name():
    """`owner/name` says nothing of what the thing is for."""
    name = signal("o/n", "https://github.com/o/n", repo="o/n", source="github-trending")
    assert only(name).title == "o/n"
    assert only(name, signal("Show HN: It sorts", name.url)).title == "It sorts"


def test_percentiles_are_within_a_source_only():
    """Counts of two sources are not commensurable; ties share their places."""
    signals = [
        *(
            signal(f"hn {v}", f"https://h.example/{i}", velocity=v)
            for i, v in enumerate((1, 2, 2, 5))
        ),
        *(
            signal(f"gh {v}", f"https://g.example/{v}", velocity=v, source="github-trending")
            for v in (1000, 2000)
        ),
        signal("alone", "https://d.example/", velocity=9, source="devto"),
    ]
    found = {p.url: p.velocity_percentile for idea in cluster(signals) for p in idea.provenance}
    assert found == {
        "https://h.example/0": 0.0,
        "https://h.example/1": 0.5,
        "https://h.example/2": 0.5,
        "https://h.example/3": 1.0,
        "https://g.example/1000": 0.0,
        "https://g.example/2000": 1.0,
        "https://d.example/": 0.5,
    }


@pytest.mark.parametrize(("sources", "score"), [(1, 0.7), (2, 0.85), (3, 1.0)])
def test_a_score_is_the_best_percentile_and_corroboration(sources: int, score: float):
    """The fastest of a source alone gets 0.7; two further sources give the rest."""
    names = ["hackernews", "devto", "github-trending"][:sources]
    shared = [signal(source=name, velocity=9) for name in names]
    slower = [signal(f"slow {n}", f"https://s.example/{n}", source=n, velocity=0) for n in names]
    assert cluster([*slower, *shared])[0].score == score


def test_more_signals_of_one_source_do_not_corroborate():
    """A reposted link is one voice."""
    twice = [signal(rank=1), signal(rank=2, title="again")]
    assert only(*twice).score == only(twice[0]).score


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Show HN: A Chrome extension that files tabs", "extension"),
        ("I built a browser add-on for reading", "extension"),
        ("Ask HN: Is there a sane calendar?", "pain_point"),
        ("Why is moving bookmarks still so hard?", "pain_point"),
        ("Ask HN: Which browser extension do you miss?", "extension"),
        ("Portwhy: CLI that tells who holds a port", "tool"),
        ("A command-line log reader", "tool"),
        ("Rentsplit: bills shared unevenly", "app"),
        ("VS Code extensions of the year", "app"),
        ("Why it works", "app"),
    ],
)
def test_the_kind_follows_simple_rules(title: str, kind: str):
    """Our choice: extension before question before tool; an app is what is left."""
    assert only(signal(title)).kind == kind


def test_a_question_is_known_by_its_tag_too():
    """Algolia tags Ask HN whatever the title says."""
    assert only(replace(signal("Calendars"), tags=("ask_hn",))).kind == "pain_point"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://github.com/o/n/issues/5", "pain_point"),
        ("https://github.com/o/n/discussions/5", "pain_point"),
        ("https://stackoverflow.com/questions/5/dates", "pain_point"),
        ("https://github.com/o/n/pull/5", "app"),
        ("https://github.com/o/n", "app"),
    ],
)
def test_a_question_is_known_by_where_it_was_asked(url: str, kind: str):
    """What people complain of has no question mark in its title."""
    assert only(signal("Dates are off by one", url, repo=repo_of(url))).kind == kind


def test_novelty_is_the_share_of_days_without_the_idea_and_parts_equals():
    """Seen on 6 of the last 30 days; of two equal ideas the newer one comes first."""
    old, new = signal("Old one", "https://o.example/"), signal("New one", "https://n.example/")
    key = only(old).key
    found = cluster([old, new], Past(days={key: 6}))
    assert [(idea.title, idea.novelty) for idea in found] == [("New one", 1.0), ("Old one", 0.8)]


def test_each_signal_keeps_its_numbers_and_a_hash_of_its_words():
    """Provenance: an edited item is told from one that only gained votes."""
    before = replace(signal("A title"), points=5)
    voted, edited = replace(before, points=9), replace(before, title="Another title")
    [first], [second], [third] = (only(one).provenance for one in (before, voted, edited))
    assert (first.points, second.points, first.velocity_estimated) == (5, 9, True)
    assert first.content_hash == second.content_hash != third.content_hash


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Ask HN:  two\n lines\t", "two lines"),
        ("a\u200bb\u202ec\x00d\u2066e\ufeff", "abcde"),
        ("flag\U000e0067\U000e0062 \U000e0101x", "flag x"),
        ("half \ufffd character", "half character"),
        ("\u200b\u202e", "untitled"),
        ("x" * 300, "x" * (TITLE_LENGTH - 1) + "…"),
        ("你好 🚀 \u0645", "你好 🚀 \u0645"),
        ("\U0001f468\u200d\U0001f4bb a\u200db", "\U0001f468\u200d\U0001f4bb ab"),
        ("A &amp;amp; B &lt;b&gt; &amp;#39;c&#x27;", "A & B <b> 'c'"),
        ("re\u0301sume\u0301", "r\u00e9sum\u00e9"),
        ("&#8238;nimda &amp;#x202E;root", "nimda root"),
    ],
)
def test_titles_are_made_safe_to_show(title: str, shown: str):
    """No control, direction, zero-width or tag characters; one line; at most 200 characters."""
    assert only(signal(title)).title == shown


def test_descriptions_are_cut_and_a_repository_s_own_comes_first():
    """An article's teaser stands back behind what the repository says of itself."""
    repository = replace(
        signal("o/n", "https://github.com/o/n", repo="o/n", source="github-trending"),
        description="y" * 400,
    )
    article = replace(signal("On n", "https://github.com/o/n", source="devto"), description="short")
    idea = only(article, repository)
    assert idea.description == "y" * (DESCRIPTION_LENGTH - 1) + "…"


def test_a_key_outlives_a_retitling_and_new_company():
    """Stable over days: the repository or address names the thing, not its words or its fans."""
    first = signal("Show HN: Old words of it", "https://github.com/o/n", repo="o/n")
    later = signal("New words entirely, really", "https://github.com/O/n/", repo="O/n", rank=9)
    fan = signal("New words entirely really", "https://a.example/", source="devto")
    assert only(first).key == only(later, fan).key


URLS = [
    "https://a.example/1",
    "https://b.example/2",
    "https://github.com/o/n",
    "https://c.example/?q=1",
]
TITLES = [
    "A tool for testing things",
    "A tool for testing thing",
    "o/n",
    "Ask HN: Why so slow?",
    "",
    "x" * 250,
]
SIGNALS = st.lists(
    st.builds(
        Signal,
        source=st.sampled_from(["hackernews", "devto", "github-trending"]),
        rank=st.integers(1, 50),
        title=st.sampled_from(TITLES) | st.text(max_size=12),
        url=st.sampled_from(URLS),
        description=st.text(max_size=8),
        repo=st.sampled_from([None, "o/n", "O/N", "p/q"]),
        points=st.integers(-5, 900),
        velocity_per_hour=st.sampled_from([0.0, 0.5, 1.0, 7.25, -1.0]),
    ),
    max_size=9,
)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.data())
def test_any_order_of_the_same_signals_gives_the_same_ideas(drawn: st.DataObject):
    """Our rule: clustering is symmetric and independent of the order of its input."""
    signals = drawn.draw(SIGNALS)
    assert cluster(drawn.draw(st.permutations(signals))) == cluster(signals)


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(SIGNALS)
def test_every_signal_is_in_exactly_one_idea_and_the_best_idea_comes_first(signals: list[Signal]):
    """Keys are unique, addresses are not shared between ideas, nothing is lost or invented."""
    ideas = cluster(signals)
    assert len({idea.key for idea in ideas}) == len(ideas)
    places = [{(p.source, p.rank, p.url) for p in idea.provenance} for idea in ideas]
    assert sum(map(len, places)) == len({(s.source, s.rank, s.url) for s in signals})
    addresses = [{normal_url(url) for _, _, url in place} for place in places]
    assert sum(map(len, addresses)) == len({normal_url(s.url) for s in signals})
    scores = [idea.score for idea in ideas]
    assert scores == sorted(scores, reverse=True)

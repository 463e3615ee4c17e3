"""Whose words are whose: a table of what was heard where and where it may go, and laws about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.errors import BadArgument, Refused
from mcp_server.guard.origins import Origins, shown

A, B, C, OPEN = "me/a", "me/b", "me/c", "me/open"
SECRET = "the customer list lies in the cellar behind the second door"
KEY = "zx81spectrum48k"


@pytest.fixture
def origins() -> Origins:
    return Origins(lambda repo: repo == OPEN)


def goes(origins: Origins, text: object, to: str | None) -> bool:
    """Whether a caller may send this there."""
    try:
        origins.check(text, to)
    except Refused as refused:
        return refused.limit != "origin"
    return True


@pytest.mark.parametrize(
    ("text", "to", "may"),
    [
        (SECRET, A, True),
        (SECRET, B, False),
        (SECRET, None, False),
        (f"As they say:\n> {SECRET.upper()}!", B, False),
        ("the customer list lies in the CELLAR, behind it", B, False),
        ("the customer list lies in our cellar behind the door", B, True),
        (f"use {KEY} there", B, False),
        (f"use {KEY} there", A, True),
        ("add tests for the parser", B, True),
        ({"variables": {"evidence": [SECRET]}}, B, False),
    ],
)
def test_words_read_of_one_repository_go_to_it_alone(
    origins: Origins, text: object, to: str | None, may: bool
):
    """As a quotation of eight words, or as one word that tells by itself; in any argument."""
    origins.heard({"activities": [{"text": SECRET}, {"text": f"the key: {KEY}"}]}, A)
    assert goes(origins, text, to) == may


def test_an_item_of_a_list_says_itself_whose_it_is(origins: Origins):
    listed = {"repositories": [{"repo": A, "description": SECRET}, {"repo": B, "description": KEY}]}
    origins.heard(listed, None)
    assert (goes(origins, SECRET, A), goes(origins, SECRET, B)) == (True, False)
    assert (goes(origins, KEY, A), goes(origins, KEY, B)) == (False, True)


def test_what_two_repositories_say_or_a_public_one_is_everybodys(origins: Origins):
    """Jules' usual phrases, a licence, a template."""
    origins.heard({"text": SECRET}, A)
    origins.heard({"text": SECRET}, B)
    assert goes(origins, SECRET, C)
    for first, second in ((A, OPEN), (OPEN, A)):
        origins.heard({"text": KEY}, first)
        origins.heard({"text": KEY}, second)
    assert goes(origins, KEY, C)


def test_what_everybody_may_read_goes_anywhere(origins: Origins):
    """Ideas of trend sources have no repository."""
    origins.heard({"ideas": [{"title": SECRET}]}, None)
    assert goes(origins, SECRET, None)
    assert goes(origins, SECRET, B)


def test_a_callers_own_words_go_to_several(origins: Origins):
    """Although Jules repeats them in the session that they started."""
    assert goes(origins, SECRET, A)
    origins.heard({"prompt": SECRET}, A)
    assert goes(origins, SECRET, B)


@pytest.mark.parametrize("told", [{"title": SECRET}, {"title": SECRET, "repo": None}])
def test_an_echo_or_a_thin_answer_frees_nothing(origins: Origins, told: object):
    """A tool that repeats its argument, or something shown without its repository."""
    origins.heard({"text": SECRET}, A)
    origins.heard(told, None)
    assert not goes(origins, SECRET, B)


def test_an_echo_at_another_place_does_not_make_it_that_place_s_too(origins: Origins):
    """`jules_get_patch` of B with words of A for a path: its error repeats them."""
    origins.heard({"text": SECRET}, A)
    origins.heard(f"{SECRET!r} is not in this diff", B, asked={"path": SECRET})
    assert (goes(origins, SECRET, A), goes(origins, SECRET, B)) == (True, False)


def test_a_trend_frees_the_words_unless_it_only_repeats_them(origins: Origins):
    """An idea's title is first heard in a session's; `trends_match` repeats its argument."""
    origins.heard({"title": SECRET}, A)
    origins.heard({"title": SECRET}, None, asked={"title": SECRET}, public=True)
    assert not goes(origins, SECRET, B)
    origins.heard({"ideas": [{"title": SECRET}]}, None, public=True)
    origins.heard({"text": SECRET}, A)
    assert goes(origins, SECRET, B)


def test_sending_it_where_it_is_from_frees_nothing(origins: Origins):
    origins.heard({"text": SECRET}, A)
    assert goes(origins, SECRET, A)
    assert not goes(origins, SECRET, B)


def test_the_words_of_a_session_without_a_repository_stay_there(origins: Origins):
    """Two of them are two places."""
    origins.heard({"sessions": [{"id": "1", "repo": None, "title": SECRET}]}, None)
    one, two = origins.session("1", None), origins.session("2", None)
    assert [goes(origins, SECRET, to) for to in (one, two, A, None)] == [True, False, False, False]


@pytest.mark.parametrize("session_first", [True, False])
def test_a_session_of_an_unknown_repository_makes_no_word_of_another_everybodys(
    origins: Origins, session_first: bool
):
    """A person's old session: it may well work on the repository that says the same."""
    told = [({"text": SECRET}, origins.session("1", None)), ({"text": SECRET}, A)]
    for data, place in told if session_first else reversed(told):
        origins.heard(data, place)
    assert [goes(origins, SECRET, to) for to in (A, B, None)] == [True, False, False]
    origins.heard({"text": SECRET}, B)
    assert goes(origins, SECRET, C)


def test_what_is_everybodys_stays_so_when_a_session_says_it(origins: Origins):
    origins.heard({"text": SECRET}, None)
    origins.heard({"text": SECRET}, origins.session("1", None))
    origins.heard({"text": SECRET}, A)
    assert goes(origins, SECRET, B)


@pytest.mark.parametrize("thin_first", [True, False])
def test_a_session_whose_repository_is_known_is_that_place(origins: Origins, thin_first: bool):
    """Jules may leave the repository out of an answer (facts/jules-api.md 2.1)."""
    thin = {"id": "1", "repo": None, "title": SECRET}
    whole = {"id": "1", "repo": "Me/A", "title": ""}
    for told in (thin, whole) if thin_first else (whole, thin):
        origins.heard(told, None)
    places = (A, B, origins.session("1", None), origins.session("2", A), None)
    assert [goes(origins, SECRET, to) for to in places] == [True, False, True, True, False]
    origins.heard({"text": SECRET}, A)
    assert not goes(origins, SECRET, B)


def test_what_is_somebody_s_and_does_not_say_whose_goes_nowhere_until_it_is_known(
    origins: Origins,
):
    origins.heard({"repo": None, "title": SECRET}, None)
    assert not [to for to in (A, B, origins.session("1", None), None) if goes(origins, SECRET, to)]
    origins.heard({"text": SECRET}, A)
    assert (goes(origins, SECRET, A), goes(origins, SECRET, B)) == (True, False)


@pytest.mark.parametrize("place", ["Me/A", "ME/A"])
def test_a_name_in_other_letters_is_the_same_repository(origins: Origins, place: str):
    """GitHub's names are the same in any case: two spellings do not make two readers."""
    origins.heard({"text": SECRET}, A)
    origins.heard({"text": SECRET, "repo": place}, None)
    assert (goes(origins, SECRET, place), goes(origins, SECRET, B)) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        SECRET.replace("cellar", "c&#101;ll&amp;#97;r").replace("list", "l&#105;st"),
        "".join(f"{letter}\u200b" for letter in SECRET),
        SECRET.replace("cellar", "cel\ufe0flar").replace("list", "l\x07ist"),
        "".join(f"{letter}\u00ad" for letter in KEY).upper(),
        "a " * 20_001 + SECRET,
        [SECRET[:30], SECRET[30:]],
    ],
    ids=["entities", "zero width", "selectors and bells", "a key", "far behind", "in two"],
)
def test_no_spelling_that_the_reader_does_not_see_gets_past(origins: Origins, text: object):
    """What the server itself decodes or drops when it renders, and words behind many others."""
    origins.heard({"text": f"{SECRET}; {KEY}"}, A)
    assert (goes(origins, text, A), goes(origins, text, B)) == (True, False)


def test_more_than_can_leave_is_not_looked_through(origins: Origins):
    with pytest.raises(BadArgument):
        origins.check({"variables": {"question": "a" * 600_000, "more": "a" * 600_000}}, A)


def test_all_of_a_long_text_is_remembered(origins: Origins):
    """`jules_get_patch` gives 200,000 characters."""
    origins.heard({"diff": "x " * 95_000 + SECRET}, A)
    assert not goes(origins, SECRET, B)


def test_what_was_unheard_for_longest_is_forgotten_first():
    """Bounded; what is heard again is as fresh as new, and what was forgotten is learnt anew."""
    origins = Origins(lambda _: False, most=100)
    flood = [{"text": " ".join(f"v{part}x{n}" for n in range(30))} for part in range(9)]
    origins.heard({"text": SECRET}, A)
    for text in flood[:3]:
        origins.heard(text, B)
    origins.heard({"text": SECRET}, A)
    for text in flood[3:6]:
        origins.heard(text, B)
    assert not goes(origins, SECRET, C)
    for text in flood:
        origins.heard(text, B)
    assert goes(origins, f"forgotten: {SECRET}", C)
    for text in flood:
        origins.heard(text, B)
    origins.heard({"text": SECRET}, A)
    assert not goes(origins, SECRET, C)


def test_words_that_two_tellings_hold_outlive_the_first():
    """Forgetting one quotation forgets no other that has the same words in it."""
    origins = Origins(lambda _: False, most=100)
    origins.heard({"text": SECRET}, A)
    origins.heard({"text": f"again: {SECRET}"}, A)
    for part in range(2):
        origins.heard({"text": " ".join(f"v{part}x{n}" for n in range(30))}, A)
    origins.heard({"text": f"again: {SECRET}"}, A)
    origins.heard({"text": " ".join(f"w{n}" for n in range(60))}, A)
    assert not goes(origins, SECRET, B)


def test_entities_are_resolved_so_deep_and_no_deeper():
    """What is nested without end is looked at for as long as it may mean anything."""
    assert shown("a&" + "amp;" * 7 + "lt;b") == "a<b"
    assert shown("a&" + "amp;" * 20 + "b") == "a&" + "amp;" * 12 + "b"


TEXT = st.lists(
    st.sampled_from(["red", "green", "blue", "cat", "dog", "k9k9k9k9k9k9", "tree"]), max_size=14
)


@given(st.lists(st.tuples(st.sampled_from([A, B, C]), TEXT), max_size=6))
def test_words_may_always_go_back_to_where_they_were_read(told: list[tuple[str, list[str]]]):
    """No order of reading keeps a repository from its own words."""
    origins = Origins(lambda _: False)
    for repo, words in told:
        origins.heard({"text": " ".join(words)}, repo)
    for repo, words in told:
        assert goes(origins, " ".join(words), repo)

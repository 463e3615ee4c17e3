"""Whose words are whose: a table of what was heard where and where it may go, and laws about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.errors import Refused
from mcp_server.guard.origins import NOWHERE, Origins

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


@pytest.mark.parametrize("echo", [None, NOWHERE])
def test_an_echo_or_a_thin_answer_frees_nothing(origins: Origins, echo: str | None):
    """A tool that repeats its argument, or a session shown without its repository."""
    origins.heard({"text": SECRET}, A)
    origins.heard({"title": SECRET, "repo": None} if echo else {"title": SECRET}, None)
    assert not goes(origins, SECRET, B)


def test_sending_it_where_it_is_from_frees_nothing(origins: Origins):
    origins.heard({"text": SECRET}, A)
    assert goes(origins, SECRET, A)
    assert not goes(origins, SECRET, B)


def test_the_words_of_a_session_without_a_repository_stay_there(origins: Origins):
    origins.heard({"sessions": [{"repo": None, "title": SECRET}]}, None)
    assert not goes(origins, SECRET, B)
    assert goes(origins, SECRET, NOWHERE)
    origins.heard({"text": SECRET}, A)
    assert goes(origins, SECRET, A), "a thin answer came first: now it is known whose they are"


def test_the_oldest_are_forgotten_first(origins: Origins):
    """Bounded: 200,000 marks are kept."""
    origins.heard({"text": SECRET}, A)
    origins.heard({"text": " ".join(f"w{number}" for number in range(19_000))}, B)
    assert not goes(origins, SECRET, C)
    for part in range(11):
        words = " ".join(f"v{part}x{number}" for number in range(19_000))
        origins.heard({"text": words}, B)
    assert goes(origins, SECRET, C)


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

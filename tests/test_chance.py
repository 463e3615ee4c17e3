"""Chance is keyed: what a draw gives depends on what it is for, and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.sandbox.chance import between, draw, pick

KEYS = st.tuples(st.integers(), st.text(max_size=10), st.text(max_size=10), st.integers(0, 99))


@pytest.mark.parametrize(
    ("key", "drawn"),
    [
        ((7, "session.fails", "s1", 0), 0.33731702868337976),
        ((7, "session.fails", "s1", 1), 0.7737811134944437),
        ((8, "session.fails", "s1", 0), 0.3333884989466611),
        ((7, "session.asks", "s1", 0), 0.34148850103603934),
        ((7, "session.fails", "s2", 0), 0.2896294055654458),
    ],
)
def test_a_draw_is_the_same_on_every_machine_for_ever(key: tuple[int, str, str, int], drawn: float):
    """Pinned: the same seed must give the same report tomorrow."""
    assert draw(*key) == drawn


@given(KEYS)
def test_a_draw_is_at_least_nought_and_below_one(key: tuple[int, str, str, int]):
    """So that `pick` never runs off the end."""
    assert 0.0 <= draw(*key) < 1.0


@given(KEYS, st.lists(KEYS, max_size=5))
def test_a_draw_does_not_see_other_draws(
    key: tuple[int, str, str, int], others: list[tuple[int, str, str, int]]
):
    """A new request does not reshuffle a day."""
    before = draw(*key)
    drawn = [draw(*other) for other in others]
    assert draw(*key) == before
    assert all(
        (value == before) == (other == key) for other, value in zip(others, drawn, strict=True)
    )


def test_draws_spread_evenly_over_their_range():
    """Ten thousand over ten tenths: each within a tenth of a thousand, at a fixed seed."""
    tenths = [0] * 10
    for number in range(10_000):
        tenths[int(draw(7, "spread", "s", number) * 10)] += 1
    assert all(900 < count < 1100 for count in tenths)


@given(KEYS, st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_between_keeps_its_bounds(key: tuple[int, str, str, int], low: float, width: float):
    """The draw itself, stretched."""
    seed, purpose, entity, nth = key
    assert low <= between(low, low + width, seed, purpose, entity, nth) <= low + width
    assert between(0.0, 1.0, seed, purpose, entity, nth) == draw(*key)


@given(KEYS, st.lists(st.integers(), min_size=1, max_size=5))
def test_pick_gives_one_of_the_options(key: tuple[int, str, str, int], options: list[int]):
    """By the same draw."""
    seed, purpose, entity, nth = key
    assert pick(options, seed, purpose, entity, nth) == options[int(draw(*key) * len(options))]

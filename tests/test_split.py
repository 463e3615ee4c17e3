"""The split: how many units there are, and who gets them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.planner.split import PlanningSettings, Split, scaled, split, startable, too_short
from mcp_server.models import Budget, Release

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DEFAULTS = PlanningSettings(owner="me")


def budget(**changes: object) -> Budget:
    values: dict[str, object] = {
        "limit": 100,
        "spent": 0,
        "held": 0,
        "external": 0,
        "remaining": 100,
        "by_lane": {},
        "lane_limits": {},
        "released": 0,
        "repositories_created": 0,
        "repositories_limit": 10,
        "concurrent": 0,
        "concurrent_limit": 15,
        "releases": (),
        "counted_at": NOW,
        "ledger_events": 0,
        "chain_head": "",
    }
    return Budget.model_validate(values | changes)


def in_hours(*pairs: tuple[float, int]) -> tuple[Release, ...]:
    return tuple(Release(at=NOW + timedelta(hours=hours), units=units) for hours, units in pairs)


@pytest.mark.parametrize(
    ("changes", "units"),
    [
        ({}, 100),
        ({"spent": 100, "remaining": 0}, 0),
        ({"spent": 100, "remaining": 0, "releases": in_hours((1, 60), (5, 40))}, 100),
        ({"spent": 100, "remaining": 0, "releases": in_hours((1, 60), (5.01, 40))}, 60),
        ({"spent": 30, "remaining": 70, "releases": in_hours((1, 30), (2, 30))}, 100),
        # 20 too many in the window: the first 20 releases only pay that off
        ({"spent": 100, "external": 20, "remaining": 0, "releases": in_hours((1, 30))}, 10),
        ({"spent": 100, "external": 20, "remaining": 0, "releases": in_hours((1, 5))}, 0),
        # a share of the allowance leaves less than the arithmetic says
        ({"remaining": 40}, 40),
        ({"paused": "by the operator"}, 0),
        ({"settles_at": NOW + timedelta(minutes=10)}, 100),
        ({"settles_at": NOW + timedelta(hours=6)}, 0),
    ],
)
def test_units_are_what_is_free_and_what_falls_free_in_time(
    changes: dict[str, object], units: int
) -> None:
    """DESIGN.md section 6 step 3: until this run's last useful start."""
    until = NOW + timedelta(hours=5)
    assert startable(budget(**changes), now=NOW, last_useful_start=until) == units


def test_after_the_last_useful_start_there_is_nothing() -> None:
    """A run that begins too late plans no session."""
    assert startable(budget(), now=NOW, last_useful_start=NOW - timedelta(seconds=1)) == 0


SETTLES = {"settles_at": NOW + timedelta(minutes=10)}


@pytest.mark.parametrize(
    ("changes", "minutes", "said"),
    [
        ({}, 0, None),
        (SETTLES, 10, None),
        ({"remaining": 0}, -70, None),
        ({"paused": "by the operator"}, -70, None),
        ({}, -70, "this run is 70 minutes too short for one to finish: give --until more"),
        (SETTLES, 9.5, "is 1 minutes too short for one to finish; a new ledger starts nothing"),
    ],
)
def test_a_run_that_is_too_short_says_by_how_much(
    changes: dict[str, object], minutes: float, said: str | None
) -> None:
    """Free units that are lost only for want of time, and what would save them."""
    end = NOW + timedelta(minutes=minutes)
    found = too_short(budget(**changes), now=NOW, last_useful_start=end)
    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize(
    ("units", "wanted", "given"),
    [  # wanted: creates, updates, optimisations; given: the same, then reserve, unused
        (100, (10, 5, 200), (10, 5, 80, 5, 0)),  # the all-free day
        (100, (10, 0, 200), (10, 0, 85, 5, 0)),  # unused trend units flow to care
        (100, (0, 0, 200), (0, 0, 95, 5, 0)),  # no idea at all
        (100, (3, 4, 200), (3, 4, 88, 5, 0)),  # fewer ideas than the aim
        (100, (40, 0, 200), (10, 0, 85, 5, 0)),  # ten repositories at most
        (100, (40, 40, 200), (10, 5, 80, 5, 0)),  # fifteen trend sessions at most
        (100, (0, 40, 200), (0, 15, 80, 5, 0)),  # updates may use them all
        (100, (10, 5, 0), (10, 5, 0, 5, 80)),  # nothing to care for
        (100, (10, 5, 30), (10, 5, 30, 5, 50)),  # a small portfolio
        (100, (0, 0, 0), (0, 0, 0, 5, 95)),  # nothing to do
        (40, (10, 5, 200), (10, 5, 20, 5, 0)),  # trends come before care
        (17, (10, 5, 200), (10, 2, 0, 5, 0)),  # creations come before updates
        (12, (10, 5, 200), (7, 0, 0, 5, 0)),  # few units: creations only
        (6, (10, 5, 200), (1, 0, 0, 5, 0)),  # the reserve is kept to the last
        (5, (10, 5, 200), (0, 0, 0, 5, 0)),
        (3, (10, 5, 200), (0, 0, 0, 3, 0)),
        (0, (10, 5, 200), (0, 0, 0, 0, 0)),
    ],
)
def test_units_are_shared_by_a_fixed_order(
    units: int, wanted: tuple[int, int, int], given: tuple[int, int, int, int, int]
) -> None:
    """Reserve, creations, updates, care (DESIGN.md section 5, REQUEST.md 'The job')."""
    shares = split(units, *wanted, DEFAULTS)
    assert _numbers(shares) == given


@pytest.mark.parametrize(
    ("units", "wanted", "notes"),
    [
        (100, (10, 5, 200), ()),
        (
            100,
            (3, 4, 200),
            (
                "aim missed: 7 of 10 trend sessions, too few ideas deserve it",
                "aim missed: 3 of 10 new repositories, too few ideas deserve it",
            ),
        ),
        (
            6,
            (10, 5, 200),
            (
                "aim missed: 1 of 10 trend sessions, too few units",
                "aim missed: 1 of 10 new repositories, too few units",
            ),
        ),
        (100, (10, 5, 70), ("10 units unused: no repository needs more care today",)),
    ],
)
def test_a_missed_aim_is_said(
    units: int, wanted: tuple[int, int, int], notes: tuple[str, ...]
) -> None:
    """DESIGN.md section 5: the planner's aim, reported when missed."""
    assert split(units, *wanted, DEFAULTS).notes == notes


COUNT = st.integers(0, 300)


@given(st.integers(0, 100), COUNT, COUNT, COUNT)
def test_the_shares_add_up_and_break_no_cap(
    units: int, creates: int, updates: int, care: int
) -> None:
    """The law behind the table."""
    shares = split(units, creates, updates, care, DEFAULTS)
    assert sum(_numbers(shares)) == units
    assert min(_numbers(shares)) >= 0
    assert shares.creates <= 10
    assert shares.creates + shares.updates <= 15
    assert shares.repair_reserve == min(5, units)


@pytest.mark.parametrize(
    ("allowance", "numbers"),
    [(1000, (10, 15, 10, 5)), (100, (10, 15, 10, 5)), (15, (2, 3, 2, 0)), (1, (1, 1, 1, 0))],
)
def test_a_small_allowance_scales_the_four_numbers(
    allowance: int, numbers: tuple[int, int, int, int]
) -> None:
    """ceil(10 %), ceil(15 %), ceil(10 %), floor(5 %) of the allowance."""
    small = scaled(DEFAULTS, allowance)
    assert numbers == (
        small.trend_sessions_min,
        small.trend_sessions_max,
        small.repositories_per_day,
        small.repair_reserve,
    )


@pytest.mark.parametrize(
    ("repo", "may"),
    [("me/Diary", False), ("ME/diary", False), ("you/keys", False), ("me/app", True)],
)
def test_never_touch_knows_full_and_bare_names(repo: str, may: bool) -> None:
    """GitHub's names ignore case."""
    settings = PlanningSettings(owner="me", never_touch=("me/diary", "Keys"))
    assert settings.touches(repo) is may


def _numbers(shares: Split) -> tuple[int, int, int, int, int]:
    return (
        shares.creates,
        shares.updates,
        shares.optimizations,
        shares.repair_reserve,
        shares.unused,
    )

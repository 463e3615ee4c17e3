"""The marker: what we issue reads back as ours, and nothing else does."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.errors import BadArgument, SettingsError
from mcp_server.guard.marker import derive_key, issue, read
from mcp_server.models import LANES, Lane, Marker

KEY = derive_key("jules-key-of-the-tests")


@dataclass(frozen=True)
class Fields:
    """What one marker says, shown and signed."""

    ledger: str = "7f3a9c2e"
    date: str = "2026-11-23"
    lane: Lane = "optimize"
    task_key: str = "k0123456789ab"
    attempt: int = 1
    repo: str | None = "owner/tool"
    branch: str | None = "main"

    def issue(self, key: bytes = KEY) -> str:
        """Issue this marker."""
        return issue(
            key,
            ledger=self.ledger,
            date=self.date,
            lane=self.lane,
            task_key=self.task_key,
            attempt=self.attempt,
            repo=self.repo,
            branch=self.branch,
        )

    def read(self, title: str, *keys: bytes) -> Marker | None:
        """Read `title` as standing in this repository, on this branch."""
        return read(title, keys or (KEY,), repo=self.repo, branch=self.branch)


GIVEN = Fields()
TITLE = f"{GIVEN.issue()} Add tests"

fields = st.builds(
    Fields,
    ledger=st.from_regex(r"[0-9a-z]{1,32}", fullmatch=True),
    date=st.dates().map(str),
    lane=st.sampled_from(LANES),
    task_key=st.from_regex(r"[0-9A-Za-z_-]{1,64}", fullmatch=True),
    attempt=st.integers(1, 9999),
    repo=st.none() | st.text(max_size=20),
    branch=st.none() | st.text(max_size=20),
)


@given(fields, st.text(), st.lists(st.binary(min_size=1), max_size=2))
def test_what_is_issued_reads_back_valid(given_fields: Fields, title: str, others: list[bytes]):
    """Round trip, with any title behind it and any retired keys beside ours."""
    marker = given_fields.read(f"{given_fields.issue()} {title}", *others, KEY)
    assert marker == Marker(
        ledger=given_fields.ledger,
        date=given_fields.date,
        lane=given_fields.lane,
        task_key=given_fields.task_key,
        attempt=given_fields.attempt,
        valid=True,
    )


@given(fields, fields)
def test_two_markers_with_anything_different_share_no_mac(one: Fields, two: Fields):
    """Injective over all seven fields: where one runs into the next is never in doubt."""
    assert (one.issue()[-27:] == two.issue()[-27:]) == (one == two)


def test_the_form_is_the_one_other_programs_parse():
    """The sandbox's oracle reads it with no code of ours (DESIGN.md 8); the MAC is pinned too."""
    assert TITLE == (
        "[df1 7f3a9c2e 2026-11-23 optimize k0123456789ab.a1 phhndqbnb5ntrofaqinmrkj3wm] Add tests"
    )


@given(st.integers(0, len(GIVEN.issue()) - 1), st.characters())
def test_any_other_character_anywhere_breaks_it(place: int, other: str):
    """The two spare bits of the last base32 character included."""
    if TITLE[place] == other:
        return
    marker = GIVEN.read(TITLE[:place] + other + TITLE[place + 1 :])
    assert marker is None or not marker.valid


@pytest.mark.parametrize("last", "abcdefghijklmnopqrstuvwxyz234567")
def test_only_one_last_character_fits(last: str):
    """128 bits in 26 characters leave two bits that a lenient decoder would ignore."""
    end = TITLE.index("]") - 1
    marker = GIVEN.read(TITLE[:end] + last + TITLE[end + 1 :])
    assert marker is not None
    assert marker.valid == (last == TITLE[end])


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(GIVEN, repo="owner/tools"),
        replace(GIVEN, repo="Owner/tool"),
        replace(GIVEN, repo=None),
        replace(GIVEN, repo=""),
        replace(GIVEN, branch="dev"),
        replace(GIVEN, branch=None),
        replace(GIVEN, repo="owner", branch="tool/main"),
        replace(GIVEN, repo="main", branch="owner/tool"),
        replace(GIVEN, repo=None, branch=None),
    ],
)
def test_a_marker_copied_to_another_place_is_not_ours(elsewhere: Fields):
    """It is read, since it is a marker, and it is not valid (facts/safety.md 1.3)."""
    marker = elsewhere.read(TITLE)
    assert marker is not None
    assert not marker.valid


@pytest.mark.parametrize(
    "title",
    [
        "",
        "Add tests",
        " " + TITLE,
        "Re: " + TITLE,
        "\n" + TITLE,
        TITLE.replace("df1", "df2"),
        TITLE.replace("[df1 ", "[df1  "),
        TITLE.replace("] ", "]"),
        TITLE.replace("] ", "]\n"),
        TITLE.replace(".a1 ", ".a01 "),
        TITLE.replace(".a1 ", ".a0 "),
        TITLE.replace("optimize", "destroy"),
        TITLE.replace("2026-11-23", "2026-11-23 "),
        TITLE.upper(),
        GIVEN.issue()[:-1],
    ],
)
def test_a_title_that_does_not_start_with_a_marker_has_none(title: str):
    """A marker inside a title is text, wherever the title came from."""
    assert GIVEN.read(title) is None


def test_a_marker_alone_is_a_whole_title():
    """Nothing need follow it."""
    assert GIVEN.read(GIVEN.issue()) == GIVEN.read(TITLE)


@pytest.mark.parametrize(
    ("keys", "valid"),
    [
        ((), False),
        ((derive_key("another"),), False),
        ((derive_key("another"), KEY), True),
        ((KEY, derive_key("another")), True),
    ],
)
def test_a_marker_is_valid_under_any_key_still_honoured(keys: tuple[bytes, ...], valid: bool):
    """Keys are rotated through FACTORY_MARKER_KEYS_OLD."""
    marker = read(TITLE, keys, repo=GIVEN.repo, branch=GIVEN.branch)
    assert marker is not None
    assert marker.valid == valid


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=26, max_size=26))
def test_a_page_that_knows_everything_but_the_key_cannot_forge(mac: str):
    """All that a marker shows is public; the MAC is not."""
    marker = GIVEN.read(f"[df1 7f3a9c2e 2026-11-23 manual k0123456789ab.a1 {mac}]")
    assert marker is not None
    assert not marker.valid


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(GIVEN, ledger=""),
        replace(GIVEN, ledger="7f3a 9c2e"),
        replace(GIVEN, date="23.11.2026"),
        replace(GIVEN, date="2026-11-23\n"),
        replace(GIVEN, task_key=""),
        replace(GIVEN, task_key="k1] "),
        replace(GIVEN, task_key="k1.a2"),
        replace(GIVEN, task_key="k" * 65),
        replace(GIVEN, task_key="k\N{ARABIC-INDIC DIGIT ONE}"),
        replace(GIVEN, attempt=0),
        replace(GIVEN, attempt=-1),
        replace(GIVEN, attempt=10_000),
    ],
)
def test_what_would_not_read_back_is_not_issued(spoiled: Fields):
    """A task key may come from a chat."""
    with pytest.raises(BadArgument, match="no marker can be made"):
        spoiled.issue()


def test_an_empty_key_signs_nothing():
    """An empty HMAC key is one that everybody has."""
    with pytest.raises(SettingsError):
        GIVEN.issue(b"")
    with pytest.raises(SettingsError):
        GIVEN.read(TITLE, b"")
    with pytest.raises(SettingsError):
        derive_key("")


def test_a_derived_key_is_stable_and_its_own():
    """The same Jules key on another machine must know its own markers."""
    assert derive_key("jules-key-of-the-tests") == KEY
    assert derive_key("another") != KEY
    assert len(KEY) == 32

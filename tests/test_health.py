"""Health: what costs points, what is unknown, and which improvement follows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.insight.health import IMPROVEMENTS, RepositoryFacts, score
from mcp_server.models import Repository
from mcp_server.prompts import load

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOUND_PATHS = (
    "README.md",
    "LICENSE",
    "CONTRIBUTING.md",
    "docs/guide.md",
    ".github/workflows/ci.yml",
    "src/app.ts",
    "tests/app.test.ts",
)


def facts(**changes: object) -> RepositoryFacts:
    repository: dict[str, object] = {
        "repo": "me/app",
        "private": True,
        "description": "An app",
        "topics": ("app",),
        "license": "MIT",
        "created_at": NOW - timedelta(days=900),
        "pushed_at": NOW - timedelta(days=2),
    }
    values: dict[str, object] = {
        "paths": SOUND_PATHS,
        "readme_bytes": 5_000,
        "ci_conclusion": "success",
        "open_pulls": 0,
        "observed_at": NOW,
    }
    for name, value in changes.items():
        (repository if name in Repository.model_fields else values)[name] = value
    return RepositoryFacts.model_validate({"repository": repository, **values})


def without(*prefixes: str) -> tuple[str, ...]:
    return tuple(path for path in SOUND_PATHS if not path.startswith(prefixes))


@pytest.mark.parametrize(
    ("changes", "part", "lost"),
    [
        ({"paths": without("tests"), "folders": ("src/parts",)}, "tests", None),
        ({"paths": without("tests"), "folders": ("src/test",)}, "tests", 0),
        (
            {"paths": (*SOUND_PATHS, *(f"{n}.ts" for n in range(9))), "folders": ("a/b",)},
            "tests",
            0,
        ),
        ({"paths": without(".github"), "folders": (".github/workflows",)}, "ci", None),
        ({"paths": without(".github"), "folders": ("src/parts",)}, "ci", 20),
        ({"paths": without("docs"), "folders": ("docs",)}, "docs", 0),
        ({"paths": without("CONTRIBUTING"), "folders": (".github",)}, "docs", 0),
        ({"open_pulls": None}, "backlog", None),
    ],
)
def test_what_a_folder_holds_that_nobody_looked_into_costs_nothing(
    changes: dict[str, object], part: str, lost: int | None
) -> None:
    """Unknown is not absent: a survey of thousands looks two levels deep."""
    found = score(facts(**{"ci_conclusion": None, **changes}))
    assert found.parts.get(part) == lost


def test_a_repository_with_folders_that_nobody_looked_into_is_no_skeleton() -> None:
    """Its sources may lie deeper than the survey looks; and the reading has its own word."""
    found = score(facts(paths=("README.md",), folders=("packages/app",), notes=("a note",)))
    assert found.improvement != "initialise"
    assert found.evidence[-1] == "a note"


def test_a_sound_repository_loses_nothing_and_is_hunted_for_bugs() -> None:
    """REQUEST.md phase 4: bugs are the first of the optimiser's list."""
    health = score(facts())
    assert (health.score, health.evidence, health.improvement) == (100, (), "bugs")
    assert health.has_ci is True


@pytest.mark.parametrize(
    ("changes", "part", "lost", "improvement"),
    [
        ({"paths": without("README"), "readme_bytes": None}, "readme", 20, "readme"),
        ({"readme_bytes": 0}, "readme", 20, "readme"),
        ({"readme_bytes": 299}, "readme", 14, "readme"),
        ({"readme_bytes": 1_499}, "readme", 7, "readme"),
        ({"readme_bytes": 1_500}, "readme", 0, "bugs"),
        ({"paths": without("tests")}, "tests", 20, "tests"),
        ({"paths": (*SOUND_PATHS, *(f"src/{n}.ts" for n in range(5)))}, "tests", 8, "tests"),
        ({"paths": (*SOUND_PATHS, *(f"src/{n}.ts" for n in range(4)))}, "tests", 0, "bugs"),
        ({"paths": without(".github"), "ci_conclusion": None}, "ci", 20, "bugs"),
        ({"ci_conclusion": "failure"}, "ci", 12, "bugs"),
        ({"ci_conclusion": None}, "ci", 0, "bugs"),
        ({"license": None, "paths": without("LICENSE")}, "licence", 10, "docs"),
        ({"license": None}, "licence", 0, "bugs"),
        ({"paths": without("docs", "CONTRIBUTING")}, "docs", 8, "docs"),
        ({"paths": without("docs")}, "docs", 4, "docs"),
        ({"description": "  "}, "description", 8, "bugs"),
        ({"topics": ()}, "topics", 4, "bugs"),
        ({"pushed_at": NOW - timedelta(days=181)}, "freshness", 3, "bugs"),
        ({"pushed_at": NOW - timedelta(days=366)}, "freshness", 5, "bugs"),
        ({"open_pulls": 4}, "backlog", 2, "bugs"),
        ({"open_pulls": 11}, "backlog", 5, "bugs"),
    ],
)
def test_a_missing_part_costs_points_and_is_shown(
    changes: dict[str, object], part: str, lost: int, improvement: str
) -> None:
    """Our table of parts."""
    health = score(facts(**changes))
    assert health.parts[part] == lost
    assert health.score == 100 - lost
    assert any(line.startswith(f"{part}: ") for line in health.evidence) == (lost > 0)
    assert health.improvement == improvement


@pytest.mark.parametrize(
    "changes",
    [{"paths": ()}, {"paths": ("README.md", ".gitignore")}],
)
def test_a_skeletal_repository_is_initialised(changes: dict[str, object]) -> None:
    """REQUEST.md, the standard's section 1."""
    health = score(facts(readme_bytes=None, ci_conclusion=None, **changes))
    assert health.improvement == "initialise"
    assert health.has_ci is False


def test_a_repository_without_a_commit_is_left_out_with_what_to_do() -> None:
    """facts/jules-api.md 3: the starting branch must exist."""
    health = score(facts(paths=None, empty=True, readme_bytes=None, ci_conclusion=None))
    assert health.improvement is None
    assert "push a first one" in (health.left_out or "")


def test_a_repository_of_texts_is_not_taken_for_empty() -> None:
    """A book has no source code and must not be overwritten with an app."""
    assert score(facts(paths=("README.md", "chapters/01.md"))).improvement != "initialise"


def test_what_could_not_be_read_is_unknown_and_costs_nothing() -> None:
    """facts/github.md 1.3: a field missing because of an error is unknown, never absent."""
    health = score(
        facts(paths=None, readme_bytes=None, ci_conclusion=None, license=None, pushed_at=None)
    )
    assert health.score == 100
    assert health.has_ci is None
    assert health.improvement is None
    assert set(health.parts) == {"description", "topics", "backlog"}
    assert len(health.evidence) == 6


@pytest.mark.parametrize("state", ["archived", "fork"])
def test_an_archived_repository_or_fork_is_left_out_with_a_reason(state: str) -> None:
    """Nothing of ours can or should be merged there."""
    health = score(facts(**{state: True}))
    assert health.improvement is None
    assert health.left_out
    assert state in health.left_out


def test_every_improvement_is_a_prompt() -> None:
    """models.Health: `improvement` is the name of a prompt."""
    for name in {*IMPROVEMENTS.values(), "initialise"}:
        assert load(name).variables == {"repo", "evidence"}


ANY_FACTS = st.fixed_dictionaries(
    {
        "paths": st.lists(
            st.sampled_from([*SOUND_PATHS, "src/b.ts", "src/c.py", "data.csv", "test_c.py"]),
            unique=True,
        ).map(tuple),
        "readme_bytes": st.none() | st.integers(0, 3_000),
        "ci_conclusion": st.sampled_from([None, "success", "failure"]),
        "open_pulls": st.integers(0, 20),
        "description": st.sampled_from(["", "An app"]),
        "topics": st.sampled_from([(), ("app",)]),
        "license": st.sampled_from([None, "MIT"]),
        "pushed_at": st.sampled_from([NOW - timedelta(days=days) for days in (1, 200, 800)]),
    }
)


@given(
    ANY_FACTS,
    st.sampled_from(
        [
            ("readme_bytes", 5_000),
            ("ci_conclusion", "success"),
            ("open_pulls", 0),
            ("description", "An app"),
            ("topics", ("app",)),
            ("license", "MIT"),
            ("pushed_at", NOW),
            *(("paths", path) for path in (*SOUND_PATHS, "test_c.py") if path != "src/app.ts"),
        ]
    ),
)
def test_mending_a_part_never_lowers_the_score(
    before: dict[str, object], mended: tuple[str, object]
) -> None:
    """Otherwise the optimiser would run away from its own work."""
    name, value = mended
    if name == "paths":
        paths = facts(**before).paths or ()
        value = (*dict.fromkeys((*paths, str(value))),)
    lower, higher = score(facts(**before)), score(facts(**{**before, name: value}))
    assert 0 <= lower.score <= higher.score <= 100

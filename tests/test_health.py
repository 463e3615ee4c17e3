"""Health: what costs points, what is unknown, and which improvement follows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.insight.clutter import clutter
from mcp_server.insight.health import IMPROVEMENTS, score
from mcp_server.insight.health_parts import PARTS, TEN_FILES
from mcp_server.insight.repository_facts import CUT_OFF, RepositoryFacts
from mcp_server.models import Repository
from mcp_server.prompts import FOLDER, front_matter, load

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOUND_PATHS = (
    "README.md",
    "LICENSE",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "AGENTS.md",
    ".gitignore",
    "docs/guide.md",
    ".github/badges.yml",
    ".github/ISSUE_TEMPLATE/bug_report.md",
    ".github/PULL_REQUEST_TEMPLATE.md",
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
        ({"paths": without(".github"), "folders": (".github",)}, "ci", None),
        ({"paths": without(".github"), "folders": ("src/parts",)}, "ci", 14),
        ({"paths": without("docs"), "folders": ("docs",)}, "docs", 0),
        ({"paths": without("docs"), "folders": (CUT_OFF,)}, "docs", 0),
        ({"paths": without("CONTRIBUTING"), "folders": (".github",)}, "files", 0),
        ({"paths": without("CONTRIBUTING"), "folders": ("src/deep",)}, "files", 1),
        ({"paths": without(".github"), "folders": (".github",)}, "files", 0),
        ({"paths": without("AGENTS"), "folders": (".github",)}, "files", 1),
        ({"paths": without("AGENTS"), "folders": (CUT_OFF,)}, "files", 0),
        (
            {"paths": without("README"), "readme_bytes": None, "folders": (".github",)},
            "readme",
            None,
        ),
        (
            {"paths": without("LICENSE"), "license": None, "folders": (CUT_OFF,)},
            "licence",
            None,
        ),
        ({"folders": ("dist",)}, "root", 2),
        ({"open_pulls": None, "pulls_updated": None}, "pulls", None),
        ({"open_pulls": None, "open_issues": 99}, "issues", None),
        ({}, "branch", None),
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


def days_ago(*days: int) -> tuple[datetime, ...]:
    """Return moments so many days before now."""
    return tuple(NOW - timedelta(days=one) for one in days)


@pytest.mark.parametrize(
    ("changes", "part", "lost", "improvement"),
    [
        ({"paths": without("README"), "readme_bytes": None}, "readme", 16, "readme"),
        ({"readme_bytes": 0}, "readme", 16, "readme"),
        ({"readme_bytes": 299}, "readme", 11, "readme"),
        ({"readme_bytes": 1_499}, "readme", 5, "readme"),
        ({"readme_bytes": 1_500}, "readme", 0, "bugs"),
        ({"paths": without("tests")}, "tests", 16, "tests"),
        ({"paths": (*SOUND_PATHS, *(f"src/{n}.ts" for n in range(5)))}, "tests", 7, "tests"),
        ({"paths": (*SOUND_PATHS, *(f"src/{n}.ts" for n in range(4)))}, "tests", 0, "bugs"),
        ({"paths": without(".github/w"), "ci_conclusion": None}, "ci", 14, "bugs"),
        ({"ci_conclusion": "failure"}, "branch", 8, "bugs"),
        ({"ci_conclusion": None}, "ci", 0, "bugs"),
        ({"license": None, "paths": without("LICENSE")}, "licence", 8, "docs"),
        ({"license": None}, "licence", 0, "bugs"),
        ({"paths": without("docs")}, "docs", 4, "docs"),
        ({"paths": without("CONTRIBUTING", "SECURITY", "AGENTS")}, "files", 3, "docs"),
        ({"paths": (*SOUND_PATHS, "app.zip", "dist/app.js")}, "root", 4, "refactor"),
        ({"paths": (*SOUND_PATHS, ".env")}, "root", 6, "refactor"),
        ({"description": "  "}, "description", 6, "bugs"),
        ({"topics": ()}, "topics", 3, "bugs"),
        ({"pushed_at": NOW - timedelta(days=181)}, "freshness", 2, "bugs"),
        ({"pushed_at": NOW - timedelta(days=366)}, "freshness", 3, "bugs"),
        ({"open_pulls": 4, "open_issues": 4}, "pulls", 1, "bugs"),
        ({"open_pulls": 11, "open_issues": 11}, "pulls", 2, "bugs"),
        ({"open_pulls": 1, "pulls_updated": days_ago(30)}, "pulls", 0, "bugs"),
        ({"open_pulls": 1, "pulls_updated": days_ago(31)}, "pulls", 1, "bugs"),
        ({"open_pulls": 5, "pulls_updated": days_ago(90, 80, 70, 60, 9)}, "pulls", 3, "bugs"),
        ({"open_pulls": 20, "pulls_updated": days_ago(90, 80, 70, 60, 50)}, "pulls", 4, "bugs"),
        ({"open_pulls": 2, "open_issues": 12}, "issues", 0, "bugs"),
        ({"open_pulls": 2, "open_issues": 13}, "issues", 1, "bugs"),
        ({"open_pulls": 0, "open_issues": 51}, "issues", 2, "bugs"),
    ],
)
def test_a_missing_part_costs_points_and_is_shown(
    changes: dict[str, object], part: str, lost: int, improvement: str
) -> None:
    """Our table of parts."""
    health = score(facts(**changes))
    assert health.parts[part] == lost
    assert health.score == 100 - sum(health.parts.values())
    # A README or a licence is one of the ten files, too.
    assert not any(n for name, n in health.parts.items() if name not in (part, "files"))
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
        facts(
            paths=None,
            readme_bytes=None,
            ci_conclusion=None,
            license=None,
            pushed_at=None,
            open_pulls=None,
            pulls_updated=None,
        )
    )
    assert health.score == 100
    assert health.has_ci is None
    assert health.improvement is None
    assert set(health.parts) == {"description", "topics"}
    assert len(health.evidence) == len(PARTS) - 2 - 1  # of the branch the reading itself tells


@pytest.mark.parametrize("state", ["archived", "fork"])
def test_an_archived_repository_or_fork_is_left_out_with_a_reason(state: str) -> None:
    """Nothing of ours can or should be merged there."""
    health = score(facts(**{state: True}))
    assert health.improvement is None
    assert health.left_out
    assert state in health.left_out


def test_what_the_operator_protects_is_left_out_with_a_reason() -> None:
    """Issue 6 point 3; it is scored all the same."""
    health = score(facts(never_touch=True, readme_bytes=0))
    assert (health.score, health.improvement) == (84, None)
    assert "never_touch" in (health.left_out or "")


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"ci_conclusion": "failure", "failing": ("lint", "test")},
            "branch: main fails: lint, test",
        ),
        ({"ci_conclusion": "error"}, "branch: main fails: error"),
        ({"description": ""}, "description: none: github_set_metadata sets it, no session"),
        ({"topics": ()}, "topics: none: github_set_metadata sets it, no session"),
        (
            {"open_pulls": 9, "pulls_updated": days_ago(90, 80, 70, 60, 50)},
            "pulls: 9 open pull requests; at least 5 untouched for over 30 days, one for 90",
        ),
        (
            {"paths": (*SOUND_PATHS, *(f"{n}.log" for n in range(7)))},
            "root: logs and leftovers: 0.log, 1.log, 2.log, 3.log, 4.log and 2 more",
        ),
        (
            {"paths": (*SOUND_PATHS, "id_rsa")},
            "root: keys: id_rsa; replace what was committed, for the history keeps it",
        ),
        ({"paths": without(".gitignore", "AGENTS")}, "files: no .gitignore, no AGENTS.md"),
    ],
)
def test_the_evidence_says_what_to_mend_and_how(changes: dict[str, object], line: str) -> None:
    """It is what a session, or a person, is given to go by."""
    assert line in score(facts(**changes)).evidence


def test_the_ten_files_are_those_of_the_standard() -> None:
    """One list, which `prompts/standard/AGENTS.md` declares."""
    fields, _ = front_matter((FOLDER / "standard" / "AGENTS.md").read_text(encoding="utf-8"))
    assert tuple(TEN_FILES) == fields["mandatory_files"]
    assert all(like.fullmatch(name) for name, (like, _) in TEN_FILES.items())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".env", "keys"),
        (".env.production", "keys"),
        ("server.pem", "keys"),
        ("credentials.json", "keys"),
        (".env.example", None),
        (".env.test", None),
        ("dist/", "build output"),
        ("dist", None),
        ("node_modules/", "build output"),
        ("app.egg-info/", "build output"),
        ("main.pyc", "build output"),
        ("release.tar.gz", "archives"),
        (".idea/", "editor files"),
        (".DS_Store", "editor files"),
        ("notes.md~", "editor files"),
        (".vscode/", None),
        ("npm-debug.log", "logs and leftovers"),
        ("data.sqlite3", "logs and leftovers"),
        ("README.md", None),
        ("src/", None),
        ("package-lock.json", None),
    ],
)
def test_what_does_not_belong_at_a_root_is_known_by_its_name(name: str, kind: str | None) -> None:
    """Our table; what only some projects mean to share is left alone."""
    assert list(clutter([name])) == ([kind] if kind else [])


def test_the_built_code_of_an_action_belongs_where_it_is() -> None:
    """GitHub runs an action from its repository as it is."""
    assert clutter(["dist/", "action.yml"]) == {}


def test_every_improvement_is_a_prompt() -> None:
    """models.Health: `improvement` is the name of a prompt."""
    for name in {*IMPROVEMENTS.values(), "initialise"}:
        assert load(name).variables == {"repo", "evidence"}


FILES = (*SOUND_PATHS, "src/b.ts", "src/c.py", "data.csv", "test_c.py")
CLUTTERED = (".env", "app.zip", "dist/app.js", "debug.log", ".idea/x.xml")
ANY_FACTS = st.fixed_dictionaries(
    {
        "paths": st.lists(st.sampled_from([*FILES, *CLUTTERED]), unique=True).map(tuple),
        "folders": st.lists(
            st.sampled_from([".github", ".github/ISSUE_TEMPLATE", "docs", "src/a", CUT_OFF]),
            unique=True,
        ).map(tuple),
        "readme_bytes": st.none() | st.integers(0, 3_000),
        "ci_conclusion": st.sampled_from([None, "success", "failure"]),
        "open_pulls": st.none() | st.integers(0, 20),
        "open_issues": st.integers(20, 90),
        "pulls_updated": st.none()
        | st.lists(st.sampled_from(days_ago(1, 31, 90)), max_size=5).map(tuple),
        "description": st.sampled_from(["", "An app"]),
        "topics": st.sampled_from([(), ("app",)]),
        "license": st.sampled_from([None, "MIT"]),
        "pushed_at": st.sampled_from([None, *days_ago(1, 200, 800)]),
    }
)
MENDED = st.sampled_from(
    [
        ("readme_bytes", 5_000),
        ("ci_conclusion", "success"),
        ("open_pulls", 0),
        ("open_issues", 0),
        ("pulls_updated", ()),
        ("description", "An app"),
        ("topics", ("app",)),
        ("license", "MIT"),
        ("pushed_at", NOW),
        *(("added", path) for path in (*SOUND_PATHS, "test_c.py") if path != "src/app.ts"),
        *(("removed", path) for path in CLUTTERED),
    ]
)


@given(ANY_FACTS, MENDED)
def test_mending_a_part_never_lowers_the_score(
    before: dict[str, object], mended: tuple[str, object]
) -> None:
    """Otherwise the optimiser would run away from its own work."""
    name, value = mended
    paths = dict.fromkeys(facts(**before).paths or ())
    # To close pull requests closes no issue: GitHub's count holds both.
    if name == "open_pulls" and isinstance(before["open_pulls"], int):
        issues = int(str(before["open_issues"])) - before["open_pulls"]
        after = {**before, "open_pulls": 0, "open_issues": issues}
    elif name in ("added", "removed"):
        left = [path for path in paths if path != value]
        after = {**before, "paths": (*left, value) if name == "added" else tuple(left)}
    else:
        after = {**before, name: value}
    if not (name == "open_pulls" and before["open_pulls"] is None):
        lower, higher = score(facts(**before)), score(facts(**after))
        assert 0 <= lower.score <= higher.score <= 100


UNREAD = st.sets(
    st.sampled_from(
        [
            ("paths", None),
            ("folders", (CUT_OFF,)),
            ("open_pulls", None),
            ("pulls_updated", None),
            ("pushed_at", None),
        ]
    )
)


@given(ANY_FACTS, UNREAD)
def test_what_cannot_be_read_never_lowers_the_score(
    before: dict[str, object], unread: set[tuple[str, object]]
) -> None:
    """Unknown is not absent: GitHub's bad hour must not look like a repository's bad state."""
    assert score(facts(**{**before, **dict(unread)})).score >= score(facts(**before)).score

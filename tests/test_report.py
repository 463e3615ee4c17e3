"""The report of a day, in its two forms, and the exit code."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from agent.exit_codes import exit_code
from agent.lifecycle import Progress, Status
from agent.planner.plan import JudgedIdea, Plan, Split
from agent.report.markdown import inert, render
from agent.report.model import Ending, Report, build_report
from mcp_server.models import (
    Audit,
    AuditItem,
    AuditState,
    Discovery,
    Idea,
    IdeaKind,
    Provenance,
    SourceStatus,
)
from tests.agent_cases import NOW, PULL_URL, budget, progress, task

EVIL = "a|b [x](//evil.example) <img> *bold* _em_ `x`\n## Heading\r\n- item"

# Escapes, and the code spans around what would become a link or a mention.
OURS = re.compile(r"\\.|`(?:[a-z]*://|www\.|@)+`", re.IGNORECASE)


def idea(title: str, kind: IdeaKind = "tool", **changes: object) -> Idea:
    origin = Provenance(source="devto", url="https://dev.to/x", rank=1, velocity_percentile=0.5)
    values = {"key": "i1", "title": title, "kind": kind, "provenance": (origin,), "score": 0.5}
    return Idea.model_validate(values | changes)


def judged(title: str, verdict: str, repo: str | None, **changes: object) -> JudgedIdea:
    one = idea(title, **changes)  # pyright: ignore[reportArgumentType] -- fields of Idea
    values = {"idea": one, "verdict": verdict, "repo": repo, "reason": f"to {verdict}"}
    return JudgedIdea.model_validate(values)


def made(lane: str, status: Status, name: str, **changes: object) -> Progress:
    piece = task(key=f"k{name}", lane=lane, repo=f"me/{name}", title=f"Do {name}")
    return progress(lane, task=piece, status=status, reason=f"why {name}", **changes)


TASKS = (
    made(
        "create",
        "merged",
        "new-app",
        repository_made_at=NOW,
        pull_url=PULL_URL,
        merged_sha="c" * 40,
    ),
    made("update", "merged", "old-app"),
    made("optimize", "parked", "lib", sessions=("s1", "s2"), pull_url=PULL_URL),
    made("optimize", "merged", "cli"),
    made("optimize", "failed", "kit"),
    made("optimize", "planned", "docs", sessions=(), session_id=None),
    made("create", "parked", "late-app", repository_made_at=NOW, sessions=(), session_id=None),
)
PLAN = Plan(
    date="2026-11-23",
    created_at=NOW,
    split=Split(startable=7, creates=2, updates=1, optimizations=4, repair_reserve=0, unused=0),
    ideas=(
        judged("New app", "create", "me/new-app", kind="app"),
        judged("Old app", "update", "me/old-app"),
        judged("Nothing new", "skip", None),
    ),
    tasks=tuple(one.task for one in TASKS),
    notes=("aim missed: 2 of 10",),
)
DISCOVERY = Discovery(
    ideas=tuple(one.idea for one in PLAN.ideas),
    sources=(
        SourceStatus(name="devto", status="ok", signals=3),
        SourceStatus(name="hackernews", status="failed", reason="no answer"),
    ),
)
BUDGET = budget(
    spent=6,
    held=1,
    external=2,
    remaining=3,
    released=1,
    by_lane={"create": 1, "update": 1, "optimize": 5},
    requests={"api.github.com": 90, "jules.googleapis.com": 40},
)


def report(tasks: tuple[Progress, ...] = TASKS, plan: Plan = PLAN, **changes: object) -> Report:
    values: dict[str, object] = {
        "world": "sandbox:7",
        "seed": 7,
        "started_at": NOW,
        "ended_at": NOW + timedelta(minutes=50),
        "exit": 3,
        "resumed": False,
        "budget": BUDGET,
        "tasks": tasks,
        "archived": ("s1",),
        "errors": ("look: no answer",),
        "alarms": ("marker that is not ours",),
        "waiting": (),
        "red_bases": (),
    }
    return build_report(plan, DISCOVERY, Ending(**{**values, **changes}))  # pyright: ignore[reportArgumentType] -- fields of Ending


def test_a_small_day_as_markdown() -> None:
    """What needs a person stands first, before what was done."""
    assert render(report()) == snapshot("""\
# Daily Factory, 2026-11-23

3 merged, 2 parked, 1 failed, 1 running. 6 of 12 sessions are ours in the last 24 h (create 1, update 1, optimize 5), 2 of others, 1 in doubt, 3 free.

## Needs you

- marker that is not ours
- me/lib: why lib
- me/late-app: why late-app
- 1 start is in doubt and keeps its unit until a listing settles it

## Review before anything is published

- me/late-app: 0 of 1 ok; unknown: the standard (no pull request into it was audited)
- me/new-app: 0 of 1 ok; unknown: the standard (no pull request into it was audited)

## Tasks

| state | lane | repository | task | pull request | why |
|---|---|---|---|---|---|
| merged | create | me/new-app | Do new-app | https://github.com/factory-owner/recipe-web/pull/7 | why new-app |
| merged | update | me/old-app | Do old-app |  | why old-app |
| parked | optimize | me/lib | Do lib | https://github.com/factory-owner/recipe-web/pull/7 | why lib |
| merged | optimize | me/cli | Do cli |  | why cli |
| failed | optimize | me/kit | Do kit |  | why kit |
| running | optimize | me/docs | Do docs |  | why docs |
| parked | create | me/late-app | Do late-app |  | why late-app |

## Trend sources

- devto: ok, 3 signals
- hackernews: failed, 0 signals (no answer)

## Software ideas

- **create** New app → me/new-app: to create (devto)

## Tools

- **update** Old app → me/old-app: to update (devto)
- **skip** Nothing new: to skip (devto)

## Notes

- aim missed: 2 of 10

## Errors

- look: no answer

## The run

sandbox:7, 2026-11-23 12:00 to 12:50 UTC, exit 3; decided by rules; 90 requests to api.github.com, 40 requests to jules.googleapis.com; ledger head `0123456789abcdef`.
""")  # noqa: E501 -- lines of the report


def test_a_day_without_anything_is_still_a_report() -> None:
    """An empty section is left out, except the one that a person looks for."""
    nothing = PLAN.model_copy(update={"ideas": (), "tasks": (), "notes": ()})
    calm = BUDGET.model_copy(update={"held": 0})
    told = render(report((), nothing, errors=(), alarms=(), archived=(), exit=5, budget=calm))
    assert told == snapshot("""\
# Daily Factory, 2026-11-23

No task. 6 of 12 sessions are ours in the last 24 h (create 1, update 1, optimize 5), 2 of others, 0 in doubt, 3 free.

## Needs you

Nothing.

## Trend sources

- devto: ok, 3 signals
- hackernews: failed, 0 signals (no answer)

## The run

sandbox:7, 2026-11-23 12:00 to 12:50 UTC, exit 5; decided by rules; 90 requests to api.github.com, 40 requests to jules.googleapis.com; ledger head `0123456789abcdef`.
""")  # noqa: E501 -- lines of the report


def test_the_numbers_of_the_report_are_the_ledgers() -> None:
    """INTERFACE.md, Report: field names are a promise."""
    assert report().allowance.model_dump() == snapshot(
        {
            "limit": 12,
            "window_hours": 24,
            "spent": 6,
            "held": 1,
            "released": 1,
            "external": 2,
            "remaining": 3,
            "by_lane": {"create": 1, "update": 1, "optimize": 5, "repair": 0, "manual": 0},
            "chain_events": 1,
            "chain_head": "0123456789abcdef0123",
        }
    )


def test_tasks_are_told_with_their_ends() -> None:
    """A task without an end is `running`; units are its own sessions."""
    lines = [(one.repo, one.state, one.sessions_spent) for one in report().tasks]
    assert lines == snapshot(
        [
            ("me/new-app", "merged", 1),
            ("me/old-app", "merged", 1),
            ("me/lib", "parked", 2),
            ("me/cli", "merged", 1),
            ("me/kit", "failed", 1),
            ("me/docs", "running", 0),
            ("me/late-app", "parked", 0),
        ]
    )
    assert report().repositories.model_dump() == snapshot(
        {
            "created": ("me/late-app", "me/new-app"),
            "updated": ("me/old-app",),
            "optimized": ("me/cli",),
        }
    )


def test_what_a_person_must_see_is_listed() -> None:
    """Alarms, parked tasks, and every new repository, finished or not."""
    told = report(red_bases=("me/old-app: main fails, since #4 was merged",))
    assert told.needs_you == snapshot(
        (
            "marker that is not ours",
            "me/old-app: main fails, since #4 was merged",
            "me/lib: why lib",
            "me/late-app: why late-app",
            "1 start is in doubt and keeps its unit until a listing settles it",
        )
    )
    assert [one.repo for one in told.review_before_public] == ["me/late-app", "me/new-app"]


def audited(state: AuditState, what: str = "AGENTS.md") -> Audit:
    """Return an audit of one line."""
    item = AuditItem(rule="file", what=what, state=state, evidence="seen | said")
    return Audit(repo="me/new-app", tree="t1", items=(item,))


MADE = progress(
    task=task(lane="create", repo="me/new-app"), status="merged", repository_made_at=NOW
)
REPAIR = progress(task=task(lane="repair", repo="me/new-app", key="krepair"), status="merged")


@pytest.mark.parametrize(
    ("tasks", "lines"),
    [
        ([MADE], [("the standard", "unknown")]),
        ([MADE.model_copy(update={"audit": audited("ok")})], [("AGENTS.md", "ok")]),
        (
            [
                MADE.model_copy(update={"audit": audited("missing")}),
                REPAIR.model_copy(update={"audit": audited("ok")}),
            ],
            [("AGENTS.md", "ok")],
        ),
        (
            [
                MADE.model_copy(update={"audit": audited("missing")}),
                REPAIR.model_copy(update={"audit": audited("ok"), "status": "parked"}),
            ],
            [("AGENTS.md", "missing")],
        ),
        (
            [MADE.model_copy(update={"audit": audited("unknown"), "status": "parked"})],
            [("AGENTS.md", "unknown"), ("its work is merged", "missing")],
        ),
    ],
)
def test_a_new_repository_stands_in_the_report_with_the_checklist_of_what_was_merged_last(
    tasks: list[Progress], lines: list[tuple[str, str]]
) -> None:
    """Issue 6 point 4: what a person goes by before publishing it."""
    (found,) = report(tuple(tasks)).review_before_public
    assert [(line.what, line.state) for line in found.checklist] == lines


def test_the_checklist_says_in_one_line_what_is_not_there_and_nothing_in_it_is_markup() -> None:
    """Paths and evidence are a session's words."""
    made = MADE.model_copy(update={"audit": audited("missing")})
    told = render(report((made,)))
    assert "- me/new-app: 0 of 1 ok; missing: AGENTS.md (seen \\| said)" in told


def test_a_pause_is_told_to_whoever_can_end_it() -> None:
    """A day without work because of a forgotten pause must not read "needs you: nothing"."""
    paused = BUDGET.model_copy(update={"paused": "lunch"})
    assert any("paused (lunch)" in line for line in report(budget=paused).needs_you)


def test_what_jules_said_that_nobody_knows_is_told() -> None:
    """It was recorded, not guessed: a person may know of a newer version."""
    heard = BUDGET.model_copy(update={"unknown": ("session state: HIBERNATING",)})
    assert any("HIBERNATING" in line for line in report(budget=heard).notes)
    assert not any("Jules said" in line for line in report().notes)


def test_the_report_has_the_promised_fields() -> None:
    """INTERFACE.md, Report."""
    assert set(Report.model_fields) >= {
        "run",
        "allowance",
        "planner",
        "sources",
        "ideas",
        "tasks",
        "repositories",
        "needs_you",
        "review_before_public",
        "archived",
        "errors",
        "requests",
    }
    assert Report.model_validate_json(report().model_dump_json()) == report()


def test_a_strangers_title_is_nothing_but_text() -> None:
    """Titles, reasons and failures come from pages and sessions; none becomes markup."""
    assert inert(EVIL) == snapshot(
        "a\\|b \\[x\\](//evil.example) \\<img\\> \\*bold\\* \\_em\\_ \\`x\\` \\#\\# Heading - item"
    )


def test_a_strangers_words_cannot_break_a_table_or_a_list() -> None:
    """Every row of the task table has its six cells, and no line is a stranger's own."""
    evil = task(title=EVIL, repo="me/app", reason=EVIL)
    plan = PLAN.model_copy(update={"ideas": (judged(EVIL, "create", "me/app"),), "notes": (EVIL,)})
    told = render(
        report(
            (progress(task=evil, status="parked", reason=EVIL),),
            plan,
            errors=(EVIL,),
            alarms=(EVIL,),
        )
    )
    rows = [line for line in told.splitlines() if line.startswith("| parked")]
    assert len(rows) == 1
    assert rows[0].replace(r"\|", "").count("|") == 7
    assert not [line for line in told.splitlines() if line.startswith(("## Heading", "- item"))]
    assert "[x](" not in told
    strangers = "".join(line for line in told.splitlines() if "evil" in line)
    assert not re.search(r"(?<!\\)[<`]", strangers)


@given(st.text())
def test_inert_text_is_one_line_in_which_every_active_character_is_escaped(text: str) -> None:
    """Whatever the text, it stays on its line; only our own code spans are markup."""
    told = inert(text)
    assert len(told.splitlines()) <= 1
    assert not re.search(r"[`*_\[\]<>|#!~&]", re.sub(OURS, "", told))


@given(st.lists(st.sampled_from(("@", "://", "www.", "WWW.", "http", "a", "\\", "`", " "))))
def test_nothing_that_becomes_a_link_by_itself_stands_outside_code(parts: list[str]) -> None:
    """GitHub links bare addresses and notifies `@name`; in a code span it does neither."""
    told = inert("".join(parts))
    assert not re.search(r"[`@]|://|www\.", re.sub(OURS, "", told), re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("see https://evil.example now", "see `https://`evil.example now"),
        ("www.evil.example", "`www.`evil.example"),
        ("HTTP://WWW.evil.example", "`HTTP://WWW.`evil.example"),
        ("cc @torvalds", "cc `@`torvalds"),
        ("@@team", "`@@`team"),
        ("mail me@evil.example", "mail me`@`evil.example"),
        ("`@x`", r"\``@`x\`"),
    ],
)
def test_an_address_or_a_name_is_told_but_dead(text: str, told: str) -> None:
    """The reader still sees what was written; entities would be decoded before mentions are."""
    assert inert(text) == told


@pytest.mark.parametrize(
    ("url", "cell"),
    [
        ("https://github.com/me/a.b-c_d/pull/7", "https://github.com/me/a.b-c_d/pull/7"),
        ("https://evil.example/me/app/pull/7", "`https://`evil.example/me/app/pull/7"),
        ("https://github.com/me/app/pull/7/files", "`https://`github.com/me/app/pull/7/files"),
        ("https://github.com/me/app/pull/7\n", "`https://`github.com/me/app/pull/7"),
        ("https://github.com@evil.example/a/b/pull/7", None),
        ("http://github.com/me/app/pull/7", None),
        ("https://github.com/me/app/pull/\u0667", None),
        ("https://github.com/me/app|x/pull/7", None),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_only_a_pull_request_on_github_is_a_link(url: str, cell: str | None) -> None:
    """Jules reports the address; what is no pull request's is told as text."""
    told = render(report((made("update", "merged", "app", pull_url=url),)))
    (row,) = (line for line in told.splitlines() if line.startswith("| merged"))
    assert row == f"| merged | update | me/app | Do app | {cell or inert(url)} | why app |"


def ends(*statuses: Status) -> list[Progress]:
    return [progress(status=status) for status in statuses]


@pytest.mark.parametrize(
    ("statuses", "unstarted", "free", "code"),
    [
        ((), 0, 3, 5),
        (("merged",), 0, 3, 0),
        (("merged", "skipped"), 0, 0, 0),
        (("merged", "failed"), 0, 0, 3),
        (("merged", "parked"), 0, 3, 3),
        (("merged", "skipped"), 1, 0, 4),
        (("failed", "parked", "skipped"), 1, 0, 4),
        (("failed", "parked", "skipped"), 1, 1, 6),
        (("merged", "running"), 0, 0, 6),
        (("merged", "planned"), 0, 0, 6),
        (("failed", "skipped", "running"), 1, 0, 6),
    ],
)
def test_the_exit_code_says_how_the_run_went(
    statuses: tuple[Status, ...], unstarted: int, free: int, code: int
) -> None:
    """INTERFACE.md, exit codes: the gravest counts; a person's no is no failure."""
    assert exit_code(ends(*statuses), unstarted=unstarted, free=free, startable=9) == code


@pytest.mark.parametrize(("free", "code"), [(0, 5), (3, 6)])
def test_free_units_without_time_for_any_are_work_left(free: int, code: int) -> None:
    """Nothing was planned because nothing could have finished: not "nothing to do"."""
    assert exit_code((), unstarted=0, free=free, startable=0) == code

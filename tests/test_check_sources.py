"""Several sources, one list: what each trap of GitHub's checks comes to, and what is expected."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mcp_server.guard.checks import (
    ACTIONS,
    STATUS,
    ActionsRun,
    CheckRun,
    Expectation,
    Rules,
    Sources,
    Suite,
    app_of,
    combined,
    is_contested,
    learn,
    resolved,
)
from mcp_server.guard.gate import CheckState, judge_checks
from mcp_server.insight.workflow_triggers import runs_for_pull
from mcp_server.models import Check

SHA = "a" * 40
FILE = ".github/workflows/ci.yml"
CI = Expectation(name="ci", app=ACTIONS)


def word(
    number: int, conclusion: str | None = "success", *, name: str = "ci", suite: int = 1
) -> CheckRun:
    """Return a check run of Actions; without a conclusion it is queued."""
    return CheckRun(
        id=number,
        suite=suite,
        name=name,
        app=ACTIONS,
        app_id=15368,
        sha=SHA,
        status="completed" if conclusion else "queued",
        conclusion=conclusion,
    )


def run(
    number: int, conclusion: str | None = "success", *, event: str = "push", path: str = FILE
) -> ActionsRun:
    """Return a workflow run whose suite has its own number."""
    return ActionsRun(
        id=number,
        suite=number,
        path=path,
        event=event,
        status="completed" if conclusion else "in_progress",
        conclusion=conclusion,
    )


def suite(app: str, conclusion: str | None = None, *, runs: int = 0) -> Suite:
    status = "completed" if conclusion else "queued"
    return Suite(id=1, app=app, status=status, conclusion=conclusion, runs=runs)


def of(
    *runs: CheckRun,
    workflows: Sequence[ActionsRun] | None = (),
    suites: Sequence[Suite] = (),
    statuses: Sequence[Check] = (),
) -> Sources:
    told = None if workflows is None else tuple(workflows)
    return Sources(runs=runs, statuses=tuple(statuses), suites=tuple(suites), workflows=told)


def status(conclusion: str) -> Check:
    return Check(name="cov", app=STATUS, conclusion=conclusion)


BLIND = Sources(
    runs=None,
    statuses=(),
    workflows=(run(1),),
    jobs=(Check(name="ci", app=ACTIONS, conclusion="success"),),
)

TRAPS: dict[str, tuple[Sources, CheckState]] = {
    "all well": (of(word(1), workflows=[run(1)]), "GREEN"),
    "nothing yet": (of(), "NONE"),
    "run again, not ended": (of(word(1), word(2, None)), "PENDING"),
    "run again and failed": (of(word(1), word(2, "failure")), "FAILED"),
    "run again and well": (of(word(1, "failure"), word(2)), "GREEN"),
    "one name in two workflows, one red": (
        of(word(1, "failure", suite=1), word(2, suite=2), workflows=None),
        "FAILED",
    ),
    "two workflows, as their runs say": (
        of(
            word(1, "failure", suite=1),
            word(2, suite=2),
            workflows=[run(1, "failure"), run(2, path="other.yml")],
        ),
        "FAILED",
    ),
    "a workflow run anew for the same event": (
        of(word(1, "failure", suite=1), word(2, suite=2), workflows=[run(1, "failure"), run(2)]),
        "GREEN",
    ),
    "a workflow run for two events": (
        of(
            word(1, "failure", suite=1),
            word(2, suite=2),
            workflows=[run(1, "failure"), run(2, event="pull_request")],
        ),
        "FAILED",
    ),
    "an older run still goes on": (
        of(word(2, suite=2), workflows=[run(1, None), run(2)]),
        "PENDING",
    ),
    "runs of no told file": (
        of(word(2, suite=2), workflows=[run(1, "failure", path=""), run(2, path="")]),
        "FAILED",
    ),
    "cancelled for a newer one": (
        of(word(1, "cancelled", suite=1), word(2, suite=2), workflows=None),
        "GREEN",
    ),
    "cancelled, and nothing newer": (of(word(2, "cancelled"), workflows=None), "FAILED"),
    "the newer one cancelled": (
        of(word(1, suite=1), word(2, "cancelled", suite=2), workflows=None),
        "FAILED",
    ),
    "approval, without a check run": (of(workflows=[run(1, "action_required")]), "ACTION_REQUIRED"),
    "approval beside another's green": (
        of(word(1), workflows=[run(1), run(2, "action_required", path="b.yml")]),
        "ACTION_REQUIRED",
    ),
    "approved since": (
        of(word(2, suite=2), workflows=[run(1, "action_required"), run(2)]),
        "GREEN",
    ),
    "broken workflow file": (of(word(1), workflows=[run(1, "startup_failure")]), "FAILED"),
    "a run that waits": (of(word(1), workflows=[run(1), run(2, None, path="b.yml")]), "PENDING"),
    "only a run's success": (of(workflows=[run(1)]), "NONE"),
    "an app that never runs": (of(word(1), suites=[suite("netlify")]), "GREEN"),
    "an app at work": (of(word(1), suites=[suite("other", runs=2)]), "PENDING"),
    "an app that failed without a run": (of(word(1), suites=[suite("other", "failure")]), "FAILED"),
    "an app's runs speak for it": (
        of(word(1), suites=[suite("other", "failure", runs=1)]),
        "GREEN",
    ),
    "Actions' queued suite, runs told": (of(word(1), suites=[suite(ACTIONS)]), "GREEN"),
    "Actions' queued suite, runs not told": (
        of(word(1), suites=[suite(ACTIONS)], workflows=None),
        "PENDING",
    ),
    "Actions' approval, runs not told": (
        of(word(1), suites=[suite(ACTIONS, "action_required")], workflows=None),
        "ACTION_REQUIRED",
    ),
    "Jules' own suite": (of(word(1), suites=[suite("google-labs-jules", "failure")]), "GREEN"),
    "a status fails that no check run shows": (of(word(1), statuses=[status("failure")]), "FAILED"),
    "a status succeeds alone": (of(statuses=[status("success")]), "INCOMPLETE"),
    "jobs in the place of check runs": (BLIND, "GREEN"),
    "no job yet": (replace(BLIND, jobs=(), workflows=(run(1, None),)), "PENDING"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_each_trap_of_the_sources_is_judged(name: str):
    """facts/github.md 1.6 and 2; expected is `ci` of GitHub Actions."""
    sources, state = TRAPS[name]
    assert judge_checks(combined(sources), {CI}) == state


@pytest.mark.parametrize(
    ("runs", "contested"),
    [
        ([word(1), word(2, name="lint")], False),
        ([word(1), word(2)], False),
        ([word(1), word(2, suite=2)], True),
        ([word(1, suite=0), word(2, suite=0)], False),
    ],
)
def test_only_one_name_in_two_suites_needs_the_workflow_runs(runs: list[CheckRun], contested: bool):
    """What a red name costs one request more for."""
    assert is_contested(runs) == contested


def names(*found: str) -> list[Check]:
    return [Check(name=name, app=ACTIONS) for name in found]


def wanted(*found: str) -> set[Expectation]:
    return {Expectation(name=name, app=ACTIONS) for name in found}


def test_what_a_base_runs_is_kept_over_a_commit_that_runs_less():
    """Unfinished takes nothing away; of finished commits the last two count."""
    first = learn(None, names("ci", "lint"), sha="1", finished=True, head="h1")
    begun = learn(first, names("new"), sha="2", finished=False, head="h2")
    assert begun.expected == wanted("ci", "lint", "new")
    second = learn(begun, names("lint", "new"), sha="2", finished=True, head="h2")
    assert second.expected == wanted("ci", "lint", "new")
    same = learn(second, names("lint", "new"), sha="2", finished=True, head="h3")
    assert same.expected == wanted("ci", "lint", "new")
    third = learn(same, names("new"), sha="3", finished=True, head="h3")
    assert third.expected == wanted("lint", "new")
    assert third.read_for == {"h1", "h2", "h3"}


def test_what_proves_nothing_is_not_expected():
    """Jules' own word, and the shadows of workflow runs and suites."""
    base = combined(of(word(1), workflows=[run(1)], suites=[suite("other", "success")]))
    jules = Check(name="jules", app="google-labs-jules")
    learnt = learn(None, [*base, jules], sha="1", finished=True, head="h")
    assert learnt.expected == {CI}


def test_an_app_is_called_by_its_slug_once_it_was_seen():
    """Rulesets and protection name apps by their ids."""
    asked = {Expectation(name="ci", app=app_of(15368)), Expectation(name="x", app=app_of(7))}
    rules = Rules(required=frozenset(asked), merge_queue=True)
    found = resolved(rules, {15368: ACTIONS})
    assert found.required == {CI, Expectation(name="x", app=app_of(7))}
    assert found.merge_queue


TRIGGERS: dict[str, tuple[str, str]] = {
    "every push": ("on: push", "always"),
    "a list": ("on: [push, pull_request]", "always"),
    "a list of lines": ("on:\n  - workflow_dispatch\n  - pull_request\n", "always"),
    "lines at the margin": ("on:\n- push\njobs:\n", "always"),
    "quoted": ('"on":\n  pull_request:\njobs: {}\n', "always"),
    "main and pull requests": (
        "on:\n  push:\n    branches: [main]\n  pull_request: # all\n\njobs: {}\n",
        "always",
    ),
    "pull requests into main": ("on:\n  pull_request:\n    branches: [main]\n", "always"),
    "into another branch": ("on:\n  pull_request:\n    branches:\n      - dev\n", "never"),
    "pushes to main": ("on:\n  push:\n    branches:\n    - 'main'\n", "never"),
    "pushes to this branch": ("on:\n  push:\n    branches: [main, work]\n", "always"),
    "tags": ("on:\n  push:\n    tags: ['v*']\n", "never"),
    "a schedule": ("on:\n  schedule:\n    - cron: '0 3 * * *'\n  workflow_dispatch:\n", "never"),
    "by hand": ("on: workflow_dispatch", "never"),
    "some paths": ("on:\n  pull_request:\n    paths: ['src/**']\n", "may"),
    "some paths of main": (
        "on:\n  pull_request:\n    branches: [main]\n    paths-ignore: [docs]\n",
        "may",
    ),
    "some types": ("on:\n  pull_request:\n    types: [labeled]\n", "may"),
    "a pattern": ("on:\n  pull_request:\n    branches: ['m*']\n", "may"),
    "braces": ("on: {push: {branches: [main]}}", "may"),
    "an anchor": ("on:\n  push: &all\n    branches: [main]\n", "may"),
    "no trigger that is seen": ("name: x\njobs: {}\n", "may"),
    "an event nobody knows": ("on: comet", "may"),
    "the base's own rights": ("on: pull_request_target", "may"),
}


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_workflows_text_says_whether_it_runs_for_a_pull_request(name: str):
    """From `work` into `main`; what is not surely read may run, and is neither asked nor waived."""
    text, answer = TRIGGERS[name]
    assert runs_for_pull(text, base="main", head="work") == answer

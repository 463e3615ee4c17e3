"""All that GitHub and Jules can do, put to the policy: what passes is this reviewed table.

GitHub's operations come from its OpenAPI description (npm `@octokit/openapi`), Jules' twelve from
facts/jules-api.md 1 (2026-11-22).
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any

import pytest

from mcp_server.clients import github, github_patches, jules
from mcp_server.clients import github_care as care
from mcp_server.errors import Refused
from mcp_server.guard import policy
from mcp_server.guard.policy import RULES, Rule, Service
from mcp_server.sandbox.faults import Exchange
from tests import node_modules_dir
from tests.agent_cases import Desk, at_desk
from tests.guard_cases import REPORT, SHA, merge_of, start

DESCRIPTION = "@octokit/openapi/generated/api.github.com.json"
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")

# Operation → kind, effect. The comment says why it may leave; whoever adds a row reads the
# operation's page first and asks what else it can be made to do.
GITHUB = {
    # Who the token belongs to: names the owner of what is created.
    "GET /user": ("whoami", "read"),
    # The survey, and the count of repositories created in the window.
    "GET /user/repos": ("list_repositories", "read"),
    # The same for a GitHub App, which has an installation and no user.
    "GET /installation/repositories": ("list_installed_repositories", "read"),
    # Is it there, is it private, what is its default branch.
    "GET /repos/{owner}/{repo}": ("get_repository", "read"),
    # Health: which files there are. By branch or commit.
    "GET /repos/{owner}/{repo}/git/trees/{tree_sha}": ("get_tree", "read"),
    # What a patch is applied to, file by file.
    "GET /repos/{owner}/{repo}/git/blobs/{file_sha}": ("get_blob", "read"),
    # Where a branch stands, before and after it is moved. `heads/` only: no tags.
    "GET /repos/{owner}/{repo}/git/ref/{ref}": ("get_ref", "read"),
    # The tree that the first commit is built on.
    "GET /repos/{owner}/{repo}/git/commits/{commit_sha}": ("get_commit", "read"),
    # The gate: every kind of check on the judged head, and what the base branch demands.
    "GET /repos/{owner}/{repo}/commits/{ref}/check-runs": ("list_checks", "read"),
    "GET /repos/{owner}/{repo}/commits/{ref}/check-suites": ("list_suites", "read"),
    "GET /repos/{owner}/{repo}/commits/{ref}/status": ("list_statuses", "read"),
    "GET /repos/{owner}/{repo}/rules/branches/{branch}": ("list_rules", "read"),
    "GET /repos/{owner}/{repo}/branches/{branch}/protection": ("get_protection", "read"),
    # The gate: the pull request, what it changes, and whether it is merged.
    "GET /repos/{owner}/{repo}/pulls": ("list_pulls", "read"),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}": ("get_pull", "read"),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/files": ("list_files", "read"),
    "GET /repos/{owner}/{repo}/pulls/{pull_number}/merge": ("is_merged", "read"),
    # What failed: the workflow runs of a head, their jobs, and where the log of a job lies.
    "GET /repos/{owner}/{repo}/actions/runs": ("list_runs", "read"),
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}/jobs": ("list_jobs", "read"),
    "GET /repos/{owner}/{repo}/actions/jobs/{job_id}/logs": ("find_job_log", "read"),
    # What there is already, of the account and of everybody.
    "GET /search/repositories": ("search_repositories", "read"),
    "GET /search/issues": ("search_issues", "read"),
    # Whether our own comment, or the one report issue, is there already.
    "GET /repos/{owner}/{repo}/issues": ("list_issues", "read"),
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": ("list_comments", "read"),
    # Which schedules there are, what they say and when they ran: do they spend the allowance?
    "GET /repos/{owner}/{repo}/actions/workflows": ("list_workflows", "read"),
    "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}": ("get_workflow", "read"),
    "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs": (
        "list_workflow_runs",
        "read",
    ),
    # Of all contents a workflow's only.
    "GET /repos/{owner}/{repo}/contents/{path}": ("get_workflow_file", "read"),
    # Private, without wiki or auto-merge: the body says each of these or does not leave.
    "POST /user/repos": ("create_repository", "mutation"),
    # The same body: an organization's own words for it (`visibility`, `internal`) have no field.
    "POST /orgs/{org}/repos": ("create_repository", "mutation"),
    # Plain files on an existing tree: no symlink, no submodule, nothing above or in `.git`; a file
    # that goes, or stays under another name, by its blob.
    "POST /repos/{owner}/{repo}/git/trees": ("create_tree", "mutation"),
    # One parent: neither a new root nor a merge.
    "POST /repos/{owner}/{repo}/git/commits": ("create_commit", "mutation"),
    # A new branch, at a commit of ours (the ledger sees to that): one that is there answers 422.
    "POST /repos/{owner}/{repo}/git/refs": ("create_branch", "mutation"),
    # Within one repository, marked as ours, from a branch of ours (the ledger again).
    "POST /repos/{owner}/{repo}/pulls": ("open_pull", "mutation"),
    # A branch, `force: false` in so many words.
    "PATCH /repos/{owner}/{repo}/git/refs/{ref}": ("move_branch", "mutation"),
    # Squash, and only the head that was judged.
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge": ("merge_pull", "mutation"),
    # The base into a pull request's branch, if its head is still the one that was seen.
    "PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch": ("update_branch", "mutation"),
    # Of all that it can change the description alone: the body has no other field.
    "PATCH /repos/{owner}/{repo}": ("set_description", "mutation"),
    "PUT /repos/{owner}/{repo}/topics": ("set_topics", "mutation"),
    # On a pull request of a session of ours, says the tool; GitHub tells it from no issue.
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": ("comment_pull", "mutation"),
    # The one report: its body begins with our marker, and has no field for a state.
    "POST /repos/{owner}/{repo}/issues": ("open_report", "mutation"),
    "PATCH /repos/{owner}/{repo}/issues/{issue_number}": ("update_report", "mutation"),
    # Off; its file stays, and a person can switch it on again.
    "PUT /repos/{owner}/{repo}/actions/workflows/{workflow_id}/disable": (
        "disable_workflow",
        "mutation",
    ),
}
# What the transport asks as a GitHub App, and no caller can: where it is installed, and a token of
# that installation. Nothing changes by either.
INNER = {
    "GET /app/installations": ("find_installation", "read"),
    "POST /app/installations/{installation_id}/access_tokens": ("mint_token", "query"),
}
JULES = {
    # Which repositories Jules can work on.
    "GET /sources": ("list_sources", "read"),
    # Whether one repository is among them, when the list has many pages.
    "GET /sources/{source}": ("get_source", "read"),
    # The count of the allowance, and how each session is doing.
    "GET /sessions": ("list_sessions", "read"),
    "GET /sessions/{session}": ("get_session", "read"),
    "GET /sessions/{session}/activities": ("list_activities", "read"),
    # The bulk of one: its diff, its images.
    "GET /sessions/{session}/activities/{activity}": ("get_activity", "read"),
    # A unit of the allowance: with a marker in its title.
    "POST /sessions": ("start_session", "mutation"),
    # An answer, a nudge, what to mend.
    "POST /sessions/{session}:sendMessage": ("send_message", "mutation"),
    # With the empty object: there is nothing to say.
    "POST /sessions/{session}:approvePlan": ("approve_plan", "mutation"),
    # A finished session, out of the default list; it can be undone.
    "POST /sessions/{session}:archive": ("archive_session", "mutation"),
    # The undoing of that.
    "POST /sessions/{session}:unarchive": ("unarchive_session", "mutation"),
}

# DESIGN.md section 5 lets these exist, and no part of the product uses them: refused until one
# does, for a row without a user is a way out that nobody watches.
NOT_YET_GITHUB = {
    "POST /repos/{owner}/{repo}/git/blobs": "create blob",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}": "update PR",
}
# Off unless the operator switches it on: for good, and the unit stays spent.
SWITCHED_JULES = {"DELETE /sessions/{session}": ("delete_session", "mutation")}

# Every operation is tried with each of these in its free places, so that none is refused for the
# look of an identifier alone.
PLACES = (
    *("7", "main", "heads/main", SHA, "s1", "github/owner/tool"),
    ".github/workflows/ci.yml",
)
BODIES = (
    b"",
    b"{}",
    *(
        prepared.content
        for prepared in (
            start(),
            jules.send_message("s1", "go on"),
            github.create_repository("new-tool", "a new tool"),
            github.create_tree("owner/tool", SHA, [("a.py", "x = 1\n")]),
            github.create_commit("owner/tool", message="first", tree=SHA, parent=SHA),
            github_patches.create_branch("owner/tool", "daily-factory/tests", SHA),
            github_patches.open_pull("owner/tool", title="x", head="a", base="b", body="[df1 x] y"),
            github.move_branch("owner/tool", "main", SHA),
            merge_of(),
            github.update_branch("owner/tool", 7, SHA),
            care.set_description("owner/tool", "A tool"),
            care.set_topics("owner/tool", ["cli"]),
            care.comment_pull("owner/tool", 7, "a comment"),
            care.open_report("owner/tool", "Report", REPORT),
        )
    ),
)


@cache
def described() -> Mapping[str, Any]:
    """Return GitHub's operations by `METHOD /path`; read once, for it is 13 MB."""
    paths = json.loads(node_modules_dir.need(DESCRIPTION).read_bytes())["paths"]
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in paths.items()
        for method in METHODS
        if method in item
    }


def passing(service: Service, operation: str, *, inner: bool = False) -> set[tuple[str, str]]:
    """Return kind and effect of every way in which an operation gets out; empty: refused."""
    method, template = operation.split(" ", 1)
    return {
        (rule.kind, rule.effect)
        for path, body in product(_paths(template), BODIES)
        if (rule := _decided(service, method, path, body, inner=inner)) is not None
    }


def _paths(template: str) -> Iterator[str]:
    owned = re.sub(r"\{(?:template_)?owner\}", "owner", template)
    named = re.sub(r"\{(?:template_)?repo\}", "tool", owned)
    if "{" not in named:
        return iter((named,))
    return (re.sub(r"\{\w+\}", place, named) for place in PLACES)


def _decided(service: Service, method: str, path: str, body: bytes, *, inner: bool) -> Rule | None:
    try:
        return policy.decide(service, method, path, (), {}, body, inner=inner)
    except Refused:
        return None


def test_of_all_that_github_describes_exactly_the_table_passes():
    """Promises 15 and 19: each operation of the description is classified, in every spelling."""
    operations = described()
    assert len(operations) > 1000
    found = {one: kinds for one in operations if (kinds := passing("github", one))}
    assert found == {operation: {row} for operation, row in GITHUB.items()}


def test_what_an_app_asks_for_itself_is_two_operations_and_no_others():
    """Their answers hold a token: no caller's request gets out by these rows."""
    found = {one: kinds for one in described() if (kinds := passing("github", one, inner=True))}
    assert found == {operation: {row} for operation, row in INNER.items()}
    assert sorted(INNER.values()) == sorted((rule.kind, rule.effect) for rule in policy.INNER)


def test_of_all_that_jules_does_exactly_the_table_passes():
    """facts/jules-api.md 1: twelve operations exist; these are all of them."""
    everything = {*JULES, *SWITCHED_JULES}
    assert len(everything) == 12
    found = {one: kinds for one in everything if (kinds := passing("jules", one))}
    assert found == {operation: {row} for operation, row in JULES.items()}


def test_every_rule_of_the_policy_stands_in_the_tables():
    """The other way round: no rule lets out what neither service describes."""
    rows = [*(("github", *row) for row in GITHUB.values())]
    rows += [*(("jules", *row) for row in JULES.values())]
    rows += [("log", "read_log", "read"), ("site", "read_site", "read")]
    # A search that is paid for, and any public page: neither has anything that could be changed.
    rows += [("search", "search_web", "read"), ("page", "read_page", "read")]
    # Health, a batch of repositories at a time: a document of ours and ids. Not REST's, so the
    # description does not have it.
    rows += [("github", "ask_nodes", "query")]
    # Product Hunt's launches of a day: one document of ours.
    rows += [("site", "ask_launches", "query")]
    assert sorted(rows) == sorted((rule.service, rule.kind, rule.effect) for rule in RULES)


@pytest.mark.parametrize("operation", NOT_YET_GITHUB, ids=NOT_YET_GITHUB.values())
def test_what_github_may_be_asked_one_day_is_refused_until_it_is_used(operation: str):
    """DESIGN.md section 5 names it; the description knows it; no client builds it."""
    assert operation in described()
    assert passing("github", operation) == set()


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/api/graphql", "/v4/graphql"])
def test_graphql_is_refused_whatever_it_says(path: str):
    """What is not one of the two documents, by its hash, has no effect we could know."""
    said = ({"query": "{viewer{login}}"}, {"query": "mutation{x}"}, [{"query": "{a}"}])
    bodies = (b"", *(json.dumps(document).encode() for document in said))
    for method, query, body in product(("GET", "POST"), ((), ("query",)), bodies):
        with pytest.raises(Refused):
            policy.decide("github", method, path, query, {}, body)


def test_a_repository_that_turns_out_public_raises_an_alarm_and_stops_everything():
    """DESIGN.md section 5: never public, whoever made it so; here it is seen after the create."""

    async def play(desk: Desk) -> None:
        await desk.settle()

        repo = f"{(await desk.ask('github_list_repos'))['owner']}/new-app"

        def publish(exchange: Exchange) -> None:
            created = desk.world.github.repo(repo)
            if created is not None and exchange.method == "GET":
                desk.world.github.set_private(created, private=False)

        desk.tap.fault = publish
        before = len(desk.tap.mutations)
        told = await desk.call("github_create_private_repo", name="new-app", description="New")
        assert told.refusal == ("refused", "public")
        assert desk.tap.mutations[before:] == ["POST /user/repos"]
        alarms = [event for event in desk.services.ledger.events() if event.kind == "alarm"]
        assert alarms[-1].data["repo"] == repo
        stopped = await desk.call("github_create_private_repo", name="other-app", description="x")
        assert stopped.refusal == ("refused", "paused")
        assert len(desk.tap.mutations) == before + 1

    at_desk(play)

"""The discovery document: what the live API could tell about itself, and what of it matters."""

import copy
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from mcp_server.clients import jules_schema as wire
from mcp_server.clients.jules_discovery import (
    OPERATIONS,
    PATH,
    UNUSED,
    USED,
    Drift,
    drift,
)
from mcp_server.errors import Unreadable
from mcp_server.guard import bodies
from mcp_server.sandbox.visitor import Visitor, visit

Document = dict[str, Any]
Change = Callable[[Document], object]


@pytest.fixture(scope="module")
def served() -> Document:
    """The document as the sandbox serves it, to anybody."""

    async def play(v: Visitor) -> httpx2.Response:
        url = f"https://jules.googleapis.com{PATH}"
        return await v.http.get(url, params={"version": "v1alpha"})

    return visit(play).raise_for_status().json()


def test_the_sandbox_is_the_jules_that_the_client_was_written_for(served: Document):
    """Two tables written apart from each other: jules-api.md 1, 2.1 and 7."""
    assert drift(served) == ()


def methods(document: Document, *resources: str) -> Document:
    found = document
    for name in resources:
        found = found["resources"][name]
    return found["methods"]


def fields(document: Document, schema: str) -> Document:
    return document["schemas"][schema]["properties"]


def without_parameter(name: str) -> Change:
    """Return the loss of a parameter of sessions.list."""
    return lambda document: methods(document, "sessions")["list"]["parameters"].pop(name)


CANCEL = {"httpMethod": "POST", "flatPath": "v1alpha/sessions/{sessionsId}:cancel"}
LIST = {"httpMethod": "GET", "path": "v1alpha/{+parent}/plans"}
DIFFERENCES: list[tuple[Change, str, bool]] = [
    (
        lambda d: methods(d, "sessions").pop("archive"),
        "operation gone: sessions.archive",
        True,
    ),
    (
        lambda d: methods(d, "sessions", "activities").pop("list"),
        "operation gone: sessions.activities.list",
        True,
    ),
    (
        lambda d: methods(d, "sessions")["delete"].update(httpMethod="POST"),
        "operation changed: sessions.delete (POST sessions/{})",
        True,
    ),
    (
        lambda d: methods(d, "sources")["get"].update(flatPath="v1alpha/repos/{reposId}"),
        "operation changed: sources.get (GET repos/{})",
        True,
    ),
    (
        lambda d: methods(d, "sources")["get"].update(path="v1alpha/repos/{reposId}"),
        "operation changed: sources.get (GET repos/{})",
        True,
    ),
    *(
        (
            without_parameter(name),
            f"parameter gone: sessions.list {name}",
            True,
        )
        for name in ("filter", "pageSize", "pageToken")
    ),
    (
        lambda d: methods(d, "sessions", "activities")["list"]["parameters"].pop("filter"),
        "parameter gone: sessions.activities.list filter",
        True,
    ),
    (
        lambda d: methods(d, "sources")["list"]["parameters"]["pageSize"].update(type="string"),
        "parameter changed: sources.list pageSize (string, not integer)",
        True,
    ),
    (
        lambda d: methods(d, "sources")["list"]["parameters"]["filter"].update(location="path"),
        "parameter gone: sources.list filter",
        True,
    ),
    (
        lambda d: fields(d, "Session")["archived"].update(type="string"),
        "field changed: Session.archived (string, not boolean)",
        True,
    ),
    (
        lambda d: fields(d, "Session")["outputs"]["items"].update({"$ref": "Result"}),
        "field changed: Session.outputs ([Result], not [SessionOutput])",
        True,
    ),
    (
        lambda d: fields(d, "Session").update(outputs={"$ref": "SessionOutput"}),
        "field changed: Session.outputs (SessionOutput, not [SessionOutput])",
        True,
    ),
    (
        lambda d: methods(d, "sessions").update(cancel=CANCEL),
        "operation new: sessions.cancel (POST sessions/{}:cancel)",
        False,
    ),
    (
        lambda d: d["resources"].update(
            plans={
                "methods": {"list": {**LIST, "parameters": {"parent": {"pattern": "^a/[^/]+$"}}}}
            }
        ),
        "operation new: plans.list (GET a/{}/plans)",
        False,
    ),
    (
        lambda d: fields(d, "Session")["state"]["enum"].remove("PAUSED"),
        "word gone: Session.state (PAUSED)",
        True,
    ),
    (
        lambda d: fields(d, "Session")["automationMode"]["enum"].append("AUTO_MERGE"),
        "word new: Session.automationMode (AUTO_MERGE)",
        False,
    ),
    (lambda d: d["schemas"].pop("Media"), "schema gone: Media", True),
    (lambda d: fields(d, "Session").pop("outputs"), "field gone: Session.outputs", True),
    (
        lambda d: fields(d, "Session").update(quota={"type": "string"}),
        "field new: Session.quota",
        False,
    ),
    (
        lambda d: fields(d, "Activity").update(toolCalled={"$ref": "ToolCalled"}),
        "field new: Activity.toolCalled",
        False,
    ),
]


@pytest.mark.parametrize(
    ("change", "told", "breaks"), DIFFERENCES, ids=[row[1] for row in DIFFERENCES]
)
def test_one_difference_is_told_by_its_name(
    served: Document, change: Change, told: str, breaks: bool
):
    """What is gone breaks; what is new is to be looked at."""
    document = copy.deepcopy(served)
    change(document)
    assert [(one.text, one.breaks) for one in drift(document)] == [(told, breaks)]


HARMLESS: list[Change] = [
    lambda d: d["schemas"].pop("SendMessageResponse"),
    lambda d: d["schemas"].update(Quota={"properties": {"left": {}}}),
    lambda d: fields(d, "PlanStep").pop("index"),
    lambda d: d.update(revision="20991231", ownerDomain="google.com"),
    lambda d: [one.pop("flatPath") for one in methods(d, "sessions", "activities").values()],
    lambda d: [one.pop("flatPath") for one in methods(d, "sources").values()],
]


@pytest.mark.parametrize("change", HARMLESS)
def test_what_the_client_does_not_rely_on_may_change(served: Document, change: Change):
    """Else every revision would be a warning, and nobody would read the next one."""
    document = copy.deepcopy(served)
    change(document)
    assert drift(document) == ()


def test_what_breaks_is_told_first(served: Document):
    """A report may be cut."""
    document = copy.deepcopy(served)
    fields(document, "Session").update(quota={})
    del document["schemas"]["Source"]
    document["resources"].pop("sources")
    assert [one.text for one in drift(document)] == [
        "operation gone: sources.get",
        "operation gone: sources.list",
        "schema gone: Source",
        "field new: Session.quota",
    ]


def test_no_name_makes_what_is_told_too_long(served: Document):
    """Issue 5, item 4: a doctor's answer stays under its cap whatever the document says."""
    document, name = copy.deepcopy(served), "n" * 1_000_000
    fields(document, "Session").update({name: {}, "url": {"type": name}})
    document["resources"]["sessions"]["methods"].update({name: {"httpMethod": name, "path": name}})
    found = drift(document)
    assert len(found) == 3
    assert all(len(one.text) < 500 and "…" in one.text for one in found)


@pytest.mark.parametrize("document", [None, [], {}, {"error": {"code": 404}}, {"version": "v1"}])
def test_an_answer_that_is_no_discovery_document_is_not_taken_for_one(document: object):
    """Unknown is not the same as unchanged."""
    with pytest.raises(Unreadable):
        drift(document)


READERS: list[tuple[type[BaseModel], str]] = [
    (wire.Branch, "GitHubBranch"),
    (wire.GitHubRepo, "GitHubRepo"),
    (wire.Source, "Source"),
    (wire.RepoContext, "GitHubRepoContext"),
    (wire.Context, "SourceContext"),
    (wire.Pull, "PullRequest"),
    (wire.GitPatch, "GitPatch"),
    (wire.ChangeSet, "ChangeSet"),
    (wire.Output, "SessionOutput"),
    (wire.Session, "Session"),
    (wire.Step, "PlanStep"),
    (wire.Plan, "Plan"),
    (wire.Media, "Media"),
    (wire.BashOutput, "BashOutput"),
    (wire.Artifact, "Artifact"),
    (wire.Activity, "Activity"),
    (bodies.StartSession, "Session"),
    (bodies.SourceContext, "SourceContext"),
    (bodies.SendMessage, "SendMessageRequest"),
]


@pytest.mark.parametrize(("reader", "schema"), READERS)
def test_every_field_that_is_read_or_sent_is_compared(reader: type[BaseModel], schema: str):
    """A field that is used and in no table would go without a word."""
    assert set(reader.model_fields) <= {*USED[schema], *UNUSED.get(schema, ())}


def test_an_empty_service_lacks_everything():
    """Every row of the tables can be missed."""
    found = drift({"version": "v1alpha", "resources": {}, "schemas": {}})
    gone = {one.where for one in found if one.kind in ("operation gone", "schema gone")}
    assert gone == {*OPERATIONS, *USED}
    assert Drift(kind="word gone", where="Session.state", detail="FAILED") in found

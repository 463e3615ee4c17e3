"""How the live API differs from the Jules that this client was written for: a pure comparison.

`drift` takes Google's discovery document, public at `PATH` on Jules' host, outside its version
(which its query names); fetching it, and saying what to do, is the caller's (facts/jules-api.md 7,
2026-11-22).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mcp_server.clients.wire import Wire, read
from mcp_server.models import ACTIVITY_KINDS, STATES

PATH = "/$discovery/rest"

# All there are: method, and path below the version with `{}` for each name in it.
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "sources.list": ("GET", "sources"),
    "sources.get": ("GET", "sources/{}"),
    "sessions.create": ("POST", "sessions"),
    "sessions.list": ("GET", "sessions"),
    "sessions.get": ("GET", "sessions/{}"),
    "sessions.delete": ("DELETE", "sessions/{}"),
    "sessions.sendMessage": ("POST", "sessions/{}:sendMessage"),
    "sessions.approvePlan": ("POST", "sessions/{}:approvePlan"),
    "sessions.archive": ("POST", "sessions/{}:archive"),
    "sessions.unarchive": ("POST", "sessions/{}:unarchive"),
    "sessions.activities.list": ("GET", "sessions/{}/activities"),
    "sessions.activities.get": ("GET", "sessions/{}/activities/{}"),
}
# By the field that holds a word of it.
ENUMS: Mapping[str, tuple[str, ...]] = {
    "Session.state": STATES,
    "Session.automationMode": ("AUTOMATION_MODE_UNSPECIFIED", "AUTO_CREATE_PR"),
}
# Fields that this client reads or sends: without one of them it no longer works as it should.
USED: Mapping[str, tuple[str, ...]] = {
    "ListSourcesResponse": ("sources", "nextPageToken"),
    "Source": ("name", "githubRepo"),
    "GitHubRepo": ("owner", "repo", "isPrivate", "defaultBranch", "branches"),
    "GitHubBranch": ("displayName",),
    "ListSessionsResponse": ("sessions", "nextPageToken"),
    "Session": (
        *("name", "prompt", "title", "state", "url", "createTime", "updateTime", "archived"),
        *("sourceContext", "outputs", "requirePlanApproval", "automationMode"),
    ),
    "SourceContext": ("source", "githubRepoContext"),
    "GitHubRepoContext": ("startingBranch",),
    "SessionOutput": ("pullRequest", "changeSet"),
    "PullRequest": ("url", "title", "baseRef", "headRef"),
    "ChangeSet": ("source", "gitPatch"),
    "GitPatch": ("unidiffPatch", "baseCommitId", "suggestedCommitMessage"),
    "ListActivitiesResponse": ("activities", "nextPageToken"),
    "Activity": (
        *("name", "id", "originator", "description", "createTime", "artifacts"),
        *ACTIVITY_KINDS,
    ),
    "PlanGenerated": ("plan",),
    "Plan": ("steps",),
    "PlanStep": ("title", "description"),
    "UserMessaged": ("userMessage",),
    "AgentMessaged": ("agentMessage",),
    "ProgressUpdated": ("title", "description"),
    "SessionFailed": ("reason",),
    "Artifact": ("changeSet", "media", "bashOutput"),
    "Media": ("mimeType", "data"),
    "BashOutput": ("command", "output", "exitCode"),
    "SendMessageRequest": ("prompt",),
}
# Fields that are known and not needed; a field in neither table is new.
UNUSED: Mapping[str, tuple[str, ...]] = {
    "Source": ("id",),
    "Session": ("id",),
    "SourceContext": ("workingBranch", "environmentVariablesEnabled"),
    "PullRequest": ("description",),
    "Plan": ("id", "createTime"),
    "PlanStep": ("id", "index"),
}

DriftKind = Literal[
    "operation gone",
    "operation changed",
    "operation new",
    "word gone",
    "word new",
    "schema gone",
    "field gone",
    "field new",
]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One difference; `where` names the operation, enum or field in Jules' own words."""

    kind: DriftKind
    where: str
    detail: str = ""

    @property
    def breaks(self) -> bool:
        """Whether something this client relies on is not there as it was; else it is only new."""
        return not self.kind.endswith("new")

    @property
    def text(self) -> str:
        """A sentence for a report."""
        return f"{self.kind}: {self.where}" + (f" ({self.detail})" if self.detail else "")


class _Parameter(Wire):
    pattern: str = ""


class _Method(Wire):
    httpMethod: str = ""
    path: str = ""
    flatPath: str = ""
    parameters: Mapping[str, _Parameter] = {}


class _Resource(Wire):
    methods: Mapping[str, _Method] = {}
    resources: "Mapping[str, _Resource] | None" = None


class _Property(Wire):
    enum: tuple[str, ...] = ()


class _Schema(Wire):
    properties: Mapping[str, _Property] = {}


class _Document(Wire):
    version: str
    resources: Mapping[str, _Resource]
    schemas: Mapping[str, _Schema]


def drift(document: object) -> tuple[Drift, ...]:
    """Return how a discovery document differs from `OPERATIONS`, `ENUMS`, `USED` and `UNUSED`.

    Schemas that this client does not use are not compared. What breaks comes first.

    Args:
        document: parsed JSON.

    Raises:
        Unreadable: it is no discovery document: that nothing differs is then not known.
    """
    live = read(_Document, document)
    found = (*_operations(live), *_words(live), *_fields(live))
    return tuple(sorted(found, key=lambda one: (not one.breaks, one.kind, one.where)))


def _operations(live: _Document) -> Iterator[Drift]:
    methods = dict(_methods(live.resources))
    for name, (verb, path) in OPERATIONS.items():
        theirs = methods.get(name)
        if theirs is None:
            yield Drift(kind="operation gone", where=name)
            continue
        told = (theirs.httpMethod, _shape(theirs, live.version))
        if told != (verb, path):
            yield Drift(kind="operation changed", where=name, detail=" ".join(told))
    for name in methods.keys() - OPERATIONS.keys():
        told = f"{methods[name].httpMethod} {_shape(methods[name], live.version)}"
        yield Drift(kind="operation new", where=name, detail=told)


def _methods(resources: Mapping[str, _Resource], above: str = "") -> Iterator[tuple[str, _Method]]:
    for name, resource in resources.items():
        for verb, method in resource.methods.items():
            yield f"{above}{name}.{verb}", method
        yield from _methods(resource.resources or {}, f"{above}{name}.")


def _shape(method: _Method, version: str) -> str:
    """Return a path with `{}` for names, from the flat form where the document has one."""
    path = method.flatPath or method.path
    for name, parameter in method.parameters.items():
        # `{+name}` stands for a whole resource name, whose parts its pattern tells.
        parts = re.sub(r"\[\^/\]\+|\.\*", "{}", parameter.pattern).strip("^$")
        path = path.replace(f"{{+{name}}}", parts or "{}")
    return re.sub(r"\{[^}]*\}", "{}", path).removeprefix(f"{version}/")


def _words(live: _Document) -> Iterator[Drift]:
    for where, ours in ENUMS.items():
        schema, _, field = where.partition(".")
        theirs = live.schemas.get(schema, _Schema()).properties.get(field, _Property()).enum
        for word in sorted(set(ours) - set(theirs)):
            yield Drift(kind="word gone", where=where, detail=word)
        for word in sorted(set(theirs) - set(ours)):
            yield Drift(kind="word new", where=where, detail=word)


def _fields(live: _Document) -> Iterator[Drift]:
    for schema, used in USED.items():
        theirs = live.schemas.get(schema)
        if theirs is None:
            yield Drift(kind="schema gone", where=schema)
            continue
        for field in sorted(set(used) - set(theirs.properties)):
            yield Drift(kind="field gone", where=f"{schema}.{field}")
        for field in sorted(set(theirs.properties) - {*used, *UNUSED.get(schema, ())}):
            yield Drift(kind="field new", where=f"{schema}.{field}")

"""How the live API differs from the Jules that this client was written for: a pure comparison.

`drift` takes Google's discovery document, public at `PATH` on Jules' host, outside its version
(which its query names); fetching it, and saying what to do, is the caller's (facts/jules-api.md 7,
2026-11-22).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, Field

from mcp_server.clients.wire import Wire, read
from mcp_server.models import ACTIVITY_KINDS, STATES

PATH = "/$discovery/rest"
# Of what is told of a difference: no name of Jules' is near it.
LONGEST_TOLD = 200

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
# The parameters of a list, by their type: without one a list would be read wrong, and look right.
LISTED_BY: Mapping[str, str] = {"pageSize": "integer", "pageToken": "string", "filter": "string"}
LISTS = ("sources.list", "sessions.list", "sessions.activities.list")
# Fields that this client reads or sends, by what they hold: without one of them, or with something
# else in it, the client no longer works as it should.
USED: Mapping[str, Mapping[str, str]] = {
    "ListSourcesResponse": {"sources": "[Source]", "nextPageToken": "string"},
    "Source": {"name": "string", "githubRepo": "GitHubRepo"},
    "GitHubRepo": {
        **dict.fromkeys(("owner", "repo"), "string"),
        "isPrivate": "boolean",
        "defaultBranch": "GitHubBranch",
        "branches": "[GitHubBranch]",
    },
    "GitHubBranch": {"displayName": "string"},
    "ListSessionsResponse": {"sessions": "[Session]", "nextPageToken": "string"},
    "Session": {
        **dict.fromkeys(("name", "prompt", "title", "url", "createTime", "updateTime"), "string"),
        **dict.fromkeys(("state", "automationMode"), "string"),
        **dict.fromkeys(("archived", "requirePlanApproval"), "boolean"),
        "sourceContext": "SourceContext",
        "outputs": "[SessionOutput]",
    },
    "SourceContext": {"source": "string", "githubRepoContext": "GitHubRepoContext"},
    "GitHubRepoContext": {"startingBranch": "string"},
    "SessionOutput": {"pullRequest": "PullRequest", "changeSet": "ChangeSet"},
    "PullRequest": dict.fromkeys(("url", "title", "baseRef", "headRef"), "string"),
    "ChangeSet": {"source": "string", "gitPatch": "GitPatch"},
    "GitPatch": dict.fromkeys(("unidiffPatch", "baseCommitId", "suggestedCommitMessage"), "string"),
    "ListActivitiesResponse": {"activities": "[Activity]", "nextPageToken": "string"},
    "Activity": {
        **dict.fromkeys(("name", "id", "originator", "description", "createTime"), "string"),
        "artifacts": "[Artifact]",
        **{kind: kind[0].upper() + kind[1:] for kind in ACTIVITY_KINDS},
    },
    "PlanGenerated": {"plan": "Plan"},
    "Plan": {"steps": "[PlanStep]"},
    "PlanStep": dict.fromkeys(("title", "description"), "string"),
    "UserMessaged": {"userMessage": "string"},
    "AgentMessaged": {"agentMessage": "string"},
    "ProgressUpdated": dict.fromkeys(("title", "description"), "string"),
    "SessionFailed": {"reason": "string"},
    "Artifact": {"changeSet": "ChangeSet", "media": "Media", "bashOutput": "BashOutput"},
    "Media": dict.fromkeys(("mimeType", "data"), "string"),
    "BashOutput": {**dict.fromkeys(("command", "output"), "string"), "exitCode": "integer"},
    "SendMessageRequest": {"prompt": "string"},
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
    "parameter gone",
    "parameter changed",
    "word gone",
    "word new",
    "schema gone",
    "field gone",
    "field changed",
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
        """A sentence for a report; a name that is too long is seen to be cut."""
        detail = f" ({_told(self.detail)})" if self.detail else ""
        return f"{self.kind}: {_told(self.where)}{detail}"


def _told(name: str) -> str:
    return name if len(name) <= LONGEST_TOLD else f"{name[: LONGEST_TOLD - 1]}…"


class _Parameter(Wire):
    pattern: str = ""
    type: str = ""
    location: str = ""


class _Method(Wire):
    httpMethod: str = ""
    path: str = ""
    flatPath: str = ""
    parameters: Mapping[str, _Parameter] = {}


class _Resource(Wire):
    methods: Mapping[str, _Method] = {}
    resources: "Mapping[str, _Resource] | None" = None


class _Property(Wire):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    enum: tuple[str, ...] = ()
    type: str = ""
    ref: str = Field(default="", alias="$ref")
    items: "_Property | None" = None

    @property
    def kind(self) -> str:
        """What it holds: a type, the name of a schema, or either in brackets for a list of it."""
        return f"[{self.items.kind}]" if self.items else self.ref or self.type


class _Schema(Wire):
    properties: Mapping[str, _Property] = {}


class _Document(Wire):
    version: str
    resources: Mapping[str, _Resource]
    schemas: Mapping[str, _Schema]


def drift(document: object) -> tuple[Drift, ...]:
    """Return how a discovery document differs from the tables above.

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
        # Where the two forms of a path differ, either may be the one that is served.
        for told in dict.fromkeys((theirs.httpMethod, one) for one in _shapes(theirs, live)):
            if told != (verb, path):
                yield Drift(kind="operation changed", where=name, detail=" ".join(told))
        if name in LISTS:
            yield from _parameters(name, theirs)
    for name in methods.keys() - OPERATIONS.keys():
        told = f"{methods[name].httpMethod} {_shapes(methods[name], live)[0]}"
        yield Drift(kind="operation new", where=name, detail=told)


def _parameters(operation: str, theirs: _Method) -> Iterator[Drift]:
    for name, kind in LISTED_BY.items():
        found = theirs.parameters.get(name)
        where = f"{operation} {name}"
        if found is None or found.location != "query":
            yield Drift(kind="parameter gone", where=where)
        elif found.type != kind:
            yield Drift(kind="parameter changed", where=where, detail=f"{found.type}, not {kind}")


def _methods(resources: Mapping[str, _Resource], above: str = "") -> Iterator[tuple[str, _Method]]:
    for name, resource in resources.items():
        for verb, method in resource.methods.items():
            yield f"{above}{name}.{verb}", method
        yield from _methods(resource.resources or {}, f"{above}{name}.")


def _shapes(method: _Method, live: _Document) -> tuple[str, ...]:
    """Return a path with `{}` for names, in the flat form and in the other: those there are."""
    shapes: list[str] = []
    for path in (method.flatPath, method.path):
        whole = path
        for name, parameter in method.parameters.items():
            # `{+name}` stands for a whole resource name, whose parts its pattern tells.
            parts = re.sub(r"\[\^/\]\+|\.\*", "{}", parameter.pattern).strip("^$")
            whole = whole.replace(f"{{+{name}}}", parts or "{}")
        if path:
            shapes.append(re.sub(r"\{[^}]*\}", "{}", whole).removeprefix(f"{live.version}/"))
    return tuple(shapes) or ("",)


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
        for field, kind in sorted(used.items()):
            found = theirs.properties.get(field)
            if found is None:
                yield Drift(kind="field gone", where=f"{schema}.{field}")
            elif found.kind != kind:
                told = f"{found.kind}, not {kind}"
                yield Drift(kind="field changed", where=f"{schema}.{field}", detail=told)
        for field in sorted(set(theirs.properties) - {*used, *UNUSED.get(schema, ())}):
            yield Drift(kind="field new", where=f"{schema}.{field}")

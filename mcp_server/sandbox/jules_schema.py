"""Jules' v1alpha as its discovery document describes it: messages, enums and the 12 operations.

Source: facts/jules-api.md sections 1, 2 and 7 (2026-11-22). No public copy of the real document was
found, so what is here has its form and those names, and no descriptions.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcp_server.sandbox.google_api import Enum, Kind, Message, Repeated

VERSION = "v1alpha"
# The day on which the facts were collected.
REVISION = "20261122"

STATE = Enum(
    "State",
    (
        "STATE_UNSPECIFIED",
        "QUEUED",
        "PLANNING",
        "AWAITING_PLAN_APPROVAL",
        "AWAITING_USER_FEEDBACK",
        "IN_PROGRESS",
        "PAUSED",
        "FAILED",
        "COMPLETED",
    ),
)
AUTOMATION_MODE = Enum("AutomationMode", ("AUTOMATION_MODE_UNSPECIFIED", "AUTO_CREATE_PR"))


def _message(name: str, /, **fields: Kind) -> Message:
    return Message(name, fields)


GITHUB_BRANCH = _message("GitHubBranch", displayName=str)
GITHUB_REPO = _message(
    "GitHubRepo",
    owner=str,
    repo=str,
    isPrivate=bool,
    defaultBranch=GITHUB_BRANCH,
    branches=Repeated(GITHUB_BRANCH),
)
SOURCE = _message("Source", name=str, id=str, githubRepo=GITHUB_REPO)
SOURCE_CONTEXT = _message(
    "SourceContext",
    source=str,
    githubRepoContext=_message("GitHubRepoContext", startingBranch=str),
    workingBranch=str,
    environmentVariablesEnabled=bool,
)
CHANGE_SET = _message(
    "ChangeSet",
    source=str,
    gitPatch=_message("GitPatch", unidiffPatch=str, baseCommitId=str, suggestedCommitMessage=str),
)
PULL_REQUEST = _message(
    "PullRequest", url=str, title=str, description=str, baseRef=str, headRef=str
)
SESSION = _message(
    "Session",
    **dict.fromkeys(("name", "id", "prompt", "title", "url", "createTime", "updateTime"), str),
    state=STATE,
    sourceContext=SOURCE_CONTEXT,
    requirePlanApproval=bool,
    automationMode=AUTOMATION_MODE,
    outputs=Repeated(_message("SessionOutput", pullRequest=PULL_REQUEST, changeSet=CHANGE_SET)),
    archived=bool,
)
ARTIFACT = _message(
    "Artifact",
    changeSet=CHANGE_SET,
    media=_message("Media", mimeType=str, data=str),
    bashOutput=_message("BashOutput", command=str, output=str, exitCode=int),
)
PLAN = _message(
    "Plan",
    id=str,
    steps=Repeated(_message("PlanStep", id=str, title=str, description=str, index=int)),
    createTime=str,
)
ACTIVITY = _message(
    "Activity",
    **dict.fromkeys(("name", "id", "originator", "description", "createTime"), str),
    artifacts=Repeated(ARTIFACT),
    planGenerated=_message("PlanGenerated", plan=PLAN),
    planApproved=_message("PlanApproved", planId=str),
    userMessaged=_message("UserMessaged", userMessage=str),
    agentMessaged=_message("AgentMessaged", agentMessage=str),
    progressUpdated=_message("ProgressUpdated", title=str, description=str),
    sessionCompleted=_message("SessionCompleted"),
    sessionFailed=_message("SessionFailed", reason=str),
)
SEND_MESSAGE = _message("SendMessageRequest", prompt=str)
APPROVE_PLAN = _message("ApprovePlanRequest")
ARCHIVE = _message("ArchiveSessionRequest")
UNARCHIVE = _message("UnarchiveSessionRequest")
EMPTY = _message("Empty")


def _list_of(item: Message, name: str) -> Message:
    fields: Mapping[str, Kind] = {name: Repeated(item), "nextPageToken": str}
    return Message(f"List{name.capitalize()}Response", fields)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call: `path` is below the version, `{}` one segment of it and `{*}` the rest."""

    name: str
    method: str
    path: str
    answer: Message
    body: Message | None = None
    # What the document calls the resource's name in the path.
    parameter: str = "name"

    @property
    def lists(self) -> bool:
        """Whether it answers in pages."""
        return self.name.endswith(".list")


def _act(name: str, body: Message, answer: Message, parameter: str = "name") -> Operation:
    path = f"/sessions/{{}}:{name.rpartition('.')[2]}"
    return Operation(
        name=name, method="POST", path=path, body=body, answer=answer, parameter=parameter
    )


def _read(name: str, path: str, answer: Message, parameter: str = "name") -> Operation:
    return Operation(name=name, method="GET", path=path, answer=answer, parameter=parameter)


OPERATIONS: Sequence[Operation] = (
    _read("sources.list", "/sources", _list_of(SOURCE, "sources")),
    _read("sources.get", "/sources/{*}", SOURCE),
    Operation(
        name="sessions.create", method="POST", path="/sessions", body=SESSION, answer=SESSION
    ),
    _read("sessions.list", "/sessions", _list_of(SESSION, "sessions")),
    _read("sessions.get", "/sessions/{}", SESSION),
    Operation(name="sessions.delete", method="DELETE", path="/sessions/{}", answer=EMPTY),
    _act("sessions.sendMessage", SEND_MESSAGE, _message("SendMessageResponse"), "session"),
    _act("sessions.approvePlan", APPROVE_PLAN, _message("ApprovePlanResponse"), "session"),
    _act("sessions.archive", ARCHIVE, SESSION),
    _act("sessions.unarchive", UNARCHIVE, SESSION),
    _read(
        "sessions.activities.list",
        "/sessions/{}/activities",
        _list_of(ACTIVITY, "activities"),
        "parent",
    ),
    _read("sessions.activities.get", "/sessions/{}/activities/{}", ACTIVITY),
)


def document() -> dict[str, object]:
    """Return the discovery document."""
    schemas: dict[str, object] = {}
    resources: dict[str, dict[str, dict[str, object]]] = {
        "sources": {"methods": {}},
        "sessions": {"methods": {}},
    }
    activities: dict[str, object] = {}
    resources["sessions"]["resources"] = {"activities": {"methods": activities}}
    for operation in OPERATIONS:
        for message in (operation.body, operation.answer):
            if message:
                _add(schemas, message)
        parent, _, verb = operation.name.rpartition(".")
        methods = activities if "." in parent else resources[parent]["methods"]
        methods[verb] = _method(operation)
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"jules:{VERSION}",
        "name": "jules",
        "version": VERSION,
        "revision": REVISION,
        "title": "Jules API",
        "protocol": "rest",
        "rootUrl": "https://jules.googleapis.com/",
        "servicePath": "",
        "resources": resources,
        "schemas": dict(sorted(schemas.items())),
    }


def _method(operation: Operation) -> dict[str, object]:
    """Describe an operation; `path` keeps a resource's name whole, `flatPath` does not."""
    whole, parameters = operation.path, dict[str, object]()
    named = re.search(r"/(\w+/\{.*\})", operation.path)
    if named:
        pattern = named[1].replace("{*}", ".*").replace("{}", "[^/]+")
        whole = operation.path.replace(named[0], f"/{{+{operation.parameter}}}")
        place = {"type": "string", "location": "path", "required": True}
        parameters[operation.parameter] = {**place, "pattern": f"^{pattern}$"}
    if operation.lists:
        parameters["pageSize"] = {"type": "integer", "format": "int32", "location": "query"}
        parameters["pageToken"] = {"type": "string", "location": "query"}
        parameters["filter"] = {"type": "string", "location": "query"}
    flat = re.sub(r"(\w+)/\{\*?\}", r"\1/{\1Id}", operation.path)
    request = {"request": {"$ref": operation.body.name}} if operation.body else {}
    return {
        "id": f"jules.{operation.name}",
        "httpMethod": operation.method,
        "path": f"{VERSION}{whole}",
        "flatPath": f"{VERSION}{flat}",
        "parameters": parameters,
        "parameterOrder": [operation.parameter] if named else [],
        **request,
        "response": {"$ref": operation.answer.name},
    }


def _add(schemas: dict[str, object], message: Message) -> None:
    """Add a message and those within it."""
    properties = {name: _property(kind) for name, kind in message.fields.items()}
    schemas[message.name] = {"id": message.name, "type": "object", "properties": properties}
    for kind in message.fields.values():
        inner = kind.of if isinstance(kind, Repeated) else kind
        if isinstance(inner, Message):
            _add(schemas, inner)


def _property(kind: Kind) -> dict[str, object]:
    match kind:
        case Message(name=name):
            return {"$ref": name}
        case Repeated(of=of):
            return {"type": "array", "items": _property(of)}
        case Enum(words=words):
            return {"type": "string", "enum": list(words)}
        case _ if kind is int:
            return {"type": "integer", "format": "int32"}
        case _:
            return {"type": "boolean" if kind is bool else "string"}

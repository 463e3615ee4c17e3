"""The messages of Jules' v1alpha as they travel: only the fields used (facts/jules-api.md 2).

Names are the wire's own; what they mean is `jules_wire.py`'s.
"""

from typing import cast

from pydantic import ConfigDict, model_validator

from mcp_server.clients.wire import Timestamp, Wire


class Lenient(Wire):
    """A message as proto3 JSON may write it: null is absent, an id may come as a number."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        fields = cast("dict[object, object]", raw)
        return {name: value for name, value in fields.items() if value is not None}


class Branch(Lenient):
    """A branch of a source."""

    displayName: str = ""


class GitHubRepo(Lenient):
    """The repository behind a source."""

    owner: str = ""
    repo: str = ""
    isPrivate: bool | None = None
    defaultBranch: Branch | None = None
    branches: tuple[Branch, ...] = ()


class Source(Lenient):
    """An answer of sources.get."""

    name: str
    githubRepo: GitHubRepo = GitHubRepo()


class RepoContext(Lenient):
    """Where a session begins."""

    startingBranch: str | None = None


class Context(Lenient):
    """What a session works on; absent on repoless and thin answers."""

    source: str | None = None
    githubRepoContext: RepoContext = RepoContext()


class Pull(Lenient):
    """A pull request among the outputs."""

    url: str = ""
    title: str = ""
    baseRef: str | None = None
    headRef: str | None = None


class GitPatch(Lenient):
    """A diff."""

    unidiffPatch: str = ""
    baseCommitId: str | None = None
    suggestedCommitMessage: str = ""


class ChangeSet(Lenient):
    """A diff and its source."""

    source: str | None = None
    gitPatch: GitPatch = GitPatch()


class Output(Lenient):
    """One of what a session left."""

    model_config = ConfigDict(extra="allow")  # to say which words are new

    pullRequest: Pull | None = None
    changeSet: ChangeSet | None = None


class Session(Lenient):
    """A session; nothing but its time is always there."""

    name: str = ""
    id: str = ""
    title: str = ""
    state: str = "QUEUED"
    url: str = ""
    createTime: Timestamp
    updateTime: Timestamp | None = None
    sourceContext: Context = Context()
    outputs: tuple[Output, ...] = ()
    archived: bool = False


class Created(Lenient):
    """The answer to a create, which may be thin."""

    name: str
    url: str = ""


class Page(Lenient):
    """A page of any list; an absent list is an empty one (facts 1.2)."""

    sessions: tuple[object, ...] = ()
    sources: tuple[object, ...] = ()
    activities: tuple[object, ...] = ()
    nextPageToken: str = ""


class Step(Lenient):
    """A step of a session plan."""

    title: str = ""


class Plan(Lenient):
    """A session plan."""

    steps: tuple[Step, ...] = ()


class Event(Lenient):
    """The fields of all event kinds; each kind uses a few."""

    title: str | None = None
    description: str | None = None
    message: str | None = None
    agentMessage: str | None = None
    userMessage: str | None = None
    reason: str | None = None
    plan: Plan | None = None


class Media(Lenient):
    """A file, in base64."""

    mimeType: str = ""
    data: str = ""


class BashOutput(Lenient):
    """A command and what it said."""

    command: str = ""
    output: str = ""
    exitCode: int | None = None


class Artifact(Lenient):
    """One piece of bulk of an activity."""

    model_config = ConfigDict(extra="allow")  # to say which words are new

    changeSet: ChangeSet | None = None
    media: Media | None = None
    bashOutput: BashOutput | None = None


class Activity(Lenient):
    """An activity; its event is looked for beside these."""

    name: str = ""
    id: str = ""
    createTime: Timestamp | None = None
    originator: str | None = None
    description: str = ""
    artifacts: tuple[Artifact, ...] = ()

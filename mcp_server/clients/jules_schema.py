"""The messages of Jules' v1alpha as they travel: only the fields used (facts/jules-api.md 2).

Names are the wire's own; what they mean is `jules_wire.py`'s. What names a thing is bounded here,
and never cut: a part of a name is another name. Texts and words are cut where they are read.
"""

from typing import Annotated, cast

from pydantic import ConfigDict, Field, model_validator

from mcp_server.clients.wire import Timestamp, Wire

# A ref or an address: GitHub's and Jules' own are well below it. One that is longer is unreadable.
LONGEST_NAME = 500
Name = Annotated[str, Field(max_length=LONGEST_NAME)]
# int32 in the discovery document; JSON has no end to a number.
Int32 = Annotated[int, Field(ge=-(2**31), lt=2**31)]


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

    displayName: Name = ""


class GitHubRepo(Lenient):
    """The repository behind a source."""

    owner: Name = ""
    repo: Name = ""
    isPrivate: bool | None = None
    defaultBranch: Branch | None = None
    branches: tuple[Branch, ...] = ()


class Source(Lenient):
    """An answer of sources.get."""

    name: Name
    githubRepo: GitHubRepo = GitHubRepo()


class RepoContext(Lenient):
    """Where a session begins."""

    startingBranch: Name | None = None


class Context(Lenient):
    """What a session works on; absent on repoless and thin answers."""

    source: Name | None = None
    githubRepoContext: RepoContext = RepoContext()


class Pull(Lenient):
    """A pull request among the outputs."""

    url: Name = ""
    title: str = ""
    baseRef: Name | None = None
    headRef: Name | None = None


class GitPatch(Lenient):
    """A diff."""

    unidiffPatch: str = ""
    baseCommitId: Name | None = None
    suggestedCommitMessage: str = ""


class ChangeSet(Lenient):
    """A diff and its source."""

    source: Name | None = None
    gitPatch: GitPatch = GitPatch()


class Output(Lenient):
    """One of what a session left."""

    model_config = ConfigDict(extra="allow")  # to say which words are new

    pullRequest: Pull | None = None
    changeSet: ChangeSet | None = None


class Session(Lenient):
    """A session; nothing but its time is always there."""

    name: Name = ""
    id: Name = ""
    title: str = ""
    state: str = "QUEUED"
    url: Name = ""
    createTime: Timestamp
    updateTime: Timestamp | None = None
    sourceContext: Context = Context()
    outputs: tuple[Output, ...] = ()
    archived: bool = False


class Created(Lenient):
    """The answer to a create, which may be thin."""

    name: Name
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
    description: str = ""


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
    exitCode: Int32 | None = None


class Artifact(Lenient):
    """One piece of bulk of an activity."""

    model_config = ConfigDict(extra="allow")  # to say which words are new

    changeSet: ChangeSet | None = None
    media: Media | None = None
    bashOutput: BashOutput | None = None


class Activity(Lenient):
    """An activity; its event is looked for beside these."""

    name: Name = ""
    id: Name = ""
    createTime: Timestamp | None = None
    originator: str | None = None
    description: str = ""
    artifacts: tuple[Artifact, ...] = ()

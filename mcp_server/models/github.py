"""GitHub, as tools give it and the agent reads it."""

from typing import Literal

from pydantic import AwareDatetime, Field

from mcp_server.models.audit import Audit
from mcp_server.models.jules import Marker
from mcp_server.models.value import Page, Value

GateVerdict = Literal["merge", "wait", "fix", "human"]


class Repository(Value):
    """A repository of the user's."""

    repo: str
    private: bool
    archived: bool = False
    fork: bool = False
    empty: bool = Field(default=False, description="no commit yet; known only after its tree")
    description: str = ""
    language: str | None = None
    topics: tuple[str, ...] = ()
    license: str | None = None
    default_branch: str = "main"
    created_at: AwareDatetime
    pushed_at: AwareDatetime | None = None
    open_issues: int = Field(default=0, description="issues and pull requests, as GitHub counts")
    marker: Marker | None = Field(
        default=None, description="the tag of the task that a repository of ours was made for"
    )


class Check(Value):
    """The newest check run or commit status of one name on one commit."""

    name: str
    app: str = ""
    status: str = "completed"
    conclusion: str | None = None


class PullRequest(Value):
    """A pull request as `GET /pulls/{n}` shows it; `mergeable` None means not computed yet."""

    repo: str
    number: int
    url: str
    title: str = ""
    author: str = ""
    state: str = "open"
    merged: bool = False
    draft: bool = False
    base_ref: str
    base_repo: str
    head_ref: str
    head_repo: str | None = None
    head_sha: str
    mergeable: bool | None = None
    mergeable_state: str = "unknown"
    merge_sha: str | None = Field(default=None, description="the merge's commit; None: not merged")
    tag: str = Field(
        default="", description="marker that its description begins with; proves nothing by itself"
    )
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ChangedFile(Value):
    """One file of a pull request; `status` as GitHub says (`added`, `removed`, `renamed`, …).

    `sha` is the name that git gives its new content; None: not told.
    """

    path: str
    status: str
    additions: int = 0
    deletions: int = 0
    previous_path: str | None = None
    sha: str | None = None


class GateDecision(Value):
    """What the gate says of a pull request at one head, and why."""

    verdict: GateVerdict
    reasons: tuple[str, ...]
    head_sha: str
    checks: str = Field(description="UNREADABLE, FAILED, ACTION_REQUIRED, PENDING, NONE, … GREEN")


class Health(Value):
    """A repository's score: 0-100, by part, with evidence and the best next improvement."""

    repo: str
    score: int = Field(ge=0, le=100)
    parts: dict[str, int] = Field(description="part -> points lost, 0 = nothing to mend")
    evidence: tuple[str, ...] = ()
    has_ci: bool | None = Field(default=None, description="None: could not be read")
    improvement: str | None = Field(
        default=None, description="name of a prompt in prompts/jules; None: nothing worth a session"
    )
    left_out: str | None = Field(default=None, description="why no session is spent here")
    checks: str | None = Field(
        default=None,
        description="of the default branch's head: success, failure, error, pending, none; None: "
        "not read",
    )
    audit: Audit | None = Field(
        default=None,
        description="against the standard; only where the factory made the repository, or `audit` "
        "names it, and a question names it too",
    )


class Repositories(Page):
    """Repositories by name, of one owner."""

    owner: str
    repositories: tuple[Repository, ...]


class HealthReport(Page):
    """Scores, worst first."""

    health: tuple[Health, ...]


class PullView(Page):
    """A pull request and what the gate says of it."""

    pull: PullRequest
    decision: GateDecision
    after_merge: str | None = Field(
        default=None, description="of a merged one: the checks of the merge's own commit"
    )
    audit: Audit | None = Field(default=None, description="of the tree it proposes, when asked")


class Merged(Value):
    """Whether a pull request was merged, and if not, why."""

    repo: str
    number: int
    merged: bool
    merge_sha: str | None
    decision: GateDecision


class Updated(Value):
    """A branch that GitHub was asked to bring up to date."""

    repo: str
    number: int
    already: bool


class ProposedPatch(Value):
    """A pull request that we opened with a patch."""

    repo: str
    number: int
    url: str
    branch: str
    base: str
    head_sha: str
    session_id: str | None = None
    already: bool
    state: str = Field(default="open", description="closed: a person has said no, or merged it")


class CreatedRepository(Value):
    """A new private repository with its first commit."""

    repo: str
    private: bool
    first_commit: str
    already: bool

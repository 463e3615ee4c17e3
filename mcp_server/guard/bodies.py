"""The one shape that each mutation's body may have; strict, closed, without coercion.

A field that is not here cannot leave: visibility, force, auto-merge and the rest of what GitHub
would accept have no way out. Clients build their bodies from these same models.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer

SHA = r"^[0-9a-f]{40}$"
MARKED = r"^\[df1 "
# Conventional Commits 1.0.0, with the types of its Angular convention; one line.
CONVENTIONAL = (
    r"^(?:build|chore|ci|docs|feat|fix|perf|refactor|revert|style|test)"
    r"(?:\([a-z0-9./_-]+\))?!?: [^\s\x00-\x1f][^\x00-\x1f]*$"
)
# A commit that says one of these starts no workflow where it is pushed ("Skipping workflow runs",
# docs.github.com, 2026-11): what a merge made of its base would stay unseen.
SKIPS = re.compile(r"\[(skip ci|ci skip|no ci|skip actions|actions skip)\]", re.IGNORECASE)
MergeMethod = Literal["squash", "merge", "rebase"]
# No colon, backslash or tilde: to Windows they name other files (`.git::$INDEX_ALLOCATION`,
# `GIT~1`); no letter beyond ASCII, for some of them vanish (`.g\u200cit` on a Mac).
PATH = r"^[A-Za-z0-9._ /@+()\[\]{}$!,=&'#%^;-]{1,200}$"
# Not of dots alone: `..` would name another place.
_NAME = r"\.*[A-Za-z0-9_-][A-Za-z0-9._-]*"


class Body(BaseModel):
    """Base: `private: "true"` is not `true`, an unknown key is refused.

    Strict or not, pydantic reads `1` as `Literal[True]` and fills in what is missing; so policy
    lets only the bytes of `encode` out.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Nothing(Body):
    """An empty object."""


class Absent(Body):
    """No body at all, as of a DELETE, or of a PUT that says all by its path."""


class StartingBranch(Body):
    """Where a session begins, and the base of its pull request."""

    startingBranch: str


class SourceContext(Body):
    """The repository a session works on."""

    source: Annotated[str, Field(pattern=rf"^sources/github/{_NAME}/{_NAME}$")]
    githubRepoContext: StartingBranch


class StartSession(Body):
    """`POST /sessions`; the title must start with our marker."""

    prompt: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(pattern=MARKED)]
    sourceContext: SourceContext | None = None
    automationMode: Literal["AUTO_CREATE_PR"] | None = None
    requirePlanApproval: bool | None = None


class SendMessage(Body):
    """`POST /sessions/{id}:sendMessage`."""

    prompt: Annotated[str, Field(min_length=1)]


class CreateRepository(Body):
    """A new repository: GitHub makes it public unless `private` is said (OpenAPI, 2026-11)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,99}$")]
    description: str
    private: Literal[True] = True
    auto_init: Literal[True] = True
    has_wiki: Literal[False] = False
    delete_branch_on_merge: Literal[False] = False
    allow_auto_merge: Literal[False] = False


def _inside_the_tree(path: str) -> str:
    parts = path.split("/")
    # A trailing dot or space is dropped by Windows: `.git.` is checked out as `.git`.
    if any(part in ("", ".", "..") or part.rstrip(" .").lower() == ".git" for part in parts):
        raise ValueError("the path leaves the tree")
    return path


_TreePath = Annotated[str, Field(pattern=PATH), AfterValidator(_inside_the_tree)]
_Mode = Literal["100644", "100755"]


class TreeFile(Body):
    """A plain file: no symlink, no submodule, no path that escapes."""

    path: _TreePath
    mode: _Mode = "100644"
    type: Literal["blob"] = "blob"
    content: str


class TreeBlob(Body):
    """A plain file whose content the repository has already: moved, copied, its mode changed."""

    path: _TreePath
    mode: _Mode
    type: Literal["blob"] = "blob"
    sha: Annotated[str, Field(pattern=SHA)]


class TreeGone(Body):
    """A file that the new tree has not; `"sha": null` in so many words."""

    path: _TreePath
    mode: _Mode
    type: Literal["blob"] = "blob"
    sha: None

    @model_serializer
    def _said(self) -> dict[str, str | None]:
        # Every other None means that a field is left out; this one is what is said.
        return {"path": self.path, "mode": self.mode, "type": self.type, "sha": None}


class CreateTree(Body):
    """`POST git/trees` on top of an existing tree."""

    base_tree: Annotated[str, Field(pattern=SHA)]
    tree: Annotated[list[TreeFile | TreeBlob | TreeGone], Field(min_length=1)]


class CreateCommit(Body):
    """`POST git/commits` with exactly one parent."""

    message: str
    tree: Annotated[str, Field(pattern=SHA)]
    parents: Annotated[list[Annotated[str, Field(pattern=SHA)]], Field(min_length=1, max_length=1)]


def _name_of_a_branch(ref: str) -> str:
    parts = ref.removeprefix("refs/heads/").split("/")
    odd = any(part.startswith((".", "-")) or part.endswith((".", ".lock")) for part in parts)
    if odd or "" in parts or ".." in ref:
        raise ValueError("git takes no branch of that name")
    return ref


# What every branch that is made here begins with.
BRANCHES = "daily-factory/"
_BRANCH = r"[A-Za-z0-9._/-]{1,200}$"
_GIT_TAKES_IT = AfterValidator(_name_of_a_branch)


class CreateBranch(Body):
    """`POST git/refs`: a branch that is not there yet; GitHub answers 422 if it is.

    Of a name that is ours: somebody's workflows may publish what stands at a branch of theirs.
    """

    ref: Annotated[str, Field(pattern=rf"^refs/heads/{BRANCHES}{_BRANCH}"), _GIT_TAKES_IT]
    sha: Annotated[str, Field(pattern=SHA)]


class OpenPull(Body):
    """`POST pulls`: both branches of the one repository (a fork's has a colon), and our marker."""

    title: Annotated[str, Field(pattern=r"^\S[^\r\n]{0,199}$")]
    head: Annotated[str, Field(pattern=rf"^{_BRANCH}"), _GIT_TAKES_IT]
    base: Annotated[str, Field(pattern=rf"^{_BRANCH}"), _GIT_TAKES_IT]
    body: Annotated[str, Field(pattern=MARKED)]


class MoveBranch(Body):
    """`PATCH git/refs/heads/…`: fast-forward only."""

    sha: Annotated[str, Field(pattern=SHA)]
    force: Literal[False] = False


def _starts_workflows(words: str) -> str:
    if SKIPS.search(words):
        raise ValueError("it would start no workflow on the base")
    return words


_SEEN_BY_CI = AfterValidator(_starts_workflows)


class MergePull(Body):
    """`PUT pulls/{n}/merge`: never without the head that was judged, nor without our words."""

    sha: Annotated[str, Field(pattern=SHA)]
    merge_method: MergeMethod
    commit_title: Annotated[str, Field(pattern=CONVENTIONAL, max_length=200), _SEEN_BY_CI]
    commit_message: Annotated[
        str, Field(pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]{1,5000}$"), _SEEN_BY_CI
    ]


class UpdateBranch(Body):
    """`PUT pulls/{n}/update-branch`."""

    expected_head_sha: Annotated[str, Field(pattern=SHA)]


class SetDescription(Body):
    """`PATCH /repos/{r}`: of all that it takes the description, one line."""

    description: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,350}$")]


class SetTopics(Body):
    """`PUT /repos/{r}/topics`: all of them."""

    names: Annotated[
        list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]],
        Field(min_length=1, max_length=20),
    ]


class CommentPull(Body):
    """`POST issues/{n}/comments`."""

    body: Annotated[str, Field(min_length=1, max_length=20_000)]


class Report(Body):
    """The one report issue, opened or changed: nothing but its words, and our marker first."""

    title: Annotated[str, Field(min_length=1, max_length=256)]
    body: Annotated[str, Field(pattern=r"^<!-- daily-factory report [a-z2-7]{26} -->\n")]


def encode(body: Body) -> bytes:
    """Return the only bytes that `body` may leave as: what is digested is what is sent."""
    return b"" if isinstance(body, Absent) else body.model_dump_json(exclude_none=True).encode()

"""The one shape that each mutation's body may have; strict, closed, without coercion.

A field that is not here cannot leave: visibility, force, auto-merge and the rest of what GitHub
would accept have no way out. Clients build their bodies from these same models.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SHA = r"^[0-9a-f]{40}$"
MARKED = r"^\[df1 "
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
    """`POST /user/repos`: GitHub makes it public unless `private` is said (OpenAPI, 2026-11)."""

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


class TreeFile(Body):
    """A plain file: no symlink, no submodule, no path that escapes."""

    path: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._ /@+-]{1,200}$"), AfterValidator(_inside_the_tree)
    ]
    mode: Literal["100644", "100755"] = "100644"
    type: Literal["blob"] = "blob"
    content: str


class CreateTree(Body):
    """`POST git/trees` on top of an existing tree."""

    base_tree: Annotated[str, Field(pattern=SHA)]
    tree: Annotated[list[TreeFile], Field(min_length=1)]


class CreateCommit(Body):
    """`POST git/commits` with exactly one parent."""

    message: str
    tree: Annotated[str, Field(pattern=SHA)]
    parents: Annotated[list[Annotated[str, Field(pattern=SHA)]], Field(min_length=1, max_length=1)]


class MoveBranch(Body):
    """`PATCH git/refs/heads/…`: fast-forward only."""

    sha: Annotated[str, Field(pattern=SHA)]
    force: Literal[False] = False


class MergePull(Body):
    """`PUT pulls/{n}/merge`: never without the head that was judged."""

    sha: Annotated[str, Field(pattern=SHA)]
    merge_method: Literal["squash"] = "squash"


class UpdateBranch(Body):
    """`PUT pulls/{n}/update-branch`."""

    expected_head_sha: Annotated[str, Field(pattern=SHA)]


def encode(body: Body) -> bytes:
    """Return the only bytes that `body` may leave as: what is digested is what is sent."""
    return b"" if isinstance(body, Absent) else body.model_dump_json(exclude_none=True).encode()

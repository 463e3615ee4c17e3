"""The first files of a new repository: the standard, CI, README, licence (prompts/standard).

The CI that a repository without one is offered, by what it is written in; and the lists that the
standard declares.
"""

from collections.abc import Collection
from pathlib import PurePosixPath

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import ValidationError

from mcp_server.errors import SettingsError
from mcp_server.insight.audit import Standard
from mcp_server.prompts import FOLDER, front_matter, plain
from mcp_server.settings import Licence

_FILES = {
    "AGENTS.md": "AGENTS.md",
    "ci.yml": ".github/workflows/ci.yml",
    "gitignore": ".gitignore",
    "README.md.j2": "README.md",
}


# The first that fits; what none of them names gets the one that a new repository begins with.
_CI: tuple[tuple[str, str], ...] = (
    ("package.json", "ci.yml"),
    ("Cargo.toml", "ci-rust.yml"),
    ("go.mod", "ci-go.yml"),
    ("pyproject.toml", "ci-python.yml"),
    ("setup.py", "ci-python.yml"),
    ("requirements.txt", "ci-python.yml"),
    ("*.py", "ci-python.yml"),
)


def ci_for(paths: Collection[str]) -> str:
    """Return the text of the workflow for a repository with these files, by those at its root."""
    root = [PurePosixPath(path) for path in paths if "/" not in path]
    fitting = (name for glob, name in _CI if any(path.match(glob) for path in root))
    return (FOLDER / "standard" / next(fitting, "ci.yml")).read_text(encoding="utf-8")


def read_standard(*, licence: Licence) -> Standard:
    """Return the lists by which repositories are audited; no licence asked for, none is missed.

    Raises:
        SettingsError: the standard's front matter lacks one of them.
    """
    path = FOLDER / "standard" / "AGENTS.md"
    fields, _ = front_matter(path.read_text(encoding="utf-8"))
    try:
        found = Standard.model_validate({name: fields.get(name) for name in Standard.model_fields})
    except ValidationError as error:
        names = ", ".join(str(item["loc"][0]) for item in error.errors())
        raise SettingsError(f"{path.name}: its front matter has no list {names}") from None
    if licence != "none":
        return found
    asked = tuple(name for name in found.mandatory_files if name != "LICENSE")
    return found.model_copy(update={"mandatory_files": asked})


def first_files(
    repo: str, description: str, *, year: int, licence: Licence
) -> tuple[tuple[str, str], ...]:
    """Return `(path, content)` of the first commit of `repo`; the licence "none" is no file."""
    owner, _, name = repo.partition("/")
    variables = {"name": name, "owner": owner, "description": plain(description)}
    variables |= {"year": str(year), "licence": licence}
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    found: list[tuple[str, str]] = []
    files = _FILES if licence == "none" else {**_FILES, f"licence-{licence}.j2": "LICENSE"}
    for source, path in files.items():
        text = (FOLDER / "standard" / source).read_text(encoding="utf-8")
        if source.endswith(".j2"):
            text = environment.from_string(text).render(variables) + "\n"
        found.append((path, text))
    return tuple(found)

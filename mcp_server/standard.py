"""The first files of a new repository: the standard, CI, README, licence (prompts/standard).

And the CI that a repository without one is offered, by what it is written in.
"""

from collections.abc import Collection
from pathlib import PurePosixPath

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mcp_server.prompts import FOLDER, plain
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

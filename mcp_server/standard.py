"""The first files of a new repository: the standard, CI, README, licence (prompts/standard)."""

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

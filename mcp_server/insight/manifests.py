"""What a project says it needs: the names in npm's and Python's manifests. Pure."""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError

_REQUIREMENTS = re.compile(r"requirements[\w.-]*\.txt", re.IGNORECASE)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_Named = dict[str, object]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Npm(_Shape):
    dependencies: _Named = {}
    devDependencies: _Named = {}
    optionalDependencies: _Named = {}
    peerDependencies: _Named = {}


class _Project(_Shape):
    dependencies: tuple[str, ...] = ()
    optional: dict[str, tuple[str, ...]] = Field(default={}, alias="optional-dependencies")


class _Poetry(_Shape):
    dependencies: _Named = {}


class _Tool(_Shape):
    poetry: _Poetry = _Poetry()


class _PyProject(_Shape):
    project: _Project = _Project()
    # Of a group, what is no text includes another group.
    groups: dict[str, tuple[str | _Named, ...]] = Field(default={}, alias="dependency-groups")
    tool: _Tool = _Tool()


def is_manifest(path: str) -> bool:
    """Whether a file declares dependencies in a form that is read here."""
    name = PurePosixPath(path).name
    return name in _READERS or _REQUIREMENTS.fullmatch(name) is not None


def dependencies(path: str, text: str) -> frozenset[str] | None:
    """Return the names of the packages that a manifest names; None: it cannot be read."""
    reader = _READERS.get(PurePosixPath(path).name, _requirements)
    try:
        return frozenset(reader(text))
    except (ValidationError, tomllib.TOMLDecodeError):
        return None


def _npm(text: str) -> set[str]:
    whole = _Npm.model_validate_json(text)
    return {
        *whole.dependencies,
        *whole.devDependencies,
        *whole.optionalDependencies,
        *whole.peerDependencies,
    }


def _pyproject(text: str) -> set[str]:
    whole = _PyProject.model_validate(tomllib.loads(text))
    lists = (whole.project.dependencies, *whole.project.optional.values(), *whole.groups.values())
    words = (word for part in lists for word in part if isinstance(word, str))
    return {*_named(words), *whole.tool.poetry.dependencies}


def _requirements(text: str) -> set[str]:
    return _named(line for line in text.splitlines() if not line.lstrip().startswith(("#", "-")))


def _named(lines: Iterable[str]) -> set[str]:
    return {found[1] for line in lines if (found := _REQUIREMENT.match(line))}


_READERS: Mapping[str, Callable[[str], set[str]]] = {
    "package.json": _npm,
    "pyproject.toml": _pyproject,
}

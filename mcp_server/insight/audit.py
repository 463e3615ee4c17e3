"""A repository's tree against the standard's lists: what is there, missing, or unknown. Pure.

Only for repositories that the factory made, or that were asked for: nothing here is said of others.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from mcp_server.guard import key_formats
from mcp_server.insight.clutter import CLUTTER, entries
from mcp_server.insight.manifests import dependencies, is_manifest
from mcp_server.insight.repository_facts import is_source, is_test
from mcp_server.models import Audit, AuditItem, AuditRule, Value

_MOST_PATHS = 5
_JS = re.compile(
    r"""(?:\bfrom|\bimport|\brequire)\s*\(?\s*["'](?:npm:)?([@\w][\w./@-]*)["']|//esm\.sh/([@\w][\w./-]*)"""
)
_PYTHON = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w., \t]+))", re.M)
_PYTHON_FILES = frozenset({".py", ".pyi"})


class Standard(Value):
    """The lists of `prompts/standard/AGENTS.md`, as its front matter declares them."""

    mandatory_files: tuple[str, ...]
    root_allow_list: tuple[str, ...]
    root_folders: tuple[str, ...]
    forbidden_dependencies: tuple[str, ...]
    forbidden_modules: tuple[str, ...]


class Tree(Value):
    """What was read of a tree: all its paths, and the texts of some of its files."""

    repo: str
    name: str
    paths: tuple[str, ...]
    complete: bool = True
    """False where GitHub cut the list off: what is not in it may be there."""
    texts: Mapping[str, str]

    @property
    def unread(self) -> tuple[str, ...]:
        """Files that a rule looks into and nobody read."""
        return tuple(path for path in self.paths if is_read(path) and path not in self.texts)


def audit(tree: Tree, standard: Standard) -> Audit:
    """Return the checklist: a line for each mandatory file, then one for each other rule."""
    return Audit(
        repo=tree.repo,
        tree=tree.name,
        items=(
            *(_file(tree, name) for name in standard.mandatory_files),
            _root(tree, standard),
            _dependencies(tree, standard),
            _imports(tree, standard),
            _keys(tree),
        ),
    )


def unread(repo: str, standard: Standard, why: str) -> Audit:
    """Return the checklist of a tree that could not be read: nothing is known of it."""
    asked = audit(Tree(repo=repo, name="", paths=(), texts={}), standard)
    unknown = {"state": "unknown", "evidence": why, "mend": ""}
    return asked.model_copy(
        update={"items": tuple(item.model_copy(update=unknown) for item in asked.items)}
    )


def is_read(path: str) -> bool:
    """Whether a rule looks into a file of this path."""
    return is_manifest(path) or is_source(path) or is_test(path)


def worth_reading(paths: Collection[str], *, most: int) -> tuple[str, ...]:
    """Choose the files to read where not all can be: manifests, then sources near the root.

    Those that speak to services come first among them, for that is where keys and SDKs stand.
    """

    def rank(path: str) -> tuple[bool, bool, bool, int, str]:
        speaks = re.search(r"api|client|service|config|provider", path, re.IGNORECASE) is None
        return not is_manifest(path), is_test(path), speaks, path.count("/"), path

    return tuple(sorted(filter(is_read, paths), key=rank)[:most])


def _file(tree: Tree, name: str) -> AuditItem:
    if name in tree.paths:
        return AuditItem(rule="file", what=name, state="ok")
    near = [path for path in tree.paths if path.casefold() == name.casefold()]
    return AuditItem(
        rule="file",
        what=name,
        state="missing" if tree.complete else "unknown",
        paths=tuple(near),
        evidence=f"spelt {near[0]}" if near else "not in the tree",
        mend=f"rename it to {name}" if near else f"add {name}",
    )


def _root(tree: Tree, standard: Standard) -> AuditItem:
    allowed = {*standard.root_allow_list, *(f"{name}/" for name in standard.root_folders)}
    odd = sorted(entries(tree.paths) - allowed)
    return _judged(
        "root",
        "nothing in the root that is not on its list",
        odd,
        told=f"not on the list: {_some(odd)}",
        mend="move what is needed into a folder of its kind, and delete what is made or left over",
        unsure="" if tree.complete else "the list of files is cut off",
    )


def _dependencies(tree: Tree, standard: Standard) -> AuditItem:
    forbidden = frozenset(map(_plain, standard.forbidden_dependencies))
    found: dict[str, list[str]] = {}
    unsure = [path for path in tree.unread if is_manifest(path)]
    for path, text in tree.texts.items():
        if not is_manifest(path):
            continue
        names = dependencies(path, text)
        if names is None:
            unsure.append(path)
        elif bad := sorted(name for name in names if _plain(name) in forbidden):
            found[path] = bad
    return _judged(
        "dependency",
        "no server, database or SDK among the dependencies",
        sorted(found),
        told="; ".join(f"{path}: {_some(found[path])}" for path in sorted(found)),
        mend="drop them: native fetch in the browser does their work (standard, 2 and 3)",
        unsure=_not_read(unsure, tree),
    )


def _imports(tree: Tree, standard: Standard) -> AuditItem:
    found: dict[str, list[str]] = {}
    for path, text in tree.texts.items():
        if not (is_source(path) or is_test(path)):
            continue
        banned = standard.forbidden_modules
        if PurePosixPath(path).suffix not in _PYTHON_FILES:
            banned = standard.forbidden_dependencies
        if bad := sorted(set(_imported(path, text, banned))):
            found[path] = bad
    return _judged(
        "import",
        "no import of a server framework, a database driver or a vendor's SDK",
        sorted(found),
        told="; ".join(f"{path}: {_some(found[path])}" for path in sorted(found)[:_MOST_PATHS]),
        mend="speak to the service by raw REST, in one class of src/api (standard, 3)",
        unsure=_not_read([path for path in tree.unread if not is_manifest(path)], tree),
    )


def _keys(tree: Tree) -> AuditItem:
    """Look for keys by their look, and for files that hold them by their names; never tell one."""
    named = [path for path in tree.paths if CLUTTER["keys"].fullmatch(PurePosixPath(path).name)]
    seen: dict[str, str] = dict.fromkeys(named, "a file for keys")
    for path, text in tree.texts.items():
        if places := key_formats.keys_in(text):
            seen[path] = f"line {text.count(chr(10), 0, min(places)[0]) + 1}"
    return _judged(
        "key",
        "no key in the tree",
        sorted(seen),
        told="; ".join(f"{path}: {seen[path]}" for path in sorted(seen)[:_MOST_PATHS]),
        mend="take it out, and revoke it where it was made: the history keeps it",
        unsure=_not_read(tree.unread, tree),
    )


def _judged(
    rule: AuditRule, what: str, paths: Sequence[str], *, told: str, mend: str, unsure: str
) -> AuditItem:
    """Return an item: what was found is missing, what could not be seen is unknown."""
    if paths:
        shown = tuple(paths[:_MOST_PATHS])
        return AuditItem(
            rule=rule, what=what, state="missing", paths=shown, evidence=told, mend=mend
        )
    return AuditItem(rule=rule, what=what, state="unknown" if unsure else "ok", evidence=unsure)


def _not_read(paths: Sequence[str], tree: Tree) -> str:
    cut = ["the list of files is cut off"] if not tree.complete else []
    return "; ".join([*([f"not read: {_some(paths)}"] if paths else []), *cut])


def _imported(path: str, text: str, banned: Collection[str]) -> Iterator[str]:
    """Yield which of the banned modules a file imports."""
    python = PurePosixPath(path).suffix in _PYTHON_FILES
    mark = "." if python else "/"
    for match in (_PYTHON if python else _JS).finditer(text):
        for name in re.split(r"[,\s]+", match[1] or match[2] or ""):
            yield from (one for one in banned if name == one or name.startswith(one + mark))


def _plain(name: str) -> str:
    """Return a package's name as its registry compares it (PEP 503; npm's are lower case)."""
    return name.lower() if "/" in name else re.sub(r"[-_.]+", "-", name).lower()


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_PATHS
    return ", ".join(names[:_MOST_PATHS]) + (f" and {rest} more" if rest > 0 else "")

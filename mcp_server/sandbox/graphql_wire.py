"""GitHub's GraphQL API on the wire: enough of the language to answer any query about repositories.

What it cannot read of a document, or does not know of a type, is refused in GitHub's manner: with
HTTP 200 and `errors` (facts/github.md 1.3). Mutations do not exist here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from mcp_server.sandbox.git import FOLDER
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import refuse, sent
from mcp_server.sandbox.http import Call, Reply, part, second_time, text, texts
from mcp_server.sandbox.repository import Repo

_TOKEN = re.compile(r'\.\.\.|[A-Za-z_]\w*|"[^"]*"|[0-9]+|[{}()\[\]:!$]')
_NOISE = re.compile(r"[\s,]+")
_UNREADABLE = "Resource not accessible by personal access token"

# A type's fields: values, or what computes them from the arguments.
Args: TypeAlias = Mapping[str, str]
Fields: TypeAlias = Mapping[
    str, Callable[[Args], object] | Mapping[str, object] | list[object] | str | int | None
]
Path: TypeAlias = tuple[str | int, ...]
Error: TypeAlias = Mapping[str, object]


class _Wrong(Exception):
    """The document cannot be read, or asks for what no type has."""


class _Forbidden(Exception):
    """The token may not read this one field."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A field of a selection, or with `on` a fragment of it for one type."""

    key: str = ""
    name: str = ""
    on: str = ""
    args: Args = field(default_factory=dict[str, str])
    inner: "tuple[_Asked, ...]" = ()


@dataclass
class GraphQLWire:
    """Answers `POST /graphql`.

    What may be set: whether the token is let in at all, whether it may read checks (a fine-grained
    one may not), from how many repositories on a query for trees is too heavy, and whether that is
    told by a 502 or by a part of the data.
    """

    github: GitHub
    offered: bool = True
    reads_checks: bool = True
    too_many: int = 61
    tells_in_part: bool = False

    def answer(self, call: Call) -> Reply:
        """Answer one call; raise `Problem` for a refusal."""
        if not self.offered:
            raise refuse(403, _UNREADABLE)
        body = sent(call)
        document = text(body, "query")
        ids = texts(part(body, "variables"), "ids")
        heavy = "entries" in document and len(ids) >= self.too_many
        if heavy and not self.tells_in_part:
            raise refuse(502, "We couldn't respond to your request in time.")
        errors: list[Error] = []
        seen = ids[: self.too_many - 1] if heavy else ids
        try:
            data = self._data(_parse(document), [*seen, *[""] * (len(ids) - len(seen))], errors)
        except _Wrong as error:
            return Reply(200, {"errors": [{"message": str(error)}]})
        if heavy:
            told = "Resource limits for this query exceeded."
            errors.append({"type": "RESOURCE_LIMITS_EXCEEDED", "message": told})
        return Reply(200, {"data": data, **({"errors": errors} if errors else {})})

    def _data(self, asked: tuple[_Asked, ...], ids: Sequence[str], errors: list[Error]) -> object:
        by_id = {f"R_{repo.id}": repo for repo in self.github.repos.values()}
        nodes: list[object] = []
        for node_id in ids:
            repo = by_id.get(node_id)
            nodes.append(None if repo is None else self._repository(repo))
        root: Fields = {
            "rateLimit": {
                "cost": 1,
                "nodeCount": len(ids),
                "remaining": 5000,
                "resetAt": self.github.now.isoformat(),
            },
            "nodes": lambda _args: nodes,
        }
        data = _Reading(errors).pick(root, asked, ())
        for nth, node_id in enumerate(ids):
            if node_id and nodes[nth] is None:
                told = f"Could not resolve to a node with the global id of '{node_id}'"
                errors.append({"type": "NOT_FOUND", "path": ["nodes", nth], "message": told})
        return data

    def _repository(self, repo: Repo) -> Fields:
        head = repo.git.branches.get(repo.default_branch)
        commit: Fields = {
            "__typename": "Commit",
            "statusCheckRollup": lambda _args: self._rollup(repo, head or ""),
        }
        return {
            "__typename": "Repository",
            "nameWithOwner": repo.full_name,
            "isEmpty": head is None,
            "pullRequests": lambda args: _pulls(repo, args),
            "object": lambda args: _object(repo, head, args.get("expression", "")),
            "defaultBranchRef": {"target": commit} if head else None,
        }

    def _rollup(self, repo: Repo, head: str) -> Fields | None:
        if not self.reads_checks:
            raise _Forbidden
        now = self.github.now
        runs = self.github.ci.runs(repo.full_name, head)
        if not runs:
            return None
        ended = [run for run in runs if run.status(now) == "completed"]
        state = "SUCCESS" if len(ended) == len(runs) else "PENDING"
        if any(run.conclusion != "success" for run in ended):
            state = "FAILURE"
        shown: list[object] = [
            {
                "__typename": "CheckRun",
                "name": run.name,
                "conclusion": run.conclusion.upper() if run in ended else None,
            }
            for run in runs
        ]
        return {"state": state, "contexts": lambda args: {"nodes": shown[: _first(args)]}}


@dataclass
class _Reading:
    """Picks what was asked from what there is; a field that is forbidden is null, with an error."""

    errors: list[Error]

    def pick(self, fields: Fields, asked: Sequence[_Asked], path: Path) -> dict[str, object]:
        """Return the answer to one selection."""
        found: dict[str, object] = {}
        for one in asked:
            if one.on:
                if fields.get("__typename") == one.on:
                    found.update(self.pick(fields, one.inner, path))
            elif one.name in fields:
                found[one.key] = self._field(fields[one.name], one, (*path, one.key))
            else:
                raise _Wrong(f"Field '{one.name}' doesn't exist")
        return found

    def _field(self, value: object, asked: _Asked, path: Path) -> object:
        try:
            there = (
                cast("Callable[[Args], object]", value)(asked.args) if callable(value) else value
            )
        except _Forbidden:
            self.errors.append({"type": "FORBIDDEN", "path": list(path), "message": _UNREADABLE})
            return None
        return self._shown(there, asked, path)

    def _shown(self, value: object, asked: _Asked, path: Path) -> object:
        if isinstance(value, list):
            items = cast("list[object]", value)
            return [self._shown(item, asked, (*path, nth)) for nth, item in enumerate(items)]
        if isinstance(value, dict):
            return self.pick(cast("Fields", value), asked.inner, path)
        return value


def _pulls(repo: Repo, args: Args) -> Fields:
    """Return the open pull requests, those touched longest ago first where that is asked."""
    pulls = repo.open_pulls()
    if args.get("orderBy") == "field UPDATED_AT direction ASC":
        pulls = sorted(pulls, key=lambda pull: pull.updated)
    shown: list[object] = [{"updatedAt": second_time(pull.updated)} for pull in pulls]
    return {"totalCount": len(pulls), "nodes": shown[: _first(args)]}


def _first(args: Args) -> int:
    """Return how many of a connection are asked for; GitHub demands that it is said."""
    if not (said := args.get("first", "")).isdigit() or not 1 <= int(said) <= 100:
        raise _Wrong("You must provide a `first` or `last` value, at most 100, to paginate")
    return int(said)


def _object(repo: Repo, head: str | None, expression: str) -> Fields | None:
    """Return what stands at `HEAD:PATH`; None for nothing."""
    start, _, path = expression.partition(":")
    if head is None or start != "HEAD":
        return None
    sha, is_folder = repo.git.commits[head].tree, True
    for name in filter(None, path.split("/")):
        entries = repo.git.listings[sha] if is_folder else ()
        entry = next((one for one in entries if one.name == name), None)
        if entry is None:
            return None
        sha, is_folder = entry.sha, entry.mode == FOLDER
    return _git_object(repo, sha, is_folder=is_folder)


def _git_object(repo: Repo, sha: str, *, is_folder: bool) -> Fields:
    if not is_folder:
        return {"__typename": "Blob", "byteSize": len(repo.git.blobs[sha])}
    return {"__typename": "Tree", "entries": lambda _args: _entries(repo, sha)}


def _entries(repo: Repo, sha: str) -> list[Fields]:
    return [
        {
            "name": entry.name,
            "type": "tree" if entry.mode == FOLDER else "blob",
            "size": 0 if entry.mode == FOLDER else len(repo.git.blobs[entry.sha]),
            "object": _git_object(repo, entry.sha, is_folder=entry.mode == FOLDER),
        }
        for entry in repo.git.listings[sha]
    ]


def _parse(document: str) -> tuple[_Asked, ...]:
    """Read a document of one query; its variables' types are not checked."""
    tokens: list[str] = []
    place = 0
    while place < len(document):
        found = _NOISE.match(document, place) or _TOKEN.match(document, place)
        if found is None:
            raise _Wrong(f"Parse error on {document[place]!r}")
        if found.re is _TOKEN:
            tokens.append(found[0])
        place = found.end()
    if tokens[:1] != ["query"] or "{" not in tokens:
        raise _Wrong("Parse error: no query")
    rest = tokens[tokens.index("{") :][::-1]
    asked = _selection(rest)
    if rest:
        raise _Wrong(f"Parse error on {rest[-1]!r}")
    return asked


def _take(rest: list[str], wanted: str = "") -> str:
    token = rest.pop() if rest else ""
    if not token or (wanted and token != wanted):
        raise _Wrong(f"Parse error on {token!r}")
    return token


def _selection(rest: list[str]) -> tuple[_Asked, ...]:
    """Take `{ … }`; `rest` is the tokens to come, the next one last."""
    asked: list[_Asked] = []
    _take(rest, "{")
    while rest[-1:] != ["}"]:
        if (name := _take(rest)) == "...":
            _take(rest, "on")
            asked.append(_Asked(on=_take(rest), inner=_selection(rest)))
            continue
        key = name
        if rest[-1:] == [":"]:
            _take(rest)
            name = _take(rest)
        args = _arguments(rest) if rest[-1:] == ["("] else {}
        inner = _selection(rest) if rest[-1:] == ["{"] else ()
        asked.append(_Asked(key=key, name=name, args=args, inner=inner))
    _take(rest)
    return tuple(asked)


def _arguments(rest: list[str]) -> dict[str, str]:
    """Take `(name: value …)`; a variable's value is its name, an object's its words in a row."""
    found: dict[str, str] = {}
    _take(rest, "(")
    while rest[-1:] != [")"]:
        name = _take(rest)
        _take(rest, ":")
        value = _take(rest)
        if value == "{":
            words = iter(lambda: _take(rest), "}")
            found[name] = " ".join(word for word in words if word != ":")
        else:
            found[name] = _take(rest) if value == "$" else value.strip('"')
    _take(rest)
    return found

"""GitHub's search on the wire: words and a few qualifiers over what the account can see.

Strangers' repositories are those that the sandbox's trending page names. A qualifier that it does
not know is refused, where GitHub would pass over it: nobody is to believe that it was heard.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import (
    API,
    paged,
    repo_json,
    unprocessable,
    user_json,
)
from mcp_server.sandbox.http import Call, Problem, Reply, second_time
from mcp_server.sandbox.repository import Issue, Pull, Repo
from mcp_server.sandbox.sites.stock import STRANGERS

MOST_HITS = 1_000
_TERM = re.compile(r'(?:(\w+):)?(?:"([^"]*)"|(\S+))')
_PULLS = frozenset({"pr", "pull-request"})
_STRANGER_ID = 7_000_000


@dataclass(frozen=True, kw_only=True)
class _Query:
    words: tuple[str, ...]
    qualifiers: Mapping[str, Sequence[str]]

    def fits(self, text: str) -> bool:
        """Whether every word stands in a text."""
        return all(word in text.lower() for word in self.words)


class SearchWire:
    """Answers `GET /search/repositories` and `GET /search/issues`."""

    def __init__(self, github: GitHub) -> None:
        """Search `github`, and what the sandbox knows of others."""
        self._github = github

    def repositories(self, call: Call) -> Reply:
        """Find repositories by words in name, description and topics."""
        query = _query(call, frozenset({"user", "language", "topic", "is"}))
        own = [repo_json(repo) for repo in self._github.repos.values()]
        everything = [*own, *(_stranger(nth) for nth in range(len(STRANGERS)))]
        found = [one for one in everything if _is_meant(query, one)]
        return _found(call, found)

    def issues(self, call: Call) -> Reply:
        """Find issues, or pull requests, by words in title and body."""
        query = _query(call, frozenset({"repo", "is"}))
        said = set(query.qualifiers.get("is", ()))
        if not said & {"issue", *_PULLS}:
            raise _unfit("Query must include 'is:issue' or 'is:pull-request'")
        states = said & {"open", "closed"} or {"open", "closed"}
        where = [name.lower() for name in query.qualifiers.get("repo", ())]
        found = [
            _issue(repo, one)
            for repo in self._github.repos.values()
            if not where or repo.full_name.lower() in where
            for one in (repo.pulls if said & _PULLS else repo.issues).values()
            if one.state in states and query.fits(f"{one.title} {one.body}")
        ]
        return _found(call, found)


def _issue(repo: Repo, one: Issue | Pull) -> dict[str, object]:
    return {
        "repository_url": f"{API}/repos/{repo.full_name}",
        "number": one.number,
        "title": one.title,
        "body": one.body,
        "state": one.state,
        "html_url": f"https://github.com/{repo.full_name}/issues/{one.number}",
        "created_at": second_time(one.created),
        "updated_at": second_time(one.updated),
        "score": 1.0,
    }


def _found(call: Call, found: Sequence[dict[str, object]]) -> Reply:
    page, size = (int(call.query.get(name, n)) for name, n in (("page", "1"), ("per_page", "30")))
    if (page - 1) * size >= MOST_HITS:
        raise _unfit("Only the first 1000 search results are available")
    reply = paged(call, found[:MOST_HITS], lambda one: one, "items")
    whole = cast("dict[str, object]", reply.body)
    return replace(reply, body={**whole, "total_count": len(found), "incomplete_results": False})


def _is_meant(query: _Query, one: Mapping[str, object]) -> bool:
    topics = [str(topic) for topic in cast("list[object]", one["topics"])]
    values = {
        "user": [str(one["full_name"]).partition("/")[0]],
        "language": [str(one["language"])],
        "is": ["private" if one["private"] else "public"],
        "topic": topics,
    }
    for name, wanted in query.qualifiers.items():
        there = {value.lower() for value in values[name]}
        if not there.issuperset(word.lower() for word in wanted):
            return False
    return query.fits(f"{one['full_name']} {one['description'] or ''} {' '.join(topics)}")


def _stranger(nth: int) -> dict[str, object]:
    name, language, description = STRANGERS[nth]
    owner = name.partition("/")[0]
    return {
        "id": _STRANGER_ID + nth,
        "node_id": f"R_{_STRANGER_ID + nth}",
        "name": name.partition("/")[2],
        "full_name": name,
        "owner": user_json(owner, _STRANGER_ID),
        "private": False,
        "html_url": f"https://github.com/{name}",
        "description": description,
        "fork": False,
        "archived": False,
        "language": language,
        "topics": [],
        "stargazers_count": 100 * (nth + 1),
        "created_at": "2026-01-05T09:00:00Z",
        "updated_at": "2026-11-20T09:00:00Z",
        "score": 1.0,
    }


def _query(call: Call, known: frozenset[str]) -> _Query:
    said = call.query.get("q", "").strip()
    if not said or len(said) > 300:
        raise _unfit("Validation Failed")
    words: list[str] = []
    qualifiers: dict[str, list[str]] = {}
    for name, quoted, plain in _TERM.findall(said):
        if name and name not in known:
            raise _unfit(f"the sandbox knows no qualifier {name}")
        if name:
            qualifiers.setdefault(name, []).append(quoted or plain)
        else:
            words.append((quoted or plain).lower())
    return _Query(words=tuple(words), qualifiers=qualifiers)


def _unfit(message: str) -> Problem:
    return unprocessable("Validation Failed", resource="Search", field="q", message=message)

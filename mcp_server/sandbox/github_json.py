"""GitHub's shapes: repositories, people, issues, refusals and pages as JSON.

Fields as in the 2022-11-28 description; the bulk of templated links is left out.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar
from urllib.parse import urlencode

from mcp_server.sandbox.http import Call, Json, Problem, Reply, second_time
from mcp_server.sandbox.repository import BOT, BOT_ID, OWNER_ID, Issue, Repo

T = TypeVar("T")
RepoHandler: TypeAlias = Callable[[Repo, Call], Reply]
RepoRoutes: TypeAlias = tuple[tuple[str, str, RepoHandler], ...]

API = "https://api.github.com"
DOCUMENTATION = "https://docs.github.com/rest"
LARGEST_PAGE = 100


def refuse(status: int, message: str) -> Problem:
    """Build a refusal with GitHub's plain body."""
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": f"{status}"}
    return Problem(status, body)


def not_found() -> Problem:
    """Build the 404."""
    return refuse(404, "Not Found")


def unprocessable(text: str, *, resource: str, field: str, message: str) -> Problem:
    """Build a 422 that names a field, with the code `custom`."""
    error = {"resource": resource, "code": "custom", "field": field, "message": message}
    body = {"message": text, "errors": [error], "documentation_url": DOCUMENTATION}
    return Problem(422, {**body, "status": "422"})


def sent(call: Call) -> dict[str, Json]:
    """Return the body of a call; what is not a JSON object is a 400."""
    try:
        return call.body()
    except ValueError as error:
        raise refuse(400, "Problems parsing JSON") from error


def number(call: Call) -> int:
    """Return the first argument as a number, 0 (which nothing has) when it is none."""
    return int(call.args[0]) if call.args[0].isdecimal() else 0


def paged(call: Call, items: Sequence[T], write: Callable[[T], object], name: str = "") -> Reply:
    """Answer one page with a `Link` header; with `name` the list stands in an object with a total.

    Links lead to the path of the call, which names a repository by its id (facts/github.md 1.2).
    """
    size = min(_natural(call, "per_page", 30), LARGEST_PAGE)
    page, last = _natural(call, "page", 1), max(1, -(-len(items) // size))
    shown = [write(item) for item in items[(page - 1) * size : page * size]]
    targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    fit = ("next", "last") if page < last else ()
    fit += ("prev", "first") if page > 1 else ()
    links = [
        f'<{API}{call.path}?{urlencode({**call.query, "page": targets[rel]})}>; rel="{rel}"'
        for rel in fit
    ]
    body = {"total_count": len(items), name: shown} if name else shown
    return Reply(200, body, {"Link": ", ".join(links)} if links else {})


def _natural(call: Call, name: str, default: int) -> int:
    value = call.query.get(name, "")
    return max(1, int(value)) if value.isdecimal() else default


def user_json(login: str, user_id: int) -> dict[str, object]:
    """Write a person or a bot."""
    return {
        "login": login,
        "id": user_id,
        "node_id": f"U_{user_id}",
        "html_url": f"https://github.com/{login}",
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
    }


def author_json(login: str) -> dict[str, object]:
    """Write one of the two who open pull requests here."""
    return user_json(login, BOT_ID if login == BOT else OWNER_ID)


def repo_json(repo: Repo) -> dict[str, object]:
    """Write a repository, the same in lists and alone."""
    return {
        "id": repo.id,
        "node_id": f"R_{repo.id}",
        "name": repo.name,
        "full_name": repo.full_name,
        "owner": user_json(repo.owner, OWNER_ID),
        "private": repo.private,
        "visibility": "private" if repo.private else "public",
        "html_url": f"https://github.com/{repo.full_name}",
        "url": f"{API}/repos/{repo.full_name}",
        "description": repo.description or None,
        "fork": repo.fork,
        "archived": repo.archived,
        "disabled": False,
        "is_template": False,
        "created_at": second_time(repo.created),
        "updated_at": second_time(repo.updated),
        "pushed_at": second_time(repo.pushed),
        "size": len(repo.git.blobs),
        "stargazers_count": 0,
        "language": repo.language,
        "default_branch": repo.default_branch,
        "topics": repo.topics,
        "license": _licence(repo),
        "open_issues_count": len(repo.open_pulls())
        + sum(issue.state == "open" for issue in repo.issues.values()),
        "has_issues": True,
        "allow_squash_merge": "squash" in repo.merge_methods,
        "allow_merge_commit": "merge" in repo.merge_methods,
        "allow_rebase_merge": "rebase" in repo.merge_methods,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
        "permissions": {
            "admin": True,
            "maintain": True,
            "push": True,
            "triage": True,
            "pull": True,
        },
    }


def _licence(repo: Repo) -> dict[str, str] | None:
    head = repo.git.branches.get(repo.default_branch)
    text = repo.git.text(repo.git.files(head).get("LICENSE")) if head else None
    if text is None:
        return None
    key, name = ("apache-2.0", "Apache License 2.0") if "Apache" in text else ("mit", "MIT License")
    return {"key": key, "name": name, "spdx_id": "Apache-2.0" if key != "mit" else "MIT"}


def issue_json(repo: Repo, issue: Issue) -> dict[str, object]:
    """Write an issue."""
    return {
        "number": issue.number,
        "title": issue.title,
        "body": issue.body,
        "state": issue.state,
        "user": author_json(issue.author),
        "comments": len(issue.comments),
        "html_url": f"https://github.com/{repo.full_name}/issues/{issue.number}",
        "created_at": second_time(issue.created),
        "updated_at": second_time(issue.updated),
    }

"""GitHub's REST API on the wire: the account, repositories, issues, and the parts put together.

Shapes and refusals as facts/github.md section 1 has them; only fields a client may want are shown.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from mcp_server.sandbox.actions_wire import ActionsWire
from mcp_server.sandbox.git_wire import GitWire
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import (
    API,
    RepoHandler,
    issue_json,
    not_found,
    number,
    paged,
    refuse,
    repo_json,
    sent,
    unprocessable,
    user_json,
)
from mcp_server.sandbox.graphql_wire import GraphQLWire
from mcp_server.sandbox.http import (
    Call,
    Handler,
    Problem,
    Reply,
    Router,
    flag,
    second_time,
    text,
    texts,
)
from mcp_server.sandbox.pulls_wire import PullsWire
from mcp_server.sandbox.rate import MINUTE, SEARCHES_A_MINUTE, RateLimit
from mcp_server.sandbox.repository import AUTHOR, OWNER, OWNER_ID, Issue, Repo
from mcp_server.sandbox.search_wire import SearchWire
from mcp_server.sandbox.tokens import Token

GRAPHQL = "/graphql"
_SEARCH = "/search/"
_BY_ID = re.compile(r"/repositories/(\d+)(?=/|$)")


class GitHubWire:
    """Answers calls to `api.github.com`, and to the host where its logs lie."""

    def __init__(self, github: GitHub) -> None:
        """Speak for `github`."""
        self._github = github
        self.graphql = GraphQLWire(github)
        self._limit, self._points = RateLimit("core"), RateLimit("graphql")
        self._searches = RateLimit("search", most=SEARCHES_A_MINUTE, span=MINUTE)
        search = SearchWire(github)
        self._actions = ActionsWire(github)
        repo = "/repos/{}/{}"
        account: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/user/repos", self._list_repos),
            ("POST", "/user/repos", self._create_repo),
            ("POST", "/orgs/{}/repos", self._create_for_organization),
            ("GET", "/installation/repositories", self._list_installed),
            ("GET", "/rate_limit", self._rate_limit),
            ("POST", GRAPHQL, self.graphql.answer),
            ("GET", f"{_SEARCH}repositories", search.repositories),
            ("GET", f"{_SEARCH}issues", search.issues),
        )
        of_a_repo: tuple[tuple[str, str, RepoHandler], ...] = (
            ("GET", repo, lambda repo, _call: Reply(200, repo_json(repo))),
            ("PATCH", repo, self._patch_repo),
            ("DELETE", repo, self._delete_repo),
            ("PUT", f"{repo}/topics", self._put_topics),
            ("GET", f"{repo}/issues", self._list_issues),
            ("POST", f"{repo}/issues", self._open_issue),
            ("PATCH", f"{repo}/issues/{{}}", self._patch_issue),
            ("POST", f"{repo}/issues/{{}}/comments", self._comment),
            ("GET", f"{repo}/issues/{{}}/comments", self._list_comments),
            *PullsWire(github).routes(),
            *GitWire(github).routes(),
            *self._actions.routes(),
        )
        bound = tuple((method, shape, self._bind(handler)) for method, shape, handler in of_a_repo)
        self._router = Router((*account, *bound))

    def answer(self, call: Call) -> Reply:
        """Answer one call; raise `Problem` for a refusal."""
        if self._github.app and call.path.startswith("/app/"):
            return self._github.app.answer(call, self._github.now, self._owner())
        token = self._token(call)
        now = self._github.now
        limit = self._counted_by(call.path)
        if limit.is_used_up(now):
            told = f"API rate limit exceeded for user ID {OWNER_ID}."
            # GraphQL's way is HTTP 200 with an error (facts/github.md 1.9).
            in_graphql = {"errors": [{"type": "RATE_LIMITED", "message": told}]}
            status, body = (200, in_graphql) if limit is self._points else (403, {"message": told})
            raise Problem(status, body, limit.headers(now))
        try:
            token.check(call)
            reply = self._find(call, token)
        except Problem as problem:
            reply = problem.reply
        return self._finish(call, reply, token, limit)

    def _counted_by(self, path: str) -> RateLimit:
        if path.startswith(_SEARCH):
            return self._searches
        return self._points if path == GRAPHQL else self._limit

    def answer_log(self, call: Call) -> Reply:
        """Answer one call to the host of the logs; raise `Problem` for a refusal."""
        return self._actions.log(call)

    def _token(self, call: Call) -> Token:
        authorization = call.headers.get("authorization")
        if authorization is None:
            raise refuse(401, "Requires authentication")
        said, app = authorization.partition(" ")[2], self._github.app
        token = self._github.tokens.get(said) or (app and app.token(said, self._github.now))
        if token is None:
            raise refuse(401, "Bad credentials")
        return token

    def _find(self, call: Call, token: Token) -> Reply:
        if (call.method, call.path) == ("GET", "/user"):
            return Reply(200, user_json(token.login, OWNER_ID))
        found = self._router.find(self._by_name(call))
        if found is None:
            raise not_found()
        handler, call = found
        return handler(call)

    def _by_name(self, call: Call) -> Call:
        """Read `/repositories/ID/…`, the form in which `Link` headers name a repository."""
        match = _BY_ID.match(call.path)
        for repo in self._github.repos.values() if match else ():
            if match and repo.id == int(match[1]):
                return replace(call, path=f"/repos/{repo.full_name}{call.path[match.end() :]}")
        return call

    def _finish(self, call: Call, reply: Reply, token: Token, limit: RateLimit) -> Reply:
        """Add what every answer carries; a GET that knows the answer's tag already gets 304."""
        now = self._github.now
        told = {} if token.scopes is None else {"X-OAuth-Scopes": ", ".join(token.scopes)}
        headers = {
            **told,
            "X-Accepted-OAuth-Scopes": "repo",
            "X-GitHub-Api-Version-Selected": "2022-11-28",
            "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
            **reply.headers,
        }
        if call.method == "GET" and reply.status == 200:
            headers["ETag"] = f'W/"{hashlib.sha256(reply.content()).hexdigest()}"'
            if call.headers.get("if-none-match") == headers["ETag"]:
                # No `Link` either, to be on the safe side: a client must have kept it.
                headers.pop("Link", None)
                return Reply(304, None, {**headers, **limit.headers(now)})
        limit.count(now)
        return Reply(reply.status, reply.body, {**headers, **limit.headers(now)})

    def _bind(self, handler: RepoHandler) -> Handler:
        """Find the repository first; what is archived is read-only."""

        def handle(call: Call) -> Reply:
            name = "/".join(call.args[:2])
            repo = self._github.repo(name)
            if repo is None and (now := self._github.renamed.get(name.lower())) is not None:
                url = f"{API}/repositories/{now}"
                return Reply(301, {"message": "Moved Permanently", "url": url}, {"Location": url})
            if repo is None:
                raise not_found()
            unarchives = call.method == "PATCH" and len(call.args) == 2
            if repo.archived and call.method not in ("GET", "DELETE") and not unarchives:
                raise refuse(403, "Repository was archived so is read-only.")
            # `Link` headers will name the repository by its id, as GitHub's do.
            path = f"/repositories/{repo.id}/{'/'.join(call.path.split('/')[4:])}".rstrip("/")
            return handler(repo, replace(call, path=path, args=call.args[2:]))

        return handle

    def _rate_limit(self, _call: Call) -> Reply:
        core = self._limit.resource(self._github.now)
        search = self._searches.resource(self._github.now)
        return Reply(200, {"resources": {"core": core, "search": search}, "rate": core})

    def _list_repos(self, call: Call) -> Reply:
        repos = sorted(self._github.repos.values(), key=_SORTS[call.query.get("sort", "full_name")])
        newest = call.query.get("sort", "full_name") != "full_name"
        if call.query.get("direction", "desc" if newest else "asc") == "desc":
            repos.reverse()
        kept = call.query.get("visibility", "all")
        shown = [repo for repo in repos if kept in ("all", "private" if repo.private else "public")]
        return paged(call, shown, repo_json)

    def _list_installed(self, call: Call) -> Reply:
        repos = sorted(self._github.repos.values(), key=lambda repo: repo.id)
        return paged(call, repos, repo_json, "repositories")

    def _owner(self) -> dict[str, object]:
        kind = "Organization" if self._github.organization else "User"
        return {**user_json(OWNER, OWNER_ID), "type": kind}

    def _create_for_organization(self, call: Call) -> Reply:
        if not self._github.organization or call.args[0].lower() != OWNER:
            raise not_found()
        return self._create_repo(call)

    def _create_repo(self, call: Call) -> Reply:
        if self._github.organization and call.path == "/user/repos":
            raise refuse(403, "the token's own account is no part of this world")
        body = sent(call)
        # GitHub turns every other character into a dash, silently (facts/github.md 1.4).
        name = re.sub(r"[^A-Za-z0-9._-]", "-", text(body, "name"))[:100]
        if not name or self._github.repo(f"{OWNER}/{name}"):
            message = "name already exists on this account" if name else "name is too short"
            raise unprocessable(
                "Repository creation failed.", resource="Repository", field="name", message=message
            )
        # `private` defaults to false in reality too.
        repo = self._github.create(
            name,
            private=flag(body, "private"),
            description=text(body, "description"),
            by_client=True,
        )
        if flag(body, "auto_init"):
            readme = {"README.md": f"# {name}\n{repo.description}\n"}
            commit = self._github.commit(repo, None, readme, "Initial commit", AUTHOR)
            self._github.push(repo, repo.default_branch, commit)
        return Reply(201, repo_json(repo))

    def _patch_repo(self, repo: Repo, call: Call) -> Reply:
        body = sent(call)
        if "private" in body or "visibility" in body:
            private = flag(body, "private") or text(body, "visibility") == "private"
            self._github.set_private(repo, private=private)
        repo.description = text(body, "description", repo.description)
        repo.default_branch = text(body, "default_branch", repo.default_branch)
        repo.archived = flag(body, "archived") if "archived" in body else repo.archived
        if text(body, "name", repo.name) != repo.name:
            self._github.rename(repo, text(body, "name"))
        repo.updated = self._github.now
        return Reply(200, repo_json(repo))

    def _delete_repo(self, repo: Repo, _call: Call) -> Reply:
        self._github.delete(repo)
        return Reply(204)

    def _put_topics(self, repo: Repo, call: Call) -> Reply:
        repo.topics, repo.updated = texts(sent(call), "names"), self._github.now
        return Reply(200, {"names": repo.topics})

    def _list_issues(self, repo: Repo, call: Call) -> Reply:
        state = call.query.get("state", "open")
        issues = [issue for issue in repo.issues.values() if state in ("all", issue.state)]
        issues.reverse()
        if call.query.get("sort") == "updated":
            issues.sort(key=lambda issue: issue.updated, reverse=True)
        return paged(call, issues, lambda issue: issue_json(repo, issue))

    def _open_issue(self, repo: Repo, call: Call) -> Reply:
        body, now = sent(call), self._github.now
        issue = Issue(
            number=repo.next_number(),
            title=text(body, "title"),
            body=text(body, "body"),
            author=self._token(call).writes_as,
            created=now,
            updated=now,
        )
        repo.issues[issue.number] = issue
        return Reply(201, issue_json(repo, issue))

    def _patch_issue(self, repo: Repo, call: Call) -> Reply:
        issue = repo.issues.get(number(call))
        if issue is None:
            raise not_found()
        body = sent(call)
        issue.title = text(body, "title", issue.title)
        issue.body = text(body, "body", issue.body)
        issue.state = text(body, "state", issue.state)
        issue.updated = self._github.now
        return Reply(200, issue_json(repo, issue))

    def _list_comments(self, repo: Repo, call: Call) -> Reply:
        wanted = number(call)
        target = repo.issues.get(wanted) or repo.pulls.get(wanted)
        if target is None:
            raise not_found()
        numbered = list(enumerate(target.comments, start=1))
        return paged(call, numbered, lambda one: {"id": one[0], "body": one[1]})

    def _comment(self, repo: Repo, call: Call) -> Reply:
        wanted = number(call)
        target = repo.issues.get(wanted) or repo.pulls.get(wanted)
        if target is None:
            raise not_found()
        target.comments.append(text(sent(call), "body"))
        target.updated = self._github.now
        return Reply(201, {"id": len(target.comments), "body": target.comments[-1]})


_SORTS: Mapping[str, Callable[[Repo], str]] = {
    "full_name": lambda repo: repo.full_name.lower(),
    "created": lambda repo: second_time(repo.created),
    "updated": lambda repo: second_time(repo.updated),
    "pushed": lambda repo: second_time(repo.pushed),
}

"""GitHub's pull requests and checks on the wire (facts/github.md 1.5 to 1.7)."""

from mcp_server.sandbox.ci import Run
from mcp_server.sandbox.git import Change, changes
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import (
    API,
    RepoRoutes,
    author_json,
    not_found,
    number,
    paged,
    refuse,
    sent,
    unprocessable,
)
from mcp_server.sandbox.http import Call, Reply, flag, second_time, text
from mcp_server.sandbox.repository import Pull, Repo

# github-actions' own application id.
ACTIONS_APP = {"id": 15368, "slug": "github-actions", "name": "GitHub Actions"}
_METHOD_NAMES = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."


class PullsWire:
    """Answers what concerns pull requests and the checks of commits."""

    def __init__(self, github: GitHub) -> None:
        """Speak for the repositories of `github`."""
        self._github = github

    def routes(self) -> RepoRoutes:
        """Return the routes, for handlers that are given the repository."""
        repo = "/repos/{}/{}"
        return (
            ("GET", f"{repo}/pulls", self._list),
            ("POST", f"{repo}/pulls", self._open),
            ("GET", f"{repo}/pulls/{{}}", self._get),
            ("PATCH", f"{repo}/pulls/{{}}", self._patch),
            ("GET", f"{repo}/pulls/{{}}/files", self._files),
            ("GET", f"{repo}/pulls/{{}}/merge", self._is_merged),
            ("PUT", f"{repo}/pulls/{{}}/merge", self._merge),
            ("PUT", f"{repo}/pulls/{{}}/update-branch", self._update_branch),
            ("GET", f"{repo}/commits/{{}}/check-runs", self._check_runs),
            ("GET", f"{repo}/commits/{{}}/check-suites", self._check_suites),
            ("GET", f"{repo}/commits/{{}}/status", self._status),
            ("GET", f"{repo}/rules/branches/{{*}}", self._rules),
            ("GET", f"{repo}/branches/{{}}/protection", self._protection),
        )

    def _find(self, repo: Repo, call: Call) -> Pull:
        pull = repo.pulls.get(number(call))
        if pull is None:
            raise not_found()
        return pull

    def _list(self, repo: Repo, call: Call) -> Reply:
        state, base = call.query.get("state", "open"), call.query.get("base", "")
        head = call.query.get("head", "").rpartition(":")[2]
        pulls = [
            pull
            for pull in reversed(repo.pulls.values())
            if state in ("all", pull.state)
            and base in ("", pull.base_ref)
            and head in ("", pull.head_ref)
        ]

        def write(pull: Pull) -> dict[str, object]:
            self._github.show(repo, pull)
            return _pull_json(repo, pull)

        return paged(call, pulls, write)

    def _full(self, repo: Repo, pull: Pull) -> dict[str, object]:
        mergeable, state = self._github.mergeability(repo, pull)
        self._github.show(repo, pull)
        changed = _changed(repo, pull)
        return {
            **_pull_json(repo, pull),
            "merged": pull.merged is not None,
            "mergeable": mergeable,
            "mergeable_state": state,
            "comments": len(pull.comments),
            "changed_files": len(changed),
            "additions": sum(_count(repo, change, "+") for change in changed),
            "deletions": sum(_count(repo, change, "-") for change in changed),
        }

    def _open(self, repo: Repo, call: Call) -> Reply:
        body = sent(call)
        head, base = text(body, "head").rpartition(":")[2], text(body, "base")
        for field, branch in (("head", head), ("base", base)):
            if branch not in repo.git.branches:
                raise unprocessable(
                    "Validation Failed", resource="PullRequest", field=field, message="invalid"
                )
        if any((pull.head_ref, pull.base_ref) == (head, base) for pull in repo.open_pulls()):
            message = f"A pull request already exists for {repo.owner}:{head}."
            raise unprocessable(
                "Validation Failed", resource="PullRequest", field="head", message=message
            )
        if repo.git.contains(repo.git.branches[base], repo.git.branches[head]):
            message = f"No commits between {base} and {head}"
            raise unprocessable(
                "Validation Failed", resource="PullRequest", field="head", message=message
            )
        pull = self._github.open_pull(
            repo,
            head=head,
            base=base,
            title=text(body, "title"),
            body=text(body, "body"),
            draft=flag(body, "draft"),
        )
        return Reply(201, self._full(repo, pull))

    def _get(self, repo: Repo, call: Call) -> Reply:
        return Reply(200, self._full(repo, self._find(repo, call)))

    def _patch(self, repo: Repo, call: Call) -> Reply:
        pull, body = self._find(repo, call), sent(call)
        pull.title = text(body, "title", pull.title)
        pull.body = text(body, "body", pull.body)
        pull.updated = self._github.now
        state = text(body, "state", pull.state)
        if state != pull.state and pull.merged is None:
            self._github.set_state(repo, pull, state)
        return Reply(200, self._full(repo, pull))

    def _files(self, repo: Repo, call: Call) -> Reply:
        changed = _changed(repo, self._find(repo, call))
        return paged(call, changed, lambda change: _file_json(repo, change))

    def _is_merged(self, repo: Repo, call: Call) -> Reply:
        if self._find(repo, call).merged is None:
            raise not_found()
        return Reply(204)

    def _merge(self, repo: Repo, call: Call) -> Reply:
        pull, body = self._find(repo, call), sent(call)
        sha, method = text(body, "sha") or None, text(body, "merge_method", "merge")
        if method not in _METHOD_NAMES:
            raise refuse(422, "Invalid merge_method")
        if method not in repo.merge_methods:
            name = _METHOD_NAMES[method]
            raise refuse(405, f"{name} are not allowed on this repository.")
        if pull.state != "open" or pull.draft:
            raise refuse(405, "Pull Request is not mergeable")
        if sha not in (None, pull.head):
            raise refuse(409, "Head branch was modified. Review and try the merge again.")
        if self._github.conflicts(repo, pull):
            raise refuse(405, "Pull Request is not mergeable")
        if self._github.base_just_moved(repo, pull):
            raise refuse(405, "Base branch was modified. Review and try the merge again.")
        said = (text(body, "commit_title"), text(body, "commit_message"))
        words = "" if method == "rebase" else "\n\n".join(filter(None, said))
        merged = self._github.merge(repo, pull, sha=sha, squash=method != "merge", words=words)
        message = "Pull Request successfully merged"
        return Reply(200, {"sha": merged, "merged": True, "message": message})

    def _update_branch(self, repo: Repo, call: Call) -> Reply:
        pull = self._find(repo, call)
        if text(sent(call), "expected_head_sha", pull.head) != pull.head:
            # The apostrophe is typographic in reality (captured, facts/github.md 1.7).
            raise refuse(422, "expected head sha didn\u2019t match current head ref.")
        if pull.state != "open" or self._github.conflicts(repo, pull):
            raise refuse(422, "merge conflict between base and head")
        if repo.git.contains(pull.head, pull.base):
            raise refuse(422, "There are no new commits on the base branch.")
        self._github.update_branch(repo, pull)
        message = "Updating pull request branch."
        return Reply(202, {"message": message, "url": f"{API}/repos/{repo.full_name}/pulls"})

    def _check_runs(self, repo: Repo, call: Call) -> Reply:
        runs = self._github.ci.runs(repo.full_name, _commit_sha(repo, call.args[0]))
        return paged(call, runs, lambda run: self._check_json(repo, run), "check_runs")

    def _check_json(self, repo: Repo, run: Run) -> dict[str, object]:
        status = run.status(self._github.now)
        done = status == "completed"
        return {
            "id": run.id,
            "name": run.name,
            "head_sha": run.sha,
            "status": status,
            "conclusion": run.conclusion if done else None,
            "started_at": second_time(run.registered),
            "completed_at": second_time(run.finished) if done else None,
            "html_url": f"https://github.com/{repo.full_name}/actions/runs/{run.id}/job/{run.id}",
            "app": ACTIONS_APP,
            "check_suite": {"id": run.id + 1},
            "pull_requests": [
                {"number": pull.number} for pull in repo.open_pulls() if pull.head == run.sha
            ],
        }

    def _check_suites(self, repo: Repo, call: Call) -> Reply:
        """Show a suite for each run: here as there every workflow run has one of its own."""
        runs = self._github.ci.runs(repo.full_name, _commit_sha(repo, call.args[0]))
        return paged(call, runs, self._suite_json, "check_suites")

    def _suite_json(self, run: Run) -> dict[str, object]:
        status = run.status(self._github.now)
        return {
            "id": run.id + 1,
            "head_sha": run.sha,
            "status": status,
            "conclusion": run.conclusion if status == "completed" else None,
            "app": ACTIONS_APP,
            "latest_check_runs_count": 1,
        }

    def _status(self, repo: Repo, call: Call) -> Reply:
        """Answer that nobody sets statuses here: the state of none is "pending"."""
        sha = _commit_sha(repo, call.args[0])
        return Reply(200, {"state": "pending", "statuses": [], "sha": sha, "total_count": 0})

    def _rules(self, repo: Repo, _call: Call) -> Reply:
        """Answer as a free plan does: no rules on what is private (facts/github.md 1.6)."""
        if repo.private:
            raise refuse(403, UPGRADE)
        return Reply(200, [])

    def _protection(self, repo: Repo, _call: Call) -> Reply:
        """Answer that nothing is protected, or that this plan knows no protection."""
        raise refuse(403, UPGRADE) if repo.private else refuse(404, "Branch not protected")


def _commit_sha(repo: Repo, name: str) -> str:
    sha = repo.git.branches.get(name, name)
    if sha not in repo.git.commits:
        raise refuse(422, f"No commit found for SHA: {name}")
    return sha


def _changed(repo: Repo, pull: Pull) -> list[Change]:
    return changes(repo.git.fork_point(pull.base, pull.head), repo.git.files(pull.head))


def _count(repo: Repo, change: Change, sign: str) -> int:
    return sum(line.startswith(sign) for line in repo.git.hunks(change).splitlines())


def _file_json(repo: Repo, change: Change) -> dict[str, object]:
    status = "modified" if change.old and change.new else "added" if change.new else "removed"
    file = change.new or change.old
    added, deleted = _count(repo, change, "+"), _count(repo, change, "-")
    return {
        "sha": file.sha if file else None,
        "filename": change.path,
        "status": status,
        "additions": added,
        "deletions": deleted,
        "changes": added + deleted,
        "patch": repo.git.hunks(change),
    }


def _pull_json(repo: Repo, pull: Pull) -> dict[str, object]:
    side = {"full_name": repo.full_name, "id": repo.id, "private": repo.private}
    return {
        "id": repo.id * 1000 + pull.number,
        "node_id": f"PR_{repo.id}_{pull.number}",
        "number": pull.number,
        "html_url": repo.url(pull),
        "url": f"{API}/repos/{repo.full_name}/pulls/{pull.number}",
        "title": pull.title,
        "body": pull.body,
        "user": author_json(pull.author),
        "state": pull.state,
        "draft": pull.draft,
        "created_at": second_time(pull.created),
        "updated_at": second_time(pull.updated),
        "closed_at": second_time(pull.updated) if pull.state == "closed" else None,
        "merged_at": second_time(pull.merged) if pull.merged else None,
        "merge_commit_sha": pull.merge_sha,
        "auto_merge": None,
        "head": {"ref": pull.head_ref, "sha": pull.head, "repo": side, "label": pull.head_ref},
        "base": {"ref": pull.base_ref, "sha": pull.base, "repo": side, "label": pull.base_ref},
    }

"""GitHub's Git Data, contents and workflow listings on the wire."""

import base64
import binascii
from collections.abc import Mapping

from mcp_server.sandbox.git import FOLDER, Commit, Entry, File
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.github_json import (
    API,
    RepoRoutes,
    not_found,
    refuse,
    sent,
)
from mcp_server.sandbox.http import Call, Json, Reply, flag, part, second_time, text, texts
from mcp_server.sandbox.repository import AUTHOR, Repo


class GitWire:
    """Answers what concerns the content of a repository."""

    def __init__(self, github: GitHub) -> None:
        """Speak for the repositories of `github`."""
        self._github = github

    def routes(self) -> RepoRoutes:
        """Return the routes, for handlers that are given the repository."""
        repo = "/repos/{}/{}"
        return (
            ("POST", f"{repo}/git/blobs", self._add_blob),
            ("GET", f"{repo}/git/blobs/{{}}", self._get_blob),
            ("POST", f"{repo}/git/trees", self._add_tree),
            ("GET", f"{repo}/git/trees/{{*}}", self._get_tree),
            ("POST", f"{repo}/git/commits", self._add_commit),
            ("GET", f"{repo}/git/commits/{{}}", self._get_commit),
            ("POST", f"{repo}/git/refs", self._add_ref),
            ("GET", f"{repo}/git/ref/heads/{{*}}", self._get_ref),
            ("PATCH", f"{repo}/git/refs/heads/{{*}}", self._move_ref),
            ("DELETE", f"{repo}/git/refs/heads/{{*}}", self._delete_ref),
            ("GET", f"{repo}/branches/{{*}}", self._get_branch),
            ("GET", f"{repo}/readme", self._readme),
            ("GET", f"{repo}/contents/{{*}}", self._contents),
        )

    def _add_blob(self, repo: Repo, call: Call) -> Reply:
        body = _sent_to_history(repo, call)
        content = text(body, "content").encode()
        if text(body, "encoding") == "base64":
            try:
                content = base64.b64decode(content, validate=True)
            except binascii.Error as error:
                raise refuse(422, "content is not valid Base64") from error
        sha = repo.git.add_blob(content)
        return Reply(201, {"sha": sha, "url": _url(repo, f"git/blobs/{sha}")})

    def _get_blob(self, repo: Repo, call: Call) -> Reply:
        content = repo.git.blobs.get(call.args[0])
        if content is None:
            raise not_found()
        return Reply(200, _blob(call.args[0], content))

    def _add_tree(self, repo: Repo, call: Call) -> Reply:
        body = _sent_to_history(repo, call)
        base = text(body, "base_tree")
        if base and base not in repo.git.trees and base not in repo.git.commits:
            raise refuse(422, f"base_tree is not a valid tree oid: {base}")
        files = dict(repo.git.trees[_tree_of(repo, base)]) if base else {}
        entries = body.get("tree")
        for entry in entries if isinstance(entries, list) else []:
            if not isinstance(entry, dict) or not text(entry, "path"):
                raise refuse(422, "Must supply a valid tree.path")
            if "sha" in entry and entry["sha"] is None:
                files.pop(text(entry, "path"), None)
            else:
                files[text(entry, "path")] = _file(repo, entry)
        if not files:
            raise refuse(422, "Invalid tree info")
        sha = repo.git.add_tree(files)
        return Reply(201, _tree(repo, sha, repo.git.listings[sha]))

    def _get_tree(self, repo: Repo, call: Call) -> Reply:
        if not repo.git.branches:
            raise refuse(409, "Git Repository is empty.")
        sha = _tree_of(repo, call.args[0])
        deep = call.query.get("recursive", "") != ""
        entries = tuple(repo.git.walk(sha)) if deep else repo.git.listings[sha]
        return Reply(200, _tree(repo, sha, entries))

    def _add_commit(self, repo: Repo, call: Call) -> Reply:
        body = _sent_to_history(repo, call)
        tree, parents = text(body, "tree"), tuple(texts(body, "parents"))
        if tree not in repo.git.trees or any(sha not in repo.git.commits for sha in parents):
            raise refuse(422, "Tree SHA or parent does not exist")
        who = part(body, "author")
        author = f"{text(who, 'name')} <{text(who, 'email')}>" if who else AUTHOR
        sha = repo.git.add_commit(
            tree, parents, message=text(body, "message"), author=author, at=self._github.now
        )
        return Reply(201, _commit(repo, repo.git.commits[sha]))

    def _get_commit(self, repo: Repo, call: Call) -> Reply:
        commit = repo.git.commits.get(call.args[0])
        if commit is None:
            raise not_found()
        return Reply(200, _commit(repo, commit))

    def _add_ref(self, repo: Repo, call: Call) -> Reply:
        body = _sent_to_history(repo, call)
        ref, sha = text(body, "ref"), text(body, "sha")
        branch = ref.removeprefix("refs/heads/")
        if not ref.startswith("refs/heads/") or not branch:
            raise refuse(422, "Reference name must start with 'refs/heads/' here.")
        if branch in repo.git.branches:
            raise refuse(422, "Reference already exists")
        if sha not in repo.git.commits:
            raise refuse(422, "Object does not exist")
        self._github.written(repo, branch, new=True)
        self._github.push(repo, branch, sha)
        return Reply(201, _ref(repo, branch))

    def _get_ref(self, repo: Repo, call: Call) -> Reply:
        return Reply(200, _ref(repo, call.args[0]))

    def _move_ref(self, repo: Repo, call: Call) -> Reply:
        body, branch = sent(call), call.args[0]
        sha, force = text(body, "sha"), flag(body, "force")
        if branch not in repo.git.branches:
            raise refuse(422, "Reference does not exist")
        if sha not in repo.git.commits:
            raise refuse(422, "Object does not exist")
        if not force and not repo.git.contains(sha, repo.git.branches[branch]):
            raise refuse(422, "Update is not a fast forward")
        self._github.written(repo, branch, new=False)
        self._github.push(repo, branch, sha, forced=force)
        return Reply(200, _ref(repo, branch))

    def _delete_ref(self, repo: Repo, call: Call) -> Reply:
        if call.args[0] not in repo.git.branches:
            raise refuse(422, "Reference does not exist")
        self._github.delete_branch(repo, call.args[0])
        return Reply(204)

    def _get_branch(self, repo: Repo, call: Call) -> Reply:
        sha = repo.git.branches.get(call.args[0])
        if sha is None:
            raise refuse(404, "Branch not found")
        return Reply(200, {"name": call.args[0], "commit": {"sha": sha}, "protected": False})

    def _readme(self, repo: Repo, call: Call) -> Reply:
        files = _files(repo, call)
        path = next((path for path in sorted(files) if path.lower().startswith("readme")), None)
        if path is None:
            raise not_found()
        return Reply(200, _content(repo, path, files[path]))

    def _contents(self, repo: Repo, call: Call) -> Reply:
        files, path = _files(repo, call), call.args[0].strip("/")
        if path in files:
            return Reply(200, _content(repo, path, files[path]))
        inside = {
            f"{path}/{name.partition('/')[0]}": "dir" if "/" in name else "file"
            for full in sorted(files)
            if full.startswith(path + "/")
            for name in (full[len(path) + 1 :],)
        }
        if not inside:
            raise not_found()
        return Reply(
            200,
            [
                {"name": full.rpartition("/")[2], "path": full, "type": kind}
                for full, kind in inside.items()
            ],
        )


def _sent_to_history(repo: Repo, call: Call) -> dict[str, Json]:
    """Return the body; a repository without a commit takes no Git Data (facts/github.md 1.4)."""
    if not repo.git.branches:
        raise refuse(409, "Git Repository is empty.")
    return sent(call)


def _url(repo: Repo, path: str) -> str:
    return f"{API}/repos/{repo.full_name}/{path}"


def _file(repo: Repo, entry: Mapping[str, Json]) -> File:
    sha = text(entry, "sha") or repo.git.add_blob(text(entry, "content").encode())
    if sha not in repo.git.blobs:
        raise refuse(422, f"tree.sha {sha} is not a valid blob")
    return File(text(entry, "mode", "100644"), sha)


def _tree_of(repo: Repo, name: str) -> str:
    """Return the tree that a branch, commit or tree names."""
    commit = repo.git.commits.get(repo.git.branches.get(name, name))
    tree = commit.tree if commit else name
    if tree not in repo.git.trees:
        raise not_found()
    return tree


def _tree(repo: Repo, sha: str, entries: tuple[Entry, ...]) -> dict[str, object]:
    lines: list[dict[str, object]] = []
    for entry in entries:
        line: dict[str, object] = {"path": entry.name, "mode": entry.mode.zfill(6)}
        if entry.mode == FOLDER:
            line.update(type="tree", sha=entry.sha)
        else:
            line.update(type="blob", sha=entry.sha, size=len(repo.git.blobs[entry.sha]))
        lines.append(line)
    return {"sha": sha, "url": _url(repo, f"git/trees/{sha}"), "tree": lines, "truncated": False}


def _commit(repo: Repo, commit: Commit) -> dict[str, object]:
    name, _, email = commit.author.rstrip(">").partition(" <")
    who = {"name": name, "email": email, "date": second_time(commit.at)}
    return {
        "sha": commit.sha,
        "url": _url(repo, f"git/commits/{commit.sha}"),
        "author": who,
        "committer": who,
        "message": commit.message,
        "tree": {"sha": commit.tree},
        "parents": [{"sha": sha} for sha in commit.parents],
    }


def _ref(repo: Repo, branch: str) -> dict[str, object]:
    sha = repo.git.branches.get(branch)
    if sha is None:
        raise not_found()
    return {
        "ref": f"refs/heads/{branch}",
        "url": _url(repo, f"git/refs/heads/{branch}"),
        "object": {"sha": sha, "type": "commit", "url": _url(repo, f"git/commits/{sha}")},
    }


def _files(repo: Repo, call: Call) -> dict[str, File]:
    """Return the files of the branch or commit that `?ref=` names, or of the default branch."""
    return repo.git.trees[_tree_of(repo, call.query.get("ref", repo.default_branch))]


def _blob(sha: str, content: bytes) -> dict[str, object]:
    encoded = base64.encodebytes(content).decode()
    return {"sha": sha, "size": len(content), "content": encoded, "encoding": "base64"}


def _content(repo: Repo, path: str, file: File) -> dict[str, object]:
    place = {"type": "file", "name": path.rpartition("/")[2], "path": path}
    return {**place, **_blob(file.sha, repo.git.blobs[file.sha])}

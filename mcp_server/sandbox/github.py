"""GitHub's state and what changes it: repositories, pull requests, merges.

It records every effect with the oracle. Shapes and refusals of the wire are left to the `*_wire`
modules.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.apps import App
from mcp_server.sandbox.chance import between, draw
from mcp_server.sandbox.ci import Ci
from mcp_server.sandbox.git import changes
from mcp_server.sandbox.mix import Size
from mcp_server.sandbox.oracle import Oracle
from mcp_server.sandbox.repository import AUTHOR, OWNER, Pull, Repo
from mcp_server.sandbox.tokens import GITHUB_TOKEN, Token


class GitHub:
    """One account's repositories."""

    def __init__(self, *, seed: int, agenda: Agenda, oracle: Oracle, size: Size) -> None:
        """Begin with no repository; `on_red` is told of pull requests whose checks failed."""
        self.repos: dict[str, Repo] = {}
        # Former names in lower case, each with the id of the repository that it leads to.
        self.renamed: dict[str, int] = {}
        self.tokens: dict[str, Token] = {GITHUB_TOKEN: Token()}
        self.app: App | None = None
        # Whether the account is an organization's; else it is a person's.
        self.organization = False
        self.on_red: Callable[[Repo, Pull], None] = lambda _repo, _pull: None
        # Which session has left a diff, for a pull request that a client opens with it.
        self.author_of: Callable[[Repo, str], str | None] = lambda _repo, _diff: None
        self.ci = Ci(seed=seed, agenda=agenda, size=size)
        self.ci.on_red = self._checks_failed
        self._seed = seed
        self._agenda = agenda
        self._oracle = oracle
        self._size = size

    @property
    def now(self) -> datetime:
        """Return the world's time."""
        return self._agenda.now

    def repo(self, full_name: str) -> Repo | None:
        """Find a repository; names ignore case."""
        return self.repos.get(full_name.lower())

    def create(self, name: str, *, private: bool, description: str, by_client: bool) -> Repo:
        """Make an empty repository; `by_client` false builds the first portfolio."""
        full_name = f"{OWNER}/{name}"
        repo = Repo(
            id=int(between(10**8, 10**9, self._seed, "repository id", full_name)),
            owner=OWNER,
            name=name,
            private=private,
            description=description,
            created=self.now,
            pushed=self.now,
            updated=self.now,
            first=not by_client,
        )
        self.repos[full_name.lower()] = repo
        self.renamed.pop(full_name.lower(), None)
        if by_client:
            self._record("repository_created", repo=full_name, private=private)
        return repo

    def rename(self, repo: Repo, name: str) -> None:
        """Give a repository another name; the former one leads there."""
        del self.repos[repo.full_name.lower()]
        self.renamed[repo.full_name.lower()] = repo.id
        repo.name = name
        self.repos[repo.full_name.lower()] = repo

    def set_private(self, repo: Repo, *, private: bool) -> None:
        """Change who sees a repository."""
        if repo.private != private:
            repo.private = private
            self._record("visibility_changed", repo=repo.full_name, private=private)

    def delete(self, repo: Repo) -> None:
        """Remove a repository and everything in it."""
        del self.repos[repo.full_name.lower()]
        self._record("deleted", what=f"repository {repo.full_name}")

    def commit(
        self, repo: Repo, parent: str | None, files: Mapping[str, str], message: str, author: str
    ) -> str:
        """Write texts over a commit's files (None: over nothing); return the new commit."""
        before = repo.git.files(parent) if parent else {}
        tree = repo.git.add_tree(repo.git.put(before, files))
        parents = (parent,) if parent else ()
        return repo.git.add_commit(tree, parents, message=message, author=author, at=self.now)

    def push(self, repo: Repo, branch: str, sha: str, *, forced: bool = False) -> None:
        """Point a branch at a commit: open pull requests follow, checks start."""
        if branch in repo.git.branches:
            self._record("ref_moved", repo=repo.full_name, ref=branch, forced=forced)
        repo.git.branches[branch] = sha
        repo.pushed = repo.updated = self.now
        for pull in repo.open_pulls():
            if pull.head_ref == branch:
                pull.head, pull.updated = sha, self.now
            if pull.base_ref == branch:
                pull.base = sha
        broken = repo.broken.get(branch, False)
        self.ci.pushed(repo.full_name, branch, repo.git, broken=broken)

    def delete_branch(self, repo: Repo, branch: str) -> None:
        """Remove a branch; pull requests from it close."""
        del repo.git.branches[branch]
        self._record("deleted", what=f"branch {branch} of {repo.full_name}")
        for pull in repo.open_pulls():
            if pull.head_ref == branch:
                self.set_state(repo, pull, "closed")

    def open_pull(
        self,
        repo: Repo,
        *,
        head: str,
        base: str,
        title: str,
        body: str,
        author: str = OWNER,
        session: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """Open a pull request between two existing branches."""
        pull = Pull(
            number=repo.next_number(),
            title=title,
            body=body,
            author=author,
            head_ref=head,
            base_ref=base,
            head=repo.git.branches[head],
            base=repo.git.branches[base],
            created=self.now,
            updated=self.now,
            session=session,
            draft=draft,
        )
        repo.pulls[pull.number] = pull
        repo.updated = self.now
        by = session or self._author(repo, pull)
        self._record("pull_opened", pull=repo.url(pull), session=by)
        return pull

    def written(self, repo: Repo, branch: str, *, new: bool) -> None:
        """Note that a client points a branch somewhere itself."""
        self._record("branch_written", repo=repo.full_name, ref=branch, new=new)

    def _author(self, repo: Repo, pull: Pull) -> str | None:
        git = repo.git
        return self.author_of(
            repo, git.diff(git.fork_point(pull.base, pull.head), git.files(pull.head))
        )

    def set_state(self, repo: Repo, pull: Pull, state: str) -> None:
        """Close a pull request, or open it again."""
        pull.state, pull.updated = state, self.now
        url = repo.url(pull)
        if state == "open":
            self._record("pull_opened", pull=url, session=pull.session or self._author(repo, pull))
        else:
            self._record("pull_closed", pull=url)

    def show(self, repo: Repo, pull: Pull) -> None:
        """Note that the client has been shown the head of a pull request."""
        if pull.shown != pull.head:
            pull.shown = pull.head
            self._record("pull_shown", pull=repo.url(pull), head=pull.head)

    def conflicts(self, repo: Repo, pull: Pull) -> tuple[str, ...]:
        """Return the paths changed on both sides."""
        return repo.git.merge(pull.base, pull.head)[1]

    def mergeability(self, repo: Repo, pull: Pull) -> tuple[bool | None, str]:
        """Return `mergeable` and `mergeable_state`, unknown when asked first after a change.

        A base that has moved on is always `behind`: the world's repositories are strict.
        """
        pair = (pull.head, pull.base)
        if pull.state != "open" or pull.computed != pair:
            pull.computed = pair
            return None, "unknown"
        if self.conflicts(repo, pull):
            return False, "dirty"
        if pull.draft:
            return True, "draft"
        if not repo.git.contains(pull.head, pull.base):
            return True, "behind"
        runs = self.ci.runs(repo.full_name, pull.head)
        green = all(
            run.status(self.now) == "completed" and run.conclusion == "success" for run in runs
        )
        return True, "clean" if green else "unstable"

    def merge(self, repo: Repo, pull: Pull, *, sha: str | None, squash: bool, words: str) -> str:
        """Merge without asking anything; `sha` is the head the client named. Return the commit.

        Without `words` its message is GitHub's own.
        """
        git, name = repo.git, repo.full_name
        changed = changes(git.fork_point(pull.base, pull.head), git.files(pull.head))
        runs = self.ci.runs(name, pull.head)
        self._record(
            "pull_merged",
            pull=repo.url(pull),
            head=pull.head,
            sha=sha,
            checks=tuple(
                run.conclusion if run.status(self.now) == "completed" else run.status(self.now)
                for run in runs
            ),
            paths=tuple(change.path for change in changed),
            added=tuple(
                f"{change.path}@{change.new.sha}"
                for change in changed
                if change.new and not change.old
            ),
        )
        tree = git.add_tree(git.merge(pull.base, pull.head)[0])
        parents = (pull.base,) if squash else (pull.base, pull.head)
        message = words or f"{pull.title} (#{pull.number})"
        merged = git.add_commit(tree, parents, message=message, author=AUTHOR, at=self.now)
        pull.state, pull.merged, pull.merge_sha = "closed", self.now, merged
        pull.updated = self.now
        self.push(repo, pull.base_ref, merged)
        return merged

    def update_branch(self, repo: Repo, pull: Pull) -> None:
        """Merge the base into the head in a few seconds' time, as GitHub does: later, and once."""
        seconds = between(*self._size.spans.update_branch, self._seed, "update branch", pull.head)
        self._agenda.after(seconds, lambda: self.merge_base(repo, pull))

    def merge_base(self, repo: Repo, pull: Pull, *, author: str = AUTHOR) -> None:
        """Put the base under an open pull request; what conflicts stays as the head has it."""
        if pull.state != "open" or repo.git.contains(pull.head, pull.base):
            return
        git = repo.git
        tree = git.add_tree(git.merge(pull.base, pull.head)[0])
        message = f"Merge branch '{pull.base_ref}' into {pull.head_ref}"
        parents = (pull.head, pull.base)
        merged = git.add_commit(tree, parents, message=message, author=author, at=self.now)
        self.push(repo, pull.head_ref, merged)

    def base_just_moved(self, repo: Repo, pull: Pull) -> bool:
        """Draw the one transient refusal of a merge; every attempt draws anew."""
        pull.attempts += 1
        entity = f"{repo.full_name}#{pull.number}"
        chance = draw(self._seed, "base modified", entity, pull.attempts)
        return chance < self._size.odds.base_modified

    def _checks_failed(self, full_name: str, sha: str) -> None:
        repo = self.repo(full_name)
        for pull in repo.open_pulls() if repo else []:
            if repo and pull.head == sha:
                self.on_red(repo, pull)

    def _record(self, kind: str, **facts: object) -> None:
        self._oracle.record(self.now, kind, **facts)

"""What a session leaves behind: its diff, its branch and pull request, and later fixes of them."""

import hashlib
from dataclasses import replace

from mcp_server.sandbox.git import Git, changes
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.life import demanded_files, slug, subject, write_files
from mcp_server.sandbox.repository import AUTHOR, BOT, BOT_AUTHOR, OWNER, Pull, Repo
from mcp_server.sandbox.session import Patch, Session


def write_patch(session: Session, git: Git) -> Patch:
    """Do a session's work on the commit it started from (`jules-api.md` 4: never rebased)."""
    before = git.files(session.base) if session.base else {}
    line = subject(session.title, session.order.prompt)
    texts = {path: git.text(file) or "" for path, file in before.items()}
    written = write_files(line, session.id, texts, session.life)
    after = git.put(before, written)
    return Patch(diff=git.diff(before, after), base=session.base, message=line, files=after)


def open_pull(github: GitHub, repo: Repo, session: Session, patch: Patch) -> Pull:
    """Push a patch to a branch named as Jules names them, and open its pull request."""
    life, git = session.life, repo.git
    branch = f"{slug(patch.message)}-{session.id}"
    if life.plain_branch_name:
        branch = f"jules-{session.id}-{hashlib.sha256(session.id.encode()).hexdigest()[:8]}"
    commit = git.add_commit(
        git.add_tree(patch.files),
        (patch.base,) if patch.base else (),
        message=patch.message,
        author=BOT_AUTHOR if life.bot_author else AUTHOR,
        at=github.now,
    )
    repo.broken[branch] = life.first_push_red
    github.push(repo, branch, commit)
    link = f"[{session.id}](https://jules.google.com/task/{session.id})"
    return github.open_pull(
        repo,
        head=branch,
        base=session.order.branch or repo.default_branch,
        title=patch.message,
        body=f"{patch.message}\n\n---\n"
        f"*PR created automatically by Jules for task {link} started by @{OWNER}*",
        author=BOT if life.bot_author else OWNER,
        session=session.id,
    )


def push_against(github: GitHub, repo: Repo, pull: Pull) -> None:
    """Let the user change on the base what an open pull request changes too."""
    if pull.state != "open":
        return
    base = repo.git.branches[pull.base_ref]
    path = changes(repo.git.fork_point(base, pull.head), repo.git.files(pull.head))[0].path
    commit = github.commit(repo, base, {path: "mine\n"}, "Quick change", AUTHOR)
    github.push(repo, pull.base_ref, commit)


def push_fix(
    github: GitHub, repo: Repo, pull: Pull, session: Session, patch: Patch, *, still_red: bool
) -> Patch:
    """Mend conflicts, what was left out and, unless `still_red`, the tests; return the new diff."""
    if github.conflicts(repo, pull):
        github.merge_base(repo, pull, author=BOT_AUTHOR)
    repo.broken[pull.head_ref] = still_red
    text = {f"tests/fix_{session.id[-4:]}_{session.fixes}.txt": "mended\n"}
    if session.life.completes:
        there = repo.git.files(pull.head)
        text |= demanded_files({path: repo.git.text(file) or "" for path, file in there.items()})
    commit = github.commit(repo, pull.head, text, "Fix the build", BOT_AUTHOR)
    github.push(repo, pull.head_ref, commit)
    before = repo.git.fork_point(pull.base, commit)
    after = repo.git.files(commit)
    return replace(patch, diff=repo.git.diff(before, after), files=after)


def change_set(session: Session) -> dict[str, object]:
    """Return the change set of a session with a patch, in the shape of the wire."""
    patch, repo = session.patch, session.order.repo
    if patch is None:
        return {}
    commit = {"baseCommitId": patch.base} if patch.base else {}
    return {
        "source": f"sources/github/{repo or ''}",
        "gitPatch": {
            "unidiffPatch": patch.diff,
            **commit,
            "suggestedCommitMessage": patch.message,
        },
    }

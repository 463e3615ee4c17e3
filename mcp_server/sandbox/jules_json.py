"""Jules' shapes: sources, sessions and activities as proto3 JSON, defaults left out."""

from datetime import datetime

from mcp_server.sandbox.google_api import lean
from mcp_server.sandbox.http import micro_time
from mcp_server.sandbox.patches import change_set
from mcp_server.sandbox.repository import Repo
from mcp_server.sandbox.session import Activity, Session


def source_json(repo: Repo) -> dict[str, object]:
    """Write a source."""
    branches = [{"displayName": branch} for branch in sorted(repo.git.branches)]
    head = {"displayName": repo.default_branch} if branches else {}
    return {
        "name": f"sources/github/{repo.full_name}",
        "id": f"github/{repo.full_name}",
        "githubRepo": lean(
            {
                "owner": repo.owner,
                "repo": repo.name,
                "isPrivate": repo.private,
                "defaultBranch": head,
                "branches": branches,
            }
        ),
    }


def activity_json(session: Session, activity: Activity) -> dict[str, object]:
    """Write an activity; its event field stays even when empty, as it says what happened."""
    event = {activity.event: activity.content} if activity.event else {}
    plain = {
        "name": f"{session.name}/activities/{activity.id}",
        "id": activity.id,
        "originator": activity.originator,
        "description": activity.description,
        "createTime": micro_time(activity.at),
        "artifacts": list(activity.artifacts),
    }
    return {**lean(plain), **event}


def session_json(session: Session, repo: Repo | None, now: datetime) -> dict[str, object]:
    """Write a session; `repo` is its repository while that exists."""
    order = session.order
    context: dict[str, object] = {}
    if order.repo:
        context = {
            "source": f"sources/github/{order.repo}",
            "githubRepoContext": {"startingBranch": order.branch},
        }
    return lean(
        {
            "name": session.name,
            "id": session.id,
            "prompt": order.prompt,
            "title": session.title,
            "state": session.state,
            "url": f"https://jules.google.com/session/{session.id}",
            "sourceContext": context,
            "createTime": micro_time(session.created),
            "updateTime": micro_time(session.updated),
            "outputs": _outputs(session, repo, now),
            "archived": session.archived,
        }
    )


def _outputs(session: Session, repo: Repo | None, now: datetime) -> list[dict[str, object]]:
    pull = repo.pulls.get(session.pull or 0) if repo else None
    outputs: list[dict[str, object]] = []
    if repo and pull and session.pull_shows and now >= session.pull_shows:
        shown = {
            "url": repo.url(pull),
            "title": pull.title,
            "description": pull.body,
            "baseRef": pull.base_ref,
            "headRef": pull.head_ref,
        }
        outputs.append({"pullRequest": shown})
    wanted = session.life.change_set_too if pull else not session.life.outputs_empty
    if session.patch and wanted:
        outputs.append({"changeSet": change_set(session)})
    return outputs

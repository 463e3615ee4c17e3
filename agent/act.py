"""Carries out one action by one tool call; returns what changes in the task's progress."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from agent.lifecycle import Action, Progress
from agent.tools import ToolFailed, Tools
from mcp_server.models import (
    Acted,
    CheckLogs,
    CreatedRepository,
    Merged,
    ProposedPatch,
    Started,
    Updated,
)

Changes = dict[str, object]
LONGEST_TITLE = 100
_TYPES = {"bugs": "fix", "docs": "docs", "readme": "docs", "refactor": "refactor", "tests": "test"}
# Of all failed jobs together; the prompt quotes no more.
MOST_OF_LOGS = 6_000
# Why logs may be out of reach: the session can still look for itself.
_OUT_OF_REACH = frozenset({"refused", "not_found", "unavailable", "unreadable"})


class Actor:
    """Turns actions into tool calls."""

    def __init__(self, tools: Tools) -> None:
        """Act through `tools` only."""
        self._tools = tools
        self._by_kind: dict[str, Callable[[Progress, Action, datetime], Awaitable[Changes]]] = {
            "start": self._start,
            "start_repoless": self._start,
            "make_repository": self._make_repository,
            "approve": self._approve,
            "answer": self._answer,
            "nudge": self._nudge,
            "wake": self._wake,
            "continue": self._continue,
            "fix_ci": self._fix_ci,
            "fix_conflict": self._fix_conflict,
            "complete": self._complete,
            "update_branch": self._update_branch,
            "propose": self._propose,
            "merge": self._merge,
            "archive": self._archive,
        }

    async def act(self, progress: Progress, action: Action, now: datetime) -> Changes:
        """Do it; raises `ToolFailed` when the tool does not."""
        return await self._by_kind[action.kind](progress, action, now)

    async def _start(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del now
        task, repoless = progress.task, action.kind == "start_repoless"
        started = await self._tools.call(
            "jules_start_session",
            Started,
            template=f"{task.prompt}_repoless" if repoless else task.prompt,
            variables=task.variables,
            lane=task.lane,
            repo=None if repoless else task.repo,
            title=task.title,
            task_key=task.key,
            attempt=progress.attempt,
        )
        return {
            "session_id": started.session_id,
            "sessions": (*progress.sessions, started.session_id),
            "repoless": repoless,
        }

    async def _make_repository(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del action
        task = progress.task
        await self._tools.call(
            "github_create_private_repo",
            CreatedRepository,
            name=task.repo.partition("/")[2],
            description=task.title,
            task_key=task.key,
        )
        return {"repository_made_at": now}

    async def _approve(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del action, now
        await self._tools.call("jules_approve_plan", Acted, session_id=progress.session_id)
        return {}

    async def _answer(self, progress: Progress, action: Action, now: datetime) -> Changes:
        await self._say(
            progress, "answer", {"question": action.text}, f"answer-{action.activity_id}"
        )
        return {"answered": (*progress.answered, action.activity_id), "spoke_at": now}

    async def _nudge(self, progress: Progress, action: Action, now: datetime) -> Changes:
        variables = {"last_activity": action.text or "(none)", "silent_minutes": "15"}
        await self._say(progress, "nudge", variables, f"nudge-{progress.nudges + 1}")
        return {"nudges": progress.nudges + 1, "spoke_at": now}

    async def _wake(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del action
        await self._say(progress, "continue", {"reason": "it was paused"}, "wake")
        return {"woken": True, "spoke_at": now}

    async def _continue(self, progress: Progress, action: Action, now: datetime) -> Changes:
        await self._say(progress, "continue", {"reason": action.why}, "continue")
        return {"continued": True, "spoke_at": now}

    async def _fix_ci(self, progress: Progress, action: Action, now: datetime) -> Changes:
        logs = await self._failed_logs(progress)
        variables = {"failing_checks": action.text, "log_excerpt": logs}
        return await self._ask_fix(progress, action, now, variables)

    async def _failed_logs(self, progress: Progress) -> str:
        """Return what the failed jobs' logs end with, other people's words; or why there is none.

        Reading them is a help and no duty: the session has its own way to them.
        """
        try:
            found = await self._tools.call("github_check_logs", CheckLogs, **_pull(progress))
        except ToolFailed as error:
            if error.code not in _OUT_OF_REACH:
                raise
            return f"(see the checks' own logs; here they are {error.code})"
        read = [job for job in found.jobs if job.log]
        room = MOST_OF_LOGS // max(1, len(read)) - 200
        parts = [f"{job.workflow} / {job.job}:\n{(job.log or '')[-room:]}" for job in read]
        return "\n\n".join(parts) or "(see the checks' own logs)"

    async def _fix_conflict(self, progress: Progress, action: Action, now: datetime) -> Changes:
        return await self._ask_fix(progress, action, now, {"base_branch": "the default branch"})

    async def _ask_fix(
        self, progress: Progress, action: Action, now: datetime, variables: dict[str, str]
    ) -> Changes:
        await self._say(progress, action.kind, variables, f"fix-{progress.fixes + 1}")
        return {
            "fixes": progress.fixes + 1,
            "fixed_head": action.head_sha,
            "spoke_at": now,
        }

    async def _complete(self, progress: Progress, action: Action, now: datetime) -> Changes:
        await self._say(progress, "complete", {"missing": action.text}, "complete")
        return {"asked_head": action.head_sha, "spoke_at": now}

    async def _update_branch(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del now
        await self._tools.call(
            "github_update_branch", Updated, **_pull(progress), head_sha=action.head_sha
        )
        return {}

    async def _propose(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del action, now
        task = progress.task
        found = await self._tools.call(
            "github_push_patch",
            ProposedPatch,
            repo=task.repo,
            session_id=progress.session_id,
            branch=f"{task.key}-a{progress.attempt}",
            title=commit_title(task.lane, task.improvement, task.title),
        )
        return {"pull_url": found.url, "proposed": True}

    async def _merge(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del now
        merged = await self._tools.call(
            "github_merge_pull", Merged, **_pull(progress), head_sha=action.head_sha
        )
        return {"merging": False, "merged_sha": merged.merge_sha} if merged.merged else {}

    async def _archive(self, progress: Progress, action: Action, now: datetime) -> Changes:
        del action, now
        await self._tools.call("jules_archive_session", Acted, session_id=progress.session_id)
        return {"archived": True}

    async def _say(
        self, progress: Progress, template: str, variables: dict[str, str], purpose: str
    ) -> None:
        await self._tools.call(
            "jules_send_message",
            Acted,
            session_id=progress.session_id,
            template=template,
            variables=variables,
            purpose=purpose,
        )


def _pull(progress: Progress) -> dict[str, object]:
    return {"repo": progress.task.repo, "number": number_of(progress.pull_url or "")}


def commit_title(lane: str, improvement: str | None, title: str) -> str:
    """Return a task's title as that of a commit: one line, by Conventional Commits 1.0.0."""
    kind = _TYPES.get(improvement or "", "chore" if lane in ("optimize", "repair") else "feat")
    return f"{kind}: {' '.join(title.split())}"[:LONGEST_TITLE].rstrip()


def number_of(url: str) -> int:
    """Return the number in a pull request's address; 0, which no tool accepts, when none is."""
    tail = url.rstrip("/").rpartition("/")[2]
    return int(tail) if tail.isdigit() else 0

"""Whether a plan that a person gives can be carried out, asked before anything is begun."""

import re
from collections.abc import Sequence, Set

from agent.planner.optimize import TITLES
from agent.planner.plan import Plan, Task
from mcp_server.errors import BadArgument
from mcp_server.models import Repository

_KEY = re.compile(r"[0-9a-z]{4,32}")


def check_tasks(plan: Plan, owner: str, repositories: Sequence[Repository]) -> None:
    """Refuse a reviewed plan with a task that nobody here would have planned.

    Raises:
        BadArgument: naming the task, and what is wrong with it.
    """
    known = {one.repo.casefold() for one in repositories}
    for task in plan.tasks:
        wrong = _wrong_with(task, owner, known)
        if wrong:
            raise BadArgument(f"task {task.key!r} of this plan: {wrong}")


def _wrong_with(task: Task, owner: str, known: Set[str]) -> str | None:
    prompts = {task.lane} if task.lane in ("create", "update") else set(TITLES)
    if task.prompt not in prompts:
        return f"prompt {task.prompt!r} is none of {', '.join(sorted(prompts))}"
    if not _KEY.fullmatch(task.key):
        return "its key is not 4 to 32 small letters and digits"
    if task.variables.get("repo", task.repo) != task.repo:
        return f"it is for {task.repo}, and its prompt names {task.variables['repo']}"
    if task.lane == "create":
        named = task.repo.casefold().startswith(f"{owner.casefold()}/")
        return None if named else f"{task.repo} is not {owner}'s to create"
    return None if task.repo.casefold() in known else f"{task.repo} is no repository of {owner}"

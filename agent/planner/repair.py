"""What follows from a task that has ended, as a task of the repair lane. Pure."""

from agent.lifecycle import Progress
from agent.planner.plan import Task, task_key

PROMPT = "standard"


def repair_of(progress: Progress, date: str) -> Task | None:
    """Return the task that mends what the merged work of `progress` lacks; None: nothing to do.

    One a repository and day: the key is the same for whoever asks. It takes a unit that no planned
    task needs, today or on a later day.
    """
    audit = progress.audit
    if progress.task.lane != "create" or progress.status != "merged" or audit is None:
        return None
    if not audit.missing or progress.repoless:
        return None  # no session would reach it: what is missing stands in the report
    repo = progress.task.repo
    lines = (f"{one.what}: {one.evidence}; {one.mend}" for one in audit.missing)
    return Task(
        key=task_key(date, "repair", repo, PROMPT),
        lane="repair",
        repo=repo,
        title=f"Meet the standard: {repo}",
        prompt=PROMPT,
        variables={"repo": repo, "evidence": "\n".join(lines)},
        reason=f"{len(audit.missing)} of the standard's demands are not met",
        spare=True,
    )


def redo_of(progress: Progress) -> Task:
    """Return the task that does the work of `progress` anew, from the base as it is now.

    Its key is the same for whoever asks and whenever: what was done anew in an earlier life, whose
    disk is lost, is not done a third time. It takes a unit that no planned task needs.
    """
    task = progress.task
    return task.model_copy(
        update={
            "key": task_key("", "repair", task.repo, f"redo {task.key}"),
            "lane": "repair",
            "reason": f"{progress.pull_url} conflicts with its base",
            "spare": True,
        }
    )

"""The report in five lines, for a terminal or a message."""

from agent.report.model import Report


def summarise(report: Report) -> str:
    """Return five lines: outcome, allowance, repositories, ideas, what needs a person."""
    run, money, touched = report.run, report.allowance, report.repositories
    states = [task.state for task in report.tasks]
    outcome = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    verdicts = [idea.verdict for idea in report.ideas]
    needs = "; ".join(" ".join(line.split()) for line in report.needs_you)
    return "\n".join(
        (
            f"{run.date} ({run.world}): {outcome or 'no task'}; exit {run.exit}",
            f"allowance: {money.spent} of {money.limit} sessions ours, {money.external} of others, "
            f"{money.held} in doubt, {money.remaining} free",
            f"repositories: {len(touched.created)} created, {len(touched.updated)} updated, "
            f"{len(touched.optimized)} optimised; {len(report.archived)} sessions archived",
            f"ideas: {verdicts.count('create')} to create, {verdicts.count('update')} to update, "
            f"{verdicts.count('skip')} skipped; {len(report.errors)} errors",
            f"needs you: {needs or 'nothing'}",
        )
    )

"""What a person looks at before a new repository is published: its audit, line by line. Pure."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from agent.lifecycle import Progress
from mcp_server.models import AuditState, Value


class CheckLine(Value):
    """One thing to be there; `unknown` is for the person to find out."""

    what: str
    state: AuditState
    evidence: str = ""


class ReviewLine(Value):
    """A new repository, and the checklist of the newest tree that was audited."""

    repo: str
    checklist: tuple[CheckLine, ...] = Field(min_length=1)

    @property
    def summary(self) -> str:
        """One line: how much is there, and what is not."""
        count = sum(line.state == "ok" for line in self.checklist)
        open_ = [line for line in self.checklist if line.state != "ok"]
        told = "; ".join(
            f"{line.state}: {line.what}" + (f" ({line.evidence})" if line.evidence else "")
            for line in open_
        )
        return f"{self.repo}: {count} of {len(self.checklist)} ok" + (f"; {told}" if told else "")


def reviews(tasks: Sequence[Progress]) -> tuple[ReviewLine, ...]:
    """Return every repository that was made, by name, with its checklist."""
    made = {one.task.repo for one in tasks if one.repository_made_at is not None}
    return tuple(ReviewLine(repo=repo, checklist=_checklist(repo, tasks)) for repo in sorted(made))


def _checklist(repo: str, tasks: Iterable[Progress]) -> tuple[CheckLine, ...]:
    """Return the audit of the last work that went into a repository; a repair follows its build."""
    audited = [one for one in tasks if one.task.repo == repo and one.audit is not None]
    merged = [one for one in audited if one.status == "merged"]
    last = max(merged or audited, key=lambda one: one.task.lane == "repair", default=None)
    if last is None or last.audit is None:
        why = "no pull request into it was audited"
        return (CheckLine(what="the standard", state="unknown", evidence=why),)
    lines = [
        CheckLine(what=one.what, state=one.state, evidence=one.evidence) for one in last.audit.items
    ]
    if last.status != "merged":
        lines.append(CheckLine(what="its work is merged", state="missing", evidence=last.reason))
    return tuple(lines)

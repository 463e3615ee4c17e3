"""Looks for what is wrong, by the server's own doctor, and mends what needs no decision."""

from agent.tools import ToolFailed, Tools
from mcp_server.models import (
    Competitor,
    DisabledWorkflow,
    Finding,
    Findings,
    ProposedPatch,
    Value,
)


class Mended(Value):
    """A schedule that was switched off; `why` not, where it was not."""

    competitor: Competitor
    why: str | None = None


class Removal(Value):
    """The pull request that removes a repository's schedules; `why` there is none."""

    repo: str
    url: str | None = None
    why: str | None = None


class Diagnosis(Value):
    """What was found, and what was done about it."""

    findings: tuple[Finding, ...]
    mended: tuple[Mended, ...] = ()
    removals: tuple[Removal, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether a run may start, and all that was to be mended is."""
        errors = any(one.level == "error" for one in self.findings)
        return not errors and all(one.why is None for one in (*self.mended, *self.removals))


async def diagnose(tools: Tools, *, fix: bool) -> Diagnosis:
    """Ask the doctor; with `fix`, switch off the schedules that compete, and propose their end."""
    findings = (await tools.call("doctor", Findings)).findings
    if not fix:
        return Diagnosis(findings=findings)
    competing = [one.competitor for one in findings if one.competitor is not None]
    mended = [await _switch_off(tools, one) for one in competing]
    repos = dict.fromkeys(one.repo for one in competing)
    removals = [await _propose_removal(tools, repo) for repo in repos]
    return Diagnosis(findings=findings, mended=tuple(mended), removals=tuple(removals))


async def _switch_off(tools: Tools, one: Competitor) -> Mended:
    try:
        await tools.call(
            "github_disable_workflow",
            DisabledWorkflow,
            repo=one.repo,
            workflow_id=one.workflow_id,
        )
    except ToolFailed as error:
        return Mended(competitor=one, why=str(error))
    return Mended(competitor=one)


async def _propose_removal(tools: Tools, repo: str) -> Removal:
    try:
        pull = await tools.call("github_remove_workflows", ProposedPatch, repo=repo)
    except ToolFailed as error:
        return Removal(repo=repo, why=str(error))
    return Removal(repo=repo, url=pull.url)


def diagnosis_text(found: Diagnosis) -> str:
    """Return one line a finding, then one for everything that was done."""
    lines = [one.line for one in found.findings]
    for one in found.mended:
        name = f"{one.competitor.path} of {one.competitor.repo}"
        lines.append(f"not switched off: {name}: {one.why}" if one.why else f"switched off: {name}")
    for one in found.removals:
        told = f"{one.url} removes the files: a person merges it"
        lines.append(f"no pull request for {one.repo}: {one.why}" if one.why else told)
    return "\n".join(lines)

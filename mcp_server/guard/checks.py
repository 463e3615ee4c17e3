"""What GitHub's sources say of the checks at one commit, made one list; and what to expect of it.

Pure. Check runs, suites, commit statuses and workflow runs each show a part, and each has its trap
(facts/github.md 1.6 and 2, 2026-11-22). What the list means is the gate's to say.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mcp_server.models import Check

ACTIONS = "github-actions"
STATUS = "status"
# What a workflow run or a suite says as a whole. No app's slug has brackets.
WORKFLOW = "(workflow)"
SUITE = "(suite)"
# They tell what went wrong or has not ended; that all is well they do not prove.
SHADOWS = frozenset({WORKFLOW, SUITE})
# A bot's word about its own work proves nothing (renovatebot/renovate#7800).
OWN_APPS = frozenset({"google-labs-jules", "google-labs-jules[bot]"})

# Not a verdict but an attempt given up: it blocked Renovate for ever (mend/renovate-ce-ee#893).
_GIVEN_UP = frozenset({"cancelled", "stale"})
# A commit that only touches documents may run less than the one before it.
_COMMITS_KEPT = 2


@dataclass(frozen=True, kw_only=True)
class CheckRun:
    """One check run as GitHub lists it; `suite` 0 and `app_id` 0 mean not told."""

    id: int
    suite: int
    name: str
    app: str
    app_id: int
    sha: str
    status: str
    conclusion: str | None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One app's check suite; `runs` counts its latest check runs."""

    id: int
    app: str
    status: str
    conclusion: str | None
    runs: int


@dataclass(frozen=True, kw_only=True)
class ActionsRun:
    """One run of a workflow at a commit; `path` is the workflow's file, "" when not told."""

    id: int
    suite: int
    path: str
    event: str
    status: str
    conclusion: str | None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """All that was read of one commit.

    None in `runs` means that this token may not see check runs: then `jobs` are the jobs of its
    workflow runs. None in `workflows` means not asked for.
    """

    runs: tuple[CheckRun, ...] | None
    statuses: tuple[Check, ...]
    suites: tuple[Suite, ...] = ()
    workflows: tuple[ActionsRun, ...] | None = None
    jobs: tuple[Check, ...] = ()


@dataclass(frozen=True, kw_only=True, order=True)
class Expectation:
    """A check that must have succeeded; `app` "" is any. Of a `WORKFLOW` a run must be there."""

    name: str
    app: str = ""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What GitHub itself demands of a branch, as far as it tells."""

    required: frozenset[Expectation] = frozenset()
    merge_queue: bool = False


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """What a base branch runs: by its last finished commits, newest first, and by a new one.

    `read_for` are the heads that it was read for.
    """

    finished: tuple[tuple[str, frozenset[Expectation]], ...] = ()
    begun: frozenset[Expectation] = frozenset()
    read_for: frozenset[str] = frozenset()

    @property
    def expected(self) -> frozenset[Expectation]:
        """Everything that a pull request into this branch must repeat."""
        return self.begun.union(*(names for _, names in self.finished))


@dataclass(kw_only=True)
class Memory:
    """What is kept of the branches that pull requests go into, by (repository, branch).

    `workflows` and `rules` stand beside the monotonic second in which they were read; None in
    `rules` means that GitHub does not tell. `readable` are the repositories whose check runs this
    token has seen: where it then sees none, it is no fine-grained token but one that lost a right.
    """

    workflows: dict[tuple[str, str], tuple[float, tuple[tuple[str, str], ...]]] = field(
        default_factory=dict[tuple[str, str], tuple[float, tuple[tuple[str, str], ...]]]
    )
    rules: dict[tuple[str, str], tuple[float, Rules | None]] = field(
        default_factory=dict[tuple[str, str], tuple[float, Rules | None]]
    )
    readable: set[str] = field(default_factory=set[str])


def combined(sources: Sources) -> tuple[Check, ...]:
    """Return one list: each name's last word, and what no check run shows, as shadows."""
    workflows = sources.workflows or ()
    past = superseded(workflows)
    return (
        *_last_words([run for run in sources.runs or () if run.suite not in past]),
        *sources.jobs,
        *sources.statuses,
        *(_of_workflow(run) for run in workflows if run.suite not in past),
        *_of_suites(sources.suites, actions_told=sources.workflows is not None),
    )


def is_contested(runs: Collection[CheckRun]) -> bool:
    """Whether one name has several words of Actions that only the workflow runs can put in order.

    Two workflows may have a job of one name; a workflow may also have run twice.
    """
    words = [
        (run.app, run.name) for run in _newest_in_suite(runs) if run.app == ACTIONS and run.suite
    ]
    return len(set(words)) < len(words)


def superseded(workflows: Collection[ActionsRun]) -> frozenset[int]:
    """Return the suites of ended runs after which the same workflow ran for the same event."""
    newest: dict[tuple[str, str], int] = {}
    for run in workflows:
        place = (run.path, run.event)
        newest[place] = max(run.id, newest.get(place, 0))
    return frozenset(
        run.suite
        for run in workflows
        if run.path and run.suite and run.status == "completed"
        if run.id < newest[run.path, run.event]
    )


def learn(
    known: Learnt | None, checks: Collection[Check], *, sha: str, finished: bool, head: str
) -> Learnt:
    """Return what is known after a look at the base's commit `sha`, for the pull request at `head`.

    A base that was pushed a moment ago shows some of its checks: it adds to what is expected, and
    takes nothing away until all that there are have `finished`. What the finished commit before
    that ran is expected still.
    """
    known = known or Learnt()
    names = frozenset(
        Expectation(name=check.name, app=check.app)
        for check in checks
        if check.app.lower() not in OWN_APPS and check.app not in SHADOWS
    )
    read_for = known.read_for | {head}
    if not finished:
        return Learnt(finished=known.finished, begun=known.begun | names, read_for=read_for)
    before = tuple(one for one in known.finished if one[0] != sha)
    return Learnt(finished=((sha, names), *before)[:_COMMITS_KEPT], read_for=read_for)


def resolved(rules: Rules, slugs: Mapping[int, str]) -> Rules:
    """Return the rules with the apps that are known by their id called by their slugs."""
    known = {app_of(number): slug for number, slug in slugs.items()}
    required = frozenset(
        Expectation(name=one.name, app=known.get(one.app, one.app)) for one in rules.required
    )
    return Rules(required=required, merge_queue=rules.merge_queue)


def app_of(number: int) -> str:
    """Return what an app is called whose slug is not known: no check has it."""
    return f"(app {number})"


def _newest_in_suite(runs: Collection[CheckRun]) -> tuple[CheckRun, ...]:
    newest: dict[tuple[int, str, str], CheckRun] = {}
    for run in sorted(runs, key=lambda run: run.id):
        newest[run.suite, run.app, run.name] = run
    return tuple(newest.values())


def _last_words(runs: Collection[CheckRun]) -> Iterator[Check]:
    """Give the newest run of each name in each suite, without those given up for a newer one."""
    newest = _newest_in_suite(runs)
    last: dict[tuple[str, str], int] = {}
    for run in newest:
        last[run.app, run.name] = max(run.id, last.get((run.app, run.name), 0))
    for run in sorted(newest, key=lambda run: (run.app, run.name, run.id)):
        given_up = run.status == "completed" and run.conclusion in _GIVEN_UP
        if not given_up or run.id == last[run.app, run.name]:
            yield Check(name=run.name, app=run.app, status=run.status, conclusion=run.conclusion)


def _of_workflow(run: ActionsRun) -> Check:
    # Approval-gated runs and broken workflow files have no check run at all: only this.
    name = run.path or f"run {run.id}"
    return Check(name=name, app=WORKFLOW, status=run.status, conclusion=run.conclusion)


def _of_suites(suites: Collection[Suite], *, actions_told: bool) -> Iterator[Check]:
    for suite in suites:
        if suite.app.lower() in OWN_APPS or (suite.app == ACTIONS and actions_told):
            continue
        ended = suite.status == "completed"
        # The suite of an app that never runs stays queued for ever; Actions' own does run.
        waits = not ended and (suite.runs > 0 or suite.app == ACTIONS)
        if waits or (ended and suite.runs == 0):
            name = f"suite of {suite.app}"
            yield Check(name=name, app=SUITE, status=suite.status, conclusion=suite.conclusion)

"""The fourth phase, a controller: look at the world, decide for every task, act, look again."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.act import Actor
from agent.lifecycle import Action, Policy, Progress, next_action
from agent.look import Look, Watch, attempt_of
from agent.planner.repair import redo_of, repair_of
from agent.state import State
from agent.tools import ToolFailed, Tools
from mcp_server.clock import Clock

LOOK_EVERY = timedelta(seconds=60)
# While nothing is at work only a unit that falls free, or a settling ledger, can change anything.
LOOK_WHEN_IDLE = timedelta(minutes=5)
# Refusals that the same call will meet again, however often it is made.
NEVER_AGAIN = frozenset({"tries", "messages", "foreign", "permission", "origin", "merge_method"})
# What takes a unit or makes a repository.
BEGINS = frozenset({"start", "start_repoless", "make_repository"})
# Why a session's diff may not become a pull request.
UNFIT = frozenset(
    {
        "patch_does_not_apply",
        "patch_too_big",
        "protected_path",
        "secret",
        "workflow",
        "archived",
        "never_touch",
        "open_pull",
        "tree",
    }
)
# And what an archive is refused for as long as nobody does something about it.
NOT_TO_ARCHIVE = NEVER_AGAIN | {"open_pull", "state"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a run stops starting, and when it stops."""

    last_useful_start: datetime
    deadline: datetime


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to; `unstarted` planned tasks found no unit or no time."""

    tasks: tuple[Progress, ...]
    unstarted: int = 0
    archived: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    red_bases: tuple[str, ...] = ()


class _Overruled(Exception):
    """Somebody has changed the task meanwhile: what was decided about it is void."""


class Execution:
    """Brings tasks to their ends."""

    def __init__(
        self,
        *,
        tools: Tools,
        clock: Clock,
        state: State,
        limits: Limits,
        say: Callable[[str], None],
        policy: Policy,
    ) -> None:
        """Act through `tools` only; keep every step in `state`; tell `say` what happens."""
        self._clock = clock
        self._state = state
        self._limits = limits
        self._say = say
        self._policy = policy
        self._actor = Actor(tools)
        self._watch = Watch(tools, clock)
        self._tasks: dict[str, Progress] = {}
        self._may_start = False
        self._begun = 0
        self._free = 0
        self._archived: list[str] = []
        self._errors: list[str] = []

    async def run(self, tasks: Sequence[Progress]) -> Outcome:
        """Work until every task has its end, nothing more can start, or the deadline."""
        self._tasks = {one.task.key: one for one in tasks}
        while True:
            await self._round()
            now = self._clock.now()
            if all(self._settled(one) for one in self._tasks.values()):
                break
            if now >= self._limits.deadline:
                self._say("the run's time is up")
                break
            at_work = any(_started(one) and not one.done for one in self._tasks.values())
            pause = LOOK_EVERY if at_work else LOOK_WHEN_IDLE
            await self._clock.sleep_until(min(now + pause, self._limits.deadline))
        unstarted = [one for one in self._tasks.values() if not one.ended and not _started(one)]
        # A repair that found no unit keeps its place for the next day.
        skipped = [self._skip(one) for one in unstarted if one.task.lane != "repair"]
        return Outcome(
            tasks=tuple(self._tasks.values()),
            unstarted=skipped.count(True),
            archived=tuple(self._archived),
            errors=tuple(self._errors),
        )

    def _settled(self, progress: Progress) -> bool:
        if progress.done:
            return True
        if progress.ended or _started(progress):
            return False
        unneeded = progress.task.spare and (self._free <= 0 or bool(progress.reason))
        return unneeded or self._clock.now() > self._limits.last_useful_start

    def _skip(self, progress: Progress) -> bool:
        """End a task that was not started; returns whether it was a planned one."""
        spare = progress.task.spare
        reason = progress.reason or "no unit fell free before the last useful start"
        with suppress(_Overruled):
            self._keep(
                progress, status="skipped", reason="spare, and not needed" if spare else reason
            )
        return not spare

    async def _round(self) -> None:
        """Look once and take one step for every task; a failing tool never stops the others."""
        try:
            look = await self._watch.look()
        except ToolFailed as error:
            self._error("look", error)
            return
        self._may_start = look.now <= self._limits.last_useful_start
        self._begun, self._free = 0, look.budget.remaining
        for known in list(self._tasks.values()):
            if known.done:
                continue
            try:
                await self._turn(known, look)
            except _Overruled:
                self._say(f"changed by a person: {known.task.repo}: {known.task.title}")
            except ToolFailed as error:
                self._error(known.task.title, error)

    async def _turn(self, known: Progress, look: Look) -> None:
        """Take one task's step."""
        progress = self._adopt(known, look)
        seen = await self._watch.observe(progress, look)
        pull = seen.session.pull if seen.session else None
        if pull is not None and progress.pull_url != pull.url:
            progress = self._keep(progress, pull_url=pull.url, proposed=False)
        if seen.audit is not None:
            progress = self._keep(progress, audit=seen.audit)
        action = next_action(progress, seen, look.now, self._policy)
        if action.kind not in BEGINS:
            await self._step(progress, action)
        elif self._may_start and not self._must_wait(progress, look):
            self._may_start = await self._begin(progress, action)

    def _adopt(self, progress: Progress, look: Look) -> Progress:
        """Take over the session that carries this task's marker, whoever started it."""
        if progress.session_id is not None or progress.ended:
            return progress
        session = look.by_key.get(progress.task.key)
        if session is None or attempt_of(session) < progress.attempt:
            return progress
        return self._keep(
            progress,
            session_id=session.id,
            sessions=(*progress.sessions, session.id),
            attempt=attempt_of(session),
            asked_to_start=True,
            repoless=session.repo is None,
            status="running",
        )

    def _must_wait(self, progress: Progress, look: Look) -> bool:
        """Whether a start would be refused, or two sessions would work on one repository."""
        if look.budget.remaining - self._begun <= self._promised(progress):
            return True
        if look.budget.remaining <= 0 or look.budget.concurrent >= look.budget.concurrent_limit:
            return True
        return any(
            other.task.repo == progress.task.repo and _started(other) and not other.ended
            for other in self._tasks.values()
            if other.task.key != progress.task.key
        )

    def _promised(self, progress: Progress) -> int:
        """Return how many units this task may not take because others have a better claim.

        A repository that was made keeps one for its session; a spare task takes only what no
        planned task waits for.
        """
        others = [one for one in self._tasks.values() if one.task.key != progress.task.key]
        if progress.repository_made_at is not None:
            return 0
        if progress.task.spare:
            return len([one for one in others if not one.task.spare and _wants_a_unit(one)])
        return len([one for one in others if one.repository_made_at and _wants_a_unit(one)])

    async def _begin(self, progress: Progress, action: Action) -> bool:
        """Start a session or make a repository; returns whether further starts make sense now."""
        # Kept before it is sent: whoever finds this finds out what became of it.
        before = progress
        progress = self._keep(progress, asked_to_start=True, status="running", reason="")
        try:
            result = await self._actor.act(progress, action, self._clock.now())
        except ToolFailed as error:
            return self._refused(before, progress, error)
        self._keep(progress, **result)
        self._begun += 1
        self._say(f"{action.kind}: {progress.task.repo}: {progress.task.title}")
        return True

    def _refused(self, before: Progress, progress: Progress, error: ToolFailed) -> bool:
        if error.code == "ambiguous" or error.limit == "open_ticket":
            self._keep(progress, reason=str(error))
            self._error(progress.task.title, error)
            return True
        if error.code == "refused" and error.limit == "attempt":
            self._next_attempt(progress, error)
            return True
        if error.limit in NEVER_AGAIN:
            self._keep(progress, status="parked", reason=str(error))
            return True
        if error.code in ("bad_argument", "not_found"):
            self._keep(progress, status="failed", reason=str(error))
        else:
            # What was begun before this try is still begun.
            begun = {"asked_to_start": before.asked_to_start, "status": before.status}
            self._keep(progress, **begun, reason=str(error))
        if error.code == "refused":
            # A limit: later, when units or slots fall free, and not for the others now either.
            return error.limit in ("trend_sessions", "per_repository", "repositories")
        self._error(progress.task.title, error)
        return True

    def _next_attempt(self, progress: Progress, error: ToolFailed) -> None:
        if progress.attempt >= self._policy.most_attempts:
            self._keep(progress, status="failed", reason=str(error))
        else:
            again = progress.attempt + 1
            self._keep(progress, attempt=again, asked_to_start=False, status="planned")

    async def _step(self, progress: Progress, action: Action) -> None:
        if action.kind == "end":
            self._end(progress, action)
        elif action.kind == "nothing":
            self._keep(progress, tidy=True, left=action.why)
        elif action.kind == "wait":
            self._waits(progress, action)
        else:
            await self._do(progress, action)

    def _end(self, progress: Progress, action: Action) -> None:
        """End a task; what is left to repair is a task of today, kept with the end or not."""
        date = f"{self._clock.now().astimezone(UTC):%Y-%m-%d}"
        ended = progress.model_copy(update={"status": action.status, "reason": action.why})
        task = redo_of(ended) if action.redo else repair_of(ended, date)
        follows = Progress(task=task) if task else None
        kept = self._state.advance(progress, ended, date=date, follows=follows)
        self._tasks[kept.task.key] = kept
        if kept != ended:
            raise _Overruled
        self._say(f"{action.status}: {progress.task.repo}: {progress.task.title}: {action.why}")
        if task and task.key not in self._tasks and self._state.task(task.key) == follows:
            self._tasks[task.key] = Progress(task=task)
            self._say(f"to be repaired: {task.repo}: {task.reason}")

    def _waits(self, progress: Progress, action: Action) -> Progress:
        """Remember since when a task waits for the same thing, and a head is in trouble."""
        now = self._clock.now()
        if progress.waits_for != action.why:
            progress = self._keep(progress, waits_for=action.why, waits_since=now)
        if action.kind == "wait" and action.head_sha and progress.trouble_head != action.head_sha:
            progress = self._keep(progress, trouble_head=action.head_sha, trouble_since=now)
        return progress

    async def _do(self, progress: Progress, action: Action) -> None:
        if action.kind == "update_branch":
            progress = self._waits(progress, action)
        if action.kind == "merge" and not progress.merging:
            progress = self._keep(progress, merging=True)
        try:
            result = await self._actor.act(progress, action, self._clock.now())
        except ToolFailed as error:
            self._forbidden(progress, action, error)
            return
        self._keep(progress, **result)
        if result.get("archived"):
            self._archived.append(progress.session_id or "")
        if action.kind not in ("archive", "update_branch"):
            self._say(f"{action.kind}: {progress.task.repo}: {action.why}")

    def _forbidden(self, progress: Progress, action: Action, error: ToolFailed) -> None:
        """Take a refusal that will not change as the end of the matter; raise any other."""
        if action.kind == "archive":
            if error.limit not in NOT_TO_ARCHIVE:
                raise error
            self._keep(progress, tidy=True, left=str(error))
        elif action.kind == "propose" and error.limit == "patch_unreadable":
            self._keep(progress, status="failed", reason=f"nothing came of it: {error}")
        elif error.limit in NEVER_AGAIN and action.kind == "complete":
            self._keep(progress, asked_head=action.head_sha)  # merged as it is, then repaired
        elif error.limit in NEVER_AGAIN or (action.kind == "propose" and _is_unfit(error)):
            self._keep(progress, status="parked", reason=f"{action.kind}: {error}")
        else:
            raise error

    def _keep(self, progress: Progress, **changes: object) -> Progress:
        """Keep what has changed; raises `_Overruled` when a person has changed the task."""
        wanted = progress.model_copy(update=changes)
        kept = wanted if wanted == progress else self._state.advance(progress, wanted)
        self._tasks[kept.task.key] = kept
        if kept != wanted:
            raise _Overruled
        return kept

    def _error(self, where: str, error: ToolFailed) -> None:
        line = f"{where}: {error}"
        if not self._errors or self._errors[-1] != line:
            self._errors.append(line)
            self._say(line)


def _is_unfit(error: ToolFailed) -> bool:
    """Whether a diff becomes no pull request: a task always proposes with the same arguments.

    Where an activity cannot be read, a later diff may be among them: a person looks.
    """
    return error.limit in UNFIT or error.code in ("bad_argument", "unreadable")


def _wants_a_unit(progress: Progress) -> bool:
    return not progress.ended and progress.session_id is None


def _started(progress: Progress) -> bool:
    return progress.asked_to_start or progress.repository_made_at is not None

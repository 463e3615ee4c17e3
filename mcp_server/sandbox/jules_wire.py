"""Jules' v1alpha API on the wire: checks, shapes and refusals as facts/jules-api.md has them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mcp_server.sandbox import google_api as google
from mcp_server.sandbox import jules_schema as schema
from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.http import Call, Handler, Json, Reply, Router, flag, part, text
from mcp_server.sandbox.jules import Jules
from mcp_server.sandbox.jules_json import activity_json, session_json, source_json
from mcp_server.sandbox.life import unknown_steers
from mcp_server.sandbox.repository import Repo
from mcp_server.sandbox.session import Order, Session

JULES_KEY = "sandbox-jules-key"
# ListActivitiesRequestsPerMinutePerProject (jules-api.md 5.2, one heavy user, 2026-08-25).
ACTIVITY_LISTS_PER_MINUTE = 120

# Ten sessions begun in parallel failed at sources.get, five did not (jules-api.md 5.2, M).
SOURCE_GETS_AT_ONCE = 5
DISCOVERY = "/$discovery/rest"

# The forms that work (jules-api.md 1.3), without spaces around `=`; which sessions each keeps.
SESSION_FILTERS: Mapping[str, tuple[bool, ...]] = {
    "": (False,),
    "archived=false": (False,),
    "archived=true": (True,),
    "archived=true OR archived=false": (False, True),
    "archived=false OR archived=true": (False, True),
}
_SINCE = re.compile(r'create_time\s*>\s*"([^"]+)"')
_SOURCE_NAMES = re.compile(r'name\s*=\s*"?([^\s"]+)"?(?:\s+OR\s+|$)')


class JulesWire:
    """Answers calls to `jules.googleapis.com`."""

    def __init__(self, *, jules: Jules, github: GitHub, agenda: Agenda) -> None:
        """Speak for `jules`; sources are the repositories of `github`."""
        self._jules = jules
        self._github = github
        self._agenda = agenda
        self._activity_lists = Recent(timedelta(minutes=1))
        self._source_gets = Recent(timedelta(seconds=1))
        handlers: Mapping[str, Handler] = {
            "sources.list": self._list_sources,
            "sources.get": self._get_source,
            "sessions.create": self._create,
            "sessions.list": self._list_sessions,
            "sessions.get": self._get_session,
            "sessions.delete": self._delete,
            "sessions.sendMessage": self._send,
            "sessions.approvePlan": self._approve,
            "sessions.archive": self._archive,
            "sessions.unarchive": self._unarchive,
            "sessions.activities.list": self._list_activities,
            "sessions.activities.get": self._get_activity,
        }
        self._router = Router(
            (one.method, f"/{schema.VERSION}{one.path}", _serve(one, handlers[one.name]))
            for one in schema.OPERATIONS
        )

    def answer(self, call: Call) -> Reply:
        """Answer one call; raise `Problem` with a `google.rpc.Status` for a refusal."""
        if (call.method, call.path) == ("GET", DISCOVERY):
            return _describe(call)  # public: it needs no key
        key = call.headers.get("x-goog-api-key")
        if key != JULES_KEY:
            raise google.unauthenticated(missing=key is None)
        found = self._router.find(call)
        if found is None:
            raise google.not_found()
        handler, call = found
        return handler(call)

    def _list_sources(self, call: Call) -> Reply:
        wanted = call.query.get("filter", "")
        names = _SOURCE_NAMES.findall(wanted)
        if wanted and not names:
            raise google.invalid("filter")
        sources = self._sources()
        if names:
            sources = [(name, repo) for name, repo in sources if name in names]
        return google.page(call, sources, source_json, "sources", 30)

    def _sources(self) -> list[tuple[str, Repo]]:
        repos = [repo for repo in self._github.repos.values() if self._jules.is_source(repo)]
        named = [(f"sources/github/{repo.full_name}", repo) for repo in repos]
        return sorted(named, key=lambda pair: pair[0])

    def _source_repo(self, source: str) -> Repo:
        repo = self._github.repo(source.removeprefix("sources/github/"))
        if not source.startswith("sources/github/") or not repo or not self._jules.is_source(repo):
            raise google.not_found()
        return repo

    def _get_source(self, call: Call) -> Reply:
        now = self._agenda.now
        self._source_gets.add(now)
        at_once = self._source_gets.count(now)
        if self._jules.flaky_sources and at_once > SOURCE_GETS_AT_ONCE:
            raise google.not_found()
        return Reply(200, source_json(self._source_repo(f"sources/{call.args[0]}")))

    def _create(self, call: Call) -> Reply:
        order = self._order(google.checked_body(call, schema.SESSION, "session"))
        if self._jules.is_full() or self._jules.is_crowded():
            raise google.failed_precondition()
        session = self._jules.create(order)
        if session.life.answer_lost and self._is_first(session):
            raise google.unavailable()
        return Reply(200, self._session(session))

    def _is_first(self, session: Session) -> bool:
        """Say whether nobody has asked for the same before."""
        return [one.order for one in self._jules.sessions.values()].count(session.order) == 1

    def _order(self, body: Mapping[str, Json]) -> Order:
        if not text(body, "prompt"):
            raise google.invalid("session.prompt", "The prompt is required.")
        if wrong := unknown_steers(text(body, "prompt")):
            raise google.invalid("session.prompt", f"The sandbox knows no {wrong}.")
        context = part(body, "sourceContext")
        repo = branch = None
        if context:
            found = self._source_repo(text(context, "source"))
            repo = found.full_name
            branch = text(part(context, "githubRepoContext"), "startingBranch")
            if branch not in found.git.branches:
                raise google.invalid("session.source_context.github_repo_context.starting_branch")
        return Order(
            prompt=text(body, "prompt"),
            title=text(body, "title"),
            repo=repo,
            branch=branch,
            auto_pull=text(body, "automationMode") == "AUTO_CREATE_PR",
            needs_approval=flag(body, "requirePlanApproval"),
        )

    def _list_sessions(self, call: Call) -> Reply:
        wanted = re.sub(r"\s*=\s*", "=", call.query.get("filter", "").strip())
        if wanted not in SESSION_FILTERS:
            raise google.invalid("filter")
        kept = SESSION_FILTERS[wanted]
        sessions = [s for s in self._jules.sessions.values() if s.archived in kept]
        # Newest first: the key counts down.
        keyed = [(f"{10**12 - s.created.timestamp():020.6f} {s.id}", s) for s in sessions]
        keyed.sort(key=lambda pair: pair[0])
        return google.page(call, keyed, self._session, "sessions", 30)

    def _find(self, call: Call) -> Session:
        session = self._jules.sessions.get(call.args[0])
        if session is None:
            raise google.not_found()
        return session

    def _get_session(self, call: Call) -> Reply:
        session = self._find(call)
        if session.unavailable:
            session.unavailable -= 1
            raise google.unavailable()
        return Reply(200, self._session(session))

    def _delete(self, call: Call) -> Reply:
        self._jules.delete(self._find(call))
        return Reply(200, {})

    def _send(self, call: Call) -> Reply:
        prompt = text(google.checked_body(call, schema.SEND_MESSAGE), "prompt")
        session = self._find(call)
        if not prompt:
            raise google.invalid("prompt", "The prompt is required.")
        self._jules.message(session, prompt)
        return Reply(200, {})

    def _approve(self, call: Call) -> Reply:
        google.checked_body(call, schema.APPROVE_PLAN)
        session = self._find(call)
        if not self._jules.approve(session):
            raise google.failed_precondition()
        return Reply(200, {})

    def _archive(self, call: Call) -> Reply:
        google.checked_body(call, schema.ARCHIVE)
        session = self._find(call)
        self._jules.archive(session)
        return Reply(200, self._session(session))

    def _unarchive(self, call: Call) -> Reply:
        google.checked_body(call, schema.UNARCHIVE)
        session = self._find(call)
        self._jules.unarchive(session)
        return Reply(200, self._session(session))

    def _list_activities(self, call: Call) -> Reply:
        now = self._agenda.now
        if self._activity_lists.count(now) >= ACTIVITY_LISTS_PER_MINUTE:
            raise google.exhausted()
        self._activity_lists.add(now)
        session = self._find(call)
        if now < session.created + timedelta(seconds=session.life.activities_hidden):
            raise google.not_found()
        since = _since(call.query.get("filter", ""))
        keyed = [
            (f"{nth:08d}", activity)
            for nth, activity in enumerate(session.activities)
            if since is None or activity.at > since
        ]
        return google.page(call, keyed, lambda item: activity_json(session, item), "activities", 50)

    def _get_activity(self, call: Call) -> Reply:
        session = self._find(call)
        for activity in session.activities:
            if activity.id == call.args[1]:
                return Reply(200, activity_json(session, activity))
        raise google.not_found()

    def _session(self, session: Session) -> dict[str, object]:
        repo = self._github.repo(session.order.repo or "")
        return session_json(session, repo, self._agenda.now)


class Recent:
    """Counts what happened in the last `span`."""

    def __init__(self, span: timedelta) -> None:
        self._span = span
        self._moments: list[datetime] = []

    def add(self, now: datetime) -> None:
        """Count one."""
        self._moments.append(now)

    def count(self, now: datetime) -> int:
        """Return how many there were."""
        self._moments = [at for at in self._moments if at > now - self._span]
        return len(self._moments)


def _serve(operation: schema.Operation, handler: Handler) -> Handler:
    """Check an operation's query before it, and give only the fields that were asked for."""
    allowed = google.LIST_PARAMETERS if operation.lists else google.SYSTEM_PARAMETERS

    def serve(call: Call) -> Reply:
        google.check_query(call, allowed)
        mask = call.query.get("fields") or call.query.get("$fields")
        if not mask:
            return handler(call)
        google.masked({}, mask, operation.answer)  # refused before anything has happened
        reply = handler(call)
        return Reply(reply.status, google.masked(reply.body, mask, operation.answer))

    return serve


def _describe(call: Call) -> Reply:
    """Answer with the discovery document."""
    google.check_query(call, ("version", *google.SYSTEM_PARAMETERS))
    if call.query.get("version") != schema.VERSION:
        raise google.not_found()
    return Reply(200, schema.document())


def _since(wanted: str) -> datetime | None:
    """Return the exclusive start that a filter names; refuse every other filter."""
    if not wanted:
        return None
    match = _SINCE.fullmatch(wanted.strip())
    if match is None:
        raise google.invalid("filter")
    try:
        since = datetime.fromisoformat(match[1])
    except ValueError as error:
        raise google.invalid("filter") from error
    return since if since.tzinfo else since.replace(tzinfo=UTC)

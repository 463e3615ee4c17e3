"""Jules' v1alpha API on the wire: checks, shapes and refusals as facts/jules-api.md has them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mcp_server.sandbox import google_api as google
from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.http import Call, Json, Reply, Router, flag, part, text
from mcp_server.sandbox.jules import Jules
from mcp_server.sandbox.jules_json import activity_json, session_json, source_json
from mcp_server.sandbox.repository import Repo
from mcp_server.sandbox.session import Order, Session

JULES_KEY = "sandbox-jules-key"
# ListActivitiesRequestsPerMinutePerProject (jules-api.md 5.2, one heavy user, 2026-08-25).
ACTIVITY_LISTS_PER_MINUTE = 120

SESSION_SCHEMA: google.Schema = {
    **dict.fromkeys(("name", "id", "prompt", "title", "state", "url"), str),
    **dict.fromkeys(("createTime", "updateTime"), str),
    "sourceContext": {
        "source": str,
        "githubRepoContext": {"startingBranch": str},
        "workingBranch": str,
        "environmentVariablesEnabled": bool,
    },
    "requirePlanApproval": bool,
    "archived": bool,
    "outputs": list,
    "automationMode": ("AUTOMATION_MODE_UNSPECIFIED", "AUTO_CREATE_PR"),
}
MESSAGE_SCHEMA: google.Schema = {"prompt": str}
EMPTY_SCHEMA: google.Schema = {}

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
        self._activity_lists: list[datetime] = []
        v1 = "/v1alpha"
        self._router = Router(
            (
                ("GET", f"{v1}/sources", self._list_sources),
                ("GET", f"{v1}/sources/{{*}}", self._get_source),
                ("POST", f"{v1}/sessions", self._create),
                ("GET", f"{v1}/sessions", self._list_sessions),
                ("GET", f"{v1}/sessions/{{}}", self._get_session),
                ("DELETE", f"{v1}/sessions/{{}}", self._delete),
                ("POST", f"{v1}/sessions/{{}}:sendMessage", self._send),
                ("POST", f"{v1}/sessions/{{}}:approvePlan", self._approve),
                ("POST", f"{v1}/sessions/{{}}:archive", self._archive),
                ("POST", f"{v1}/sessions/{{}}:unarchive", self._unarchive),
                ("GET", f"{v1}/sessions/{{}}/activities", self._list_activities),
                ("GET", f"{v1}/sessions/{{}}/activities/{{}}", self._get_activity),
            )
        )

    def answer(self, call: Call) -> Reply:
        """Answer one call; raise `Problem` with a `google.rpc.Status` for a refusal."""
        key = call.headers.get("x-goog-api-key")
        if key != JULES_KEY:
            raise google.unauthenticated(missing=key is None)
        found = self._router.find(call)
        if found is None:
            raise google.not_found()
        handler, call = found
        return handler(call)

    def _list_sources(self, call: Call) -> Reply:
        google.check_query(call, google.LIST_PARAMETERS)
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
        google.check_query(call)
        return Reply(200, source_json(self._source_repo(f"sources/{call.args[0]}")))

    def _create(self, call: Call) -> Reply:
        order = self._order(google.checked_body(call, SESSION_SCHEMA, "session"))
        if self._jules.is_full():
            raise google.failed_precondition()
        return Reply(200, self._session(self._jules.create(order)))

    def _order(self, body: Mapping[str, Json]) -> Order:
        if not text(body, "prompt"):
            raise google.invalid("session.prompt", "The prompt is required.")
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
        google.check_query(call, google.LIST_PARAMETERS)
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
        google.check_query(call)
        return Reply(200, self._session(self._find(call)))

    def _delete(self, call: Call) -> Reply:
        self._jules.delete(self._find(call))
        return Reply(200, {})

    def _send(self, call: Call) -> Reply:
        session = self._find(call)
        prompt = text(google.checked_body(call, MESSAGE_SCHEMA), "prompt")
        if not prompt:
            raise google.invalid("prompt", "The prompt is required.")
        self._jules.message(session, prompt)
        return Reply(200, {})

    def _approve(self, call: Call) -> Reply:
        session = self._find(call)
        google.checked_body(call, EMPTY_SCHEMA)
        if not self._jules.approve(session):
            raise google.failed_precondition()
        return Reply(200, {})

    def _archive(self, call: Call) -> Reply:
        session = self._find(call)
        google.checked_body(call, EMPTY_SCHEMA)
        self._jules.archive(session)
        return Reply(200, self._session(session))

    def _unarchive(self, call: Call) -> Reply:
        session = self._find(call)
        google.checked_body(call, EMPTY_SCHEMA)
        self._jules.unarchive(session)
        return Reply(200, self._session(session))

    def _list_activities(self, call: Call) -> Reply:
        google.check_query(call, google.LIST_PARAMETERS)
        now = self._agenda.now
        minute = [at for at in self._activity_lists if at > now - timedelta(minutes=1)]
        if len(minute) >= ACTIVITY_LISTS_PER_MINUTE:
            raise google.status(
                429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."
            )
        self._activity_lists = [*minute, now]
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
        google.check_query(call)
        session = self._find(call)
        for activity in session.activities:
            if activity.id == call.args[1]:
                return Reply(200, activity_json(session, activity))
        raise google.not_found()

    def _session(self, session: Session) -> dict[str, object]:
        repo = self._github.repo(session.order.repo or "")
        return session_json(session, repo, self._agenda.now)


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

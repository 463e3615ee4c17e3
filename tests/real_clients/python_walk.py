"""Walks `jules-agent-sdk` (PyPI) through a served sandbox world; a line of JSON for each row.

`python -m tests.real_clients.python_walk ORIGIN KEY REPO`, in a process of its own: the SDK brings
other HTTP libraries, and its `time` is the world's here, so that nothing waits in real time.
"""

import asyncio
import http.client
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from jules_agent_sdk import AsyncJulesClient, JulesAPIError, JulesClient, async_client, base
from jules_agent_sdk import sessions as sessions_api
from jules_agent_sdk.models import Session

# Of the world: its time costs nothing, polls do.
POLL_SECONDS = 20


class WorldTime:
    """What the SDK takes for the module `time`: a client of the world, asleep while it sleeps."""

    def __init__(self, origin: str) -> None:
        """Join the world at `origin`."""
        self._address = urlsplit(origin)
        joined = self._ask("/world/join", {})
        self._client: str = joined["client"]
        self._now = datetime.fromisoformat(joined["now"])

    def time(self) -> float:
        """Return the world's time in epoch seconds."""
        return self._now.timestamp()

    def sleep(self, seconds: float) -> None:
        """Sleep in the world."""
        until = self._now + timedelta(seconds=seconds)
        asked = {"client": self._client, "until": until.isoformat()}
        self._now = datetime.fromisoformat(self._ask("/world/sleep", asked)["now"])

    def leave(self) -> None:
        """Leave the world."""
        self._ask("/world/leave", {"client": self._client})

    def _ask(self, path: str, body: object) -> Any:
        host, port = self._address.hostname or "", self._address.port
        with closing(http.client.HTTPConnection(host, port)) as connection:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            told = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status} {told!r}")
        return json.loads(told)


class Walk:
    """One SDK client with the rows that it can be asked about."""

    def __init__(self, origin: str, key: str, repo: str, time: WorldTime) -> None:
        """Speak to the world at `origin` in `time`."""
        self._base = f"{origin}/jules/v1alpha"
        self._key = key
        self._time = time
        self._source = f"sources/github/{repo}"
        self._client = JulesClient(key, base_url=self._base)

    def rows(self) -> Mapping[str, Callable[[], str]]:
        """Return what to walk, by row."""
        return {
            "sources.list": self.list_sources,
            "sources.get": self.get_source,
            "sessions.create": self.create,
            "sessions.get": self.get_session,
            "sessions.list": self.list_sessions,
            "sessions.approvePlan": self.approve_plan,
            "sessions.sendMessage": self.send_message,
            "sessions.activities.list": self.list_activities,
            "sessions.activities.get": self.get_activity,
            "a picture, command output, a diff": self.artifacts,
            "a diff in activities only": self.diff_in_activities,
            "a session that fails": lambda: self._failure(self.finish, "calm quick fails"),
            "an unknown source": self.unknown_source,
            "an unknown session": lambda: self._failure(self._client.sessions.get, "1" * 19),
            "a wrong key": self.wrong_key,
            "activities right after the create": self.early_activities,
            "an activity without an event": self.odd_activity,
            "503 eight times, then an answer": self.unavailable,
            "429 until the minute is over": self.rate_limit,
            "a create whose answer is lost": self.lost_answer,
        }

    def start(self, words: str, **more: Any) -> Session:
        """Start a session whose life these words steer."""
        prompt = f"Add tests for the parser\nsandbox-life: {words}"
        return self._client.sessions.create(prompt, self._source, starting_branch="main", **more)

    def finish(self, words: str) -> Session:
        """Start a session and wait for its end."""
        return self._end(self.start(words))

    def list_sources(self) -> str:
        """Page through all of them, in both clients."""

        async def as_well() -> int:
            async with AsyncJulesClient(self._key, base_url=self._base) as client:
                return len(await client.sources.list_all())

        found = self._client.sources.list_all()
        assert len({one.name for one in found}) == len(found) == asyncio.run(as_well())
        return f"{len(found)} sources, page by page"

    def get_source(self) -> str:
        """Get one by its name."""
        repo = self._client.sources.get(self._source).github_repo
        assert repo is not None
        assert repo.default_branch in repo.branches
        return "found, with its branches"

    def create(self) -> str:
        """Start, and wait for the end."""
        session = self.finish("calm quick")
        assert session.outputs
        assert all(output.pull_request is None for output in session.outputs)
        return "with a repository: no pull request, it asks for none"

    def get_session(self) -> str:
        """Get it, in both clients."""
        done = self.finish("calm quick")

        async def as_well() -> Session:
            async with AsyncJulesClient(self._key, base_url=self._base) as client:
                return await client.sessions.wait_for_completion(done.id)

        assert self._client.sessions.get(done.name) == done == asyncio.run(as_well())
        return _state(done)

    def list_sessions(self) -> str:
        """Page through all of them."""
        found, token = list[Session](), None
        while token or not found:
            page = self._client.sessions.list(page_size=2, page_token=token)
            found, token = [*found, *page["sessions"]], page["nextPageToken"]
        times = [one.create_time for one in found]
        assert times == sorted(times, reverse=True)
        assert len({one.id for one in found}) == len(found) > 2
        return "newest first, each once"

    def approve_plan(self) -> str:
        """Approve without a body, which is how this SDK does it."""
        session = self.start("calm quick", require_plan_approval=True)
        self._wait_for(session, "AWAITING_PLAN_APPROVAL")
        self._client.sessions.approve_plan(session.id)
        return f"waited for, approved, {_state(self._end(session))}"

    def send_message(self) -> str:
        """Answer a question, in the asynchronous client."""
        session = self.start("calm quick asks")
        self._wait_for(session, "AWAITING_USER_FEEDBACK")

        async def answer() -> None:
            async with AsyncJulesClient(self._key, base_url=self._base) as client:
                await client.sessions.send_message(session.id, "The first one")
                await client.sessions.wait_for_completion(session.id, POLL_SECONDS)

        asyncio.run(answer())
        return f"asked, answered, {_state(self._end(session))}"

    def list_activities(self) -> str:
        """List them in pages, and all at once."""
        done = self.finish("calm quick")
        page = self._client.activities.list(done.id, page_size=2)
        found = self._client.activities.list_all(done.id)
        assert (len(page["activities"]), bool(page["nextPageToken"])) == (2, True)
        assert found[0].plan_generated
        assert found[-1].session_completed == {}
        return "oldest first"

    def get_activity(self) -> str:
        """Get the plan."""
        done = self.finish("calm quick")
        first = self._client.activities.list_all(done.id)[0]
        assert self._client.activities.get(done.id, first.id) == first
        plan = (first.plan_generated or {})["plan"]
        assert [step.get("index", 0) for step in plan["steps"]] == [0, 1, 2]
        return "with its plan"

    def artifacts(self) -> str:
        """Read every kind of artifact."""
        found = [
            artifact
            for activity in self._client.activities.list_all(self.finish("calm quick").id)
            for artifact in activity.artifacts
        ]
        assert any(one.media and one.media.mime_type == "image/png" for one in found)
        assert {one.bash_output.exit_code for one in found if one.bash_output} == {0, 1}
        assert any(one.change_set and one.change_set.git_patch for one in found)
        return "all three"

    def diff_in_activities(self) -> str:
        """Find the last change set."""
        done = self.finish("calm quick no-outputs")
        assert done.outputs == []
        last = self._client.activities.list_all(done.id)[-1].artifacts[-1].change_set
        assert last is not None
        assert last.git_patch is not None
        assert len(last.git_patch.base_commit_id) == 40
        return "found in the last activity"

    def unknown_source(self) -> str:
        """Start a session where Jules sees nothing."""
        create = self._client.sessions.create
        return self._failure(create, "x", "sources/github/nobody/nothing", "main")

    def wrong_key(self) -> str:
        """Ask with another key."""
        return self._failure(JulesClient("another", base_url=self._base).sessions.list)

    def early_activities(self) -> str:
        """List them before they are there."""
        return self._failure(self._client.activities.list, self.start("calm").id)

    def odd_activity(self) -> str:
        """Read an activity that says nothing but its description."""
        done = self.finish("calm quick odd-activity")
        first = self._client.activities.list_all(done.id)[0]
        assert first.description == "Session started"
        return "read: its description"

    def unavailable(self) -> str:
        """Read what comes back after eight tries."""
        return self._failure(self._client.sessions.get, self.start("calm quick unavailable").id)

    def rate_limit(self) -> str:
        """List until the quota of a minute is used up."""
        session_id = self.finish("calm quick").id

        def list_often() -> None:
            for _ in range(121):
                self._client.activities.list(session_id)

        return self._failure(list_often)

    def lost_answer(self) -> str:
        """Start one session whose create is answered 503."""
        self.start("calm answer-lost", title="Only once")
        listed = self._client.sessions.list(page_size=10)["sessions"]
        return f"sent again: {sum(one.title == 'Only once' for one in listed)} sessions"

    def _wait_for(self, session: Session, state: str) -> None:
        while self._client.sessions.get(session.id).state != state:
            self._time.sleep(POLL_SECONDS)

    def _end(self, session: Session) -> Session:
        sessions = self._client.sessions
        return sessions.wait_for_completion(session.id, poll_interval=POLL_SECONDS)

    def _failure(self, call: Callable[..., object], *arguments: object) -> str:
        try:
            call(*arguments)
        except JulesAPIError as error:
            return type(error).__name__
        raise AssertionError("it should have failed")


def _state(session: Session) -> str:
    return session.state.value.lower()


def main(origin: str, key: str, repo: str) -> None:
    """Walk all rows in the world's time."""
    time = WorldTime(origin)
    for module in (base, sessions_api):
        setattr(module, "time", time)  # noqa: B010 -- a module of others, typed otherwise

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)

    loops = SimpleNamespace(sleep=sleep, get_event_loop=asyncio.get_event_loop)
    setattr(async_client, "asyncio", loops)  # noqa: B010 -- likewise
    try:
        for row, walk in Walk(origin, key, repo, time).rows().items():
            sys.stdout.write(json.dumps({"row": row, "result": walk()}) + "\n")
    finally:
        time.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A GitHub App: short-lived tokens, minted in the transport, one at a time and out of sight."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from mcp_server.clients import github
from mcp_server.errors import FactoryError, Refused, SettingsError, Unavailable
from mcp_server.guard import policy
from mcp_server.guard.installation import App, Installation, Installed
from mcp_server.guard.ledger import Ledger
from mcp_server.keys import Keys
from mcp_server.permissions import COSTS, judge_app
from mcp_server.sandbox.apps import ALL, MINTS
from mcp_server.sandbox.faults import Exchange, Fault
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.mix import SMALL
from mcp_server.sandbox.repository import OWNER
from mcp_server.sandbox.tokens import Token
from tests import app_cases
from tests.agent_cases import REPO, Desk, at_desk
from tests.days import Nights, run_nights
from tests.guard_cases import GITHUB, ManualClock, answer, repositories

MAKER = "maker-0f2c41d7a9b3"


def ways_to_mint(desk: Desk) -> int:
    """Return how many tokens the world has given out."""
    assert desk.world.github.app is not None
    return len(desk.world.github.app.minted)


def test_an_organization_is_worked_for_with_an_app_alone():
    """Creation, sessions, pull requests, the report: the first hour takes one token."""

    async def play(desk: Desk) -> None:
        app_cases.install(desk.world)
        await desk.settle()
        made = await desk.ask("github_create_private_repo", name="new-app", description="An app")
        assert made["repo"] == f"{OWNER}/new-app"
        assert "POST /orgs/factory-owner/repos" in desk.tap.mutations
        assert len((await desk.ask("github_list_repos"))["repositories"]) > 10
        report = {"repo": REPO, "title": "Report", "body": "All is well"}
        opened = await desk.ask("github_report_issue", **report)
        again = await desk.ask("github_report_issue", **{**report, "body": "Still well"})
        assert (again["number"], ways_to_mint(desk)) == (opened["number"], 1)
        assert desk.broken == []

    at_desk(play, keys=app_cases.settings())


def test_a_day_outlives_its_tokens(tmp_path: Path):
    """They are renewed on the way, five minutes before their end; the day is like any other."""

    def with_app(nights: Nights) -> None:
        app_cases.install(nights.world).life = timedelta(minutes=15)
        nights.settings = app_cases.settings(allowance=SMALL.allowance)

    nights = run_virtual(run_nights(tmp_path, prepare=with_app))
    report, app = nights.results[0].report, nights.world.github.app
    assert app is not None
    assert nights.rules_broken == []
    assert report.run.exit in (0, 3)
    assert {"create", "optimize"} <= {one.lane for one in report.tasks if one.state == "merged"}
    lasted = report.run.ended_at - report.run.started_at
    assert 5 <= len(app.minted) <= lasted / timedelta(minutes=10) + 1
    kept = (tmp_path / "state.db").read_bytes()
    assert not any(token.encode() in kept for token in app.minted)


def lost(desk: Desk) -> None:
    """Let GitHub forget every token that it gave."""
    assert desk.world.github.app is not None
    desk.world.github.app.minted.clear()


def test_a_token_that_is_refused_is_renewed_once_for_what_is_read():
    """GitHub may take one back at any time; a write is never sent twice, and works next time."""

    async def play(desk: Desk) -> None:
        app_cases.install(desk.world)
        await desk.ask("github_list_repos", max_age=0)
        lost(desk)
        await desk.ask("github_list_repos", max_age=0)
        assert ways_to_mint(desk) == 1
        topics = {"repo": REPO, "topics": ["recipes"]}
        desk.tap.fault = lambda one: lost(desk) if one.method == "PUT" else None
        told = await desk.call("github_set_metadata", **topics)
        assert told.refusal == ("settings", None)
        desk.tap.fault = None
        await desk.ask("github_set_metadata", **topics)
        assert [one for one in desk.tap.mutations if one.startswith("PUT")] == [
            f"PUT /repos/{REPO}/topics"
        ] * 2

    at_desk(play, keys=app_cases.settings())


def test_those_who_ask_at_once_share_one_token_and_one_error():
    """Never two mints at once; who stops waiting does not stop it for the others."""
    asked: list[str] = []

    def hear(exchange: Exchange) -> Fault | None:
        if exchange.path.endswith(MINTS):
            asked.append(exchange.path)
            return Fault("status_after", status=503) if len(asked) <= 3 else None
        return None

    async def play(desk: Desk) -> None:
        app_cases.install(desk.world)
        transport = desk.services.transport
        assert transport.installation is not None
        await transport.installation.look()

        async def read() -> str:
            try:
                return (await desk.services.github.get_repository(REPO)).repo
            except Unavailable as error:
                return f"{error.status}"

        assert await asyncio.gather(*(read() for _ in range(20))) == ["503"] * 20
        assert len(asked) == 3, "three tries of one mint"
        leaver = asyncio.ensure_future(read())
        reads = [asyncio.ensure_future(read()) for _ in range(20)]
        await asyncio.sleep(0)  # noqa: TID251  lets them ask
        leaver.cancel()
        assert await asyncio.gather(*reads) == [REPO] * 20
        assert len(asked) == 4
        await desk.wait(minutes=61)
        assert await asyncio.gather(*(read() for _ in range(20))) == [REPO] * 20
        assert len(asked) == 5

    at_desk(play, keys=app_cases.settings(), fault=hear)


def _uninstalled(desk: Desk) -> None:
    assert desk.world.github.app is not None
    desk.world.github.app.installation = None


def _gone_meanwhile(desk: Desk) -> None:
    def fault(exchange: Exchange) -> None:
        if exchange.path.endswith(MINTS):
            _uninstalled(desk)

    desk.tap.fault = fault


def _down(desk: Desk) -> None:
    def fault(exchange: Exchange) -> Fault | None:
        return Fault("status_after", status=500) if exchange.path.endswith(MINTS) else None

    desk.tap.fault = fault


def _nothing(desk: Desk) -> None:
    del desk


@pytest.mark.parametrize(
    ("spoil", "said", "code", "changes"),
    [
        (_uninstalled, "installed for: nowhere", "settings", {}),
        (_gone_meanwhile, "is gone", "settings", {}),
        (_down, "HTTP 500", "unavailable", {}),
        (_nothing, "does not take its key", "settings", {"github_app_key": "other"}),
        (_nothing, "does not take its key", "settings", {"github_app_id": "271828"}),
        (_nothing, "not installed for FACTORY_OWNER", "settings", {"owner": "somebody"}),
    ],
    ids=["nowhere", "gone meanwhile", "down", "another key", "another App", "another owner"],
)
def test_without_a_token_nothing_is_sent_and_the_error_says_why(
    spoil: object, said: str, code: str, changes: Mapping[str, str]
):
    """Neither read nor write; the doctor says it as well, and goes on with the rest."""
    if "github_app_key" in changes:
        changes = {"github_app_key": app_cases.pem(changes["github_app_key"])}

    async def play(desk: Desk) -> None:
        app_cases.install(desk.world)
        assert callable(spoil)
        spoil(desk)
        told = await desk.call("github_list_repos")
        assert (told.error["code"], said in told.text) == (code, True)
        send = desk.services.github.send
        prepared = github.update_branch(REPO, 7, "a" * 40)
        ticket = desk.services.ledger.hold(prepared, key="k")
        with pytest.raises(FactoryError):
            await send(prepared, ticket.id)
        assert [one.state for one in desk.services.ledger.open_tickets()] == ["held"]
        assert desk.tap.mutations == []
        found = (await desk.ask("doctor"))["findings"]
        if spoil is not _down and spoil is not _gone_meanwhile:
            assert any(said in one["text"] for one in found if one["check"] == "github")

    at_desk(play, keys=app_cases.settings(**changes))


def test_a_person_s_repositories_are_made_with_a_token_of_that_person():
    """`POST /user/repos` is for users only (GitHub's description): an App alone says so first."""

    async def alone(desk: Desk) -> None:
        app_cases.install(desk.world, organization=False)
        await desk.settle()
        told = await desk.call("github_create_private_repo", name="new-app", description="x")
        assert told.refusal == ("settings", None)
        assert "GITHUB_CREATE_TOKEN" in told.text
        assert desk.tap.mutations == []
        found = (await desk.ask("doctor"))["findings"]
        assert any("GITHUB_CREATE_TOKEN" in one["text"] for one in found)

    async def together(desk: Desk) -> None:
        app_cases.install(desk.world, organization=False)
        desk.world.github.tokens[MAKER] = Token()
        await desk.settle()
        await desk.ask("github_create_private_repo", name="new-app", description="x")
        assert "POST /user/repos" in desk.tap.mutations
        assert desk.broken == []

    at_desk(alone, keys=app_cases.settings())
    at_desk(together, keys=app_cases.settings(github_create_token=SecretStr(MAKER)))


def test_somebody_s_token_makes_repositories_for_an_organization():
    """Whether it may GitHub says when it is tried; the doctor says whose it is."""

    async def play(desk: Desk) -> None:
        app_cases.install(desk.world)
        desk.world.github.tokens[MAKER] = Token(login="a-member")
        await desk.settle()
        await desk.ask("github_create_private_repo", name="new-app", description="x")
        assert "POST /orgs/factory-owner/repos" in desk.tap.mutations
        found = (await desk.ask("doctor"))["findings"]
        assert [one["level"] for one in found if "a-member" in one["text"]] == ["note"]

    at_desk(play, keys=app_cases.settings(github_create_token=SecretStr(MAKER)))


def test_no_caller_gets_a_token_out_of_the_transport():
    """What the App asks for itself has no row for anybody else; a token stands in no text."""
    assert {rule.kind for rule in policy.INNER} == {"find_installation", "mint_token"}

    async def play(desk: Desk) -> None:
        app = app_cases.install(desk.world)
        await desk.ask("github_list_repos")
        http = httpx2.AsyncClient(transport=desk.services.transport)
        for method, path in (("POST", f"{app.installation}{MINTS}"), ("GET", "")):
            with pytest.raises(Refused):
                await http.request(method, f"{GITHUB}/app/installations/{path}".rstrip("/"))
        [token] = app.minted
        assert desk.services.redactor.text(f"it is {token}.") == "it is ***."
        line = app_cases.pem().splitlines()[3]
        assert desk.services.redactor.text(f"it is {line}.") == "it is ***."
        said = [str(event) for event in desk.services.ledger.events()]
        assert token not in repr(desk.services) + "".join(said)

    at_desk(play, keys=app_cases.settings())


def test_what_was_read_before_is_kept_over_renewals_and_new_keys():
    """It belongs to the App and the account, not to one hour's token."""

    def reader(**changes: object) -> str:
        return Keys.of(app_cases.settings(**changes)).reader

    same = {reader(), reader(github_app_key=SecretStr(app_cases.pem("other")))}
    assert len(same) == 1
    assert len(same | {reader(owner="a"), reader(github_app_id="1")}) == 3


FOUND = {
    "id": 7,
    "app_slug": "factory",
    "account": {"login": "org", "type": "Organization"},
    "repository_selection": "all",
    "permissions": dict(ALL),
}


class Bench:
    """An installation over answers that a test gives; keeps what was asked."""

    def __init__(self, clock: ManualClock, *found: object, owner: str | None = None) -> None:
        self.clock = clock
        self.asked: list[str] = []
        self.replies: list[httpx2.Response] = []
        self.found = list(found) or [FOUND]
        self.learnt: list[str] = []
        app = App(id=app_cases.APP_ID, key=app_cases.pem(), owner=owner)
        self.one = Installation(app, clock=clock, ask=self._ask, learn=self.learnt.append)

    async def _ask(self, method: str, target: str, claim: str) -> httpx2.Response:
        assert target.startswith("/app/installations")
        assert claim
        self.asked.append(method)
        if method == "GET":
            return answer(200, self.found)
        if self.replies:
            return self.replies.pop()
        ends = (self.clock.now() + timedelta(hours=1)).isoformat()
        told = {"token": f"v1.{len(self.asked):040}", "expires_at": ends}
        return httpx2.Response(201, json=told, headers={"date": _date(self.clock)})


def _date(clock: ManualClock) -> str:
    return clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_a_token_is_renewed_five_minutes_before_its_end_whatever_the_wall_says(clock: ManualClock):
    """Its life is GitHub's own: from the answer's date to the end that it names."""
    bench = Bench(clock)

    async def go() -> None:
        first = await bench.one.token()
        assert bench.learnt == [first]
        clock.set_wall(clock.now() + timedelta(hours=5))
        clock.advance(minutes=54, seconds=59)
        assert await bench.one.token() == first
        clock.advance(seconds=1)
        assert await bench.one.token() != first
        assert bench.asked == ["GET", "POST", "POST"]

    run_virtual(go())


def test_a_token_that_was_refused_is_forgotten_unless_there_is_a_newer_one(clock: ManualClock):
    """Of many that were refused at once the first one sees to it."""
    bench = Bench(clock)

    async def go() -> None:
        first = await bench.one.token()
        bench.one.reject(first)
        second = await bench.one.token()
        bench.one.reject(first)
        assert await bench.one.token() == second != first

    run_virtual(go())


def test_a_mint_that_is_cut_off_with_everything_leaves_nothing_behind(clock: ManualClock):
    """The process ends: no warning of a task that nobody asked."""

    async def go() -> None:
        bench = Bench(clock)
        asking = asyncio.ensure_future(bench.one.token())
        await asyncio.sleep(0)  # noqa: TID251  lets it ask
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await bench.one.token()

    run_virtual(go())


@pytest.mark.parametrize("date", [None, "soon", "Mon, 23 Nov 2026 09:00:00 -0000"])
def test_an_answer_without_a_date_is_dated_by_this_machine(clock: ManualClock, date: str | None):
    """Then its token's end is read by the local clock."""
    bench = Bench(clock)
    ends = (clock.now() + timedelta(minutes=30)).isoformat()
    told = {"token": "v1." + "a" * 40, "expires_at": ends}
    headers = {} if date is None else {"date": date}
    bench.replies = [httpx2.Response(201, json=told, headers=headers)]

    async def go() -> None:
        first = await bench.one.token()
        clock.advance(minutes=24)
        assert await bench.one.token() == first
        clock.advance(minutes=2)
        assert await bench.one.token() != first

    run_virtual(go())


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx2.Response(201, json={"token": "short", "expires_at": "2026-11-23T10:00:00Z"}), "()"),
        (httpx2.Response(201, json={"token": "v1." + "a" * 40}), "expires_at"),
        (httpx2.Response(201, content=b"<html>"), "does not fit"),
        (httpx2.Response(403, json={}), "suspended"),
        (httpx2.Response(429, json={}), "HTTP 429"),
    ],
)
def test_an_answer_that_is_no_token_is_an_error(
    clock: ManualClock, reply: httpx2.Response, error: str
):
    """It says what, and never shows what it was."""
    bench = Bench(clock)
    bench.replies = [reply]

    async def go() -> None:
        with pytest.raises(FactoryError) as told:
            await bench.one.token()
        assert error == "()" or error in str(told.value)
        assert "short" not in str(told.value)
        assert await bench.one.token()

    run_virtual(go())


def test_of_several_installations_the_owner_says_which(clock: ManualClock):
    """Without a word from the operator none is guessed."""
    other = {**FOUND, "id": 8, "account": {"login": "Me", "type": "User"}}

    async def go(owner: str | None) -> int:
        return (await Bench(clock, FOUND, other, owner=owner).one.look()).id

    assert run_virtual(go("me")) == 8
    with pytest.raises(SettingsError, match="Me, org"):
        run_virtual(go(None))


@pytest.mark.parametrize("text", ["no key", app_cases.public_pem()], ids=["text", "the public one"])
def test_a_key_that_signs_nothing_is_refused_at_once(clock: ManualClock, text: str):
    """Before anything is sent, and without being shown."""

    async def ask(method: str, target: str, claim: str) -> httpx2.Response:
        raise AssertionError((method, target, claim))

    with pytest.raises(SettingsError, match="GITHUB_APP_KEY_FILE") as told:
        Installation(App(id="1", key=text), clock=clock, ask=ask, learn=print)
    assert text[:30] not in str(told.value)


@pytest.mark.parametrize("permission", COSTS)
def test_each_permission_that_an_app_lacks_is_told_with_its_cost(
    permission: tuple[str, str],
):
    """Issue 6 point 10; `write` is enough to read."""
    name, level = permission
    less = {**ALL, name: "read" if level == "write" else "none"}
    told = Installed.model_validate({**FOUND, "permissions": less})
    texts = [one.text for one in judge_app(told, alone=True)]
    assert any(f"may not {level} {name}: " in text for text in texts)
    assert any(COSTS[name, level] in text for text in texts)  # pyright: ignore[reportArgumentType] a row of it
    assert [one.level for one in judge_app(Installed.model_validate(FOUND), alone=True)] == ["ok"]


def test_an_app_that_reaches_chosen_repositories_only_is_told(clock: ManualClock):
    """What it does not reach is neither surveyed nor worked on."""
    del clock
    told = Installed.model_validate({**FOUND, "repository_selection": "selected"})
    assert [one.level for one in judge_app(told, alone=False)] == ["warning"]


def test_a_repository_of_another_organization_is_not_what_was_reserved(
    ledger: Ledger, clock: ManualClock
):
    """The count is by owner and name: the request must be for that owner."""
    prepared = github.create_repository("new", "x", organization="other")
    with pytest.raises(Refused):
        ledger.hold_repository(prepared, key="k", repo="owner/new", listing=repositories(clock))
    mine = github.create_repository("new", "x", organization="Owner")
    seen = repositories(clock)
    assert ledger.hold_repository(mine, key="k", repo="owner/new", listing=seen).state == "held"
    assert json.loads(mine.content)["private"] is True

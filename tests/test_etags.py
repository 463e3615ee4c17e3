"""Conditional reads: unchanged pages are free, and as good as new ones (issue 6 point 1)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from mcp_server import store
from mcp_server.cache import Cache, Entry
from mcp_server.clients.etags import KIND, ConditionalReads
from mcp_server.errors import Unreadable
from mcp_server.sandbox.mix import CALM
from tests import app_cases
from tests.guard_cases import START, answer
from tests.survey_cases import Asked, Place, at_place, of

URL = "https://api.github.com/user/repos?page=1"


def pages(asked: list[Asked]) -> list[tuple[int, bool, int]]:
    """Return status, whether it was conditional, and the charge of each page of repositories."""
    return [(one.status, one.conditional, one.charged) for one in asked if "repos" in one.path]


def test_pages_that_did_not_change_are_free_and_the_listing_is_new_all_the_same():
    """facts/github.md 1.2; a 304 has a `Date`, by which repositories are counted."""

    async def play(place: Place) -> None:
        first = await place.parts.account.repository_listing()
        assert pages(place.recorder.taken()) == [(200, False, 1)] * 3
        await place.wait(minutes=10)
        again = await place.parts.account.repository_listing()
        assert pages(place.recorder.taken()) == [(304, True, 0)] * 3
        now = place.clock.now()
        assert again == replace(first, date=now, received=place.clock.elapsed(), received_at=now)
        assert len(again.created) == 250

    at_place(play, size=of(250))


def test_one_page_that_changed_is_the_only_one_that_is_sent_again():
    """The others' bodies are kept."""

    async def play(place: Place) -> None:
        await place.parts.account.repositories(max_age=0)
        changed = min(place.world.github.repos.values(), key=lambda repo: repo.full_name)
        changed.description = "Something else"
        place.recorder.taken()
        listed = await place.parts.account.repositories(max_age=0)
        assert pages(place.recorder.taken()) == [(200, True, 1), (304, True, 0), (304, True, 0)]
        assert listed[0].description == "Something else"

    at_place(play, size=of(250))


@pytest.mark.parametrize("app", [False, True], ids=["a token", "an App"])
def test_a_repository_behind_a_last_page_that_is_full_is_not_missed(app: bool):
    """A tag is of the body; what follows stands in the header, which a 304 need not repeat."""

    async def play(place: Place) -> None:
        if app:
            app_cases.install(place.world)
            place.restart()
        assert len(await place.parts.account.repositories(max_age=0)) == 100
        place.world.github.create("zzz", private=True, description="", by_client=False)
        listing = await place.parts.account.repository_listing()
        assert "factory-owner/zzz" in listing.created
        assert len(listing.created) == 101

    at_place(play, size=of(100))


def test_a_new_process_asks_conditionally_at_once_and_one_repository_too():
    """What is kept outlives the process; `github_get_repo` asks for its one address."""

    async def play(place: Place) -> None:
        repo = "factory-owner/recipe-web"
        before = await place.parts.account.repositories(max_age=0), await one(place, repo)
        place.restart()
        assert (await place.parts.account.repositories(max_age=0), await one(place, repo)) == before
        assert pages(place.recorder.taken()) == [(304, True, 0)] * 2

    async def one(place: Place, repo: str) -> object:
        return await place.parts.github.get_repository(repo)

    at_place(play, size=CALM)


def test_a_repository_that_turns_public_is_seen_at_the_next_look():
    """The tag changes with every field: no privacy is read from what is kept."""

    async def play(place: Place) -> None:
        (repo,) = [r for r in place.world.github.repos.values() if r.name == "recipe-web"]
        assert (await place.parts.github.get_repository(repo.full_name)).private
        place.world.github.set_private(repo, private=False)
        assert not (await place.parts.github.get_repository(repo.full_name)).private

    at_place(play, size=CALM)


Reply = Callable[[httpx2.Request], httpx2.Response]


def read(engine: sa.Engine, reply: Reply, *, owner: str = "token") -> tuple[object, list[str]]:
    """Read `URL` once; return the body and the tags that were sent."""
    tags: list[str] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        tags.append(request.headers.get("if-none-match", ""))
        return reply(request)

    async def ask() -> object:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(note)) as http:
            return (await ConditionalReads(http, Cache(engine, owner=owner)).get(URL)).data

    return asyncio.run(ask()), tags


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    """Return a state in which one answer is kept, of the token `token`."""
    made = store.open_engine(f"sqlite:///{tmp_path}/state.db")
    assert read(made, lambda _: answer(200, ["old"], etag='"1"'))[1] == [""]
    return made


def test_another_token_voids_what_was_kept(engine: sa.Engine):
    """`Vary: Authorization`: the old tags are sent to nobody, and the first answer drops them."""
    told = read(engine, lambda _: answer(200, ["new"], etag='"2"'), owner="other")
    assert told == (["new"], [""])
    assert Cache(engine, owner="token").all(KIND) == {}


def test_an_entry_that_was_damaged_is_read_anew(engine: sa.Engine):
    """As good as never read."""
    with engine.begin() as tx:
        tx.execute(sa.update(store.cache).values(body=b"damaged"))
    assert read(engine, lambda _: answer(200, ["new"], etag='"2"')) == (["new"], [""])


def test_an_answer_without_a_tag_is_not_kept(engine: sa.Engine):
    """What is kept stays what its tag says."""
    assert read(engine, lambda _: answer(200, ["new"])) == (["new"], ['"1"'])
    assert read(engine, lambda _: answer(304)) == (["old"], ['"1"'])


def test_an_answer_that_is_unchanged_but_undated_is_unreadable(engine: sa.Engine):
    """Nothing can be counted by it."""
    with pytest.raises(Unreadable):
        read(engine, lambda _: httpx2.Response(304))


def test_an_answer_that_does_not_parse_leaves_what_is_kept(engine: sa.Engine):
    """A proxy's page is no repository."""
    date = answer(200).headers["date"]
    broken = httpx2.Response(200, content=b"<html>", headers={"date": date, "etag": '"3"'})
    with pytest.raises(Unreadable):
        read(engine, lambda _: broken)
    assert read(engine, lambda _: answer(304)) == (["old"], ['"1"'])


def test_a_ledger_from_before_the_cache_gets_one(tmp_path: Path):
    """No migration: nothing is counted by it."""
    url = f"sqlite:///{tmp_path}/state.db"
    made = store.open_engine(url)
    with made.begin() as tx:
        store.cache.drop(tx)
    cache = Cache(store.open_engine(url), owner="token")
    entry = Entry(tag="t", read_at=START, body=b"x" * 10_000)
    cache.keep("kind", {"a": entry, "b": entry})
    cache.drop("kind", ["b"])
    assert cache.all("kind") == {"a": entry}
    assert cache.find("other", "a") is None

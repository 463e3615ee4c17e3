"""Search: what there is already, page by page; strangers' words, at GitHub's own pace for it."""

from typing import Any

import pytest

from mcp_server.models import SearchHits
from mcp_server.sandbox.repository import OWNER
from tests.agent_cases import Desk, at_desk

KEY = "ghp_" + "a1B2" * 9


def search(desk: Desk, query: str, kind: str = "repositories", **more: object) -> Any:
    """Return what the tool finds, as it must succeed."""
    return desk.ask("github_search", query=query, kind=kind, **more)


def test_repositories_are_found_by_words_and_qualifiers_others_too() -> None:
    """INTERFACE.md: query and kind; the token sees its own private ones."""

    async def play(desk: Desk) -> None:
        found = SearchHits.model_validate(await search(desk, f"recipe user:{OWNER}"))
        assert [one.repo for one in found.hits] == [f"{OWNER}/recipe-web"]
        assert (found.hits[0].state, found.complete) == ("private", True)
        (other,) = (await search(desk, "footnotes language:TypeScript"))["hits"]
        assert (other["repo"], other["state"]) == ("readalot/footnote-peek", "public")
        assert (await search(desk, "nothing-like-this"))["hits"] == []

    at_desk(play)


def test_issues_are_meant_unless_pull_requests_are_asked_for() -> None:
    """GitHub refuses a search that does not say which."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        started = await desk.start()
        pull = await desk.completed(started["session_id"])
        assert (await search(desk, "tests", "issues"))["hits"] == []
        (found,) = (await search(desk, f"tests is:pr repo:{OWNER}/recipe-web", "issues"))["hits"]
        assert (found["repo"], found["number"]) == (f"{OWNER}/recipe-web", pull.number)
        assert (found["text"], found["state"]) == (pull.title, "open")

    at_desk(play)


def test_pages_follow_each_other_and_end() -> None:
    """Each hit once, in as many pages as there are."""

    async def play(desk: Desk) -> None:
        page = await search(desk, "chrome extension", limit=4)
        seen = [one["repo"] for one in page["hits"]]
        while page["next_cursor"]:
            page = await search(desk, "chrome extension", limit=4, cursor=page["next_cursor"])
            seen += [one["repo"] for one in page["hits"]]
        assert (len(seen), len(set(seen))) == (page["total"], page["total"])
        assert page["total"] > 4

    at_desk(play)


@pytest.mark.parametrize(
    "given",
    [
        {"query": ""},
        {"query": "x" * 257},
        {"query": "x", "limit": 51},
        {"query": "x", "limit": 0},
        {"query": "x", "kind": "code"},
        {"query": "x", "cursor": "next"},
        {"query": "x", "limit": 50, "cursor": "21"},
    ],
)
def test_what_cannot_be_searched_is_refused_before_it_leaves(given: dict[str, object]) -> None:
    """GitHub shows the first 1,000 hits, and reads 256 characters."""

    async def play(desk: Desk) -> None:
        before = desk.services.transport.requests.get("api.github.com", 0)
        told = await desk.call("github_search", **{"kind": "repositories", **given})
        assert told.is_error
        assert desk.services.transport.requests.get("api.github.com", 0) == before

    at_desk(play)


def test_strangers_words_are_masked_and_then_cut() -> None:
    """A key in a description is nobody's to repeat; what is left is data of at most 300."""

    async def play(desk: Desk) -> None:
        repo = desk.world.github.repo(f"{OWNER}/recipe-web")
        assert repo is not None
        repo.description = f"recipe {'x' * 285} {KEY} and more {'y' * 99}"
        (found,) = (await search(desk, f"recipe user:{OWNER}"))["hits"]
        assert len(found["text"]) == 300
        assert KEY[:8] not in found["text"]

    at_desk(play)


def test_searches_are_counted_by_themselves_and_a_minute_at_a_time() -> None:
    """30 a minute; the thirty-first waits, and other reads go on (facts/github.md 1.9)."""

    async def play(desk: Desk) -> None:
        await desk.wait(seconds=60 - desk.clock.now().second)
        began = desk.clock.now()
        for nth in range(30):
            await search(desk, f"recipe{nth}")
        await desk.ask("github_list_repos", max_age=0)
        assert (desk.clock.now() - began).total_seconds() < 60
        await search(desk, "recipe")
        assert 59 <= (desk.clock.now() - began).total_seconds() <= 61

    at_desk(play)

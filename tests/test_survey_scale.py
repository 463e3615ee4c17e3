"""The survey of thousands: few requests, only what changed, unknown is not absent (issue 6)."""

import zlib
from math import ceil

import pytest
import sqlalchemy as sa

from mcp_server import store
from mcp_server.models import Health
from mcp_server.sandbox.mix import FULL
from mcp_server.survey import CHECKS_IN_TURN, MOST_NAMES, TREES_IN_TURN
from tests.survey_cases import Asked, Place, at_place, of

REPO = "factory-owner/recipe-web"


def asked_about(asked: list[Asked], *operations: str) -> list[int]:
    """Return the number of repositories that each query was about, or each of these queries."""
    wanted = operations or ("Facts", "Checks", "Failing")
    return [len(one.ids) for one in asked if one.operation in wanted]


@pytest.mark.parametrize("many", [300, pytest.param(3_000, marks=pytest.mark.deep)])
def test_a_first_survey_and_an_unchanged_one_stay_within_their_requests(many: int):
    """3,000 repositories: 150 requests cold, 40 unchanged; a page is 100, a batch 30."""

    async def play(place: Place) -> tuple[int, int, int]:
        assert len(await place.health()) == many
        cold = len(place.recorder.taken())
        await place.wait(minutes=6)
        await place.health()
        unchanged = len(place.recorder.taken())
        await place.wait(minutes=61)
        place.restart()
        await place.health()
        return cold, unchanged, len(place.recorder.taken())

    cold, unchanged, later = at_place(play, size=of(many))
    # And one batch of the names of checks that fail.
    assert cold <= many / 100 + many / 30 + min(15, ceil(many / 100)) + 1
    assert unchanged <= many / 100 + CHECKS_IN_TURN / 100 + 1
    assert later <= many / 100 + (CHECKS_IN_TURN + 100) / 100 + TREES_IN_TURN / 30 + 1
    assert many < 3_000 or (cold <= 150 and max(unchanged, later) <= 40)


# Seconds after a push at which no check of the world is there yet, or none has ended.
@pytest.mark.parametrize("after", [0, 65])
def test_only_what_changed_is_read_again(after: int):
    """By push, setting, issue or pull request; checks that had not ended are looked at later."""

    async def play(place: Place) -> None:
        await place.health()
        await place.wait(minutes=6)
        place.recorder.taken()
        hub = place.world.github
        repo = next(one for one in hub.repos.values() if one.full_name == REPO)
        commit = hub.commit(repo, repo.git.branches["main"], {"docs/guide.md": "x"}, "x", "a <a>")
        hub.push(repo, "main", commit)
        await place.wait(minutes=after / 60)
        before = (await place.health(REPO))[REPO]
        asked = place.recorder.taken()
        assert [one.ids for one in asked if one.is_query] == [(f"R_{repo.id}",)] * 2
        assert before.parts["docs"] == 0
        # That none is there yet is not the same as none: they are looked at once more.
        for seconds, queries in ((60, 0), (241, 1), (600, 0)):
            await place.wait(minutes=seconds / 60)
            await place.health(REPO)
            assert len(asked_about(place.recorder.taken())) == queries

    at_place(play)


def test_a_question_about_a_known_repository_costs_one_conditional_request():
    """Issue 6 point 1; its age is said."""

    async def play(place: Place) -> None:
        await place.health()
        await place.wait(minutes=40)
        await place.health(REPO)
        place.recorder.taken()
        await place.wait(minutes=10)
        found = await place.parts.survey.health([REPO])
        asked = place.recorder.taken()
        assert [(one.status, one.conditional) for one in asked] == [(304, True)]
        assert found.age_seconds == 50 * 60

    at_place(play, size=of(90))


def test_everything_is_read_again_in_turns():
    """CI turns red without a push: nothing in a listing tells (facts/github.md 1.2)."""

    async def play(place: Place) -> tuple[list[int], int]:
        await place.health()
        ids = {one.node_id for one in await place.parts.account.listed(max_age=9)}
        place.recorder.taken()
        seen: list[set[str]] = []
        for _ in range(4):
            await place.wait(minutes=61)
            await place.health()
            batches = [one.ids for one in place.recorder.taken() if len(one.ids) in range(1, 31)]
            seen.append({one for batch in batches for one in batch})
        return [len(one) for one in seen], len(ids - set[str]().union(*seen))

    turns, never = at_place(play, size=of(200))
    assert max(turns) <= TREES_IN_TURN + 30
    assert never == 10  # archived ones and forks, which nobody spends on


def test_a_new_process_starts_with_what_the_last_one_knew():
    """And with nothing of what another version wrote, or of what is gone."""

    async def play(place: Place) -> None:
        first = await place.health()
        with place.engine.begin() as tx:
            tx.execute(
                sa.update(store.cache)
                .where(store.cache.c.key == REPO)
                .values(body=zlib.compress(b'{"from": "elsewhere"}'))
            )
        place.world.github.delete(place.world.github.repos["factory-owner/invoice-extension"])
        place.restart()
        again = await place.health()
        assert asked_about(place.recorder.taken()) == [1, 1]
        assert again == {name: one for name, one in first.items() if name in again}
        assert len(again) == len(first) - 1
        with place.engine.begin() as tx:
            kept = set(tx.execute(sa.select(store.cache.c.key)).scalars())
        assert {"factory-owner/invoice-extension", *again} - kept == {
            "factory-owner/invoice-extension"
        }

    at_place(play)


@pytest.mark.parametrize("in_part", [False, True])
def test_batches_that_are_too_heavy_are_halved_and_grow_slowly(in_part: bool):
    """502, or a part of the data with an error: nobody is left out, nobody is taken for empty."""

    async def play(place: Place) -> tuple[dict[str, Health], dict[str, Health], list[int]]:
        right = await place.health()
        place.world.graphql.too_many = 12
        place.world.graphql.tells_in_part = in_part
        place.restart("other")
        return await place.health(), right, asked_about(place.recorder.taken(), "Facts")

    found, right, sizes = at_place(play)
    assert found == right
    assert sizes[:4] == [30, 15, 7, 8]
    assert max(sizes[2:-2]) <= 12


def test_a_graphql_that_never_bears_anything_ends_the_survey_soon():
    """Not after a thousand tries; what could not be read is unknown, and tried again later."""

    async def play(place: Place) -> None:
        place.world.graphql.too_many = 1
        found = await place.health()
        assert len(place.recorder.taken()) <= 15
        assert {one.improvement for one in found.values()} == {None}
        assert {one.has_ci for one in found.values()} == {None}
        place.world.graphql.too_many = 61
        await place.wait(minutes=6)
        assert None not in {one.has_ci for one in (await place.health()).values()}

    at_place(play)


def test_without_graphql_the_same_is_read_one_by_one_and_said():
    """GitHub Enterprise, or a token it refuses: one way less, the same facts."""

    async def play(place: Place) -> tuple[dict[str, Health], dict[str, Health]]:
        batched = await place.health()
        place.restart("other")
        place.world.graphql.offered = False
        return batched, await place.health()

    batched, single = at_place(play)
    assert {name: (one.score, one.parts, one.left_out) for name, one in single.items()} == {
        name: (one.score, one.parts, one.left_out) for name, one in batched.items()
    }
    assert all("GraphQL is refused" in one.evidence[-1] for one in single.values())


def test_checks_that_the_token_may_not_see_are_unknown_and_not_absent():
    """A fine-grained token (facts/github.md 1.8); it costs one request to learn."""

    async def play(place: Place) -> tuple[dict[str, Health], list[int]]:
        place.world.graphql.reads_checks = False
        found = await place.health()
        return found, asked_about(place.recorder.taken(), "Checks")

    found, checks = at_place(play, size=of(250))
    assert checks == [100]
    worked_on = [one for one in found.values() if one.left_out is None]
    assert all("ci: checks could not be read" in one.evidence for one in worked_on)
    assert {one.parts["ci"] for one in worked_on} == {0, 14}
    assert {one.has_ci for one in worked_on} == {True, False}


def test_an_empty_repository_is_a_state_of_its_own():
    """No branch to start from: neither unreadable nor without a README."""

    async def play(place: Place) -> dict[str, Health]:
        return await place.health()

    left_out = [one.left_out or "" for one in at_place(play).values()]
    assert sum("no commit yet" in reason for reason in left_out) == FULL.empty


def redden(place: Place, *names: str) -> None:
    """Break the default branches of these repositories."""
    hub = place.world.github
    for repo in [one for one in hub.repos.values() if one.full_name in names]:
        repo.broken["main"] = True
        commit = hub.commit(repo, repo.git.branches["main"], {"src/x.ts": "x"}, "x", "a <a>")
        hub.push(repo, "main", commit)


@pytest.mark.parametrize("graphql", [True, False])
def test_a_red_default_branch_is_told_with_the_checks_that_fail(graphql: bool):
    """Issue 6 point 3; by either way of reading, and asked once."""

    async def play(place: Place) -> tuple[Health, list[int]]:
        place.world.graphql.offered = graphql
        redden(place, REPO)
        await place.wait(minutes=15)
        found = await place.health(REPO)
        await place.wait(minutes=1)
        await place.health(REPO)
        return found[REPO], asked_about(place.recorder.taken(), "Failing")

    found, asked = at_place(play)
    assert "branch: main fails: ci" in found.evidence
    assert found.parts["branch"] == 8
    assert asked == ([1] if graphql else [])


def test_who_asks_about_a_red_repository_is_told_what_a_look_at_all_had_no_room_for():
    """A look at all names the checks of one batch; a question names the rest of its own."""

    async def play(place: Place) -> tuple[int, int]:
        with_ci = [name for name, one in (await place.health()).items() if one.has_ci]
        place.recorder.taken()
        redden(place, *with_ci)
        await place.wait(minutes=15)
        red = {name for name, one in (await place.health()).items() if one.parts.get("branch")}
        first = asked_about(place.recorder.taken(), "Failing")
        named = await place.health(*red)
        asked = asked_about(place.recorder.taken(), "Failing")
        told = [one for one in named.values() if "branch: main fails: ci" in one.evidence]
        assert (first, asked) == ([MOST_NAMES], [len(red) - MOST_NAMES])
        return len(red), len(told)

    red, told = at_place(play, size=of(60))
    assert red == told > MOST_NAMES


def test_a_pull_request_that_nobody_touches_is_told_with_its_age():
    """Issue 6 point 3: stale by age, not by number alone."""

    async def play(place: Place) -> dict[str, Health]:
        return await place.health()

    told = [line for one in at_place(play).values() for line in one.evidence]
    assert any("1 untouched for over 30 days" in line for line in told)

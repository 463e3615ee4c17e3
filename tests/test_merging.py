"""What a merge's commit says, and by which method it is made."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_server.errors import Refused
from mcp_server.guard import bodies
from mcp_server.merging import commit_words, method_for
from mcp_server.models import Check, Marker, PullRequest
from mcp_server.sandbox.repository import Pull
from tests.agent_cases import REPO, Desk, at_desk, pull, session
from tests.mutation_cases import of_ours, repo_of

MARKER = Marker(
    ledger="0badcafe",
    date="2026-11-23",
    lane="optimize",
    task_key="kone",
    attempt=1,
    valid=True,
)
SKIPPING = ("[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]")
GREEN = (Check(name="test", conclusion="success"), Check(name="docs", conclusion="skipped"))


def titled(title: str) -> PullRequest:
    return pull(title=title)


@pytest.mark.parametrize(
    ("allowed", "method"),
    [
        (None, "squash"),
        (frozenset({"squash", "merge", "rebase"}), "squash"),
        (frozenset({"merge", "rebase"}), "merge"),
        (frozenset({"rebase"}), "rebase"),
    ],
)
def test_the_first_method_that_is_allowed_is_taken(
    allowed: frozenset[str] | None, method: str
) -> None:
    """One commit where that may be."""
    assert method_for("me/app", allowed) == method


def test_without_any_method_a_person_is_told() -> None:
    """GitHub cannot even be set so, but an answer can say it."""
    with pytest.raises(Refused, match="me/app allows no way") as caught:
        method_for("me/app", frozenset())
    assert caught.value.limit == "merge_method"


@pytest.mark.parametrize(
    ("lane", "title", "said"),
    [
        ("optimize", "fix(api): retry once", "fix(api): retry once (#7)"),
        ("optimize", "Retry once", "chore: Retry once (#7)"),
        ("create", "Retry once", "feat: Retry once (#7)"),
        ("update", "feature: retry", "feat: feature: retry (#7)"),
        ("repair", "Retry\nonce", "fix: Retry once (#7)"),
        ("manual", "", "chore: work of session s1 (#7)"),
        ("optimize", "docs: say why [Skip CI]", "docs: say why (Skip CI) (#7)"),
        ("manual", "see https://evil.example/x", "chore: see [link] (#7)"),
    ],
)
def test_a_title_becomes_a_conventional_commit(lane: str, title: str, said: str) -> None:
    """facts/style.md: what is one stays as it is."""
    tag = MARKER.model_copy(update={"lane": lane})
    assert commit_words(titled(title), session(marker=tag, id="s1"), GREEN)[0] == said


def test_a_message_says_what_from_where_and_how_tested() -> None:
    """The commit outlives the pull request and the session."""
    message = commit_words(titled("x"), session(marker=MARKER, id="s1"), GREEN)[1]
    for word in ("session s1", "task kone", "lane optimize", titled("x").url, ": test.\n"):
        assert word in message, word
    assert message.endswith("Jules-Session: s1\nFactory-Task: kone")


@pytest.mark.parametrize("word", SKIPPING)
def test_no_stranger_s_words_keep_the_checks_of_the_base_from_running(word: str) -> None:
    """What a merge makes of its base is watched; with such a word no merge leaves the guard."""
    checks = [Check(name=f"test {word}", conclusion="success")]
    words = commit_words(titled(f"fix: x {word}"), session(marker=MARKER), checks)
    assert word not in " ".join(words)
    for title, message in ((f"fix: x {word}", "y"), ("fix: x", f"y\n{word.upper()}")):
        with pytest.raises(ValidationError, match="no workflow"):
            bodies.MergePull(
                sha="a" * 40, merge_method="squash", commit_title=title, commit_message=message
            )


@given(
    st.text(max_size=400) | st.sampled_from(SKIPPING),
    st.lists(st.text(max_size=90), max_size=60),
    st.booleans(),
)
def test_whatever_a_stranger_calls_it_the_guard_lets_it_out(
    title: str, names: list[str], own_ci: bool
) -> None:
    """A title or a check's name is no reason for a merge to fail; our own CI has words of ours."""
    checks = [Check(name=name, conclusion="success") for name in names]
    words = commit_words(titled(title), None if own_ci else session(marker=MARKER), checks)
    body = bodies.MergePull(
        sha="a" * 40, merge_method="squash", commit_title=words[0], commit_message=words[1]
    )
    assert re.fullmatch(bodies.CONVENTIONAL, body.commit_title)


@pytest.mark.parametrize(
    ("allowed", "parents"), [({"squash", "merge"}, 1), ({"merge"}, 2), ({"rebase"}, 1)]
)
def test_a_merge_is_made_as_the_repository_lets_it(allowed: set[str], parents: int) -> None:
    """DESIGN.md section 5: squashes, or another method the repository allows."""

    async def play(desk: Desk) -> None:
        head = await green(desk)
        repo = repo_of(desk, REPO)
        repo.merge_methods = frozenset(allowed)
        given = {"repo": REPO, "number": head.number, "head_sha": head.head}
        found = await desk.ask("github_merge_pull", **given)
        commit = repo.git.commits[found["merge_sha"]]
        assert len(commit.parents) == parents
        if "rebase" not in allowed:
            assert re.match(bodies.CONVENTIONAL, commit.message.partition("\n")[0])
            assert "Factory-Task: kone" in commit.message
        assert desk.broken == []

    at_desk(play)


async def green(desk: Desk) -> Pull:
    """Return a pull request of ours that the gate would merge."""
    one = of_ours(desk.services, desk.world, "kone", REPO, auto_pull=True)
    for _ in range(6):
        await desk.wait(minutes=5)
        if one.pull is not None:
            await desk.call("github_get_pull", repo=REPO, number=one.pull)
    assert one.pull is not None
    return repo_of(desk, REPO).pulls[one.pull]

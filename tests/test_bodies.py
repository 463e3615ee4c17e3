"""The one shape of each mutation's body: strict, closed, and the same bytes every time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_server.clients import github, jules
from mcp_server.clients.jules import StartOptions
from mcp_server.guard.bodies import CreateTree, TreeFile, encode
from mcp_server.guard.request import Prepared
from tests.guard_cases import SHA, merge_of, start, title


def test_a_new_repository_is_always_said_to_be_private():
    """GitHub makes it public when nothing is said; so the bytes say it, whoever builds them."""
    sent = json.loads(github.create_repository("new-tool", "a new tool").content)
    assert sent == {
        "name": "new-tool",
        "description": "a new tool",
        "private": True,
        "auto_init": True,
        "has_wiki": False,
        "delete_branch_on_merge": False,
        "allow_auto_merge": False,
    }


def test_a_merge_says_the_head_and_the_method():
    """Without a method GitHub would make a merge commit; without the head, merge another one."""
    sent = json.loads(merge_of().content)
    assert sent == {
        "sha": SHA,
        "merge_method": "squash",
        "commit_title": "feat: a tool (#7)",
        "commit_message": "Tested by the checks.\n\nFactory-Task: kone",
    }


@pytest.mark.parametrize(
    "words",
    [
        ("a tool", "x"),
        ("feat:a tool", "x"),
        ("Feat: a tool", "x"),
        ("feat: a tool\nfix: another", "x"),
        (f"feat: {'x' * 200}", "x"),
        ("feat: a tool", ""),
        ("feat: a tool", "x\x1b[2J"),
        ("feat: a tool", "x" * 5_001),
    ],
)
def test_the_words_of_a_merge_are_a_conventional_commit(words: tuple[str, str]):
    """They stay in somebody's history for good."""
    with pytest.raises(ValidationError):
        github.merge_pull("owner/tool", 7, SHA, method="squash", words=words)


def test_a_branch_is_moved_without_force_in_so_many_words():
    """The bytes say it."""
    assert json.loads(github.move_branch("owner/tool", "main", SHA).content) == {
        "sha": SHA,
        "force": False,
    }


def test_a_repoless_session_names_no_source_and_opens_no_pull_request():
    """Absent fields are left out: Jules refuses an explicit null."""
    options = StartOptions(prompt="do it", title=title(repo=None), repo=None, branch=None)
    sent = json.loads(jules.start_session(options).content)
    assert sent == {"prompt": "do it", "title": title(repo=None), "requirePlanApproval": False}


@pytest.mark.parametrize("name", ["", "A", "-a", "a_b", "a.b", "a/b", "a b", "x" * 101, "a\n"])
def test_a_repository_name_that_github_would_change_is_no_name(name: str):
    """GitHub rewrites odd names silently: the ticket would name another one than was made."""
    with pytest.raises(ValidationError):
        github.create_repository(name, "x")


@pytest.mark.parametrize("sha", ["", "main", "a" * 39, "a" * 41, "A" * 40, "g" * 40, f"{SHA}\n"])
def test_what_is_not_forty_hex_digits_is_no_commit(sha: str):
    """A branch name in its place would merge whatever stands there by then."""
    with pytest.raises(ValidationError):
        merge_of(sha=sha)


_PARTS = st.sampled_from(["a", "src", "..", ".", "", ".git", ".Git", ".github", "a b", "-x", "é"])


@given(st.lists(_PARTS, min_size=1, max_size=4))
def test_a_tree_path_stays_inside_the_tree_and_out_of_git(parts: list[str]):
    """Accepted if and only if every part is a plain name."""
    bad = {"..", ".", "", ".git", ".Git", "é"}
    try:
        TreeFile(path="/".join(parts), content="")
    except ValidationError:
        assert bad & set(parts)
        return
    assert not bad & set(parts)


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_same_body_has_the_same_bytes_and_another_body_others(one: str, two: str):
    """What is digested is what is sent."""
    files = [CreateTree(base_tree=SHA, tree=[TreeFile(path="a", content=x)]) for x in (one, two)]
    assert (encode(files[0]) == encode(files[1])) == (one == two)
    assert json.loads(encode(files[0]))["tree"][0]["content"] == one


@pytest.mark.parametrize(
    ("prepared", "repo", "target"),
    [
        (start(repo="owner/tool"), "owner/tool", None),
        (start(repo=None), None, None),
        (jules.send_message("s1", "go on"), None, "s1"),
        (jules.archive_session("s1"), None, "s1"),
        (github.create_repository("new", "x"), None, None),
        (github.move_branch("owner/tool", "main", SHA), "owner/tool", None),
        (merge_of(), "owner/tool", "owner/tool#7"),
        (github.update_branch("owner/tool", 7, SHA), "owner/tool", "owner/tool#7"),
    ],
)
def test_what_a_mutation_concerns_is_read_from_the_request(
    prepared: Prepared, repo: str | None, target: str | None
):
    """So that nobody reserves under one name and sends under another."""
    assert (prepared.repo, prepared.target) == (repo, target)

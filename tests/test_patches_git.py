"""Patches against real git: what is accepted leads to the tree that `git apply` leads to."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.clients.github_patches import create_tree
from mcp_server.errors import Refused
from mcp_server.patches.parse import parse
from mcp_server.patches.plan import Plan, blobs_needed, check, plan
from mcp_server.patches.tree import Entry, tree_sha
from mcp_server.sandbox.git import File
from mcp_server.sandbox.mix import CALM
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.tokens import GITHUB_TOKEN
from mcp_server.sandbox.world import EPOCH, World
from tests.guard_cases import ManualClock
from tests.patch_cases import Files, RealGit, real_git

PATHS = ("a", "b.txt", "dir/b.txt", "dir/sub/c", "dir.x", "dir-x/a", "with space b/x", "[id] (1).x")
# What looks like a diff's own lines, every line end that is none to git, and plain words.
LINES = (
    *(
        "one",
        "two",
        "three",
        "",
        "-- a",
        "++ b",
        "-",
        "+",
        " ",
        "\\ No newline",
        "diff --git a/a b/a",
    ),
    *("@@ -1 +1 @@", "cr\r", "\r", "form\ffeed", "tab\t", "\u2028é", "\v"),
)
TEXTS = st.tuples(
    st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(["\n", "\n", "\n", ""])
).map(lambda made: ("\n".join(made[0]) + made[1] * bool(made[0])).encode())
FILES = st.tuples(st.sampled_from(["100644", "100644", "100755"]), TEXTS)
TREES = st.dictionaries(st.sampled_from(PATHS), FILES, min_size=1, max_size=6)
FLAGS = (
    *("-U3", "-U0", "-U1", "-M", "--no-renames", "-B", "--full-index"),
    "-C --find-copies-harder",
    "-M10% -U2",
)


@dataclass(frozen=True)
class Edit:
    """A change of a set of files: what becomes of each, by a number."""

    files: dict[str, tuple[str, bytes]]
    numbers: tuple[int, ...]
    fresh: dict[str, tuple[str, bytes]]

    def done(self) -> dict[str, tuple[str, bytes]]:
        """Return the files after it."""
        after = dict(self.files)
        for number, (path, (mode, content)) in zip(self.numbers, self.files.items(), strict=False):
            lines = content.splitlines(keepends=True)
            at = number % (len(lines) + 1)
            match number % 7:
                case 0:
                    del after[path]
                case 1:
                    after[path] = (mode, b"".join([*lines[:at], b"put in\n", *lines[at:]]))
                case 2:
                    after[path] = (mode, b"".join([*lines[:at], *lines[at + 1 :]]))
                case 3:
                    after[path] = ("100755" if mode == "100644" else "100644", content)
                case 4:
                    after["moved/" + path.replace("/", "_")] = after.pop(path)
                case 5:
                    after["copy/" + path.replace("/", "_")] = (mode, content + b"and more\n")
                case _:
                    pass
        return after | self.fresh


EDITS = st.builds(
    Edit,
    TREES,
    st.lists(st.integers(0, 99), min_size=6, max_size=6).map(tuple),
    st.dictionaries(st.sampled_from(PATHS), FILES, max_size=2),
)


def nested(files: Files) -> bool:
    """Whether a file stands where another one needs a folder."""
    return any(path.startswith(f"{other}/") for path in files for other in files)


def planned(tree: dict[str, Entry], contents: dict[str, bytes], diff: str) -> Plan | None:
    """Return what we make of a diff; None: refused."""
    with suppress(Refused):
        patches = parse(diff)
        check(patches)
        needed = blobs_needed(patches, tree)
        return plan(patches, tree, {sha: contents[sha] for sha in needed})
    return None


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> RealGit:
    """Return one repository for all examples: objects do no harm to each other."""
    return real_git(Path(tmp_path_factory.mktemp("git")))


@pytest.fixture(scope="module")
def world() -> World:
    """Return a world whose GitHub is given the trees."""
    return World(seed=7, clock=ManualClock(EPOCH), sites=Sites(seed=7, directory=None), size=CALM)


def made_by_github(world: World, files: Files, tree: dict[str, Entry], wanted: Plan) -> str:
    """Ask the sandbox's GitHub for the tree, by the request that the client builds."""
    repo = next(iter(world.github.repos.values()))
    for _, content in files.values():
        repo.git.add_blob(content)
    base = repo.git.add_tree({path: File(*entry) for path, entry in tree.items()})
    prepared = create_tree(repo.full_name, base, wanted.changes)
    request = httpx2.Request(
        "POST",
        f"https://api.github.com{prepared.path}",
        headers={"authorization": f"Bearer {GITHUB_TOKEN}"},
    )
    reply = world.exchange(request, prepared.content)
    assert reply.status == 201, reply.body
    return json.loads(reply.content())["sha"]


def spoilt(diff: str, draws: list[tuple[int, int]]) -> Iterator[str]:
    """Yield diffs with one line gone, twice, changed, or another one's number."""
    lines = diff.split("\n")
    for how, where in draws:
        at = where % len(lines)
        line = lines[at]
        swapped = line.replace("1", "2") if how % 2 else line[:1] + "x" + line[1:]
        put = ([], [line, line], [swapped], [line.removeprefix(" ")])[how % 4]
        # A last newline that is missing is put back here, and is a refusal to git.
        yield "\n".join([*lines[:at], *put, *lines[at + 1 :]]).removesuffix("\n") + "\n"


@pytest.mark.parametrize("examples", [50, pytest.param(1_500, marks=pytest.mark.deep)])
def test_an_accepted_diff_leads_to_the_tree_of_git_apply(git: RealGit, world: World, examples: int):
    """Issue 6, 6: our tree, the sandbox's GitHub's and git's are one; a spoilt diff's too."""
    accepted = list[str]()

    @settings(max_examples=examples, deadline=None)
    @given(
        EDITS,
        st.sampled_from(FLAGS),
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), max_size=2),
    )
    def agree(edit: Edit, flags: str, draws: list[tuple[int, int]]) -> None:
        after = edit.done()
        if nested(edit.files) or nested(after):
            return
        contents = {"x": b""}
        before, wanted = git.trees(edit.files, after)
        tree = git.listing(before)
        assert tree_sha(tree) == before
        contents = {tree[path].sha: content for path, (_, content) in edit.files.items()}
        diff = git.run("diff", *flags.split(), before, wanted).decode()
        made = planned(tree, contents, diff)
        theirs = git.after(before, diff.encode())
        if made is None:
            # Nothing to do; or so little shown (-U0) that git refuses it, or puts it elsewhere.
            assert not after or before == wanted or theirs != wanted, diff
            return
        assert made.tree == theirs == wanted, diff
        assert made_by_github(world, edit.files, tree, made) == wanted
        accepted.append(diff)
        for one in spoilt(diff, draws):
            odd = planned(tree, contents, one)
            assert odd is None or odd.tree == git.after(before, one.encode()), one

    agree()
    assert len(accepted) > examples // 3

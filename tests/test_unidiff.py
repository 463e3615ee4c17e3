"""Unified diffs: taken apart by file, counted, and cut at whole files."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.insight.unidiff import fitting, split

LINES = st.lists(st.sampled_from(["a", "b", "--- a/x", "+++ b/x", "diff --git a/y b/y", "@@", ""]))


def made(path: str, old: list[str], new: list[str]) -> tuple[str, int, int]:
    """Return git's diff of a file, and what it adds and removes; empty where nothing changed."""
    lines = list(difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm=""))
    if not lines:
        return "", 0, 0
    text = "".join(f"{line}\n" for line in [f"diff --git a/{path} b/{path}", *lines])
    body = [line for line in lines[2:] if not line.startswith("@@ -")]
    added = sum(line.startswith("+") for line in body)
    return text, added, sum(line.startswith("-") for line in body)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LINES, LINES), max_size=4))
def test_the_parts_of_a_diff_are_the_diff_and_its_count(files: list[tuple[list[str], list[str]]]):
    """Also where the lines of a file look like the head of another one."""
    whole = [made(f"src/f{nth}.py", old, new) for nth, (old, new) in enumerate(files)]
    parts = split("".join(text for text, _, _ in whole))
    assert [(one.text, one.added, one.removed) for one in parts] == [one for one in whole if one[0]]
    assert [one.path for one in parts] == [f"src/f{n}.py" for n, one in enumerate(whole) if one[0]]


GIT = "diff --git a/x y.py b/x y.py\n--- a/x y.py\n+++ b/x y.py\n@@ -1 +1 @@\n-1\n+2\n"
PLAIN = (
    "--- old.txt\n+++ new.txt\n@@ -1 +1,2 @@\n 1\n+2\n"
    "--- b.txt\t2026\n+++ b.txt\n@@ -1 +0,0 @@\n-1\n"
)
GONE = (
    "diff --git a/gone b/gone\ndeleted file mode 100644\n"
    "--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
)
BINARY = (
    "diff --git a/p.png b/p.png\nnew file mode 100644\nBinary files /dev/null and b/p.png differ\n"
)
NO_END = "diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-1\n\\ No newline at end of file\n+2\n"
FEED = "diff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -0,0 +1 @@\n+1\x0c--- a/g\n"


@pytest.mark.parametrize(
    ("diff", "counted"),
    [
        (GIT, [("x y.py", 1, 1)]),
        (PLAIN, [("new.txt", 1, 0), ("b.txt", 0, 1)]),
        (GONE, [("gone", 0, 1)]),
        (BINARY, [("p.png", 0, 0)]),
        (NO_END + GIT, [("n", 1, 1), ("x y.py", 1, 1)]),
        (FEED, [("f", 1, 0)]),
        ("words\n" + GIT, [("x y.py", 1, 1)]),
        ("no diff", []),
        ("", []),
    ],
)
def test_every_kind_of_part_is_counted(diff: str, counted: list[tuple[str, int, int]]):
    """New, gone, binary, without a last line's end, and what is no diff at all."""
    assert [(one.path, one.added, one.removed) for one in split(diff)] == counted


def test_what_fits_is_whole_files_first_come_first_served():
    """A file cut in the middle is a diff that says something else."""
    files = split(GIT + GONE + BINARY)
    sizes = [len(one.text) for one in files]
    assert [one.path for one in fitting(files, sum(sizes))] == ["x y.py", "gone", "p.png"]
    assert [one.path for one in fitting(files, sizes[0] + sizes[2])] == ["x y.py", "p.png"]
    assert fitting(files, min(sizes) - 1) == ()

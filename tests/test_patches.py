"""Unified diffs by hand: what git would bend, guess or follow is refused here, with its place."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.errors import Refused
from mcp_server.guard import bodies, paths
from mcp_server.patches import names
from mcp_server.patches.parse import MOST_CHARACTERS, MOST_FILES, parse
from mcp_server.patches.plan import MOST_BYTES, Plan, blobs_needed, check, plan
from mcp_server.patches.tree import Entry, blob_sha

CONTENTS = {
    "a.txt": b"one\ntwo\nthree\nfour\n",
    "bare": b"one\ntwo",
    "crlf.txt": b"one\r\ntwo\r\n",
    "empty": b"",
    "one": b"one\n",
    "latin": b"one\ntwo\n\xe9\n",
    "nul": b"one\n\0\n",
    "link": b"a.txt",
    "lib": b"submodule",
}
MODES = {"link": "120000", "lib": "160000"}
TREE = {
    path: Entry(MODES.get(path, "100644"), blob_sha(content)) for path, content in CONTENTS.items()
}


def planned(diff: str) -> Plan:
    """Return the plan for a diff of the tree above."""
    patches = parse(diff)
    check(patches)
    contents = {blob_sha(content): content for content in CONTENTS.values()}
    return plan(patches, TREE, {sha: contents[sha] for sha in blobs_needed(patches, TREE)})


def head(old: str, new: str = "", *more: str) -> str:
    """Return the lines above the names of a file's part."""
    return "\n".join([f"diff --git a/{old} b/{new or old}", *more, ""])


def file(path: str, *lines: str, about: tuple[str, ...] = ()) -> str:
    """Return a file's part: its head, what more is said `about` it, both names, these lines."""
    old = "/dev/null" if any("new file" in one for one in about) else f"a/{path}"
    new = "/dev/null" if any("deleted" in one for one in about) else f"b/{path}"
    return head(path, "", *about) + "\n".join([f"--- {old}", f"+++ {new}", *lines, ""])


ADD = ("new file mode 100644",)
GONE = ("deleted file mode 100644",)
BODY = ("@@ -1,3 +1,3 @@", " one", "-two", "+2", " three")
RENAME = ("similarity index 100%", "rename from a.txt", "rename to b.txt")

# Diff → path, content, mode of each change; a content of None is a blob that is there, "" none.
FINE: dict[str, tuple[str, list[tuple[str, str | None, str]]]] = {
    "a line": (file("a.txt", *BODY), [("a.txt", "one\n2\nthree\nfour\n", "100644")]),
    "no newline at the end of the patch": (
        file("a.txt", *BODY).removesuffix("\n"),
        [("a.txt", "one\n2\nthree\nfour\n", "100644")],
    ),
    "a newline is put at the end": (
        file("bare", "@@ -2 +2 @@", "-two", "\\ No newline at end of file", "+two"),
        [("bare", "one\ntwo\n", "100644")],
    ),
    "a newline is taken from the end": (
        file("a.txt", "@@ -4 +4 @@", "-four", "+4", "\\ No newline at end of file"),
        [("a.txt", "one\ntwo\nthree\n4", "100644")],
    ),
    "returns are part of a line": (
        file("crlf.txt", "@@ -1,2 +1,2 @@", " one\r", "-two\r", "+2\r"),
        [("crlf.txt", "one\r\n2\r\n", "100644")],
    ),
    "a new file, and one that runs": (
        file("n", "@@ -0,0 +1 @@", "+x", about=ADD)
        + file("run", "@@ -0,0 +1 @@", "+x", about=("new file mode 100755",)),
        [("n", "x\n", "100644"), ("run", "x\n", "100755")],
    ),
    "an empty new file": (
        head("n", "", *ADD, "index 0000000..e69de29"),
        [("n", "", "100644")],
    ),
    "an empty file goes": (head("empty", "", *GONE), [("empty", "gone", "100644")]),
    "a mode": (
        head("a.txt", "", "old mode 100644", "new mode 100755"),
        [("a.txt", None, "100755")],
    ),
    "a move": (
        head("a.txt", "b.txt", *RENAME),
        [("a.txt", "gone", "100644"), ("b.txt", None, "100644")],
    ),
    "a move of what is no text": (
        head("nul", "d/nul", "similarity index 100%", "rename from nul", "rename to d/nul"),
        [("d/nul", None, "100644"), ("nul", "gone", "100644")],
    ),
    "two files change places": (
        head("a.txt", "bare", "rename from a.txt", "rename to bare")
        + head("bare", "a.txt", "rename from bare", "rename to a.txt"),
        [("a.txt", None, "100644"), ("bare", None, "100644")],
    ),
    "a file becomes a folder": (
        head("empty", "", *GONE) + file("empty/x", "@@ -0,0 +1 @@", "+x", about=ADD),
        [("empty", "gone", "100644"), ("empty/x", "x\n", "100644")],
    ),
}


@pytest.mark.parametrize(("diff", "changes"), FINE.values(), ids=list(FINE))
def test_what_git_writes_is_understood(diff: str, changes: list[tuple[str, str | None, str]]):
    """Modes, moves, deletions, line ends; git itself is asked in tests/test_patches_git.py."""
    found = [
        (one.path, "gone" if one.content == one.sha else one.content, one.mode)
        for one in planned(diff).changes
    ]
    assert found == changes


UNREADABLE: dict[str, tuple[str, int]] = {
    "nothing": ("", 1),
    "prose": ("Sure! Here is the patch:\n" + file("a.txt", *BODY), 1),
    "no head of git's": ("--- a/a.txt\n+++ b/a.txt\n" + "\n".join(BODY), 1),
    "binary": (head("a", "", *ADD, "GIT binary patch", "literal 3"), 3),
    "binary, unsaid": (head("a", "", "Binary files a/a and b/a differ"), 2),
    "a NUL": (file("n", "@@ -0,0 +1 @@", "+\0", about=ADD), 6),
    "a symlink": (file("n", "@@ -0,0 +1 @@", "+a", about=("new file mode 120000",)), 2),
    "a submodule": (file("n", "@@ -0,0 +1 @@", "+a", about=("new file mode 160000",)), 2),
    "an odd mode": (head("a.txt", "", "old mode 100644", "new mode 104755"), 3),
    "a mode of one side": (head("a.txt", "", "new mode 100755"), 1),
    "a mode by its index": (file("link", *BODY, about=("index 1234567..89abcde 120000",)), 2),
    "two modes": (head("n", "", *ADD, "new file mode 100755"), 3),
    "two wishes": (head("a.txt", "", *ADD, *GONE), 1),
    "an unknown word": (head("a.txt", "", "old sparse 1"), 2),
    "names that differ": (
        head("a.txt", "b.txt") + "--- a/a.txt\n+++ b/b.txt\n@@ -1 +1 @@\n-a\n+b\n",
        1,
    ),
    "a third name": (file("a.txt", *BODY).replace("+++ b/a.txt", "+++ b/b.txt"), 1),
    "moved to another name": (head("a.txt", "b.txt", "rename from a.txt", "rename to c"), 1),
    "moved from nowhere": (head("a.txt", "b.txt", "rename to b.txt"), 1),
    "no prefix": ("diff --git a.txt a.txt\n--- a.txt\n+++ a.txt\n@@ -1 +1 @@\n-a\n+b\n", 2),
    "new, with an old name": (
        head("n", "", *ADD) + "--- a/n\n+++ b/n\n@@ -0,0 +1 @@\n+x\n",
        1,
    ),
    "from nowhere, unsaid": (head("n") + "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n", 1),
    "nothing changes": (head("a.txt"), 1),
    "no hunk": (head("a.txt") + "--- a/a.txt\n+++ b/a.txt\n", 4),
    "a hunk without a change": (file("a.txt", "@@ -1 +1 @@", " one"), 6),
    "cut off": (file("a.txt", "@@ -1,3 +1,3 @@", " one", "-two"), 7),
    "a line too many": (file("a.txt", *BODY, " four"), 9),
    "a count too high": (file("a.txt", "@@ -1,9 +1,9 @@", *BODY[1:]) + head("bare"), 9),
    "a hunk at nothing": (file("a.txt", "@@ -0 +1 @@", "-one", "+1"), 4),
    "a hunk's head in Arabic": (file("a.txt", "@@ -\u0661 +\u0661 @@", "-one", "+1"), 4),
    "an end without a line": (file("a.txt", "@@ -1 +1 @@", "\\ No newline", "-one", "+1"), 5),
    "a line after the end": (
        file("a.txt", "@@ -1,2 +1 @@", "-one", "\\ No newline", "-two", "+1"),
        7,
    ),
    "a mail's signature": (file("a.txt", *BODY, "-- ", "2.39.5"), 9),
    "no text": (file("a.txt", "@@ -1 +1 @@", "-one", "+\ud800"), 6),
    "the same file twice": (file("a.txt", *BODY) * 2, 0),
    "one file moved twice": (
        head("a.txt", "b.txt", *RENAME) + head("a.txt", "c", "rename from a.txt", "rename to c"),
        0,
    ),
    "too many files": ("".join(head(f"n{n}", "", *ADD) for n in range(MOST_FILES + 1)), 1),
    "too long": ("x" * (MOST_CHARACTERS + 1), 1),
}


@pytest.mark.parametrize(("diff", "line"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_is_not_plainly_a_diff_is_refused_by_its_line(diff: str, line: int):
    """Nothing is skipped, guessed or put right."""
    with pytest.raises(Refused, match=f"line {line} of" if line else "twice") as refused:
        planned(diff)
    assert refused.value.limit == "patch_unreadable"


UNFIT: dict[str, tuple[str, str]] = {
    "another line": (
        file("a.txt", "@@ -1,2 +1,2 @@", " one", "-zwei", "+2"),
        "hunk '@@ -1,2 .*line 2",
    ),
    "one line further down": (
        file("a.txt", "@@ -2,3 +2,3 @@", " one", "-two", "+2", " three"),
        "line 2 is",
    ),
    "past the end": (file("a.txt", "@@ -9 +9 @@", "-one", "+1"), "hunk '@@ -9"),
    "after a line that is not shown": (
        file("one", "@@ -1,0 +2 @@", "+x"),
        "no line around",
    ),
    "not at the end": (file("a.txt", "@@ -1 +1 @@", "-one", "+1"), "not at the end"),
    "at another place after": (file("a.txt", "@@ -1,3 +2,3 @@", *BODY[1:]), "stand at 1"),
    "hunks that overlap": (
        file("a.txt", *BODY, "@@ -3,2 +3,2 @@", " three", "-four", "+4"),
        "overlaps",
    ),
    "a newline that is not there": (file("bare", "@@ -2 +2 @@", "-two", "+2"), "line 2"),
    "a return that is not there": (file("a.txt", "@@ -4 +4 @@", "-four\r", "+4"), "line 4"),
    "no such file": (file("none", *BODY), "'none': there is no such"),
    "added over another": (file("a.txt", "@@ -0,0 +1 @@", "+x", about=ADD), "of that name"),
    "moved over another": (
        head("a.txt", "bare", "rename from a.txt", "rename to bare"),
        "of that name",
    ),
    "below a file": (file("a.txt/x", "@@ -0,0 +1 @@", "+x", about=ADD), "'a.txt' is no folder"),
    "below a symlink": (file("link/x", "@@ -0,0 +1 @@", "+x", about=ADD), "'link' is no folder"),
    "in a submodule": (file("lib/x", "@@ -0,0 +1 @@", "+x", about=ADD), "'lib' is no folder"),
    "a symlink": (file("link", "@@ -1 +1 @@", "-a.txt", "+b.txt"), "'link': .*120000"),
    "a submodule moved": (head("lib", "l", "rename from lib", "rename to l"), "'lib': .*160000"),
    "another mode": (head("a.txt", "", "old mode 100755", "new mode 100644"), "mode is 100644"),
    "half of it deleted": (
        file("a.txt", "@@ -1,3 +0,0 @@", "-one", "-two", "-three", about=GONE),
        "end",
    ),
    "deleted unseen": (head("a.txt", "", *GONE), "empty file"),
    "not UTF-8": (file("latin", "@@ -1,2 +1,2 @@", "-one", "+1", " two"), "UTF-8"),
    "binary after all": (file("nul", "@@ -1,2 +1,2 @@", "-one", "+1", " \0"), "."),
}


@pytest.mark.parametrize(("diff", "why"), UNFIT.values(), ids=list(UNFIT))
def test_what_does_not_apply_exactly_is_refused_with_its_file(diff: str, why: str):
    """No fuzz and no offset: every line is where the patch says it is."""
    with pytest.raises(Refused, match=why) as refused:
        planned(diff)
    assert refused.value.limit in ("patch_does_not_apply", "patch_unreadable")


def test_what_is_too_big_for_one_request_or_leaves_nothing_is_refused():
    """The guard's bound on a body would refuse it with a ticket in hand."""
    big = file("n", "@@ -0,0 +1 @@", "+" + "x" * MOST_BYTES, about=ADD)
    with pytest.raises(Refused, match="too big"):
        planned(big)
    gone = file("a", "@@ -1 +0,0 @@", "-x", about=GONE)
    sha = blob_sha(b"x\n")
    with pytest.raises(Refused, match="nothing at all"):
        plan(parse(gone), {"a": Entry("100644", sha)}, {sha: b"x\n"})


PROTECTED = (
    *(".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".github/actions/x/index.js"),
    *("CODEOWNERS", "docs/codeowners", ".github/CODEOWNERS", "x/action.yml", ".gitlab-ci.yml"),
    *(".git/config", "a/.GIT/hooks/x", ".gitmodules", ".gitattributes", "a/.gitconfig", ".git"),
    *(
        "../x",
        "/etc/passwd",
        "a//b",
        "a/",
        "./a",
        "a/./b",
        "a/../b",
        "",
        ".git ",
        ".git./x",
        "a /b",
    ),
    *(
        "a\\b",
        "C:/x",
        ".git::$INDEX_ALLOCATION/x",
        "GIT~1/config",
        ".g\u200cit/x",
        "a\nb",
        "é",
        "~",
    ),
    "x" * 201,
)


@pytest.mark.parametrize("path", PROTECTED)
def test_what_steers_git_or_a_review_or_leaves_the_tree_is_never_proposed(path: str):
    """By any kind of change, also as the place that something is moved away from."""
    assert paths.why_not(path) is not None
    if "\n" in path or not path:
        return
    old = head(path, "fine.py", f"rename from {path}", "rename to fine.py")
    with pytest.raises(Refused) as refused:
        planned(old)
    assert refused.value.limit in ("protected_path", "patch_unreadable")


@pytest.mark.parametrize(
    "path",
    [
        ".gitignore",
        "a/.gitkeep",
        ".github/ISSUE_TEMPLATE/x.md",
        "app/[id]/(x)/a b.tsx",
        "...x",
        "-",
    ],
)
def test_plain_files_may_be_proposed(path: str):
    """And the one shape of a tree agrees."""
    assert paths.why_not(path) is None
    bodies.TreeFile(path=path, content="")


QUOTED = {
    '"a/\\303\\251 \\"x\\"\\t"': 'é "x"\t',
    "a/plain name": "plain name",
    "a/x": "x",
    '"a/x': None,
    '"a/\\377"': None,
    '"a/\\9"': None,
    "b/x": None,
    "a/": None,
}


@pytest.mark.parametrize(("name", "path"), QUOTED.items())
def test_a_name_is_read_as_git_quotes_it(name: str, path: str | None):
    """`core.quotePath`: octal escapes of UTF-8, and C's own."""
    assert names.prefixed(name, "a/") == path


@given(st.text(alphabet='ab/ \\"\n@-+\\', max_size=60), st.sampled_from(list(FINE)))
def test_no_text_is_more_than_refused(text: str, name: str):
    """Whatever a session leaves: a plan or a refusal, never another error."""
    diff = FINE[name][0]
    for one in (text, diff[: len(text)] + text + diff[len(text) :], diff + text):
        with suppress(Refused):
            assert planned(one).changes

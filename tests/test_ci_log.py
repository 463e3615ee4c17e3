"""A failed job's log, trimmed to what failed: a table of logs, and the laws of any log."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_server.insight.ci_log import LAST_LINES, LONGEST_LINE, MOST_CHARACTERS, Span, trimmed

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ERROR = "##[error]Process completed with exit code 1."


def log(*lines: str, each: float = 1.0) -> str:
    """Return lines as a runner writes them, one every `each` seconds from `AT`."""
    times = (AT + timedelta(seconds=nth * each) for nth in range(len(lines)))
    pairs = zip(times, lines, strict=True)
    return "".join(f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z {line}\n" for at, line in pairs)


def span(start: int, end: int) -> Span:
    """Return the step that ran between these seconds after `AT`."""
    return AT + timedelta(seconds=start), AT + timedelta(seconds=end)


NOISE = tuple(f"noise {nth}" for nth in range(400))
FAR = (*NOISE[:5], "[395 lines left out]")
CASES: dict[str, tuple[str, list[Span], str]] = {
    "nothing": ("", [], ""),
    "times and marks go": ("\ufeff" + log("one", "two"), [], "one\ntwo"),
    "colours go": (log("\x1b[31mFAILED\x1b[0m \x1b[1;4mx\x1b[K"), [], "FAILED x"),
    "a window's title goes": (log("a\x1b]0;title\x07b"), [], "ab"),
    "a link keeps its words": (log("\x1b]8;;https://x\x1b\\here\x1b]8;;\x1b\\"), [], "here"),
    "of a progress bar its last state stays": (log("10 %\r50 %\r100 %"), [], "100 %"),
    "lines of Windows": (log("one\r", "two\r"), [], "one\ntwo"),
    "hidden characters go": (log("ig\u200bno\u202ere\x00 me"), [], "ignore me"),
    "a tab stays": (log("a\tb"), [], "a\tb"),
    "a line without a time is its neighbour's": (
        log("step") + "no time\n" + log("step")[-5:],
        [span(0, 0)],
        "step\nno time\nstep",
    ),
    "the failed step, up to its error": (
        log("setup", "make", "boom", ERROR, "cleanup", "bye", each=10),
        [span(10, 30)],
        f"setup\nmake\nboom\n{ERROR}\ncleanup\nbye",
    ),
    "far from the failure": (
        log(*NOISE, "boom", ERROR, *NOISE),
        [span(400, 401)],
        "\n".join(("[371 lines left out]", *NOISE[371:], "boom", ERROR, *FAR)),
    ),
    "no step is named: the end": (
        log(*NOISE),
        [],
        "\n".join([f"[{400 - LAST_LINES} lines left out]", *NOISE[-LAST_LINES:]]),
    ),
    "a step of which no line is there": (log("one", ERROR), [span(100, 200)], f"one\n{ERROR}"),
    "a long line": (log("x" * 900), [], "x" * LONGEST_LINE + "…"),
}


@pytest.mark.parametrize(("text", "spans", "wanted"), CASES.values(), ids=CASES.keys())
def test_a_log_is_cut_down_to_what_failed(text: str, spans: list[Span], wanted: str):
    """facts/github.md 1.10: no times, no ANSI, around ##[error], the end of the failed step."""
    assert trimmed(text, spans) == wanted


def test_of_two_failed_steps_both_are_shown_and_what_lies_between_is_not():
    """A job may go on after a failure; each has its own end."""
    lines = [*NOISE[:100], "first", *NOISE[100:300], "second"]
    shown = trimmed(log(*lines), [span(90, 100), span(295, 301)]).split("\n")
    assert {"first", "second", "noise 95"} <= set(shown)
    assert "noise 200" not in shown


def test_where_there_is_too_little_room_the_end_is_kept():
    """What failed last is what stopped the job."""
    shown = trimmed(log(*NOISE, ERROR), [], 200)
    assert shown.startswith("[what came before is left out]\n")
    assert shown.endswith(ERROR)
    assert len(shown) <= 200


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(
        st.one_of(st.text(max_size=40), st.sampled_from([ERROR, "\x1b[1m", "x" * 3000]))
    ),
    begins=st.integers(0, 30),
    most=st.integers(100, MOST_CHARACTERS),
)
def test_whatever_a_log_says_the_answer_is_bounded_and_plain(
    parts: list[str], begins: int, most: int
):
    """A log is written by whoever made the pull request."""
    shown = trimmed(log(*parts), [span(begins, begins + 5)], most)
    assert len(shown) <= most
    assert not any(ord(one) < 32 and one not in "\n\t" for one in shown)
    assert not {"\x7f", "\u200b", "\u202e", "\ufeff"} & set(shown)

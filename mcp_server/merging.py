"""The words of a merge's commit, and by which method it is made. Pure.

The commit outlives the pull request: it says what, why, from where and how tested by itself.
"""

import re
from collections.abc import Collection, Sequence

from mcp_server.errors import Refused
from mcp_server.guard.bodies import CONVENTIONAL, SKIPS, MergeMethod
from mcp_server.models import Check, PullRequest, Session
from mcp_server.prompts import plain

# Squash first: one commit, one piece of work, and the one of ours that every rule of a linear
# history allows.
METHODS: tuple[MergeMethod, ...] = ("squash", "merge", "rebase")
# Of the pull request that adds our own CI, and of its merge.
CI_TITLE = "ci: check every change"
_LONGEST_TITLE = 150
_MOST_CHECKS_TOLD = 20
_KINDS = {"create": "feat", "update": "feat", "repair": "fix"}
_CONVENTIONAL = re.compile(CONVENTIONAL)


def method_for(repo: str, allowed: Collection[str] | None) -> MergeMethod:
    """Return the first of `METHODS` that a repository allows; None: it did not say.

    Raises:
        Refused: it allows none of them.
    """
    fitting: list[MergeMethod] = [one for one in METHODS if allowed is None or one in allowed]
    if not fitting:
        raise Refused(f"{repo} allows no way of merging: see its settings", limit="merge_method")
    return fitting[0]


def commit_words(
    pull: PullRequest, session: Session | None, checks: Sequence[Check]
) -> tuple[str, str]:
    """Return title and message of the commit that merges the work of `session`.

    The title is the pull request's, made a Conventional Commit (1.0.0) where it is none. Without a
    session it is the one thing that is proposed without: our own CI.
    """
    tested = f"Tested by the checks of {pull.head_sha}, green in two looks: {_passed(checks)}."
    if session is None:
        begun = "The workflow that new repositories begin with, as it is compiled in, proposed in"
        return f"{CI_TITLE} (#{pull.number})", f"{begun} {pull.url}.\n\n{tested}"
    tag = session.marker
    lane, key = (tag.lane, tag.task_key) if tag else ("manual", "none")
    title = _said(pull.title, _LONGEST_TITLE) or f"work of session {session.id}"
    if not _CONVENTIONAL.fullmatch(title):
        title = f"{_KINDS.get(lane, 'chore')}: {title}"
    message = (
        f"Work of Jules session {session.id} for task {key} (lane {lane}), proposed in "
        f"{pull.url} against {pull.base_ref}.\n\n"
        f"{tested}\n\nJules-Session: {session.id}\nFactory-Task: {key}"
    )
    return f"{title} (#{pull.number})", message


def _passed(checks: Sequence[Check]) -> str:
    passed = sorted({one.name for one in checks if one.conclusion == "success"})
    return ", ".join(_said(name, 60) for name in passed[:_MOST_CHECKS_TOLD])


def _said(text: str, limit: int) -> str:
    """Return a stranger's words as one line, none of which keeps the base's checks from running."""
    return SKIPS.sub(r"(\1)", plain(text, limit))

"""What a tool is given and has no use for: refused by name, at both protocol generations."""

from typing import Literal

import pytest

from tests.agent_cases import REPO, Desk, at_desk

Call = tuple[str, dict[str, object]]
SECRET = "ghp_" + "S3cret" * 6
MISTAKEN: dict[str, tuple[Call, tuple[str, ...]]] = {
    "an unknown argument": (
        ("jules_list_sessions", {"stat": "FAILED"}),
        ("no argument 'stat'", "state", "cursor"),
    ),
    "one of a tool that has none": (("budget_reconcile", {"now": 1}), ("arguments: none",)),
    "out of its bounds": (("trends_discover", {"limit": 0}), ("limit: ", "greater than")),
    "of another shape, and a secret": (
        ("github_get_pull", {"repo": SECRET, "number": 1}),
        ("repo: ", "pattern"),
    ),
    "a secret for a number": (("github_get_pull", {"repo": REPO, "number": SECRET}), ("number: ",)),
    "one that is missing": (("jules_get_session", {}), ("session_id: Field required",)),
}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("name", MISTAKEN)
def test_arguments_that_do_not_fit_are_named_and_never_echoed(
    name: str, mode: Literal["auto", "legacy"]
) -> None:
    """Not dropped, not guessed, nothing sent; what a value was may be a secret."""
    (tool, arguments), told = MISTAKEN[name]

    async def play(desk: Desk) -> None:
        said = await desk.call(tool, **arguments)
        assert said.is_error
        assert said.error["code"] == "bad_argument"
        assert all(word in said.text for word in told), said.text
        assert SECRET not in str(said)
        assert "pydantic" not in said.text
        assert desk.tap.mutations == []

    at_desk(play, mode=mode)


def test_a_long_list_of_mistakes_is_told_shortly() -> None:
    """Two hundred bad items are no reason for two hundred lines."""

    async def play(desk: Desk) -> None:
        said = await desk.call(
            "github_repo_health", repos=[f"no repository {n}" for n in range(90)]
        )
        assert "and 85 more" in said.text
        assert len(said.text) < 2_500

    at_desk(play)

"""After a change of keys: what the old ones signed is ours as long as they are listed."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.errors import LedgerUnavailable
from mcp_server.guard import marker
from mcp_server.guard.ledger import Ledger
from mcp_server.sandbox.session import Order
from mcp_server.settings import Settings
from mcp_server.store import open_engine
from tests.agent_cases import REPO, Desk, at_desk
from tests.guard_cases import WIDE, ManualClock

OLD = "the-marker-key-of-last-year"
OLD_JULES = "the-jules-key-of-last-year"


def settings(own: str | None, *former: str) -> Settings:
    return Settings(
        allowance=12,
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
        marker_key=SecretStr(own) if own else None,
        marker_keys_old=tuple(SecretStr(key) for key in former),
    )


@pytest.mark.parametrize(
    ("signed", "now", "ours"),
    [
        (OLD.encode(), settings(None, OLD), True),
        (OLD.encode(), settings("a-new-marker-key", "another-key", OLD), True),
        (OLD.encode(), settings("a-new-marker-key"), False),
        (OLD.encode(), settings(None), False),
        # A key of its own was set where none had been, and a Jules key was changed.
        (marker.derive_key(SANDBOX_JULES_KEY), settings("a-new-marker-key"), True),
        (marker.derive_key("jules-key-of-last-year"), settings(None), False),
        (
            marker.derive_key("jules-key-of-last-year"),
            settings(None, "jules-key-of-last-year"),
            True,
        ),
    ],
    ids=["listed", "second", "not listed", "to none", "first of its own", "lost", "old Jules key"],
)
def test_a_session_is_ours_when_any_listed_key_signed_it(signed: bytes, now: Settings, ours: bool):
    """What cannot be verified counts as another's, and is told to a person."""

    async def play(desk: Desk) -> None:
        tag = marker.issue(
            signed,
            ledger=desk.services.ledger.id,
            date="2026-11-22",
            lane="optimize",
            task_key="kold",
            attempt=1,
            repo=REPO,
            branch="main",
        )
        desk.world.jules.create(Order(title=f"{tag} tests", prompt="p", repo=REPO, branch="main"))
        shown = (await desk.ask("jules_list_sessions"))["sessions"]
        assert [one["marker"]["valid"] for one in shown if one["marker"]] == [ours]
        alarms = [one.data["what"] for one in desk.services.ledger.events() if one.kind == "alarm"]
        assert ("marker that is not ours" in alarms) == (not ours)

    at_desk(play, keys=now)


def test_a_ledger_stays_its_accounts_when_the_old_key_is_listed(tmp_path: Path):
    """It is stamped with the key it was begun under; a stranger's is refused with what to do."""
    engine = open_engine(f"sqlite:///{tmp_path / 'state.db'}")

    def opened(world: str, *former: str) -> Ledger:
        return Ledger(
            engine,
            world=world,
            limits=WIDE,
            clock=ManualClock(),
            new_id=lambda: "0badcafe",
            former_worlds=former,
        )

    opened("account:old")
    with pytest.raises(LedgerUnavailable, match="FACTORY_MARKER_KEYS_OLD"):
        opened("account:new", "account:other")
    assert opened("account:new", "account:other", "account:old").head()[0] == 1

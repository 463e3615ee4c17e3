"""What every test starts from: SIGINT is heard, however the suite itself was started."""

import signal
from pathlib import Path

import pytest

from mcp_server.guard.ledger import Ledger
from tests.guard_cases import ManualClock, settled_ledger

# A shell that starts a command in the background makes it, and all its children, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person with keys ask the real services, read-only (tests/contract)."""
    parser.addoption(
        "--live", action="store_true", help="run the contract cases against the real services too"
    )


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that only the test moves."""
    return ManualClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> Ledger:
    """Return a ledger in `state.db` that may start sessions."""
    return settled_ledger(tmp_path / "state.db", clock)

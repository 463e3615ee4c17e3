"""What every test starts from: SIGINT is heard, however the suite itself was started."""

import signal

import pytest

# A shell that starts a command in the background makes it, and all its children, ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person with keys ask the real services, read-only (tests/contract)."""
    parser.addoption(
        "--live", action="store_true", help="run the contract cases against the real services too"
    )

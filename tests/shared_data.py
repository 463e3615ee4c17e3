"""The shared folder beside the repository: recorded answers are read there, never copied here."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[1].parent / "shared"
SHARED = Path(os.environ.get("FACTORY_SHARED") or _BESIDE)
CAPTURES = SHARED / "captures"


def capture(name: str) -> bytes:
    """Return a recording; skips the test (fails it in a complete run) when there are none at all.

    A single file that is missing from an existing folder is an error in any run.
    """
    need_captures()
    return (CAPTURES / name).read_bytes()


def need_captures() -> None:
    """Skip the running test, or fail it when FACTORY_TESTS=complete, without recordings."""
    if CAPTURES.is_dir():
        return
    reason = f"no recordings at {str(CAPTURES)!r} (set FACTORY_SHARED)"
    if os.environ.get("FACTORY_TESTS") == "complete":
        pytest.fail(reason)
    pytest.skip(reason)

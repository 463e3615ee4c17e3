"""Clients that nobody here wrote believe the sandbox's Jules: issue 5, facts/jules-api.md 6.2."""

from pathlib import Path

import pytest

from mcp_server.clients.jules_discovery import OPERATIONS
from tests.real_clients.page import PAGE, parse, render
from tests.real_clients.walks import CLIENTS, ROWS


@pytest.mark.parametrize("client", CLIENTS)
def test_the_committed_page_shows_what_a_client_does(client: str, tmp_path: Path):
    """Each operation, and each thing that goes wrong as designed; both SDKs over loopback."""
    assert CLIENTS[client](tmp_path) == parse(PAGE.read_text(encoding="utf-8"))[client]


def test_the_committed_page_is_a_generated_one():
    """Nothing on it was written by hand; it has every operation."""
    page = PAGE.read_text(encoding="utf-8")
    assert render(parse(page)) == page
    assert {row.partition(",")[0] for row in ROWS} >= OPERATIONS.keys()

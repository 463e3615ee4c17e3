"""A repository made by us that nothing shows to be private stops everything, at once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mcp_server.clients import github
from mcp_server.guard.evidence import Outcome
from mcp_server.guard.reconcile import reconcile_repositories
from tests.guard_cases import ManualClock, alarms, repositories, send, settled_ledger

UNKNOWN = Outcome(state="unknown", evidence="the answer was lost")


@pytest.mark.parametrize(
    ("said", "stops"),
    [
        ({"private": True}, False),
        ({"private": True, "visibility": "private"}, False),
        ({"private": True, "visibility": None}, False),
        ({"private": False}, True),
        ({"private": False, "visibility": "public"}, True),
        ({"private": True, "visibility": "internal"}, True),
        ({"private": True, "visibility": "public"}, True),
        ({"private": "true"}, True),
        ({}, True),
    ],
)
def test_a_create_answered_without_private_stops_everything(
    tmp_path: Path, said: dict[str, Any], stops: bool
):
    """Even when the reading back fails: what the create itself said is in the ledger."""
    clock = ManualClock()
    ledger = settled_ledger(tmp_path / "state.db", clock)
    prepared = github.create_repository("new", "x")
    ticket = ledger.hold_repository(
        prepared, key="k", repo="owner/new", listing=repositories(clock)
    )
    send(ledger, ticket)
    outcome = Outcome(state="spent", evidence="HTTP 201", result={"full_name": "owner/new", **said})
    ledger.record_outcome(ticket.id, outcome)
    assert (ledger.head()[2] is not None, len(alarms(ledger))) == (stops, int(stops))
    assert ledger.verify().agrees


@pytest.mark.parametrize("private", [True, False])
def test_a_lost_create_that_is_found_public_stops_everything(tmp_path: Path, private: bool):
    """The listing is then the first to say how it was made."""
    clock = ManualClock()
    ledger = settled_ledger(tmp_path / "state.db", clock)
    prepared = github.create_repository("new", "x")
    ticket = ledger.hold_repository(
        prepared, key="k", repo="owner/new", listing=repositories(clock)
    )
    send(ledger, ticket)
    ledger.record_outcome(ticket.id, UNKNOWN)
    clock.advance(seconds=5)
    seen = repositories(clock, new=clock.now() - timedelta(seconds=4))
    reconcile_repositories(ledger, seen if private else replace(seen, private=frozenset()))
    found = ledger.find("create_repository", "k")
    assert found is not None
    assert found.state == "spent"
    assert (ledger.head()[2] is None) is private

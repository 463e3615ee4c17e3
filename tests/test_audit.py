"""The record beside the reports that were written from it: a rewritten one is found by them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.audit import beside_reports, read_report
from agent.report.model import Report, alarm_lines
from mcp_server.errors import BadArgument
from mcp_server.models import Event, Verified
from tests.test_report import report

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SOUND = Verified(
    agrees=True,
    chain=True,
    count=True,
    head=True,
    tables=True,
    events=3,
    first_bad_seq=None,
    text="verified: chain, count and head agree over 3 events",
)


def event(seq: int, **data: object) -> Event:
    return Event(
        seq=seq, at=NOW, kind="alarm", ticket=None, data={"what": "odd", **data}, hash=f"h{seq}"
    )


EVENTS = [event(1), event(2), event(3)]


def kept(events: int | None, head: str) -> Report:
    """Return a report that saw the record end so."""
    found = report()
    money = found.allowance.model_copy(update={"chain_events": events, "chain_head": head})
    return found.model_copy(update={"allowance": money})


@pytest.mark.parametrize(
    ("reports", "agrees", "compared", "said"),
    [
        ([], True, None, "over 3 events"),
        ([kept(None, "from before heads were kept")], True, None, "over 3 events"),
        ([kept(2, "h2"), kept(3, "h3")], True, True, "the heads of 2 reports stand in it"),
        ([kept(2, "h2"), kept(3, "other")], False, False, "NOT verified: event 3"),
        ([kept(4, "h4")], False, False, "NOT verified: event 4"),
    ],
    ids=["no report", "no head kept", "there", "rewritten", "cut off"],
)
def test_every_head_that_a_report_kept_must_be_in_the_record(
    reports: list[Report], agrees: bool, compared: bool | None, said: str
):
    """A record rewritten whole, hashes and all, agrees with itself: only a report tells."""
    told = beside_reports(SOUND, EVENTS, reports)
    assert (told.agrees, told.reports) == (agrees, compared)
    assert said in told.text


def test_a_broken_record_stays_broken_whatever_reports_say():
    broken = SOUND.model_copy(update={"agrees": False, "text": "NOT verified: event 3"})
    assert not beside_reports(broken, EVENTS[:2], [kept(2, "h2")]).agrees


def test_a_report_outside_is_read_or_refused(tmp_path: Path):
    """The copy that lies elsewhere is the one that nobody rewrote with the ledger."""
    path = tmp_path / "report.json"
    with pytest.raises(BadArgument, match="No such file"):
        read_report(path)
    path.write_text("{}")
    with pytest.raises(BadArgument, match=r"no report\.json"):
        read_report(path)
    path.write_text(kept(None, "h").model_dump_json())
    with pytest.raises(BadArgument, match="nothing to compare"):
        read_report(path)
    path.write_text(report().model_dump_json())
    assert read_report(path) == report()


def test_alarms_of_the_last_day_are_told_with_what_they_are_about():
    """What a person needs to find it; older ones stood in earlier reports."""
    old = event(1).model_copy(update={"at": NOW - timedelta(days=2)})
    odd = event(2, session="123", marker="k.a1", repo=None)
    told = alarm_lines([old, odd, event(3)], since=NOW - timedelta(days=1))
    assert told == [
        "odd: session 123, marker k.a1; see agent audit",
        "odd: event 3; see agent audit",
    ]

"""Whether the ledger's record is the one that earlier reports were written from."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from agent.report.model import Report
from agent.standing import read_events
from agent.tools import Tools
from mcp_server.errors import BadArgument, Unreadable
from mcp_server.models import Event, Events, Verified


async def read_audit(
    tools: Tools, reports: Sequence[Report], *, task: str | None = None, verify: bool = False
) -> Events:
    """Return the events, about one task or all; with `verify`, recomputed and laid beside reports.

    Events from the first bad one on are not returned.
    """
    if not verify:
        return await read_events(tools, task=task)
    everything = await read_events(tools, verify=True)
    shown = everything if task is None else await read_events(tools, task=task, verify=True)
    if everything.verified is None:
        raise Unreadable("audit_events did not verify although it was asked to")
    checked = beside_reports(everything.verified, everything.events, reports)
    return shown.model_copy(update={"verified": checked})


def beside_reports(
    checked: Verified, events: Iterable[Event], reports: Sequence[Report]
) -> Verified:
    """Add whether every report's head is the hash of the event that it names; pure."""
    hashes = {event.seq: event.hash for event in events}
    kept = [one for one in reports if one.allowance.chain_events is not None]
    lost = [
        one
        for one in kept
        if hashes.get(one.allowance.chain_events or 0) != one.allowance.chain_head
    ]
    if not lost:
        text = f"{checked.text}; the heads of {len(kept)} reports stand in it" if kept else ""
        return checked.model_copy(
            update={"reports": True if kept else None, "text": text or checked.text}
        )
    first = lost[0]
    why = f"event {first.allowance.chain_events} is not what the report of {first.run.date} saw"
    text = f"NOT verified: {why}" if checked.agrees else f"{checked.text}; {why}"
    return checked.model_copy(update={"agrees": False, "reports": False, "text": text})


def read_report(path: Path) -> Report:
    """Read a `report.json`; raises `BadArgument` when it is none, or kept no head."""
    try:
        found = Report.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BadArgument(f"--report {path}: {error.strerror}") from error
    except ValidationError as error:
        raise BadArgument(f"--report {path} is no report.json of this version") from error
    if found.allowance.chain_events is None:
        raise BadArgument(
            f"--report {path} does not say where the record ended: nothing to compare"
        )
    return found

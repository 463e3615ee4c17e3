"""The page that shows what each client makes of the sandbox's Jules.

`python -m tests.real_clients.page` runs all clients and writes it; a test holds it to what they do.
"""

import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mcp_server.clients.jules_discovery import OPERATIONS
from mcp_server.sandbox.life import STEERS
from mcp_server.tools.result import MOST_ANSWER_BYTES
from tests.real_clients.walks import CLIENTS, ROWS, Results

PAGE = Path(__file__).parents[2] / "docs" / "jules-clients.md"
NOTHING = "—"
HEAD = """\
# Clients of Jules, in the sandbox

Written by `python -m tests.real_clients.page`; `tests/test_real_clients.py` holds it to a run.

Three clients walk one list against the sandbox's Jules, each row in a session of its own:

- our tools, over MCP and in memory;
- the official TypeScript SDK, `@google/jules-sdk` 0.2.0 from npm;
- a Python SDK of somebody else, `jules-agent-sdk` 0.1.1 from PyPI, both its clients.

The SDKs speak to `agent sandbox serve` over loopback, in the world's time.
A name in a cell is the error that the client raised, — that it has no call for it.
"""
OPERATIONS_HEAD = "## The 12 operations"
OTHERS_HEAD = "## What can happen"
PROMISES = """\
## What our tools promise beyond that

- No answer is larger than {most:,} bytes of JSON, pictures included, whatever Jules sends: pages
  get shorter, the rest is cut, and the answer says what is left out and how to ask for it.
- An id, a ref or an address is never cut, since a part of it names something else: one that is
  too long cannot be read.
- One element of a list that cannot be read hides no other: it is left out, or shown as
  `unreadable`, and its number told (`1 of 50 could not be read`). What is counted by, and what is
  acted on, is read whole or not at all.
- A list of sessions says how far back it looked, and how to look further.
- In how many parts the activities of a session were read makes no difference to its health; a
  question stands until a user answers.
- `jules_wait` never takes longer than its `timeout_seconds`. It rides out what passes (429, 5xx,
  a page of HTML, a proxy's refusal), and says so where it lasts; a refusal in Jules' own words ends
  it at once.
"""
STEERING = """\
## How it is brought about

A line `sandbox-life: WORD ...` in a session's prompt steers its life in the sandbox, in any client:
{words}.
A later word wins; `calm` lets nothing go wrong, and a word that is not known is refused.
What stands there otherwise is drawn, by the odds in `mcp_server/sandbox/mix.py`.
"""


def render(results: Mapping[str, Results]) -> str:
    """Return the page for the results of `CLIENTS`, each by its name."""
    operations = [row for row in ROWS if _operation(row)]
    others = [row for row in ROWS if not _operation(row)]
    return "\n".join(
        [
            HEAD,
            f"{OPERATIONS_HEAD}\n",
            *_table("operation", operations, results),
            f"\n{OTHERS_HEAD}\n",
            *_table("what", others, results),
            f"\n{PROMISES.format(most=MOST_ANSWER_BYTES)}",
            f"{STEERING.format(words=', '.join(f'`{word}`' for word in STEERS))}",
        ]
    )


def parse(page: str) -> dict[str, dict[str, str]]:
    """Return the results that a page shows, by client and row."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if re.match(r"\|(?! *-| operation | what )", line)
    ]
    return {
        client: {row: given[nth] for row, _, *given in cells if given[nth] != NOTHING}
        for nth, client in enumerate(CLIENTS)
    }


def _operation(row: str) -> bool:
    return row.partition(",")[0] in OPERATIONS


def _table(first: str, rows: list[str], results: Mapping[str, Results]) -> list[str]:
    heads = [first, "our tool", *CLIENTS]
    lines = [
        [row, f"`{ROWS[row]}`", *(results[client].get(row, NOTHING) for client in CLIENTS)]
        for row in rows
    ]
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines)]


def main() -> None:
    """Walk all clients and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        results = {client: walk(Path(folder)) for client, walk in CLIENTS.items()}
    PAGE.write_text(render(results), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()

"""`python -m agent`, and the console script: arms the tripwire, then runs the command."""

from agent.cli import main as run_command
from agent.own_server import COMMAND
from mcp_server.guard import tripwire

# `agent sandbox serve` listens there.
LOOPBACK = "127.0.0.1"


def main() -> None:
    """Run a command in a process that cannot connect past the guarded transport."""
    tripwire.arm(tripwire.Allowed(children=(COMMAND,), listening=frozenset({LOOPBACK})))
    run_command()


if __name__ == "__main__":
    main()

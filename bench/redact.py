"""What redaction costs: `python -m bench.redact [--secrets N]`.

CPU time per KiB, beside one `str.replace` over the same text as the floor. The promise is 1 ms a
KiB (facts/safety.md 7, 31); the texts are ones that hold nothing, much, and as little as possible
while looking like much.
"""

import argparse
import json
import sys
from time import process_time

from mcp_server.guard.redact import Redactor

KIB = 1024
# Long enough for the clock, short enough to be waited for.
TEXT_KIB, ROUNDS = 64, 20


def secret(number: int) -> str:
    """Return a key as long as GitHub's, each another."""
    return f"github_pat_{number * 7_919:09d}" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY"[number % 8 :]


def texts(key: str) -> dict[str, str]:
    """Return what is redacted, by name, each of `TEXT_KIB`."""
    row = {"title": "Improve the README", "repo": "factory-owner/recipe-web", "state": "COMPLETED"}
    pieces = {
        "tool result": json.dumps([row, row], indent=2),
        "CI log": "2026-11-23T04:05:06.789Z ##[group]Run pytest -q\n  tests/test_x.py .....\n",
        "full of the secret": f"{key} ",
        "full of parts of it": f"{key[:11]} {key[3:13]} ",
        "full of prefixes": "ghp_ sk- eyJ ://a:b Bearer x _KEY= -----BEGIN PRIVATE KEY-----\n",
        "full of ends of private keys": "+a\n- 1:a\n" * 9 + "-----END PRIVATE KEY-----\n",
    }
    size = TEXT_KIB * KIB
    return {name: (piece * (size // len(piece) + 1))[:size] for name, piece in pieces.items()}


def microseconds_per_kib(redactor: Redactor | None, text: str) -> float:
    """Return the CPU time; None measures the floor."""
    start = process_time()
    for _ in range(ROUNDS):
        if redactor is None:
            text.replace("a-string-that-does-not-occur", "***")
        else:
            redactor.text(text)
    return (process_time() - start) * 1e6 / (ROUNDS * TEXT_KIB)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--secrets", type=int, default=12)
    arguments = parser.parse_args()
    keys = [secret(number) for number in range(arguments.secrets)]
    start = process_time()
    redactor = Redactor(keys)
    built = process_time() - start
    figures: dict[str, object] = {
        "secrets": len(keys),
        "milliseconds_to_build": round(built * 1e3, 2),
    }
    for name, text in texts(secret(0)).items():
        cost = microseconds_per_kib(redactor, text)
        floor = microseconds_per_kib(None, text)
        figures[name] = {
            "microseconds_per_kib": round(cost, 2),
            "floor": round(floor, 3),
            "ratio": round(cost / floor) if floor else None,
        }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

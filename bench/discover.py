"""What a discovery costs: `python -m bench.discover [--signals N] [--seed N]`.

Rows of JSON: the sandbox's sources with one of them slow, in virtual time, against that one alone;
then the CPU of 1,000 invented signals, sifted and made ideas, beside a plain baseline that joins
what has the same address and compares every title with every other one.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from rapidfuzz import fuzz

from mcp_server import store
from mcp_server.cache import Cache
from mcp_server.clock import Clock, LoopClock
from mcp_server.guard.redact import Redactor
from mcp_server.sandbox.chance import draw, pick
from mcp_server.sandbox.loop import run_virtual
from mcp_server.sandbox.sites import Sites
from mcp_server.sandbox.world import EPOCH
from mcp_server.trends import Answer, Fetch, Signal, TrendSource, load_sources
from mcp_server.trends.cluster import cluster
from mcp_server.trends.discovery import discover
from mcp_server.trends.history import TrendHistory
from mcp_server.trends.relevance import sift

SIGNALS = 1_000
AGAIN = 0.2
SLOW_SECONDS, QUICK_SECONDS = 5.0, 0.3
_WORDS = tuple(
    re.findall(
        r"\w+",
        "archive browser calendar compiler database editor filter graph history index journal "
        "keyboard ledger markdown notebook outline parser queue recorder scheduler terminal viewer",
    )
)


def slow_sites(sites: Sites, clock: Clock, slow_host: str) -> Fetch:
    """Return a fetch that takes its time: long for one host, a little for the others."""

    async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        del headers, body
        parts = urlsplit(url)
        host = parts.hostname or ""
        seconds = SLOW_SECONDS if host == slow_host else QUICK_SECONDS
        await clock.sleep_until(clock.now() + timedelta(seconds=seconds))
        query = dict(parse_qsl(parts.query))
        status, kinds, page = sites.answer(host, parts.path, query, clock.now())
        return Answer(status=status, content_type=kinds["Content-Type"], body=page, url=url)

    return fetch


async def waited(seed: int, names: Sequence[str], slow_host: str, state: Path) -> float:
    """Return the seconds of virtual time that a discovery over these sources takes."""
    clock = LoopClock(EPOCH)
    engine = store.open_engine(f"sqlite:///{state}")
    began = clock.elapsed()
    fetch = slow_sites(Sites(seed=seed, directory=None), clock, slow_host)
    sources = [source for source in keyless() if source.facts.name in names]
    history, cache = TrendHistory(engine, Redactor(())), Cache(engine, owner="bench")
    await discover(sources, fetch, clock, history, cache=cache, keyed=(), whole=False)
    engine.dispose()
    return clock.elapsed() - began


def keyless() -> list[TrendSource]:
    """Return the sources that anybody may ask."""
    return [source for source in load_sources() if source.facts.key is None]


def invented(seed: int, count: int) -> list[Signal]:
    """Return signals of which a fifth are another one's, retitled or under another address."""
    found: list[Signal] = []
    for n in range(count):
        again = draw(seed, "again", str(n)) < AGAIN
        of = int(draw(seed, "of", str(n)) * n) if again else n
        words = [pick(_WORDS, seed, "word", str(of), nth) for nth in range(6)]
        tail = "?utm_source=x" if n % 2 else ""
        found.append(
            Signal(
                source=f"source-{n % 12}",
                rank=n + 1,
                title=f"{'Show HN: ' if n % 3 == 0 else ''}A {' '.join(words)} number {of}",
                url=f"https://site-{of % 97}.example/{of if n % 4 else n}{tail}",
                description=f"Helps with {words[0]} and {words[1]}",
                points=n,
                velocity_per_hour=float(n % 50),
            )
        )
    return found


def plainly(signals: Sequence[Signal]) -> int:
    """Join equal addresses and near titles, every one with every other; return how many remain."""
    found = {signal.url: signal.title for signal in signals}
    joined = {b for a, b in combinations(found.values(), 2) if fuzz.token_sort_ratio(a, b) >= 92}
    return len(found) - len(joined)


def cpu(work: Callable[[], int]) -> tuple[int, float]:
    """Return what `work` does and its CPU seconds."""
    began = time.process_time()
    return work(), time.process_time() - began


def show(**row: object) -> None:
    """Print one row."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Print all rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signals", type=int, default=SIGNALS)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    names = [source.facts.name for source in keyless()]
    with tempfile.TemporaryDirectory() as folder:
        for slow in dict.fromkeys(source.facts.hosts[0] for source in keyless()):
            # Each on a disk of its own: what was read a moment ago is not asked for again.
            alone = max(
                run_virtual(waited(arguments.seed, [one], slow, Path(folder) / f"{slow}-{one}.db"))
                for one in (s.facts.name for s in keyless() if slow in s.facts.hosts)
            )
            together = run_virtual(waited(arguments.seed, names, slow, Path(folder) / f"{slow}.db"))
            show(
                slow=slow,
                slowest_alone_seconds=round(alone, 1),
                all_seconds=round(together, 1),
                ratio=round(together / alone, 3),
            )
    signals = invented(arguments.seed, arguments.signals)
    ways = {"ours": lambda: len(cluster(sift(signals, ()).kept)), "plain": lambda: plainly(signals)}
    for name, work in ways.items():
        ideas, seconds = cpu(work)
        per = seconds / len(signals) * 1000
        show(way=name, signals=len(signals), ideas=ideas, cpu_seconds_per_1000=round(per, 3))


if __name__ == "__main__":
    main()

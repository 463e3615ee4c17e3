"""Keyed chance: every draw is a function of what it is for, never of how many came before.

A new request therefore does not reshuffle a day (DESIGN.md section 8).
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def draw(seed: int, purpose: str, entity: str, nth: int = 0) -> float:
    """Return a number in [0, 1) fixed by the four arguments, on every machine and Python."""
    key = f"{seed}\x1f{purpose}\x1f{entity}\x1f{nth}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=6).digest()) / 2**48


def between(low: float, high: float, seed: int, purpose: str, entity: str, nth: int = 0) -> float:
    """Return a keyed draw in [`low`, `high`)."""
    return low + (high - low) * draw(seed, purpose, entity, nth)


def pick(options: Sequence[T], seed: int, purpose: str, entity: str, nth: int = 0) -> T:
    """Return one of `options` by a keyed draw."""
    return options[int(draw(seed, purpose, entity, nth) * len(options))]

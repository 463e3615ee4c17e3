"""What a planted bug is, and how a row of the lists is written."""

from dataclasses import dataclass

GUARD = "mcp_server/guard"
STORE = "mcp_server/store.py"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted bug: `old`, found exactly once in `file`, becomes `new`.

    `killer` is the pytest id of the test that must fail then; `why` says what the bug would cost.
    """

    name: str
    file: str
    old: str
    new: str
    killer: str
    why: str


def row(file: str, name: str, *, old: str, new: str, killer: str, why: str) -> Mutant:
    """Name a bug of a guard's module, or of `store`; `killer` is below tests/test_."""
    path = STORE if file == "store" else f"{GUARD}/{file}.py"
    return Mutant(name=name, file=path, old=old, new=new, killer=f"tests/test_{killer}", why=why)

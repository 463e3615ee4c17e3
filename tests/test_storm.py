"""Several processes on one ledger: nothing doubled, overspent or stuck, however many are killed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from mcp_server import store
from mcp_server.errors import LedgerUnavailable
from tests.storm_process import Figures, check

ROOT = Path(__file__).parents[1]
# Real seconds a storm; what takes ten has hung by then.
PATIENCE_SECONDS = 120


def storms(number: int, seed: int) -> Figures:
    """Play storms in a process of their own, since they fork; return their figures."""
    command = (sys.executable, "-m", "tests.storm_process")
    done = subprocess.run(  # noqa: S603 -- our own module
        [*command, "--storms", str(number), "--seed", str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=number * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Figures(**json.loads(done.stdout))


def test_processes_that_are_killed_while_they_act_keep_one_allowance():
    """facts/safety.md section 7, row 3: 8 processes, real SIGKILLs, effects and ledger asked."""
    check(storms(2, 1))


@pytest.mark.deep
@pytest.mark.parametrize("seed", [100, 105, 110, 115])
def test_storm_after_storm_keeps_one_allowance(seed: int):
    """Twenty storms, in four runs of five."""
    check(storms(5, seed))


def engine_without_patience(path: Path) -> sa.Engine:
    """Open a ledger's database, and let its connections wait for nobody."""
    engine = store.open_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=0")
    return engine


def test_a_ledger_that_another_process_holds_too_long_says_what_to_do(tmp_path: Path):
    """Fail closed, and say it: a person can end what holds it."""
    path = tmp_path / "state.db"
    engine, other = engine_without_patience(path), store.open_engine(f"sqlite:///{path}")
    with (
        other.begin(),
        pytest.raises(LedgerUnavailable) as refused,
        store.translated(path),
        engine.begin(),
    ):
        pass
    engine.dispose()
    other.dispose()
    assert str(refused.value) == (
        f"the ledger {path} is held by another process for over 10 s; nothing was changed: "
        "call again, or end the process that holds it"
    )

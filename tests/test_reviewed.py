"""A plan that a person gives is judged whole before anything of it is begun."""

import pytest

from agent.planner.plan import Plan, Split, Task
from agent.planner.reviewed import check_tasks
from mcp_server.errors import BadArgument
from mcp_server.models import Repository
from tests.agent_cases import NOW, task

OWNER = "factory-owner"
HAS = [Repository(repo=f"{OWNER}/tool", private=True, created_at=NOW)]

SOUND = task(key="kcare", lane="optimize", prompt="tests", repo=f"{OWNER}/tool", variables={})


def plan(one: Task) -> Plan:
    """Return a plan of one task."""
    split = Split(startable=1, creates=0, updates=0, optimizations=1, repair_reserve=0, unused=0)
    return Plan(date="2026-11-23", created_at=NOW, split=split, ideas=(), tasks=(one,), notes=())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repo": "other/tool"}, "no repository of"),
        ({"repo": f"{OWNER}/../../evil"}, "no repository of"),
        ({"lane": "create", "prompt": "create", "repo": "other/new"}, "to create"),
        ({"prompt": "nope"}, "prompt 'nope' is none of"),
        ({"prompt": "../answer"}, "is none of"),
        ({"lane": "create"}, "is none of create"),
        ({"key": ""}, "its key"),
        ({"key": "../../etc"}, "its key"),
        ({"variables": {"repo": "torvalds/linux"}}, "its prompt names torvalds/linux"),
    ],
)
def test_a_task_that_nobody_would_have_planned_is_refused(changes: dict[str, object], said: str):
    """By name, before a repository is made for it."""
    one = task(key="kcare", lane="optimize", prompt="tests", repo=f"{OWNER}/tool").model_copy(
        update={"variables": {}, **changes}
    )
    with pytest.raises(BadArgument, match=said):
        check_tasks(plan(one), OWNER, HAS)


@pytest.mark.parametrize(
    "changes", [{}, {"lane": "create", "prompt": "create", "repo": f"{OWNER}/new-tool"}]
)
def test_a_sound_task_passes(changes: dict[str, object]):
    """Names are GitHub's: case does not matter."""
    one = task(key="kcare", lane="optimize", prompt="tests", repo=f"{OWNER}/Tool").model_copy(
        update={"variables": {}, **changes}
    )
    check_tasks(plan(one), OWNER, HAS)

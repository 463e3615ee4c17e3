"""A tree against the standard's lists: what is missing, what is unknown, who is asked at all."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from agent.wiring import SANDBOX_GITHUB_TOKEN, SANDBOX_JULES_KEY
from mcp_server.insight.audit import Tree, audit, unread, worth_reading
from mcp_server.models import AuditItem
from mcp_server.sandbox.faults import Exchange
from mcp_server.sandbox.repository import AUTHOR, OWNER
from mcp_server.settings import Settings
from mcp_server.standard import read_standard
from tests.agent_cases import Desk, at_desk

STANDARD = read_standard(licence="cc-by-nc-4.0")
TOKEN = "ghp_" + "a1B2" * 9
SOUND = {
    **dict.fromkeys(STANDARD.mandatory_files, ""),
    "package.json": '{"devDependencies": {"vite": "^7"}}',
    "src/api/client.ts": "export const get = (url: string) => fetch(url);\n",
    "tests/api/client.test.ts": 'import { get } from "../../src/api/client";\n',
}


def items(
    *gone: str,
    files: Mapping[str, str] | None = None,
    complete: bool = True,
    unread: tuple[str, ...] = (),
) -> dict[str, AuditItem]:
    """Audit the sound tree with changes; return the items that are not ok, by what they ask for."""
    texts = {path: text for path, text in {**SOUND, **(files or {})}.items() if path not in gone}
    tree = Tree(
        repo="me/app",
        name="t1",
        paths=tuple(texts),
        complete=complete,
        texts={path: text for path, text in texts.items() if path not in unread},
    )
    found = audit(tree, STANDARD)
    return {
        one.what if one.rule == "file" else one.rule: one
        for one in found.items
        if one.state != "ok"
    }


def test_a_tree_that_meets_the_standard_has_nothing_to_mend() -> None:
    """Ten files, the root, dependencies, imports and keys: fourteen lines, all of them ok."""
    tree = Tree(repo="me/app", name="t1", paths=tuple(SOUND), texts=SOUND)
    found = audit(tree, STANDARD)
    assert (len(found.items), {one.state for one in found.items}) == (14, {"ok"})
    assert found.missing == ()


@pytest.mark.parametrize("name", STANDARD.mandatory_files)
def test_each_of_the_ten_files_is_missed_by_name(name: str) -> None:
    """REQUEST.md, the standard's section 5."""
    (found,) = items(name).values()
    assert (found.state, found.what, found.mend) == ("missing", name, f"add {name}")


def test_a_file_under_another_spelling_is_to_be_renamed() -> None:
    """GitHub finds `readme.md`; what follows the standard by its name does not."""
    found = items("README.md", files={"readme.md": "x"})
    assert found["README.md"].mend == "rename it to README.md"
    assert found["root"].paths == ("readme.md",)


@pytest.mark.parametrize(
    ("files", "rule", "evidence"),
    [
        ({"dist/app.js": "x"}, "root", "not on the list: dist/"),
        ({"notes.txt": ""}, "root", "not on the list: notes.txt"),
        (
            {"package.json": '{"dependencies": {"express": "5", "@google/genai": "1"}}'},
            "dependency",
            "package.json: @google/genai, express",
        ),
        ({"scripts/requirements.txt": "Flask>=3\n# django\n-r x.txt\n"}, "dependency", "Flask"),
        (
            {"scripts/pyproject.toml": '[project]\ndependencies = ["psycopg2_binary>=2"]\n'},
            "dependency",
            "psycopg2_binary",
        ),
        (
            {"scripts/pyproject.toml": '[dependency-groups]\na = ["django", {b = "c"}]\n'},
            "dependency",
            "django",
        ),
        (
            {"scripts/pyproject.toml": '[tool.poetry.dependencies]\nfastapi = "*"\n'},
            "dependency",
            "fastapi",
        ),
        ({"src/ai.ts": 'import OpenAI from "openai";\n'}, "import", "src/ai.ts: openai"),
        ({"src/ai.ts": 'const x = await import("groq-sdk")\n'}, "import", "groq-sdk"),
        ({"src/ai.js": "const a = require('express/lib/a')\n"}, "import", "express"),
        ({"src/ai.ts": 'export * from "@google/genai/web";\n'}, "import", "@google/genai"),
        ({"scripts/a.py": "import os, openai as o\n"}, "import", "openai"),
        ({"scripts/a.py": "def f():\n    from google.genai import x\n"}, "import", "google.genai"),
        ({"src/api/keys.ts": f'\nexport const key = "{TOKEN}";\n'}, "key", "keys.ts: line 2"),
        ({"src/.env": "A=b\n"}, "key", "src/.env: a file for keys"),
    ],
)
def test_what_the_standard_forbids_is_found_with_its_place(
    files: dict[str, str], rule: str, evidence: str
) -> None:
    """REQUEST.md, the standard's sections 2, 3 and 4."""
    found = items(files=files)[rule]
    assert found.state == "missing"
    assert evidence in found.evidence
    assert found.mend
    assert found.paths


@pytest.mark.parametrize(
    "text",
    [
        'import { x } from "./openai";\n',
        'import { x } from "openai-like";\n',
        "// we do not import openai\n",
        "const express = 1;\n",
    ],
)
def test_a_name_that_only_looks_like_a_forbidden_one_is_none(text: str) -> None:
    """What is reported has to be mended: a false alarm costs a session."""
    assert items(files={"src/x.ts": text}) == {}


def test_a_key_is_never_told() -> None:
    """Only where it stands: the audit goes into prompts and reports."""
    tree = Tree(repo="me/app", name="t", paths=("src/a.ts",), texts={"src/a.ts": f'"{TOKEN}"'})
    told = audit(tree, STANDARD).model_dump_json()
    assert "line 1" in told
    assert TOKEN[:12] not in told


@pytest.mark.parametrize(
    ("gone", "more", "unknown"),
    [
        (("AGENTS.md",), {"complete": False}, {"AGENTS.md", "root", "dependency", "import", "key"}),
        ((), {"unread": ("package.json",)}, {"dependency", "key"}),
        ((), {"unread": ("src/api/client.ts",)}, {"import", "key"}),
    ],
)
def test_what_was_not_read_is_unknown_and_neither_there_nor_missing(
    gone: tuple[str, ...], more: dict[str, Any], unknown: set[str]
) -> None:
    """Unknown is not absent, and not ok either: a person looks at it."""
    found = items(*gone, **more)
    assert {name for name, one in found.items() if one.state == "unknown"} == unknown
    assert {one.state for one in found.values()} == {"unknown"}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("package.json", "{"),
        ("package.json", '{"dependencies": ["express"]}'),
        ("scripts/pyproject.toml", "[project"),
        ("scripts/pyproject.toml", "[project]\ndependencies = 5\n"),
    ],
)
def test_a_manifest_that_cannot_be_read_says_nothing_of_what_it_needs(path: str, text: str) -> None:
    """Broken, it is unknown; the checks will say that it is broken."""
    assert items(files={path: text})["dependency"].state == "unknown"


def test_of_a_tree_that_could_not_be_read_everything_is_unknown() -> None:
    """And why is said on each line."""
    found = unread("me/app", STANDARD, "HTTP 404")
    assert {(one.state, one.evidence) for one in found.items} == {("unknown", "HTTP 404")}
    assert found.missing == ()


def test_where_not_all_can_be_read_manifests_and_what_speaks_to_services_come_first() -> None:
    """That is where dependencies, SDKs and keys stand."""
    paths = ("src/a.ts", "README.md", "tests/api.test.ts", "src/api/x.ts", "scripts/package.json")
    assert worth_reading(paths, most=3) == ("scripts/package.json", "src/api/x.ts", "src/a.ts")


def test_without_a_licence_wanted_none_is_missed() -> None:
    """The setting `licence` may say "none"."""
    assert "LICENSE" not in read_standard(licence="none").mandatory_files


def naming(repo: str) -> Settings:
    """Return settings that name one repository to be audited."""
    return Settings(
        audit=(repo,),
        jules_api_key=SecretStr(SANDBOX_JULES_KEY),
        github_token=SecretStr(SANDBOX_GITHUB_TOKEN),
    )


def files_of(desk: Desk, repo: str, files: dict[str, str]) -> None:
    """Put files on a repository's default branch."""
    hub = desk.world.github
    there = hub.repo(repo)
    assert there is not None
    head = there.git.branches[there.default_branch]
    hub.push(there, there.default_branch, hub.commit(there, head, files, "x", AUTHOR))


def test_a_repository_that_the_factory_made_is_audited_and_another_is_not() -> None:
    """Issue 6 point 3: others are never pushed towards frontend-only."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        given = {"name": "new-app", "description": "A new app", "task_key": "kone"}
        mine = (await desk.ask("github_create_private_repo", **given))["repo"]
        other = f"{OWNER}/recipe-web"
        for repo in (mine, other):
            files_of(desk, repo, {"package.json": json.dumps({"dependencies": {"express": "5"}})})
        found = await desk.ask("github_repo_health", repos=[mine, other])
        audits = {one["repo"]: one["audit"] for one in found["health"]}
        assert audits[other] is None
        states = {one["what"]: one["state"] for one in audits[mine]["items"]}
        assert (states["AGENTS.md"], states["SECURITY.md"]) == ("ok", "missing")
        assert states["no server, database or SDK among the dependencies"] == "missing"
        assert "express" not in str([one for one in found["health"] if one["repo"] == other])

    at_desk(play)


def test_a_repository_that_the_operator_names_is_audited_too() -> None:
    """The setting `audit`, in whatever letters."""

    async def play(desk: Desk) -> None:
        repo = f"{OWNER}/recipe-web"
        (found,) = (await desk.ask("github_repo_health", repos=[repo]))["health"]
        assert found["audit"]["repo"] == repo

    at_desk(play, keys=naming(f"{OWNER}/Recipe-Web"))


def test_a_tree_is_read_once() -> None:
    """An audit is a function of the tree: asked again it costs one request, which tree it is."""

    async def play(desk: Desk) -> tuple[int, int]:
        repo = f"{OWNER}/recipe-web"
        await desk.ask("github_repo_health", repos=[f"{OWNER}/habit-cli"])
        sent = desk.services.transport.requests

        async def cost() -> int:
            before = sent["api.github.com"]
            await desk.services.audits.of_branch(repo, "main")
            return sent["api.github.com"] - before

        return await cost(), await cost()

    assert at_desk(play, keys=naming(f"{OWNER}/recipe-web")) == (4, 1)


def test_a_pull_requests_tree_is_audited_off_its_hunks_and_once_a_head() -> None:
    """What it adds is not asked for file by file; what it does not touch is."""

    async def play(desk: Desk) -> None:
        await desk.settle()
        started = await desk.start()
        pull = await desk.completed(started["session_id"])
        given = {"repo": f"{OWNER}/recipe-web", "number": pull.number}
        assert (await desk.ask("github_get_pull", **given))["audit"] is None
        before = len(objects)
        found = await desk.ask("github_get_pull", **given, audit=True)
        states = {one["rule"]: one["state"] for one in found["audit"]["items"]}
        assert (states["import"], states["key"]) == ("ok", "ok")
        there = desk.world.github.repo(f"{OWNER}/recipe-web")
        assert there is not None
        added = set(there.git.files(pull.head)) - set(there.git.files(pull.base))
        assert added
        assert not set(objects[before:]) & {there.git.files(pull.head)[path].sha for path in added}
        asked = len(objects)
        again = await desk.ask("github_get_pull", **given, audit=True)
        assert (again["audit"], len(objects)) == (found["audit"], asked)

    objects: list[str] = []

    def listen(exchange: Exchange) -> None:
        if "/git/" in exchange.path:
            objects.append(exchange.path.rpartition("/")[2])

    at_desk(play, keys=naming(f"{OWNER}/recipe-web"), fault=listen)

"""The sandbox's GitHub, on the wire, and the faults of its network (facts/github.md section 1)."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.faults import Fault, FaultKind, Frozen, KillPoint, Once
from mcp_server.sandbox.mix import CALM, FULL
from mcp_server.sandbox.visitor import Visitor, scripted, visit
from mcp_server.sandbox.world import EPOCH

REPO = "factory-owner/habit-cli"
PATH = f"/repos/{REPO}"


async def pull_of(v: Visitor, number: int) -> dict[str, Any]:
    """Read a pull request twice: GitHub's first answer on mergeability is null."""
    await v.github("GET", f"{PATH}/pulls/{number}")
    return (await v.github("GET", f"{PATH}/pulls/{number}")).raise_for_status().json()


async def finished_pull(v: Visitor, title: str = "Add tests") -> int:
    """Let a session open a pull request and its checks end; return the number."""
    known = len(v.world.github.repos[REPO].pulls)
    await v.start(REPO, title)
    while len(v.world.github.repos[REPO].pulls) == known:
        await v.wait(seconds=30)
    await v.wait(minutes=6)
    return known + 1


async def conclusions(v: Visitor, sha: str) -> list[str | None]:
    runs = (await v.github("GET", f"{PATH}/commits/{sha}/check-runs")).json()["check_runs"]
    return [run["conclusion"] for run in runs]


@pytest.mark.parametrize(
    ("headers", "message"),
    [({}, "Requires authentication"), ({"Authorization": "Bearer wrong"}, "Bad credentials")],
)
def test_a_missing_or_wrong_token_is_a_401(headers: dict[str, str], message: str) -> None:
    """GitHub's two texts."""

    async def play(v: Visitor) -> httpx2.Response:
        return await v.http.get("https://api.github.com/user", headers=headers)

    answer = visit(play)
    assert (answer.status_code, answer.json()["message"]) == (401, message)


def test_every_answer_is_dated_by_the_world() -> None:
    """The window's now is the `Date` header (DESIGN.md section 5)."""

    async def play(v: Visitor) -> tuple[str, str, str]:
        await v.wait(minutes=90)
        answers = [await v.github("GET", "/user"), await v.http.get("https://dev.to/api/articles")]
        return answers[0].headers["Date"], answers[1].headers["Date"], answers[0].json()["login"]

    assert visit(play) == (
        "Mon, 23 Nov 2026 01:30:00 GMT",
        "Mon, 23 Nov 2026 01:30:00 GMT",
        "factory-owner",
    )


def test_no_other_host_exists() -> None:
    """A connection elsewhere fails; requests are counted by host."""

    async def play(v: Visitor) -> dict[str, int]:
        await v.github("GET", "/user")
        with pytest.raises(httpx2.ConnectError):
            await v.http.get("https://example.com/")
        return v.world.requests

    assert visit(play) == {"api.github.com": 1}


def test_links_lead_through_all_repositories_and_an_unchanged_page_is_304() -> None:
    """1.2: follow `next`; a 304 has no body and is free of the primary limit."""

    async def play(v: Visitor) -> tuple[list[str], list[int], list[str]]:
        names: list[str] = []
        url: str | None = "https://api.github.com/user/repos?affiliation=owner&per_page=50"
        answer = await v.github("GET", "/user/repos?affiliation=owner&per_page=50")
        pages: list[int] = []
        while url:
            answer = await v.github("GET", url.removeprefix("https://api.github.com"))
            names += [repo["full_name"] for repo in answer.json()]
            pages.append(len(answer.json()))
            url = answer.links.get("next", {}).get("url")
        path = str(answer.url).removeprefix("https://api.github.com")
        tag = {"If-None-Match": answer.headers["ETag"]}
        again = await v.github("GET", path, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        return names, pages, [r.headers["X-RateLimit-Used"] for r in (answer, again)]

    names, pages, used = visit(play, size=FULL)
    assert pages == [50, 50, 20]
    assert names == sorted(set(names))
    assert used == ["4", "4"]


def test_links_inside_a_repository_name_it_by_id() -> None:
    """1.2, captured: `/repositories/ID/…` is a path that works."""

    async def play(v: Visitor) -> tuple[str, int, list[int]]:
        for title in ("Add tests", "Add more tests"):
            await finished_pull(v, title)
        first = await v.github("GET", f"{PATH}/pulls?per_page=1")
        url = first.links["next"]["url"]
        second = await v.github("GET", url.removeprefix("https://api.github.com"))
        numbers = [answer.json()[0]["number"] for answer in (first, second)]
        return url, v.world.github.repos[REPO].id, numbers

    url, repo_id, numbers = visit(play, size=CALM)
    assert url.startswith(f"https://api.github.com/repositories/{repo_id}/pulls?")
    assert numbers == [2, 1]


def test_the_primary_limit_refuses_until_the_hour_is_over() -> None:
    """5,000 an hour, 403 with `remaining` 0 (1.9)."""

    async def play(v: Visitor) -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        for nth in range(5001):
            answer = await v.github("GET", "/user")
            if nth >= 4999:
                seen.append((answer.status_code, answer.headers["X-RateLimit-Remaining"]))
        await v.wait(minutes=60)
        answer = await v.github("GET", "/user")
        return [*seen, (answer.status_code, answer.headers["X-RateLimit-Remaining"])]

    assert visit(play) == [(200, "0"), (403, "0"), (200, "4999")]


def test_a_repository_is_public_unless_private_is_said() -> None:
    """1.4: `private` defaults to false in reality; the scopes have no `delete_repo`."""

    async def play(v: Visitor) -> list[tuple[int, Any]]:
        open_one = await v.github("POST", "/user/repos", {"name": "open one"})
        closed = {"name": "closed", "private": True, "auto_init": True}
        first = await v.github("POST", "/user/repos", closed)
        again = await v.github("POST", "/user/repos", {"name": "Closed", "private": True})
        assert first.headers["X-OAuth-Scopes"] == "repo, workflow"
        return [
            (open_one.status_code, (open_one.json()["name"], open_one.json()["visibility"])),
            (first.status_code, first.json()["visibility"]),
            (again.status_code, again.json()["errors"]),
        ]

    assert visit(play) == [
        (201, ("open-one", "public")),
        (201, "private"),
        (
            422,
            [
                {
                    "resource": "Repository",
                    "code": "custom",
                    "field": "name",
                    "message": "name already exists on this account",
                }
            ],
        ),
    ]


def test_git_objects_have_the_names_that_git_gives_them() -> None:
    """Names pinned from real git 2.39 for the same content, author and moment."""

    async def play(v: Visitor) -> list[Any]:
        await v.github("POST", "/user/repos", {"name": "a", "private": True, "auto_init": True})
        path = "/repos/factory-owner/a/git"
        content = base64.b64encode(b"hello\n").decode()
        blob = await v.github("POST", f"{path}/blobs", {"content": content, "encoding": "base64"})
        tree = await v.github(
            "POST",
            f"{path}/trees",
            {
                "tree": [
                    {"path": "src/b.txt", "mode": "100644", "type": "blob", "content": "x\n"},
                    {"path": "a.txt", "mode": "100644", "type": "blob", "sha": blob.json()["sha"]},
                    {"path": "src.c", "mode": "100644", "type": "blob", "content": "y\n"},
                ]
            },
        )
        parents: list[str] = []
        body = {"message": "Initial commit\n", "tree": tree.json()["sha"], "parents": parents}
        commit = await v.github("POST", f"{path}/commits", body)
        sha = commit.json()["sha"]
        made = await v.github("POST", f"{path}/refs", {"ref": "refs/heads/work", "sha": sha})
        twice = await v.github("POST", f"{path}/refs", {"ref": "refs/heads/work", "sha": sha})
        move = await v.github("PATCH", f"{path}/refs/heads/main", {"sha": sha})
        flat = await v.github("GET", f"{path}/trees/work")
        deep = await v.github("GET", f"{path}/trees/work?recursive=1")
        return [
            blob.json()["sha"],
            tree.json()["sha"],
            sha,
            [answer.status_code for answer in (made, twice, move)],
            [entry["path"] for entry in flat.json()["tree"]],
            [(entry["path"], entry["mode"]) for entry in deep.json()["tree"]],
        ]

    assert visit(play) == [
        "ce013625030ba8dba906f756967f9e9ca394464a",
        "c9f35925abcf803c699c8065ac235dd9c05e3db4",
        "98d9ba688a7112e7765b923af30da5844d366d0c",
        [201, 422, 422],
        ["a.txt", "src.c", "src"],
        [("a.txt", "100644"), ("src.c", "100644"), ("src", "040000"), ("src/b.txt", "100644")],
    ]


def test_an_empty_repository_takes_no_git_data_and_has_no_tree() -> None:
    """409 "Git Repository is empty." (1.4)."""

    async def play(v: Visitor) -> list[int]:
        await v.github("POST", "/user/repos", {"name": "bare", "private": True})
        path = "/repos/factory-owner/bare/git"
        answers = [
            await v.github("POST", f"{path}/blobs", {"content": "x"}),
            await v.github("GET", f"{path}/trees/main"),
            await v.github("GET", f"{path}/ref/heads/main"),
        ]
        return [answer.status_code for answer in answers]

    assert visit(play) == [409, 409, 404]


def test_checks_register_late_run_and_end() -> None:
    """An empty list right after the push is not green (1.6); the combined status is no help."""

    async def play(v: Visitor) -> tuple[list[Any], list[Any]]:
        repo = v.world.github.repos[REPO]
        await v.start(REPO)
        while not repo.pulls:
            await v.wait(seconds=1)
        seen: list[Any] = []
        while not seen or seen[-1] != ("completed", "success"):
            answer = await v.github("GET", f"{PATH}/commits/{repo.pulls[1].head}/check-runs")
            runs = answer.json()["check_runs"]
            now = (runs[0]["status"], runs[0]["conclusion"]) if runs else "none"
            seen += [now] if now not in seen else []
            await v.wait(seconds=1)
        status = await v.github("GET", f"{PATH}/commits/{repo.pulls[1].head}/status")
        return seen, [status.json()["state"], status.json()["total_count"]]

    seen, status = visit(play, size=CALM)
    assert seen == ["none", ("queued", None), ("in_progress", None), ("completed", "success")]
    assert status == ["pending", 0]


def test_a_repository_without_a_workflow_never_gets_a_check() -> None:
    """10 % of repositories; NONE is a state, not green (1.6)."""

    async def play(v: Visitor) -> tuple[list[str | None], str]:
        pull = await pull_of(v, await finished_pull(v))
        return await conclusions(v, pull["head"]["sha"]), pull["mergeable_state"]

    size = replace(CALM, odds=replace(CALM.odds, without_ci=1, scheduled_workflow=0))
    assert visit(play, size=size) == ([], "clean")


def test_mergeability_is_unknown_first_and_the_pull_request_is_whole() -> None:
    """1.5: null and "unknown" are the normal first answer."""

    async def play(v: Visitor) -> tuple[list[Any], dict[str, Any], list[Any]]:
        number = await finished_pull(v)
        reads = [(await v.github("GET", f"{PATH}/pulls/{number}")).json() for _ in range(2)]
        files = (await v.github("GET", f"{PATH}/pulls/{number}/files")).json()
        return [(r["mergeable"], r["mergeable_state"]) for r in reads], reads[1], files

    states, pull, files = visit(play, size=CALM)
    assert states == [(None, "unknown"), (True, "clean")]
    assert pull["user"]["login"] in ("factory-owner", "google-labs-jules[bot]")
    assert pull["head"]["repo"]["full_name"] == pull["base"]["repo"]["full_name"] == REPO
    assert [(f["status"], f["filename"][:20]) for f in files] == [("added", "tests/test_add_tests")]
    assert (pull["additions"], pull["changed_files"]) == (files[0]["additions"], 1)


def test_merging_answers_as_github_does() -> None:
    """1.7: 409 for another head, 200 with the squash commit, then 405; GET 404, then 204."""

    async def play(v: Visitor) -> tuple[list[tuple[int, str]], list[int], dict[str, Any], Any]:
        number = await finished_pull(v)
        pull = await pull_of(v, number)
        path = f"{PATH}/pulls/{number}/merge"
        reads = [(await v.github("GET", path)).status_code]
        answers = [
            await v.github("PUT", path, {"sha": pull["base"]["sha"], "merge_method": "squash"}),
            await v.github("PUT", path, {"sha": pull["head"]["sha"], "merge_method": "squash"}),
            await v.github("PUT", path, {"sha": pull["head"]["sha"], "merge_method": "squash"}),
        ]
        reads.append((await v.github("GET", path)).status_code)
        sha = answers[1].json()["sha"]
        commit = (await v.github("GET", f"{PATH}/git/commits/{sha}")).json()
        ref = (await v.github("GET", f"{PATH}/git/ref/heads/main")).json()["object"]["sha"]
        texts = [(answer.status_code, answer.json()["message"]) for answer in answers]
        parents = [parent["sha"] for parent in commit["parents"]]
        after = await pull_of(v, number)
        return texts, reads, after, (ref == sha, parents == [pull["base"]["sha"]])

    texts, reads, pull, history = visit(play, size=CALM)
    assert texts == [
        (409, "Head branch was modified. Review and try the merge again."),
        (200, "Pull Request successfully merged"),
        (405, "Pull Request is not mergeable"),
    ]
    assert reads == [404, 204]
    assert (pull["state"], pull["merged"], history) == ("closed", True, (True, True))


def test_another_merge_leaves_a_pull_request_behind_until_its_branch_is_updated() -> None:
    """1.7: update-branch is 202 and later; the new head has no checks yet."""

    async def play(v: Visitor) -> tuple[list[str], list[int], list[Any]]:
        one, two = await finished_pull(v, "Add tests"), await finished_pull(v, "Add other tests")
        await v.github("PUT", f"{PATH}/pulls/{one}/merge", {"merge_method": "squash"})
        behind = await pull_of(v, two)
        head = behind["head"]["sha"]
        path = f"{PATH}/pulls/{two}/update-branch"
        codes = [
            (await v.github("PUT", path, {"expected_head_sha": sha})).status_code
            for sha in ("0" * 40, head)
        ]
        at_once = (await pull_of(v, two))["head"]["sha"]
        await v.wait(seconds=9)
        fresh = (await pull_of(v, two))["head"]["sha"]
        checks = [at_once == head, fresh == head, await conclusions(v, fresh)]
        await v.wait(minutes=6)
        return (
            [behind["mergeable_state"], (await pull_of(v, two))["mergeable_state"]],
            codes,
            checks,
        )

    states, codes, checks = visit(play, size=CALM)
    assert states == ["behind", "clean"]
    assert codes == [422, 202]
    assert checks == [True, False, []]


def test_a_conflict_is_dirty_until_the_session_mends_it() -> None:
    """The user changed the same file on the base (8 %); a merge is refused (1.7)."""

    async def play(v: Visitor) -> tuple[list[Any], int]:
        v.world.jules.script = scripted(conflicts=True)
        number = await finished_pull(v)
        dirty = await pull_of(v, number)
        refused = await v.github("PUT", f"{PATH}/pulls/{number}/merge", {})
        session_id = next(iter(v.world.jules.sessions))
        await v.jules("POST", f"/sessions/{session_id}:sendMessage", {"prompt": "Mend it"})
        await v.wait(minutes=12)
        clean = await pull_of(v, number)
        seen = [(p["mergeable"], p["mergeable_state"]) for p in (dirty, clean)]
        return seen, refused.status_code

    assert visit(play, size=CALM) == ([(False, "dirty"), (True, "clean")], 405)


@pytest.mark.parametrize(("fixes_itself", "later"), [(True, "success"), (False, "failure")])
def test_jules_own_ci_fixer_turns_a_red_head_green_in_most_cases(
    *, fixes_itself: bool, later: str
) -> None:
    """A new head, with no act of ours (facts/jules-api.md 4)."""

    async def play(v: Visitor) -> tuple[list[Any], str, bool]:
        v.world.jules.script = scripted(first_push_red=True, fixes_itself=fixes_itself)
        number = await finished_pull(v)
        red = v.world.github.repos[REPO].pulls[number].head
        first = await conclusions(v, red)
        await v.wait(minutes=15)
        pull = await pull_of(v, number)
        state = pull["mergeable_state"]
        return [first, await conclusions(v, pull["head"]["sha"])], state, pull["head"]["sha"] == red

    seen, state, same_head = visit(play, size=CALM)
    assert seen == [["failure"], [later]]
    assert (state, same_head) == (("clean", False) if fixes_itself else ("unstable", True))


def test_an_archived_repository_is_read_only() -> None:
    """GitHub's 403."""

    async def play(v: Visitor) -> list[int]:
        name = next(r.full_name for r in v.world.github.repos.values() if r.archived)
        answers = [
            await v.github("GET", f"/repos/{name}"),
            await v.github("PUT", f"/repos/{name}/topics", {"names": ["x"]}),
        ]
        return [answer.status_code for answer in answers]

    assert visit(play) == [200, 403]


def test_the_full_portfolio_is_uneven_as_the_mix_says() -> None:
    """120 repositories: some empty, archived, forks, stale pull requests; about 10 % without CI."""

    async def play(v: Visitor) -> tuple[dict[str, int], float]:
        repos = list(v.world.github.repos.values())
        live = [repo for repo in repos if repo.git.branches]
        files = [repo.git.files(repo.git.branches["main"]) for repo in live]
        with_ci = sum(".github/workflows/ci.yml" in listing for listing in files)
        return {
            "all": len(repos),
            "empty": len(repos) - len(live),
            "archived": sum(repo.archived for repo in repos),
            "forks": sum(repo.fork for repo in repos),
            "stale": sum(p.title == "Try something" for r in repos for p in r.pulls.values()),
        }, 1 - with_ci / len(live)

    counts, without_ci = visit(play, seed=3, size=FULL)
    assert counts == {"all": 120, "empty": 3, "archived": 5, "forks": 5, "stale": 3}
    assert 0.04 < without_ci < 0.17


# Kind of fault, what the client sees of it, and whether the effect happened.
FAULTS: list[tuple[FaultKind, type[BaseException] | int, bool]] = [
    ("refuse_connect", httpx2.ConnectError, False),
    ("reset_before", httpx2.ReadError, False),
    ("freeze_before", Frozen, False),
    ("reset_after", httpx2.ReadError, True),
    ("timeout_after", httpx2.ReadTimeout, True),
    ("freeze_after", Frozen, True),
    ("status_after", 503, True),
    ("truncated_after", 201, True),
]


@pytest.mark.parametrize(("kind", "seen", "effect"), FAULTS)
def test_a_fault_strikes_one_mutation_before_or_after_its_effect(
    kind: FaultKind, seen: type[BaseException] | int, *, effect: bool
) -> None:
    """Twelve kinds of ambiguity in eight (safety.md section 7, row 6)."""

    async def play(v: Visitor) -> tuple[bool, int]:
        v.world.fault = Once(Fault(kind), mutation=2)
        await v.github("POST", "/user/repos", {"name": "one", "private": True})
        second = {"name": "two", "private": True}
        if isinstance(seen, int):
            answer = await v.github("POST", "/user/repos", second)
            assert answer.status_code == seen
            assert "full_name" not in answer.text or not answer.text.endswith("}")
        else:
            with pytest.raises(seen):
                await v.github("POST", "/user/repos", second)
        third = await v.github("POST", "/user/repos", {"name": "three", "private": True})
        return v.world.github.repo("factory-owner/two") is not None, third.status_code

    assert visit(play) == (effect, 201)


@pytest.mark.parametrize(("side", "sessions"), [("before", 1), ("after", 2)])
def test_a_kill_point_freezes_the_named_mutation(side: str, sessions: int) -> None:
    """Reads do not count; the test kills what froze (DESIGN.md section 8)."""

    async def play(v: Visitor) -> int:
        v.world.fault = KillPoint(2, "before" if side == "before" else "after")
        await v.start(REPO)
        await v.jules("GET", "/sessions")
        with pytest.raises(Frozen):
            await v.start(REPO)
        return len(v.world.jules.sessions)

    assert visit(play, size=CALM) == sessions


def test_a_fault_can_be_aimed_at_a_path() -> None:
    """Reads too; it strikes once."""

    async def play(v: Visitor) -> list[int]:
        v.world.fault = Once(Fault("status_after", 429), path="/rate_limit")
        paths = ("/user", "/rate_limit", "/rate_limit")
        return [(await v.github("GET", path)).status_code for path in paths]

    assert visit(play) == [200, 429, 200]


def test_what_is_due_at_this_very_moment_has_happened() -> None:
    """The world is advanced up to and including now, and never back."""
    done: list[str] = []
    agenda = Agenda(EPOCH)
    agenda.after(60, lambda: done.append("first"))
    agenda.after(60, lambda: done.append("second"))
    agenda.run_until(EPOCH + timedelta(seconds=59))
    assert done == []
    agenda.run_until(EPOCH + timedelta(seconds=60))
    agenda.run_until(EPOCH)
    assert done == ["first", "second"]
    assert agenda.now == EPOCH + timedelta(seconds=60)

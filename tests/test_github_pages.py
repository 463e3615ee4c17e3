"""Lists of GitHub's that go over several pages, read through the guard."""

from mcp_server.sandbox.repository import OWNER
from tests.agent_cases import REPO, Desk, at_desk


def test_a_pull_request_with_more_files_than_a_page_is_judged_whole() -> None:
    """GitHub's links to further pages name the repository by its id (facts/github.md 1.2)."""

    async def play(desk: Desk) -> None:
        hub, repo = desk.world.github, desk.world.github.repo(REPO)
        assert repo is not None
        texts = {f"docs/part{number}.md": "text\n" for number in range(230)}
        sha = hub.commit(repo, repo.git.branches["main"], texts, "Many files", OWNER)
        hub.push(repo, "many", sha)
        pull = hub.open_pull(repo, head="many", base="main", title="Many", body="")
        found = await desk.services.github.list_files(REPO, pull.number)
        assert found is not None
        assert sorted(one.path for one in found) == sorted(texts)

    at_desk(play)

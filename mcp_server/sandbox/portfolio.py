"""The repositories the account has when a world begins: plausible, and of uneven health.

They are made at keyed moments of the year before, so that the world starts with a past.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from mcp_server.sandbox.agenda import Agenda
from mcp_server.sandbox.chance import between, draw, pick
from mcp_server.sandbox.ci import WORKFLOWS
from mcp_server.sandbox.github import GitHub
from mcp_server.sandbox.mix import Size
from mcp_server.sandbox.repository import AUTHOR, OWNER, Repo

# name, what it does, topics
SUBJECTS = (
    ("recipe", "plan meals and shopping from saved recipes", ("cooking", "planning")),
    ("invoice", "write and track invoices for freelancers", ("invoicing", "freelance")),
    ("habit", "keep habits with streaks and reminders", ("habits", "productivity")),
    ("podcast", "find and annotate podcast episodes", ("podcasts", "audio")),
    ("changelog", "turn commits into readable release notes", ("git", "release-notes")),
    ("tab", "tame too many open browser tabs", ("tabs", "productivity")),
    ("budget", "sort bank exports into a monthly budget", ("finance", "csv")),
    ("regex", "explain and test regular expressions", ("regex", "developer-tools")),
    ("garden", "schedule sowing and watering by climate", ("gardening", "calendar")),
    ("flashcard", "learn vocabulary by spaced repetition", ("learning", "languages")),
    ("screenshot", "redact and annotate screenshots", ("images", "privacy")),
    ("log", "search and colour structured logs", ("logging", "terminal")),
    ("weather", "compare forecasts of several services", ("weather", "charts")),
    ("contract", "check API contracts between services", ("openapi", "testing")),
    ("photo", "find and merge duplicate photos", ("photos", "dedupe")),
    ("commute", "predict the best time to leave", ("transport", "maps")),
    ("bookmark", "archive and search bookmarks offline", ("bookmarks", "search")),
    ("color", "build accessible colour palettes", ("design", "accessibility")),
    ("meeting", "cost and shorten meetings", ("calendar", "meetings")),
    ("env", "keep environment files in step", ("dotenv", "configuration")),
    ("reading", "queue long articles for later", ("reading", "rss")),
    ("benchmark", "compare benchmark runs over time", ("performance", "charts")),
    ("glossary", "collect the terms of a project", ("documentation", "terms")),
    ("backup", "verify that backups can be restored", ("backup", "storage")),
)
# suffix, what it is, topic, language, file ending
KINDS = (
    ("web", "Web app to", "web-app", "TypeScript", "ts"),
    ("extension", "Browser extension to", "browser-extension", "JavaScript", "js"),
    ("cli", "Command line tool to", "cli", "Python", "py"),
    ("kit", "Library to", "library", "Go", "go"),
    ("docs", "Handbook: how to", "documentation", "Markdown", "md"),
    ("bot", "Chat bot to", "bot", "Python", "py"),
)
CI_YML = """\
name: ci
on: [push, pull_request]
permissions: {}
jobs:
  ci:
    runs-on: ubuntu-24.04
    steps:
      - run: make test
"""
SCHEDULED_YML = """\
name: nightly
on:
  schedule:
    - cron: "0 3 * * *"
jobs:
  nightly:
    runs-on: ubuntu-24.04
    steps:
      - run: jules new "Improve something"
"""
LICENCE = "MIT License\n\nCopyright (c) 2026 factory-owner\n\nPermission is hereby granted ...\n"
STALE_DAYS = (30, 90)
YEAR_DAYS = (100, 360)


def plan_portfolio(
    github: GitHub, agenda: Agenda, *, seed: int, size: Size, epoch: datetime
) -> None:
    """Note on `agenda` the making of every repository, 100 to 360 days before `epoch`."""
    for index in range(size.repositories):
        name = _name(index)
        days = between(*YEAR_DAYS, seed, "repository age", name)
        agenda.at(epoch - timedelta(days=days), _maker(github, index, name, seed, size))
        if index < size.stale_pulls:
            days = between(*STALE_DAYS, seed, "stale pull", name)
            agenda.at(epoch - timedelta(days=days), _stale_pull(github, f"{OWNER}/{name}"))


def _name(index: int) -> str:
    """Name a repository; where the pairs of subject and kind begin again, a number follows."""
    rounds = index // (len(SUBJECTS) * len(KINDS))
    name = f"{SUBJECTS[index % 24][0]}-{_kind(index)[0]}"
    return f"{name}-{rounds + 1}" if rounds else name


def _kind(index: int) -> tuple[str, str, str, str, str]:
    """Pair every subject with another kind on each round: no pair comes twice below 144."""
    return KINDS[(index % 24 + index // 24) % len(KINDS)]


def _maker(github: GitHub, index: int, name: str, seed: int, size: Size) -> Callable[[], None]:
    odds = size.odds
    _, purpose, topics = SUBJECTS[index % 24]
    _, intro, topic, language, ending = _kind(index)
    # The last ones of the list are the odd ones: empty, then archived, then forks, then skeletons.
    place = size.repositories - 1 - index
    empty = place < size.empty
    archived = size.empty <= place < size.empty + size.archived
    fork = 0 <= place - size.empty - size.archived < size.forks
    skeleton = 0 <= place - size.empty - size.archived - size.forks < size.skeletons

    def lacks(share: float, what: str) -> bool:
        return draw(seed, what, name) < share

    def make() -> None:
        repo = github.create(
            name,
            private=not lacks(odds.public, "public"),
            description=""
            if lacks(odds.without_description, "description")
            else f"{intro} {purpose}",
            by_client=False,
        )
        repo.language, repo.fork = language, fork
        repo.topics = [] if lacks(odds.without_topics, "topics") else sorted((topic, *topics))
        if not empty:
            about = f"{intro} {purpose}."
            files = _skeleton(name, about) if skeleton else _files(name, about, ending, lacks, size)
            commit = github.commit(repo, None, files, "Initial commit", AUTHOR)
            github.push(repo, repo.default_branch, commit)
        repo.archived = archived

    return make


def _files(
    name: str, about: str, ending: str, lacks: Callable[[float, str], bool], size: Size
) -> dict[str, str]:
    """Invent a first commit; what is missing is drawn by the mix."""
    odds = size.odds
    all_files = (
        (odds.without_readme, "README.md", f"# {name}\n\n{about}\n\n## Use\n\nSee `src`.\n"),
        (odds.without_licence, "LICENSE", LICENCE),
        (odds.without_ci, f"{WORKFLOWS}ci.yml", CI_YML),
        (1 - odds.scheduled_workflow, f"{WORKFLOWS}nightly.yml", SCHEDULED_YML),
        (odds.without_tests, f"tests/test_main.{ending}", f"test {name}: starts\n"),
        (0.0, f"src/main.{ending}", f"{name}: main\nload settings\nrun\n"),
        (0.0, f"src/settings.{ending}", f"{name}: settings\n"),
        (0.0, ".gitignore", "build/\n.env\n"),
    )
    return {path: text for share, path, text in all_files if not lacks(share, path)}


def _skeleton(name: str, about: str) -> dict[str, str]:
    readme = f"# {name}\n\n{about}\n"
    return {"README.md": readme, "LICENSE": LICENCE, f"{WORKFLOWS}ci.yml": CI_YML}


def _stale_pull(github: GitHub, full_name: str) -> Callable[[], None]:
    def open_one() -> None:
        repo = github.repo(full_name)
        if repo is None or repo.archived or repo.default_branch not in repo.git.branches:
            return
        head = repo.git.branches[repo.default_branch]
        draft = {"src/experiment.txt": "half an idea\n"}
        github.push(repo, "experiment", github.commit(repo, head, draft, "Try something", AUTHOR))
        github.open_pull(
            repo, head="experiment", base=repo.default_branch, title="Try something", body=""
        )

    return open_one


def pick_repo(github: GitHub, seed: int, purpose: str, entity: str) -> Repo:
    """Draw one of the first repositories that can be worked on."""
    fit = [
        repo
        for repo in sorted(github.repos.values(), key=lambda repo: repo.id)
        if repo.first and not repo.archived and repo.default_branch in repo.git.branches
    ]
    return pick(fit, seed, purpose, entity)

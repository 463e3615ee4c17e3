"""GitHub's trending pages, and what its search finds of public repositories and issues."""

import html
import re
from collections.abc import Mapping
from datetime import timedelta

from mcp_server.sandbox.chance import draw
from mcp_server.sandbox.sites.stock import (
    COLLECTIONS,
    QUESTIONS,
    STRANGERS,
    Day,
    name_of,
    sent,
    size,
)

_PERIODS = {"daily": "today", "weekly": "this week", "monthly": "this month"}
_TRENDING = re.compile(r"/trending(?:/(python|rust|typescript))?")
# Shares of a day's shuffled ideas; the other sites overlap with it in part.
_ON_GITHUB, _IN_SEARCH = slice(0, 16), slice(6, 26)


def page(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `github.com`: trending pages of all languages and of three."""
    found = _TRENDING.fullmatch(path)
    period = _PERIODS.get(query.get("since", "daily"))
    return _trending_page(day, period, found[1]) if found and period else None


def search(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `api.github.com/search`: it understands `topic:`, and looks everywhere."""
    if path == "/search/repositories":
        rows = [_repository(day, *idea) for idea in _found(day, query.get("q", ""))]
        rows.sort(key=lambda row: -int(str(row["stargazers_count"])))
    elif path == "/search/issues":
        rows = [_issue(day, question) for question in day.shuffled(QUESTIONS, "issues")[:8]]
    else:
        return None
    shown = rows[: size(query, "per_page", 30)]
    return sent({"total_count": len(rows), "incomplete_results": False, "items": shown})


def _found(day: Day, terms: str) -> list[tuple[str, str, str]]:
    ideas = day.shuffled(STRANGERS, "ideas")
    if "topic:" not in terms:
        return ideas[_IN_SEARCH]
    kind = "chrome extension" if "topic:chrome" in terms else "browser extension"
    return [idea for idea in ideas if kind in idea[2].lower()][:4]


def _repository(day: Day, repo: str, language: str, text: str) -> dict[str, object]:
    owner, _, name = repo.partition("/")
    made = day.midnight - timedelta(days=1 + day.of(0, 5, "repository age", repo))
    stars = day.of(60, 4_000, "stars of the new", repo)
    return {
        "name": name,
        "full_name": repo,
        "private": False,
        "owner": {"login": owner},
        "html_url": f"https://github.com/{repo}",
        "description": text,
        "fork": False,
        "created_at": f"{made:%Y-%m-%dT%H:%M:%SZ}",
        "stargazers_count": stars,
        "language": language,
        "forks_count": stars // 9,
        "open_issues_count": day.of(0, 40, "issues of the new", repo),
        "archived": False,
        "topics": ["extension"] if "extension" in text else [],
    }


def _issue(day: Day, question: str) -> dict[str, object]:
    repo = day.shuffled(STRANGERS, f"asked at {question}")[0][0]
    number = day.of(10, 900, "issue", question)
    return {
        "html_url": f"https://github.com/{repo}/issues/{number}",
        "number": number,
        "title": f"{name_of(repo)}: {question}",
        "state": "open",
        "comments": day.of(2, 60, "issue comments", question),
        "reactions": {"total_count": day.of(8, 300, "reactions", question)},
        "created_at": f"{day.ago(question) - timedelta(days=9):%Y-%m-%dT%H:%M:%SZ}",
    }


def _trending_page(day: Day, period: str, language: str | None) -> bytes:
    repos = day.shuffled(STRANGERS, "ideas")[_ON_GITHUB]
    repos += day.shuffled(COLLECTIONS, "collections")[:4]
    if language:
        repos = [row for row in repos if (row[1] or "").lower() == language]
    rows = [_trending_row(day, period, *row) for row in day.shuffled(repos, "trending")]
    title = f"<title>Trending  repositories on GitHub {period} · GitHub</title>"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">{title}</head>\n'
        f'<body class="logged-out">\n<main><div class="Box"><div data-hpc>{"".join(rows)}</div>'
        "</div></main>\n</body>\n</html>\n"
    ).encode()


def _trending_row(day: Day, period: str, repo: str, language: str | None, text: str) -> str:
    """Return a row in the markup of April 2026 (`tmp-` classes; sponsor link on some)."""
    owner, _, name = repo.partition("/")
    gained = day.number(40, 2500, "stars gained", f"{day.date}:{repo}")
    stars = gained + day.number(300, 40_000, "stars", repo)
    about = f'<p class="col-9 color-fg-muted my-1 tmp-pr-4">\n  {html.escape(text)}\n</p>'
    spoken = f'<span itemprop="programmingLanguage">{language}</span>'
    sponsor = f'<a href="/sponsors/{owner}" class="btn-sm btn">Sponsor</a>'
    counts = "".join(
        f'<a href="/{repo}/{page}" class="tmp-mr-3 Link Link--muted d-inline-block">\n'
        f"  {count:,}</a>\n"
        for page, count in (("stargazers", stars), ("forks", stars // 9))
    )
    return f"""<article class="Box-row">
<div class="float-right d-flex">{sponsor if draw(day.seed, "sponsor", repo) < 0.15 else ""}
<a href="/login?return_to=%2F{owner}%2F{name}" class="btn-sm btn"><span>Star</span></a></div>
<h2 class="h3 lh-condensed">
  <a href="/{repo}" class="Link">
    <span class="text-normal">{owner} /</span>
    {name}</a>
</h2>
{about if text else ""}
<div class="f6 color-fg-muted mt-2">
{spoken if language else ""}
{counts}<span class="d-inline-block float-sm-right">
  {gained:,} stars {period}
</span></div>
</article>
"""

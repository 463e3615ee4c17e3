"""What is talked about and watched: Mastodon, Bluesky, Wikipedia, YouTube; and crates.io."""

from collections.abc import Mapping
from datetime import timedelta

from mcp_server.sandbox.chance import draw
from mcp_server.sandbox.sites.stock import (
    FAMOUS,
    NEWS,
    STRANGERS,
    Day,
    name_of,
    sent,
    size,
    slug_of,
)

_COUNTED = "/api/rest_v1/metrics/pageviews/top/en.wikipedia/all-access/"


def mastodon(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer a server: links to news and repositories, tags of what is famous."""
    most = size(query, "limit", 10)
    if path == "/api/v1/trends/links":
        ideas = [
            (name_of(repo), f"https://github.com/{repo}", text)
            for repo, _, text in day.shuffled(STRANGERS, "ideas")[15:18]
        ]
        news = [(t, f"https://news.example/{slug_of(t)}", "") for t in day.shuffled(NEWS, "links")]
        rows: list[dict[str, object]] = [
            {"title": title, "url": url, "description": text, "history": _history(day, title)}
            for title, url, text in (*ideas, *news[:6])
        ]
    elif path == "/api/v1/trends/tags":
        tags = [name.title().replace(" ", "") for name in day.shuffled(FAMOUS, "tags")[:5]]
        home = "https://mastodon.social/tags"
        rows = [
            {"name": tag, "url": f"{home}/{tag}", "history": _history(day, tag)} for tag in tags
        ]
    else:
        return None
    return sent(rows[:most])


def bluesky(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer the call for trends."""
    if path != "/xrpc/app.bsky.unspecced.getTrends":
        return None
    names = [*day.shuffled(FAMOUS, "posted")[:6], *day.shuffled(NEWS, "posted")[:2]]
    rows: list[dict[str, object]] = [
        {
            "topic": slug_of(name),
            "displayName": name,
            "link": f"/profile/trending.bsky.app/feed/{slug_of(name)}",
            "startedAt": f"{day.ago(name):%Y-%m-%dT%H:%M:%S.000Z}",
            "postCount": day.of(50, 9_000, "posts", name),
            "actors": [],
        }
        for name in names
    ]
    return sent({"trends": rows[: size(query, "limit", 10)]})


def wikipedia(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer the day before `day`, and no other: what is later is not counted yet."""
    del query
    counted = day.date - timedelta(days=1)
    if path != f"{_COUNTED}{counted:%Y/%m/%d}":
        return None
    rows = [
        {"article": name.replace(" ", "_"), "views": 900_000 - 50_000 * rank, "rank": rank}
        for rank, name in enumerate(("Main Page", *FAMOUS), 1)
    ]
    of_day = {"project": "en.wikipedia", "access": "all-access", "articles": rows}
    return sent({"items": [{**of_day, "day": f"{counted:%d}"}]})


def youtube(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer searches, and what they found by its id."""
    ideas = {_video_id(day, repo): (repo, text) for repo, _, text in STRANGERS}
    if path == "/youtube/v3/search":
        found = day.shuffled(list(ideas), f"searched {query.get('q')}")[:6]
        rows = [{"id": {"kind": "youtube#video", "videoId": one}} for one in found]
        return sent({"kind": "youtube#searchListResponse", "items": rows})
    if path == "/youtube/v3/videos":
        asked = [one for one in query.get("id", "").split(",") if one in ideas]
        return sent({"items": [_video(day, one, *ideas[one]) for one in asked]})
    return None


def crates(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer crates.io's summary: its ten newest."""
    del query
    if path != "/api/v1/summary":
        return None
    made = [row for row in day.shuffled(STRANGERS, "crates") if row[1] == "Rust"]
    rows = [
        {
            "id": repo.partition("/")[2],
            "name": repo.partition("/")[2],
            "description": text,
            "downloads": day.of(1, 400, "downloads", repo),
            "repository": f"https://github.com/{repo}",
            "created_at": f"{day.ago(repo):%Y-%m-%dT%H:%M:%S.000000Z}",
        }
        for repo, _, text in made[:10]
    ]
    return sent({"num_crates": 200_000, "new_crates": rows, "just_updated": []})


def _history(day: Day, title: str) -> list[dict[str, str]]:
    return [
        {
            "day": str(int((day.midnight - timedelta(days=ago)).timestamp())),
            "accounts": str(day.of(5, 300, f"accounts {ago}", title)),
            "uses": str(day.of(5, 400, f"uses {ago}", title)),
        }
        for ago in range(7)
    ]


def _video_id(day: Day, repo: str) -> str:
    return f"{int(draw(day.seed, 'video', repo) * 16**11):011x}"


def _video(day: Day, video_id: str, repo: str, text: str) -> dict[str, object]:
    at = f"{day.ago(repo):%Y-%m-%dT%H:%M:%SZ}"
    title = f"{name_of(repo)} in five minutes"
    return {
        "kind": "youtube#video",
        "id": video_id,
        "snippet": {"title": title, "description": text, "publishedAt": at},
        "statistics": {"viewCount": str(day.of(100, 90_000, "views", repo))},
    }

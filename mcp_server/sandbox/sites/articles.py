"""Sites that answer with lists in JSON: Dev.to, Lobsters, Stack Overflow."""

import html
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from mcp_server.sandbox.chance import draw
from mcp_server.sandbox.sites.stock import (
    LESSONS,
    NEWS,
    QUESTIONS,
    STRANGERS,
    Day,
    name_of,
    sent,
    size,
    slug_of,
)

_ON_DEVTO, _ON_LOBSTERS, _LAUNCHED = slice(12, 23), slice(3, 15), slice(20, 32)


def devto(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `dev.to`: what rises is the later half of what is popular."""
    if path != "/api/articles":
        return None
    articles = _articles(day)
    if query.get("state") == "rising":
        articles = articles[len(articles) // 2 :]
    return sent(articles[: size(query, "per_page", 30)])


def lobsters(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `lobste.rs`: 25 stories, most votes first."""
    del query
    if path != "/hottest.json":
        return None
    ideas = day.shuffled(STRANGERS, "ideas")[_ON_LOBSTERS]
    told = [(f"{name_of(repo)}: {text}", f"https://github.com/{repo}") for repo, _, text in ideas]
    told += [(title, f"https://news.example/{slug_of(title)}") for title in NEWS]
    told += [("What are you doing this weekend?", "")]
    rows = [_story(day, title, url) for title, url in told]
    return sent(sorted(rows, key=lambda row: -cast(int, row["score"])))


def stackexchange(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `api.stackexchange.com`, in its envelope."""
    if path not in ("/2.3/questions", "/2.3/questions/unanswered"):
        return None
    asked = day.shuffled(QUESTIONS, f"asked {query.get('sort')}")[: size(query, "pagesize", 30)]
    unanswered = path.endswith("unanswered")
    items = [_question(day, question, unanswered=unanswered) for question in asked[:12]]
    return sent({"items": items, "has_more": False, "quota_max": 300, "quota_remaining": 280})


def producthunt(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer Product Hunt's GraphQL, whatever it is asked."""
    del query
    if path != "/v2/api/graphql":
        return None
    nodes = [
        {
            "name": name_of(repo),
            "tagline": text,
            "url": f"https://www.producthunt.com/products/{slug_of(name_of(repo))}?utm_source=api",
            "votesCount": day.of(20, 900, "launch", repo),
            "commentsCount": day.of(0, 90, "launch comments", repo),
            "createdAt": f"{day.ago(repo):%Y-%m-%dT%H:%M:%SZ}",
        }
        for repo, _, text in day.shuffled(STRANGERS, "ideas")[_LAUNCHED]
    ]
    nodes.sort(key=lambda node: -cast(int, node["votesCount"]))
    return sent({"data": {"posts": {"edges": [{"node": node} for node in nodes]}}})


def _story(day: Day, title: str, url: str) -> dict[str, object]:
    short_id = f"{int(draw(day.seed, 'story id', f'{day.date}:{title}') * 16**6):06x}"
    return {
        "short_id": short_id,
        "short_id_url": f"https://lobste.rs/s/{short_id}",
        "created_at": f"{day.ago(title, 'story age'):%Y-%m-%dT%H:%M:%S.000+00:00}",
        "title": title,
        "url": url,
        "score": day.of(2, 90, "score", title),
        "flags": 0,
        "comment_count": day.of(0, 60, "story comments", title),
        "description": "",
        "comments_url": f"https://lobste.rs/s/{short_id}/{slug_of(title).replace('-', '_')}",
        "submitter_user": "someone",
        "user_is_author": False,
        "tags": ["practices"],
    }


def _question(day: Day, question: str, *, unanswered: bool) -> dict[str, object]:
    number = int(draw(day.seed, "question", question) * 10**8)
    asked = day.ago(question, "question age") - timedelta(days=3 if unanswered else 0)
    return {
        "tags": ["automation"],
        "is_answered": not unanswered,
        "view_count": day.of(40, 3_000, "question views", question),
        "answer_count": 0 if unanswered else day.of(0, 5, "answers", question),
        "score": day.of(0, 40, "question score", question) - 1,
        "last_activity_date": int(asked.timestamp()),
        "creation_date": int(asked.timestamp()),
        "question_id": number,
        "link": f"https://stackoverflow.com/questions/{number}/{slug_of(question)}",
        "title": html.escape(question),
    }


def _articles(day: Day) -> list[dict[str, object]]:
    ideas = day.shuffled(STRANGERS, "ideas")[_ON_DEVTO]
    texts = [
        (f"{name_of(repo)}: {text}", text, ("showdev", "opensource")) for repo, _, text in ideas
    ]
    questions = day.shuffled(QUESTIONS, "questions")[6:9]
    lessons = day.shuffled(LESSONS, "lessons")[:6]
    texts += [(title, "Asking for a small team.", ("discuss", "help")) for title in questions]
    texts += [(title, "What nobody tells you.", ("beginners", "career")) for title in lessons]
    rows = [_article(day, *text) for text in day.shuffled(texts, "articles")]
    return sorted(rows, key=lambda row: -cast(int, row["public_reactions_count"]))


def _article(day: Day, title: str, text: str, tags: tuple[str, ...]) -> dict[str, object]:
    entity = f"{day.date}:{title}"
    at = f"{day.ago(title, 'article age'):%Y-%m-%dT%H:%M:%SZ}"
    slug = slug_of(title)
    reactions = day.number(2, 180, "reactions", entity)
    return {
        "type_of": "article",
        "id": int(draw(day.seed, "article id", entity) * 10**7),
        "title": title,
        "description": text,
        "slug": slug,
        "path": f"/writer/{slug}",
        "url": f"https://dev.to/writer/{slug}",
        "comments_count": day.number(0, 40, "article comments", entity),
        "public_reactions_count": reactions,
        "positive_reactions_count": reactions,
        "published_timestamp": at,
        "published_at": at,
        "created_at": at,
        "edited_at": None,
        "cover_image": None,
        "reading_time_minutes": 4,
        "tag_list": list(tags),
        "tags": ", ".join(tags),
        "user": {"name": "A Writer", "username": "writer"},
    }

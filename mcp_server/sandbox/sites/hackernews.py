"""Hacker News through both of its interfaces, which agree on every story."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from mcp_server.sandbox.sites.stock import (
    NEWS,
    QUESTIONS,
    STRANGERS,
    Day,
    name_of,
    sent,
    size,
    slug_of,
)

FIREBASE = "hacker-news.firebaseio.com"
ITEM = re.compile(r"/v0/item/(\d{1,12})\.json")
# Items of a day are numbered from its ordinal times this.
_ITEMS_A_DAY = 100
_ON_HN = slice(10, 24)


def algolia(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer `hn.algolia.com`: it knows `tags` and the page size."""
    if path not in ("/api/v1/search", "/api/v1/search_by_date"):
        return None
    stories = _listing(day, query.get("tags", "front_page"))
    return sent(_algolia(stories, size(query, "hitsPerPage", 20)))


@dataclass(frozen=True, kw_only=True)
class _Story:
    id: int
    title: str
    url: str | None
    text: str | None
    tag: str
    points: int
    comments: int
    at: datetime


def _stories(day: Day) -> list[_Story]:
    ideas = day.shuffled(STRANGERS, "ideas")[_ON_HN]
    asks = day.shuffled(QUESTIONS, "questions")[:8]
    news = day.shuffled(NEWS, "news")[:9]
    texts = [
        (f"Show HN: {name_of(repo)} \u2013 {text}", f"https://github.com/{repo}", "show_hn")
        for repo, _, text in ideas
    ]
    texts += [(f"Ask HN: {question}", None, "ask_hn") for question in asks]
    texts += [(title, f"https://news.example/{slug_of(title)}", "story") for title in news]
    first = day.date.toordinal() * _ITEMS_A_DAY
    return [
        _Story(
            id=first + nth,
            title=title,
            url=url,
            text=None if url else "I tried three &amp; none lasted.<p>It&#x27;s a daily pain.",
            tag=tag,
            points=day.number(3, 600, "points", f"{day.date}:{title}"),
            comments=day.number(4, 300, "comments", f"{day.date}:{title}"),
            at=day.ago(title),
        )
        for nth, (title, url, tag) in enumerate(texts)
    ]


def _listing(day: Day, tags: str) -> list[_Story]:
    """Return a listing of the site, most votes first; the front page mixes all kinds."""
    stories = sorted(_stories(day), key=lambda story: (-story.points, story.id))
    if tags == "front_page":
        return stories[:20]
    return [story for story in stories if tags in ("story", story.tag)]


def _algolia(stories: Sequence[_Story], per_page: int) -> object:
    hits = [_hit(story) for story in stories[:per_page]]
    return {
        "exhaustiveNbHits": True,
        "hits": hits,
        "hitsPerPage": per_page,
        "nbHits": len(stories),
        "nbPages": 1,
        "page": 0,
        "query": "",
    }


def _hit(story: _Story) -> dict[str, object]:
    tags = dict.fromkeys(["story", "author_someone", f"story_{story.id}", story.tag])
    return {
        "_tags": list(tags),
        "author": "someone",
        "created_at": f"{story.at:%Y-%m-%dT%H:%M:%SZ}",
        "created_at_i": int(story.at.timestamp()),
        "num_comments": story.comments,
        "objectID": str(story.id),
        "points": story.points,
        "story_id": story.id,
        "title": story.title,
        **({"url": story.url} if story.url else {"story_text": story.text}),
    }


def firebase(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer Firebase: listings, and items of this day or an earlier one."""
    del query
    item = ITEM.fullmatch(path)
    if item:
        return _item(day, int(item[1]))
    tags = {"top": "front_page", "ask": "ask_hn", "show": "show_hn"}
    listing = re.fullmatch(r"/v0/(top|ask|show)stories\.json", path)
    if not listing:
        return None
    ids = [story.id for story in _listing(day, tags[listing[1]])]
    # A listing of a real day always holds something that was deleted since.
    return sent([*ids, day.date.toordinal() * _ITEMS_A_DAY + _ITEMS_A_DAY - 1])


def _item(today: Day, item_id: int) -> bytes | None:
    """Return an item of today or an earlier day."""
    ordinal, nth = divmod(item_id, _ITEMS_A_DAY)
    if not 1 <= ordinal <= today.date.toordinal():
        return None
    if nth == _ITEMS_A_DAY - 1:
        return sent({"deleted": True, "id": item_id, "type": "story"})
    stories = _stories(replace(today, date=date.fromordinal(ordinal)))
    if nth >= len(stories):
        return None
    story = stories[nth]
    fields: dict[str, object] = {
        "by": "someone",
        "descendants": story.comments,
        "id": story.id,
        "score": story.points,
        "time": int(story.at.timestamp()),
        "title": story.title,
        "type": "story",
        **({"url": story.url} if story.url else {"text": story.text}),
    }
    return sent(fields)

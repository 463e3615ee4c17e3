"""YouTube: new videos about building software, most watched first, by two calls of its Data API.

Its chart of popular videos is of music, films and games since 21 July 2025, and is not asked.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import urlencode

from pydantic import BaseModel

from mcp_server.trends.listing import read_parts
from mcp_server.trends.signal import (
    Answer,
    Count,
    Fetch,
    Reading,
    Signal,
    SourceFacts,
    SourceKey,
    Time,
    Torn,
    json_field,
    per_hour,
    plain,
    read_rows,
)

_API = "https://www.googleapis.com/youtube/v3"
_QUERIES = ("chrome extension", "open source developer tool")
_PUBLISHED_WITHIN = timedelta(days=3)
_ID = re.compile(r"[A-Za-z0-9_-]{11}")

FACTS = SourceFacts(
    name="youtube",
    hosts=("www.googleapis.com",),
    addresses=(f"{_API}/search", f"{_API}/videos"),
    # Two searches a reading are eight of the hundred that a day has.
    refresh_seconds=6 * 3600,
    rate="100 searches a day, 10,000 units for the rest (developers.google.com/youtube/v3/"
    "determine_quota_cost, 2026-11-22); two searches and two other calls",
    terms="https://developers.google.com/youtube/terms/api-services-terms-of-service",
    numbers="points: views; velocity: views over the age, an hour (estimate)",
    key=SourceKey(host="www.googleapis.com", header="x-goog-api-key"),
)


class _Id(BaseModel):
    videoId: str


class _Found(BaseModel):
    id: _Id


class _Snippet(BaseModel):
    title: str
    description: str
    publishedAt: Time
    tags: tuple[str, ...] = ()


class _Statistics(BaseModel):
    """Numbers come as texts; comments may be switched off."""

    viewCount: Count
    commentCount: Count = 0


class _Video(BaseModel):
    id: str
    snippet: _Snippet
    statistics: _Statistics


class YouTube:
    """Searches, then what they found with its numbers."""

    facts = FACTS

    async def read(self, fetch: Fetch, now: datetime) -> Reading:
        """Read one search after the other, each alone in its failure."""
        parts = [(query, lambda query=query: _search(query, fetch, now)) for query in _QUERIES]
        return await read_parts(parts, at_once=False)


def parse_search(answer: Answer) -> tuple[str, ...]:
    """Return the ids of the videos found; raises as `read_rows` does, or `Unavailable`."""
    return read_rows(json_field(answer, "items"), _read_id, answer.url)


def parse_videos(answer: Answer, now: datetime, *, asked: Sequence[str]) -> tuple[Signal, ...]:
    """Return the videos in the order they were `asked` for.

    Raises:
        Unavailable: the status is not 200.
        Torn: a video cannot be read, or is not there.
    """
    rows = json_field(answer, "items")
    rank_of = {video_id: rank for rank, video_id in enumerate(asked, 1)}
    found = read_rows(rows, lambda _, row: _read_video(row, rank_of, now), answer.url)
    if len(found) < len(rank_of):
        counted = f"{len(found)} of {len(rank_of)} videos were given"
        raise Torn(f"{answer.url!r}: {counted}", rows=found, expected=len(rank_of))
    return tuple(sorted(found, key=lambda signal: signal.rank))


async def _search(query: str, fetch: Fetch, now: datetime) -> Reading:
    since = (now - _PUBLISHED_WITHIN).replace(hour=0, minute=0, second=0, microsecond=0)
    search = {
        "part": "snippet",
        "type": "video",
        "order": "viewCount",
        "relevanceLanguage": "en",
        "publishedAfter": f"{since:%Y-%m-%dT%H:%M:%SZ}",
        "maxResults": 25,
        "q": query,
    }
    ids = parse_search(await fetch(f"{_API}/search?{urlencode(search)}", {}))
    if not ids:
        return Reading(signals=(), notes=(f"{query}: no new video in three days",))
    videos = urlencode({"part": "snippet,statistics", "id": ",".join(ids)})
    answer = await fetch(f"{_API}/videos?{videos}", {})
    return Reading(signals=parse_videos(answer, now, asked=ids))


def _read_id(_rank: int, row: object) -> str:
    video_id = _Found.model_validate(row).id.videoId
    if not _ID.fullmatch(video_id):
        raise ValueError(f"{video_id!r} is no video")
    return video_id


def _read_video(row: object, rank_of: dict[str, int], now: datetime) -> Signal:
    video = _Video.model_validate(row)
    title = plain(video.snippet.title)
    if not title or video.id not in rank_of:
        raise ValueError("a video without title, or that was not asked for")
    return Signal(
        source=FACTS.name,
        rank=rank_of[video.id],
        title=title,
        description=plain(video.snippet.description),
        url=f"https://www.youtube.com/watch?v={video.id}",
        tags=video.snippet.tags,
        points=video.statistics.viewCount,
        comments=video.statistics.commentCount,
        velocity_per_hour=per_hour(video.statistics.viewCount, video.snippet.publishedAt, now),
        at=video.snippet.publishedAt,
    )


SOURCE = YouTube()

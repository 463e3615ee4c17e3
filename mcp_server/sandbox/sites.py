"""The sandbox's trend sites: recorded answers from a folder, or days of its own making.

Knows the shapes of the real sites (docs/sources.md) and nothing of who reads them.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar, cast

from mcp_server.sandbox.chance import between, draw

T = TypeVar("T")
Reply = tuple[int, dict[str, str], bytes]

# Repository, language, what it is. All invented.
STRANGERS = (
    ("quietbar/tab-warden", "TypeScript", "Chrome extension that files forgotten tabs by topic"),
    ("quietbar/consent-skipper", "TypeScript", "Browser extension that answers consent banners"),
    ("pagepress/clean-clip", "TypeScript", "Chrome extension that copies tables as Markdown"),
    ("pagepress/price-memory", "JavaScript", "Browser extension that remembers what things cost"),
    ("readalot/later-lane", "TypeScript", "Firefox extension that turns long reads into a queue"),
    ("readalot/footnote-peek", "TypeScript", "Browser extension that shows footnotes in place"),
    ("keymint/form-vault", "TypeScript", "Chrome extension that keeps half-filled forms safe"),
    ("keymint/meeting-mute", "JavaScript", "Chrome extension with one mute key for every call"),
    ("northdesk/diff-lens", "TypeScript", "Browser extension that folds noise in pull requests"),
    ("northdesk/issue-shelf", "TypeScript", "Chrome extension that pins issues to a side panel"),
    ("ironpath/logcut", "Rust", "Command line log reader that groups lines by cause"),
    ("ironpath/portwhy", "Rust", "CLI that tells which process holds a port, and why"),
    ("ironpath/dirdiet", "Go", "Terminal tool that explains what fills a disk"),
    ("smallsharp/envcheck", "Go", "CLI that compares env files with what the code reads"),
    ("smallsharp/cronview", "Go", "Terminal calendar of every cron job of a machine"),
    ("smallsharp/jsonsieve", "Rust", "CLI that samples huge JSON files without loading them"),
    ("testgarden/flakefinder", "Python", "Test plugin that finds order-dependent tests"),
    ("testgarden/seedbank", "Python", "Library of realistic rows for test databases"),
    ("testgarden/mockmirror", "Python", "Recorder that turns API calls into test doubles"),
    ("schemaforge/drift-guard", "Python", "Linter for migrations that would lock a table"),
    ("schemaforge/query-coach", "TypeScript", "SQL formatter that points out missing indexes"),
    (
        "plainbooks/receipt-run",
        "TypeScript",
        "Self-hosted app that sorts receipts for the tax year",
    ),
    ("plainbooks/rentsplit", "TypeScript", "App for flats that share bills unevenly"),
    ("plainbooks/subscan", "Python", "Local app that lists subscriptions found in statements"),
    ("homebench/plantlog", "TypeScript", "Offline app that reminds of watering by weather"),
    ("homebench/pantrywise", "TypeScript", "Kitchen stock app that plans meals from leftovers"),
    ("homebench/toolshed", "Go", "Neighbourhood app for lending drills and ladders"),
    ("notelane/voice-index", "Python", "Private search over voice memos on your own machine"),
    ("notelane/margin", "Rust", "Desktop notes that stay beside the window they are about"),
    ("notelane/daily-stack", "TypeScript", "Plain-text planner with undo for a whole day"),
    ("agentyard/promptlock", "Python", "Lock file for prompts, with diffs in code review"),
    ("agentyard/tool-ledger", "Python", "MCP server that records what agents were allowed to do"),
    ("agentyard/costmeter", "TypeScript", "Terminal meter of what a coding agent spends"),
    ("opsnest/backup-drill", "Go", "Daemon that restores last night's backup and checks it"),
    ("opsnest/certwatch", "Go", "Small server that lists certificates before they expire"),
)
_QUESTIONS = (
    "How do you keep documentation in step with code?",
    "Is there a calendar that understands travel time?",
    "What do you use to find which of your services nobody uses?",
    "Why is moving bookmarks between browsers still so hard?",
    "How do you review a pull request of three thousand lines?",
    "Is there a password manager that families really use?",
    "What is the best way to back up photos of two phones?",
    "How do you notice that a cron job has not run?",
    "Does anyone have a sane way to track invoices by e-mail?",
    "Why are there no good tools to compare two spreadsheets?",
    "How do you test code that depends on the time of day?",
    "What do you use to share a terminal with a colleague?",
    "Is there a lightweight way to keep secrets out of logs?",
    "How do you find out what changed before it broke?",
)
# Noise: real listings are full of what nobody should build.
_COLLECTIONS = (
    ("lecturehall/free-courses", None, "A list of free university courses"),
    ("lecturehall/interview-answers", "Markdown", "Thousand interview questions & answers"),
    ("bigweights/goliath-70b", "Python", "Weights and inference code of Goliath-70B"),
    ("bigweights/whisperling", "Python", "Open speech model, 3B parameters, weights included"),
    ("bigweights/pixelmoth-xl", "Jupyter Notebook", "Checkpoints of an image model"),
    ("curated/awesome-everything", None, ""),
)
_NEWS = (
    "Regulator fines phone maker over repair prices",
    "The history of the paperclip (1998)",
    "Chip plant in the desert opens two years late",
    "A year without a smartphone",
    "Physicists measure the proton again, still disagree",
    "City replaces traffic lights with roundabouts & saves energy",
    "Airline cancels 400 flights after a certificate expires",
    "Why sourdough rises [video]",
    "Old maps of the northern sea, scanned",
    "Large lab lays off its robotics team",
    "The bridge that hums in the wind (2011) [pdf]",
    "Ferries are late because of a leap second",
)
_LESSONS = (
    "Ten habits of calm developers ✨",
    "My first year as a team lead",
    "Understanding closures, part 4",
    "CSS grid in five minutes 🎨",
    "What I learned from a rejected pull request",
    "A gentle introduction to queues",
    "Weekly reading list",
    "How I passed a cloud certificate in two weeks",
)

_DATE = r"(\d{4}-\d{2}(?:-\d{2})?)"
_TRENDING = re.compile(r"/trending(?:/([A-Za-z0-9#+.-]+))?")
_PERIODS = {"daily": "today", "weekly": "this week", "monthly": "this month"}
_ITEM = re.compile(r"/v0/item/(\d{1,12})\.json")
_FIREBASE = "hacker-news.firebaseio.com"
# Host and path of a listing -> folder, and what the names of its recordings begin with.
_RECORDINGS = {
    ("hn.algolia.com", "/api/v1/search"): ("hackernews", "algolia_search_"),
    ("hn.algolia.com", "/api/v1/search_by_date"): ("hackernews", "algolia_search_by_date_"),
    ("dev.to", "/api/articles"): ("devto", "articles_list_"),
    (_FIREBASE, "/v0/topstories.json"): ("hackernews", "firebase_topstories_"),
    (_FIREBASE, "/v0/askstories.json"): ("hackernews", "firebase_askstories_"),
    (_FIREBASE, "/v0/showstories.json"): ("hackernews", "firebase_showstories_"),
}
# Items of a day are numbered from its ordinal times this.
_ITEMS_A_DAY = 100
# Shares of a day's shuffled ideas; HN and Dev.to overlap wholly, GitHub with both in part.
_ON_GITHUB, _ON_HN, _ON_DEVTO = slice(0, 16), slice(10, 24), slice(12, 23)


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


class Sites:
    """The trend sites of one world."""

    def __init__(self, *, seed: int, directory: Path | None) -> None:
        """Serve recordings from `directory`, or invent days from `seed` when it is None."""
        self._seed = seed
        self._directory = directory

    def answer(self, host: str, path: str, query: Mapping[str, str], now: datetime) -> Reply:
        """Return status, headers and body of a GET; what the host does not have is its own 404.

        Invented answers depend on the UTC date of `now` only, and know `since`, `tags` and the
        page sizes; their stories are at most 20 hours older than the day, so that filters by age
        have nothing to leave out.
        """
        if self._directory:
            body = _recorded(self._directory, host, path, query)
        else:
            body = _invented(self._seed, now.astimezone(UTC).date(), host, path, query)
        if body is None and host == _FIREBASE and path.endswith(".json"):
            body = b"null"  # Firebase's word for what is not there, with status 200
        kind = "text/html" if host == "github.com" else "application/json"
        headers = {"Content-Type": f"{kind}; charset=utf-8"}
        if body is not None:
            return 200, headers, body
        missing = b"<!DOCTYPE html><html><body>Not Found</body></html>"
        return (
            404,
            headers,
            missing if kind == "text/html" else b'{"error":"not found","status":404}',
        )


def _recorded(directory: Path, host: str, path: str, query: Mapping[str, str]) -> bytes | None:
    page = _TRENDING.fullmatch(path) if host == "github.com" else None
    if page:
        word = (page[1] or query.get("since", "daily")).lower()
        return _newest(directory / "github-trending", rf"trending_{re.escape(word)}_.*?", "html")
    item = _ITEM.fullmatch(path) if host == _FIREBASE else None
    if item:
        folder = directory / "hackernews"
        alone = _newest(folder, rf"firebase_item_{item[1]}_", "json")
        return _item_of_arrays(folder, int(item[1])) if alone is None else alone
    place = _RECORDINGS.get((host, path))
    return _newest(directory / place[0], place[1], "json") if place else None


def _newest(folder: Path, start: str, suffix: str) -> bytes | None:
    """Return the recording with the last date in its name."""
    names = _dated(folder, start, suffix)
    return names[-1].read_bytes() if names else None


def _dated(folder: Path, start: str, suffix: str) -> list[Path]:
    """Return the files named `start`, a date, anything, `suffix`; by date, the last one last."""
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"{start}{_DATE}.*\.{suffix}")
    found = [(name[1], path) for path in folder.iterdir() if (name := pattern.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def _item_of_arrays(folder: Path, item_id: int) -> bytes | None:
    for path in reversed(_dated(folder, "firebase_items_[a-z]+_", "json")):
        for item in cast(list[dict[str, object] | None], json.loads(path.read_bytes())):
            if item and item.get("id") == item_id:
                return _bytes(item)
    return None


def _invented(seed: int, day: date, host: str, path: str, query: Mapping[str, str]) -> bytes | None:
    match host, path:
        case "github.com", "/trending" if query.get("since", "daily") in _PERIODS:
            return _trending_page(seed, day, _PERIODS[query.get("since", "daily")])
        case "dev.to", "/api/articles":
            return _bytes(_articles(seed, day)[: _size(query, "per_page", 30)])
        case "hn.algolia.com", "/api/v1/search" | "/api/v1/search_by_date":
            stories = _listing(seed, day, query.get("tags", "front_page"))
            return _bytes(_algolia(stories, _size(query, "hitsPerPage", 20)))
        case _:
            return _firebase(seed, day, path) if host == _FIREBASE else None


def _size(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else default


def _shuffled(options: Sequence[T], seed: int, purpose: str, day: date) -> list[T]:
    order = sorted(range(len(options)), key=lambda i: draw(seed, purpose, f"{day}:{options[i]!r}"))
    return [options[i] for i in order]


def _number(low: float, high: float, seed: int, purpose: str, entity: str) -> int:
    """Draw with a long tail: most are small, as votes are."""
    return int(low + (high - low) * draw(seed, purpose, entity) ** 3)


def _name(repo: str) -> str:
    return repo.partition("/")[2].replace("-", " ").title()


def _trending_page(seed: int, day: date, period: str) -> bytes:
    repos = _shuffled(STRANGERS, seed, "ideas", day)[_ON_GITHUB]
    repos += _shuffled(_COLLECTIONS, seed, "collections", day)[:4]
    rows = [
        _trending_row(seed, day, period, *row) for row in _shuffled(repos, seed, "trending", day)
    ]
    title = f"<title>Trending  repositories on GitHub {period} · GitHub</title>"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">{title}</head>\n'
        f'<body class="logged-out">\n<main><div class="Box"><div data-hpc>{"".join(rows)}</div>'
        "</div></main>\n</body>\n</html>\n"
    ).encode()


def _trending_row(
    seed: int, day: date, period: str, repo: str, language: str | None, text: str
) -> str:
    """Return a row in the markup of April 2026 (`tmp-` classes; sponsor link on some)."""
    owner, _, name = repo.partition("/")
    gained = _number(40, 2500, seed, "stars gained", f"{day}:{repo}")
    stars = gained + _number(300, 40_000, seed, "stars", repo)
    about = f'<p class="col-9 color-fg-muted my-1 tmp-pr-4">\n  {html.escape(text)}\n</p>'
    spoken = f'<span itemprop="programmingLanguage">{language}</span>'
    sponsor = f'<a href="/sponsors/{owner}" class="btn-sm btn">Sponsor</a>'
    counts = "".join(
        f'<a href="/{repo}/{page}" class="tmp-mr-3 Link Link--muted d-inline-block">\n'
        f"  {count:,}</a>\n"
        for page, count in (("stargazers", stars), ("forks", stars // 9))
    )
    return f"""<article class="Box-row">
<div class="float-right d-flex">{sponsor if draw(seed, "sponsor", repo) < 0.15 else ""}
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


def _stories(seed: int, day: date) -> list[_Story]:
    ideas = _shuffled(STRANGERS, seed, "ideas", day)[_ON_HN]
    asks = _shuffled(_QUESTIONS, seed, "questions", day)[:8]
    news = _shuffled(_NEWS, seed, "news", day)[:9]
    texts = [
        (f"Show HN: {_name(repo)} \u2013 {text}", f"https://github.com/{repo}", "show_hn")
        for repo, _, text in ideas
    ]
    texts += [(f"Ask HN: {question}", None, "ask_hn") for question in asks]
    texts += [(title, _news_url(title), "story") for title in news]
    first = day.toordinal() * _ITEMS_A_DAY
    midnight = datetime.combine(day, time(), UTC)
    return [
        _Story(
            id=first + nth,
            title=title,
            url=url,
            text=None if url else "I tried three &amp; none lasted.<p>It&#x27;s a daily pain.",
            tag=tag,
            points=_number(3, 600, seed, "points", f"{day}:{title}"),
            comments=_number(4, 300, seed, "comments", f"{day}:{title}"),
            at=midnight - timedelta(hours=between(0, 20, seed, "age", f"{day}:{title}")),
        )
        for nth, (title, url, tag) in enumerate(texts)
    ]


def _news_url(title: str) -> str:
    return f"https://news.example/{'-'.join(re.findall('[a-z0-9]+', title.lower()))}"


def _listing(seed: int, day: date, tags: str) -> list[_Story]:
    """Return a listing of the site, most votes first; the front page mixes all kinds."""
    stories = sorted(_stories(seed, day), key=lambda story: (-story.points, story.id))
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


def _firebase(seed: int, day: date, path: str) -> bytes | None:
    item = _ITEM.fullmatch(path)
    if item:
        return _item(seed, day, int(item[1]))
    tags = {"top": "front_page", "ask": "ask_hn", "show": "show_hn"}
    listing = re.fullmatch(r"/v0/(top|ask|show)stories\.json", path)
    if not listing:
        return None
    ids = [story.id for story in _listing(seed, day, tags[listing[1]])]
    # A listing of a real day always holds something that was deleted since.
    return _bytes([*ids, day.toordinal() * _ITEMS_A_DAY + _ITEMS_A_DAY - 1])


def _item(seed: int, today: date, item_id: int) -> bytes | None:
    """Return an item of today or an earlier day."""
    ordinal, nth = divmod(item_id, _ITEMS_A_DAY)
    if not 1 <= ordinal <= today.toordinal():
        return None
    if nth == _ITEMS_A_DAY - 1:
        return _bytes({"deleted": True, "id": item_id, "type": "story"})
    stories = _stories(seed, date.fromordinal(ordinal))
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
    return _bytes(fields)


def _articles(seed: int, day: date) -> list[dict[str, object]]:
    ideas = _shuffled(STRANGERS, seed, "ideas", day)[_ON_DEVTO]
    texts = [(f"{_name(repo)}: {text}", text, ("showdev", "opensource")) for repo, _, text in ideas]
    questions = _shuffled(_QUESTIONS, seed, "questions", day)[6:9]
    lessons = _shuffled(_LESSONS, seed, "lessons", day)[:6]
    texts += [(title, "Asking for a small team.", ("discuss", "help")) for title in questions]
    texts += [(title, "What nobody tells you.", ("beginners", "career")) for title in lessons]
    rows = [_article(seed, day, *text) for text in _shuffled(texts, seed, "articles", day)]
    return sorted(rows, key=lambda row: -cast(int, row["public_reactions_count"]))


def _article(
    seed: int, day: date, title: str, text: str, tags: tuple[str, ...]
) -> dict[str, object]:
    entity = f"{day}:{title}"
    age = timedelta(hours=between(0, 20, seed, "article age", entity))
    at = f"{datetime.combine(day, time(), UTC) - age:%Y-%m-%dT%H:%M:%SZ}"
    slug = "-".join(re.findall("[a-z0-9]+", title.lower()))
    reactions = _number(2, 180, seed, "reactions", entity)
    return {
        "type_of": "article",
        "id": int(draw(seed, "article id", entity) * 10**7),
        "title": title,
        "description": text,
        "slug": slug,
        "path": f"/writer/{slug}",
        "url": f"https://dev.to/writer/{slug}",
        "comments_count": _number(0, 40, seed, "article comments", entity),
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


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

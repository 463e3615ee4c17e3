"""The sandbox's open web: pages for people, robots.txt, and Brave's search over them.

Invented from the seed and the address alone; what it does not have is the sites' own 404.
"""

import html
import re
from datetime import datetime

from mcp_server.sandbox.chance import between, pick
from mcp_server.sandbox.http import Call, Json, Reply

BRAVE_HOST = "api.search.brave.com"
BRAVE_KEY = "sandbox-brave-key"
NEWS_HOST = "news.example"
WEB_HOSTS = (NEWS_HOST, BRAVE_HOST)
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_ROBOTS = b"User-agent: *\nDisallow: /private/\n"
_ARTICLE = {
    NEWS_HOST: re.compile(r"/(?:private/)?([a-z0-9-]+)"),
    "dev.to": re.compile(r"/[\w-]+/([a-z0-9-]+)"),
}
_SENTENCES = (
    "People who tried it for a week say that it saves them an hour a day.",
    "The first version was written in a weekend and has been mended ever since.",
    "It runs on your own machine and asks for no account.",
    "Whoever maintains it answers questions within a day or two.",
    "Several readers asked for an export to plain text, and it came last month.",
    "Nobody knows yet how it behaves with more than a thousand entries.",
    "The price was discussed at length, and in the end it stayed free.",
    "A comparison with three older tools shows where it is slower.",
)
_PARAGRAPHS = (4, 9)
_MOST_FOUND = 20


class Web:
    """The pages of one world."""

    def __init__(self, *, seed: int) -> None:
        """Invent them from `seed`."""
        self._seed = seed

    def answer(self, call: Call, now: datetime) -> Reply | None:
        """Return the answer to a GET; None: there is no such page."""
        if call.method != "GET":
            return None
        if call.host == BRAVE_HOST:
            return self._search(call, now)
        if call.path == "/robots.txt":
            return Reply(200, _ROBOTS, {"Content-Type": "text/plain"})
        shape = _ARTICLE.get(call.host)
        found = shape.fullmatch(call.path) if shape else None
        return Reply(200, self._article(found[1], now), _HTML) if found else None

    def _article(self, slug: str, now: datetime) -> bytes:
        title = html.escape(slug.replace("-", " ").capitalize())
        count = int(between(*_PARAGRAPHS, self._seed, "paragraphs", slug))
        body = "".join(f"<p>{title}: {self._paragraph(slug, nth)}</p>" for nth in range(count))
        return (
            f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta property="article:published_time" content="{now:%Y-%m-%d}"></head><body>'
            f"<nav><a href='/'>Start</a></nav><article><h1>{title}</h1>{body}</article>"
            "<footer>Imprint</footer></body></html>"
        ).encode()

    def _paragraph(self, slug: str, nth: int) -> str:
        return " ".join(
            pick(_SENTENCES, self._seed, "sentence", f"{slug} {nth} {place}") for place in range(3)
        )

    def _search(self, call: Call, now: datetime) -> Reply | None:
        if call.path != "/res/v1/web/search":
            return None
        if call.headers.get("x-subscription-token") != BRAVE_KEY:
            error = {"code": "SUBSCRIPTION_TOKEN_INVALID", "status": 422}
            return Reply(422, {"type": "ErrorResponse", "error": error})
        words = re.findall("[a-z0-9]+", call.query.get("q", "").lower())
        asked = call.query.get("count", "")
        count = min(int(asked) if asked.isascii() and asked.isdigit() else _MOST_FOUND, _MOST_FOUND)
        results: list[Json] = [
            self._result("-".join([*words, str(nth)]), now) for nth in range(count)
        ]
        return Reply(200, {"type": "search", "query": {}, "web": {"results": results}})

    def _result(self, slug: str, now: datetime) -> Json:
        return {
            "title": slug.replace("-", " ").capitalize(),
            "url": f"https://{NEWS_HOST}/{slug}",
            "description": f"<strong>{slug}</strong>: it&#x27;s {self._paragraph(slug, 0)}",
            "age": f"{now:%B} {now.day}, {now.year}",
        }

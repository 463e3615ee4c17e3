"""Sites that answer with a feed: Google Trends, Reddit, PyPI, Hashnode's blogs."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import format_datetime
from html import escape

from mcp_server.sandbox.sites.stock import (
    FAMOUS,
    LESSONS,
    QUESTIONS,
    STRANGERS,
    Day,
    name_of,
    slug_of,
)

_BEGIN = '<?xml version="1.0" encoding="UTF-8"?>\n'
_HT = "https://trends.google.com/trending/rss"
_ON_REDDIT = slice(18, 28)


def google_trends(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer Google Trends' RSS: ten searches a country, mostly of what is famous."""
    geo = query.get("geo", "")
    if path != "/trending/rss" or not geo.isalpha():
        return None
    famous = day.shuffled(FAMOUS, f"searched in {geo}")[:8]
    ideas = day.shuffled(STRANGERS, "ideas")[14:16]
    items = [
        f"<title>{escape(title)}</title><ht:approx_traffic>"
        f"{(200, 500, 1000, 5000)[day.of(0, 4, f'searches in {geo}', title)]}+</ht:approx_traffic>"
        f"<description/><link>{_HT}?geo={geo}</link>"
        f"<pubDate>{format_datetime(day.ago(title))}</pubDate>"
        for title in (*famous, *(name_of(repo) for repo, _, _ in ideas))
    ]
    return _rss("Daily Search Trends", items, f' xmlns:ht="{_HT}"')


def pypi(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer PyPI's feed of new packages."""
    del query
    if path != "/rss/packages.xml":
        return None
    made = [row for row in day.shuffled(STRANGERS, "packages") if row[1] == "Python"]
    names = [(repo.partition("/")[2], text) for repo, _, text in made]
    items = [
        f"<title>{name} added to PyPI</title><link>https://pypi.org/project/{name}/</link>"
        f"<guid>https://pypi.org/project/{name}/</guid><description>{escape(text)}</description>"
        f"<pubDate>{format_datetime(day.ago(name), usegmt=True)}</pubDate>"
        for name, text in names
    ]
    return _rss("PyPI newest packages", items)


def hashnode(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer a blog of Hashnode's."""
    del query
    if path != "/rss.xml":
        return None
    items = [
        f"<title><![CDATA[{title}]]></title>"
        f"<link>https://engineering.hashnode.com/{slug_of(title)}</link>"
        f"<pubDate>{format_datetime(day.ago(title) - timedelta(days=2), usegmt=True)}</pubDate>"
        for title in day.shuffled(LESSONS, "blog")[:5]
    ]
    return _rss("A blog", items)


def reddit(day: Day, path: str, query: Mapping[str, str]) -> bytes | None:
    """Answer Reddit's Atom feeds; its JSON is for nobody without a login."""
    del query
    if not path.endswith("/top/.rss"):
        return None
    told = [f"I made {name_of(r)}: {text}" for r, _, text in day.shuffled(STRANGERS, "ideas")]
    titles = [*told[_ON_REDDIT], *day.shuffled(QUESTIONS, "asked at reddit")[:5]]
    entries = "".join(_post(day, title) for title in day.shuffled(titles, "posts"))
    feed = '<feed xmlns="http://www.w3.org/2005/Atom"><title>top of the day</title>'
    return f"{_BEGIN}{feed}{entries}</feed>".encode()


def _post(day: Day, title: str) -> str:
    at = f"{day.ago(title):%Y-%m-%dT%H:%M:%S+00:00}"
    url = f"https://www.reddit.com/r/SideProject/comments/{slug_of(title)[:40]}/"
    return (
        f'<entry><author><name>/u/someone</name></author><category term="SideProject"/>'
        f'<link href="{url}"/><updated>{at}</updated><published>{at}</published>'
        f"<title>{escape(title)}</title></entry>"
    )


def _rss(title: str, items: Sequence[str], more: str = "") -> bytes:
    rows = "".join(f"<item>{item}</item>\n" for item in items)
    channel = f"<channel><title>{title}</title>{rows}</channel>"
    return f'{_BEGIN}<rss version="2.0"{more}>{channel}</rss>'.encode()

"""What an address names: the same page under its many spellings, a repository, a question.

Decides from the text of the address alone; nothing is fetched and no redirect is followed.
"""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from mcp_server.trends.signal import repo_of

_TRACKING = re.compile(
    r"utm_\w+|pk_\w+|mc_[ce]id|mkt_tok|_hs(?:enc|mi)|ref(?:_src|_url|errer)?|source|(?:g|fb)clid"
    r"|(?:msclk|dcl|twcl|ys?cl)id|igshid|spm|cmpid|ncid|amp|outputtype"
)
# A host for small screens shows the page of its big sister, which has a dot of its own.
_SISTER = re.compile(r"^(?:www\d?|m|mobile|amp)\.(?=[^/]+\.[^/]+)")
_AMP_COPY = re.compile(
    r"^(?:google\.[a-z.]+/amp/(?:s/)?|[\w-]+\.cdn\.ampproject\.org/[cv]/(?:s/)?)(?=[\w-]+\.)"
)
_INDEX = re.compile(r"/(?:index|default)\.(?:html?|php|aspx?)$")
_AMP_END = re.compile(r"(?:/amp|\.amp)(?=/?$|\.html$)")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
# Sites that show one page under several addresses (seen 2026-11-23), after the rules for all.
_ONE_PAGE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), place)
    for pattern, place in (
        (r"(?:music\.)?youtube\.com/watch\?(?:.*&)?v=([\w-]+).*", r"youtube.com/watch?v=\1"),
        (r"youtu\.be/([\w-]+).*", r"youtube.com/watch?v=\1"),
        (r"youtube(?:-nocookie)?\.com/(?:shorts|embed|live)/([\w-]+).*", r"youtube.com/watch?v=\1"),
        (r"(?:twitter|x)\.com/\w+/status/(\d+).*", r"x.com/status/\1"),
        (r"twitter\.com(/.*)?", r"x.com\1"),
        (r"(?:\w+\.)?reddit\.com(?:/r/\w+)?/comments/(\w+)(?:/[^/?]*)?", r"reddit.com/comments/\1"),
        (r"redd\.it/(\w+)", r"reddit.com/comments/\1"),
        (r"(?:old|new|np)\.reddit\.com(/.*)?", r"reddit.com\1"),
        (r"arxiv\.org/(?:abs|pdf|html)/([\w.-]+?)(?:v\d+)?(?:\.pdf)?", r"arxiv.org/abs/\1"),
        (
            r"((?:[\w.]*stackexchange|stackoverflow|serverfault|superuser|askubuntu)\.com)/q(?:uestions)?"
            r"/(\d+).*",
            r"\1/questions/\2",
        ),
        (r"(\w+)\.m\.wikipedia\.org(/.*)", r"\1.wikipedia.org\2"),
        (r"npmjs\.org(/.*)?", r"npmjs.com\1"),
    )
)
_THREAD = re.compile(r"github\.com/[\w.-]+/[\w.-]+/(?:issues|discussions|pull)/\d+", re.ASCII)
_ASKING = re.compile(
    r"github\.com/[^/]+/[^/]+/(?:issues|discussions)/\d+"
    r"|(?:[\w.]*stackexchange|stackoverflow|serverfault|superuser|askubuntu)\.com/questions/\d+"
)
_RAW = re.compile(r"(?:raw\.githubusercontent\.com|api\.github\.com/repos)/([\w-]+)/([\w.-]+)")


def normal_url(url: str) -> str:
    """Return an address without what does not name the page, from the host on.

    Scheme, `www`, hosts for small screens, AMP, tracking, fragments and final slashes go; a
    fragment that is a page's route stays. A path keeps its case, a repository on GitHub does not.
    """
    parts = urlsplit(url)
    host = parts.netloc.lower().rpartition("@")[2].rstrip(".")
    host = re.sub(r":(?:80|443)$", "", host)
    route = parts.fragment if parts.fragment.startswith(("/", "!/")) else ""
    path = _path(parts.path)
    place = f"{_SISTER.sub('', host)}{path}"
    if copied := _AMP_COPY.match(place):
        place = _SISTER.sub("", place[copied.end() :])
    place = _AMP_END.sub("", _INDEX.sub("", place)).rstrip("/")
    query = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(pair[0].lower())
    ]  # fmt: skip
    tail = f"?{urlencode(sorted(query))}" if query else ""
    whole = f"{place}{tail}{f'#{route}' if route else ''}"
    for pattern, page in _ONE_PAGE:
        if found := pattern.fullmatch(whole):
            return found.expand(page)
    return whole.lower() if _THREAD.fullmatch(whole) else whole


def names_of(url: str, repo: str | None) -> tuple[str, ...]:
    """Return what names the thing at `url`, the most lasting name first.

    Two signals that share a name are about the same. A repository is named by any of its pages
    but for its issues, discussions and pull requests, each of which is a thing of its own.
    """
    place = normal_url(url)
    page = f"url:{place}"
    if _THREAD.fullmatch(place):
        return (page,)
    raw = _RAW.match(place)
    found = repo or (f"{raw[1]}/{raw[2]}" if raw else repo_of(f"https://{place}"))
    return (f"repo:{found.lower()}", page) if found else (page,)


def is_question(url: str) -> bool:
    """Return whether what stands at the address was asked or complained about by somebody."""
    return _ASKING.fullmatch(normal_url(url)) is not None


def _path(path: str) -> str:
    """Return a path with one way of escaping, and no slash twice."""
    escaped = quote(re.sub(r"/{2,}", "/", path), safe="/%:@!$&'()*+,;=~", errors="replace")
    return _ESCAPE.sub(_needed, escaped)


def _needed(escape: re.Match[str]) -> str:
    code = int(escape[1], 16)
    return quote(chr(code), safe="~") if code < 128 else escape[0].upper()

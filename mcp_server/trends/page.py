"""HTML pages: judged before they are parsed, as feed.py judges feeds."""

from mcp_server.errors import Unreadable
from mcp_server.trends.signal import Answer, demand_success

# What a parser of HTML takes grows with the square of how deep tags are nested: two seconds and a
# half at worst. GitHub's pages of 2019 to 2026, the largest that are read, have up to 9,264.
MOST_TAGS = 15_000


def html_text(answer: Answer) -> str:
    """Return the page of an answer that is HTML by its type and by its first bytes, and whole.

    Raises:
        Unavailable: the status is not 200.
        Unreadable: it is something else, or has more than `MOST_TAGS` tags.
    """
    demand_success(answer)
    body = answer.body.strip()
    if "html" not in answer.content_type.lower() or not body.startswith(b"<"):
        raise Unreadable(f"{answer.url!r} is not HTML ({answer.content_type!r})")
    if (tags := body.count(b"<")) > MOST_TAGS:
        raise Unreadable(f"{answer.url!r} has {tags:,} tags: {MOST_TAGS:,} at most are read")
    # Some savers of pages leave out </html>, none leaves out </body>.
    if b"</body>" not in body[-64:].lower():
        raise Unreadable(f"{answer.url!r} breaks off after {len(answer.body)} bytes")
    return body.decode("utf-8", errors="replace")

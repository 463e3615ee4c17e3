"""Reads public pages: politely, for a bounded time, following redirects one decision at a time.

What may be dialled at all is the guard's; here are robots.txt, the pace for each host, and what
counts as a text.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx2

from mcp_server.clients import robots
from mcp_server.clock import Clock
from mcp_server.errors import BadArgument, NotFound, Refused, Unavailable, Unreadable
from mcp_server.guard import page_urls

# For everything: the wait for our turn, robots.txt, every redirect, the last byte.
DEADLINE_SECONDS = 20.0
MOST_REDIRECTS = 5
SECONDS_BETWEEN = 1.0
ROBOTS_FOR_SECONDS = 3600.0
TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown"})
_MOST_ROBOTS = 256
_MOVED = frozenset({301, 302, 303, 307, 308})
_HEADERS: Mapping[str, str] = {
    "accept": "text/html,application/xhtml+xml,text/plain,text/markdown",
    # What the network under the guard unpacks, and no more.
    "accept-encoding": "gzip, deflate",
}


@dataclass(frozen=True, kw_only=True)
class RawPage:
    """A page as it came; `content_type` is in lower case, without parameters."""

    url: str
    content_type: str
    charset: str | None
    body: bytes
    read_at: datetime


class WebPages:
    """Reads pages; remembers robots.txt of hosts for an hour, and when each was asked last."""

    def __init__(self, http: httpx2.AsyncClient, *, clock: Clock) -> None:
        """Read over `http`, which is guarded."""
        self._http = http
        self._clock = clock
        self._next_turn: dict[str, float] = {}
        self._rules: dict[str, tuple[float, tuple[robots.Rule, ...]]] = {}
        self._reading: dict[str, asyncio.Lock] = {}

    async def read(self, address: str) -> RawPage:
        """Return the page at `address`, wherever its redirects end.

        Raises:
            BadArgument: no address of a public page, or what is there is no text.
            NotFound: there is no such page.
            Refused: it leads inside, or robots.txt says no.
            Unavailable: no good answer within the deadline.
            Unreadable: more than is read of a page.
        """
        url = page_urls.parse(address)
        try:
            async with self._clock.timeout(DEADLINE_SECONDS):
                url, response = await self._follow(url)
        except TimeoutError as error:
            late = f"{url.host} took more than {DEADLINE_SECONDS:g} s"
            raise Unavailable(late) from error
        return _page(url, response, self._clock.now())

    async def _follow(self, url: httpx2.URL) -> tuple[httpx2.URL, httpx2.Response]:
        for _ in range(MOST_REDIRECTS + 1):
            if not robots.allows(await self._robots(url), url.raw_path.decode("ascii")):
                raise Refused(f"robots.txt of {url.host} does not want it read", limit="robots")
            response = await self._get(url)
            target = _target(url, response)
            if target is None:
                return url, response
            url = target
        raise Unavailable(f"more than {MOST_REDIRECTS} redirects, the last to {url.host}")

    async def _robots(self, url: httpx2.URL) -> tuple[robots.Rule, ...]:
        origin = f"{url.scheme}://{url.host}"
        # One reading for all who ask at once.
        lock = self._reading.setdefault(origin, asyncio.Lock())
        try:
            async with lock:
                kept = self._rules.get(origin)
                if kept is None or self._clock.elapsed() >= kept[0]:
                    rules = await self._read_robots(url.copy_with(raw_path=b"/robots.txt"))
                    kept = (self._clock.elapsed() + ROBOTS_FOR_SECONDS, rules)
                    self._rules.pop(origin, None)
                    self._rules[origin] = kept
                    while len(self._rules) > _MOST_ROBOTS:
                        del self._rules[next(iter(self._rules))]
                return kept[1]
        finally:
            if not lock.locked():
                self._reading.pop(origin, None)

    async def _read_robots(self, url: httpx2.URL) -> tuple[robots.Rule, ...]:
        """Return the rules; none where there is no file (RFC 9309 2.3.1.3), which allows all."""
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._get(url)
            status = response.status_code
            if status == 429 or status >= 500:
                raise Unavailable(
                    f"robots.txt of {url.host} answered {status}: until it can be read, that is a "
                    "no (RFC 9309)",
                    status=status,
                )
            if response.is_success:
                return robots.parse(response.content)
            target = _target(url, response)
            if target is None:
                return ()
            url = target
        return ()

    async def _get(self, url: httpx2.URL) -> httpx2.Response:
        await self._turn(url.host)
        try:
            return await self._http.get(
                url, headers=_HEADERS, extensions={"service": "page"}, follow_redirects=False
            )
        except UnicodeError as error:
            # httpx2 2.16 builds the next request of a redirect also where it is not to follow.
            raise Refused(
                f"{url.host} sends us to no address of a public page", limit="public"
            ) from error

    async def _turn(self, host: str) -> None:
        """Wait until `host` may be asked: a second after the last time, in the order of asking."""
        now = self._clock.elapsed()
        self._next_turn = {name: at for name, at in self._next_turn.items() if at > now}
        mine = self._next_turn.get(host, now)
        self._next_turn[host] = mine + SECONDS_BETWEEN
        if mine > now:
            await self._clock.sleep_until(self._clock.now() + timedelta(seconds=mine - now))


def _target(url: httpx2.URL, response: httpx2.Response) -> httpx2.URL | None:
    """Return where an answer sends us, judged like an address of a caller's; None: nowhere."""
    location = response.headers.get("location")
    if response.status_code not in _MOVED or location is None:
        return None
    try:
        target = page_urls.parse(str(url.join(location)))
    except (BadArgument, httpx2.InvalidURL) as error:
        raise Refused(
            f"{url.host} sends us to no address of a public page", limit="public"
        ) from error
    if (url.scheme, target.scheme) == ("https", "http"):
        raise Refused(f"{url.host} sends us from https to http", limit="public")
    return target


def _page(url: httpx2.URL, response: httpx2.Response, now: datetime) -> RawPage:
    status = response.status_code
    if status in (404, 410):
        raise NotFound(f"{url.host} has no such page ({status})")
    if status != 200:
        raise Unavailable(f"{url.host} answered {status}", status=status)
    content_type, _, _ = response.headers.get("content-type", "").partition(";")
    content_type = content_type.strip().lower()
    if content_type not in TYPES:
        raise BadArgument(f"{url.host} answered {content_type[:60]!r}: only pages of text are read")
    if not response.content.strip():
        raise Unreadable(f"{url.host} answered an empty page")
    return RawPage(
        url=str(url),
        content_type=content_type,
        charset=response.charset_encoding,
        body=response.content,
        read_at=now,
    )

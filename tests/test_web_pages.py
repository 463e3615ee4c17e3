"""How pages are read: robots.txt, the pace, what counts as text, and what a search may cost."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from mcp_server.clients import brave, robots
from mcp_server.clients.brave import BraveClient
from mcp_server.clients.main_text import MOST_TAGS, main_text
from mcp_server.clients.web_pages import RawPage, WebPages
from mcp_server.clock import LoopClock
from mcp_server.errors import (
    BadArgument,
    FactoryError,
    NotFound,
    Refused,
    SettingsError,
    Unavailable,
    Unreadable,
)
from mcp_server.guard.paid import PaidQueries
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport, Meter, Origin
from mcp_server.sandbox.loop import run_virtual
from mcp_server.store import open_engine
from tests.guard_cases import START as NOW
from tests.guard_cases import ManualClock, Network, OpenDoor
from tests.shared_data import capture
from tests.web_cases import PAGE, PUBLIC, Browser, Names, browse, html, http, site

URL = "https://public.test/page"
TEXT = "Some words of a page, enough of them to be a paragraph of its own, and not a menu."

# robots.txt

OURS = "User-agent: daily-factory\n"


@pytest.mark.parametrize(
    ("text", "target", "allowed"),
    [
        ("", "/x", True),
        ("User-agent: *\nDisallow: /", "/x", False),
        ("User-agent: *\nDisallow:", "/x", True),
        ("User-agent: other\nDisallow: /", "/x", True),
        ("User-agent: *\nDisallow: /\nUser-agent: Daily-Factory/2\nAllow: /", "/x", True),
        ("User-agent: *\nAllow: /\n\nuser-agent: daily-factory\ndisallow: /x", "/x", False),
        ("User-agent: a\nUser-agent: daily-factory\nDisallow: /x", "/x/y?z", False),
        (f"{OURS}Disallow: /a\nUser-agent: b\nDisallow: /\n{OURS}Disallow: /b", "/b", False),
        ("User-agent: *\nDisallow: /x\nAllow: /x/open", "/x/open/1", True),
        ("User-agent: *\nDisallow: /x\nAllow: /x", "/x", True),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php", False),
        ("User-agent: *\nDisallow: /*.php$", "/a/b.php?x", True),
        ("User-agent: *\nDisallow: /a*b*c", "/a1b2d3c4", False),
        ("User-agent: *\nDisallow: /a*b*c", "/a1c2b", True),
        ("User-agent: *\nDisallow: /a$", "/ab", True),
        ("User-agent: *\nDisallow: /aba*ba$", "/aba", True),
        ("User-agent: *\nDisallow: /%7Ejoe", "/~joe/x", False),
        ("User-agent: *\nDisallow: /a%2Fb", "/a/b", True),
        ("User-agent: *\nDisallow: /a%2fb", "/a%2Fb", False),
        ("User-agent: *\nDisallow: /a%2A", "/abc", True),
        ("\ufeffUser-agent: * # all\nDisallow: /x # this", "/x", False),
        ("Disallow: /\nnonsense\nSitemap: https://x.example/", "/x", True),
        ("User-agent: 7\nDisallow: /", "/x", True),
        ("User-agent: *\nDisallow: /" + "a*" * 20_000 + "b", "/" + "a" * 900, True),
        pytest.param("User-agent: a\n" * 30_000 + "Disallow: /", "/x", True, id="many agents"),
    ],
)  # fmt: skip
def test_robots_txt_is_read_as_rfc_9309_says(text: str, target: str, *, allowed: bool):
    """Groups of one agent are one; the longest pattern decides; no file takes long."""
    assert robots.allows(robots.parse(text.encode()), target) is allowed


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(404), None),
        (http(403), None),
        (http(200, b"User-agent: *\nDisallow: /other"), None),
        (http(200, b"User-agent: *\nDisallow: /page"), Refused),
        (http(500), Unavailable),
        (http(503), Unavailable),
        (http(429), Unavailable),
        (http(302, location="/moved.txt"), Refused),
        (http(302, location="/robots.txt"), None),
        (http(302), None),
        (b"", Unavailable),
        (http(200, b"x" * 1_100_000), Unreadable),
    ],
)
def test_what_robots_txt_answers_decides(answer: bytes, error: type[FactoryError] | None):
    """RFC 9309 2.3.1: no file is a yes, a file that cannot be read is a no."""
    pages = {"/page": PAGE, "/moved.txt": http(200, b"User-agent: *\nDisallow: /")}

    async def play(browser: Browser) -> None:
        if error is None:
            await browser.read(URL)
        else:
            assert type(await browser.fails(URL)) is error

    sockets = browse(site(pages, robots=answer), play)
    asked = [stream.said.split()[1] for stream in sockets.streams]
    assert (b"/page" in asked) is (error is None)


def test_robots_txt_is_kept_for_an_hour_and_a_failure_is_not():
    """Also of a site that was redirected to; all who ask at once wait for one reading."""
    broken = [True]

    async def answer(host: str, path: str) -> AsyncIterator[bytes]:
        del host
        yield PAGE if path != "/robots.txt" else http(503 if broken[0] else 404)

    async def play(browser: Browser) -> None:
        assert isinstance(await browser.fails(URL), Unavailable)
        broken[0] = False
        await asyncio.gather(*(browser.read(f"{URL}{nth}") for nth in range(4)))
        await browser.wait(3_500)
        await browser.read(URL)
        await browser.wait(200)
        await browser.read(URL)

    asked = [s.said.split()[1] for s in browse(answer, play).streams]
    assert asked.count(b"/robots.txt") == 3


def test_robots_txt_of_hosts_long_not_asked_is_forgotten():
    """What is kept has a bound, however many hosts are read."""
    names = Names(table={f"h{nth}.test": (PUBLIC,) for nth in range(300)})

    async def play(browser: Browser) -> None:
        for host in [*names.table, "h0.test", "h299.test"]:
            await browser.read(f"https://{host}/page")
            await browser.wait(1)

    asked = [s.said.split()[1] for s in browse(site({"/page": PAGE}), play, names=names).streams]
    assert asked.count(b"/robots.txt") == 301


# The pace


def test_a_host_is_asked_once_a_second_however_many_ask():
    """Twelve callers, two hosts: the one does not wait for the other."""
    at: dict[str, list[float]] = {}
    clock = list[Browser]()

    async def answer(host: str, path: str) -> AsyncIterator[bytes]:
        at.setdefault(host, []).append(clock[0].clock.elapsed())
        yield http(404) if path == "/robots.txt" else PAGE

    async def play(browser: Browser) -> None:
        clock.append(browser)
        hosts = ("public.test", "other.test")
        await asyncio.gather(*(browser.read(f"https://{hosts[n % 2]}/{n}") for n in range(12)))

    browse(answer, play)
    assert {len(times) for times in at.values()} == {7}
    for times in at.values():
        assert min(later - one for one, later in pairwise(times)) > 0.999
        assert times[-1] == pytest.approx(6)


def test_a_guard_without_a_network_for_pages_reads_none():
    """A page never leaves by the connections of the services."""
    network = Network()

    async def play() -> None:
        guarded = GuardedTransport(
            origins=[],
            tickets=OpenDoor(),
            clock=LoopClock(NOW),
            reads=network,
            fresh=network.fresh,
            redactor=Redactor([]),
        )
        pages = WebPages(httpx2.AsyncClient(transport=guarded), clock=LoopClock(NOW))
        with pytest.raises(Refused, match="no public page"):
            await pages.read(URL)
        await guarded.aclose()

    run_virtual(play())
    assert network.sent == []


# What counts as a page


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(404), NotFound),
        (http(410), NotFound),
        (http(204), Unavailable),
        (http(403), Unavailable),
        (http(503, retry_after="1"), Unavailable),
        (http(200, b"%PDF", content_type="application/pdf"), BadArgument),
        (http(200, b"{}", content_type="application/json"), BadArgument),
        (http(200, b"abc", content_type=""), BadArgument),
        (http(200, b" \n"), Unreadable),
    ],
)
def test_only_a_page_of_text_is_read_and_asked_for_once(answer: bytes, error: type[FactoryError]):
    """A stranger is not asked again because it failed."""

    async def play(browser: Browser) -> None:
        assert type(await browser.fails(URL)) is error

    assert len(browse(site({"/page": answer}), play).streams) == 2


def page(body: bytes, content_type: str = "text/html", charset: str | None = None) -> RawPage:
    """Return a page as it came."""
    return RawPage(url=URL, content_type=content_type, charset=charset, body=body, read_at=NOW)


def test_of_a_page_its_main_text_title_and_date_are_told():
    """Neither the menu nor the imprint."""
    body = html(TEXT, TEXT.upper(), title="A title").replace(
        b"</head>", b"<meta property='article:published_time' content='2026-11-20'></head>"
    ).replace(b"<body>", b"<body><nav><a href='/'>Menu</a></nav>")  # fmt: skip
    found = main_text(page(body))
    assert (found.title, found.date, found.whole) == ("A title", "2026-11-20", True)
    assert found.text.split("\n") == [TEXT, TEXT.upper()]


GERMAN = f"<html><body><p>Größe und Maß: {TEXT}</p></body></html>"


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (GERMAN.encode(), None),
        (GERMAN.encode("utf-8-sig"), "utf-8"),
        (GERMAN.encode("latin-1"), "iso-8859-1"),
        (GERMAN.encode(), "unicode_escape"),
        (b"<meta charset='windows-1252'>" + GERMAN.encode("cp1252"), None),
        (b'<?xml version="1.0" encoding="utf-8"?>' + GERMAN.encode(), None),
    ],
)
def test_a_page_is_decoded_as_it_says(body: bytes, charset: str | None):
    """By the header, by itself, else as UTF-8; never by a decoder that is none of text."""
    assert "Größe und Maß" in main_text(page(body, charset=charset)).text


def test_plain_text_is_told_as_it_is():
    """Markdown too: what looks like a tag is its author's business."""
    assert main_text(page(b"# A <b>\n", "text/markdown")).text == "# A <b>\n"


def test_of_a_page_with_too_many_tags_the_beginning_is_read():
    """Ten thousand take half a second, a million would take a minute."""
    found = main_text(page(b"<p>one two three" * (MOST_TAGS + 1)))
    assert not found.whole
    assert found.text.startswith("one two three")


def test_a_page_without_text_is_said_to_be():
    """An application's empty shell is no page with nothing to say."""
    with pytest.raises(Unreadable):
        main_text(page(b"<html><body><script>app()</script></body></html>"))


# Brave


@pytest.mark.parametrize(
    ("name", "first"),
    [
        (
            "web_search_2025-06.json",
            "PAN-OS Firewall Vulnerability Under Active Exploitation \u2013",
        ),
        ("web_search_laravel_2024.json", "Laravel - The PHP Framework For Web Artisans"),
    ],
)
def test_recorded_answers_of_brave_are_read_whole(name: str, first: str):
    """Every result, with entities and marks resolved."""
    body = capture(f"brave/{name}")
    found = brave.parse(200, body)
    assert len(found) == len(json.loads(body)["web"]["results"])
    assert found[0].title.startswith(first)
    assert not [one for one in found if "strong>" in one.description or "&#" in one.description]
    assert all(one.url.startswith("https://") for one in found)


ONE = {"title": "a", "url": "https://x.example/"}


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (401, {}, SettingsError),
        (422, {"type": "ErrorResponse"}, SettingsError),
        (429, {}, Unavailable),
        (500, {}, Unavailable),
        (200, [], Unreadable),
        (200, {"type": "search", "web": {}}, Unreadable),
        (200, {"type": "search", "web": {"results": [ONE, {"title": "b"}]}}, Unreadable),
        (200, {"type": "search", "web": {"results": [ONE | {"url": "file:///x"}]}}, Unreadable),
        (200, {"web": {"results": [ONE]}}, Unreadable),
    ],
)
def test_an_answer_of_brave_that_is_none_is_an_error(
    status: int, answer: object, error: type[FactoryError]
):
    """Never read as "nothing was found"."""
    with pytest.raises(error):
        brave.parse(status, json.dumps(answer).encode())


def test_an_answer_of_brave_without_a_list_found_nothing():
    """As it writes an empty one."""
    assert brave.parse(200, b'{"type": "search", "query": {}}') == ()


def searching(network: Network, meter: Meter | None) -> BraveClient:
    """Return a client over a guard that counts by `meter`."""
    guarded = GuardedTransport(
        origins=[Origin(service="search", base=brave.URL, headers={brave.TOKEN_HEADER: "k" * 9})],
        tickets=OpenDoor(),
        clock=LoopClock(NOW),
        reads=network,
        fresh=network.fresh,
        redactor=Redactor(["k" * 9, "another-secret"]),
        meter=meter,
    )
    return BraveClient(httpx2.AsyncClient(transport=guarded))


def nothing_found(_: httpx2.Request) -> httpx2.Response:
    """Answer as Brave does."""
    return httpx2.Response(200, json={"type": "search"})


def test_a_search_is_counted_before_it_leaves_and_asked_once(tmp_path: Path):
    """It costs money whether it is answered or not; the cap holds for all processes."""
    network = Network(lambda _: httpx2.Response(503))
    url, clock = f"sqlite:///{tmp_path}/state.db", ManualClock()
    counts = [PaidQueries(open_engine(url), clock=clock, most={brave.KIND: 3}) for _ in range(2)]

    async def play() -> None:
        for nth in range(3):
            with pytest.raises(Unavailable):
                await searching(network, counts[nth % 2]).search("x", freshness="week")
        for count in counts:
            with pytest.raises(Refused, match="3 of 3") as refused:
                await searching(network, count).search("x")
            assert refused.value.retry_at == "2026-11-24T00:00:00+00:00"
            assert count.left(brave.KIND) == 0

    run_virtual(play())
    assert [request.url.params["freshness"] for request in network.sent] == ["pw"] * 3
    assert {request.headers[brave.TOKEN_HEADER] for request in network.sent} == {"k" * 9}


def test_a_days_count_ends_with_the_day_and_is_found_again(tmp_path: Path):
    """A clock that is set back buys nothing; after a month the row goes."""
    clock = ManualClock()
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    count = PaidQueries(engine, clock=clock, most={"search_web": 1})
    count.count("search_web")
    clock.advance(days=1)
    count.count("search_web")
    clock.set_wall(NOW)
    with pytest.raises(Refused):
        count.count("search_web")
    clock.advance(days=40)
    count.count("search_web")
    clock.set_wall(NOW)
    count.count("search_web")
    with pytest.raises(Refused, match="0 of 0"):
        count.count("another")


def test_what_costs_money_does_not_leave_uncounted():
    """A guard without a meter lets no search out."""
    network = Network(nothing_found)

    async def play() -> None:
        with pytest.raises(Refused, match="costs money"):
            await searching(network, None).search("x")

    run_virtual(play())
    assert network.sent == []


@pytest.mark.parametrize("query", ["another-secret", "another%2Dsecret", "AKIAIOSFODNN7EXAMPLQ"])
def test_no_key_goes_into_a_search(tmp_path: Path, query: str):
    """Nor anything that looks like one, and such a query costs nothing."""
    network = Network(nothing_found)
    engine = open_engine(f"sqlite:///{tmp_path}/state.db")
    count = PaidQueries(engine, clock=ManualClock(), most={brave.KIND: 1})

    async def play() -> None:
        with pytest.raises(Refused) as refused:
            await searching(network, count).search(query)
        assert refused.value.limit == "key"
        assert await searching(network, count).search("fine") == ()

    run_virtual(play())
    assert len(network.sent) == 1

"""Pages are read from public addresses only, whatever an address, a name or a redirect says.

facts/safety.md 7, rows 27 to 30; the traps are the shared corpus.
"""

import asyncio
import gzip
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpcore2
import httpx2
import pytest

from mcp_server.clients.web_pages import DEADLINE_SECONDS, MOST_REDIRECTS
from mcp_server.errors import FactoryError, Refused, Unavailable, Unreadable
from mcp_server.guard.public_web import MOST_DIALLED, MOST_WIRE_BYTES, PublicWeb, SystemResolver
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import GITHUB, GITHUB_TOKEN
from tests.web_cases import PAGE, PUBLIC, Browser, Names, Site, Sockets, browse, http, site, traps

ROOT = Path(__file__).parents[1]
START = "https://public.test/start"


def test_no_trap_leads_inside():
    """Row 27, direct: 92 addresses, 0 connections to a forbidden address; a page is still read."""

    async def play(browser: Browser) -> None:
        for trap in traps():
            try:
                await browser.read(trap.url)
            except FactoryError:
                continue
            assert trap.category == "rebind"
        await browser.read("http://public.test/")

    sockets = browse(site({"/": PAGE}), play)
    assert sockets.inside == []
    assert len(sockets.dialled) == 4


def test_no_trap_leads_inside_behind_a_redirect():
    """Row 27 again: each as the `Location` of a public page, by five statuses."""
    found = traps()

    async def answer(host: str, path: str) -> AsyncIterator[bytes]:
        del host
        nth = path.removeprefix("/start")
        if not nth.isdigit():
            yield http(404) if path == "/robots.txt" else PAGE
            return
        url = found[int(nth)].url.replace("\r\n", "%0D%0A")
        status = (301, 302, 303, 307, 308)[int(nth) % 5]
        yield http(status, location=url)

    async def play(browser: Browser) -> None:
        ends = [await ending(browser, f"{START}{nth}") for nth in range(len(found))]
        assert ends.count("Refused") == len(found) - ends.count("read") - ends.count("Unavailable")

    sockets = browse(answer, play)
    assert sockets.inside == []
    assert len(sockets.dialled) > len(found)


async def ending(browser: Browser, url: str) -> str:
    """Return how reading ends."""
    try:
        await browser.read(url)
    except FactoryError as error:
        return type(error).__name__
    return "read"


def test_the_network_itself_leads_nowhere_inside():
    """Below the text of the address: the same 92 put straight to the sockets' side."""
    names, sockets = Names(), Sockets(site({"/": PAGE}))
    web = PublicWeb(names, sockets)

    async def play() -> list[str]:
        refused = list[str]()
        for trap in traps():
            try:
                response = await web.handle_async_request(httpx2.Request("GET", trap.url))
                await response.aread()
            except Refused as error:
                refused.append(error.limit)
            except (httpx2.InvalidURL, httpx2.TransportError, httpcore2.UnsupportedProtocol):
                continue
        await web.aclose()
        return refused

    refused = run_virtual(play())
    assert set(refused) == {"public"}
    assert len(refused) >= 50
    assert [address for address, _ in sockets.inside if address != PUBLIC] == []


def test_a_rebinding_name_loses():
    """Row 28: 1,000 connections to a name that turns inside at any call; one look-up for each."""
    names = Names(rebinding={f"r{nth}.test": 1 + nth % 3 for nth in range(1_000)})
    sockets = Sockets(site({"/": PAGE}))
    web = PublicWeb(names, sockets)

    async def play() -> None:
        for host in names.rebinding:
            for _ in range(2):
                try:
                    asked = httpx2.Request("GET", f"http://{host}/")
                    await (await web.handle_async_request(asked)).aread()
                except Refused:
                    break
        await web.aclose()

    run_virtual(play())
    assert sockets.inside == []
    refused = len(names.asked) - len(sockets.dialled)
    assert refused == sum(turn < 3 for turn in names.rebinding.values())


@pytest.mark.parametrize("host", ["mixed1.test", "mixed2.test", "loop.test", "isatap.test"])
def test_one_address_inside_is_enough_to_dial_none(host: str):
    """Whichever comes first: a name that is half public is not."""

    async def play(browser: Browser) -> None:
        error = await browser.fails(f"https://{host}/")
        assert isinstance(error, Refused)
        assert error.limit == "public"

    assert browse(site({"/": PAGE}), play).dialled == []


def test_what_is_dialled_is_the_address_that_was_judged_and_tls_keeps_the_name():
    """No second look-up between the decision and the connection."""

    async def play(browser: Browser) -> None:
        await browser.read(START)
        assert browser.names.asked == ["public.test"] * 2

    sockets = browse(site({"/start": PAGE}), play)
    assert sockets.dialled == [(PUBLIC, 443)] * 2
    assert {stream.tls_name for stream in sockets.streams} == {"public.test"}
    assert all(b"\r\nHost: public.test\r\n" in stream.said for stream in sockets.streams)
    assert all(stream.closed for stream in sockets.streams)


def test_of_several_addresses_the_next_is_tried_and_not_for_ever():
    """A host with a dead IPv6 address is reached; one that is all dead is said to be."""
    many = [f"93.184.216.{n}" for n in range(34, 44)]
    names = Names(table={"public.test": many})

    async def play(browser: Browser) -> None:
        await browser.read("http://public.test/")

    sockets = browse(site({"/": PAGE}), play, names=names, dead=many[:1])
    assert [address for address, _ in sockets.dialled] == many[:2] * 2

    async def fail(browser: Browser) -> None:
        assert isinstance(await browser.fails("http://public.test/"), Unavailable)

    sockets = browse(site({"/": PAGE}), fail, names=names, dead=many)
    assert len(sockets.dialled) == MOST_DIALLED


def test_the_environments_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch):
    """A proxy would connect where it likes."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def play(browser: Browser) -> None:
        await browser.read(START)

    assert browse(site({"/start": PAGE}), play).dialled == [(PUBLIC, 443)] * 2


def test_a_page_is_asked_for_with_nothing_of_ours():
    """No cookie, no key, no referrer: a stranger learns the address and that we are a program."""

    async def play(browser: Browser) -> None:
        await browser.read(START)
        await browser.read(START)

    cookie = http(302, location="/end", set_cookie="a=b; Path=/")
    said = [s.said.decode() for s in browse(site({"/start": cookie, "/end": PAGE}), play).streams]
    names = {line.partition(":")[0].lower() for text in said for line in text.splitlines()[1:]}
    assert names - {""} == {"host", "accept", "accept-encoding", "connection", "user-agent"}
    assert not [text for text in said if "python" not in text.lower()]


@pytest.mark.parametrize(
    "url", [f"{GITHUB}/user", f"https://public.test/?q={GITHUB_TOKEN}", f"{GITHUB}/robots.txt"]
)
def test_neither_a_service_with_a_key_nor_a_key_is_asked_for_as_a_page(url: str):
    """Row 30: the token goes to GitHub's own client only, and into no address."""

    async def play(browser: Browser) -> None:
        error = await browser.fails(url)
        assert isinstance(error, Refused)
        assert GITHUB_TOKEN not in str(error)
        assert browser.others.sent == []

    sockets = browse(site({"/": PAGE}), play)
    assert not [stream for stream in sockets.streams if GITHUB_TOKEN.encode() in stream.said]


# Redirects


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://public.test/end", "Refused"),
        ("https://127.0.0.1/", "Refused"),
        ("//loop.test/", "Refused"),
        ("https://user:word@public.test/end", "Refused"),
        ("https://public.test:8443/end", "Refused"),
        ("ftp://public.test/end", "Refused"),
        (f"{GITHUB}/user", "Refused"),
        ("/" + "x" * 2_000, "Refused"),
        ("/end", "read"),
        ("https://other.test/end", "read"),
        ("//other.test/end?x=1", "read"),
    ],
)
def test_each_hop_is_judged_anew(location: str, kind: str):
    """No other scheme or port, no user, no https to http, nothing inside."""

    async def play(browser: Browser) -> None:
        assert await ending(browser, START) == kind

    pages = {"/start": http(302, location=location), "/end": PAGE, "/end?x=1": PAGE}
    assert browse(site(pages), play).inside == []


def test_redirects_end():
    """Row 29: 10^5 redirects are five."""

    async def play(browser: Browser) -> None:
        assert isinstance(await browser.fails(START), Unavailable)

    sockets = browse(site({"/start": http(302, location="/start")}), play)
    assert len(sockets.dialled) == 1 + MOST_REDIRECTS + 1


# Bombs and drips


async def endless(part: bytes) -> AsyncIterator[bytes]:
    """Say the same without end."""
    while True:
        yield part


def packed(encoding: str, body: bytes) -> bytes:
    """Write a page that is packed so."""
    return http(200, body, content_encoding=encoding)


def deflated() -> bytes:
    """Pack 64 MB of zeros, without ever holding them."""
    packer = zlib.compressobj(9)
    block = bytes(1_000_000)
    return b"".join([*(packer.compress(block) for _ in range(64)), packer.flush()])


def gzipped(inner: bytes) -> bytes:
    """Pack what is packed."""
    return gzip.compress(inner, 1)


BOMBS: dict[str, Callable[[], bytes]] = {
    "deflate": lambda: packed("deflate", deflated()),
    "nested": lambda: packed("gzip, deflate", gzipped(deflated())),
    "brotli": lambda: packed("br", bytes(1_000)),
    "zstd": lambda: packed("zstd", bytes(1_000)),
    "no packing at all": lambda: packed("gzip", b"<html>no gzip"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_not_unpacked(name: str):
    """Row 29: at most 16 MiB more, whatever is inside."""
    page = BOMBS[name]()

    async def play(browser: Browser) -> None:
        tracemalloc.start()
        try:
            error = await browser.fails(START)
            assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
        finally:
            tracemalloc.stop()
        assert isinstance(error, Unreadable | Unavailable)

    browse(site({"/start": page}), play)


@pytest.mark.parametrize(
    ("head", "part"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 1_000 + b"\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 A\r\n\r\n" * 99, id="1xx"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"a" * 9_999, id="body"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"a" * 9_999, id="length"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            (b"64\r\n" + b"a" * 100 + b"\r\n") * 99,
            id="chunks",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08" + bytes(6),
            b"n" * 9_999,
            id="a name in gzip without end",
        ),
    ],
)
def test_what_has_no_end_is_cut_off(head: bytes, part: bytes):
    """No byte is taken beyond the bound, and the connection is closed."""

    async def answer(host: str, path: str) -> AsyncIterator[bytes]:
        del host
        if path == "/robots.txt":
            yield http(404)
            return
        yield head
        async for one in endless(part):
            yield one

    async def play(browser: Browser) -> None:
        assert isinstance(await browser.fails(START), Unreadable | Unavailable)

    last = browse(answer, play).streams[-1]
    assert last.given <= MOST_WIRE_BYTES + 70_000
    assert last.closed


@pytest.mark.parametrize("robots", [True, False])
def test_a_drip_ends_at_the_deadline(*, robots: bool):
    """One byte a second is never silent for long: the deadline is for all of it."""

    def dripping(browser: list[Browser]) -> Site:
        async def answer(host: str, path: str) -> AsyncIterator[bytes]:
            del host
            if path == "/robots.txt" and not robots:
                yield http(404)
                return
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
            while True:
                await browser[0].wait(1)
                yield b"a"

        return answer

    at: list[Browser] = []

    async def play(browser: Browser) -> None:
        at.append(browser)
        begun = browser.clock.elapsed()
        assert isinstance(await browser.fails(START), Unavailable)
        assert browser.clock.elapsed() - begun == pytest.approx(DEADLINE_SECONDS)

    assert browse(dripping(at), play).streams[-1].closed


def test_an_answer_that_breaks_off_is_none():
    """Fewer bytes than were promised."""
    page = http(200, b"<p>half", content_length="5000")

    async def play(browser: Browser) -> None:
        assert isinstance(await browser.fails(START), Unavailable)

    browse(site({"/start": page}), play)


# The real sockets


def test_the_machines_own_resolver_gives_each_address_once():
    """`getaddrinfo` repeats it for every kind of socket; no network is asked for a number."""
    assert asyncio.run(SystemResolver().addresses("127.0.0.1", 80)) == ("127.0.0.1",)


def _can_part(way: Sequence[str]) -> bool:
    """Whether a process can be put into a network of its own, which is empty."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", *way, "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603 -- util-linux


def test_in_an_empty_network_namespace_nothing_inside_is_dialled(tmp_path: Path):
    """Row 27 with the real resolver's place taken, the real sockets and no network at all."""
    traps()
    apart = next((way for way in (("-n",), ("-rn",)) if _can_part(way)), None)
    if apart is None:
        pytest.skip("no network namespace can be made here (unshare)")
    told = tmp_path / "told"
    command = ["unshare", *apart, sys.executable, "-m", "tests.ssrf_process", str(told)]
    done = subprocess.run(  # noqa: S603 -- our own module
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert told.exists(), done.stderr.decode()
    found = json.loads(told.read_text(encoding="utf-8"))
    assert found["inside"] == []
    # The control: names of public addresses were dialled, and the hook saw it.
    assert found["dialled"] == [[PUBLIC, 80]]
    assert found["tripped"] == []

"""What leaves of a request that was let through: what was judged, one key, and little else."""

import httpx2
import pytest

from mcp_server.clients.pages import PagesClient
from mcp_server.clock import LoopClock
from mcp_server.errors import Refused
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport, Origin
from mcp_server.sandbox.loop import run_virtual
from tests.guard_cases import (
    GITHUB,
    GITHUB_TOKEN,
    JULES,
    JULES_KEY,
    SITE,
    START,
    Network,
    OpenDoor,
    answer,
    guard,
)


def test_each_key_goes_to_its_own_service_only():
    """A trend site sees no key, GitHub not Jules' and the other way round."""
    network = Network()

    async def go() -> None:
        transport = guard(network, OpenDoor(), LoopClock(START))
        http = httpx2.AsyncClient(transport=transport)
        for url in (f"{JULES}/sessions", f"{GITHUB}/user"):
            await http.get(url)
        await PagesClient(http).fetch(f"{SITE}/api", {})

    run_virtual(go())
    sent = {request.url.host: str(dict(request.headers)) for request in network.sent}
    keys = {host: (JULES_KEY in text, GITHUB_TOKEN in text) for host, text in sent.items()}
    assert keys == {
        "jules.googleapis.com": (True, False),
        "api.github.com": (False, True),
        "hn.algolia.com": (False, False),
    }
    assert JULES_KEY not in repr(guard(network, OpenDoor(), LoopClock(START)))


def test_an_address_within_another_gets_its_own_key():
    """A test double may serve both below one host; the keys stay apart."""
    network = Network(lambda _: answer(200))
    host = "http://127.0.0.1:9"
    inner = {"x-goog-api-key": GITHUB_TOKEN}
    transport = GuardedTransport(
        origins=[
            Origin(service="jules", base=host, headers={"x-goog-api-key": JULES_KEY}),
            Origin(service="jules", base=f"{host}/inner/", headers=inner),
        ],
        tickets=OpenDoor(),
        clock=LoopClock(START),
        reads=network,
        fresh=network.fresh,
        redactor=Redactor([]),
    )

    async def go() -> None:
        http = httpx2.AsyncClient(transport=transport)
        for path in ("/sessions", "/inner/sessions"):
            await http.get(host + path)

    run_virtual(go())
    assert [sent.headers["x-goog-api-key"] for sent in network.sent] == [JULES_KEY, GITHUB_TOKEN]


def _sent(follow: str | None = None, **said: object) -> httpx2.Request | None:
    """List sessions with what a caller may add; return what left last, None for a refusal."""

    def reply(request: httpx2.Request) -> httpx2.Response:
        if follow is not None and request.url.host == "jules.googleapis.com":
            return answer(302, location=follow)
        return answer(200)

    network = Network(reply)

    async def go() -> None:
        transport = guard(network, OpenDoor(), LoopClock(START))
        http = httpx2.AsyncClient(transport=transport, follow_redirects=True)
        await http.get(f"{JULES}/sessions", **said)  # pyright: ignore[reportArgumentType] on purpose

    try:
        run_virtual(go())
    except Refused:
        return None
    return network.sent[-1]


@pytest.mark.parametrize(
    "extensions",
    [{"target": b"/repos/o/r/actions/secrets"}, {"sni_hostname": "evil.example"}, {"trace": print}],
)
def test_no_extension_of_a_caller_leaves(extensions: dict[str, object]):
    """`httpcore2` would ask for another path than the one judged, or greet another host."""
    sent = _sent(extensions=extensions)
    assert sent is not None
    assert sent.extensions == {}


def test_a_caller_says_no_more_than_a_few_harmless_headers():
    """A `Host` would take the key elsewhere; a cookie or a second key has no business here."""
    said = {
        "host": "evil.example",
        "x-goog-api-key": "another",
        "authorization": "Bearer another",
        "cookie": "a=b",
        "x-goog-user-project": "other",
        "transfer-encoding": "chunked",
        "if-none-match": '"etag"',
        "user-agent": "the tests",
    }
    sent = _sent(headers=said)
    assert sent is not None
    assert {name: value for name, value in sent.headers.items() if "accept" not in name} == {
        "host": "jules.googleapis.com",
        "x-goog-api-key": JULES_KEY,
        "if-none-match": '"etag"',
        "user-agent": "the tests",
    }


def test_a_key_does_not_follow_a_redirect_to_another_site():
    """It is put into what leaves, not into the request that the client keeps."""
    sent = _sent(follow=f"{SITE}/x")
    assert sent is not None
    assert sent.url.host == "hn.algolia.com"
    assert JULES_KEY not in str(sent.headers.raw)

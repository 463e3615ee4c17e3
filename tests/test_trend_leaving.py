"""What leaves for a trend site: each key to its own host, one query, and no answer without end."""

from pathlib import Path

import httpx2
import pytest

from mcp_server.clients.pages import PagesClient
from mcp_server.clock import LoopClock
from mcp_server.errors import FactoryError, Refused
from mcp_server.guard import bodies, policy
from mcp_server.guard.queries import LAUNCHES, AskLaunches, Since
from mcp_server.guard.redact import Redactor
from mcp_server.guard.transport import GuardedTransport, Origin
from mcp_server.keys import site_origins
from mcp_server.sandbox.loop import run_virtual
from mcp_server.settings import load_settings
from mcp_server.trends import Answer, load_sources, read_all
from tests.guard_cases import Network, OpenDoor, answer, guard
from tests.test_trend_sources import NOW


def test_each_source_s_key_is_seen_by_its_own_host_alone(tmp_path: Path):
    """All of our sources over the guard, every key set; Product Hunt's one query among them."""
    environ = {
        source.facts.variable: f"the-key-of-{source.facts.name}"
        for source in load_sources()
        if source.facts.key
    }
    keys = load_settings(environ, tmp_path).source_keys
    network = Network(lambda _request: answer(404))
    transport = GuardedTransport(
        origins=[Origin(service="github", base="https://api.github.com")],
        late=lambda: site_origins(load_sources(), keys),
        tickets=OpenDoor(),
        clock=LoopClock(NOW),
        reads=network,
        fresh=network.fresh,
        redactor=Redactor(environ.values()),
    )
    fetch = PagesClient(httpx2.AsyncClient(transport=transport)).fetch
    run_virtual(read_all(load_sources(), fetch, LoopClock(NOW), 30, keyed=keys))
    seen = {
        (sent.url.host, name)
        for sent in network.sent
        for name in environ.values()
        if name in f"{sent.url} {dict(sent.headers)} {sent.content}"
    }
    assert seen == {
        ("www.googleapis.com", "the-key-of-youtube"),
        ("api.producthunt.com", "the-key-of-producthunt"),
    }
    assert {sent.url.host for sent in network.sent} == {
        host for source in load_sources() for host in source.facts.hosts
    }
    assert [sent.url.host for sent in network.sent if sent.method != "GET"] == [
        "api.producthunt.com"
    ]


QUERY = bodies.encode(AskLaunches(query=LAUNCHES, variables=Since(after="2026-11-22T00:00:00Z")))


@pytest.mark.parametrize(
    ("path", "query", "headers", "body"),
    [
        ("/v2/api/graphql", (), {}, QUERY.replace(b"first:20", b"first:99")),
        ("/v2/api/graphql", (), {}, QUERY.replace(b"query Launches", b"mutation Launches")),
        ("/v2/api/graphql", (), {}, QUERY.replace(b"T00:00:00Z", b"T00:00:00Z\\n")),
        ("/v2/api/graphql", (), {}, QUERY[:-1] + b',"operationName":"x"}'),
        ("/v2/api/graphql", ("query",), {}, QUERY),
        ("/v2/api/graphql", (), {"content-type": "application/x-www-form-urlencoded"}, QUERY),
        ("/v2/api/graphql/x", (), {}, QUERY),
        ("/v2/oauth/token", (), {}, QUERY),
    ],
)
def test_nothing_else_is_posted_to_a_site(
    path: str, query: tuple[str, ...], headers: dict[str, str], body: bytes
):
    """One static document about one day, as it stands in guard/queries.py."""
    rule = policy.decide("site", "POST", "/v2/api/graphql", (), {}, QUERY)
    assert (rule.kind, rule.effect) == ("ask_launches", "query")
    with pytest.raises(Refused):
        policy.decide("site", "POST", path, query, headers, body)


# What a site may do


async def _ask(reply: httpx2.Response) -> Answer:
    network = Network(lambda _request: reply)
    http = httpx2.AsyncClient(transport=guard(network, OpenDoor(), LoopClock(NOW)))
    return await PagesClient(http).fetch("https://hn.algolia.com/x", {})


def test_an_answer_without_end_is_not_read_to_its_end():
    """4 MB, unpacked: pages of trends are below 1 MB."""
    with pytest.raises(FactoryError, match="more than 4000000 bytes"):
        run_virtual(_ask(answer(200, "x" * 4_000_001)))


def test_a_site_that_no_source_declares_is_refused():
    """Whoever asks."""

    async def ask() -> None:
        http = httpx2.AsyncClient(transport=guard(Network(), OpenDoor(), LoopClock(NOW)))
        await PagesClient(http).fetch("https://evil.example/", {})

    with pytest.raises(Refused, match="no service of ours"):
        run_virtual(ask())

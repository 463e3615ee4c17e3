"""Which addresses are the public's, and which texts are addresses of public pages."""

from ipaddress import IPv4Address, IPv6Address

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.errors import BadArgument
from mcp_server.guard import page_urls
from mcp_server.guard.addresses import is_public
from tests.web_cases import traps

INSIDE = (
    *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "168.63.129.16"),  # noqa: S104 -- one of many
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
    *("192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1"),
    *("2001::1", "2001:0:0:0:0:0:80ff:fffe", "2001:2::1", "2001:10::1", "2001:20::1"),
    *("2001:db8::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fe80::1%lo", "2606:4700::1%eth0", "fec0::1", "ff02::1"),
    *("2a00:1450::5efe:808:808", "2a00:1450::200:5efe:a00:1"),
    *("", "localhost", "127.1", "0x7f000001", "8.8.8.8:80", "1.2.3.4/8"),
)
OUTSIDE = (
    *("1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "172.32.0.1"),
    *("192.0.1.1", "198.20.0.1", "223.255.255.255", "2606:4700::6810:84e5", "2a00:1450:4001::1"),
    *("2001:4860:4860::8888", "2001:200::1", "64:ff9b::808:808"),
)


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_not_everybodys_is_not_public(address: str):
    """facts/safety.md 3, row by row; what is no address at all leads nowhere."""
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_everybodys_is_public(address: str):
    """Also at the edges of what is not."""
    assert is_public(address)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_private(
    address: IPv4Address | IPv6Address,
):
    """It knows less, but what it knows holds."""
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast


def test_of_the_shared_traps_only_names_are_addresses_of_pages():
    """The 92: what is a number, another scheme, another port or a riddle ends at the text."""
    left = set[str]()
    for trap in traps():
        try:
            left.add(page_urls.parse(trap.url).host)
        except BadArgument:
            assert trap.category not in ("dns", "rebind") or "LOCALHOST" in trap.url
    assert all(host.endswith((".test", ".localdomain")) for host in left)
    assert len(left) == 17


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org", "https://example.org"),
        ("HTTPS://Example.ORG/A?b=c#d", "https://example.org/A?b=c"),
        ("http://example.org:80/", "http://example.org/"),
        ("https://example.org:443/x", "https://example.org/x"),
        ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
        ("https://a_b.example.co/~x/%7Ey;z,(1)", "https://a_b.example.co/~x/%7Ey;z,(1)"),
    ],
)
def test_an_address_is_rebuilt_from_its_parts(text: str, url: str):
    """What is sent is what was judged; a fragment never leaves."""
    assert str(page_urls.parse(text)) == url


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.org", "ftp://example.org/", "https://", "https:///x", "https://example"),
        *("https://example.org:8443/", "http://example.org:443/", "https://u:p@example.org/"),
        *("https://example.org\\@evil.example/", "https://exa mple.org/", "https://example.org/\n"),
        *("https://[::1]/", "https://8.8.8.8/", "https://example.0x7f/", "https://a..b.example/"),
        *("https://-a.example/", "https://example.org%2f.evil.example/", "https://example.123/"),
        *("https://example.org/" + "x" * 1_000, "https://example.org/?" + "x" * 201),
        *(
            "https://" + "a" * 64 + ".example/",
            "https://\u2460.example/",
            "https://example.org\x00/",
        ),
    ],
)
def test_what_is_no_address_of_a_public_page_is_refused(text: str):
    """One parser, a name with a dot, the scheme's own port, nothing that could be a riddle."""
    with pytest.raises(BadArgument):
        page_urls.parse(text)


def test_an_address_is_looked_at_decoded_too():
    """What is packed twice is a word all the same; there is an end to it."""
    assert page_urls.forms("a%2520b") == ("a%2520b", "a%20b", "a b")
    assert len(page_urls.forms("%25252525252541")) == 4


@pytest.mark.parametrize("url", ["https://user@example.org/", "https://127.0.0.1/", "ws://a.bc/"])
def test_the_sender_judges_the_parts_again(url: str):
    """A client that does not ask `parse` gets no further."""
    assert not page_urls.fits(httpx2.URL(url))

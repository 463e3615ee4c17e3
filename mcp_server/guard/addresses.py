"""Which network addresses are the public's: everything that is not known to be is refused.

A table of our own: what `ipaddress.is_global` says changed between releases of Python 3.11, and it
knows neither what clouds keep for themselves nor what other addresses are wrapped in.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

# IANA's special-purpose registries (iana.org/assignments/iana-ipv4-special-registry, 2026-11-22),
# multicast and reserved space, and Azure's own 168.63.129.16 (facts/safety.md 3).
_NOT_PUBLIC = tuple(
    ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32"),
        *("169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        # Within 2000::/3: protocols (Teredo, ORCHID), documentation, 6to4.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
# All that is given out to the public (iana.org/assignments/ipv6-unicast-address-assignments).
_UNICAST = IPv6Network("2000::/3")
# How a network without IPv4 names IPv4 hosts (RFC 6052): as public as what is inside.
_NAT64 = IPv6Network("64:ff9b::/96")
# The middle of an ISATAP address (RFC 5214): an IPv4 address follows, under any prefix.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def is_public(text: str) -> bool:
    """Whether an address, as a resolver writes it, is globally routable unicast.

    What does not parse or belongs to one interface (`fe80::1%eth0`) is not.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not _is_listed(address)
    if address in _NAT64:
        return not _is_listed(IPv4Address(int(address) & 0xFFFF_FFFF))
    isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    scoped = address.scope_id is not None
    return address in _UNICAST and not (isatap or scoped or _is_listed(address))


def _is_listed(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in _NOT_PUBLIC)

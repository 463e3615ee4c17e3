"""Damage to an answer, and one source in trouble: what is left is all, or it is said to be less."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from mcp_server.clock import LoopClock
from mcp_server.errors import Unavailable, Unreadable
from mcp_server.sandbox.loop import run_virtual
from mcp_server.trends import Answer, Gathered, load_sources, read_all
from mcp_server.trends.listing import ListedSource
from tests.test_trend_captures import (
    KEYED,
    NOW,
    PARSERS,
    READ,
    Parser,
    answer_of,
    invented,
    recorded,
)

Damage = Iterator[tuple[str, bytes]]


def damaged(whole: Answer) -> Damage:
    """Yield what could become of an answer: cut, renamed, thinned, replaced."""
    for part in range(8):
        yield f"cut at {part}/8", whole.body[: len(whole.body) * part // 8]
    yield "a login page", b"<!DOCTYPE html><html><body>log in</body></html>"
    if "json" in whole.content_type:
        yield from _damaged_json(json.loads(whole.body))
    else:
        row = b"article" if b"<article" in whole.body else b"(?:item|entry)"
        found = re.search(b"<%s[ >].*?</%s>" % (row, row), whole.body, re.DOTALL)
        assert found
        yield from _damaged_markup(whole.body, found[0])


def _damaged_json(value: Any) -> Damage:
    rows, within, name = _rows_in(value)
    if within is not None:
        for what, change in (("renamed", {f"x{name}": rows}), ("null", {name: None})):
            del within[name]
            within.update(change)
            yield f"{name} {what}", json.dumps(value).encode()
            within.pop(f"x{name}", None)
            within[name] = rows
    for place in {0, len(rows) - 1}:
        row = rows[place]
        changes: list[Any] = [None, [], "text", {}]
        if isinstance(row, dict):
            fields = cast("dict[str, Any]", row)
            for key in fields:
                changes.append({k: v for k, v in fields.items() if k != key})
                changes.append({**fields, key: None})
        for nth, change in enumerate(changes):
            rows[place] = change
            yield f"row {place}, change {nth}", json.dumps(value).encode()
        rows[place] = row


def _rows_in(value: Any) -> tuple[list[Any], dict[str, Any] | None, str]:
    """Return the rows, what holds them, and under what name; of a bare list nothing does."""
    if isinstance(value, list):
        return cast("list[Any]", value), None, ""
    held = cast("dict[str, Any]", value)
    for name, inner in held.items():
        if isinstance(inner, list):
            return cast("list[Any]", inner), held, name
    return _rows_in(next(iter(held.values())))


def _damaged_markup(body: bytes, row: bytes) -> Damage:
    for tag in sorted(set(re.findall(rb"<([\w:]+)", row))):
        renamed = re.sub(rb"(</?)%s(?=[\s>/])" % tag, rb"\1xx", row)
        yield f"{tag!r} renamed in the first row", body.replace(row, renamed, 1)
        gone = re.sub(rb"<%s[\s>].*?</%s>" % (tag, tag), b"", row, count=1, flags=re.DOTALL)
        if tag != re.findall(rb"<([\w:]+)", row)[0]:
            yield f"{tag!r} gone from the first row", body.replace(row, gone, 1)
    for attribute in sorted(set(re.findall(rb' (\w+)="', row))):
        thinned = re.sub(rb' %s="[^"]*"' % attribute, b"", row)
        yield f"{attribute!r} gone from the first row", body.replace(row, thinned, 1)
        yield f"{attribute!r} gone", re.sub(rb' %s="[^"]*"' % attribute, b"", body)


def rows_of(parser: Parser, answer: Answer) -> int | None:
    """Return how many rows are called read; None: it failed."""
    try:
        return len(cast("list[object]", parser(answer, NOW)))
    except (Unreadable, Unavailable):
        return None


LISTED = {
    f"{source.facts.name} {listing.name}": listing
    for source in load_sources()
    if isinstance(source, ListedSource)
    for listing in source.listings(NOW)
}
WHOLE = {
    "hackernews hits": (
        "hits",
        "https://hn.algolia.com/api/v1/search?tags=front_page&hitsPerPage=50",
    ),
    "hackernews ids": ("ids", "https://hacker-news.firebaseio.com/v0/showstories.json"),
}
RECORDED = [
    (name, parser)
    for name, parser, rows in READ
    if rows and parser not in ("trending", "ids") and "2023-11-01T" not in name
]


def check_damage(parser: Parser, whole: Answer) -> None:
    rows = rows_of(parser, whole)
    assert rows
    failed = 0
    for what, body in damaged(whole):
        left = rows_of(parser, answer_of(body, whole.content_type))
        assert left in (None, rows), f"{what}: {left} of {rows} rows were called all"
        failed += left is None
    assert failed > 10


@pytest.mark.parametrize("name", [*LISTED, *WHOLE])
def test_no_damage_to_an_answer_makes_a_shorter_list(name: str):
    """A class or field dropped, a tag or key renamed, a page cut: all rows, or a failure."""
    if name in LISTED:
        check_damage(LISTED[name].parse, invented()[LISTED[name].address])
    else:
        parser, address = WHOLE[name]
        check_damage(PARSERS[parser], invented()[address])


@pytest.mark.parametrize(("name", "parser"), RECORDED)
def test_no_damage_to_a_recording_makes_a_shorter_list(name: str, parser: str):
    """The same law on what real sites have answered."""
    check_damage(PARSERS[parser], recorded(name))


# One source's trouble


async def never(clock: LoopClock) -> Answer:
    """Drip without an end."""
    while True:
        await clock.sleep_until(datetime.fromtimestamp(clock.now().timestamp() + 5, UTC))


TROUBLES: Mapping[str, Answer | None] = {
    "a 403 page": answer_of(
        b"<html><body>whoa there, pardner</body></html>", "text/html", status=403
    ),
    "a consent page": answer_of(b"<!DOCTYPE html><html><body>Before</body></html>", "text/html"),
    "a login shell": answer_of(b"<html>" + b"x" * 190_000 + b"</body>", "text/html"),
    "an empty body": answer_of(b""),
    "an empty 403": answer_of(b"", "", status=403),
    "a drip": None,
}


def read_with(trouble: Answer | None, hosts: tuple[str, ...]) -> Gathered:
    clock = LoopClock(NOW)

    async def fetch(url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        del headers, body
        if urlsplit(url).hostname in hosts:
            return trouble or await never(clock)
        return invented()[url]

    return run_virtual(read_all(load_sources(), fetch, clock, 30, keyed=KEYED))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_one_source_s_trouble_costs_only_itself(trouble: str):
    """Issue of trends: its status says so, and all others give what they would have given."""
    well = {one.name: one for one in read_with(None, ()).statuses}
    shared = {"github-search", "github-issues"}
    for source in load_sources():
        found = read_with(TROUBLES[trouble], source.facts.hosts)
        name = source.facts.name
        with_it = shared if name in shared else {name}
        for status in found.statuses:
            if status.name in with_it:
                assert (status.status, status.signals) == ("failed", 0), status
            elif name != "wikipedia":
                assert status == well[status.name]

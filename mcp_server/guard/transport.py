"""The one way out: every request of every client passes here, is judged, and leaves or does not.

Knows the `Tickets` protocol, not the ledger. Credentials live in here and nowhere else. Reads and
queries are retried; a mutation is sent at most once, on a fresh HTTP/1.1 connection.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Protocol

import httpx2
import tenacity

from mcp_server.clock import Clock
from mcp_server.errors import Ambiguous, Refused, Unavailable, Unreadable
from mcp_server.guard import evidence, page_urls, policy
from mcp_server.guard.evidence import Asked, Outcome
from mcp_server.guard.installation import App, Installation
from mcp_server.guard.origins import shown, texts_in
from mcp_server.guard.policy import Rule, Service
from mcp_server.guard.rate import Governor, is_limit
from mcp_server.guard.redact import Redactor
from mcp_server.guard.tripwire import passing

READ_ATTEMPTS = 3
READ_TIMEOUT_SECONDS = 30.0
SEND_TIMEOUT_SECONDS = 60.0
# A longer wait than this parks the caller instead (facts/safety.md 5).
LONGEST_RETRY_AFTER_SECONDS = 60.0
# Most bytes of an answer, unpacked, by service: whoever wrote a log may have written without end.
# Trending pages are below 1 MB (captures of 2022 to 2026).
_MOST_BYTES: Mapping[Service, int] = {"log": 8_000_000, "site": 4_000_000, "page": 2_000_000}
# Asked at most once: the one costs money each time, the others are strangers.
_ASKED_ONCE = ("search", "page")
_BEARER = "Bearer "
_PASSING = frozenset({429, 500, 502, 503, 504})
# So ends a query that was too heavy: it would again, and each time costs (facts/github.md 1.3).
_HEAVY = frozenset({502, 504})
# All that a caller may say beside method, address and body.
_HEADERS = ("accept", "accept-encoding", "content-type", "if-none-match", "user-agent")


class Tickets(Protocol):
    """What the transport asks of a ledger."""

    def makes_repository(self, ticket: str) -> bool:
        """Whether a ticket is for a new repository: its creation, or its first commit."""
        ...

    def mark_sent(self, ticket: str, *, kind: str, digest: str) -> None:
        """Commit `held` → `sent`, once, for exactly this request; else raise `Refused`."""
        ...

    def record_outcome(self, ticket: str, outcome: Outcome) -> Outcome:
        """Record how the send ended; `unknown` leaves the ticket `sent`.

        Returns the outcome as it was recorded: `unknown` where it does not fit the ticket.
        """
        ...


class Meter(Protocol):
    """Counts what costs money."""

    def count(self, kind: str) -> None:
        """Count one more of `kind`, durably, before it leaves; raise `Refused` at the cap."""
        ...


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A service's address and the headers that only it is sent; `hosts` serve it too.

    `maker` is sent instead with what makes a repository; empty: that has no key of its own. `app`
    speaks with tokens that the transport mints; None: `headers` are all.
    """

    service: Service
    base: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    maker: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    app: App | None = None
    hosts: re.Pattern[str] | None = None


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Refuses what the policy does not name, and mutations without a fitting ticket."""

    def __init__(
        self,
        *,
        origins: Sequence[Origin],
        tickets: Tickets,
        clock: Clock,
        reads: httpx2.AsyncBaseTransport,
        fresh: Callable[[], httpx2.AsyncBaseTransport],
        redactor: Redactor,
        late: Callable[[], Sequence[Origin]] = tuple,
        switched_on: Collection[str] = (),
        pages: httpx2.AsyncBaseTransport | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Guard what goes to `origins`, and to public pages.

        Args:
            origins: the only addresses there are, with those of `late` and public pages.
            tickets: where mutations are accounted for.
            clock: time-outs and back-off.
            reads: the connection pool for reads.
            fresh: makes a transport with no open connection; called once a mutation.
            redactor: knows the keys that no body may have in it, and that the ledger must not
                keep: a service's own words may repeat one.
            late: further origins, asked for once, by the first address that is none of `origins`:
                they can take none of these over.
            switched_on: what the operator lets leave beyond the policy's table.
            pages: where requests with the extension `service` "page" go; None: nowhere.
            meter: counts what costs money; None: nothing that does leaves.
        """
        self._origins = _by_length(origins)
        self._late = late
        self._late_origins: tuple[tuple[httpx2.URL, Origin], ...] | None = None
        self._tickets = tickets
        self._clock = clock
        self._reads = reads
        self._fresh = fresh
        self._redactor = redactor
        self._switched_on = frozenset(switched_on)
        self._pages = pages
        self._meter = meter
        self._governor = Governor()
        self._in_flight: dict[asyncio.Task[httpx2.Response], str] = {}
        self.requests: dict[str, int] = {}
        self.installation = next(
            (
                Installation(
                    origin.app,
                    clock=clock,
                    ask=partial(self._ask_as_app, origin),
                    learn=redactor.learn,
                )
                for origin in origins
                if origin.app is not None
            ),
            None,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Judge `request` and send it, or raise `Refused` before anything is sent."""
        asks_page = request.extensions.get("service") == "page"
        origin, path = self._page(request.url) if asks_page else self._locate(request.url)
        body = await request.aread()
        query = policy.query_names(request.url.raw_path.decode("ascii"))
        rule = policy.decide(
            origin.service,
            request.method,
            path,
            query,
            dict(request.headers),
            body,
            switched_on=self._switched_on,
        )
        self._refuse_keys(rule, request.url, body)
        self._count_paid(rule)
        if rule.effect != "mutation":
            return await self._read_as(origin, rule, request, body)
        ticket = request.extensions.get("ticket")
        if not isinstance(ticket, str):
            raise Refused(f"{rule.kind} without a ticket never leaves", limit="ticket")
        digest = policy.digest(origin.service, request.method, path, body)
        # Before the ticket is taken: without a key nothing is sent.
        leaving = _leaving(request, body, await self._keys(origin, ticket))
        return await self._mutate(ticket, digest, origin, rule, leaving)

    async def ask_maker(self) -> httpx2.Response | None:
        """Ask GitHub whose the key is that makes repositories; None: it has no key of its own."""
        for _, origin in self._origins:
            if origin.maker:
                rule = policy.decide(origin.service, "GET", "/user", (), {}, b"")
                asked = httpx2.Request("GET", f"{origin.base.rstrip('/')}/user")
                response = await self._read(rule, _leaving(asked, b"", origin.maker))
                response.request = asked
                return response
        return None

    async def _keys(self, origin: Origin, ticket: str | None = None) -> Mapping[str, str]:
        """Return what a request leaves with: its ticket decides, which fits no other request."""
        if ticket is not None and origin.maker and self._tickets.makes_repository(ticket):
            return origin.maker
        if origin.app is None or self.installation is None:
            return origin.headers
        return {**origin.headers, **_bearing(await self.installation.token())}

    async def _read_as(
        self, origin: Origin, rule: Rule, request: httpx2.Request, body: bytes
    ) -> httpx2.Response:
        """Read with a key; where a minted one is refused, once more with another."""
        leaving = _leaving(request, body, await self._keys(origin))
        response = await self._read(rule, leaving)
        if response.status_code != 401 or origin.app is None or self.installation is None:
            return response
        self.installation.reject(_borne(leaving))
        return await self._read(rule, _leaving(request, body, await self._keys(origin)))

    async def _ask_as_app(
        self, origin: Origin, method: str, target: str, claim: str
    ) -> httpx2.Response:
        path, names = target.partition("?")[0], policy.query_names(target)
        rule = policy.decide(origin.service, method, path, names, {}, b"", inner=True)
        asked = httpx2.Request(method, origin.base.rstrip("/") + target)
        return await self._read(rule, _leaving(asked, b"", {**origin.headers, **_bearing(claim)}))

    def _refuse_keys(self, rule: Rule, url: httpx2.URL, body: bytes) -> None:
        """Refuse a body with a key in it: what built it may have decoded what it was given.

        So with the address of a page or the words of a search, which are the caller's too.
        """
        texts = [body.decode(), *texts_in(json.loads(body))] if body else []
        if rule.service in _ASKED_ONCE:
            texts += page_urls.forms(str(url))
        seen = {form for text in texts for form in (text, shown(text))}
        if any(self._redactor.text(text) != text for text in seen):
            raise Refused(
                f"{rule.kind} has a key in it, or what looks like one: leave that out", limit="key"
            )

    def _count_paid(self, rule: Rule) -> None:
        if rule.kind not in policy.PAID:
            return
        if self._meter is None:
            raise Refused(f"{rule.kind} costs money, and nothing counts it here", limit="queries")
        self._meter.count(rule.kind)

    def is_in_flight(self, ticket: str) -> bool:
        """Whether this process is sending it now: whatever the clocks say, it is not over."""
        return ticket in self._in_flight.values()

    async def drain(self) -> None:
        """Wait until every mutation that has left has its outcome recorded."""
        while self._in_flight:
            await asyncio.wait(list(self._in_flight))

    async def aclose(self) -> None:
        """Drain, then close the pool."""
        await self.drain()
        await self._reads.aclose()
        if self._pages is not None:
            await self._pages.aclose()

    def _locate(self, url: httpx2.URL) -> tuple[Origin, str]:
        found = _located(self._origins, url)
        if found is None:
            if self._late_origins is None:
                self._late_origins = _by_length(self._late())
            found = _located(self._late_origins, url)
        if found is None:
            raise Refused(f"policy: {url.host} is no service of ours", limit="policy")
        return found

    def _page(self, url: httpx2.URL) -> tuple[Origin, str]:
        """Return what a page is asked with: nothing of ours, and nothing of a service with a key.

        Whose address has a key is asked by its own client; as a page it would only be an oracle.
        """
        keyed = {base.host for base, origin in self._origins if _has_key(origin)}
        if self._pages is None or not page_urls.fits(url) or url.host in keyed:
            raise Refused(f"policy: {url.host} is no public page for us", limit="policy")
        path = url.raw_path.decode("ascii").partition("?")[0]
        return Origin(service="page", base=f"{url.scheme}://{url.host}"), path

    async def _read(self, rule: Rule, request: httpx2.Request) -> httpx2.Response:
        attempts = 1 if rule.service in _ASKED_ONCE else READ_ATTEMPTS
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(attempts),
            wait=self._back_off,
            retry=tenacity.retry_if_exception_type((httpx2.RequestError, TimeoutError))
            | tenacity.retry_if_result(lambda response: _says_later(rule, response)),
            sleep=self._sleep,
        )
        try:
            return await retrying(self._read_once, rule, request)
        except tenacity.RetryError as spent:
            return _last_word(spent.last_attempt)

    async def _read_once(self, rule: Rule, request: httpx2.Request) -> httpx2.Response:
        pause = self._governor.pause(rule, self._clock.now())
        if pause > 0:
            await self._sleep(pause)
        most = _MOST_BYTES.get(rule.service)
        under = self._pages if rule.service == "page" and self._pages else self._reads
        async with self._clock.timeout(READ_TIMEOUT_SECONDS):
            self._count(request)
            with passing(_host(request)):
                response = await under.handle_async_request(request)
            if most is not None:
                return await _up_to(most, request, response)
            await response.aread()
        self._governor.hear(rule, response, self.retry_after(response), self._clock.now())
        return response

    def _back_off(self, state: tenacity.RetryCallState) -> float:
        wanted = 2.0 ** (state.attempt_number - 1)
        if state.outcome is not None and not state.outcome.failed:
            wanted = max(wanted, self.retry_after(state.outcome.result()) or 0.0)
        return wanted

    def retry_after(self, response: httpx2.Response) -> float | None:
        """Return the seconds a service asks for, from its number or its date; None: unsaid."""
        text = response.headers.get("retry-after", "")
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            when = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            return None
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)  # `-0000`: UTC, from a zone that is not told
        return max(0.0, (when - self._clock.now()).total_seconds())

    async def _sleep(self, seconds: float) -> None:
        if seconds > LONGEST_RETRY_AFTER_SECONDS:
            raise Unavailable(
                f"the service asks for {seconds:.0f} s of patience", retry_after_seconds=seconds
            )
        await self._clock.sleep_until(self._clock.now() + timedelta(seconds=seconds))

    async def _mutate(
        self, ticket: str, digest: str, origin: Origin, rule: Rule, request: httpx2.Request
    ) -> httpx2.Response:
        self._tickets.mark_sent(ticket, kind=rule.kind, digest=digest)
        # From here the work is the server's: whoever stops waiting does not stop the send.
        sending = asyncio.ensure_future(self._send(ticket, origin, rule, request))
        self._in_flight[sending] = ticket
        sending.add_done_callback(self._landed)
        return await asyncio.shield(sending)

    def _landed(self, task: asyncio.Task[httpx2.Response]) -> None:
        self._in_flight.pop(task, None)
        if not task.cancelled():
            task.exception()  # retrieved here because the caller may have gone

    async def _send(
        self, ticket: str, origin: Origin, rule: Rule, request: httpx2.Request
    ) -> httpx2.Response:
        try:
            async with self._clock.timeout(SEND_TIMEOUT_SECONDS), self._connection() as connection:
                self._count(request)
                with passing(_host(request)):
                    response = await connection.handle_async_request(request)
                body = await response.aread()
            if response.status_code == 401 and self.installation is not None:
                self.installation.reject(_borne(request))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            failed = Outcome(state="released", evidence=f"no connection: {type(error).__name__}")
            self._tickets.record_outcome(ticket, failed)
            raise Unavailable(f"{rule.kind}: no connection; nothing was sent") from error
        except (httpx2.HTTPError, TimeoutError) as error:
            unknown = Outcome(state="unknown", evidence=type(error).__name__)
            self._tickets.record_outcome(ticket, unknown)
            raise Ambiguous(
                f"{rule.kind} was sent and its answer lost; ticket {ticket} stays open",
                ticket=ticket,
            ) from error
        asked = Asked(path=request.url.path, body=request.content)
        proven = evidence.judge(origin.service, rule.kind, response.status_code, body, asked)
        outcome = self._tickets.record_outcome(ticket, self._without_keys(proven))
        if outcome.state == "unknown":
            raise Ambiguous(
                f"{rule.kind}: {outcome.evidence}; ticket {ticket} stays open", ticket=ticket
            )
        return response

    def _without_keys(self, outcome: Outcome) -> Outcome:
        text = self._redactor.text
        kept = {
            name: text(value) if isinstance(value, str) else value
            for name, value in outcome.result.items()
        }
        return replace(outcome, evidence=text(outcome.evidence), result=kept)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[httpx2.AsyncBaseTransport]:
        connection = self._fresh()
        try:
            yield connection
        finally:
            await connection.aclose()

    def _count(self, request: httpx2.Request) -> None:
        self.requests[request.url.host] = self.requests.get(request.url.host, 0) + 1


def _by_length(origins: Sequence[Origin]) -> tuple[tuple[httpx2.URL, Origin], ...]:
    """Put the longest first: of two addresses, one within the other, it is the inner one's."""
    ordered = sorted(origins, key=lambda origin: len(origin.base.rstrip("/")), reverse=True)
    return tuple((httpx2.URL(origin.base), origin) for origin in ordered)


def _located(
    origins: Sequence[tuple[httpx2.URL, Origin]], url: httpx2.URL
) -> tuple[Origin, str] | None:
    raw = url.raw_path.decode("ascii").partition("?")[0]
    for base, origin in origins:
        prefix = base.raw_path.decode("ascii").rstrip("/")
        named = url.host == base.host or (origin.hosts and origin.hosts.fullmatch(url.host))
        same = named and (url.scheme, url.port) == (base.scheme, base.port)
        if same and not url.userinfo and raw.startswith(f"{prefix}/"):
            return origin, raw.removeprefix(prefix)
    return None


def _has_key(origin: Origin) -> bool:
    return bool(origin.headers or origin.maker or origin.app)


def _leaving(request: httpx2.Request, body: bytes, keys: Mapping[str, str]) -> httpx2.Request:
    """Build what leaves from what was judged, its key in it, and keep the key off the caller's.

    A `Host` header, or the extensions `target` and `sni_hostname` (httpcore2 2.16, `_models.py`),
    would send it elsewhere than its address says: none of them is taken over.
    """
    said = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    return httpx2.Request(
        request.method, request.url, headers={**said, **keys}, content=body or None
    )


async def _up_to(most: int, request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    """Read an answer of at most so many bytes, as it is unpacked: a small packet may hold many."""
    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > most:
                raise Unreadable(f"{_host(request)} answers more than {most} bytes: not read")
    finally:
        await response.aclose()
    # How it was packed is no longer so, and a stranger's cookies are not kept.
    gone = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")
    headers = [one for one in response.headers.multi_items() if one[0] not in gone]
    return httpx2.Response(response.status_code, headers=headers, content=bytes(body))


def _bearing(token: str) -> Mapping[str, str]:
    return {"authorization": f"{_BEARER}{token}"}


def _borne(request: httpx2.Request) -> str:
    return request.headers.get("authorization", "").removeprefix(_BEARER)


def _host(request: httpx2.Request) -> str:
    return request.url.raw_host.decode("ascii")


def _says_later(rule: Rule, response: httpx2.Response) -> bool:
    if rule.kind == "ask_nodes" and response.status_code in _HEAVY:
        return False
    passing_by = response.status_code in _PASSING or is_limit(response)
    return passing_by or _is_cut_off(response.content)


def _is_cut_off(body: bytes) -> bool:
    """Whether a JSON body ends before its first bracket is closed, as a broken proxy leaves it."""
    ends = {b"{": b"}", b"[": b"]"}
    wanted = ends.get(body[:1])
    return wanted is not None and body.rstrip()[-1:] != wanted


def _last_word(last: tenacity.Future) -> httpx2.Response:
    """Give the last answer to the caller, who reads its status; or raise what came last."""
    error = last.exception()
    if error is None:
        return last.result()
    tries = "1 try" if last.attempt_number == 1 else f"{last.attempt_number} tries"
    raise Unavailable(f"no answer after {tries}: {type(error).__name__}") from error

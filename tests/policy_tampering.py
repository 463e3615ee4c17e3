"""Allowed requests in the pieces a client writes them in, and every way here of spoiling one."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

from mcp_server.guard.policy import Service
from mcp_server.guard.queries import CHECKS, FACTS, LAUNCHES, AskLaunches, Since
from tests.guard_cases import GITHUB, JULES, LOG, LOG_PATH, SHA, SITE


@dataclass(frozen=True)
class Ask:
    """A request in the pieces that a client writes; `tail` is what follows the path."""

    service: Service
    method: str
    origin: str
    path: str
    body: bytes = b""
    tail: str = ""
    headers: tuple[tuple[str, str], ...] = ()


SERVED: dict[Service, str] = {"jules": JULES, "github": GITHUB, "log": LOG, "site": SITE}


def _read(service: Service, path: str, tail: str = "") -> Ask:
    return Ask(service, "GET", SERVED[service], path, b"", tail)


_COMMIT_WORDS = '"commit_title":"fix: x (#7)","commit_message":"Tested.\\n\\nFactory-Task: k1"'


def _write(method: str, path: str, body: str) -> Ask:
    service: Service = "jules" if path.startswith("/sessions") else "github"
    headers = (("content-type", "application/json"),)
    return Ask(service, method, SERVED[service], path, body.encode(), "", headers)


REPO = "/repos/owner/tool"
BASES = (
    _read("jules", "/sources", "?pageSize=100"),
    _read("jules", "/sessions", "?pageSize=100&filter=archived+%3D+true"),
    _read("jules", "/sessions/s1"),
    _read("jules", "/sessions/s1/activities", "?filter=create_time+%3E+%222026%22"),
    _read("github", "/user"),
    _read("github", "/user/repos", "?affiliation=owner&per_page=100&page=2"),
    _read("github", REPO),
    _read("github", f"{REPO}/git/trees/feature/x-1", "?recursive=1"),
    _read("github", f"{REPO}/git/blobs/{SHA}"),
    _read("github", f"{REPO}/git/ref/heads/main"),
    _read("github", f"{REPO}/git/commits/{SHA}"),
    _read("github", f"{REPO}/commits/{SHA}/check-runs", "?per_page=100"),
    _read("github", f"{REPO}/commits/main/status"),
    _read("github", f"{REPO}/pulls", "?state=open"),
    _read("github", f"{REPO}/pulls/7"),
    _read("github", f"{REPO}/pulls/7/files"),
    _read("github", f"{REPO}/pulls/7/merge"),
    _read("github", f"{REPO}/actions/runs", f"?head_sha={SHA}&per_page=100"),
    _read("github", f"{REPO}/actions/runs/71944394700/jobs", "?filter=latest"),
    _read("github", f"{REPO}/actions/jobs/7/logs"),
    _read("github", f"{REPO}/actions/workflows", "?per_page=100"),
    _read("github", f"{REPO}/actions/workflows/7/runs", "?per_page=5"),
    _read("github", f"{REPO}/contents/.github/workflows/ci.yml"),
    _read("log", LOG_PATH, "?se=2026-11-23T09%3A00%3A00Z&sig=a%2Bb%3D"),
    _read("site", "/api/v1/search", "?tags=story&n=%31"),
    _write(
        "POST",
        "/sessions",
        '{"prompt":"do it","title":"[df1 x] t","sourceContext":{"source":"sources/github/owner/'
        'tool","githubRepoContext":{"startingBranch":"main"}},"automationMode":"AUTO_CREATE_PR",'
        '"requirePlanApproval":false}',
    ),
    *(
        _write("POST", "/graphql", f'{{"query":{json.dumps(text)},"variables":{{"ids":["R_a"]}}}}')
        for text in (FACTS, CHECKS)
    ),
    Ask(
        "site",
        "POST",
        SITE,
        "/v2/api/graphql",
        AskLaunches(query=LAUNCHES, variables=Since(after="2026-11-22T00:00:00Z"))
        .model_dump_json()
        .encode(),
        "",
        (("content-type", "application/json"),),
    ),
    _write("POST", "/sessions/s1:sendMessage", '{"prompt":"go on & _method=DELETE"}'),
    _write("POST", "/sessions/s1:approvePlan", "{}"),
    _write("POST", "/sessions/s1:archive", "{}"),
    _write(
        "POST",
        "/user/repos",
        '{"name":"new-tool","description":"é","private":true,"auto_init":true,"has_wiki":false,'
        '"delete_branch_on_merge":false,"allow_auto_merge":false}',
    ),
    _write(
        "POST",
        f"{REPO}/git/trees",
        f'{{"base_tree":"{SHA}","tree":[{{"path":"src/a.py","mode":"100644","type":"blob",'
        '"content":"x = 1\\n"}]}',
    ),
    _write(
        "POST",
        f"{REPO}/git/trees",
        f'{{"base_tree":"{SHA}","tree":[{{"path":"app/[id].ts","mode":"100644","type":"blob",'
        f'"sha":null}},{{"path":"b","mode":"100755","type":"blob","sha":"{SHA}"}}]}}',
    ),
    _write("POST", f"{REPO}/git/refs", f'{{"ref":"refs/heads/daily-factory/x","sha":"{SHA}"}}'),
    _write(
        "POST",
        f"{REPO}/pulls",
        '{"title":"fix: x","head":"fix/x","base":"main","body":"[df1 x] because\\n"}',
    ),
    _write(
        "POST",
        f"{REPO}/git/commits",
        f'{{"message":"first","tree":"{SHA}","parents":["{SHA}"]}}',
    ),
    _write("PATCH", f"{REPO}/git/refs/heads/main", f'{{"sha":"{SHA}","force":false}}'),
    _write(
        "PUT", f"{REPO}/pulls/7/merge", f'{{"sha":"{SHA}","merge_method":"squash",{_COMMIT_WORDS}}}'
    ),
    _write("PUT", f"{REPO}/pulls/7/update-branch", f'{{"expected_head_sha":"{SHA}"}}'),
    _write("PUT", f"{REPO}/actions/workflows/7/disable", ""),
    _write("PATCH", REPO, '{"description":"A tool"}'),
    _write("PUT", f"{REPO}/topics", '{"names":["cli","tools"]}'),
    _write("POST", f"{REPO}/issues/7/comments", '{"body":"a comment"}'),
    _write(
        "POST",
        f"{REPO}/issues",
        f'{{"title":"Report","body":"<!-- daily-factory report {"a" * 26} -->\\nx"}}',
    ),
    _write(
        "PATCH",
        f"{REPO}/issues/7",
        f'{{"title":"Report","body":"<!-- daily-factory report {"a" * 26} -->\\nx"}}',
    ),
)

# A mutator is told where (`n`) and with what (`text`); it need not use either.
Mutator = Callable[[Ask, int, str], Ask]
Fields = dict[str, object]
_ENCODED = "%2e %2E%2e %2f %5c %00 %0a %20 %25 %EF%BC%8F %c0%ae"
_PLAIN = "? / // /. /.. /../ ./ ../ .. . \\ ; # @ : * ~ & = .json /..;/ .git .GIT .git."
_WORDS = "tags refs/tags/v1 merge transfer hooks graphql 0 7 s1 [df1 , } ] null"
# Full-width, division slash, leaders, Cyrillic, long s, Kelvin, a ligature.
_LOOKALIKES = "\uff0e\uff0e \uff0f \u2215 \u2024 \ufe52 \uff41 \u0430 \u0456 \u017f \u212a \ufb01"
_UNSEEN = ("\0", "\t", "\r\n", "\n", " ", "\u200b", "\u202e", "\ufeff", ".git ", "\ud800")
TOKENS = (*f"{_ENCODED} {_PLAIN} {_WORDS} {_LOOKALIKES}".split(), *_UNSEEN)
_VERBS = "GET POST PUT PATCH DELETE HEAD QUERY OPTIONS TRACE CONNECT MERGE PROPFIND"
METHODS: tuple[Callable[[str], str], ...] = (
    str.lower,
    str.title,
    lambda method: method.replace("S", "\u017f"),
    lambda method: "".join(chr(ord(one) + 0xFEE0) for one in method),
    lambda method: f" {method}",
    lambda method: f"{method} ",
    lambda method: f"{method}\0",
    lambda method: f"{method}\r\nX-A: b",
    lambda method: f"{method},DELETE",
    lambda _: "",
    *((lambda _, verb=verb: verb) for verb in _VERBS.split()),
)
# `host` and `base` are what the service is served under; `first` is the host up to its first dot.
ORIGINS = (
    "http://{host}{base}",
    "HTTPS://{upper}{base}",
    "https://{host}:443{base}",
    "https://{host}:0443{base}",
    "https://{host}:80{base}",
    "https://{host}:8443{base}",
    "https://{host}.{base}",
    "https://{host}.evil.example{base}",
    "https://evil-{host}{base}",
    "https://me@{host}{base}",
    "https://me:pw@{host}{base}",
    "https://@{host}{base}",
    "https://{host}@evil.example{base}",
    "https://{host}\\@evil.example{base}",
    "https://evil.example\\@{host}{base}",
    "https://evil.example#@{host}{base}",
    "https://evil.example/?@{host}{base}",
    "https://{host}%00.evil.example{base}",
    "https://{host}%2eevil.example{base}",
    "https://{full_stops}{base}",
    "https://{cyrillic}{base}",
    "https://{dotless}{base}",
    "https://{long_s}{base}",
    "https://xn--{host}{base}",
    "https://xn--{first}-.{rest}{base}",
    "ftp://{host}{base}",
    "wss://{host}{base}",
    "file://{host}{base}",
    "//{host}{base}",
    "https://169.254.169.254{base}",
    "https://[::1]{base}",
    "https://{host}//{base}",
    "https://{host}/.{base}",
    "https://{host}/x/..{base}",
    "https://{host}/x/%2e%2e{base}",
    "https://{host}",
    "https://{host}/v1",
    "https://{host}/V1ALPHA",
    JULES,
    GITHUB,
    SITE,
)
HEADERS: tuple[tuple[str, str], ...] = (
    *((name, "DELETE") for name in ("X-HTTP-Method-Override", "x-http-method")),
    *((name, "PATCH") for name in ("X-Method-Override", "X_HTTP_METHOD_OVERRIDE", "_method")),
    ("host", "evil.example"),
    ("x-forwarded-host", "evil.example"),
    ("x-original-url", "/repos/owner/tool/transfer"),
    ("x-rewrite-url", "/graphql"),
    ("authorization", "Bearer other"),
    ("x-goog-api-key", "other"),
    ("cookie", "a=b"),
    ("expect", "100-continue"),
    ("upgrade", "h2c"),
    ("if-match", "*"),
    ("transfer-encoding", "chunked"),
    ("content-length", "2"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-type", "application/json; charset=utf-16"),
    ("content-type", "application/json, text/plain"),
    ("content-type", "multipart/form-data; boundary=x"),
    ("content-type", "text/plain"),
    ("content-type", "application/JSON"),
    ("content-type", ""),
)
TAILS = (
    "?",
    "?&",
    "?page=1&",
    "?page=1;$httpMethod=DELETE",
    "?page%53ize=1",
    "?=",
    "?;",
    "?$httpMethod=DELETE",
    "?%24httpMethod=DELETE",
    "?_method=DELETE",
    "?access_token=x",
    "?key=x",
    "?alt=media",
    "?callback=x",
    "?query=mutation",
    "?page=1&page=2",
    "?pageSize=1&x",
    "?PageSize=1",
    "#x",
    "?page=1#&x",
)
_LONG = "x" * 1_000_001
VALUES: tuple[object, ...] = (
    *("true", "false", "public", _LONG, 1, 0, 1.0, 10**40),
    *(None, [], {}, True, False),
)
EXTRA: tuple[tuple[str, object], ...] = (
    ("visibility", "public"),
    ("private", False),
    ("Private", False),
    ("force", True),
    ("sha", SHA),
    ("merge_method", "fast-forward"),
    ("auto_merge", True),
    ("_method", "DELETE"),
    ("team_id", 1),
    ("is_template", True),
    ("automationMode", "AUTO_MERGE"),
    ("archived", True),
    ("x", None),
)


def insert_in_path(ask: Ask, n: int, text: str) -> Ask:
    at = n % (len(ask.path) + 1)
    return replace(ask, path=ask.path[:at] + text + ask.path[at:])


def append_to_path(ask: Ask, _: int, text: str) -> Ask:
    return replace(ask, path=ask.path + text)


def respell_in_path(ask: Ask, n: int, _: str) -> Ask:
    way, at = divmod(n, len(ask.path))
    one = ask.path[at]
    wide = chr(ord(one) + 0xFEE0)
    other = (f"%{ord(one):02x}", f"%25{ord(one):02X}", wide, one.swapcase(), "")[way % 5]
    return replace(ask, path=ask.path[:at] + other + ask.path[at + 1 :])


def replace_segment(ask: Ask, n: int, text: str) -> Ask:
    parts = ask.path.split("/")
    way, at = divmod(n, len(parts))
    part = parts[at]
    other = (text, "", "..", f"{part}/{part}", parts[-1 - at], part * 120)[way % 6]
    return replace(ask, path="/".join([*parts[:at], other, *parts[at + 1 :]]))


def change_method(ask: Ask, n: int, _: str) -> Ask:
    return replace(ask, method=METHODS[n % len(METHODS)](ask.method))


def change_origin(ask: Ask, n: int, _: str) -> Ask:
    host, slash, base = SERVED[ask.service].removeprefix("https://").partition("/")
    first, _, rest = host.partition(".")
    origin = ORIGINS[n % len(ORIGINS)].format(
        host=host,
        base=slash + base,
        upper=host.upper(),
        first=first,
        rest=rest,
        full_stops=host.replace(".", "\u3002"),
        cyrillic=host.replace("i", "\u0456"),
        dotless=host.replace("i", "\u0131"),
        long_s=host.replace("s", "\u017f"),
    )
    return replace(ask, origin=origin)


def add_header(ask: Ask, n: int, _: str) -> Ask:
    return replace(ask, headers=(*ask.headers, HEADERS[n % len(HEADERS)]))


def put_header(ask: Ask, n: int, _: str) -> Ask:
    return replace(ask, headers=(HEADERS[n % len(HEADERS)],))


def change_tail(ask: Ask, n: int, _: str) -> Ask:
    return replace(ask, tail=TAILS[n % len(TAILS)])


def encode_body(ask: Ask, n: int, _: str) -> Ask:
    text = ask.body.decode("utf-8", "replace")
    other = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-16-le"),
        lambda: text.encode("utf-32"),
        lambda: text.encode("utf-8-sig"),
        lambda: text.encode("latin-1", "replace"),
        lambda: gzip.compress(ask.body, mtime=0),
        lambda: zlib.compress(ask.body),
        lambda: ask.body + b" " * 1_000_001,
        lambda: b"[" * 100_000,
        lambda: f"[{text}]".encode(),
        lambda: json.dumps(text).encode(),
        lambda: text.replace('"', "'").encode(),
        lambda: text.replace(":", ": ").encode(),
        lambda: text.encode("unicode_escape"),
        lambda: re.sub("[a-z]", lambda found: f"\\u{ord(found[0]):04x}", text, count=9).encode(),
    )[n % 15]
    return replace(ask, body=other())


def splice_body(ask: Ask, n: int, text: str) -> Ask:
    gone, at = divmod(n, len(ask.body) + 1)
    rest = ask.body[at + gone % 3 :]
    return replace(ask, body=ask.body[:at] + text.encode("utf-8", "surrogatepass") + rest)


def cut_body(ask: Ask, n: int, _: str) -> Ask:
    return replace(ask, body=ask.body[: n % (len(ask.body) + 1)])


def change_field(ask: Ask, n: int, text: str) -> Ask:
    def change(fields: Fields, key: str, way: int) -> None:
        old = fields[key]
        twice = [*cast("list[object]", old)] * 2 if isinstance(old, list) else [old]
        fields[key] = (*VALUES, twice, text)[way % (len(VALUES) + 2)]

    return _edit(ask, n, change)


def drop_field(ask: Ask, n: int, _: str) -> Ask:
    def drop(fields: Fields, key: str, _: int) -> None:
        del fields[key]

    return _edit(ask, n, drop)


def rename_field(ask: Ask, n: int, text: str) -> Ask:
    def rename(fields: Fields, key: str, way: int) -> None:
        other = (key.upper(), key.title(), key + text, text + key)[way % 4]
        given = {other if name == key else name: value for name, value in fields.items()}
        fields.clear()
        fields.update(given)

    return _edit(ask, n, rename)


def add_field(ask: Ask, n: int, _: str) -> Ask:
    def add(fields: Fields, _: str, way: int) -> None:
        name, value = EXTRA[way % len(EXTRA)]
        fields[name] = value

    return _edit(ask, n, add)


def reverse_fields(ask: Ask, n: int, _: str) -> Ask:
    def turn(fields: Fields, _: str, __: int) -> None:
        given = dict(reversed(fields.items()))
        fields.clear()
        fields.update(given)

    return _edit(ask, n, turn)


def repeat_field(ask: Ask, n: int, text: str) -> Ask:
    """Say the fields twice, one of them otherwise: before or after what they were."""
    again = change_field(ask, n // 2, text).body[1:-1]
    if not ask.body.startswith(b"{") or not again:
        return ask
    if n % 2:
        return replace(ask, body=b"{" + again + b"," + ask.body[1:])
    return replace(ask, body=ask.body[:-1] + b"," + again + b"}")


def _edit(ask: Ask, n: int, edit: Callable[[Fields, str, int], None]) -> Ask:
    """Edit one field of the object that the body is, at any depth, and write it canonically.

    `n` picks the field and then, by what is left of it, the way; what is no object is left alone.
    """
    try:
        given: object = json.loads(ask.body)
    except (ValueError, RecursionError):
        return ask
    places = [(fields, key) for fields in _objects(given) for key in fields]
    if not places:
        return ask
    way, at = divmod(n, len(places))
    edit(*places[at], way)
    text = json.dumps(given, separators=(",", ":"), ensure_ascii=False)
    return replace(ask, body=text.encode("utf-8", "surrogatepass"))


def _objects(value: object) -> Iterator[Fields]:
    if isinstance(value, dict):
        fields = cast("Fields", value)
        yield fields
        for inner in fields.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from _objects(inner)


MUTATORS: tuple[Mutator, ...] = (
    insert_in_path,
    append_to_path,
    respell_in_path,
    replace_segment,
    change_method,
    change_origin,
    add_header,
    put_header,
    change_tail,
    encode_body,
    splice_body,
    cut_body,
    change_field,
    drop_field,
    rename_field,
    add_field,
    repeat_field,
    reverse_fields,
)
_MOST_FIELDS = 8
# The mutators that go through a table, and how often until they have been through it.
TABLES: tuple[tuple[Mutator, int], ...] = (
    (change_method, len(METHODS)),
    (change_origin, len(ORIGINS)),
    (add_header, len(HEADERS)),
    (change_tail, len(TAILS)),
    (encode_body, 15),
    (change_field, _MOST_FIELDS * (len(VALUES) + 2)),
    (add_field, _MOST_FIELDS * len(EXTRA)),
    (drop_field, _MOST_FIELDS),
)

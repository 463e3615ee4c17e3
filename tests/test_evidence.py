"""What an answer proves: success by its code and fields, refusal by a row, else nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.guard.evidence import judge
from mcp_server.guard.policy import RULES

KINDS = [(rule.service, rule.kind) for rule in RULES if rule.effect == "mutation"]


def rpc(code: int, status: object = "INVALID_ARGUMENT") -> bytes:
    """Return a `google.rpc.Status` as Jules writes it."""
    return json.dumps({"error": {"code": code, "message": "no", "status": status}}).encode()


SUCCESS: dict[str, tuple[int, dict[str, object]]] = {
    "start_session": (200, {"name": "sessions/7", "id": "7", "createTime": "2026-11-23T09:00:00Z"}),
    "send_message": (200, {}),
    "approve_plan": (200, {}),
    "archive_session": (200, {}),
    "unarchive_session": (200, {}),
    "create_repository": (201, {"full_name": "owner/new", "private": True}),
    "create_tree": (201, {"sha": "a" * 40}),
    "create_commit": (201, {"sha": "a" * 40}),
    "create_branch": (201, {"ref": "refs/heads/x", "object": {"sha": "a" * 40}}),
    "open_pull": (201, {"number": 7, "head": {"ref": "x"}}),
    "move_branch": (200, {"ref": "refs/heads/main"}),
    "merge_pull": (200, {"sha": "a" * 40, "merged": True}),
    "disable_workflow": (204, {}),
    "set_description": (200, {"full_name": "owner/tool"}),
    "set_topics": (200, {"names": ["cli"]}),
    "comment_pull": (201, {"body": "a comment"}),
    "open_report": (201, {"title": "Report", "body": "All is well"}),
    "update_report": (200, {"title": "Report", "body": "All is well"}),
    "update_branch": (202, {"message": "Updating pull request branch."}),
}
# GitHub's refusals beyond 401, 403, 404 and 422, which it gives for every mutation.
MORE = {
    "create_tree": {409},
    "create_commit": {409},
    "create_branch": {409},
    "move_branch": {409},
    "merge_pull": {405, 409},
}


@pytest.mark.parametrize(("service", "kind"), KINDS)
def test_each_mutation_is_spent_by_its_own_success(service: str, kind: str):
    """One code per kind; every mutation of the policy has a row."""
    status, data = SUCCESS[kind]
    outcome = judge(service, kind, status, json.dumps(data).encode())
    assert outcome.state == "spent"
    assert outcome.result.items() <= data.items()


@pytest.mark.parametrize(("service", "kind"), KINDS)
def test_another_code_that_is_no_error_proves_nothing(service: str, kind: str):
    """202 for a create, 204, a redirect: strange, so the ticket stays."""
    success, data = SUCCESS[kind]
    body = json.dumps(data).encode()
    states = {
        status: judge(service, kind, status, body).state
        for status in range(100, 400)
        if status != success
    }
    assert set(states.values()) == {"unknown"}


@pytest.mark.parametrize(("service", "kind"), KINDS)
def test_only_the_codes_of_the_row_prove_a_refusal(service: str, kind: str):
    """DESIGN.md section 5: 408, 429, 499 and every 5xx never; 409 where the row names it."""
    refused = {
        status
        for status in range(400, 600)
        if judge(
            service, kind, status, rpc(status) if service == "jules" else b'{"message": "no"}'
        ).state
        == "released"
    }
    listed = {400, 401, 403, 404} if service == "jules" else {401, 403, 404, 422}
    assert refused == listed | MORE.get(kind, set())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"<html>Bad Request</html>",
        rpc(403),
        rpc(400)[:-1],
        rpc(400, None),
        rpc(400, 3),
        b'{"error": "INVALID_ARGUMENT"}',
        b'{"error": {"code": "400", "status": "INVALID_ARGUMENT"}}',
        b'{"error": {"status": "INVALID_ARGUMENT"}}',
        b'{"code": 400, "status": "INVALID_ARGUMENT"}',
        b"\xff\xfe",
    ],
)
def test_a_refusal_that_is_not_a_whole_rpc_status_proves_nothing(body: bytes):
    """A proxy on the way may say 400 too, after Jules has acted."""
    assert judge("jules", "start_session", 400, body).state == "unknown"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"oops", b'{"message": 5}', b'{"message"'])
def test_a_refusal_of_github_without_its_message_proves_nothing(body: bytes):
    """The same for GitHub."""
    assert judge("github", "merge_pull", 409, body).state == "unknown"


@pytest.mark.parametrize(
    "kind", ["start_session", "create_repository", "create_tree", "merge_pull"]
)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"name', b'"x"', b"\xff"])
def test_a_success_without_the_name_of_what_it_made_proves_nothing(kind: str, body: bytes):
    """A truncated or strange body: found later by marker or by reading back."""
    service = "jules" if kind == "start_session" else "github"
    assert judge(service, kind, SUCCESS[kind][0], body).state == "unknown"


@pytest.mark.parametrize(
    "name",
    [
        *(None, "", 5, True, [], "7", "operations/3"),
        *("sessions/", "sessions/a/b", "sessions/a b", "sessions/7\n", "Sessions/7"),
    ],
)
def test_a_start_that_names_no_session_proves_nothing(name: object):
    """Bound as an id, two of them would be one unit (I1)."""
    body = json.dumps({"name": name, "createTime": "2026-11-23T09:00:00Z"}).encode()
    assert judge("jules", "start_session", 200, body).state == "unknown"


@pytest.mark.parametrize("name", [None, "", 5, "new", "owner/", "/new", "owner/new/x", "o w/new"])
def test_a_creation_that_names_no_repository_proves_nothing(name: object):
    """The same for GitHub."""
    body = json.dumps({"full_name": name, "private": True}).encode()
    assert judge("github", "create_repository", 201, body).state == "unknown"


@pytest.mark.parametrize("kind", ["create_tree", "create_commit", "merge_pull"])
@pytest.mark.parametrize("sha", [None, "", 5, "main", "a" * 39, "A" * 40])
def test_an_effect_without_its_commit_proves_nothing(kind: str, sha: object):
    """The next step would be built on it."""
    body = json.dumps({"sha": sha, "merged": True}).encode()
    assert judge("github", kind, SUCCESS[kind][0], body).state == "unknown"


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        ("2026-11-23T09:00:00Z", True),
        ("2026-11-23T09:00:00.123456789Z", True),
        ("2026-11-23T10:00:00.5+01:00", True),
        ("2026-11-23T09:00:00", False),
        ("1970-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("yesterday", False),
        ("", False),
        (5, False),
        (None, False),
    ],
)
def test_a_time_that_is_none_is_left_out_and_the_effect_stands(time: object, kept: bool):
    """The ledger then takes the moment of the send, and the unit counts."""
    body = json.dumps({"name": "sessions/7", "createTime": time}).encode()
    outcome = judge("jules", "start_session", 200, body)
    assert (outcome.state, "createTime" in outcome.result) == ("spent", kept)
    body = json.dumps({"full_name": "owner/new", "created_at": time, "private": "yes"}).encode()
    made = judge("github", "create_repository", 201, body)
    assert set(made.result) == {"full_name", "created_at"} - (set() if kept else {"created_at"})


@given(st.sampled_from(KINDS), st.integers(100, 599), st.binary(max_size=80))
def test_bytes_that_mean_nothing_are_never_a_refusal(
    kind: tuple[str, str], status: int, body: bytes
):
    """And judging them never raises."""
    assert judge(*kind, status, body).state in ("unknown", "spent")


def test_only_the_few_fields_that_the_ledger_keeps_are_kept():
    """The rest of an answer, a prompt among it, has no business in the record."""
    data = {**SUCCESS["start_session"][1], "prompt": "private words", "title": "x"}
    kept = judge("jules", "start_session", 200, json.dumps(data).encode()).result
    assert set(kept) == {"name", "id", "createTime"}

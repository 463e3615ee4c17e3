"""What Jules sends, read leniently into our values: facts/jules-api.md sections 1 and 2 (2026-11).

A word nobody here knows is kept as it came and noted, never guessed; what is missing is missing.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from mcp_server.clients import jules_names
from mcp_server.clients import jules_schema as schema
from mcp_server.clients.wire import read
from mcp_server.errors import Unreadable
from mcp_server.guard import marker
from mcp_server.models import (
    ACTIVITY_KINDS,
    STATES,
    UNREADABLE,
    Activity,
    PullOutput,
    Session,
    Source,
)

MOST_UNKNOWN = 50
LONGEST_WORD = 60
# Ids of Jules' are 16 to 32 characters; no tool can name a longer one (`jules_names.py`).
LONGEST_ID = 64
# No title of Jules' or ours is near it; a stranger's may be anything.
LONGEST_TITLE = 500
# Steps of a session plan, and artifacts of an activity that are named.
MOST_PARTS = 50
_PLAIN_FIELDS = frozenset({"name", "id", "originator", "description", "createTime", "artifacts"})

_ORIGINATORS = frozenset({"user", "agent", "system"})


class Unknown:
    """Words of Jules that this version does not know, each once: the first `MOST_UNKNOWN`."""

    def __init__(self) -> None:
        self._words: dict[str, None] = {}

    def note(self, what: str, word: str) -> None:
        """Keep a word, cut to `LONGEST_WORD`, as `what: word`."""
        if len(self._words) < MOST_UNKNOWN:
            self._words[f"{what}: {word[:LONGEST_WORD]}"] = None

    @property
    def words(self) -> tuple[str, ...]:
        """What was noted so far, in the order it came."""
        return tuple(self._words)


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """A diff with its base; `repo` None for a repoless session."""

    repo: str | None
    diff: str
    base_commit: str | None
    suggested_message: str


@dataclass(frozen=True, kw_only=True)
class Media:
    """A file that a session made, decoded; `data` empty where its base64 is none.

    `mime_type` in small letters and without parameters, so that equal types look equal.
    """

    mime_type: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class BashOutput:
    """A command that a session ran, whole."""

    command: str
    output: str
    exit_code: int | None


@dataclass(frozen=True, kw_only=True)
class WholeActivity:
    """An activity with its bulk; `change_set` the last one in it."""

    activity: Activity
    change_set: ChangeSet | None
    media: tuple[Media, ...]
    commands: tuple[BashOutput, ...]


def items(page: object, name: str) -> Sequence[object]:
    """Return the list `name` of a page; `{}` is a valid empty one."""
    return getattr(read(schema.Page, page), name)


def next_token(page: object) -> str:
    """Return where a page goes on; empty: nowhere."""
    return read(schema.Page, page).nextPageToken


def created(raw: object) -> tuple[str, str]:
    """Return id and address in the answer to a create, which may have no state and no times.

    An address that is too long is left out: the session was started all the same.
    """
    wire = read(schema.Created, raw)
    url = wire.url if len(wire.url) <= schema.LONGEST_NAME else ""
    return _bounded(wire.name.removeprefix("sessions/")), url


def session(raw: object, keys: Sequence[bytes], unknown: Unknown) -> Session:
    """Read a session, telling by its title whether it is ours: `keys` verify markers.

    Raises:
        Unreadable: no name, or no time: it could not be counted; or a name that is too long.
    """
    wire = read(schema.Session, raw)
    name = _bounded(wire.name.removeprefix("sessions/") or wire.id)
    if not name:
        raise Unreadable("a session has neither name nor id")
    if wire.state not in STATES:
        unknown.note("session state", wire.state)
    for word in (word for output in wire.outputs for word in output.model_extra or {}):
        unknown.note("session output", word)
    repo = jules_names.repo_of_source(wire.sourceContext.source)
    branch = wire.sourceContext.githubRepoContext.startingBranch
    pulls = [one.pullRequest for one in wire.outputs if one.pullRequest and one.pullRequest.url]
    return Session(
        id=name,
        title=wire.title[:LONGEST_TITLE],
        # Longer than any word of Jules': what is cut off cannot make it one of them.
        state=wire.state[:LONGEST_WORD],
        url=wire.url,
        created_at=wire.createTime,
        updated_at=wire.updateTime or wire.createTime,
        repo=repo,
        branch=branch,
        archived=wire.archived,
        pull=_pull(pulls[0]) if pulls else None,
        has_patch=any(output.changeSet for output in wire.outputs),
        marker=marker.read(wire.title, keys, repo=repo, branch=branch),
    )


def _pull(wire: schema.Pull) -> PullOutput:
    return PullOutput(
        url=wire.url,
        title=wire.title[:LONGEST_TITLE],
        base_ref=wire.baseRef,
        head_ref=wire.headRef,
    )


def last_output(raw: object) -> ChangeSet | None:
    """Return the last change set in a session's outputs; often there is none (facts 2.5)."""
    return _last(output.changeSet for output in read(schema.Session, raw).outputs)


def source(raw: object, unknown: Unknown) -> Source | None:
    """Read a source; None, and noted, for one that is no repository on GitHub."""
    wire = read(schema.Source, raw)
    github = wire.githubRepo
    said = f"{github.owner}/{github.repo}" if github.owner and github.repo else None
    repo = said or jules_names.repo_of_source(wire.name)
    if repo is None:
        unknown.note("source", wire.name)
        return None
    return Source(
        repo=repo,
        default_branch=github.defaultBranch.displayName if github.defaultBranch else None,
        branches=tuple(branch.displayName for branch in github.branches),
        private=github.isPrivate,
    )


def activity(raw: object, unknown: Unknown) -> Activity:
    """Read an activity of any kind, those without an event, an author or a time included."""
    return _light(read(schema.Activity, raw), raw, unknown)


def odd_activity(raw: object, error: Unreadable) -> Activity:
    """Return what stands for an activity that cannot be read: that there is one, and why not."""
    return Activity(id=_unnamed(raw), kind=UNREADABLE, text=str(error))


def whole_activity(raw: object, unknown: Unknown) -> WholeActivity:
    """Read an activity with its artifacts."""
    wire = read(schema.Activity, raw)
    return WholeActivity(
        activity=_light(wire, raw, unknown),
        change_set=_last(one.changeSet for one in wire.artifacts),
        media=tuple(
            Media(mime_type=_mime_type(one.media.mimeType), data=_decoded(one.media.data))
            for one in wire.artifacts
            if one.media
        ),
        commands=tuple(
            BashOutput(
                command=one.bashOutput.command,
                output=one.bashOutput.output,
                exit_code=one.bashOutput.exitCode,
            )
            for one in wire.artifacts
            if one.bashOutput
        ),
    )


def _light(wire: schema.Activity, raw: object, unknown: Unknown) -> Activity:
    kind, event = _event(raw, unknown)
    words = (event.agentMessage, event.userMessage, event.reason, event.message, event.description)
    text = next((word for word in words if word), wire.description)
    return Activity(
        id=_bounded(wire.id or wire.name.rpartition("/")[2]) or _unnamed(raw),
        at=wire.createTime,
        kind=kind,
        originator=_originator(wire.originator, unknown),
        text=" ".join(part for part in (event.title, text) if part),
        plan_steps=_steps(event.plan) if event.plan else (),
        has_change_set=any(one.changeSet for one in wire.artifacts),
        artifacts=tuple(name for one in wire.artifacts for name in _names(one, unknown))[
            :MOST_PARTS
        ],
    )


def _originator(said: str | None, unknown: Unknown) -> str | None:
    if said is not None and said not in _ORIGINATORS:
        unknown.note("originator", said)
    return said and said[:LONGEST_WORD]


def _steps(plan: schema.Plan) -> tuple[str, ...]:
    return tuple(
        (step.title or step.description)[:LONGEST_TITLE] for step in plan.steps[:MOST_PARTS]
    )


def _event(raw: object, unknown: Unknown) -> tuple[str, schema.Event]:
    """Return the event of an activity: a known one first, else whatever object stands there."""
    fields = cast("Mapping[str, object]", raw)  # an object: it was read as an activity
    for kind in ACTIVITY_KINDS:
        if fields.get(kind) is not None:
            return kind, read(schema.Event, fields[kind])
    for name, value in fields.items():
        if name not in _PLAIN_FIELDS and isinstance(value, dict):
            unknown.note("activity kind", name)
            return name[:LONGEST_WORD], read(schema.Event, fields[name])
    return "none", schema.Event()


def _names(artifact: schema.Artifact, unknown: Unknown) -> Iterator[str]:
    if artifact.changeSet:
        yield f"change set, {len(artifact.changeSet.gitPatch.unidiffPatch):,} characters"
    if artifact.media:
        yield f"media {_mime_type(artifact.media.mimeType)[:LONGEST_WORD]}"
    if artifact.bashOutput:
        # Longer than it is shown: its secrets are taken out of it before (`histories.py`).
        yield f"command {artifact.bashOutput.command[:LONGEST_TITLE]}"
    for name in artifact.model_extra or {}:
        unknown.note("artifact", name)
        yield name[:LONGEST_WORD]


def _last(found: Iterator[schema.ChangeSet | None]) -> ChangeSet | None:
    """Return the last change set: each repeats the ones before it (facts 2.4)."""
    # One without a patch at all is a thin answer, and hides nothing that another one shows.
    sets = [one for one in found if one is not None and "gitPatch" in one.model_fields_set]
    if not sets:
        return None
    patch = sets[-1].gitPatch
    return ChangeSet(
        repo=jules_names.repo_of_source(sets[-1].source),
        diff=patch.unidiffPatch,
        base_commit=patch.baseCommitId,
        suggested_message=patch.suggestedCommitMessage,
    )


def _bounded(name: str) -> str:
    """Return an id as it is; a part of one would be another's."""
    if len(name) > LONGEST_ID:
        raise Unreadable(f"an id of {len(name):,} characters; {LONGEST_ID} at most are read")
    return name


def _unnamed(raw: object) -> str:
    """Return what tells an activity without a name from others: it never changes (facts 2.3)."""
    return f"unnamed-{hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()[:12]}"


def _mime_type(said: str) -> str:
    return said.partition(";")[0].strip().lower()


def _decoded(data: str) -> bytes:
    """Decode base64 as proto3 JSON may write it: either alphabet, with or without its padding."""
    plain = data.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError:  # of Base64, or of text that is no ASCII at all
        return b""

"""The bulk that sessions leave, as answers show it: diffs, commands and images, each under a cap.

What is cut says so. Secrets are taken out before: the end of a private key looks like nothing.
"""

import base64
import re
from collections.abc import Sequence
from functools import cached_property

from mcp_types import ImageContent

from mcp_server.clients.jules_wire import BashOutput, ChangeSet, Media
from mcp_server.errors import BadArgument
from mcp_server.guard.redact import Redactor
from mcp_server.insight import unidiff
from mcp_server.models import Command, FileChange, Image, Patch

LONGEST_COMMAND = 1_000
LONGEST_OUTPUT = 5_000
MOST_MEDIA = 50
MOST_IMAGES = 4
MOST_IMAGE_BYTES = 600_000
MOST_FILES = 200
LONGEST_PATH = 300
LONGEST_MESSAGE = 2_000
_IMAGE = re.compile(r"image/(?:png|jpeg|gif|webp)")


class DiffView:
    """A diff, or one file of it, taken apart once, to be shown as far as there is room."""

    def __init__(self, found: ChangeSet, path: str | None, redactor: Redactor) -> None:
        """Take a change set apart.

        Raises:
            BadArgument: it has no file of that path.
        """
        self._found = found
        self._redactor = redactor
        self._files = unidiff.split(found.diff)
        self._asked = [one for one in self._files if path is None or one.path == path]
        if not self._asked and path is not None:
            names = ", ".join(_path(one.path) for one in self._files[:20])
            raise BadArgument(f"{_path(path)!r} is not in this diff; in it: {names}")

    def patch(self, most: int, *, parts: int = 1) -> Patch:
        """Return at most so many characters, whole files first; of one file alone, its beginning.

        `parts` divides how many files the stat names, and how much of the message is told.
        """
        fitting = unidiff.fitting(self._asked, most)
        kept = {id(one) for one in fitting}
        left = [_path(one.path) for one in self._asked if id(one) not in kept]
        diff = "".join(one.text for one in fitting)
        left_out = f"{len(left)} files do not fit: {', '.join(left[:10])}" if left else ""
        if not fitting:
            # No file to take apart, or none that fits: a part says more than nothing.
            over = len(self._first) - most
            diff = self._first[:most]
            name = _path(self._asked[0].path) if self._asked else "it"
            left_out = f"the last {over:,} characters of {name}" if over > 0 else ""
        stat = self._files[: MOST_FILES // parts]
        return Patch(
            base_commit=self._found.base_commit,
            suggested_message=self._message[: LONGEST_MESSAGE // parts],
            files=tuple(
                FileChange(path=_path(one.path), added=one.added, removed=one.removed)
                for one in stat
            ),
            files_left_out=len(self._files) - len(stat),
            added=sum(one.added for one in self._files),
            removed=sum(one.removed for one in self._files),
            characters=len(self._found.diff),
            diff=diff,
            left_out=left_out,
        )

    @cached_property
    def _first(self) -> str:
        return self._redactor.text(self._asked[0].text if self._asked else self._found.diff)

    @cached_property
    def _message(self) -> str:
        return self._redactor.text(self._found.suggested_message)


def patch_text(patch: Patch) -> str:
    """Return a diff with its stat for a reader."""
    number = len(patch.files) + patch.files_left_out
    head = f"{number} files, +{patch.added} -{patch.removed}, on {patch.base_commit or 'nothing'}"
    stat = [f"{one.path} +{one.added} -{one.removed}" for one in patch.files[:50]]
    left = [f"(not shown: {patch.left_out})"] if patch.left_out else []
    return "\n".join([head, patch.suggested_message[:300], *stat, "", patch.diff, *left])


def command_of(run: BashOutput, redactor: Redactor) -> Command:
    """Return a command with the end of its output: what matters in a log stands there."""
    told = Command(
        command=redactor.text(run.command),
        output=redactor.text(run.output),
        exit_code=run.exit_code,
    )
    return shortened(told, 1)


def shortened(command: Command, parts: int) -> Command:
    """Return a command with its bounds divided by `parts`."""
    over = max(0, len(command.output) - LONGEST_OUTPUT // parts)
    return Command(
        command=command.command[: LONGEST_COMMAND // parts],
        output=command.output[over:],
        exit_code=command.exit_code,
        left_out=command.left_out + over,
    )


def shown_images(media: Sequence[Media], room: int) -> list[int]:
    """Return which media are images that fit into so many bytes of JSON, first come first shown."""
    # Base64 takes four bytes for three.
    left, shown = min(MOST_IMAGE_BYTES, room * 3 // 4), list[int]()
    for nth, one in enumerate(media[:MOST_MEDIA]):
        fits = 0 < len(one.data) <= left and len(shown) < MOST_IMAGES
        if fits and _IMAGE.fullmatch(one.mime_type):
            shown.append(nth)
            left -= len(one.data)
    return shown


def named_images(media: Sequence[Media], shown: Sequence[int]) -> tuple[Image, ...]:
    """Return what files there are, and whether they stand beside the text."""
    return tuple(
        Image(mime_type=one.mime_type[:60], size_bytes=len(one.data), shown=nth in shown)
        for nth, one in enumerate(media[:MOST_MEDIA])
    )


def image_contents(media: Sequence[Media], shown: Sequence[int]) -> list[ImageContent]:
    """Return the images themselves."""
    return [
        ImageContent(
            data=base64.b64encode(media[nth].data).decode(), mime_type=media[nth].mime_type
        )
        for nth in shown
    ]


def _path(path: str) -> str:
    """Return a path; one that is too long is seen to be cut, for a part of it is another's."""
    return path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH - 1]}…"

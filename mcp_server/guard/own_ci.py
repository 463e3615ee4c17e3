"""The one workflow that is ours byte for byte: where it stands, and each text that it may have."""

import hashlib
from collections.abc import Mapping, Sequence

from mcp_server.models import ChangedFile

PATH = ".github/workflows/ci.yml"
# Those of prompts/standard: by the name that git gives the blob, its SHA-256.
TEXTS: Mapping[str, str] = {
    "679a552b03bc0b2006adff194757728b6a1b7eab": (
        "a120bc6870445392d2fafcabc860bb645dc15ee4c4f6a348cc6ed29778a080d1"
    ),
    "b8a8c6bad2200e25630b06fc9c147cad313cf298": (
        "343b601e8d4eeccc7698e9e0719beb634184a65a14c5b2853652758d5bf256c8"
    ),
    "4af2f5ce373022e58d8b0070f8dee0d128df2af3": (
        "e9ff8f1ee31799fe909042ad94508978f17fa6ece48cf1a63587a5d3e10c0f1d"
    ),
    "3e8dc370ab9a25dd9dbc5a8675eb5ce756201fcf": (
        "39c3edc116f4bec0b3e62658dca62e54d4c5c242dae864d495f56b60a4bf496b"
    ),
}


def is_text(content: str) -> bool:
    """Whether this is one of its texts."""
    return hashlib.sha256(content.encode()).hexdigest() in TEXTS.values()


def is_all(files: Sequence[ChangedFile] | None) -> bool:
    """Whether a change adds it and does nothing else; None, a list that is not whole, is not."""
    if files is None or len(files) != 1:
        return False
    file = files[0]
    added = file.status == "added" and file.previous_path is None
    return added and file.path == PATH and file.sha in TEXTS

"""The base of every model, and times as services write them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of every model here: frozen, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Value):
    """What every listing tool adds: where to go on, and how old the data is."""

    next_cursor: str | None = None
    age_seconds: float = 0.0


def utc(text: str) -> datetime:
    """Parse an RFC 3339 time with any number of fraction digits (Jules sends 0, 3, 6 or 9)."""
    head, dot, rest = text.replace("Z", "+00:00").partition(".")
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        head = f"{head}.{rest[:digits][:6]:0<6}{rest[digits:]}"
    return datetime.fromisoformat(head)

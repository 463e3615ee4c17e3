"""Trend sources: what software people talk about, one module a source (docs/sources.md)."""

from mcp_server.trends.reading import Gathered, read_all
from mcp_server.trends.registry import load_sources
from mcp_server.trends.signal import (
    Answer,
    Fetch,
    Lost,
    Reading,
    Signal,
    SourceFacts,
    SourceKey,
    TrendSource,
)

__all__ = [
    "Answer",
    "Fetch",
    "Gathered",
    "Lost",
    "Reading",
    "Signal",
    "SourceFacts",
    "SourceKey",
    "TrendSource",
    "load_sources",
    "read_all",
]

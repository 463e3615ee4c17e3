"""Reads trend sites through the guarded transport; keeps nothing, sends no credential."""

from collections.abc import Mapping

import httpx2

from mcp_server.errors import Unreadable
from mcp_server.trends.signal import Answer

# Trending pages are below 1 MB (facts/trend-sources.md, captures of 2022 to 2026).
MOST_BYTES = 4_000_000


class PagesClient:
    """Gives trend sources their answers."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Read over `http`."""
        self._http = http

    async def fetch(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Return whatever `url` answers; judging it is the source's business."""
        response = await self._http.get(url, headers=dict(headers))
        if len(response.content) > MOST_BYTES:
            raise Unreadable(f"{url} answered {len(response.content)} bytes, {MOST_BYTES} at most")
        return Answer(
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            body=response.content,
            url=str(response.url),
        )

"""Reads trend sites through the guarded transport; keeps nothing, knows no key."""

from collections.abc import Mapping

import httpx2

from mcp_server.trends.signal import Answer


class PagesClient:
    """Gives trend sources their answers."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        """Read over `http`."""
        self._http = http

    async def fetch(self, url: str, headers: Mapping[str, str], /, *, body: bytes = b"") -> Answer:
        """Return whatever `url` answers; judging it is the source's business."""
        method = "POST" if body else "GET"
        response = await self._http.request(
            method, url, headers=dict(headers), content=body or None
        )
        wait = response.headers.get("retry-after", "")
        return Answer(
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
            body=response.content,
            url=str(response.url),
            retry_after_seconds=float(wait) if wait.isascii() and wait.isdigit() else None,
        )

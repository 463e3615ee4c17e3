"""The second phase: what is worth thinking about, and which repositories it is near to."""

from dataclasses import dataclass

from agent.tools import Tools
from mcp_server.models import Discovery, Match

# Ideas past this place are never reached by a day's split; comparing them would only cost time.
MOST_MATCHED = 60


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """Ideas, and by idea key what each is near to."""

    discovery: Discovery
    matches: dict[str, Match]


async def discover(tools: Tools) -> Discovered:
    """Read the trend sources and compare the best ideas with the repositories."""
    discovery = await tools.call("trends_discover", Discovery, limit=MOST_MATCHED, detail=True)
    matches = {
        idea.key: await tools.call(
            "trends_match", Match, title=idea.title, description=idea.description
        )
        for idea in discovery.ideas
    }
    return Discovered(discovery=discovery, matches=matches)

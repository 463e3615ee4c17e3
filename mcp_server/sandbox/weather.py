"""Weather: a share of all exchanges goes wrong, by keyed draws, in every way a network can."""

from dataclasses import dataclass, field

from mcp_server.sandbox.chance import draw, pick
from mcp_server.sandbox.faults import Exchange, Fault

# A reset, a time-out or a cut body may hide an effect; a refused connection never does.
_FAULTS = (
    Fault("refuse_connect"),
    Fault("reset_before"),
    Fault("reset_after"),
    Fault("timeout_after"),
    Fault("truncated_after"),
    Fault("status_after", 429),
    Fault("status_after", 500),
    Fault("status_after", 502),
    Fault("status_after", 503),
)
SHARES = {"none": 0.0, "weather": 0.05, "storm": 0.20}


@dataclass
class Weather:
    """Strikes this share of exchanges; the n-th on one path is struck in every day of a seed."""

    seed: int
    share: float
    _counts: dict[str, int] = field(default_factory=dict[str, int])

    def __call__(self, exchange: Exchange) -> Fault | None:
        """Return what strikes this exchange, if anything."""
        entity = f"{exchange.method} {exchange.host}{exchange.path}"
        nth = self._counts.get(entity, 0)
        self._counts[entity] = nth + 1
        if draw(self.seed, "fault", entity, nth) >= self.share:
            return None
        return pick(_FAULTS, self.seed, "fault kind", entity, nth)

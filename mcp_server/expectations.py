"""What each base branch's checks are known to be, kept for the next process.

It only ever adds to what a pull request must repeat: lost, it is learnt anew from the base.
"""

from pydantic import TypeAdapter, ValidationError

from mcp_server.cache import Cache, Entry
from mcp_server.clock import Clock
from mcp_server.guard.checks import Learnt

KIND = "expected"
_LEARNT = TypeAdapter(Learnt)
Branch = tuple[str, str]


class Expectations:
    """Remembers by (repository, branch), in the process and beyond it."""

    def __init__(self, cache: Cache, clock: Clock) -> None:
        """Keep in `cache`; nothing is read yet."""
        self._cache = cache
        self._clock = clock
        self._known: dict[Branch, Learnt] = {}

    def get(self, branch: Branch) -> Learnt | None:
        """Return what is known of a branch; None: nothing yet."""
        if branch not in self._known and (entry := self._cache.find(KIND, _key(branch))):
            try:
                learnt = _LEARNT.validate_json(entry.body)
            except ValidationError:  # of another version: as good as never learnt
                return None
            # A new process has seen no head: it looks at the base of each once more.
            self._known[branch] = Learnt(finished=learnt.finished, begun=learnt.begun)
        return self._known.get(branch)

    def keep(self, branch: Branch, learnt: Learnt) -> None:
        """Remember; what is the same for the next process is not written again."""
        before = self._known.get(branch)
        self._known[branch] = learnt
        kept = Learnt(finished=learnt.finished, begun=learnt.begun)
        if before is not None and (before.finished, before.begun) == (kept.finished, kept.begun):
            return
        body = _LEARNT.dump_json(kept)
        self._cache.keep(KIND, {_key(branch): Entry(tag="", read_at=self._clock.now(), body=body)})


def _key(branch: Branch) -> str:
    repo, name = branch
    return f"{repo.casefold()}\n{name}"

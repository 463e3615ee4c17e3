"""What does not belong at the root of any repository, whatever it is written in: data, by name."""

import re
from collections.abc import Collection
from typing import Literal

Kind = Literal["keys", "build output", "archives", "editor files", "logs and leftovers"]

# Folders end in a slash. `.env.test` and `.env.development` are often meant to be shared.
CLUTTER: dict[Kind, re.Pattern[str]] = {
    "keys": re.compile(
        r"\.env(?:\.local|\.prod(?:uction)?|\.\w+\.local)?|\.netrc|\.pypirc|\.htpasswd|credentials\.json"
        r"|(?:client_secret|service-?account).*\.json|id_(?:rsa|dsa|ecdsa|ed25519)"
        r"|.+\.(?:pem|key|p12|pfx|jks|keystore|ppk)",
        re.IGNORECASE,
    ),
    "build output": re.compile(
        r"(?:dist|out|target|node_modules|bower_components|coverage|htmlcov|__pycache__|\.next|\.nuxt"
        r"|\.svelte-kit|\.output|\.venv|venv|\.gradle|\.pytest_cache|\.mypy_cache|.+\.egg-info)/"
        r"|\.coverage|.+\.(?:py[co]|class|o|so|dll|exe|dylib|tsbuildinfo)"
    ),
    "archives": re.compile(r".+\.(?:zip|tar|tgz|gz|bz2|xz|7z|rar|crx|vsix|whl)", re.IGNORECASE),
    "editor files": re.compile(
        r"(?:\.idea|\.vs|\.fleet)/|\.DS_Store|Thumbs\.db|desktop\.ini|.+\.(?:sw[op]|iml)|.+~"
    ),
    "logs and leftovers": re.compile(
        r".+\.(?:log|tmp|bak|orig|rej|dump|sqlite3?)|nohup\.out", re.IGNORECASE
    ),
}
# An action's built code is run from the repository as it is.
_SHIPS_ITS_BUILD = frozenset({"action.yml", "action.yaml"})


def entries(paths: Collection[str], folders: Collection[str] = ()) -> frozenset[str]:
    """Return the names at the root of these files and folders; those of folders end in a slash."""
    deep = (path.partition("/")[0] + "/" for path in paths if "/" in path)
    unseen = (folder.partition("/")[0] + "/" for folder in folders)
    return frozenset((*(path for path in paths if "/" not in path), *deep, *unseen))


def clutter(names: Collection[str]) -> dict[Kind, tuple[str, ...]]:
    """Return what of these names of a root does not belong there, by kind; no kind without one."""
    meant = {"dist/"} if _SHIPS_ITS_BUILD & set(names) else set[str]()
    found: dict[Kind, tuple[str, ...]] = {
        kind: tuple(sorted(name for name in names if name not in meant and like.fullmatch(name)))
        for kind, like in CLUTTER.items()
    }
    return {kind: there for kind, there in found.items() if there}

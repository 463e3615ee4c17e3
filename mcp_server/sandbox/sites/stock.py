"""What the sandbox's sites talk about on a day: ideas, questions, news and noise, all invented."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from mcp_server.sandbox.chance import between, draw

T = TypeVar("T")

# Repository, language, what it is. All invented.
STRANGERS = (
    ("quietbar/tab-warden", "TypeScript", "Chrome extension that files forgotten tabs by topic"),
    ("quietbar/consent-skipper", "TypeScript", "Browser extension that answers consent banners"),
    ("pagepress/clean-clip", "TypeScript", "Chrome extension that copies tables as Markdown"),
    ("pagepress/price-memory", "JavaScript", "Browser extension that remembers what things cost"),
    ("readalot/later-lane", "TypeScript", "Firefox extension that turns long reads into a queue"),
    ("readalot/footnote-peek", "TypeScript", "Browser extension that shows footnotes in place"),
    ("keymint/form-vault", "TypeScript", "Chrome extension that keeps half-filled forms safe"),
    ("keymint/meeting-mute", "JavaScript", "Chrome extension with one mute key for every call"),
    ("northdesk/diff-lens", "TypeScript", "Browser extension that folds noise in pull requests"),
    ("northdesk/issue-shelf", "TypeScript", "Chrome extension that pins issues to a side panel"),
    ("ironpath/logcut", "Rust", "Command line log reader that groups lines by cause"),
    ("ironpath/portwhy", "Rust", "CLI that tells which process holds a port, and why"),
    ("ironpath/dirdiet", "Go", "Terminal tool that explains what fills a disk"),
    ("smallsharp/envcheck", "Go", "CLI that compares env files with what the code reads"),
    ("smallsharp/cronview", "Go", "Terminal calendar of every cron job of a machine"),
    ("smallsharp/jsonsieve", "Rust", "CLI that samples huge JSON files without loading them"),
    ("testgarden/flakefinder", "Python", "Test plugin that finds order-dependent tests"),
    ("testgarden/seedbank", "Python", "Library of realistic rows for test databases"),
    ("testgarden/mockmirror", "Python", "Recorder that turns API calls into test doubles"),
    ("schemaforge/drift-guard", "Python", "Linter for migrations that would lock a table"),
    ("schemaforge/query-coach", "TypeScript", "SQL formatter that points out missing indexes"),
    (
        "plainbooks/receipt-run",
        "TypeScript",
        "Self-hosted app that sorts receipts for the tax year",
    ),
    ("plainbooks/rentsplit", "TypeScript", "App for flats that share bills unevenly"),
    ("plainbooks/subscan", "Python", "Local app that lists subscriptions found in statements"),
    ("homebench/plantlog", "TypeScript", "Offline app that reminds of watering by weather"),
    ("homebench/pantrywise", "TypeScript", "Kitchen stock app that plans meals from leftovers"),
    ("homebench/toolshed", "Go", "Neighbourhood app for lending drills and ladders"),
    ("notelane/voice-index", "Python", "Private search over voice memos on your own machine"),
    ("notelane/margin", "Rust", "Desktop notes that stay beside the window they are about"),
    ("notelane/daily-stack", "TypeScript", "Plain-text planner with undo for a whole day"),
    ("agentyard/promptlock", "Python", "Lock file for prompts, with diffs in code review"),
    ("agentyard/tool-ledger", "Python", "MCP server that records what agents were allowed to do"),
    ("agentyard/costmeter", "TypeScript", "Terminal meter of what a coding agent spends"),
    ("opsnest/backup-drill", "Go", "Daemon that restores last night's backup and checks it"),
    ("opsnest/certwatch", "Go", "Small server that lists certificates before they expire"),
)
QUESTIONS = (
    "How do you keep documentation in step with code?",
    "Is there a calendar that understands travel time?",
    "What do you use to find which of your services nobody uses?",
    "Why is moving bookmarks between browsers still so hard?",
    "How do you review a pull request of three thousand lines?",
    "Is there a password manager that families really use?",
    "What is the best way to back up photos of two phones?",
    "How do you notice that a cron job has not run?",
    "Does anyone have a sane way to track invoices by e-mail?",
    "Why are there no good tools to compare two spreadsheets?",
    "How do you test code that depends on the time of day?",
    "What do you use to share a terminal with a colleague?",
    "Is there a lightweight way to keep secrets out of logs?",
    "How do you find out what changed before it broke?",
)
# Noise: real listings are full of what nobody should build.
COLLECTIONS = (
    ("lecturehall/free-courses", None, "A list of free university courses"),
    ("lecturehall/interview-answers", "Markdown", "Thousand interview questions & answers"),
    ("bigweights/goliath-70b", "Python", "Weights and inference code of Goliath-70B"),
    ("bigweights/whisperling", "Python", "Open speech model, 3B parameters, weights included"),
    ("bigweights/pixelmoth-xl", "Jupyter Notebook", "Checkpoints of an image model"),
    ("curated/awesome-everything", None, ""),
)
NEWS = (
    "Regulator fines phone maker over repair prices",
    "The history of the paperclip (1998)",
    "Chip plant in the desert opens two years late",
    "A year without a smartphone",
    "Physicists measure the proton again, still disagree",
    "City replaces traffic lights with roundabouts & saves energy",
    "Airline cancels 400 flights after a certificate expires",
    "Why sourdough rises [video]",
    "Old maps of the northern sea, scanned",
    "Large lab lays off its robotics team",
    "The bridge that hums in the wind (2011) [pdf]",
    "Ferries are late because of a leap second",
)
LESSONS = (
    "Ten habits of calm developers ✨",
    "My first year as a team lead",
    "Understanding closures, part 4",
    "CSS grid in five minutes 🎨",
    "What I learned from a rejected pull request",
    "A gentle introduction to queues",
    "Weekly reading list",
    "How I passed a cloud certificate in two weeks",
)
# What everybody looks up, and searches for.
FAMOUS = (
    "Mira Castellane",
    "Northern Cup final",
    "The Glass Orchard",
    "Oskar Venn",
    "Harbour City derby",
    "Election in Morland",
    "Storm Petra",
    "Ines Aldaba",
    "Winter Song Contest",
    "The Last Lighthouse",
    "Rovers v Athletic",
    "Prince Anselm",
)


@dataclass(frozen=True, kw_only=True)
class Day:
    """A day of a world; everything on it is a keyed draw."""

    seed: int
    date: date

    def shuffled(self, options: Sequence[T], purpose: str) -> list[T]:
        """Return all of `options` in the order of the day."""
        keys = [draw(self.seed, purpose, f"{self.date}:{one!r}") for one in options]
        return [options[i] for i in sorted(range(len(options)), key=keys.__getitem__)]

    def number(self, low: float, high: float, purpose: str, entity: str) -> int:
        """Draw with a long tail: most are small, as votes are."""
        return int(low + (high - low) * draw(self.seed, purpose, entity) ** 3)

    def of(self, low: float, high: float, purpose: str, title: str) -> int:
        """Draw a number that `title` has on this day."""
        return self.number(low, high, purpose, f"{self.date}:{title}")

    def ago(self, title: str, purpose: str = "age") -> datetime:
        """Return when `title` came up: up to 20 hours before the day."""
        hours = between(0, 20, self.seed, purpose, f"{self.date}:{title}")
        return self.midnight - timedelta(hours=hours)

    @property
    def midnight(self) -> datetime:
        """The day's beginning."""
        return datetime.combine(self.date, time(), UTC)


def name_of(repo: str) -> str:
    """Return a repository's name as people write it."""
    return repo.partition("/")[2].replace("-", " ").title()


def slug_of(title: str) -> str:
    """Return a title as part of an address."""
    return "-".join(re.findall("[a-z0-9]+", title.lower()))


def size(query: Mapping[str, str], name: str, default: int) -> int:
    """Return the page size that a query asks for."""
    text = query.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else default


def sent(value: object) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()

"""The default mix: how big a world is and how often things go which way (a reviewed file).

Every row says where its number comes from; "ours" marks a number chosen to exercise the product.
"""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Odds:
    """Shares in [0, 1]. `jules` and `github` cite facts/jules-api.md and facts/github.md."""

    # How sessions end: 562 sessions of one account, 2026-08-24 (jules 2.1). The rest completes.
    paused: float = 0.043
    failed: float = 0.020
    # About 4 of 11 failed sessions gave no reason (jules 2.2).
    failed_without_reason: float = 0.333
    # 0.2 % were left asking in the wild (jules 2.1); raised, ours: answering must be exercised.
    asks: float = 0.06
    # "About 14 % needed a nudge" (jules 2.1).
    falls_silent: float = 0.14
    # PR author is either the user or the bot (jules 4); the split is ours.
    bot_author: float = 0.4
    # 5 of 67 branches are jules-ID-HEX, the others SLUG-ID (jules 4).
    plain_branch_name: float = 0.075
    # "Frequently empty even when changes were made" (jules 2.5); the share is ours.
    outputs_empty: float = 0.05
    # "Often a changeSet too" beside the pull request (jules 2.5); the share is ours.
    change_set_beside_pull: float = 0.5
    # Google's own example has an activity without any event field (jules 2.3); the share is ours.
    odd_activity: float = 0.5
    # DESIGN.md section 8.
    first_push_red: float = 0.25
    conflicts: float = 0.08
    without_ci: float = 0.10
    source_never: float = 0.05
    # Jules' own CI fixer works in most cases (jules 4); the shares are ours.
    fixes_itself: float = 0.70
    fix_still_red: float = 0.20
    # A session that was told what a tree must hold leaves something out, and adds it when asked
    # (ours).
    leaves_out: float = 0.20
    completes: float = 0.75
    # A run that fails without a fault in the code; ours, kept rare.
    ci_flake: float = 0.02
    # The one transient 405 of a merge, "Base branch was modified" (github 1.7); ours.
    base_modified: float = 0.02
    # The health of the first portfolio; ours: enough of each for the optimiser to find.
    without_readme: float = 0.15
    without_tests: float = 0.40
    without_licence: float = 0.35
    without_description: float = 0.25
    without_topics: float = 0.45
    public: float = 0.20
    scheduled_workflow: float = 0.05
    foreign_with_pull: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Low and high ends in seconds, drawn evenly unless said otherwise."""

    queued: tuple[float, float] = (5, 30)
    planning: tuple[float, float] = (60, 120)
    # Total work; ours: short enough that a day's sessions follow each other.
    work: tuple[float, float] = (360, 1800)
    foreign_work: tuple[float, float] = (240, 600)
    # Between two activities: median 26 s in the wild, p99 7.6 min (jules 2.1).
    gap: tuple[float, float] = (26, 180)
    # An answer to a message: median 70 s, worst 8 min, of 9 (jules 2.1).
    reply: tuple[float, float] = (30, 110)
    revived_work: tuple[float, float] = (120, 360)
    fixer_waits: tuple[float, float] = (120, 240)
    fixer_works: tuple[float, float] = (120, 240)
    # Activities of a session created seconds ago are 404 (jules 5.3).
    activities_hidden: tuple[float, float] = (1, 4)
    # COMPLETED is read before the pull request shows in outputs (jules 2.5).
    output_late: tuple[float, float] = (0, 90)
    # "Usually within minutes, may take half an hour" (jules 3).
    source_late: tuple[float, float] = (120, 720)
    # Empty check list right after a push (github 1.6).
    check_registered: tuple[float, float] = (10, 60)
    check_runs: tuple[float, float] = (60, 240)
    update_branch: tuple[float, float] = (2, 8)
    conflicting_push: tuple[float, float] = (5, 60)


@dataclass(frozen=True, kw_only=True)
class Size:
    """How big a world is.

    `allowance` is the plan's cap in any rolling 24 h. Jules itself refuses what exceeds it, unless
    `cap_enforced` is false: then only the product's own guard stands before the oracle.
    """

    repositories: int
    allowance: int
    foreign_sessions_per_day: int
    foreign_hours: tuple[float, float] = (0, 24)
    empty: int = 1
    archived: int = 1
    forks: int = 1
    # Nothing but a README, a licence and CI: what asks to be initialised.
    skeletons: int = 0
    stale_pulls: int = 1
    concurrent: int = 15
    cap_enforced: bool = True
    odds: Odds = field(default_factory=Odds)
    spans: Spans = field(default_factory=Spans)


# The user of the small account works by day and sleeps when the factory runs.
SMALL = Size(repositories=15, allowance=12, foreign_sessions_per_day=1, foreign_hours=(8, 22))

# The plan "Jules in Pro": 100 tasks in any rolling 24 h, 15 at once (jules 5.1, 2026-08-28).
FULL = Size(
    repositories=120,
    allowance=100,
    foreign_sessions_per_day=7,
    empty=3,
    archived=5,
    forks=5,
    skeletons=2,
    stale_pulls=3,
)

# SMALL where nothing goes wrong by chance and nobody else takes part: for tests of one thing.
CALM = replace(
    SMALL,
    foreign_sessions_per_day=0,
    stale_pulls=0,
    odds=Odds(
        paused=0,
        failed=0,
        asks=0,
        falls_silent=0,
        outputs_empty=0,
        first_push_red=0,
        fix_still_red=0,
        leaves_out=0,
        completes=1,
        conflicts=0,
        without_ci=0,
        without_readme=0,
        ci_flake=0,
        base_modified=0,
        source_never=0,
        public=0,
    ),
)

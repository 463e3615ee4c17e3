"""The planted bugs of `python -m tests.mutants`: each breaks one promise, and one test must see it.

The first ten are the list of facts/safety.md 7, row 4; every module of the guard has one at least.
`old` and `new` are source text, so that a change of the guard shows here as a stale row.
"""

from tests.mutant_list_leaving import LEAVING
from tests.mutant_rows import row

# Tests with many cases: the case stands in the row.
_OTHER = "transport.py::test_a_ticket_for_another_request_is_refused_and_stays_held"
_VERIFY = "guard_branches.py::test_verification_says_what_is_wrong_and_where_first"
# A sample of tests/test_redact.py, in the name of its test.

MUTANTS = (
    row(
        "ledger",
        "two-step check",
        old="            ticket = self._hold(tx, prepared, key, lane=tag.lane,",
        new="        with self._transaction() as tx:\n"
        "            ticket = self._hold(tx, prepared, key, lane=tag.lane,",
        killer="guard_branches.py::test_one_unit_is_given_once_wherever_another_process_comes_in",
        why="two processes pass the same check: the ledger goes over",
    ),
    row(
        "budget",
        "off by one",
        old="        if applies and used >= most:\n",
        new="        if applies and used > most:\n",
        killer="ledger.py::test_two_processes_with_a_listing_each_share_one_allowance",
        why="101 sessions",
    ),
    row(
        "budget",
        "calendar day for sessions",
        old="    return now - WINDOW - MARGIN\n",
        new="    return now.replace(hour=0, minute=0, second=0, microsecond=0)\n",
        killer="budget.py::test_every_session_counts_for_a_day_and_five_minutes_by_the_listings_date",
        why="200 sessions round midnight",
    ),
    row(
        "counted",
        "calendar day for repositories",
        old="sum(1 for at in made if at > budget.window_start(now))",
        new="sum(1 for at in made if at.date() == now.date())",
        killer="budget.py::test_repositories_are_limited_in_the_window_and_in_the_utc_day",
        why="20 new repositories round midnight",
    ),
    row(
        "store",
        "deferred begin",
        old='connection.exec_driver_sql("BEGIN IMMEDIATE")',
        new='connection.exec_driver_sql("BEGIN")',
        killer="ledger.py::test_no_second_process_gets_between_the_check_and_the_insert",
        why="a check and its insert are two transactions in truth, or fail as busy",
    ),
    row(
        "ledger",
        "a ticket for any request",
        old="                    table.digest == digest,\n",
        new="",
        killer=f"{_OTHER}[another text]",
        why="what was reserved is not what is sent",
    ),
    row(
        "ledger",
        "the local clock counts",
        old="            usage = self._usage(tx, listing.date)\n",
        new="            usage = self._usage(tx, self._clock.now())\n",
        killer="budget.py::test_setting_the_clock_frees_no_unit[25]",
        why="setting the clock buys a fresh day",
    ),
    row(
        "settling",
        "reset on a missing file",
        old="    if row.ready_at is None:\n",
        new="    if row.ready_at is None and row.first_listing_at is not None:\n",
        killer="settling.py::test_a_new_ledger_that_never_looked_starts_nothing",
        why="deleting the ledger gives the allowance again",
    ),
    row(
        "settling",
        "any two looks settle",
        old="    if first is None or missing:\n",
        new="    if first is None:\n",
        killer="settling.py::test_two_looks_settle_only_when_the_second_shows_what_the_first_did",
        why="a listing that hides sessions passes for a complete one",
    ),
    row(
        "ledger",
        "sent twice",
        old='                    table.state == "held",\n',
        new="",
        killer="transport.py::test_a_ticket_lets_its_request_out_once",
        why="only the file's own index stands between one ticket and two sessions",
    ),
    row(
        "ledger",
        "a second end",
        old=".where(table.id == ticket.id, table.state.in_(tickets.OPEN))",
        new=".where(table.id == ticket.id)",
        killer="ledger.py::test_a_ticket_lives_as_the_design_says",
        why="a spent unit is released afterwards",
    ),
    row(
        "ledger",
        "a sent ticket goes stale",
        old='table.state == "held", table.held_at < stamp',
        new="table.state.in_(tickets.OPEN), table.held_at < stamp",
        killer="ledger.py::test_a_held_ticket_is_voided_after_a_minute_and_a_sent_one_never",
        why="waiting a minute gives an unanswered session's unit back",
    ),
    row(
        "migrations",
        "migrate what is broken",
        old="    for _ in chain.walk(tx):\n        pass\n",
        new="",
        killer="migrations.py::test_an_earlier_ledger_that_cannot_be_used_is_not_touched"
        "[DELETE FROM ledger_events WHERE seq > 3-ends at event 3]",
        why="a record that somebody cut off gets a new, valid end",
    ),
    row(
        "budget",
        "Jules' own refusal is not learnt",
        old="    _check_ceiling(usage)\n",
        new="",
        killer="ceiling.py::test_where_jules_refused_no_more_is_started",
        why="every task of the day asks again for what there is none of",
    ),
    row(
        "heard",
        "any Date is believed",
        old="        if latest is None or date <= latest or ",
        new="        if latest != date or ",
        killer="heard.py::test_a_date_that_jumps_ahead_frees_no_unit[same process]",
        why="one wrong header gives the whole allowance again",
    ),
    row(
        "counted",
        "a twin is as good as ours",
        old="    several = sa.select(table.marker).group_by(table.marker)"
        ".having(sa.func.count() > 1)\n",
        new="    several = sa.select(table.marker).group_by(table.marker)"
        ".having(sa.func.count() > 2)\n",
        killer="twins.py::test_a_session_with_a_copied_marker_is_nobody_of_ours",
        why="whoever copies a title has his work merged",
    ),
    row(
        "store",
        "another file is as good",
        old="        if there != opened:\n",
        new="        if there != there:\n",
        killer="fail_closed.py::test_a_file_that_is_changed_for_another_closes_the_ledger"
        "[False-_replaced]",
        why="two processes count on two files under one name",
    ),
    row(
        "reconcile",
        "no positive control",
        old="    if listing.date <= sent or not control or not ",
        new="    if listing.date <= sent or not ",
        killer="reconcile.py::test_absence_without_a_control_proves_nothing[2]",
        why="empty listings give back what was spent",
    ),
    row(
        "reconcile",
        "an old listing is as good",
        old=" or not control or not ledger.shows_all(listing):",
        new=" or not control:",
        killer="reconcile.py::test_a_listing_that_leaves_out_what_is_known_shows_no_absence",
        why="a session that a stale listing leaves out is started again",
    ),
    row(
        "reconcile",
        "one look is enough",
        old="    if listing.date - since < APART or _unexplained(",
        new="    if _unexplained(",
        killer="reconcile.py::test_two_looks_less_than_ten_minutes_apart_prove_nothing[5.0]",
        why="a session that shows late is started again",
    ),
    row(
        "counted",
        "open tickets age out",
        old='[ticket for ticket in open_tickets if ticket.kind == "start_session"]',
        new=(
            '[t for t in open_tickets if t.kind == "start_session" '
            "and t.held_at > now - budget.WINDOW]"
        ),
        killer="budget.py::test_an_open_ticket_never_ages_out",
        why="what was found a day late was never counted",
    ),
    row(
        "counted",
        "only our sessions count",
        old="        for row in rows\n",
        new="        for row in rows\n        if row.ticket\n",
        killer="budget.py::test_every_session_counts_for_a_day_and_five_minutes_by_the_listings_date",
        why="40 sessions of the user's own and 100 of ours",
    ),
    row(
        "chain",
        "a link that leaves out the data",
        old="json.dumps([previous, seq, at, kind, ticket, data], ",
        new="json.dumps([previous, seq, at, kind, ticket], ",
        killer=f"{_VERIFY}[event edited]",
        why="the record can be edited unseen",
    ),
    row(
        "integrity",
        "sessions are not compared",
        old="        (store.sessions, derived.sessions.values()),\n",
        new="",
        killer="integrity.py::test_a_table_that_is_not_what_the_record_says_is_refused"
        "[DELETE FROM ledger_sessions]",
        why="emptying one table gives the allowance again",
    ),
    row(
        "tickets",
        "public is as good as private",
        old='        return not (hidden and outcome.result.get("private") is True)\n',
        new="        return not hidden\n",
        killer="published.py::test_a_lost_create_that_is_found_public_stops_everything[False]",
        why="a public repository raises no alarm",
    ),
    row(
        "store",
        "a key more than once",
        old='    sa.UniqueConstraint("kind", "key"),\n',
        new="",
        killer="ledger.py::test_the_same_task_and_attempt_is_started_once",
        why="a tool called twice starts two sessions",
    ),
    row(
        "heard",
        "slack adds up",
        old="min(date, latest - SLACK)",
        new="date",
        killer="heard.py::test_a_date_that_runs_fast_gains_nothing_by_being_asked_often",
        why="a fast Date frees a day of units within minutes, without an alarm",
    ),
    row(
        "heard",
        "a leap is time",
        old="                _leap(tx, date, latest)\n",
        new="                pass\n",
        killer="heard.py::test_a_leap_that_is_believed_proves_no_absence",
        why="a lost start is released a minute after it was sent",
    ),
    row(
        "ledger",
        "a listing sleeps with the machine",
        old="age = max(age, on_the_wall) if age >= 0 else age",
        new="del on_the_wall",
        killer="heard.py::test_a_listing_does_not_outlive_a_machine_that_slept",
        why="units are given out on a count of hours ago",
    ),
    row(
        "ledger",
        "the wall dates an effect",
        old='        if outcome.state != "spent" or name is None',
        new='        if name != "" or outcome.state != "spent" or name is None',
        killer="heard.py::test_an_effect_that_no_answer_dates_is_dated_by_the_service_s_clock[-49]",
        why="a session that was just started is dated days ago, and its unit is free",
    ),
    row(
        "integrity",
        "any rule of the database will do",
        old="    _check_rules(tx)\n    derived",
        new="    derived",
        killer="integrity.py::test_a_rule_that_is_gone_or_was_put_in_closes_the_ledger[a trigger]",
        why="a trigger lets every session count as ended",
    ),
    row(
        "pace",
        "one write more",
        old="        if writes >= most:\n",
        new="        if writes > most:\n",
        killer="budget.py::test_writes_keep_their_pace[limits0-span0-writes_per_minute]",
        why="GitHub blocks an account that writes faster than it allows",
    ),
    *LEAVING,
)

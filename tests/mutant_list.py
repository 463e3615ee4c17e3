"""The planted bugs of `python -m tests.mutants`: each breaks one promise, and one test must see it.

The first ten are the list of facts/safety.md 7, row 4; every module of the guard has one at least.
`old` and `new` are source text, so that a change of the guard shows here as a stale row.
"""

from dataclasses import dataclass

GUARD = "mcp_server/guard"
STORE = "mcp_server/store.py"
# Tests with many cases: the case stands in the row.
_FAULT = "transport.py::test_a_fault_leaves_the_ticket_where_the_evidence_puts_it"
_OTHER = "transport.py::test_a_ticket_for_another_request_is_refused_and_stays_held"
_VERIFY = "guard_branches.py::test_verification_says_what_is_wrong_and_where_first"
# A sample of tests/test_redact.py, in the name of its test.
_HEX = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted bug: `old`, found exactly once in `file`, becomes `new`.

    `killer` is the pytest id of the test that must fail then; `why` says what the bug would cost.
    """

    name: str
    file: str
    old: str
    new: str
    killer: str
    why: str


def _row(file: str, name: str, *, old: str, new: str, killer: str, why: str) -> Mutant:
    path = STORE if file == "store" else f"{GUARD}/{file}.py"
    return Mutant(name=name, file=path, old=old, new=new, killer=f"tests/test_{killer}", why=why)


MUTANTS = (
    _row(
        "ledger",
        "two-step check",
        old="            ticket = self._hold(tx, prepared, key, lane=tag.lane,",
        new="        with self._transaction() as tx:\n"
        "            ticket = self._hold(tx, prepared, key, lane=tag.lane,",
        killer="guard_branches.py::test_one_unit_is_given_once_wherever_another_process_comes_in",
        why="two processes pass the same check: the ledger goes over",
    ),
    _row(
        "transport",
        "release on time-out",
        old='unknown = Outcome(state="unknown", evidence=type(error).__name__)',
        new='unknown = Outcome(state="released", evidence=type(error).__name__)',
        killer=f"{_FAULT}[read time-out]",
        why="the session was started and its unit is given out again",
    ),
    _row(
        "budget",
        "off by one",
        old="        if applies and used >= most:\n",
        new="        if applies and used > most:\n",
        killer="ledger.py::test_two_processes_with_a_listing_each_share_one_allowance",
        why="101 sessions",
    ),
    _row(
        "budget",
        "calendar day for sessions",
        old="    return now - WINDOW - MARGIN\n",
        new="    return now.replace(hour=0, minute=0, second=0, microsecond=0)\n",
        killer="budget.py::test_every_session_counts_for_a_day_and_five_minutes_by_the_listings_date",
        why="200 sessions round midnight",
    ),
    _row(
        "counted",
        "calendar day for repositories",
        old="sum(1 for at in made if at > budget.window_start(now))",
        new="sum(1 for at in made if at.date() == now.date())",
        killer="budget.py::test_repositories_are_limited_in_the_window_and_in_the_utc_day",
        why="20 new repositories round midnight",
    ),
    _row(
        "transport",
        "re-send",
        old="                    response = await connection.handle_async_request(request)\n",
        new=(
            "                    try:\n"
            "                        response = await connection.handle_async_request(request)\n"
            "                    except httpx2.ReadError:\n"
            "                        response = await connection.handle_async_request(request)\n"
        ),
        killer=f"{_FAULT}[read error]",
        why="one ticket, two sessions",
    ),
    _row(
        "store",
        "deferred begin",
        old='connection.exec_driver_sql("BEGIN IMMEDIATE")',
        new='connection.exec_driver_sql("BEGIN")',
        killer="ledger.py::test_no_second_process_gets_between_the_check_and_the_insert",
        why="a check and its insert are two transactions in truth, or fail as busy",
    ),
    _row(
        "ledger",
        "a ticket for any request",
        old="                    table.digest == digest,\n",
        new="",
        killer=f"{_OTHER}[another text]",
        why="what was reserved is not what is sent",
    ),
    _row(
        "ledger",
        "the local clock counts",
        old="            usage = self._usage(tx, listing.date)\n",
        new="            usage = self._usage(tx, self._clock.now())\n",
        killer="budget.py::test_setting_the_clock_frees_no_unit[25]",
        why="setting the clock buys a fresh day",
    ),
    _row(
        "marker",
        "any marker is ours",
        old='            "valid": any(fits),\n',
        new='            "valid": True,\n',
        killer="marker.py::test_a_page_that_knows_everything_but_the_key_cannot_forge",
        why="a copied title makes somebody's pull request mergeable",
    ),
    _row(
        "settling",
        "reset on a missing file",
        old="    if row.ready_at is None:\n",
        new="    if row.ready_at is None and row.first_listing_at is not None:\n",
        killer="settling.py::test_a_new_ledger_that_never_looked_starts_nothing",
        why="deleting the ledger gives the allowance again",
    ),
    _row(
        "settling",
        "any two looks settle",
        old="    if first is None or missing:\n",
        new="    if first is None:\n",
        killer="settling.py::test_two_looks_settle_only_when_the_second_shows_what_the_first_did",
        why="a listing that hides sessions passes for a complete one",
    ),
    _row(
        "policy",
        "a digest without the body",
        old="    parts = (service.encode(), method.encode(), path.encode(), body)\n",
        new="    parts = (service.encode(), method.encode(), path.encode())\n",
        killer=f"{_OTHER}[another text]",
        why="a ticket for one prompt sends another",
    ),
    _row(
        "ledger",
        "sent twice",
        old='                    table.state == "held",\n',
        new="",
        killer="transport.py::test_a_ticket_lets_its_request_out_once",
        why="only the file's own index stands between one ticket and two sessions",
    ),
    _row(
        "transport",
        "sent without being written down",
        old="        self._tickets.mark_sent(ticket, kind=rule.kind, digest=digest)\n",
        new="",
        killer="transport.py::test_sent_is_on_the_disk_before_the_first_byte",
        why="a crash after the first byte finds a ticket that may be voided",
    ),
    _row(
        "transport",
        "cancelled with its caller",
        old="        return await asyncio.shield(sending)\n",
        new="        return await sending\n",
        killer="transport.py::test_who_stops_waiting_stops_neither_the_send_nor_its_outcome",
        why="a client's time-out loses the outcome of what was sent",
    ),
    _row(
        "ledger",
        "a second end",
        old=".where(table.id == ticket.id, table.state.in_(tickets.OPEN))",
        new=".where(table.id == ticket.id)",
        killer="ledger.py::test_a_ticket_lives_as_the_design_says",
        why="a spent unit is released afterwards",
    ),
    _row(
        "ledger",
        "a sent ticket goes stale",
        old='table.state == "held", table.held_at < stamp',
        new="table.state.in_(tickets.OPEN), table.held_at < stamp",
        killer="ledger.py::test_a_held_ticket_is_voided_after_a_minute_and_a_sent_one_never",
        why="waiting a minute gives an unanswered session's unit back",
    ),
    _row(
        "evidence",
        "429 proves a refusal",
        old="_RPC_REFUSALS = frozenset({400, 401, 403, 404})",
        new="_RPC_REFUSALS = frozenset({400, 401, 403, 404, 429})",
        killer="evidence.py::test_only_the_codes_of_the_row_prove_a_refusal[jules-start_session]",
        why="a session that was started under load counts as none",
    ),
    _row(
        "evidence",
        "any error body proves a refusal",
        old=' or error.get("code") != status:',
        new=":",
        killer=f"{_FAULT}[400 of another code]",
        why="a proxy's page is taken for Jules' word",
    ),
    _row(
        "migrations",
        "migrate what is broken",
        old="    for _ in chain.walk(tx):\n        pass\n",
        new="",
        killer="migrations.py::test_an_earlier_ledger_that_cannot_be_used_is_not_touched"
        "[DELETE FROM ledger_events WHERE seq > 3-ends at event 3]",
        why="a record that somebody cut off gets a new, valid end",
    ),
    _row(
        "budget",
        "Jules' own refusal is not learnt",
        old="    _check_ceiling(usage)\n",
        new="",
        killer="ceiling.py::test_where_jules_refused_no_more_is_started",
        why="every task of the day asks again for what there is none of",
    ),
    _row(
        "heard",
        "any Date is believed",
        old="        if latest is None or date <= latest or ",
        new="        if latest != date or ",
        killer="heard.py::test_a_date_that_jumps_ahead_frees_no_unit[same process]",
        why="one wrong header gives the whole allowance again",
    ),
    _row(
        "counted",
        "a twin is as good as ours",
        old="    several = sa.select(table.marker).group_by(table.marker)"
        ".having(sa.func.count() > 1)\n",
        new="    several = sa.select(table.marker).group_by(table.marker)"
        ".having(sa.func.count() > 2)\n",
        killer="twins.py::test_a_session_with_a_copied_marker_is_nobody_of_ours",
        why="whoever copies a title has his work merged",
    ),
    _row(
        "store",
        "another file is as good",
        old="        if there != opened:\n",
        new="        if there != there:\n",
        killer="fail_closed.py::test_a_file_that_is_changed_for_another_closes_the_ledger"
        "[False-_replaced]",
        why="two processes count on two files under one name",
    ),
    _row(
        "origins",
        "an echo frees the words",
        old="        if whose in (known, _SHARED, _NOWHERE):\n",
        new="        if whose in (known, _NOWHERE):\n",
        killer="origins.py::test_an_echo_or_a_thin_answer_frees_nothing[told0]",
        why="a tool that repeats its argument makes a private text everybody's",
    ),
    _row(
        "origins",
        "entities are no words",
        old="        before, text = text, _visible(html.unescape(text))\n",
        new="        before, text = text, _visible(text)\n",
        killer="flow.py::test_a_session_s_words_stay_with_its_repository_by_any_of_its_names[id]",
        why="what the server decodes as it renders is judged before it is decoded",
    ),
    _row(
        "transport",
        "masked before it is rendered",
        old="        self._refuse_keys(rule, body)\n",
        new="",
        killer="flow.py::test_no_key_leaves_that_only_rendering_brings_to_light"
        "[sandbox-jules-key-create]",
        why="a key written with an entity stands in a repository's description",
    ),
    _row(
        "reconcile",
        "no positive control",
        old="    if listing.date <= sent or not control or not ",
        new="    if listing.date <= sent or not ",
        killer="reconcile.py::test_absence_without_a_control_proves_nothing[2]",
        why="empty listings give back what was spent",
    ),
    _row(
        "reconcile",
        "an old listing is as good",
        old=" or not control or not ledger.shows_all(listing):",
        new=" or not control:",
        killer="reconcile.py::test_a_listing_that_leaves_out_what_is_known_shows_no_absence",
        why="a session that a stale listing leaves out is started again",
    ),
    _row(
        "reconcile",
        "one look is enough",
        old="    if listing.date - since < APART or _unexplained(",
        new="    if _unexplained(",
        killer="reconcile.py::test_two_looks_less_than_ten_minutes_apart_prove_nothing[5.0]",
        why="a session that shows late is started again",
    ),
    _row(
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
    _row(
        "counted",
        "only our sessions count",
        old="        for row in rows\n",
        new="        for row in rows\n        if row.ticket\n",
        killer="budget.py::test_every_session_counts_for_a_day_and_five_minutes_by_the_listings_date",
        why="40 sessions of the user's own and 100 of ours",
    ),
    _row(
        "bodies",
        "private may be false",
        old="    private: Literal[True] = True\n",
        new="    private: bool = True\n",
        killer="policy.py::test_what_is_not_in_the_table_never_leaves[private false]",
        why="a public repository",
    ),
    _row(
        "bodies",
        "force may be true",
        old="    force: Literal[False] = False\n",
        new="    force: bool = False\n",
        killer="policy.py::test_what_is_not_in_the_table_never_leaves[force a branch]",
        why="history is lost",
    ),
    _row(
        "policy",
        "any bytes that parse",
        old="    if bodies.encode(read) != body:\n",
        new="    if not read:\n",
        killer="policy.py::test_what_is_not_in_the_table_never_leaves[private unsaid]",
        why="GitHub makes it public unless private is said",
    ),
    _row(
        "policy",
        "a method override",
        old="    if any(name in headers for name in _OVERRIDES):\n",
        new="    if all(name in headers for name in _OVERRIDES):\n",
        killer="policy.py::test_what_is_not_in_the_table_never_leaves[override of a read]",
        why="a read that the service executes as DELETE",
    ),
    _row(
        "chain",
        "a link that leaves out the data",
        old="json.dumps([previous, seq, at, kind, ticket, data], ",
        new="json.dumps([previous, seq, at, kind, ticket], ",
        killer=f"{_VERIFY}[event edited]",
        why="the record can be edited unseen",
    ),
    _row(
        "integrity",
        "sessions are not compared",
        old="        (store.sessions, derived.sessions.values()),\n",
        new="",
        killer="integrity.py::test_a_table_that_is_not_what_the_record_says_is_refused"
        "[DELETE FROM ledger_sessions]",
        why="emptying one table gives the allowance again",
    ),
    _row(
        "gate",
        "skipped is success",
        old=' and check.conclusion == "success"\n',
        new=' and check.conclusion in ("success", "skipped")\n',
        killer="gate.py::test_one_bad_thing_blocks_with_its_verdict[expected skipped]",
        why="what CI never ran is merged",
    ),
    _row(
        "gate",
        "green on another head",
        old="earlier.sha != evidence.pull.head_sha or ",
        new="",
        killer="gate.py::test_one_bad_thing_blocks_with_its_verdict[green on the old head]",
        why="a push between two readings is merged after one",
    ),
    _row(
        "gate",
        "seen once",
        old="    elif lasted < CONFIRM_AFTER:\n",
        new="    elif lasted < timedelta(0):\n",
        killer="gate.py::test_one_bad_thing_blocks_with_its_verdict[green once]",
        why="checks that had not registered yet are not waited for",
    ),
    _row(
        "first_commit",
        "push anywhere",
        old="    if not made and not _is_adopted_step(tx, prepared):\n",
        new="    if not made and not prepared.repo:\n",
        killer="ledger.py::test_branches_are_written_directly_only_in_repositories_made_here",
        why="work reaches a user's branch past the gate",
    ),
    _row(
        "request",
        "any repository is made",
        old="            owner and name == self.body.name\n",
        new="            owner and name\n",
        killer="ledger.py::test_a_creation_is_held_under_the_name_it_makes[owner/important]",
        why="the limit is counted under one name and spent under another",
    ),
    _row(
        "tickets",
        "public is as good as private",
        old='        return not (hidden and outcome.result.get("private") is True)\n',
        new="        return not hidden\n",
        killer="published.py::test_a_lost_create_that_is_found_public_stops_everything[False]",
        why="a public repository raises no alarm",
    ),
    _row(
        "store",
        "a key more than once",
        old='    sa.UniqueConstraint("kind", "key"),\n',
        new="",
        killer="ledger.py::test_the_same_task_and_attempt_is_started_once",
        why="a tool called twice starts two sessions",
    ),
    _row(
        "redact",
        "base64 at one offset",
        old="    for offset in range(3):\n",
        new="    for offset in range(1):\n",
        killer=f"redact.py::test_no_coding_of_a_secret_gets_through[{_HEX}-base64 at 1]",
        why="a key leaves inside somebody's basic-auth header",
    ),
    _row(
        "key_formats",
        "one prefix a format",
        old="        for prefix in form.prefixes\n",
        new="        for prefix in form.prefixes[:1]\n",
        killer="key_formats.py::test_a_key_of_a_known_format_is_masked[GitHub1-alone]",
        why="an unknown key of another kind is shown",
    ),
    _row(
        "paths",
        "one spelling of a workflow",
        old="    if is_protected(path, PROTECTED_PATHS):\n",
        new='    if path.startswith(".github/workflows/"):\n',
        killer="patches.py::test_what_steers_git_or_a_review_or_leaves_the_tree_is_never_proposed",
        why="on a disk without case, a patch writes what runs",
    ),
    _row(
        "proposal",
        "a branch at any commit",
        old='        if body.sha not in tickets.made(tx, "create_commit", prepared.repo):\n',
        new="        if not body.sha:\n",
        killer="patches_guard.py::test_each_step_of_a_proposal_stands_on_the_one_before",
        why="a pull request of ours proposes what somebody else has made",
    ),
    _row(
        "queries",
        "any document",
        old="    if hashlib.sha256(document.encode()).hexdigest() not in HASHES:\n",
        new="    if not document:\n",
        killer="graphql.py::test_what_is_not_a_known_document_about_repositories_never_leaves"
        "[a mutation]",
        why="all that GraphQL can do, without a ticket",
    ),
    _row(
        "rate",
        "to the last request",
        old="remaining <= limit * RESERVED",
        new="remaining < 0",
        killer="rate.py::test_near_the_end_of_the_hour_reads_stop_and_say_until_when[50-5000]",
        why="a survey leaves nothing for the merges in flight",
    ),
    _row(
        "tripwire",
        "a pass outlives its block",
        old="(held and held.open) else",
        new="held else",
        killer="guard_branches.py::test_a_pass_lets_its_own_host_through_while_it_lasts",
        why="a task begun inside one request connects anywhere afterwards",
    ),
    _row(
        "heard",
        "slack adds up",
        old="min(date, latest - SLACK)",
        new="date",
        killer="heard.py::test_a_date_that_runs_fast_gains_nothing_by_being_asked_often",
        why="a fast Date frees a day of units within minutes, without an alarm",
    ),
    _row(
        "heard",
        "a leap is time",
        old="                _leap(tx, date, latest)\n",
        new="                pass\n",
        killer="heard.py::test_a_leap_that_is_believed_proves_no_absence",
        why="a lost start is released a minute after it was sent",
    ),
    _row(
        "ledger",
        "a listing sleeps with the machine",
        old="age = max(age, on_the_wall) if age >= 0 else age",
        new="del on_the_wall",
        killer="heard.py::test_a_listing_does_not_outlive_a_machine_that_slept",
        why="units are given out on a count of hours ago",
    ),
    _row(
        "ledger",
        "the wall dates an effect",
        old='        if outcome.state != "spent" or name is None',
        new='        if name != "" or outcome.state != "spent" or name is None',
        killer="heard.py::test_an_effect_that_no_answer_dates_is_dated_by_the_service_s_clock[-49]",
        why="a session that was just started is dated days ago, and its unit is free",
    ),
    _row(
        "first_commit",
        "a second first commit",
        old="        _refuse_second(tx, prepared)\n",
        new="        pass\n",
        killer="ledger.py::test_a_repository_made_here_has_one_first_commit",
        why="work in a repository of ours is written over without a pull request",
    ),
    _row(
        "integrity",
        "any rule of the database will do",
        old="    _check_rules(tx)\n    derived",
        new="    derived",
        killer="integrity.py::test_a_rule_that_is_gone_or_was_put_in_closes_the_ledger[a trigger]",
        why="a trigger lets every session count as ended",
    ),
    _row(
        "paths",
        "any text is our CI",
        old="    return hashlib.sha256(entry.content.encode()).hexdigest() in CI_TEXTS\n",
        new="    return bool(hashlib.sha256(entry.content.encode()).hexdigest())\n",
        killer="offers.py::test_no_other_change_of_what_runs_is_ever_proposed[another text]",
        why="a model's own workflow is proposed under our name",
    ),
)

"""The GraphQL documents that may leave, by hash, and all that may stand beside one: ids.

A document is compiled in and never built; batches differ by variables only. `statusCheckRollup`
is asked apart, for a fine-grained token cannot read it, and one field it cannot read may cost the
whole answer (facts/github.md 1.3 and 1.8, 2026-11-22).
"""

import hashlib
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from mcp_server.guard.bodies import Body

# What no listing tells of a repository: the first two levels of its tree, its workflows and issue
# forms, how many pull requests are open, and when those that wait longest were touched. A tree
# entry is no connection and costs no points.
FACTS = (
    "query Facts($ids:[ID!]!){"
    "rateLimit{cost nodeCount remaining resetAt}"
    "nodes(ids:$ids){...on Repository{"
    "nameWithOwner isEmpty "
    "pullRequests(states:OPEN,first:5,orderBy:{field:UPDATED_AT,direction:ASC})"
    "{totalCount nodes{updatedAt}} "
    'root:object(expression:"HEAD:"){...on Tree{entries{name type size '
    "object{...on Tree{entries{name type}}}}}} "
    'workflows:object(expression:"HEAD:.github/workflows"){...on Tree{entries{name type}}} '
    'forms:object(expression:"HEAD:.github/ISSUE_TEMPLATE"){...on Tree{entries{name type}}}'
    "}}}"
)
# How the checks stand on the newest commit of the default branch.
CHECKS = (
    "query Checks($ids:[ID!]!){"
    "rateLimit{cost nodeCount remaining resetAt}"
    "nodes(ids:$ids){...on Repository{"
    "nameWithOwner defaultBranchRef{target{...on Commit{statusCheckRollup{state}}}}"
    "}}}"
)
# What the checks there are called; asked only where they are red, for GitHub lists them slowly
# (cli/cli#7421, in facts/github.md 1.3).
FAILING = (
    "query Failing($ids:[ID!]!){"
    "rateLimit{cost nodeCount remaining resetAt}"
    "nodes(ids:$ids){...on Repository{"
    "nameWithOwner defaultBranchRef{target{...on Commit{statusCheckRollup{"
    "contexts(first:30){nodes{"
    "...on CheckRun{name conclusion} ...on StatusContext{context state}"
    "}}}}}}"
    "}}}"
)
# Written out, so that no document changes without somebody seeing that it does.
HASHES = frozenset(
    {
        "ca2581589cbd110a2398bd7caa8be0e92646be2e38acfba200a9333b22b65790",  # FACTS
        "cc2b97148a01823daa829e5df55d0b644afec1c8d9826bce6eeb9df53fb5750b",  # CHECKS
        "dac4fc9557387c31969ba1cb7230a8ff50801c521c2d1f852e585335d3204808",  # FAILING
    }
)
# `nodes` takes no more ids (GitHub's GraphQL, 2026-11-22).
MOST_IDS = 100
# A hundred ids and the longer document are below it.
MOST_BYTES = 10_000
# Of a repository, as GitHub writes it now, or did before 2021: base64 of `010:Repository` and a
# number. Nothing else is ever asked about.
REPOSITORY_ID = r"^(?:R_[A-Za-z0-9_-]{1,40}|MDEwOlJlcG9zaXRvcnk[A-Za-z0-9]{1,20}={0,2})$"


def _known(document: str) -> str:
    if hashlib.sha256(document.encode()).hexdigest() not in HASHES:
        raise ValueError("no document of ours")
    return document


def is_repository_id(node_id: str) -> bool:
    """Whether a repository may be asked about by this id."""
    return re.search(REPOSITORY_ID, node_id) is not None and "\n" not in node_id


class Ids(Body):
    """The variables: which repositories."""

    ids: Annotated[
        list[Annotated[str, Field(pattern=REPOSITORY_ID)]],
        Field(min_length=1, max_length=MOST_IDS),
    ]


class AskNodes(Body):
    """`POST /graphql`: a known document about so many repositories."""

    query: Annotated[str, AfterValidator(_known)]
    variables: Ids


# Product Hunt's best of the last day; a token of ours could do more than read (api.producthunt.com/
# v2/docs, 2026-11-22).
LAUNCHES = (
    "query Launches($after:DateTime!){"
    "posts(order:VOTES,postedAfter:$after,first:20){"
    "edges{node{name tagline url votesCount commentsCount createdAt}}}}"
)
LAUNCHES_HASH = "31bae4a9427657f2c84467a1a812fea89da680a9349ab4579b53b14ce166c1cc"


def _launches(document: str) -> str:
    if hashlib.sha256(document.encode()).hexdigest() != LAUNCHES_HASH:
        raise ValueError("no document of ours")
    return document


class Since(Body):
    """The variables: a day's beginning."""

    after: Annotated[str, Field(pattern=r"^20[0-9]{2}-[0-9]{2}-[0-9]{2}T00:00:00Z$")]


class AskLaunches(Body):
    """`POST /v2/api/graphql` at Product Hunt: the one document, about what came since a day."""

    query: Annotated[str, AfterValidator(_launches)]
    variables: Since

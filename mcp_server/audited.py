"""Which repositories are audited against the standard: those made here, and those asked for.

The standard asks for frontend-only work. Nobody else's repository is ever pushed towards that.
"""

from collections.abc import Collection

from mcp_server import creation
from mcp_server.models import Audit, PullRequest, Repository
from mcp_server.services import Services

# Of one call: each may cost 13 requests.
MOST_AUDITS = 5
MAX_AGE_SECONDS = 3_600.0


def is_audited(services: Services, repository: Repository) -> bool:
    """Whether the factory made a repository, by its marker, or the setting `audit` names it."""
    marker = creation.recognised(repository, services.marker_keys).marker
    asked = {name.casefold() for name in services.settings.audit}
    return (marker is not None and marker.valid) or repository.repo.casefold() in asked


async def audits_of(services: Services, repos: Collection[str]) -> dict[str, Audit]:
    """Audit the default branches of the first few of these that are audited, by name."""
    return {
        one.repo: await services.audits.of_branch(one.repo, one.default_branch)
        for one in (await _among(services, repos))[:MOST_AUDITS]
    }


async def audit_of_pull(services: Services, pull: PullRequest) -> Audit | None:
    """Audit the tree that a pull request proposes; None for one of a repository left alone."""
    found = await _among(services, [pull.base_repo])
    return await services.audits.of_pull(pull) if found else None


async def _among(services: Services, repos: Collection[str]) -> list[Repository]:
    wanted = {repo.casefold() for repo in repos}
    known = await services.account.repositories(max_age=MAX_AGE_SECONDS)
    return [one for one in known if one.repo.casefold() in wanted and is_audited(services, one)]

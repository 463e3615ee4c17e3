"""What can go wrong, by what the caller should do about it.

    FactoryError
    ├── BadArgument        the caller's: mend the arguments and call again
    ├── NotFound           the caller's: there is no such thing
    ├── Refused            final: the guard, a limit or the gate says no
    ├── LedgerUnavailable  final: no ledger, no mutation (fail closed)
    ├── SettingsError      the operator's: mend the configuration
    ├── Unavailable        wait: a service does not answer, or says "later"
    ├── Unreadable         ours: an answer that does not parse (never read as "nothing there")
    └── Ambiguous          unknown: it may have happened; the ledger keeps the ticket, never resend

Messages name the value, the limit and the next step; attributes carry what code needs.
"""


class FactoryError(Exception):
    """Root of every error that this product raises on purpose."""

    code = "error"


class BadArgument(FactoryError):
    """An argument that cannot be used as it is."""

    code = "bad_argument"


class NotFound(FactoryError):
    """The named thing does not exist."""

    code = "not_found"


class Refused(FactoryError):
    """The guard said no. `limit` names the rule; `retry_at` (text) when it may say yes."""

    code = "refused"

    def __init__(self, message: str, *, limit: str, retry_at: str | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_at = retry_at


class LedgerUnavailable(FactoryError):
    """The ledger cannot be trusted or written."""

    code = "ledger_unavailable"


class SettingsError(FactoryError):
    """A setting, token or address that must be put right by a person."""

    code = "settings"


class Unavailable(FactoryError):
    """A service failed or asked for patience. `status` is its HTTP code, None if none came."""

    code = "unavailable"

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Unreadable(FactoryError):
    """An answer that is not what the contract says."""

    code = "unreadable"


class Ambiguous(FactoryError):
    """A mutation whose outcome is unknown; `ticket` stays open until evidence comes."""

    code = "ambiguous"

    def __init__(self, message: str, *, ticket: str) -> None:
        super().__init__(message)
        self.ticket = ticket

"""Every error this package raises, in one tree. One class per remedy; values are kept as attributes.

* BridgeError
  * StoreError
    * StoreMissingError      the database (file, server, schema) is not there
    * NotADbosDatabaseError  it is there, but holds no DBOS tables
    * StoreUnavailableError  it cannot be read now: locked, unreachable, refused, timed out
    * InvalidCursorError     a page cursor that this store did not issue
  * LedgerError
    * LedgerUnavailableError the ledger cannot be read or written now
    * LeaseLostError         another process took the lease over
    * SharedLedgerError      it keeps the progress of another application or namespace
  * OpenStepError            a span was asked for before the step ended
  * OpenRunError             a root span was asked for before the run ended
  * DeliveryError
    * RetryableDeliveryError the collector may accept the same batch later
    * RejectedBatchError     the collector will never accept this batch
  * ConfigurationError       a setting is missing or malformed
  * ArchiveError             a file is no archive of ours, or a line of it is wrong
"""

from __future__ import annotations


class BridgeError(Exception):
    """Base of everything raised by ``otel_bridge``."""


class StoreError(BridgeError):
    """The engine's state store cannot be used. ``target`` names it, without credentials."""

    def __init__(self, target: str, message: str) -> None:
        self.target = target
        super().__init__(message)


class StoreMissingError(StoreError):
    """The database is not there."""


class NotADbosDatabaseError(StoreError):
    """The database is there but holds no DBOS system tables."""


class StoreUnavailableError(StoreError):
    """The database cannot be read now; trying later may work.

    ``server`` names the server's database where it is the server that is away; what else is kept there is away too.
    """

    def __init__(self, target: str, message: str, *, server: str = "") -> None:
        self.server = server
        super().__init__(target, message)


class InvalidCursorError(BridgeError):
    """A page cursor that no store of ours issued."""

    def __init__(self, cursor: str) -> None:
        self.cursor = cursor
        super().__init__(f"Page cursor {cursor[:80]!r} is malformed. Start again at the first page, without one.")


class LedgerError(BridgeError):
    """Base of the ledger's errors."""


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be read or written now. ``target`` and ``server`` are those of ``StoreUnavailableError``."""

    def __init__(self, target: str, message: str, *, server: str = "") -> None:
        self.target, self.server = target, server
        super().__init__(message)


OUTAGE = (StoreError, LedgerUnavailableError)
"""What a database raises that is away, or is none of ours: whatever needs it fails alike until that is mended."""


class LeaseLostError(LedgerError):
    """A write was refused because another process holds the lease now."""

    def __init__(self, name: str, owner: str) -> None:
        self.name, self.owner = name, owner
        super().__init__(f"Lease {name!r} is no longer held by {owner!r}. Stand by and acquire it again.")


class SharedLedgerError(LedgerError):
    """A bridge was given the ledger of another application: each would skip what the other exported."""

    def __init__(self, target: str, *, owner: str, user: str) -> None:
        self.target, self.owner, self.user = target, owner, user
        super().__init__(
            f"The ledger {target!r} keeps the progress of {owner}, and this bridge exports {user}. Give each a ledger "
            "of its own: leave --ledger and --ledger-schema out, or name another."
        )


class OpenStepError(BridgeError):
    """A span was asked for before the step ended."""

    def __init__(self, run_id: str, seq: int) -> None:
        self.run_id, self.seq = run_id, seq
        super().__init__(f"Step {seq} of run {run_id!r} has not ended. Map it once the store holds its end time.")


class OpenRunError(BridgeError):
    """A root span was asked for before the run ended."""

    def __init__(self, run_id: str, status: str) -> None:
        self.run_id, self.status = run_id, status
        super().__init__(f"Run {run_id!r} is {status}. Map its root span once it has ended.")


class DeliveryError(BridgeError):
    """Base of what a collector's refusal raises."""


class RetryableDeliveryError(DeliveryError):
    """The collector may accept the same batch later. ``retry_after_s`` is its wish, if it gave one."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class RejectedBatchError(DeliveryError):
    """The collector will never accept this batch as it is. ``code`` is its HTTP or gRPC status."""

    def __init__(self, message: str, *, code: str) -> None:
        self.code = code
        super().__init__(message)


class ConfigurationError(BridgeError):
    """A setting is missing or malformed; the message names it."""


class ArchiveError(BridgeError):
    """A file is no archive, or a line of it is not what an archive holds. Nothing of that line was kept."""

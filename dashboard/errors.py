"""Refusals as RFC 9457 problems. Raised by actions and routes; the blueprint turns them into answers.

* Problem
  * BadRequest (400)   NotFound (404)   Refused (409)   Unprocessable (422)   TooLarge (413)
  * Unauthorized (401) Forbidden (403)  MethodNotAllowed (405)  NotAcceptable (406)
  * Unavailable (503)
    * NoDatabase       TooManyStreams   NoStreams
  * NotInstalled (501)
"""

from __future__ import annotations

from typing import ClassVar


class Problem(Exception):
    """An answer other than success: ``detail`` says what was wrong and what to do, in a sentence or two.

    Args:
        extra: further members of the problem document (camelCase).

    Attributes:
        retry_after_s: when to ask again, for the header ``Retry-After``; None where that is not known.
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry_after_s: ClassVar[int | None] = None

    def __init__(self, detail: str, **extra: object) -> None:
        self.detail, self.extra = detail, extra
        super().__init__(detail)


class BadRequest(Problem):
    """The request is malformed; sending it again will not help."""

    status, title = 400, "Bad request"


class Unauthorized(Problem):
    """The request is not authenticated."""

    status, title = 401, "Unauthorized"


class Forbidden(Problem):
    """The caller's role does not allow this."""

    status, title = 403, "Forbidden"


class NotFound(Problem):
    """No such resource."""

    status, title = 404, "Not found"


def no_such_run(run_id: str) -> NotFound:
    """Return the refusal for a run that the store does not hold."""
    return NotFound(f"There is no run {run_id[:200]!r} in this store. It may have been deleted by retention.")


class MethodNotAllowed(Problem):
    """The path exists, but not for this method."""

    status, title = 405, "Method not allowed"


class NotAcceptable(Problem):
    """The client accepts none of the media types that this route offers."""

    status, title = 406, "Not acceptable"


class Refused(Problem):
    """The run's state does not allow it."""

    status, title = 409, "Refused"


class TooLarge(Problem):
    """The body is larger than accepted."""

    status, title = 413, "Too large"


class Unprocessable(Problem):
    """The body was understood and rejected."""

    status, title = 422, "Rejected"


class Unavailable(Problem):
    """The state store or the ledger cannot be reached now."""

    status, title = 503, "Unavailable"


class NotInstalled(Problem):
    """The extra that brings this is not installed."""

    status, title = 501, "Not installed"


class NoDatabase(Unavailable):
    """The engine's database, or its tables, are not there yet: the application was never launched. ``code`` says so."""

    title = "No database yet"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, code="no_database")


class TooManyStreams(Unavailable):
    """This process, or this viewer, holds as many live streams as it may. Poll, or ask again later."""

    title, retry_after_s = "Too many streams", 15


class NoStreams(Unavailable):
    """The web server cannot carry live streams. Poll."""

    title, retry_after_s = "No live streams", 600

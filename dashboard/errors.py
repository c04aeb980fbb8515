"""Refusals as RFC 9457 problems. Raised by actions and routes; the blueprint turns them into answers.

* Problem
  * BadRequest (400)   NotFound (404)   Refused (409)   Unprocessable (422)   TooLarge (413)
  * Unauthorized (401) Forbidden (403)  Unavailable (503)  MethodNotAllowed (405)  NotAcceptable (406)
"""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """An answer other than success: ``detail`` says what was wrong and what to do, in a sentence or two.

    Args:
        extra: further members of the problem document (camelCase).
    """

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, **extra: Any) -> None:
        self.detail, self.extra = detail, extra
        super().__init__(detail)


class BadRequest(Problem):
    """The request is malformed; sending it again will not help."""

    status, title = 400, "Bad request"


class Unauthorized(Problem):
    """Nobody said who asks."""

    status, title = 401, "Unauthorized"


class Forbidden(Problem):
    """Whoever asks may not."""

    status, title = 403, "Forbidden"


class NotFound(Problem):
    """There is no such thing."""

    status, title = 404, "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but not for this method."""

    status, title = 405, "Method not allowed"


class NotAcceptable(Problem):
    """The client takes no answer that there is."""

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

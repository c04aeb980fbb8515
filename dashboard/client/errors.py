"""Every error of the client, in one tree. Pure.

* DurableClientError
  * MalformedRequestError   it could not be sent: the base URL, an id or a header is not one
  * ConnectionFailedError   no answer: refused, reset, timed out, or no such host
  * ProtocolError           an answer that is not this API's: is the base URL right?
  * ApiError                the API said no; ``status``, ``detail`` and ``problem`` hold its words
    * BadRequestError       400, 406, 413, 415: the request is malformed
    * UnauthorizedError     401: the request is not authenticated
    * ForbiddenError        403: the caller's role does not allow it
    * NotFoundError         404: no such resource
    * RefusedError          409: the run's state does not allow it
    * RejectedError         422: a validator said no; ``reason`` says why
    * UnavailableError      502, 503, 504: the state store or the service cannot be reached now
    * ServerError           any other 5xx
"""

from __future__ import annotations

from typing import Any

from otel_bridge.credentials import without_userinfo


class DurableClientError(Exception):
    """Base of everything the client raises."""


class MalformedRequestError(DurableClientError):
    """Nothing was sent, because what was asked for cannot be: correct the argument that the message names."""


class ConnectionFailedError(DurableClientError):
    """No answer came. ``url`` is what was asked."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = without_userinfo(url)
        super().__init__(f"No answer from {self.url}: {reason.rstrip('.')}. Is it running, and is this its address?")


class ProtocolError(DurableClientError):
    """The answer is not this API's."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = without_userinfo(url)
        super().__init__(f"{self.url} did not answer like the dashboard's API: {reason}. Is the base URL right?")


class ApiError(DurableClientError):
    """The API said no.

    Args:
        problem: the whole RFC 9457 document.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.problem = status, problem
        self.detail = str(problem.get("detail") or problem.get("reason") or problem.get("title") or f"HTTP {status}")
        super().__init__(self.detail)


class BadRequestError(ApiError):
    """The request is malformed; sending it again will not help."""


class UnauthorizedError(ApiError):
    """The request is not authenticated: give the client ``auth`` or ``headers``."""


class ForbiddenError(ApiError):
    """The caller's role does not allow it."""


class NotFoundError(ApiError):
    """No such resource."""


class RefusedError(ApiError):
    """The run's state does not allow it."""


class RejectedError(ApiError):
    """A validator said no."""

    @property
    def reason(self) -> str:
        """Why, in the validator's words."""
        return str(self.problem.get("reason") or self.detail)


class UnavailableError(ApiError):
    """The state store or the service cannot be reached now; trying later may work."""


class ServerError(ApiError):
    """The service failed; its log says how."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: RefusedError,
    422: RejectedError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def api_error(status: int, problem: dict[str, Any]) -> ApiError:
    """Return the error of a status."""
    default = ServerError if status >= 500 else BadRequestError
    return _BY_STATUS.get(status, default)(status, problem)

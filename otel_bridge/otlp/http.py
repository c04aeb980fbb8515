"""OTLP over HTTP/protobuf. Opens sockets.

A redirect is a failure: the SDK's exporter counts a 302 as success and the spans are gone.
Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import email.utils
import gzip
import time
from collections.abc import Callable, Sequence

import requests

from otel_bridge.errors import RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.otlp.settings import OtlpSettings
from otel_bridge.otlp.transport import Accepted, parse_answer
from otel_bridge.spans.model import SpanData

RETRYABLE_STATUS = frozenset({429, 502, 503, 504})
_SHOWN_CHARS = 300
_GZIP_LEVEL = 1


class HttpTransport:
    """Posts batches over one kept-alive connection.

    Args:
        wall_clock: Unix seconds, for a ``Retry-After`` that is a date.
    """

    def __init__(
        self,
        settings: OtlpSettings,
        resource: ResourceSettings,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._resource, self._wall_clock = settings, resource, wall_clock
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "otel-bridge", "Accept": "application/x-protobuf"})
        self._session.headers.update(settings.headers)
        self._session.headers["Content-Type"] = "application/x-protobuf"
        if settings.gzip:
            self._session.headers["Content-Encoding"] = "gzip"
        self._verify: bool | str = settings.certificate or True
        self._cert = (
            (settings.client_certificate, settings.client_key)
            if settings.client_certificate and settings.client_key
            else settings.client_certificate
        )

    @property
    def target(self) -> str:
        """The endpoint, without credentials."""
        return self._settings.target

    def send(self, spans: Sequence[SpanData]) -> Accepted:
        """Post one batch."""
        body = encode_request(spans, self._resource)
        if self._settings.gzip:
            body = gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
        try:
            answer = self._session.post(
                self._settings.endpoint,
                data=body,
                timeout=self._settings.timeout_s,
                allow_redirects=False,
                verify=self._verify,
                cert=self._cert,
            )
        except requests.RequestException as error:
            raise RetryableDeliveryError(f"{self.target} cannot be reached: {_cause(error)}.") from error
        return self._read(answer)

    def _read(self, answer: requests.Response) -> Accepted:
        status = answer.status_code
        if 200 <= status < 300:
            return parse_answer(answer.content)
        said = answer.text[:_SHOWN_CHARS].strip() if _is_text(answer) else ""
        message = f"{self.target} answered {status} {answer.reason}" + (f": {said}" if said else "") + "."
        if status in RETRYABLE_STATUS:
            wish = retry_after_s(answer.headers.get("Retry-After"), self._wall_clock())
            raise RetryableDeliveryError(message, retry_after_s=wish)
        if 300 <= status < 400:
            to = answer.headers.get("Location", "?")
            message = f"{self.target} redirects ({status}) to {to!r}. Set the endpoint to where it really is."
            raise RetryableDeliveryError(message)
        if status in (401, 403, 404, 405, 407):
            raise RetryableDeliveryError(message + " Correct the endpoint or its headers; the spans are kept.")
        raise RejectedBatchError(message, code=str(status))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Parse ``Retry-After``: seconds, or a date. None when there is none that makes sense."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now_s)
    except ValueError:
        return None


def _is_text(answer: requests.Response) -> bool:
    return answer.headers.get("Content-Type", "text/plain").startswith(("text/", "application/json"))


def _cause(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__

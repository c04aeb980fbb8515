"""OTLP over HTTP/protobuf. Opens sockets.

A redirect is a failure: the SDK's exporter counts a 302 as success and the spans are gone.
Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import requests
from urllib3.exceptions import HTTPError

from otel_bridge.credentials import public_url, without
from otel_bridge.errors import BridgeError, RejectedBatchError, RetryableDeliveryError
from otel_bridge.otlp.answer import (
    CONTENT_STATUS,
    MAX_ANSWER_BYTES,
    TRANSIENT_STATUS,
    NotOtlpError,
    decoded,
    read_answer,
    retry_after_s,
)
from otel_bridge.otlp.deadline import Deadline, DeadlineAdapter
from otel_bridge.otlp.encode import ResourceSettings, encode_request
from otel_bridge.otlp.settings import OtlpSettings
from otel_bridge.otlp.transport import Accepted, unreadable_answer
from otel_bridge.spans.model import SpanData

_SHOWN_CHARS = 300
_GZIP_LEVEL = 1


class HttpTransport:
    """Posts batches over one kept-alive connection.

    Args:
        stop: ends a request under way.
        wall_clock: Unix seconds, for a ``Retry-After`` that is a date.
    """

    def __init__(
        self,
        settings: OtlpSettings,
        resource: ResourceSettings,
        *,
        stop: threading.Event | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._resource, self._wall_clock = settings, resource, wall_clock
        self._secrets = settings.secrets
        self._deadline = Deadline(stop or threading.Event())
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter(self._deadline))
        self._session.headers.update({"User-Agent": "otel-bridge", "Accept": "application/x-protobuf"})
        self._session.headers.update(settings.headers)
        self._session.headers["Content-Type"] = "application/x-protobuf"
        self._session.headers["Accept-Encoding"] = "identity"
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
        """Post one batch; the answer must be there, whole, within the timeout."""
        return self.post(encode_request(spans, self._resource))

    def post(self, body: bytes) -> Accepted:
        """Post one encoded request of whichever signal the endpoint takes; see ``send``."""
        if self._settings.gzip:
            body = gzip.compress(body, compresslevel=_GZIP_LEVEL, mtime=0)
        self._deadline.begin(self._settings.timeout_s)
        try:
            return self._read(*self._ask(body))
        except BridgeError:
            raise
        except (requests.RequestException, HTTPError, OSError) as error:
            # "from None": the library's own words repeat the URL, and the header that it could not send.
            cause = without(_cause(error), self._secrets)
            raise RetryableDeliveryError(f"{self.target} cannot be reached: {cause}.") from None
        except Exception as error:  # noqa: BLE001 - the body is encoded by now: the answer is at fault, and no span
            raise unreadable_answer(self.target, without(_cause(error), self._secrets)) from None

    def _ask(self, body: bytes) -> tuple[requests.Response, bytes]:
        with self._session.post(
            self._settings.endpoint,
            data=body,
            timeout=self._settings.timeout_s,
            allow_redirects=False,
            verify=self._verify,
            cert=self._cert,
            stream=True,
        ) as answer:
            said = answer.raw.read(MAX_ANSWER_BYTES + 1, decode_content=False)
            missing = answer.raw.length_remaining  # urllib3 says so by itself only where nothing came at all
            if missing and len(said) <= MAX_ANSWER_BYTES:
                raise ConnectionAbortedError(f"its answer broke off, {missing} bytes are missing")
            return answer, said

    def _read(self, answer: requests.Response, body: bytes) -> Accepted:
        status, kind = answer.status_code, answer.headers.get("Content-Type", "")
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        if 200 <= status < 300:
            try:
                accepted = read_answer(decoded(body, encoding), kind)
                return replace(accepted, message=without(accepted.message, self._secrets))
            except NotOtlpError as error:
                raise RetryableDeliveryError(
                    f"{self.target} answered {status} with {error}: that is not an OTLP collector. "
                    "Correct the endpoint; the spans are kept."
                ) from error
        said = body[: 4 * _SHOWN_CHARS].decode("utf-8", "replace")[:_SHOWN_CHARS].strip() if _is_text(kind) else ""
        said = without(f"{answer.reason}: {said}" if said else answer.reason, self._secrets)
        message = f"{self.target} answered {status} {said}."
        if status in CONTENT_STATUS:
            raise RejectedBatchError(message, code=str(status))
        if status in TRANSIENT_STATUS:
            wish = retry_after_s(answer.headers.get("Retry-After"), self._wall_clock())
            raise RetryableDeliveryError(message, retry_after_s=wish)
        if 300 <= status < 400:
            to = without(public_url(answer.headers.get("Location", "?"))[:_SHOWN_CHARS], self._secrets)
            message = f"{self.target} redirects ({status}) to {to!r}. Set the endpoint to where it really is."
            raise RetryableDeliveryError(message)
        raise RetryableDeliveryError(message + " Correct the endpoint or its headers; the spans are kept.")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _is_text(kind: str) -> bool:
    return kind.startswith(("text/", "application/json")) or not kind


def _cause(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__

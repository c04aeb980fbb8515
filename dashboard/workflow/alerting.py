"""Sends alerts: to addresses that ``apprise`` knows, to a signed webhook, or to a function. Touches the network.

Addresses hold secrets. They are read from a process's own settings, never from a run's input, and no text that leaves
here names more of one than its kind.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dbos import DBOS

from dashboard.workflow import engine
from dashboard.workflow.names import ALERT_STEP, ALERT_WORKFLOW
from otel_bridge.errors import ConfigurationError
from otel_bridge.extras import missing_extra
from otel_bridge.http_answers import FinalAnswerConnection, FinalAnswerTlsConnection
from otel_bridge.loading import load_named

log = logging.getLogger(__name__)

SETTING = "DURABLE_ALERTS"
SIGNATURE_HEADER, TIME_HEADER, KEY_HEADER = "X-Durable-Signature", "X-Durable-Timestamp", "Idempotency-Key"
TIMEOUT_S = 10.0
_WEBHOOK = "webhook+"
Alert = Mapping[str, Any]
"""``{"id", "message", "rule", "kind", "subject", "summary", "url", "openedAt", "endedAt"}``."""
Target = str | Callable[[Alert], Any]
"""An address of apprise, ``webhook+https://…``, ``module:function``, or a function."""


class AlertNotSentError(Exception):
    """A target did not take a message. Names the target's kind, and none of its address."""


def settings_text(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what ``DURABLE_ALERTS`` says: JSON, or the path of a file that holds it; nothing where it is not set.

    Raises:
        ConfigurationError: it is neither.

    >>> settings_text({"DURABLE_ALERTS": '{"targets": ["shop.alerts:page"]}'})
    {'targets': ['shop.alerts:page']}
    """
    given = environ.get(SETTING, "").strip()
    if not given:
        return {}
    try:
        found = json.loads(given if given.startswith("{") else Path(given).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f'{SETTING} is neither JSON, {{"targets": [...], "rules": [...]}}, nor a file of it '
            f"({type(error).__name__})."
        ) from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{SETTING} holds no JSON object.")
    return found


def checked_targets(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return the targets, if each can be used here.

    Raises:
        ConfigurationError: one cannot; the text names its kind alone.
        MissingExtraError: it needs the extra ``alerts``.
    """
    for target in targets:
        if callable(target):
            continue
        if not isinstance(target, str) or (":" not in target):
            raise ConfigurationError("An alert's target is an address, module:function, or a function. One is neither.")
        if target.startswith(_WEBHOOK):
            parts = urlsplit(target.removeprefix(_WEBHOOK))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ConfigurationError("A webhook for alerts is written webhook+https://host/path.")
        elif "://" not in target:
            load_named(target, what="The alert hook", form="module:function")
        elif not _apprise().Apprise().add(target):
            raise ConfigurationError(f"apprise does not take the address of kind {kind_of(target)!r}. See its wiki.")
    return tuple(targets)


def kind_of(target: Target) -> str:
    """Return what may be said of a target.

    >>> kind_of("slack://token/channel"), kind_of("webhook+https://ops.example.com/x?key=1"), kind_of("shop:page")
    ('slack', 'webhook', 'hook')
    """
    if callable(target) or "://" not in target:
        return "hook"
    scheme = target.partition("://")[0]
    return "webhook" if target.startswith(_WEBHOOK) else scheme[:40]


def send(target: Target, alert: Alert, *, secret: str | None = None) -> None:
    """Send one message to one target.

    Raises:
        AlertNotSentError: the target did not take it.
    """
    try:
        if callable(target):
            target(alert)
        elif target.startswith(_WEBHOOK):
            _post(target.removeprefix(_WEBHOOK), alert, secret)
        elif "://" not in target:
            load_named(target, what="The alert hook", form="module:function")(alert)
        else:
            _notify(target, alert)
    except AlertNotSentError:
        raise
    except Exception as error:  # noqa: BLE001 - a hook or a library may raise anything
        # Not its text: an HTTP library's names the address.
        raise AlertNotSentError(f"Target {kind_of(target)!r} failed: {type(error).__name__}.") from None


def key_of(alert: Alert) -> str:
    """Return what a message is recognised by, however often it is sent."""
    return f"{alert.get('id')}:{alert.get('message')}"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return how a webhook's body is signed: HMAC-SHA256 over the timestamp, a dot and the body, in hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook is where it was said to be: a redirect could lead into a network that only this process reaches."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Http(urllib.request.HTTPHandler):
    """Passes over what a server says before its answer, which would be taken for a refusal."""

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(FinalAnswerConnection, req)


class _Https(urllib.request.HTTPSHandler):
    """The same, over TLS."""

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(FinalAnswerTlsConnection, req)


def _post(url: str, alert: Alert, secret: str | None) -> None:
    body = json.dumps(dict(alert), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", KEY_HEADER: key_of(alert)}
    if secret:
        timestamp = str(int(time.time()))
        headers |= {TIME_HEADER: timestamp, SIGNATURE_HEADER: signature(secret, timestamp, body)}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    opener = urllib.request.build_opener(_NoRedirect, _Http, _Https)
    try:
        with opener.open(request, timeout=TIMEOUT_S):
            pass
    except (OSError, HTTPException) as error:
        status = getattr(error, "code", None)
        what = f"HTTP {status}" if isinstance(status, int) else type(error).__name__
        raise AlertNotSentError(f"The webhook did not take the message: {what}.") from None


def _notify(target: str, alert: Alert) -> None:
    client = _apprise().Apprise()
    client.add(target)
    ended = alert.get("message") == "ended"
    title = f"{'Over' if ended else 'Alert'}: {alert.get('rule')} {alert.get('subject')}"
    if not client.notify(title=title, body=f"{alert.get('summary')}\n{alert.get('url') or ''}".strip()):
        raise AlertNotSentError(f"Target {kind_of(target)!r} did not take the message.")


def _apprise() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise missing_extra(error, package="apprise") or error from error
    return apprise


# -- in a worker ------------------------------------------------------------------------------------------------------

_senders: dict[str, Any] = {}
"""Targets and secret of this process's sender; empty: it sends none."""


def alert_sender(targets: Sequence[Target], *, secret: str | None = None) -> None:
    """Have this worker send alerts, as durable runs that are retried until each target took its message.

    Call it before ``DBOS.launch()``; or set ``DURABLE_ALERTS``, which is read where ``dashboard.workflow`` is imported.

    Args:
        secret: signs what is posted to ``webhook+https://`` targets.

    Raises:
        ConfigurationError: a target is malformed.

    Example::

        alert_sender(["slack://TokenA/TokenB/TokenC/#ops", page_somebody])
    """
    _senders.update(targets=checked_targets(targets), secret=secret)
    register_sender()


def register_sender() -> None:
    """Register the sender in the engine's current registry, where this process has targets.

    A setting that is wrong is logged, and no sender declared: it is no reason to run no workflows.
    """
    if not _senders:
        try:
            given = settings_text()
            targets = checked_targets(given.get("targets") or ())
        except ConfigurationError as error:
            log.error("This worker sends no alerts: %s", error)
            return
        if not targets:
            return
        _senders.update(targets=targets, secret=given.get("secret"))
    engine.register_workflow(ALERT_WORKFLOW, alert_run)


def alert_run(alert: dict[str, Any]) -> int:
    """Send a message to every target, each in a step of its own: a replay sends to none that took it."""
    for number in range(len(_senders["targets"])):
        DBOS.run_step(
            {
                "name": f"{ALERT_STEP}:{kind_of(_senders['targets'][number])}",
                "retries_allowed": True,
                "max_attempts": 30,
                "interval_seconds": 2.0,
                "backoff_rate": 2.0,
            },
            _send_to,
            number,
            alert,
        )
    return len(_senders["targets"])


def _send_to(number: int, alert: dict[str, Any]) -> None:
    send(_senders["targets"][number], alert, secret=_senders["secret"])

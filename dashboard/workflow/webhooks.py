"""Webhooks for workflow code: a URL to hand out, then a wait for its caller.

The URL is made before the wait, in a step of its own, so that it is the same under every replay. A callback that comes
before the wait is kept by the engine's mailbox and delivered when the wait comes.
"""

from __future__ import annotations

import functools
import logging
import os
import secrets
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from dbos import DBOS

from dashboard.workflow import engine
from dashboard.workflow.address import kept_address
from dashboard.workflow.names import WEBHOOK_STEP, wait_topic
from dashboard.workflow.tokens import WebhookToken, seal
from dashboard.workflow.waits import Wait, body_of, plan_wait, receive, receive_async, typed
from otel_bridge.ledger.base import Ledger

log = logging.getLogger(__name__)

SECRET_VARIABLE = "DURABLE_WEBHOOK_SECRET"
PUBLIC_URL_VARIABLE = "DURABLE_PUBLIC_URL"
DEFAULT_PUBLIC_URL = "/durable"
SECRET_VALUE_KEY = "webhook.secret"


def webhook_secret(ledger: Ledger, given: str | None = None) -> str:
    """Return the secret that worker and control plane share: given, from the environment, or made once and kept in
    the ledger.
    """
    secret = given or os.environ.get(SECRET_VARIABLE)
    if secret:
        return secret
    return str(ledger.put_value(SECRET_VALUE_KEY, secrets.token_urlsafe(32), only_if_absent=True))


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL to hand out, and the wait for its callback. Made by ``webhook``."""

    url: str = field(repr=False)
    token: str = field(repr=False)
    name: str
    topic_seq: int
    timeout_s: float | None

    def wait(self, *, type: object = None) -> Any:
        """Wait for the callback; return its body (as ``type``, if given).

        While the run waits, a body that does not fit is answered with 422 and the caller may try again. One that came
        before is dropped here, with a warning, and the URL takes another.

        Raises:
            WaitTimeoutError: nobody called in time with a body of that type.
        """
        return receive(self._planned(type), partial(_body, type))

    async def wait_async(self, *, type: object = None) -> Any:
        """``wait`` for asynchronous workflows."""
        return await receive_async(self._planned(type), partial(_body, type))

    def _planned(self, type_: object) -> Wait:
        planned = plan_wait("webhook", self.name, self.timeout_s)
        return replace(planned, type=type_, topic_seq=self.topic_seq)


def _body(type_: object, message: object) -> Any:
    return typed(type_, body_of(message))


def webhook_topic(name: str, seq: int) -> str:
    """Return where a webhook listens; ``seq`` is the number of the step that made its URL."""
    return wait_topic("webhook", name, seq)


def webhook(
    name: str, *, timeout: float | None = None, expires_in: float | None = None, base_url: str | None = None
) -> Webhook:
    """Return a URL that resumes this run once, and its wait::

        hook = webhook("payment", timeout=3600)
        start_payment(order, callback=hook.url)
        paid = hook.wait()

    Args:
        name: what the run is shown to wait for.
        timeout: seconds that ``wait`` waits, from when it is called.
        expires_in: seconds from now after which the URL is good no more; None: as long as the run is open.
        base_url: where the dashboard is mounted, as the third party reaches it; else ``DURABLE_PUBLIC_URL``, else what
            the dashboard keeps in the ledger: its ``public_url``, or how its operators reach it. Where nobody knows,
            the URL is a path below ``/durable``, and the log says so.
    """
    seq = _numbered(name)
    made = DBOS.run_step({"name": WEBHOOK_STEP}, lambda: _make(name, seq, expires_in, base_url))
    return Webhook(made["url"], made["token"], name, made["seq"], timeout)


async def webhook_async(
    name: str, *, timeout: float | None = None, expires_in: float | None = None, base_url: str | None = None
) -> Webhook:
    """``webhook`` for asynchronous workflows."""
    seq = _numbered(name)
    made = await DBOS.run_step_async({"name": WEBHOOK_STEP}, lambda: _make(name, seq, expires_in, base_url))
    return Webhook(made["url"], made["token"], name, made["seq"], timeout)


def _numbered(name: str) -> int:
    plan_wait("webhook", name, None)  # checks the name and the place
    return engine.next_step_number("webhook")


def _make(name: str, seq: int, expires_in: float | None, base_url: str | None) -> dict[str, Any]:
    run_id = DBOS.workflow_id
    assert run_id is not None  # a step of a workflow is executing
    with engine.ledger() as ledger:
        secret = webhook_secret(ledger)
        base = base_url or os.environ.get(PUBLIC_URL_VARIABLE) or _kept_url(ledger)
    if not base:
        _warn_of_relative_url()
    expires_ms = None if expires_in is None else int((time.time() + expires_in) * 1000)
    token = seal(WebhookToken(run_id, name, seq, expires_ms), secret)
    url = f"{(base or DEFAULT_PUBLIC_URL).rstrip('/')}/api/webhooks/{quote(token)}"
    return {"url": url, "token": token, "seq": seq}


def _kept_url(ledger: Ledger) -> str | None:
    kept = kept_address(ledger)
    return None if kept is None else kept.url


@functools.cache
def _warn_of_relative_url() -> None:
    """Say it once a process: every webhook of it will be the same."""
    log.warning(
        "Webhooks get relative URLs, because this worker does not know where the dashboard is reached. Pass "
        "public_url= to create_blueprint, or set %s in the worker.",
        PUBLIC_URL_VARIABLE,
    )

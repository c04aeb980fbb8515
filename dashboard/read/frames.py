"""Where errors were raised: the top frame of each error's last failure, for the errors page. Reads the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.read.services import Services
from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import ErrorGroup
from otel_bridge.runs.fingerprints import top_frame
from otel_bridge.runs.stacks import stack_of

ATTEMPTS = 5
"""Of each run, the newest ones that failed: the one that it died of is among them."""


def frames_of(services: Services, groups: Sequence[ErrorGroup], last_runs: Mapping[str, str]) -> dict[str, str]:
    """Return the top frame of each error by fingerprint; an error of which none is known is absent.

    The engine stores errors without stacks, so most have none of their own; then the worker's of the last failure.

    Args:
        last_runs: the run that failed last of each error, by fingerprint.
    """
    found = {one.signature.fingerprint: one.signature.frame for one in groups}
    sought = [
        last_runs[fingerprint] for fingerprint, frame in found.items() if frame is None and fingerprint in last_runs
    ]
    try:
        failed = services.ledger.failed_attempts_of(sorted(set(sought)), limit=ATTEMPTS)
    except LedgerError:
        failed = {}
    for group in groups:
        signature = group.signature
        if signature.frame is None and (attempts := failed.get(last_runs.get(signature.fingerprint, ""))):
            stack = stack_of(attempts, kind=signature.type, step=signature.step)
            found[signature.fingerprint] = top_frame(stack, with_line=True)
    show = services.settings.codec.show_members
    shown = {fingerprint: show({"frame": frame}).get("frame") for fingerprint, frame in found.items() if frame}
    return {fingerprint: frame for fingerprint, frame in shown.items() if isinstance(frame, str)}

"""Confirm tokens and small answers, without a server."""

from __future__ import annotations

import json

import pytest

from dashboard.mcp.answers import MAX_TEXT_CHARS, cut
from dashboard.mcp.confirm import MOST, TTL_S, Confirmations, NotConfirmedError


def test_a_token_confirms_once_what_it_was_given_for() -> None:
    """The same action, arguments and state; in any order of keys."""
    confirmations = Confirmations()
    token = confirmations.issue("cancel", {"runId": "a", "undo": True}, {"status": "running"})
    confirmations.take(token, "cancel", {"undo": True, "runId": "a"}, {"status": "running"})
    with pytest.raises(NotConfirmedError, match="used"):
        confirmations.take(token, "cancel", {"undo": True, "runId": "a"}, {"status": "running"})


@pytest.mark.parametrize(
    ("action", "arguments", "status", "says"),
    [
        ("retry", {"runId": "a"}, "running", "another action"),
        ("cancel", {"runId": "b"}, "running", "other arguments"),
        ("cancel", {"runId": "a", "undo": True}, "running", "other arguments"),
        ("cancel", {"runId": "a"}, "failed", "changed since"),
    ],
)
def test_a_token_confirms_nothing_else(action: str, arguments: dict[str, object], status: str, says: str) -> None:
    """And is used up by the attempt."""
    confirmations = Confirmations()
    token = confirmations.issue("cancel", {"runId": "a"}, {"status": "running"})
    with pytest.raises(NotConfirmedError, match=says):
        confirmations.take(token, action, arguments, {"status": status})  # type: ignore[arg-type]
    with pytest.raises(NotConfirmedError, match="used"):
        confirmations.take(token, "cancel", {"runId": "a"}, {"status": "running"})


def test_tokens_grow_old_and_do_not_pile_up() -> None:
    """Ten minutes; the oldest go first."""
    now = [0.0]
    confirmations = Confirmations(lambda: now[0])
    old = confirmations.issue("retry", {}, None)
    now[0] = TTL_S + 1
    with pytest.raises(NotConfirmedError, match="ten minutes"):
        confirmations.take(old, "retry", {}, None)
    first = confirmations.issue("retry", {}, None)
    for _ in range(MOST):
        confirmations.issue("retry", {}, None)
    with pytest.raises(NotConfirmedError):
        confirmations.take(first, "retry", {}, None)


def test_a_long_payload_is_cut_and_says_so() -> None:
    """A small one is left as it is."""
    assert cut({"a": [1, None]}) == {"a": [1, None]}
    long = cut("x" * 10_000)
    assert isinstance(long, dict)
    assert len(json.dumps(long)) < MAX_TEXT_CHARS + 100
    assert long["chars"] == 10_002

"""Webhook tokens: noise to whoever holds one, and of no use when changed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.workflow.tokens import InvalidTokenError, WebhookToken, seal, unseal
from otel_bridge.model.names import WEBHOOK_TOKEN_PREFIX as PREFIX

bound = st.builds(
    WebhookToken,
    run_id=st.text(min_size=1, max_size=80),
    name=st.text(min_size=1, max_size=40),
    seq=st.integers(0, 2**31),
    expires_ms=st.one_of(st.none(), st.integers(0, 2**53)),
)


@given(token=bound, secret=st.text(min_size=1, max_size=60))
def test_a_token_comes_back_as_it_was_sealed(token: WebhookToken, secret: str) -> None:
    """Whatever the run and the wait are called, and whatever text the secret is."""
    text = seal(token, secret)
    assert unseal(text, secret) == token
    assert text.startswith(PREFIX)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize("name", ["", "a", "ab", "abcdefgh", "abcdefghijklmnopqrstuvwxyz"])
def test_a_token_is_read_whatever_its_length(name: str) -> None:
    """Its text has no padding, and comes back with as much as its length needs."""
    token = WebhookToken("r", name, 1, 5)
    assert unseal(seal(token, "s"), "s") == token


def test_nothing_is_legible_in_a_token() -> None:
    """Neither run, name nor the time at which it was made."""
    text = seal(WebhookToken("order-1234", "payment", 3), "s")
    raw = base64.urlsafe_b64decode(text[len(PREFIX) :] + "==")
    assert b"order" not in raw
    assert b"payment" not in raw
    assert raw[1:9] == bytes(8)


@pytest.mark.parametrize("place", [0, 3, len(PREFIX), len(PREFIX) + 5, -1, -20])
def test_a_token_that_was_changed_anywhere_is_not_ours(place: int) -> None:
    """One letter is enough."""
    text = seal(WebhookToken("r", "n", 1), "s")
    letters = list(text)
    letters[place] = "B" if letters[place] not in "AB" else "z"
    with pytest.raises(InvalidTokenError):
        unseal("".join(letters), "s")


@pytest.mark.parametrize("text", ["", PREFIX, "x", "é", PREFIX + "é", "A" * 500, PREFIX + "A" * 500])
def test_other_texts_are_not_ours(text: str) -> None:
    """They are refused alike, whatever they are."""
    with pytest.raises(InvalidTokenError):
        unseal(text, "s")
    with pytest.raises(InvalidTokenError):
        unseal(seal(WebhookToken("r", "n", 1), "another"), "s")

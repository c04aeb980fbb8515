"""Which failures are the same error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.codec import DecodedError
from otel_bridge.runs.fingerprints import MAX_MESSAGE, cause_of, first_line, signature_of, template_of, top_frame


@pytest.mark.parametrize(
    ("one", "other", "template"),
    [
        ("timeout after 3 s", "timeout after 12.5 s", "timeout after # s"),
        ("timeout after 30s", "timeout after 5s", "timeout after #"),
        ("order 4711 not found", "order 12 not found", "order # not found"),
        ("run a1b2-7 of ord_99x", "run zz9 of ord_1", "run # of #"),
        ("no user 'ann'", "no user 'bob o'", "no user …"),
        ('no user "ann"', 'no user ""', "no user …"),
        ("can't reach 10.0.0.1:8080", "can't reach 10.9.9.9:1", "can't reach #"),
        ("GET https://a.example/x?y=z failed", "GET http://b.example/ failed", "GET # failed"),
        ("key deadbeefcafe is gone", "key 0123456789abcdef is gone", "key # is gone"),
        ("at 2026-11-28T08:00:00Z", "at 2027-01-01T00:00:00.123Z", "at #"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-0000-4000-8000-000000000000", "id #"),
        ("bad values [1, 2, 3]", "bad values [4]", "bad values [#]"),
        ("bad names ['a', 'b']", "bad names ['c']", "bad names […]"),
        ("status=503, retry=1", "status=500, retry=22", "status=#, retry=#"),
        ("first line 1\nsecond 2", "first line 7\nanother", "first line #"),
        ("\n\n  padded 1  ", "padded 2", "padded #"),
        ("", "   ", ""),
    ],
)
def test_messages_that_differ_in_what_varies_have_one_template(one: str, other: str, template: str) -> None:
    """Numbers, ids, addresses, times and quoted text vary from run to run; words do not."""
    assert template_of(one) == template_of(other) == template


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connection refused", "connection reset"),
        ("no user 'ann'", "no order 'ann'"),
        ("can't do this", "can't do that"),
        ("timeout after 3 s", "timeout before 3 s"),
    ],
)
def test_messages_that_say_something_else_have_another_template(one: str, other: str) -> None:
    """An apostrophe within a word opens no quotation."""
    assert template_of(one) != template_of(other)


@given(st.text(max_size=2_000))
def test_any_message_has_a_bounded_template_that_is_its_own(message: str) -> None:
    """A template of a template is itself, but for what was cut; nothing takes long or raises."""
    template = template_of(message)
    assert len(template) <= MAX_MESSAGE
    assert "\n" not in template
    assert len(first_line(message)) <= MAX_MESSAGE


def fingerprint(message: str = "no 1", kind: str | None = "KeyError", step: str | None = "s", stack: str | None = None):
    return signature_of(DecodedError(message=message, type=kind, stack=stack), step=step).fingerprint


def test_type_step_template_and_frame_make_the_fingerprint() -> None:
    """Sixteen hex digits, the same in every process and release."""
    frames = 'File "/app/pay.py", line 3, in charge', 'File "/app/pay.py", line 99, in refund'
    seen = [
        fingerprint(),
        fingerprint(message="none"),
        fingerprint(kind="ValueError"),
        fingerprint(kind=None),
        fingerprint(step="t"),
        fingerprint(step=None),
        fingerprint(stack=frames[0]),
        fingerprint(stack=frames[1]),
    ]
    assert len(set(seen)) == len(seen)
    assert fingerprint(message="no 2") == fingerprint()
    assert fingerprint(stack=frames[0].replace("3", "4")) == fingerprint(stack=frames[0])
    assert fingerprint() == "4159e173efe43895"


def test_of_used_up_retries_the_last_failure_counts() -> None:
    """The engine's own error says only that a step was tried often enough."""
    retried = DecodedError(
        message="Step charge has exceeded its maximum of 3 retries; last: app.GatewayTimeout: after 3 s\nmore",
        type="dbos._error.DBOSMaxStepRetriesExceeded",
    )
    assert cause_of(retried) == ("app.GatewayTimeout", "after 3 s\nmore")
    assert cause_of(DecodedError(message="x")) == ("Error", "x")


@pytest.mark.parametrize(
    ("stack", "frame"),
    [
        (None, None),
        ("", None),
        ("no frames here", None),
        (
            'Traceback (most recent call last):\n  File "/app/flow.py", line 1, in order\n'
            '  File "/srv/app/pay.py", line 3, in charge\n'
            '  File "/venv/lib/python3.11/site-packages/httpx/_api.py", line 9, in post\nTimeout: 3',
            "charge in app/pay.py",
        ),
        ('  File "/venv/site-packages/x/y.py", line 9, in post', "post in x/y.py"),
        (
            "Error: no\n    at charge (/app/src/pay.ts:3:14)\n    at async order (/app/src/order.ts:9:1)",
            "charge in src/pay.ts",
        ),
        (
            "Error: no\n    at /app/node_modules/got/index.js:3:14\n    at async Pay.charge (file:///app/pay.js:9:1)",
            "Pay.charge in app/pay.js",
        ),
        ("Error: no\n    at C:\\app\\pay.js:3:14", "anonymous in app/pay.js"),
    ],
)
def test_the_top_frame_is_the_innermost_of_the_applications_own(stack: str | None, frame: str | None) -> None:
    """Of Python the last, of JavaScript the first; a library's only where there is no other. Lines are left out."""
    assert top_frame(stack) == frame

"""What was stored cannot break, or add, a header of an answer."""

from __future__ import annotations

import pytest

from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run
from tests.story import mounted


@pytest.mark.parametrize("format_", ["x\r\nSet-Cookie: owned=1", "é", "日本", "\x00", "x" * 20_000])
def test_the_name_of_a_format_is_no_header_of_its_own(format_: str) -> None:
    """Whoever can write a row names the format; the answer says it, and is no fault of the server."""
    store = MemoryStateStore()
    store.put_run(make_run("r", serialization=format_))
    for name in ("input", "error"):
        store.put_payload("r", name, '"value"')
    with mounted(store, ledger=MemoryLedger()) as app:
        for name in ("input", "error"):
            answer = app.test_client().get(f"/durable/api/runs/r/payload/{name}")
            assert answer.status_code == 200
            assert "Set-Cookie" not in answer.headers
            assert answer.headers["X-Payload-Format"].isascii()

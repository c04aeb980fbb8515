"""A schema that the engine is still migrating is looked at again, without an error to make us."""

from __future__ import annotations

import pytest

from otel_bridge.store import adapter
from otel_bridge.testing import MemoryStateStore


@pytest.mark.parametrize(("version", "seen"), [(100, True), (125, False)])
def test_tables_that_a_migration_adds_are_seen_soon(monkeypatch: pytest.MonkeyPatch, version: int, seen: bool):
    """A process that started before the engine migrated must not keep what it saw then."""
    now = [0.0]
    monkeypatch.setattr(adapter.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    store = MemoryStateStore()
    store.rows("ALTER TABLE queues RENAME TO not_yet")
    probe = store._probe
    monkeypatch.setattr(store, "_probe", lambda: adapter.Schema(probe().tables, version=version))  # type: ignore[attr-defined]
    assert store.queues() == []
    store.rows("ALTER TABLE not_yet RENAME TO queues")
    store.put_row("queues", name="mail", created_at=0, updated_at=0)
    now[0] += adapter.UNSETTLED_PROBE_S
    assert bool(store.queues()) is seen
    store.close()

"""The page's types are those of the API."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FRONTEND = Path(__file__).resolve().parents[2] / "dashboard" / "frontend"


def test_the_shapes_that_the_page_was_built_for_are_those_that_the_api_sends() -> None:
    """When it is stale: ``python dashboard/frontend/dump_openapi.py``, then ``npm run types`` and ``npm run build``."""
    spec = importlib.util.spec_from_file_location("dump_openapi", FRONTEND / "dump_openapi.py")
    assert spec is not None
    assert spec.loader is not None
    dump = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(dump)
    assert (FRONTEND / "openapi.json").read_text(encoding="utf-8") == dump.text()
    assert (FRONTEND / "src/api/statuses.json").read_text(encoding="utf-8") == dump.facts()

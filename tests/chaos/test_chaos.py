"""Every registered fault is tried on the real product; nothing is lost, stuck or harmed."""

from __future__ import annotations

import importlib
import pkgutil
import time

import pytest

import tests.chaos
from tests.chaos.scene import Scene
from tests.chaos.table import FAULTS, OUTCOMES, Fault

for module in pkgutil.iter_modules(tests.chaos.__path__):
    if module.name.startswith("faults_"):
        importlib.import_module(f"tests.chaos.{module.name}")


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.run.__name__)
def test_a_fault_costs_nothing(fault: Fault, fault_scene: Scene):
    """Spans owed arrive, the application's workflows pass, threads, descriptors and memory are as before."""
    began = time.monotonic()
    row = fault.run(fault_scene)
    row.seconds = time.monotonic() - began
    OUTCOMES.append((fault, row))
    assert row.problems() == []

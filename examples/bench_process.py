"""What processes cost, for the benchmarks: CPU seconds and memory from ``/proc``. Linux only."""

from __future__ import annotations

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int, *, reaped: bool = False) -> float:
    """Return the CPU seconds of a process; with ``reaped`` also those of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11 : 15 if reaped else 13]) / TICKS_PER_S


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and its children, those that have ended included."""
    total = cpu_s(pid, reaped=True)
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            total += cpu_s(int(child), reaped=True)
        except FileNotFoundError:  # it ended meanwhile, and counts among the reaped next time
            continue
    return total


def rss_mb(pid: int) -> float:
    """Return the resident megabytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 1e6

"""Durations and moments as people read them. Pure. The page says the same: ``frontend/src/lib/time.ts``.

Both are held to one table of cases, ``frontend/tests/unit/durations.json``.
"""

from __future__ import annotations

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))


def duration(ms: float) -> str:
    """Return a duration with at most three digits that matter.

    ``840 ms``, ``1.24 s``, ``12.4 s``, ``3m 05s``, ``1 h 57 m``, ``3 d 4 h``. A negative one is shown as ``0 ms``.
    """
    ms = max(0, ms)
    if ms < 999.5:
        return f"{_rounded(ms)} ms"
    # Rounded as whole numbers: a float's half is now above, now below it, and Python and JavaScript would differ.
    if ms < 9_995:
        return f"{_rounded(ms / 10) / 100:.2f} s"
    if ms < 59_950:
        return f"{_rounded(ms / 100) / 10:.1f} s"
    seconds = _rounded(ms / 1000)
    if seconds < 3600:
        return f"{seconds // 60}m {seconds % 60:02d}s"
    minutes = seconds // 60
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    return f"{minutes // 1440} d {minutes // 60 % 24} h"


def run_duration(ms: int) -> str:
    """Return how long a run took. Some stores keep runs in whole seconds: no decimals that nobody measured."""
    if ms == 0:
        return "< 1 s"
    return f"{ms // 1000} s" if ms % 1000 == 0 and ms < 60_000 else duration(ms)


def ago(ms: float) -> str:
    """Return how long ago something was: ``now``, ``12s ago``, ``3h ago``; ahead (negative) ``in 1 h 57 m``."""
    size = int(abs(ms))
    if size < 1500:
        return "now"
    if ms < 0 and size >= 3_600_000:
        return f"in {duration(size)}"
    unit_ms, unit = next(pair for pair in _UNITS if size >= pair[0])
    text = f"{size // unit_ms}{unit}"
    return f"{text} ago" if ms > 0 else f"in {text}"


def _rounded(value: float) -> int:
    return int(value + 0.5)

"""Whether a run's recorded steps fit what another version of its workflow does. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otel_bridge.model.steps import Step


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first step at which the other version does something else. A replay would fail there, or worse, not fail."""

    seq: int
    recorded: str
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepCheck:
    """What comparing found. With nothing compared, nothing is known: no run of that version has completed yet."""

    compared: int
    divergence: Divergence | None = None

    @property
    def matches(self) -> bool:
        """True when runs of the version were compared and one did the same as far as this run came."""
        return self.compared > 0 and self.divergence is None


def check_steps(recorded: Iterable[Step], references: Iterable[Iterable[Step]]) -> StepCheck:
    """Compare a run's recorded steps with those of completed runs of the other version.

    One run that did the same is enough, and the last that is looked at: workflows branch. One without steps is none. A
    step number that a reference does not have (its branch was shorter) is not a divergence. Of several that differ, the
    one that agrees for longest says where.

    Example:
        >>> from otel_bridge.testing import make_step
        >>> check_steps([make_step(seq=1, name="charge")], [[make_step(seq=1, name="reserve")]]).divergence
        Divergence(seq=1, recorded='charge', expected=('reserve',))
    """
    own = _names(recorded)
    first: dict[int, set[str]] = {}
    compared = 0
    for reference in references:
        other = _names(reference)
        if not other:
            continue
        compared += 1
        differs = next((seq for seq in sorted(own) if seq in other and other[seq] != own[seq]), None)
        if differs is None:
            return StepCheck(compared)
        first.setdefault(differs, set()).add(other[differs])
    if not first:
        return StepCheck(0)
    seq = max(first)
    return StepCheck(compared, Divergence(seq, own[seq], tuple(sorted(first[seq]))))


def _names(steps: Iterable[Step]) -> Mapping[int, str]:
    return {step.seq: step.name for step in steps if not step.is_open}

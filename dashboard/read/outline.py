"""The steps of a run of any length, held in some thirty bytes each. Pure.

Whatever is said of a whole run (its folds, its graph, where its time went) looks at every step. As they are, a hundred
thousand steps take the memory of the process twice over; here they are packed, some hundreds together, and unpacked
again as they are asked for. The times by which steps are sorted, and what tells like steps, stand beside them.
"""

from __future__ import annotations

import marshal
import math
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

from dashboard.read.segments import begin_ms, end_ms
from otel_bridge.model.steps import Step

BLOCK_STEPS = 256
MOST_BYTES = 32 * 1024 * 1024
"""Of one run: more than half a million steps."""
_BESIDE_BYTES = 29
"""Of each step, in the columns beside the blocks."""
_AS_IT_IS_BYTES = 512
"""Of a step that cannot be packed."""


class Outline(Sequence[Step]):
    """Steps by ``seq``, without the texts of their errors. Filled once, by one thread, then read, by any.

    Args:
        most_bytes: what it may take.

    Example:
        >>> from otel_bridge.testing import make_step
        >>> outline = Outline.of(make_step("r", seq) for seq in (1, 2))
        >>> len(outline), outline[1].seq
        (2, 2)
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self.next_seq: int | None = None
        """The ``seq`` of the first step for which there was no room."""
        self.begins = array("d")
        self.ends = array("d")
        self.alike = array("i")
        """Numbers: the same for steps of the same name and kind."""
        self.housekeeping = bytearray()
        self.seqs = array("q")
        self.has_children = False
        """True where a step shows how another run is."""
        self._numbers: dict[tuple[str, str], int] = {}
        self._blocks: list[bytes | list[Step]] = []
        self._filling: list[Step] = []
        self._unpacked: tuple[int, list[Step]] = (-1, [])
        self._bytes, self._most_bytes = 0, most_bytes

    @classmethod
    def of(cls, steps: Iterable[Step], *, most_bytes: int = MOST_BYTES) -> Outline:
        """Return an outline of steps, or of as many of the first ones as there is room for."""
        if isinstance(steps, Outline):
            return steps
        outline, rest = cls(most_bytes=most_bytes), iter(steps)
        while outline.next_seq is None and (some := list(islice(rest, BLOCK_STEPS))):
            outline.extend(some)
        return outline

    def extend(self, steps: Sequence[Step]) -> None:
        """Take in the steps that follow, as far as there is room for them: see ``next_seq``."""
        at = 0
        while at < len(steps) and self.next_seq is None:
            if self._bytes >= self._most_bytes:
                self.next_seq = int(steps[at].seq)
                return
            some = steps[at : at + BLOCK_STEPS - len(self._filling)]
            at += len(some)
            self._take(some)

    def _take(self, steps: Sequence[Step]) -> None:
        numbers = self._numbers
        for step in steps:
            if (step.name, step.kind) not in numbers:
                numbers[step.name, step.kind] = len(numbers)
                self._bytes += len(step.name)
        self.alike.extend([numbers[step.name, step.kind] for step in steps])
        self.begins.extend(map(begin_ms, steps))
        self.ends.extend(map(end_ms, steps))
        self.housekeeping.extend([step.housekeeping for step in steps])
        self.seqs.extend([step.seq for step in steps])
        self.has_children = self.has_children or any(step.child_run_id is not None for step in steps)
        self._filling += [_bare(step) for step in steps]
        if len(self._filling) == BLOCK_STEPS:
            self._blocks.append(self._packed())
            self._filling = []

    def _packed(self) -> bytes | list[Step]:
        try:
            # marshal takes plain values only, and is several times as fast as JSON; no other process reads this
            packed = zlib.compress(marshal.dumps(list(map(tuple, self._filling))), 1)
        except ValueError:  # a damaged row holds what stands for its cells
            self._bytes += (_AS_IT_IS_BYTES + _BESIDE_BYTES) * BLOCK_STEPS
            return self._filling
        self._bytes += len(packed) + _BESIDE_BYTES * BLOCK_STEPS
        return packed

    def _block(self, number: int) -> list[Step]:
        if number == len(self._blocks):
            return self._filling
        unpacked = self._unpacked  # read once: another thread may put its own there
        if unpacked[0] != number:
            block = self._blocks[number]
            if isinstance(block, bytes):
                block = list(map(Step._make, marshal.loads(zlib.decompress(block))))
            self._unpacked = unpacked = number, block
        return unpacked[1]

    @property
    def size_bytes(self) -> int:
        """About how many bytes it takes."""
        return self._bytes + _BESIDE_BYTES * len(self._filling)

    def __len__(self) -> int:
        return len(self.alike)

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> list[Step]: ...

    def __getitem__(self, index: int | slice) -> Step | list[Step]:
        if isinstance(index, slice):
            return list(self.at(range(*index.indices(len(self)))))
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._block(index // BLOCK_STEPS)[index % BLOCK_STEPS]

    def __iter__(self) -> Iterator[Step]:
        for number in range(len(self._blocks) + 1):
            yield from self._block(number)

    def at(self, places: Iterable[int]) -> Iterator[Step]:
        """Yield the steps at these places: in their order as fast as all of them."""
        for place in places:
            yield self._block(place // BLOCK_STEPS)[place % BLOCK_STEPS]


def _bare(step: Step) -> Step:
    return step if step.error is None and step.output is None else step._replace(error=None, output=None)


def parallel_groups(steps: Iterable[Step], wanted: Collection[int] | None = None) -> dict[int, int]:
    """Return ``seq`` -> number of its parallel group, for steps that ran beside others: see ``segments``.

    The number is the lowest ``seq`` in the group, so that the groups of two parts of a timeline have different ones.

    Args:
        wanted: for these steps only.
    """
    outline = Outline.of(steps)
    begins, ends, seqs = outline.begins, outline.ends, outline.seqs
    groups: dict[int, int] = {}
    segment: list[int] = []
    reach = -math.inf

    def close() -> None:
        if len(segment) > 1:
            lowest = min(segment)
            groups.update((seq, lowest) for seq in segment if wanted is None or seq in wanted)

    for at in sorted(range(len(outline)), key=begins.__getitem__):
        if begins[at] >= reach:
            close()
            segment.clear()
        segment.append(seqs[at])
        reach = max(reach, ends[at])
    close()
    return groups

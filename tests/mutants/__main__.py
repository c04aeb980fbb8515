"""Changes the deciding modules one operator at a time and counts the changes that no test notices.

    python -m tests.mutants                          # every target; prints the survivors
    python -m tests.mutants retry blocked            # some of them
    python -m tests.mutants --sample 20 --seed 7     # twenty changes of each
    python -m tests.mutants --named                  # the changes of NAMED alone

Only tests of at most a second count as noticing. A survivor is either a missing test or is explained in ``EXPLAINED``.
``tox -e mutants`` fails at 5 % survivors and above, and where one of ``NAMED`` survives.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

import pytest

from tests.mutants.changes import Mutant, mutants, replaced
from tests.mutants.targets import EXPLAINED, NAMED, ROOT, TARGETS, Target
from tests.mutants.trial import Trial, arguments, in_child, quiet, survives_import

MOST_SURVIVORS = 0.05


def survivors(target: Target, tried: Sequence[Mutant]) -> list[Mutant]:
    """Return the mutants that the target's tests let pass.

    Raises:
        SystemExit: the tests fail on the code as it is.
    """
    path = ROOT / target.module
    inside = [mutant for mutant in tried if mutant.function is not None]

    def run() -> object:
        quiet()
        trial = Trial(path, inside)
        pytest.main(arguments(target.tests), plugins=[trial])
        return {"survivors": trial.survivors, "failed": trial.failed_before}

    result = in_child(run) if inside else {"survivors": [], "failed": []}
    if not isinstance(result, dict) or result["failed"]:
        raise SystemExit(f"The tests of {target.module} fail on the code as it is: {result}")
    outside = [mutant for mutant in tried if mutant.function is None]
    return [
        *(inside[number] for number in result["survivors"]),
        *(mutant for mutant in outside if survives_import(path, mutant, target.tests)),
    ]


def _named(name: str) -> list[Mutant]:
    source = (ROOT / TARGETS[name].module).read_text()
    return [replaced(source, old, new) for target, old, new in NAMED if target == name]


def main(words: Sequence[str]) -> int:
    """Try the mutants of the named targets, or of all; return 1 where too many survive."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("targets", nargs="*", default=[])
    parser.add_argument("--sample", type=int, help="so many changes of each target, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--named", action="store_true", help="only the changes that a person named")
    chosen = parser.parse_args(words)
    tried, alive, named_alive = 0, 0, 0
    for name in chosen.targets or TARGETS:
        began_s = time.monotonic()
        target, named = TARGETS[name], _named(name)
        some = [] if chosen.named else list(mutants((ROOT / target.module).read_text()))
        some = [mutant for mutant in some if f"{name}: {mutant.name}" not in EXPLAINED]
        if chosen.sample is not None and len(some) > chosen.sample:
            some = random.Random(chosen.seed).sample(some, chosen.sample)
        found = survivors(target, [*named, *some]) if named or some else []
        for mutant in found:
            print(f"survived  {target.module}:{mutant.line}  {name}: {mutant.name}", flush=True)
        count = len(named) + len(some)
        print(f"{name}: {len(found)} of {count} survived ({time.monotonic() - began_s:.0f} s)", flush=True)
        tried, alive = tried + count, alive + len(found)
        named_alive += sum(mutant in named for mutant in found)
    print(f"all: {alive} of {tried} survived; {named_alive} of those that a person named")
    return 1 if named_alive or (tried and alive / tried >= MOST_SURVIVORS) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

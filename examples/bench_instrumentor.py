"""What a step costs with the instrumentor, against plain DBOS, in the same process and interleaved.

    python examples/bench_instrumentor.py [--runs 200] [--steps 20] [--database-url URL] [--spans]

Many short workflows of empty steps, in turns plain, with the instrumentor's hooks in place, and plain again, so that
each has its counterparts a few hundredths of a second away; presence and the ledger are on throughout. Prints the cost
per step at the tenth percentile (the machine at its quietest) and at the median, with the ratio to plain; the ratio of
plain to itself says how far to trust the other. Then what the hooks cost by themselves, and what presence costs a
process that does nothing. ``--spans`` also makes one user span in each step, of
which only the step's ids are our cost. Without a URL a new SQLite database (WAL) is used.
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS
from dbos._context import DBOSContext
from opentelemetry.sdk.trace import TracerProvider

from otel_bridge.instrumentation import DBOSInstrumentor

SETTLE_S = 0.5
"""Opening the ledger and the first beat happen once per process, not per step: wait for them."""
IDLE_S = 3.0
ARMS = ("plain", "instrumented", "plain again")
HOOKED = ("_start_span", "_end_span")


class Switch:
    """Puts the instrumentor's hooks around steps, or plain DBOS's methods, within microseconds."""

    def __init__(self) -> None:
        self._plain = {name: DBOSContext.__dict__[name] for name in HOOKED}
        DBOSInstrumentor().instrument()
        self._hooks = {name: DBOSContext.__dict__[name] for name in HOOKED}

    def to(self, on: bool) -> None:
        """Switch."""
        for name, method in (self._hooks if on else self._plain).items():
            setattr(DBOSContext, name, method)


def workflow_of(steps: int, *, spans: bool) -> Callable[[], None]:
    """Return a workflow that runs ``steps`` empty steps."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")

    @DBOS.step()
    def step() -> None:
        if spans:
            with tracer.start_as_current_span("call"):
                pass

    @DBOS.workflow()
    def run() -> None:
        for _ in range(steps):
            step()

    return run


def measure(switch: Switch, run: Callable[[], None], *, runs: int, steps: int) -> dict[str, list[float]]:
    """Return microseconds per step of every workflow, by arm."""
    costs: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for number in range(runs):
        for offset in range(len(ARMS)):
            arm = ARMS[(number + offset) % len(ARMS)]
            switch.to(arm == "instrumented")
            began = time.perf_counter()
            run()
            costs[arm].append((time.perf_counter() - began) / steps * 1e6)
    switch.to(True)
    return costs


def hooks_us(switch: Switch, *, calls: int = 20_000) -> float:
    """Return what entering and leaving a step costs more with the hooks on, with no step inside; best of ten."""
    context = DBOSContext()
    context.workflow_id = "bench"

    def step() -> None:
        context.start_step(1, {"name": "step", "operationType": "step"})
        context.end_step(None)

    best: dict[bool, float] = {}
    for on in (False, True):
        switch.to(on)
        best[on] = min(timeit.repeat(step, number=calls, repeat=10)) / calls * 1e6
    return best[True] - best[False]


def idle_cpu() -> float:
    """Return the share of a core that this process takes while nothing runs."""
    began = time.process_time()
    time.sleep(IDLE_S)
    return (time.process_time() - began) / IDLE_S


def report(costs: dict[str, list[float]]) -> None:
    """Print the comparison."""
    at: dict[str, Callable[[list[float]], float]] = {
        "tenth percentile": lambda values: statistics.quantiles(values, n=10)[0],
        "median": statistics.median,
    }
    for name, pick in at.items():
        plain, instrumented, again = (pick(costs[arm]) for arm in ARMS)
        print(f"{name:17} plain {plain:8.1f} us a step, instrumented {instrumented:8.1f}: ", end="")
        print(f"{instrumented / plain - 1:+.1%} (target: at most +3 %); plain again {again / plain - 1:+.1%}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--database-url")
    parser.add_argument("--spans", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="durable-bench-", ignore_cleanup_errors=True) as folder:
        config: Any = {"name": "bench", "application_version": "v1", "log_level": "ERROR"}
        config["system_database_url"] = url = options.database_url or new_database(Path(folder) / "bench.sqlite")
        DBOS(config=config)
        run = workflow_of(options.steps, spans=options.spans)
        DBOS.launch()
        logging.getLogger("dbos").setLevel(logging.ERROR)
        run()
        idle_before = idle_cpu()
        switch = Switch()
        time.sleep(SETTLE_S)
        idle_after = idle_cpu()
        costs = measure(switch, run, runs=options.runs, steps=options.steps)
        hooks = hooks_us(switch)
        switch.to(True)
        DBOSInstrumentor().uninstrument()
        DBOS.destroy()
    print(f"{options.runs} workflows of {options.steps} steps in each arm on {url.partition(':')[0]}")
    report(costs)
    share = hooks / statistics.median(costs["plain"])
    print(f"hooks alone: {hooks:.1f} us a step, {share:.2%} of the median plain step")
    print(f"presence in an idle process: {idle_after - idle_before:+.2%} of a core (DBOS itself: {idle_before:.2%})")


def new_database(path: Path) -> str:
    """Create a SQLite database in WAL mode; return its URL."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return f"sqlite:///{path}"


if __name__ == "__main__":
    main()

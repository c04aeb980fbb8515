"""What a step costs with the instrumentor, against plain DBOS, in the same process and interleaved.

    python examples/bench_instrumentor.py [--steps 100] [--rounds 40] [--database-url URL] [--spans]

Each round runs one workflow of ``--steps`` empty steps plain and one instrumented, in turns (ABBA), so that drift of
the machine falls on both alike; presence and the ledger are on and have begun when the clock starts. Prints the median
cost per step of both and their ratios, by the clock on the wall and by processor time (all threads), which other
programs on the machine disturb less; and what the hooks around a step cost by themselves, at best. ``--spans`` also
makes one user span in each step, of which only the step's ids are our cost. Without a URL a new SQLite database (WAL)
is used.
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

from dbos import DBOS
from dbos._context import DBOSContext
from opentelemetry.sdk.trace import TracerProvider

from otel_bridge.instrumentation import DBOSInstrumentor


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


SETTLE_S = 0.3
"""Opening the ledger and the first beat happen once per process, not per step: wait for them."""
Cost = tuple[float, float]
"""Microseconds per step: on the wall, of processor time."""


def cost_us(run: Callable[[], None], steps: int) -> Cost:
    """Return what one run costs per step."""
    began_wall, began_cpu = time.perf_counter(), time.process_time()
    run()
    ended_wall, ended_cpu = time.perf_counter(), time.process_time()
    return (ended_wall - began_wall) / steps * 1e6, (ended_cpu - began_cpu) / steps * 1e6


def measure(run: Callable[[], None], steps: int, rounds: int) -> tuple[list[Cost], list[Cost]]:
    """Return the costs of the plain and the instrumented runs, round by round."""
    plain: list[Cost] = []
    instrumented: list[Cost] = []

    def without() -> None:
        time.sleep(SETTLE_S)
        plain.append(cost_us(run, steps))

    def with_instrumentor() -> None:
        DBOSInstrumentor().instrument()
        time.sleep(SETTLE_S)
        instrumented.append(cost_us(run, steps))
        DBOSInstrumentor().uninstrument()

    run()
    for number in range(rounds):
        for part in (with_instrumentor, without) if number % 2 else (without, with_instrumentor):
            part()
    return plain, instrumented


def hooks_us(*, calls: int = 20_000) -> float:
    """Return what entering and leaving a step costs more with the instrumentor, with no step inside; at best of ten."""

    def best() -> float:
        context = DBOSContext()
        context.workflow_id = "bench"

        def step() -> None:
            context.start_step(1, {"name": "step", "operationType": "step"})
            context.end_step(None)

        return min(timeit.repeat(step, number=calls, repeat=10)) / calls * 1e6

    plain = best()
    DBOSInstrumentor().instrument()
    instrumented = best()
    DBOSInstrumentor().uninstrument()
    return instrumented - plain


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--database-url")
    parser.add_argument("--spans", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="durable-bench-", ignore_cleanup_errors=True) as folder:
        url = options.database_url
        if url is None:
            path = Path(folder) / "bench.sqlite"
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
            url = f"sqlite:///{path}"
        DBOS(config={"name": "bench", "system_database_url": url, "application_version": "v1", "log_level": "ERROR"})
        run = workflow_of(options.steps, spans=options.spans)
        DBOS.launch()
        logging.getLogger("dbos").setLevel(logging.ERROR)
        plain, instrumented = measure(run, options.steps, options.rounds)
        hooks = hooks_us()
        DBOS.destroy()
    print(f"{options.rounds} rounds of {options.steps} steps each way on {url.partition(':')[0]}")
    for index, name in enumerate(("wall clock", "processor time")):
        report(name, [cost[index] for cost in plain], [cost[index] for cost in instrumented])
    best = min(wall for wall, _ in plain)
    print(f"hooks alone: {hooks:.1f} us a step, {hooks / best:.2%} of the best plain step")


def report(name: str, plain: list[float], instrumented: list[float]) -> None:
    """Print one comparison."""
    ratios = [after / before for before, after in zip(plain, instrumented, strict=True)]
    of_medians = statistics.median(instrumented) / statistics.median(plain)
    print(f"{name}: plain {statistics.median(plain):.1f} us a step (best {min(plain):.1f}), ", end="")
    print(f"instrumented {statistics.median(instrumented):.1f} (best {min(instrumented):.1f})")
    print(f"    ratio of medians {of_medians:.4f}, median of ratios {statistics.median(ratios):.4f}, ", end="")
    print(f"of bests {min(instrumented) / min(plain):.4f} (target: at most 1.03)")


if __name__ == "__main__":
    main()

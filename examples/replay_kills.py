"""Kill workflows that open spans in their bodies at random places, recover them, and count what reached a collector.

    python -m examples.replay_kills [--kills 200] [--seed 1] [--styles plain,agents-sdk,pydantic-ai]

Each run is one process after another on one SQLite database: executed until a ``kill -9`` at a random moment, recovered
by the next process, one to four times, then left to end. Styles: ``plain`` is OpenTelemetry as written by hand,
``agents-sdk`` spans in the shape of the OpenAI Agents SDK, with tools called at the same time, ``pydantic-ai`` the real
library (pydantic-ai-slim) with its test model. Spans leave by the SDK's own OTLP exporter.

A run that nothing interrupts says what is to be there: ids, names and tokens are those of every other run of its style.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import select
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from examples.bench_instrumentor import new_database
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import DBOSInstrumentor
from otel_bridge.spans import ids

RUN_ID = "run"
TURNS = 4
TOKENS = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
_STEPS = {ids.step_span_id(RUN_ID, seq) for seq in range(200)}
Ask = Callable[[], Any]


# -- the workflows ----------------------------------------------------------------------------------------------


def plain() -> Ask:
    """Return a workflow of model calls and parsing, traced by hand."""
    tracer = trace.get_tracer("plain")

    @DBOS.step()
    def llm(turn: int) -> int:
        with tracer.start_as_current_span("POST /v1/chat"):
            time.sleep(0.02)
        return 100 + turn

    @DBOS.workflow()
    def agent() -> int:
        total = 0
        for turn in range(TURNS):
            with tracer.start_as_current_span("prepare"):
                time.sleep(0.005)
            with tracer.start_as_current_span("chat") as span:
                tokens = llm(turn)
                time.sleep(0.01)
                span.set_attributes({TOKENS[0]: tokens, TOKENS[1]: turn + 1})
            total += tokens
        return total

    return agent


def agents_sdk() -> Ask:
    """Return a workflow whose spans have the shape of the OpenAI Agents SDK's: one agent span around all turns."""
    tracer = trace.get_tracer("openai-agents")

    @DBOS.step()
    async def llm(turn: int) -> int:
        await asyncio.sleep(0.02)
        return 100 + turn

    @DBOS.step()
    async def tool(number: int) -> int:
        await asyncio.sleep(0.005 * (3 - number))
        return number

    async def call(number: int) -> int:
        with tracer.start_as_current_span("function"):
            found = await tool(number)
            with tracer.start_as_current_span("guardrail"):
                await asyncio.sleep(0.002)
            return found

    @DBOS.workflow()
    async def agent() -> None:
        with tracer.start_as_current_span("agent"):
            for turn in range(TURNS):
                with tracer.start_as_current_span("generation") as span:
                    tokens = await llm(turn)
                    await asyncio.sleep(0.01)
                    span.set_attributes({TOKENS[0]: tokens, TOKENS[1]: turn + 1})
                await asyncio.gather(*(call(number) for number in range(3)))

    async def main() -> None:
        with SetWorkflowID(RUN_ID):
            await agent()

    return lambda: asyncio.run(main())


def pydantic_ai() -> Ask:
    """Return a workflow that asks a real pydantic-ai agent, whose model and tools are DBOS steps."""
    from pydantic_ai import Agent
    from pydantic_ai.durable_exec.dbos import DBOSDurability
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.test import TestModel

    Agent.instrument_all(InstrumentationSettings())
    agent = Agent(TestModel(), name="assistant", capabilities=[DBOSDurability()])

    @agent.tool_plain
    @DBOS.step()
    async def weather(city: str) -> str:
        await asyncio.sleep(0.02)
        return f"sunny in {city}"

    @agent.tool_plain
    @DBOS.step()
    async def news(city: str) -> str:
        await asyncio.sleep(0.01)
        return f"none from {city}"

    @DBOS.workflow()
    async def ask() -> None:
        for turn in range(TURNS):
            await agent.run(f"question {turn}")
            await asyncio.sleep(0.01)

    async def main() -> None:
        with SetWorkflowID(RUN_ID):
            await ask()

    return lambda: asyncio.run(main())


STYLES: dict[str, Callable[[], Ask]] = {"plain": plain, "agents-sdk": agents_sdk, "pydantic-ai": pydantic_ai}


# -- one process of a run ----------------------------------------------------------------------------------------


def live(style: str, url: str, endpoint: str, *, first: bool, began: int) -> None:
    """Execute or recover the run in this process, to its end; write a byte to ``began`` when it begins."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)
    DBOSInstrumentor().instrument()
    config: Any = {"name": "replay-kills", "system_database_url": url, "application_version": "1", "executor_id": "w"}
    DBOS(config=config)
    ask = STYLES[style]()
    os.write(began, b".")
    DBOS.launch()
    if first and style == "plain":
        with SetWorkflowID(RUN_ID):
            ask()
    elif first:
        ask()
    else:
        DBOS.retrieve_workflow(RUN_ID).get_result()
    os._exit(0)


def one_life(style: str, url: str, endpoint: str, *, first: bool, kill_after_s: float | None) -> bool:
    """Fork a process for the run, and kill it after that long; return whether it was killed."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(readable)
            with Path(os.devnull).open("w") as null:
                os.dup2(null.fileno(), 2)
                live(style, url, endpoint, first=first, began=writable)
        finally:
            os._exit(1)
    os.close(writable)
    os.read(readable, 1)
    if kill_after_s is not None:  # the pipe closes when the process ends by itself
        ended, _, _ = select.select([readable], [], [], kill_after_s)
        if not ended:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(readable)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"A process of style {style} failed with {os.WEXITSTATUS(status)}.")
    return os.WIFSIGNALED(status)


# -- counting -----------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What a collector has of the body's spans of one run."""

    names: dict[bytes, str]
    copies: Counter[bytes]
    tokens: int
    unmarked: int
    """Copies beyond the first that do not say ``durable.replayed``."""


def body_spans(collector: FakeCollector) -> Found:
    """Return the spans that are not inside steps; tokens are counted once for each id, as a backend does it."""
    spans = {key[1]: span for key, span in collector.spans.items()}

    def in_step(span: Any) -> bool:
        while span is not None:
            if span.parent_span_id in _STEPS:
                return True
            span = spans.get(span.parent_span_id)
        return False

    names = {span_id: span.name for span_id, span in spans.items() if not in_step(span)}
    copies = Counter({span_id: collector.copies[key] for key in collector.spans if (span_id := key[1]) in names})
    marks = Counter(
        span.span_id
        for request in collector.requests
        for resource in request.message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if attributes(span).get("durable.replayed")
    )
    tokens = sum(int(attributes(spans[span_id]).get(key, 0)) for span_id in names for key in TOKENS)
    return Found(names, copies, tokens, sum(max(0, copies[one] - 1 - marks[one]) for one in copies))


@dataclass
class Tally:
    """One line of the table."""

    runs: int = 0
    kills: int = 0
    expected: int = 0
    missing: int = 0
    extra: int = 0
    copies: int = 0
    unmarked: int = 0
    sums_wrong: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, found: Found, reference: Found, *, kills: int, what: str) -> None:
        """Compare a run with the one that nothing interrupted."""
        self.runs, self.kills, self.expected = self.runs + 1, self.kills + kills, self.expected + len(reference.names)
        missing = reference.names.items() - found.names.items()
        extra = found.names.items() - reference.names.items()
        self.missing, self.extra = self.missing + len(missing), self.extra + len(extra)
        self.copies += sum(found.copies.values()) - len(found.copies)
        self.unmarked += found.unmarked
        self.sums_wrong += found.tokens != reference.tokens
        if missing or extra or found.tokens != reference.tokens:
            self.wrong.append(f"{what}: missing {sorted(n for _, n in missing)}, extra {sorted(n for _, n in extra)}")


HEADER = "style        runs  kills  body spans  missing  other ids  copies with the same id  unmarked  wrong sums"


def line(style: str, tally: Tally) -> str:
    """Return a line of the table."""
    return (
        f"{style:11} {tally.runs:5} {tally.kills:6} {tally.expected:11} {tally.missing:8} {tally.extra:10} "
        f"{tally.copies:24} {tally.unmarked:9} {tally.sums_wrong:11}"
    )


class Nursery:
    """A process without threads, in which everything is imported, that forks the others and waits for them."""

    def __init__(self) -> None:
        (self._in, child_out), (child_in, self._out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._in)
            os.close(self._out)
            self._serve(child_in, child_out)
        os.close(child_in)
        os.close(child_out)

    @staticmethod
    def _serve(read: int, write: int) -> None:
        with os.fdopen(read) as orders:
            for order in orders:
                style, url, endpoint, first, kill_after = order.rstrip("\n").split("\t")
                kill_after_s = float(kill_after) if kill_after else None
                killed = one_life(style, url, endpoint, first=first == "1", kill_after_s=kill_after_s)
                os.write(write, b"k" if killed else b"e")
        os._exit(0)

    def life(self, style: str, url: str, endpoint: str, *, first: bool, kill_after_s: float | None = None) -> bool:
        """See ``one_life``."""
        kill_after = "" if kill_after_s is None else f"{kill_after_s:.4f}"
        os.write(self._out, f"{style}\t{url}\t{endpoint}\t{int(first)}\t{kill_after}\n".encode())
        answer = os.read(self._in, 1)
        if not answer:
            raise SystemExit("The process that starts the others has ended; see its message above.")
        return answer == b"k"

    def close(self) -> None:
        """End it."""
        os.close(self._out)
        os.waitpid(self.pid, 0)
        os.close(self._in)


def measure(nursery: Nursery, style: str, *, kills: int, chance: random.Random, folder: Path) -> Tally:
    """Kill until there were that many kills; return the line of the table."""
    tally = Tally()
    with FakeCollector() as collector:
        began = time.monotonic()
        nursery.life(style, new_database(folder / f"{style}.sqlite"), collector.http_url, first=True)
        lasts_s = time.monotonic() - began
        reference = body_spans(collector)
        while tally.kills < kills:
            collector.clear()
            collector.spans.clear()
            url = new_database(folder / f"{style}-{tally.runs}.sqlite")
            killed = 0
            for _ in range(chance.choice((1, 2, 3, 4))):
                after_s = chance.uniform(0.02, 0.8 * lasts_s)
                first = not started(url)
                killed += nursery.life(style, url, collector.http_url, first=first, kill_after_s=after_s)
            nursery.life(style, url, collector.http_url, first=not started(url))
            tally.add(body_spans(collector), reference, kills=killed, what=f"{style} {tally.runs}")
    return tally


def started(url: str) -> bool:
    """Return whether the engine has the run."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        try:
            found = connection.execute("SELECT 1 FROM workflow_status WHERE workflow_uuid = ?", (RUN_ID,))
            return found.fetchone() is not None
        except sqlite3.OperationalError:  # killed before the engine made its tables
            return False


def run(*, kills: int, seed: int, styles: Sequence[str]) -> dict[str, Tally]:
    """Kill ``kills`` times in all; print and return the table."""
    if "pydantic-ai" in styles:
        import pydantic_ai.durable_exec.dbos  # noqa: F401 - once, not in each process
    nursery = Nursery()
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory(prefix="durable-kills-") as name:
        print(HEADER, flush=True)
        for style in styles:
            share = -(-kills // len(styles))
            chance = random.Random(f"{seed} {style}")
            tallies[style] = measure(nursery, style, kills=share, chance=chance, folder=Path(name))
            print(line(style, tallies[style]), flush=True)
    nursery.close()
    for tally in tallies.values():
        print(*tally.wrong, sep="\n", end="\n" if tally.wrong else "")
    return tallies


def main() -> None:
    """Parse the command line, and exit with 1 where anything is missing, double or summed up wrongly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--styles", default=",".join(STYLES))
    options = parser.parse_args()
    tallies = run(kills=options.kills, seed=options.seed, styles=options.styles.split(","))
    sys.exit(any(tally.wrong or tally.unmarked for tally in tallies.values()))


if __name__ == "__main__":
    main()

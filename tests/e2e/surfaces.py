"""Every surface on which one run is shown, over one real engine, for tests that compare them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from click.testing import CliRunner
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import StatusCode

from dashboard.cli.main import durable
from dashboard.client import DurableClient
from dashboard.live.subscription import Subscription
from examples.fake_collector import FakeCollector, attributes
from otel_bridge import OTelBridge
from otel_bridge.spans import semconv
from tests.actions.world import World
from tests.story import mounted, served
from tests.waiting import until


@dataclass(frozen=True)
class Shown:
    """What a surface says of a step."""

    name: str
    status: str
    duration_ms: int | None
    queue_ms: int | None


Steps = dict[int, Shown]


class Surfaces:
    """API, live events, graph, timeline, command line, spans and metrics over one database."""

    def __init__(self, url: str, directory: Path) -> None:
        self._stack = ExitStack()
        self.world = World(url, directory)
        self._stack.callback(self.world.close)
        self.collector = self._stack.enter_context(FakeCollector())
        self._reader = InMemoryMetricReader()
        meters = MeterProvider([self._reader])
        self._stack.callback(meters.shutdown)
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.http_url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        bridge = OTelBridge(url, housekeeping="all", meter_provider=meters, poll_interval_s=0.1, environ=environ)
        bridge.start()
        self._stack.callback(bridge.stop)
        app = self._stack.enter_context(mounted(url))
        self.base = f"http://127.0.0.1:{self._stack.enter_context(served(app))}/durable"
        self.client = self._stack.enter_context(DurableClient(self.base))
        self._hub = app.extensions["durable"].hub
        self._viewers: dict[str, Subscription] = {}
        self._heard: dict[str, list[dict[str, Any]]] = {}

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    # -- before a run ----------------------------------------------------------------------------------------------

    def listen(self, run_id: str) -> None:
        """Follow a run from its beginning."""
        self._viewers[run_id], _ = self._hub.subscribe(run_id=run_id)
        assert self._hub.wait_until_watching()
        self._heard[run_id] = []

    # -- what each says --------------------------------------------------------------------------------------------

    def detail(self, run_id: str) -> dict[str, Any]:
        """The run as the API answers."""
        found: dict[str, Any] = self.get(f"runs/{run_id}")
        return found

    def get(self, path: str) -> Any:
        """What the API answers."""
        answer = httpx.get(f"{self.base}/api/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, run_id: str) -> dict[str, Any]:
        """The run as the list has it."""
        found: dict[str, Any] = next(row for row in self.get(f"runs?q={quote(run_id)}") if row["id"] == run_id)
        return found

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """What was heard of the run live, so far."""
        self._heard[run_id] += [json.loads(message.json) for message in self._viewers[run_id].take(0)]
        return self._heard[run_id]

    def printed(self, *arguments: str) -> str:
        """What the command says."""
        clean = {"DURABLE_URL": self.base, "DURABLE_TOKEN": None, "DBOS_SYSTEM_DATABASE_URL": None}
        result = CliRunner().invoke(durable, arguments, env=clean, prog_name="durable")
        assert result.exit_code == 0, result.output
        return result.stdout

    def graph(self, run_id: str) -> dict[str, Any]:
        """The run as a graph, nothing stacked."""
        found: dict[str, Any] = self.get(f"runs/{run_id}/graph?expand=all")
        return found

    def spans(self, run_id: str) -> list[tuple[Any, Mapping[str, Any]]]:
        """The run's spans as the collector has them, each with its attributes."""
        reported = [(span, attributes(span)) for span in list(self.collector.spans.values())]
        return [(span, marks) for span, marks in reported if marks.get(semconv.RUN_ID) == run_id]

    def metric(self, name: str, wanted: Mapping[str, str]) -> list[Any]:
        """The points of a metric with these attributes."""
        data = self._reader.get_metrics_data()
        assert data is not None
        points = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        return [point for point in points if wanted.items() <= dict(point.attributes or {}).items()]

    # -- the same of each ------------------------------------------------------------------------------------------

    def steps(self, run_id: str) -> Iterator[tuple[str, Steps]]:
        """Yield each surface with what it says of the run's steps."""
        detail = self.detail(run_id)
        yield "timeline", {step["seq"]: _of(step, step["name"]) for step in detail["timeline"]}
        single = (self.get(f"runs/{run_id}/steps/{step['seq']}") for step in detail["timeline"])
        yield "step", {step["seq"]: _of(step, step["name"]) for step in single}
        wire = {step["seq"]: step["name"] for step in detail["timeline"]}
        nodes = [n for n in self.graph(run_id)["nodes"] if n["type"] == "step" and "attempt" not in n]
        for node in nodes:
            assert wire[node["seq"]].endswith(node["label"]), "the graph leaves out what kind of wait it is"
        yield "graph", {node["seq"]: _of(node, wire[node["seq"]]) for node in nodes}
        shown = json.loads(self.printed("show", run_id, "--json"))
        yield "command", {step["seq"]: _of(step, step["name"]) for step in shown["timeline"]}
        heard = [event for event in self.events(run_id) if event["type"] in ("step.completed", "step.failed")]
        yield "live", {event["seq"]: _of(event, event["name"]) for event in heard}
        spans = [(span, marks) for span, marks in self.spans(run_id) if semconv.STEP_SEQ in marks]
        yield "span", {marks[semconv.STEP_SEQ]: _of_span(span, marks) for span, marks in spans}

    def agree(self, run_id: str, wanted: Mapping[int, tuple[str, str]]) -> Steps:
        """Check that every surface says the same of an ended run's steps, to the millisecond; return what they say.

        Args:
            wanted: name and status of each step by ``seq``.
        """
        truth: Steps = {}

        def same() -> None:
            nonlocal truth
            truth = {}
            for surface, shown in self.steps(run_id):
                reported = {seq: (step.name, step.status) for seq, step in shown.items()}
                assert reported == dict(wanted), f"{surface}: {shown}"
                truth = truth or shown
                assert shown == truth, f"{surface} against the timeline"

        until(lambda: same() or True, what=f"all surfaces to agree on {run_id}", timeout_s=20, every_s=0.2)
        for seq, step in truth.items():
            self._counted(run_id, seq, step)
        return truth

    def agree_on_run(self, run_id: str) -> None:
        """Check that every surface says the same of an ended run: how it ended, how long it was queued and ran."""
        run, row = self.detail(run_id)["run"], self.listed(run_id)
        printed = json.loads(self.printed("show", run_id, "--json"))["run"]
        figures = ("status", "durationMs", "queueMs", "startedAt", "finishedAt")
        told = [[shown.get(figure) for figure in figures] for shown in (run, row, printed)]
        assert told[0] == told[1] == told[2]
        ends = [n["status"] for n in self.graph(run_id)["nodes"] if n["type"] == "end" and "attempt" not in n]
        assert ends == [run["status"]]
        end = f"run.{run['status']}"
        heard = until(
            lambda: [event for event in self.events(run_id) if event["type"] == end], what=f"{end} of {run_id}"
        )
        assert heard[-1]["durationMs"] == run["durationMs"]
        begun = [event for event in self.events(run_id) if event["type"] == "run.started"]
        assert begun[-1].get("queueMs") == begun[-1]["run"].get("queueMs") == run.get("queueMs"), f"{begun} {run}"

    def _counted(self, run_id: str, seq: int, step: Shown) -> None:
        """Check that the metric of step durations has the step, by name and status."""
        found = {marks[semconv.STEP_SEQ]: marks for _, marks in self.spans(run_id) if semconv.STEP_SEQ in marks}
        if semconv.STEP_HOUSEKEEPING in found[seq]:
            return
        kinds = {semconv.STEP_NAME: step.name, semconv.STEP_STATUS: step.status}
        points = until(
            lambda: self.metric(semconv.METRIC_STEP_DURATION, kinds),
            what=f"the metric of {step}",
        )
        least, most = min(point.min for point in points), max(point.max for point in points)
        assert step.duration_ms is not None
        assert least <= step.duration_ms / 1000 <= most


def _of(step: Mapping[str, Any], name: str) -> Shown:
    return Shown(name, step["status"], step.get("durationMs"), step.get("queueMs"))


def _of_span(span: Any, marks: Mapping[str, Any]) -> Shown:
    """A span of a remote step begins where the child was put on its queue."""
    status = marks[semconv.STEP_STATUS]
    is_error = span.status.code == StatusCode.ERROR.value
    assert is_error == (status in ("failed", "dead")), f"{span.name} is {status}; its span says {span.status.code}"
    lasted_ms = (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000
    queue_ms = marks.get(semconv.QUEUE_WAIT_MS)
    return Shown(span.name, status, lasted_ms - (queue_ms or 0), queue_ms)

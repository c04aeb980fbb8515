"""The files for deployment and tracing are well formed and name what exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml

from dashboard.read import prometheus
from dashboard.serve.app import ALIVE
from otel_bridge.extras import EXTRAS
from otel_bridge.spans import semconv
from tests.programs import ROOT

EXAMPLES = ROOT / "examples"
TRACING = EXAMPLES / "tracing"


def documents(path: Path) -> list[Any]:
    """Return every document of a YAML or JSON file."""
    text = path.read_text()
    return [json.loads(text)] if path.suffix == ".json" else list(yaml.safe_load_all(text))


FILES = sorted(p for kind in ("yaml", "json") for p in EXAMPLES.rglob(f"*.{kind}") if p.parent.name != "templates")
"""Templates of the Helm chart are files once they are rendered: see ``test_helm``."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_file_is_well_formed(path: Path) -> None:
    """It parses, and holds something."""
    assert all(documents(path))


def test_the_files_that_compose_mounts_exist() -> None:
    """Each volume of both compose files."""
    for name in ("compose-jaeger.yaml", "compose-grafana.yaml"):
        (compose,) = documents(TRACING / name)
        for service in compose["services"].values():
            for volume in service.get("volumes", ()):
                assert (TRACING / volume.partition(":")[0]).is_file(), volume


def test_jaegers_links_use_attributes_that_spans_carry() -> None:
    """``durable.run.id`` in spans; in traces only what Jaeger knows of a trace."""
    (settings,) = documents(TRACING / "jaeger-ui.json")
    for pattern in settings["linkPatterns"]:
        used = set(re.findall(r"#\{([^}]+)\}", pattern["url"]))
        allowed = {semconv.RUN_ID} if pattern["type"] == "tags" else {"traceID", "traceName", "duration"}
        assert used <= allowed
        assert pattern.get("key", semconv.RUN_ID) == semconv.RUN_ID


def test_the_grafana_dashboard_and_the_alerts_ask_for_metrics_that_exist() -> None:
    """Every metric and label in every query is one that the bridge or the metrics route has."""
    source = Path(prometheus.__file__).read_text()
    known = set(re.findall(r'"(durable_\w+)"', source))
    for name, value in vars(semconv).items():
        if name.startswith("METRIC_"):
            flat = value.replace(".", "_")
            suffixes = ("_seconds_bucket", "_seconds_count", "_seconds", "_total", "")
            known |= {flat + suffix for suffix in suffixes}
        elif isinstance(value, str):
            known.add(value.replace(".", "_"))
    (dashboard,) = documents(TRACING / "grafana" / "dashboard.json")
    (alerts,) = documents(TRACING / "grafana" / "alerts.yaml")
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    assert all(rule["annotations"].keys() == {"summary", "what"} for rule in rules)
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for rule in rules]
    assert len(queries) >= 20
    for query in queries:
        assert set(re.findall(r"durable_\w+", query)) <= known, query


def test_the_scaling_signal_is_served() -> None:
    """The autoscalers ask for metrics of the route ``metrics``."""
    source = Path(prometheus.__file__).read_text()
    for name in ("kubernetes.yaml", "keda.yaml"):
        for metric in re.findall(r"durable_\w+", (EXAMPLES / "deploy" / name).read_text()):
            assert f'"{metric}"' in source


def test_the_manifests_run_what_is_there() -> None:
    """Commands, modules and variables of the pods are ours."""
    manifests = documents(EXAMPLES / "deploy" / "kubernetes.yaml")
    pods = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]
        for item in manifests
        if item["kind"] == "Deployment"
    }
    assert set(pods) == {"reports-api", "reports-worker", "reports-bridge"}
    assert pods["reports-worker"]["command"] == ["python", "-m", "examples.api_and_worker.worker"]
    assert pods["reports-bridge"]["command"] == ["otel-bridge", "export"]
    assert "examples.deploy.app:create_app()" in pods["reports-api"]["command"]
    variables = {entry["name"] for pod in pods.values() for entry in pod["env"]}
    sources = [path for package in ("otel_bridge", "dashboard", "examples") for path in (ROOT / package).rglob("*.py")]
    read = "".join(path.read_text() for path in sources)
    assert {name for name in variables if name not in read} <= {"OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_the_container_runs_as_nobody_special_and_says_whether_it_lives() -> None:
    """Two stages, a user of its own, a health check that the standalone server answers; the installed extras exist."""
    text = (EXAMPLES / "container" / "Dockerfile").read_text()
    assert len(re.findall(r"^FROM ", text, re.M)) == 2
    assert re.search(r"^USER 10001$", text, re.M)
    assert "/healthz" in text
    assert ALIVE == "/healthz"
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', text)
    assert set(extras.split(",")) <= EXTRAS.keys()
    assert re.search(r'^ENTRYPOINT \["durable"\]$', text, re.M)


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("compose*.yaml")), ids=lambda path: path.parent.name + path.stem)
def test_compose_files_are_what_the_compose_specification_takes(path: Path) -> None:
    """Every field and its type, by a parser of the specification; what the services need of one another is there."""
    (content,) = documents(path)
    parsed = compose_spec.PyCompose.from_json(json.dumps(content))
    parsed.validate()
    services = set(parsed.service_names())
    assert services == content["services"].keys()
    for service in content["services"].values():
        assert set(service.get("depends_on", ())) <= services


def test_a_compose_file_with_a_field_of_nobodys_is_refused() -> None:
    """So the test above can fail."""
    (content,) = documents(EXAMPLES / "container" / "compose.yaml")
    content["services"]["worker"]["volume"] = []
    with pytest.raises(ValueError, match="volume"):
        compose_spec.PyCompose.from_json(json.dumps(content))


def test_the_compose_file_builds_and_mounts_what_is_there() -> None:
    """Dockerfile, volumes and modules exist; nothing listens beyond this machine."""
    (compose,) = documents(EXAMPLES / "container" / "compose.yaml")
    for service in compose["services"].values():
        if "build" in service:
            assert (EXAMPLES / "container" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        for volume in service.get("volumes", ()):
            assert (EXAMPLES / "container" / volume.partition(":")[0]).exists()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert compose["services"]["worker"]["entrypoint"] == ["python", "-m", "examples.api_and_worker.worker"]

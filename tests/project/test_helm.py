"""The Helm chart: rendered by Helm's own engine, and what comes out checked against Kubernetes' own schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

import dashboard.cli.serving
from tests.programs import ROOT

CHART = ROOT / "examples" / "helm" / "durable-dashboard"
FULL: dict[str, Any] = {
    "image": {"tag": "1.2"},
    "replicas": 3,
    "tokens": {"secret": "t", "operatorKey": "o", "viewerKey": ""},
    "publicUrl": "https://ops.example.com/durable",
    "traceUrl": "jaeger:https://jaeger.example.com",
    "otlpEndpoint": "http://collector:4318",
    "redact": ["password", "*token*"],
    "args": ["--recover"],
    "env": [{"name": "DURABLE_TITLE", "value": 'Orders: "live"'}],
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "ops.example.com",
        "tlsSecret": "tls",
        "annotations": {"a": "b"},
    },
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}


def rendered(values: dict[str, Any] | None = None, name: str = "ops") -> dict[str, dict[str, Any]]:
    """Return the manifests by kind."""
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(values or {}, name=name, namespace="durable")
    found = [one for text in files.values() if "apiVersion" in text for one in yaml.safe_load_all(text) if one]
    return {one["kind"]: one for one in found}


@pytest.mark.parametrize("values", [{}, FULL], ids=["as it comes", "everything set"])
@pytest.mark.parametrize("version", ["1.25", "1.31", "1.34"])
def test_what_the_chart_renders_is_what_kubernetes_takes(values: dict[str, Any], version: str) -> None:
    """Strictly: a field that the API does not know is an error."""
    manifests = rendered(values)
    assert manifests.keys() == {"Deployment", "Service"} | ({"Ingress"} if values else set())
    for manifest in manifests.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_linter_of_helm_finds_nothing() -> None:
    """Neither errors nor warnings; an icon is a matter of taste."""
    findings = helm_python.lint(str(CHART))
    assert [one for one in _messages(findings) if "icon" not in one] == []


def _messages(findings: Any) -> Iterator[str]:
    for one in findings.get("messages", findings) if isinstance(findings, dict) else findings:
        yield json.dumps(one) if isinstance(one, dict) else str(one)


def test_a_value_that_the_chart_does_not_know_is_refused() -> None:
    """A typing error in a values file is no silent default."""
    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(FULL)
        for wrong in ({"replica": 2}, {"replicas": 0}, {"publicUrl": "ops.example.com"}, {"tokens": {"secret": ""}}):
            with pytest.raises(helm_python.HelmError):
                chart.validate_schema(wrong)


def test_its_pods_run_durable_serve_as_it_is() -> None:
    """Every variable that a pod is given is one that an option of ``durable serve`` reads; secrets stay in secrets."""
    options = dashboard.cli.serving.serve.params
    known = {str(option.envvar) for option in options if option.envvar} | {"OTEL_EXPORTER_OTLP_ENDPOINT"}
    known |= {"DBOS_SYSTEM_DATABASE_URL"}
    for values in ({}, FULL):
        pod = rendered(values)["Deployment"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        given = {entry["name"]: entry for entry in container["env"]}
        assert given.keys() <= known
        for name in ("DBOS_SYSTEM_DATABASE_URL", "DURABLE_OPERATOR_TOKEN"):
            assert "valueFrom" in given[name]
        assert container["args"] == ["serve", *values.get("args", [])]
        assert pod["securityContext"]["runAsUser"] == 10001  # the image's own
    assert given["DURABLE_REDACT"]["value"] == "password *token*"
    assert "DURABLE_VIEWER_TOKEN" not in given
    assert given["DURABLE_TITLE"]["value"] == 'Orders: "live"'

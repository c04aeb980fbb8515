"""An input that is sent back with what redaction put in it is refused; what a person wrote is not."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.actions.placeholders import refuse_placeholders
from dashboard.errors import Unprocessable
from otel_bridge.codec import WITHHELD, Codec, redact_keys
from otel_bridge.model.values import StoredValue
from tests.actions.world import World
from tests.story import mounted

TEXT = '{"positionalArgs": [{"card_token": "tok_1", "note": "[redacted]?"}], "namedArgs": {}}'
STORED = StoredValue(text=TEXT, serialization="portable_json", size_bytes=len(TEXT))
KEYS = Codec(redact=redact_keys(["*token*"]))


def masked(value: Any) -> Any:
    """A hook of the application's own, with a placeholder of its own."""
    if isinstance(value, dict):
        return {key: "***" if "token" in key else masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("given", "codec"),
    [
        ({"args": [{"card_token": "[redacted]"}], "kwargs": {}}, KEYS),
        ([{"other": "pin=[redacted] and more"}], KEYS),
        ([[["deep", WITHHELD]]], KEYS),
        ([{"card_token": "***"}], Codec(redact=masked)),
    ],
)
def test_a_placeholder_that_is_sent_back_is_refused_with_its_place(given: Any, codec: Codec) -> None:
    """Ours and that of the application's own hook, wherever it was put."""
    with pytest.raises(Unprocessable, match=r"still holds .* at input.*Write the real value in its place"):
        refuse_placeholders(given, STORED, codec=codec)


@pytest.mark.parametrize(
    ("given", "codec"),
    [
        ([{"card_token": "tok_2", "note": "[redacted]?"}], KEYS),  # the note says so in the original
        ([{"card_token": "[redacted]"}], Codec()),  # nothing is redacted here
        (None, KEYS),
        ([{"card_token": "tok_2"}], Codec(redact=masked)),
    ],
)
def test_what_a_person_wrote_is_accepted(given: Any, codec: Codec) -> None:
    """A text that the original holds is not a placeholder."""
    refuse_placeholders(given, STORED, codec=codec)


def test_a_retry_with_the_input_as_it_was_shown_starts_nothing(world: World) -> None:
    """Over HTTP, with a real run: the answer says where, and no run is made."""
    world.start("plain", {"card_token": "tok_1", "amount": 5}, run_id="hidden-1")
    world.reaches("hidden-1", "completed")
    with mounted(world.url, redact=redact_keys(["*token*"])) as app:
        client = app.test_client()
        shown = client.get("/durable/api/runs/hidden-1/payload/input?exact=true").get_json()
        refused = client.post("/durable/api/runs/hidden-1/retry-with-input", json={"input": shown})
        assert refused.status_code == 422
        assert "'[redacted]' at input.args[0].card_token" in refused.get_json()["detail"]
        shown["args"][0]["card_token"] = "tok_2"
        started = client.post("/durable/api/runs/hidden-1/retry-with-input", json={"input": shown})
        assert started.status_code == 201
        world.reaches(started.get_json()["runId"], "completed")
        assert world.output(started.get_json()["runId"]) == {"card_token": "tok_2", "amount": 5}

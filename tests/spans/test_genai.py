"""Model calls are read from what steps returned, by the class of each library's answer, and nothing is unpickled."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import pytest

from otel_bridge import OTelBridge
from otel_bridge.codec import decode
from otel_bridge.model.values import StoredValue
from otel_bridge.spans.genai import model_call
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.otlp.samples import ListTransport


def shown(class_name: str, /, **state: Any) -> dict[str, Any]:
    """Return an object as the codec shows it."""
    return {"$class": class_name, "$state": state}


USAGE = {"input_tokens": 51, "output_tokens": 4}
TOKENS = {"gen_ai.usage.input_tokens": 51, "gen_ai.usage.output_tokens": 4}
ANSWERS = [
    (
        shown(
            "pydantic_ai.messages.ModelResponse",
            parts=[shown("pydantic_ai.messages.ToolCallPart", tool_name="weather", args={})],
            usage=shown("pydantic_ai.usage.RequestUsage", **USAGE),
            model_name="gpt-4o", provider_name="openai", finish_reason="tool_call", provider_response_id="c-1",
        ),
        {
            "gen_ai.provider.name": "openai", "gen_ai.response.model": "gpt-4o", "gen_ai.response.id": "c-1",
            "gen_ai.response.finish_reasons": ("tool_call",), "durable.gen_ai.tool_calls": ("weather",), **TOKENS,
        },
    ),
    (
        shown(
            "agents.items.ModelResponse",
            output=[shown("openai.types.responses.ResponseFunctionToolCall", type="function_call", name="weather")],
            usage=shown("agents.usage.Usage", requests=1, total_tokens=55, **USAGE), response_id="resp-1",
        ),
        {
            "gen_ai.provider.name": "openai", "gen_ai.response.id": "resp-1",
            "durable.gen_ai.tool_calls": ("weather",), **TOKENS,
        },
    ),
    (
        shown(
            "openai.types.chat.chat_completion.ChatCompletion", id="c-1", model="gpt-4o",
            choices=[{"finish_reason": "stop", "message": {"tool_calls": None}}],
            usage=shown("openai.types.completion_usage.CompletionUsage", prompt_tokens=51, completion_tokens=4),
        ),
        {
            "gen_ai.response.model": "gpt-4o", "gen_ai.response.id": "c-1",
            "gen_ai.response.finish_reasons": ("stop",), **TOKENS,
        },
    ),
    (
        shown(
            "anthropic.types.message.Message", id="m-1", model="claude", stop_reason="tool_use",
            content=[{"type": "tool_use", "name": "weather"}], usage=USAGE,
        ),
        {
            "gen_ai.provider.name": "anthropic", "gen_ai.response.model": "claude", "gen_ai.response.id": "m-1",
            "gen_ai.response.finish_reasons": ("tool_use",), "durable.gen_ai.tool_calls": ("weather",), **TOKENS,
        },
    ),
    (
        {
            "messages": [
                shown("langchain_core.messages.human.HumanMessage", content="hi"),
                shown(
                    "langchain_core.messages.ai.AIMessage", id="run-1", usage_metadata=USAGE,
                    response_metadata={"model_name": "gpt-4o", "finish_reason": "stop"},
                    tool_calls=[{"name": "weather", "args": {}}],
                ),
            ]
        },
        {
            "gen_ai.response.model": "gpt-4o", "gen_ai.response.id": "run-1",
            "gen_ai.response.finish_reasons": ("stop",), "durable.gen_ai.tool_calls": ("weather",), **TOKENS,
        },
    ),
    (
        shown(
            "llama_index.core.base.llms.types.ChatResponse",
            raw={"model": "llama", "usage": {"prompt_tokens": 51, "completion_tokens": 4}},
        ),
        {"gen_ai.response.model": "llama", **TOKENS},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("value", "wanted"), ANSWERS, ids=[str(number) for number in range(len(ANSWERS))])
def test_the_answer_of_each_library_is_recognised(value: object, wanted: dict[str, Any]) -> None:
    """Model, tokens, finish reason and tools, as far as the library keeps them."""
    assert model_call(value) == {"gen_ai.operation.name": "chat", **wanted}


@pytest.mark.parametrize(
    "value",
    [
        None, 3, "text", [], {}, {"messages": []}, {"messages": "no"}, {"usage": USAGE},
        shown("app.models.ModelResponse", usage=USAGE),
        shown("pydantic_ai.run.AgentRunResult", usage=USAGE), shown("openai.types.chat.ChatCompletion"),
        {"$class": "agents.items.ModelResponse"}, {"$class": 3, "$state": []},
        shown("anthropic.types.Message", usage=7, content=3),
        shown("langchain_core.messages.ai.AIMessage", usage_metadata={"input_tokens": "many"}, tool_calls="x"),
    ],
)  # fmt: skip
def test_what_is_not_a_model_call_or_damaged_has_no_attributes(value: object) -> None:
    """Of another class, without what counts, or of a shape that nobody writes: never an error, never half a call."""
    assert model_call(value).keys() <= {"gen_ai.operation.name", "gen_ai.provider.name"}
    assert "gen_ai.usage.input_tokens" not in model_call(value)


def stored(value: object) -> StoredValue:
    """Return a value as DBOS stores it."""
    text = base64.b64encode(pickle.dumps(value)).decode()
    return StoredValue(text=text, serialization="py_pickle", size_bytes=len(text))


def test_the_real_answer_of_pydantic_ai_is_recognised_in_its_pickle() -> None:
    """As the installed version makes it, whatever it adds beside."""
    messages = pytest.importorskip("pydantic_ai.messages")
    usage = pytest.importorskip("pydantic_ai.usage")
    answer = messages.ModelResponse(
        parts=[messages.ToolCallPart("weather", {"city": "Oslo"})],
        usage=usage.RequestUsage(**USAGE),
        model_name="gpt-4o",
        finish_reason="tool_call",
    )
    found = model_call(decode(stored(answer)).json)
    assert found["gen_ai.response.model"] == "gpt-4o"
    assert {key: found[key] for key in TOKENS} == TOKENS
    assert found["durable.gen_ai.tool_calls"] == ("weather",)


@pytest.mark.parametrize("gen_ai", [False, True])
def test_the_spans_of_steps_say_what_a_model_used_where_that_is_wanted(gen_ai: bool) -> None:
    """On the step that called it, and on no other; off by default, for each step's result is read."""
    store, ledger, transport = MemoryStateStore(), MemoryLedger(), ListTransport()
    at = store.now_ms()
    store.put_run(make_run("r", status="completed", created_at_ms=at, finished_at_ms=at + 90))
    for seq, value in enumerate(['{"plain": 1}', '{"$class": "agents.items.ModelResponse"}'], start=1):
        store.put_step(make_step("r", seq, started_at_ms=at, output=StoredValue(value, "portable_json", len(value))))
    messages = pytest.importorskip("pydantic_ai.messages")
    usage = pytest.importorskip("pydantic_ai.usage")
    answer = stored(messages.ModelResponse(parts=[], usage=usage.RequestUsage(**USAGE), model_name="gpt-4o"))
    store.put_step(make_step("r", 3, started_at_ms=at, output=answer))
    bridge = OTelBridge(store, ledger=ledger, exporter=transport, start_from="beginning", gen_ai=gen_ai, environ={})
    bridge.run_once()
    bridge.stop()
    store.close()
    counted = {span.seq: span.attributes.get("gen_ai.usage.input_tokens") for span in transport.spans}
    assert counted == {None: None, 1: None, 2: None, 3: 51 if gen_ai else None}

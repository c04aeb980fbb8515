"""Model calls, recognised in what steps returned. Pure: reads the codec's JSON, never the objects themselves.

A step that calls a model returns its library's answer, and DBOS stores that. Each recogniser knows the answer of one
library by its class, which the codec shows as ``$class``, and reads model, tokens, finish reason and the tools that
were asked for. Nothing is unpickled, and no library need be installed. What holds many answers (the result of a whole
agent run) is not a model call: its tokens are counted at the steps.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from otel_bridge.spans.model import AttributeValue

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"
TOOL_CALLS = "durable.gen_ai.tool_calls"
"""Names of the tools that the model asked for; no convention has a name for that."""

Found = dict[str, AttributeValue]
Recogniser = Callable[[Mapping[str, object]], Found]


def model_call(value: object) -> Found:
    """Return the ``gen_ai.*`` attributes of a step's result, as the codec shows it; empty where no model gave it.

    >>> model_call({"$class": "openai.types.chat.chat_completion.ChatCompletion", "$state": {"model": "gpt-4o"}})
    {'gen_ai.operation.name': 'chat', 'gen_ai.response.model': 'gpt-4o'}
    """
    answer = _last_message(value)
    name, state = _object(answer)
    for prefix, class_name, recognise in _RECOGNISERS:
        if name.startswith(prefix) and name.rpartition(".")[2] == class_name:
            found = recognise(state)
            return {OPERATION: "chat", **found} if found else {}
    return {}


def _last_message(value: object) -> object:
    """Return what a LangGraph node added to its graph's messages last; any other value as it is."""
    if isinstance(value, Mapping) and "$class" not in value:
        messages = value.get("messages")
        if isinstance(messages, Sequence) and not isinstance(messages, str) and messages:
            return messages[-1]
    return value


def _pydantic_ai(state: Mapping[str, object]) -> Found:
    """``pydantic_ai.messages.ModelResponse``"""
    tools = [_text(part.get("tool_name")) for part in _states(state.get("parts")) if part.get("tool_name")]
    return _found(
        provider=state.get("provider_name"),
        model=state.get("model_name"),
        answer_id=state.get("provider_response_id"),
        usage=state.get("usage"),
        reasons=[state.get("finish_reason")],
        tools=tools,
    )


def _agents_sdk(state: Mapping[str, object]) -> Found:
    """``agents.items.ModelResponse`` of the OpenAI Agents SDK, which does not keep the model's name."""
    outputs = list(_states(state.get("output")))
    tools = [output.get("name") for output in outputs if output.get("type") == "function_call"]
    return _found(provider="openai", answer_id=state.get("response_id"), usage=state.get("usage"), tools=tools)


def _openai_chat(state: Mapping[str, object]) -> Found:
    """``openai.types.chat.ChatCompletion``"""
    choices = list(_states(state.get("choices")))
    messages = [_object(choice.get("message"))[1] for choice in choices]
    calls = [call for message in messages for call in _states(message.get("tool_calls"))]
    return _found(
        model=state.get("model"),
        answer_id=state.get("id"),
        usage=state.get("usage"),
        reasons=[choice.get("finish_reason") for choice in choices],
        tools=[_object(call.get("function"))[1].get("name") for call in calls],
    )


def _openai_response(state: Mapping[str, object]) -> Found:
    """``openai.types.responses.Response``"""
    outputs = list(_states(state.get("output")))
    tools = [output.get("name") for output in outputs if output.get("type") == "function_call"]
    model, answer_id = state.get("model"), state.get("id")
    return _found(
        model=model, answer_id=answer_id, usage=state.get("usage"), reasons=[state.get("status")], tools=tools
    )


def _anthropic(state: Mapping[str, object]) -> Found:
    """``anthropic.types.Message``"""
    tools = [block.get("name") for block in _states(state.get("content")) if block.get("type") == "tool_use"]
    return _found(
        provider="anthropic",
        model=state.get("model"),
        answer_id=state.get("id"),
        usage=state.get("usage"),
        reasons=[state.get("stop_reason")],
        tools=tools,
    )


def _langchain(state: Mapping[str, object]) -> Found:
    """``langchain_core.messages.ai.AIMessage``, which LangGraph's nodes return."""
    about = _object(state.get("response_metadata"))[1]
    return _found(
        provider=about.get("model_provider"),
        model=about.get("model_name") or about.get("model"),
        answer_id=state.get("id"),
        usage=state.get("usage_metadata"),
        reasons=[about.get("finish_reason") or about.get("stop_reason")],
        tools=[call.get("name") for call in _states(state.get("tool_calls"))],
    )


def _llama_index(state: Mapping[str, object]) -> Found:
    """``llama_index…ChatResponse`` and ``CompletionResponse``, which keep the provider's own answer as ``raw``."""
    raw = state.get("raw")
    found = model_call(raw)
    found.pop(OPERATION, None)
    kept = _object(raw)[1]
    extra = _object(state.get("additional_kwargs"))[1]
    usage = kept.get("usage") or kept.get("usage_metadata") or extra
    return found or _found(model=kept.get("model"), answer_id=kept.get("id"), usage=usage)


_RECOGNISERS: tuple[tuple[str, str, Recogniser], ...] = (
    ("pydantic_ai.", "ModelResponse", _pydantic_ai),
    ("agents.", "ModelResponse", _agents_sdk),
    ("openai.types.chat.", "ChatCompletion", _openai_chat),
    ("openai.types.chat.", "ParsedChatCompletion", _openai_chat),
    ("openai.types.responses.", "Response", _openai_response),
    ("openai.types.responses.", "ParsedResponse", _openai_response),
    ("anthropic.types.", "Message", _anthropic),
    ("langchain_core.messages.", "AIMessage", _langchain),
    ("llama_index.", "ChatResponse", _llama_index),
    ("llama_index.", "CompletionResponse", _llama_index),
)


def _found(
    *,
    provider: object = None,
    model: object = None,
    answer_id: object = None,
    usage: object = None,
    reasons: Sequence[object] = (),
    tools: Sequence[object] = (),
) -> Found:
    """Return the attributes that there are; what has another type than it should is left out."""
    found: Found = {}
    for key, value in ((PROVIDER, provider), (RESPONSE_MODEL, model), (RESPONSE_ID, answer_id)):
        if isinstance(value, str) and value:
            found[key] = value
    ended = tuple(reason for reason in reasons if isinstance(reason, str) and reason)
    if ended:
        found[FINISH_REASONS] = ended
    counts = _object(usage)[1]
    for key, names in (
        (INPUT_TOKENS, ("input_tokens", "prompt_tokens")),
        (OUTPUT_TOKENS, ("output_tokens", "completion_tokens")),
    ):
        count = next((counts[name] for name in names if name in counts), None)
        if isinstance(count, int) and not isinstance(count, bool):
            found[key] = count
    called = tuple(tool for tool in tools if isinstance(tool, str) and tool)
    if called:
        found[TOOL_CALLS] = called
    return found


def _object(value: object) -> tuple[str, Mapping[str, object]]:
    """Return the class and members of an object as the codec shows it; a plain mapping has no class."""
    if not isinstance(value, Mapping):
        return "", {}
    name, state = value.get("$class"), value.get("$state")
    if not isinstance(name, str):
        return "", value
    return name, state if isinstance(state, Mapping) else {}


def _states(values: object) -> Iterator[Mapping[str, object]]:
    """Yield the members of each object of a list."""
    if isinstance(values, Sequence) and not isinstance(values, str):
        for value in values:
            yield _object(value)[1]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

"""Nothing that a value holds is executed, and nothing takes long or much memory."""

from __future__ import annotations

import base64
import builtins
import json
import os
import pickle
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_bridge.codec import PREVIEW, WHOLE, Decoded, decode, decode_error, decode_input
from otel_bridge.model.values import StoredValue

from .helpers import cut, from_bytes, pickled, stored

MEGABYTE = 1024 * 1024


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def everything(value: StoredValue) -> Decoded:
    """Decode in every way; the answer must be JSON. Returns the plain one."""
    decoded = decode(value)
    json.dumps([decoded.json, decode_input(value).json], allow_nan=False).encode()
    error = decode_error(value)
    json.dumps([error.message, error.type, error.code, error.stack])
    return decoded


def test_a_command_in_a_pickle_is_shown_and_not_run(tmp_path: Path) -> None:
    """``__reduce__`` says what to call; nobody calls it. Unpickling the same value does run it."""
    target = tmp_path / "made-by-the-pickle"
    value = pickled(Command(target))
    assert everything(value).json == {"$class": "posix.system", "$value": f"touch {target}"}
    assert not target.exists()
    pickle.loads(base64.b64decode(value.text))
    assert target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch x'\ntR.",
        b"(S'touch x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch x'\no.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x07touch x\x85\x81.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x07touch x\x85}\x92.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031/0\x85R}\x8c\x01a\x4b\x01sb.",
        b"cno_such_module_of_anybody\nf\n)R.",
        b"\x80\x02\x82\x01.",
        b"Pfile:///etc/passwd\n.",
        b"\x80\x04\x8c\x01iQ.",
    ],
)
def test_no_instruction_imports_or_calls(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """GLOBAL, INST, OBJ, NEWOBJ, NEWOBJ_EX, REDUCE, BUILD, extension codes and persistent ids stay words."""
    imported: list[str] = []
    real_import = builtins.__import__

    def spy(name: str, *rest: Any, **more: Any) -> Any:
        imported.append(name)
        return real_import(name, *rest, **more)

    monkeypatch.setattr(os, "system", lambda command: pytest.fail("it ran"))
    monkeypatch.setattr(builtins, "eval", lambda *_: pytest.fail("it ran"))
    value = from_bytes(data)
    decode(value)
    builtins.__import__ = spy
    try:
        decoded = decode(value)
    finally:
        builtins.__import__ = real_import
    assert imported == []
    assert decoded.complete, decoded.problem


def test_the_codec_never_loads_pickle_nor_user_code() -> None:
    """A process that decodes a pickle has not even imported ``pickle``, nor the value's module."""
    value = from_bytes(b"\x80\x04\x8c\x09wsgiref.x\x8c\x01C\x93)\x81.")
    script = (
        "import sys; from otel_bridge.codec import decode; from otel_bridge.model.values import StoredValue\n"
        f"print(decode(StoredValue({value.text!r}, 'py_pickle', {value.size_bytes})).json)\n"
        "print(sorted({'pickle', '_pickle', 'wsgiref', 'dbos', 'flask'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["{'$class': 'wsgiref.x.C'}", "[]"]


# -- size and depth -------------------------------------------------------------------------------------------------


def peak_bytes() -> int:
    """The most memory this process has had since the kernel was last told to forget (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def bounded(value: StoredValue, *, seconds: float = 4.0, megabytes: float = 64) -> Decoded:
    """Decode, and fail if that took long (processor time) or much memory beside the value itself."""
    Path("/proc/self/clear_refs").write_text("5")
    before, began = peak_bytes(), time.thread_time()
    decoded = decode(value)
    took, peak = time.thread_time() - began, peak_bytes() - before
    assert took < seconds
    assert peak < megabytes * MEGABYTE
    assert len(json.dumps(decoded.json)) < 20 * MEGABYTE
    return decoded


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_ten_thousand_deep_is_shown_down_to_the_limit(depth: int) -> None:
    """Lists, dicts and JSON; in pickles and without recursion."""
    deep = [
        from_bytes(b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."),
        from_bytes(b"\x80\x04" + b"}\x8c\x01k" * depth + b"N" + b"s" * depth + b"."),
        from_bytes(b"\x80\x04" + b"(" * depth + b"t" * depth + b"."),
        stored("[" * depth + "]" * depth, "portable_json"),
        stored('{"k":' * depth + "1" + "}" * depth, "portable_json"),
        stored('{"json":' + "[" * depth + "]" * depth + ',"__dbos_serializer":"superjson"}', "js_superjson"),
    ]
    for value in deep:
        decoded = bounded(value)
        assert "$cut" in json.dumps(decoded.json)
        assert decoded.truncated
        assert not decoded.raw


def test_instances_nested_deeply_stay_encodable() -> None:
    """Each object costs two levels of JSON; the encoder must still manage."""
    depth = 5_000
    data = b"\x80\x04\x8c\x01a\x8c\x01B\x93\x94" + b"h\x00)\x81" * depth + b"b" * (depth - 1) + b"."
    assert "$cut" in json.dumps(bounded(from_bytes(data)).json)


def head(data: bytes) -> str:
    assert len(data) % 3 == 0
    return base64.b64encode(data).decode()


BIG = 200 * MEGABYTE


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: head(b"\x80\x04X" + struct.pack("<I", BIG) + b"AA") + "QUFB" * (BIG // 4), id="text"),
        pytest.param(lambda: head(b"\x80\x04B" + struct.pack("<I", BIG) + b"AA") + "QUFB" * (BIG // 4), id="bytes"),
        pytest.param(lambda: head(b"\x80\x04](NN") + "SwFLAUsB" * (BIG // 8), id="integers"),
        pytest.param(lambda: head(b"\x80\x04]") + "XV1d" * (BIG // 4), id="lists"),
        pytest.param(lambda: head(b"\x80\x04](NN") + "jAFhjAFi" * (BIG // 8), id="strings"),
        pytest.param(lambda: head(b"\x80\x04](NN") + "KCgo" * (BIG // 4), id="marks"),
    ],
)
def test_two_hundred_megabytes_of_pickle_take_little_time_and_memory(make: Callable[[], str]) -> None:
    """Only what is shown is decoded; the rest of the text is not even looked at."""
    text = make()
    decoded = bounded(StoredValue(text, "py_pickle", len(text)))
    assert decoded.truncated
    assert not decoded.raw


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: "[" + "1," * (BIG // 2) + "1]", id="integers"),
        pytest.param(lambda: '"' + "x" * BIG + '"', id="text"),
        pytest.param(lambda: '["' + '\\"' * (BIG // 2) + '"]', id="escapes"),
        pytest.param(lambda: "[" * BIG, id="lists"),
        pytest.param(lambda: "1" * BIG, id="digits"),
        pytest.param(lambda: " " * BIG, id="blanks"),
    ],
)
def test_two_hundred_megabytes_of_json_take_little_time_and_memory(make: Callable[[], str]) -> None:
    """Large JSON is read by a reader of our own, which stops at the limits."""
    text = make()
    assert bounded(StoredValue(text, "portable_json", len(text))).truncated


def test_billion_laughs_are_bounded() -> None:
    """A small pickle whose memo makes it huge when written out."""
    data = b"\x80\x04]\x94" + b"".join(
        b"](" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"e\x94" for level in range(100)
    )
    decoded = bounded(from_bytes(data + b"."))
    assert decoded.truncated


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"\x80\x04\x95" + b"\xff" * 8 + b"K\x07.", 7),
        (b"\x80\x04\x8b\xff\xff\xff\x7f" + b"\x01" * 9, {"$int": "an integer of 2147483647 bytes"}),
    ],
)
def test_lengths_are_not_believed(data: bytes, shown: Any) -> None:
    """A frame's length is a hint; an absurd integer is told by its length."""
    assert everything(from_bytes(data)).json == shown


@pytest.mark.parametrize(
    "code", [b"X\xff\xff\xff\x7f", b"\x8d" + b"\xff" * 8, b"B\xff\xff\xff\x7f", b"\x8e" + b"\xff" * 8]
)
def test_a_string_longer_than_the_value_shows_what_is_there(code: bytes) -> None:
    """Nothing is allocated for a length that the value does not have."""
    decoded = bounded(from_bytes(b"\x80\x04" + code + b"hello"), megabytes=8)
    assert "hello" in str(decoded.json) or "aGVsbG8=" in str(decoded.json)
    assert not decoded.complete


@pytest.mark.parametrize(
    "data",
    [b".", b"a.", b"K\x01K\x02a.", b"t.", b"R.", b"h\x05.", b"N(N0u.", b"\xff.", b"K\x01K\x02\x93.", b"Ix\n.", b"Fx\n.",
     b"Sx\n.", b"gx\n.", b"(o.", b"S'\\x'\n.", b"Lx\n.", b"Nb."],
)  # fmt: skip
def test_broken_instructions_are_a_problem_in_words(data: bytes) -> None:
    """An empty stack, a missing mark, an unknown instruction: what was read is shown, and why it stopped."""
    decoded = everything(from_bytes(b"\x80\x04" + data))
    assert decoded.problem is None or decoded.problem.startswith(("Malformed pickle", "The value ends"))


# -- formats that are not what they claim ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["not base64!", "YWJj", "", "=", "====", "\x00", "\ud800", "é" * 100])
def test_what_is_not_a_pickle_is_shown_as_stored(text: str) -> None:
    """Labelled as a pickle, but none: the stored text, and a sentence."""
    decoded = everything(stored(text, "py_pickle"))
    assert decoded.raw
    assert decoded.problem is not None
    assert "shown as stored" in decoded.problem


def test_an_unknown_format_is_shown_raw_and_labelled() -> None:
    """A custom serializer's text is none of our business."""
    decoded = everything(stored("<xml/>", "my_xml"))
    assert (decoded.json, decoded.format, decoded.raw) == ("<xml/>", "my_xml", True)
    assert "'my_xml'" in str(decoded.problem)


def test_an_unknown_format_that_holds_json_is_shown_as_json() -> None:
    """Most serializers of other languages write JSON."""
    decoded = everything(stored('{"a":1}', "java_jackson"))
    assert (decoded.json, decoded.format, decoded.raw, decoded.complete) == ({"a": 1}, "java_jackson", False, True)


def test_without_a_label_the_text_decides() -> None:
    """Older rows name no format: JSON, a pickle, or text."""
    assert decode(stored("1795394163.5", None)).json == 1795394163.5
    assert decode(StoredValue(pickled([1]).text, None, 100_000)).json == [1]
    assert decode(stored("plain words", None)).json == "plain words"
    assert decode(stored("1795394163.5", "py_pickle")).json == 1795394163.5


# -- anything at all -----------------------------------------------------------------------------------------------

FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=5),
    max_leaves=30,
)  # fmt: skip


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
@FUZZ
def test_plain_data_reads_back_equal(value: Any, protocol: int) -> None:
    """What JSON can say comes back as it was, from every protocol and from JSON."""
    for one in (pickled(value, protocol=protocol), stored(json.dumps(value), "portable_json")):
        decoded = everything(one)
        assert decoded.json == value
        assert decoded.complete


@given(PLAIN, st.integers(0, 400))
@FUZZ
def test_a_cut_value_never_raises_and_is_marked(value: Any, length: int) -> None:
    """Wherever the reader cut."""
    for one in (pickled(value), stored(json.dumps(value), "portable_json"), stored(json.dumps(value), None)):
        if length < len(one.text):
            assert everything(cut(one, length)).truncated


@given(st.binary(max_size=400))
@FUZZ
def test_random_bytes_never_raise(data: bytes) -> None:
    """As a pickle, after a good beginning, and as whatever the text looks like."""
    everything(from_bytes(data))
    everything(from_bytes(b"\x80\x04](K\x01" + data))
    everything(StoredValue(base64.b64encode(data).decode(), None, 10))


@given(
    st.text(max_size=200), st.sampled_from([None, "py_pickle", "portable_json", "js_superjson", "dbosify_json", "x"])
)
@FUZZ
def test_random_text_never_raises(text: str, name: str | None) -> None:
    """In every format."""
    everything(stored(text, name))
    everything(stored('{"json":' + text + "}", name))


@given(PLAIN, st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=8))
@FUZZ
def test_mutated_pickles_never_raise(value: Any, changes: list[tuple[int, int]]) -> None:
    """A few bytes changed in a good one."""
    data = bytearray(pickle.dumps({"args": (value, {1, 2}), "kwargs": {"x": ValueError(value)}}))
    for at, byte in changes:
        data[at % len(data)] = byte
    everything(from_bytes(bytes(data)))


@given(PLAIN, PLAIN)
@FUZZ
def test_random_superjson_annotations_never_raise(value: Any, meta: Any) -> None:
    """Whatever ``meta`` says about the value."""
    everything(
        stored(json.dumps({"json": value, "meta": {"values": meta}, "__dbos_serializer": "superjson"}), "js_superjson")
    )


def test_the_limits_of_a_download_are_generous() -> None:
    """A list of a hundred thousand numbers is whole in a download and cut on a page."""
    value = pickled(list(range(100_000)))
    assert decode(value, limits=WHOLE).json == list(range(100_000))
    preview = decode(value)
    assert preview.truncated
    assert len(preview.json) <= PREVIEW.max_nodes + 1
    assert list(preview.json[-1]) == ["$cut"]

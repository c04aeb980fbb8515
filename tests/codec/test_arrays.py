"""Arrays and frames: dtype, shape and first cells as numpy and pandas themselves say, read from the bytes alone."""

from __future__ import annotations

import base64
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from otel_bridge.codec import Codec, redact_keys
from otel_bridge.model.values import StoredValue

ARRAYS = [
    np.arange(6, dtype="int32").reshape(2, 3),
    np.arange(6, dtype=">i2").reshape(3, 2),
    np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
    np.asfortranarray(np.arange(80, dtype="u2").reshape(8, 10)),
    np.array([True, False]),
    np.array(["a", "bcd", "é"]),
    np.array([1.5, -2.5], dtype="f2"),
    np.zeros((0, 4)),
    np.array(7),
    np.arange(1000).reshape(10, 10, 10),
    np.array([1, "x", None], dtype=object),
]


def shown(value: Any, *, codec: Codec | None = None, protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    """What the codec shows of a value that the engine pickled."""
    text = base64.b64encode(pickle.dumps(value, protocol=protocol)).decode()
    return (codec or Codec()).decode(StoredValue(text, "py_pickle", len(text))).json


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_an_array_is_its_dtype_its_shape_and_its_first_cells(array: Any, protocol: int) -> None:
    """In the order in which it is read, whatever its bytes' order."""
    found = shown(array, protocol=protocol)["$array"]
    assert found["shape"] == list(array.shape)
    assert found["first"] == array.ravel().tolist()[:24]
    assert found["dtype"] == {"<U3": "U3"}.get(array.dtype.str, array.dtype.name)


def test_times_and_single_numbers_are_read() -> None:
    """As text, and as plain numbers."""
    assert shown(np.array(["2026-01-02", "NaT"], dtype="datetime64[D]"))["$array"]["first"] == [
        "2026-01-02T00:00:00",
        "NaT",
    ]
    assert shown(np.datetime64("2026-01-01T10:00:00")) == "2026-01-01T10:00:00"
    assert shown([np.float64(1.5), np.int8(-3), np.bool_(True)]) == [1.5, -3, True]
    assert shown(np.float64("nan")) == "NaN"
    assert shown(pd.Timestamp("2026-01-01 10:00")) == "2026-01-01T10:00:00"


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_frame_is_its_columns_and_its_first_rows(protocol: int) -> None:
    """Columns of several kinds, in the frame's order; one whose kind is unknown is named."""
    frame = pd.DataFrame(
        {"n": range(9), "name": list("abcdefghi"), "x": [0.5] * 9, "when": pd.to_datetime(["2026-01-01"] * 9)}
    )
    frame["kind"] = pd.Categorical(list("aabbccaab"))
    found = shown(frame, protocol=protocol)["$frame"]
    assert found["shape"] == [9, 5]
    assert list(found["dtypes"]) == ["n", "name", "x", "when", "kind"]
    assert found["dtypes"]["n"] == "int64"
    assert found["dtypes"]["kind"] == "extension"
    assert len(found["first"]) == 5
    assert found["first"][1] == {"n": 1, "name": "b", "x": 0.5, "when": "2026-01-01T00:00:00", "kind": None}
    assert shown(pd.DataFrame(np.zeros((3, 400))))["$frame"]["shape"] == [3, 400]
    assert shown(pd.Series([1.0, 2.0], name="s"))["$frame"] == {
        "shape": [2, 1],
        "dtypes": {"s": "float64"},
        "first": [{"s": 1.0}, {"s": 2.0}],
    }


def test_a_column_that_names_a_secret_hides_its_cells() -> None:
    """As a key does everywhere."""
    codec = Codec(redact=redact_keys(["password"]))
    frame = pd.DataFrame({"user": ["ann"], "password": ["hunter2"]})
    assert "hunter2" not in str(shown(frame, codec=codec))
    assert "ann" in str(shown(frame, codec=codec))
    assert "hunter2" not in str(shown({"password": np.array(["hunter2"])}, codec=codec))


class Forged:
    """Pickled as numpy pickles an array, with a state of our choosing."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return np.arange(3).__reduce__()[0], (np.ndarray, (0,), b"b"), self.state


@pytest.mark.parametrize(
    "state",
    [
        (1, (-1,), np.dtype("i8"), False, b""),
        (1, (2**80,), np.dtype("i8"), False, b""),
        (1, ("x",), np.dtype("i8"), False, b"1"),
        (1, (3,), "no dtype", False, b"123"),
        (1, (3,), np.dtype("i8"), False, "no bytes"),
        (1, (3,), np.dtype("i8"), False, [object]),
        (1, (1,) * 500, np.dtype("i8"), False, b"12345678"),
        (1, (3,)),
        None,
    ],
    ids=str,
)
def test_what_only_looks_like_an_array_stays_inert(state: Any) -> None:
    """Whatever its state says, it is shown as the class that it names, at once."""
    assert "$class" in shown(Forged(state))


def test_an_array_whose_bytes_are_cut_shows_the_cells_that_are_there() -> None:
    """Behind the end of the data there is nothing."""
    assert shown(Forged((1, (1000, 1000), np.dtype("i4"), False, b"\1\0\0\0\2\0")))["$array"]["first"][:2] == [1, None]

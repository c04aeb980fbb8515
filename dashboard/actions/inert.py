"""A serializer for our engine client that never executes what it reads. Pure.

The engine's client deserializes a schedule's context when it fires one. Ours may hold anybody's pickle, so reading one
builds containers and primitives and refuses every class.
"""

from __future__ import annotations

import base64
import io
import pickle
from typing import Any

from dbos import Serializer


class ForeignObjectError(ValueError):
    """A stored value holds an object of the application's own, which only the application may build."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The stored value holds a {name}, which only the application itself may build.")


class _Primitives(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise ForeignObjectError(f"{module}.{name}")

    def persistent_load(self, pid: object) -> Any:
        raise ForeignObjectError("persistent reference")


class InertSerializer(Serializer):
    """The engine's default format, written as it is and read without classes."""

    def name(self) -> str:
        """Return the engine's name of the format."""
        return "py_pickle"

    def serialize(self, data: object) -> str:
        """Return plain values in the engine's format."""
        return base64.b64encode(pickle.dumps(data)).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Return plain values.

        Raises:
            ForeignObjectError: there is a class in it.
        """
        return _Primitives(io.BytesIO(base64.b64decode(serialized_data))).load()

"""In which format an action writes an input, so that the application can read it. Pure."""

from __future__ import annotations

from dbos import WorkflowSerializationFormat

from dashboard.errors import Refused

NATIVE_SERIALIZER = "py_pickle"
"""The engine's own name of the format that Python applications use unless they bring a serializer of their own."""


def format_for(serialization: str | None) -> WorkflowSerializationFormat:
    """Return the format in which an input is written, by what the application's stored values are in. Pure.

    Raises:
        Refused: a serializer of the application's own, which only the application may use to write.
    """
    if serialization in (None, NATIVE_SERIALIZER):
        return WorkflowSerializationFormat.NATIVE
    if serialization in _PORTABLE:
        return WorkflowSerializationFormat.PORTABLE
    raise Refused(
        f"The application stores its values with a serializer of its own ({serialization}), which the dashboard reads "
        "and does not write. Start the run from the application."
    )


_PORTABLE = frozenset({"portable_json", "js_superjson", "dbosify_json"})

"""A DBOS serializer of the user's own, and how its values are read. Calls that serializer, and nothing else."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from otel_bridge.errors import ConfigurationError
from otel_bridge.loading import load_named, not_loaded

ENGINE_FORMATS = frozenset(("py_pickle", "portable_json", "js_superjson", "dbosify_json"))
"""Formats that the engine writes itself. They are always read here, where nothing is executed."""


@runtime_checkable
class Serializer(Protocol):
    """What DBOS calls a serializer: ``DBOS(config={"serializer": ...})``. A ``dbos.Serializer`` is one.

    Reading a value runs the serializer's own code in this process, on what is in the database. Whether that is safe is
    for its author to say: one that unpickles executes what a pickle asks for.
    """

    def name(self) -> str:
        """Return what the engine writes into the column ``serialization``."""

    def deserialize(self, serialized_data: str, /) -> Any:
        """Return the value that a stored text stands for."""


def checked(serializer: Serializer | None) -> Serializer | None:
    """Return the serializer, if it is one.

    Raises:
        ConfigurationError: it lacks ``name`` or ``deserialize``, or is a class where an object is wanted.
    """
    if serializer is not None and (isinstance(serializer, type) or not isinstance(serializer, Serializer)):
        raise ConfigurationError(
            f"serializer={serializer!r} is not a DBOS serializer: give an object with name() and deserialize(text)."
        )
    return serializer


def load_serializer(place: str) -> Serializer:
    """Return the serializer that a command line names: ``load_serializer("shop.config:serializer")``.

    The module is imported, from the working directory too; a class is called without arguments.

    Raises:
        ConfigurationError: there is no such module or object, or it is not a serializer.
    """
    what, form = "The serializer", "module:object"
    found = load_named(place, what=what, form=form)
    try:
        found = found() if isinstance(found, type) else found
    except Exception as error:
        raise not_loaded(place, error, what=what, form=form) from error
    checked(found)
    return found  # type: ignore[no-any-return]


def reads(serializer: Serializer | None, name: object) -> bool:
    """True when a value with this name is the serializer's, and not one of the engine's own formats.

    A row without a name was written before the engine kept names, by the serializer that the application had.
    """
    if serializer is None or name in ENGINE_FORMATS:
        return False
    own = serializer.name()
    return own not in ENGINE_FORMATS and name in (None, own)

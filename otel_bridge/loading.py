"""Objects that a command line or the environment names, as ``module:object``. Imports the module."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from otel_bridge.errors import ConfigurationError


def load_named(place: str, *, what: str, form: str) -> Any:
    """Return the object at ``module:object``, such as ``shop.config:serializer``, from the working directory too.

    Args:
        what: names it in an error, as in ``The auth hook``.
        form: what to write instead, as in ``module:function``.

    Raises:
        ConfigurationError: there is no such module or object.
    """
    module, _, attribute = place.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise not_loaded(place, error, what=what, form=form) from error
    return found


def not_loaded(place: str, error: Exception, *, what: str, form: str) -> ConfigurationError:
    """Return the error that says why an object could not be loaded or made."""
    return ConfigurationError(f"{what} {place!r} cannot be loaded ({type(error).__name__}: {error}). Write {form}.")

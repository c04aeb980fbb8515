"""Validators of updates: run in the caller's own request, before anything reaches the run.

They are declared in code that the control plane's process imports (or are given to ``create_blueprint``). Pure:
no clock, file, socket or database, beyond what a validator itself does.
"""

from __future__ import annotations

import functools
import inspect
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from otel_bridge.instrumentation.capabilities import report_validators
from otel_bridge.ledger.base import UpdateValidator

MAX_SCHEMA_CHARS = 16_384
"""Of a schema that is kept with a wait, or reported at each heartbeat."""

Validator = Callable[[Any], Any]
"""Takes the update. Raises ``ValueError`` (its text is the reason) or returns False or a string (the reason) to reject;
anything else accepts. A pydantic model or other type is a validator too."""


class UpdateRejectedError(ValueError):
    """A validator rejected an update; the text says why."""


class ValidatorRegistry:
    """Validators by (workflow, update name). ``*`` as workflow stands for every workflow."""

    def __init__(self, validators: Mapping[tuple[str, str], Any] | None = None) -> None:
        self._lock = threading.Lock()
        self._validators: dict[tuple[str, str], list[Any]] = {}
        self._described: tuple[UpdateValidator, ...] | None = None
        for (workflow, name), validator in (validators or {}).items():
            self.add(workflow, name, validator)

    def add(self, workflow: str, name: str, validator: object) -> None:
        """Register one more validator; all of them must accept."""
        with self._lock:
            known = self._validators.setdefault((workflow, name), [])
            if validator not in known:
                known.append(validator)
                self._described = None

    def describe(self) -> tuple[UpdateValidator, ...]:
        """Return what is registered, with what it accepts as JSON schema where types say so; for presence."""
        with self._lock:
            if self._described is None:
                self._described = tuple(
                    UpdateValidator(workflow=workflow, name=name, schema=_schema(validators))
                    for (workflow, name), validators in self._validators.items()
                )
            return self._described

    def knows(self, workflow: str, name: str) -> bool:
        """Say whether there is a validator of this update here."""
        with self._lock:
            return bool(self._validators.get((workflow, name)) or self._validators.get(("*", name)))

    def names(self, name: str) -> bool:
        """Say whether any workflow has a validator of an update of this name here."""
        with self._lock:
            return any(known == name for _, known in self._validators)

    def check(self, workflow: str, name: str, value: object) -> None:
        """Run the validators of an update.

        Raises:
            UpdateRejectedError: one of them rejected it, or broke.
        """
        with self._lock:
            found = [*self._validators.get((workflow, name), ()), *self._validators.get(("*", name), ())]
        for validator in found:
            _check(validator, name, value)


def _schema(validators: list[Any]) -> dict[str, Any] | None:
    """Return what all the validators accept, as far as their types say; None where only code knows."""
    schemas = [schema for schema in map(_schema_of, validators) if schema is not None]
    if len(schemas) < 2:
        return schemas[0] if schemas else None
    return {"allOf": schemas}


def _schema_of(validator: object) -> dict[str, Any] | None:
    accepted = validator
    try:
        if callable(validator) and not isinstance(validator, type):
            parameters = list(inspect.signature(validator, eval_str=True).parameters.values())
            accepted = parameters[0].annotation if parameters else inspect.Parameter.empty
            if accepted in (inspect.Parameter.empty, Any):
                return None
    except Exception:  # noqa: BLE001 - a callable of the user's own, whose annotations need not be found
        return None
    return type_schema(accepted)


def type_schema(type_: object) -> dict[str, Any] | None:
    """Return the JSON schema of what a type accepts; None where it has none, or one too long to be kept with a wait.

    Remembered by type: a workflow that waits in a loop asks each time.
    """
    try:
        return _remembered_schema(type_)
    except TypeError:  # a type that cannot be hashed
        return _remembered_schema.__wrapped__(type_)


@functools.lru_cache(maxsize=256)
def _remembered_schema(type_: Any) -> dict[str, Any] | None:
    try:
        adapter: TypeAdapter[Any] = type_ if isinstance(type_, TypeAdapter) else TypeAdapter(type_)
        schema = adapter.json_schema()
        return schema if len(json.dumps(schema)) <= MAX_SCHEMA_CHARS else None
    except Exception:  # noqa: BLE001 - types of the user's own, which need not have a schema; code still validates
        return None


def _check(validator: Any, name: str, value: Any) -> None:
    try:
        if isinstance(validator, type) and issubclass(validator, BaseModel):
            validator.model_validate(value)
            return
        if isinstance(validator, (type, TypeAdapter)):
            adapter: TypeAdapter[Any] = validator if isinstance(validator, TypeAdapter) else TypeAdapter(validator)
            adapter.validate_python(value)
            return
        verdict = validator(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UpdateRejectedError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    except ValueError as error:
        raise UpdateRejectedError(str(error) or f"The validator of {name!r} rejected it.") from error
    except Exception as error:
        raise UpdateRejectedError(f"The validator of {name!r} failed with {type(error).__name__}.") from error
    if verdict is False:
        raise UpdateRejectedError(f"The validator of {name!r} rejected it.")
    if isinstance(verdict, str):
        raise UpdateRejectedError(verdict)


registry = ValidatorRegistry()
"""What ``validator`` declared in this process."""
report_validators(registry.describe)


def validator(workflow: str, name: str, type: object = None) -> Any:
    """Register a validator for updates ``name`` of ``workflow`` (``*``: of every workflow).

    Give a pydantic model (or any type), or decorate a callable::

        validator("order", "address", Address)

        @validator("order", "quantity")
        def positive(value): ...
    """
    if type is not None:
        registry.add(workflow, name, type)
        return type

    def keep(function: Validator) -> Validator:
        registry.add(workflow, name, function)
        return function

    return keep

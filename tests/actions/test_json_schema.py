"""What does not fit a declared type is said to be so by its JSON schema, just as pydantic would in the worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from dashboard.actions.json_schema import misfit
from dashboard.workflow.validators import type_schema


class Size(Enum):
    """A choice."""

    SMALL = "s"
    LARGE = "l"


class Level(IntEnum):
    """A choice among numbers."""

    LOW = 1
    HIGH = 3


class Line(BaseModel):
    """A part that is referred to."""

    sku: Annotated[str, Field(min_length=2, pattern="^[a-z]")]
    count: Annotated[int, Field(gt=0, le=9)] = 1


class Order(BaseModel, extra="forbid"):
    """Parts, a choice, a moment."""

    lines: list[Line]
    size: Size | None = None
    due: datetime | None = None


class Tree(BaseModel):
    """Refers to itself."""

    children: list[Tree] = []


TYPES: list[Any] = [
    int,
    float,
    bool,
    str,
    None,
    datetime,
    timedelta,
    UUID,
    Size,
    Literal["a", 1],
    Level,
    list[int],
    dict[str, float],
    tuple[int, str],
    set[int],
    int | None,
    int | list[str],
    Annotated[int, Field(ge=1, lt=10)],
    Annotated[list[int], Field(max_length=2)],
    Line,
    Order,
    Tree,
]
VALUES: list[Any] = [
    *(None, True, 0, 1, 3, 10, 2.0, 2.5, -1, "3", "many", "", "s", "a", "true", float("inf"), 10**400),
    *("2026-01-01T00:00:00Z", "P1D", "6b7d2c1e-3c5f-4f43-9f0e-2f2f0a7f0f11"),
    *([], [1, "x"], [1], ["x"], [1, 2, 3], {}, {"a": 1}, {"a": "b"}),
    *({"sku": "ab"}, {"sku": "ab", "count": 10}, {"sku": "a"}, {"sku": "9ab"}),
    *({"lines": [{"sku": "ab"}]}, {"lines": [{"sku": 1}]}, {"lines": [], "more": 1}, {"lines": [], "due": "soon"}),
    *({"children": [{"children": []}]}, {"children": [{"children": [1]}]}),
]


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_it_refuses_what_the_worker_would_and_nothing_else(type_: Any) -> None:
    """Every value against every type, compared with pydantic itself."""
    schema = type_schema(type_)
    assert schema is not None
    adapter: TypeAdapter[Any] = TypeAdapter(type_)
    differ = []
    for value in VALUES:
        try:
            adapter.validate_python(value)
        except ValidationError:
            fits = False
        else:
            fits = True
        if (misfit(schema, value) is None) != fits:
            differ.append((value, fits))
    assert differ == []


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        (int, "many", "'many' is not an integer."),
        (int | None, "many", "'many' is not an integer. Nor: 'many' is not null."),
        (Order, {"lines": [{"sku": "ab", "count": 12}]}, "lines[0].count: 12 is greater than 9."),
        (Order, {"lines": [], "x": 1}, "x: 1 is not expected."),
        (Line, {}, "'sku' is missing."),
        (datetime, "soon", "'soon' is not a text of format 'date-time'."),
    ],
)
def test_it_says_where_and_why(type_: Any, value: Any, reason: str) -> None:
    """In words, with the value."""
    assert misfit(type_schema(type_) or {}, value) == reason


def test_a_type_without_a_schema_or_with_a_huge_one_refuses_nothing_here() -> None:
    """The worker still checks."""
    assert type_schema(type) is None
    assert type_schema(Literal[tuple(f"{number:0>100}" for number in range(1_000))]) is None

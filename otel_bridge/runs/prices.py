"""What model calls cost, by the user's own price table. Pure, but for the file that ``load_prices`` reads.

Prices are nobody's constants: none are shipped. A table is JSON, prices are per million tokens::

    {"currency": "USD", "models": {"gpt-4o": {"input": 2.5, "output": 10}, "claude-*": {"input": 3, "output": 15}}}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from otel_bridge.errors import ConfigurationError

PER_TOKENS = 1_000_000
_FORM = '{"currency": "USD", "models": {"gpt-4o": {"input": 2.5, "output": 10}}}'


class Price(NamedTuple):
    """Per million tokens."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model. A name may hold ``*``; the exact one is taken first, then the longest that matches.

    Example:
        >>> PriceTable("USD", {"gpt-*": Price(2.0, 8.0)}).cost("gpt-4o", 500_000, 100_000)
        1.8
    """

    currency: str
    models: Mapping[str, Price] = field(default_factory=dict)

    def price(self, model: str) -> Price | None:
        """Return the price of a model; None where the table has none."""
        if model in self.models:
            return self.models[model]
        fitting = [name for name in self.models if fnmatchcase(model, name)]
        return self.models[max(fitting, key=len)] if fitting and model else None

    def cost(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """Return what these tokens cost; None where the model has no price."""
        price = self.price(model)
        if price is None:
            return None
        return (price.input * input_tokens + price.output * output_tokens) / PER_TOKENS


def parse_prices(value: object) -> PriceTable:
    """Return the table that a JSON value holds.

    Raises:
        ConfigurationError: it holds none; the message says what is wrong.
    """
    if not isinstance(value, dict) or not isinstance(value.get("models"), dict):
        raise ConfigurationError(f"A price table has the form {_FORM}.")
    currency = value.get("currency", "USD")
    if not (isinstance(currency, str) and currency.isalpha() and currency.isascii() and len(currency) == 3):
        raise ConfigurationError(f'The price table\'s currency is {currency!r}. Write a code such as "USD".')
    return PriceTable(currency.upper(), {str(name): _price(str(name), one) for name, one in value["models"].items()})


def _price(name: str, value: object) -> Price:
    given: Mapping[str, object] = value if isinstance(value, dict) else {}
    numbers = [given.get(kind) for kind in Price._fields]
    usable = [
        number
        for number in numbers
        if isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number) and number >= 0
    ]
    if len(usable) != len(numbers):
        raise ConfigurationError(
            f'The price of {name!r} is {value!r}. Give "input" and "output", numbers per million tokens.'
        )
    return Price(*map(float, usable))


def load_prices(path: str | Path) -> PriceTable:
    """Return the price table of a JSON file.

    Raises:
        ConfigurationError: the file cannot be read, or holds no price table.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise ConfigurationError(f"The price table {str(path)!r} cannot be read: {reason}.") from error
    return parse_prices(value)

"""``python -m examples.orders``: the same as ``durable demo``."""

from __future__ import annotations

from dashboard.cli.demo import demo

if __name__ == "__main__":
    demo(prog_name="python -m examples.orders")

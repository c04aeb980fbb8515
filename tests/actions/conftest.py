"""The world that these tests share: its worker ends with this package, for it polls its queues all the time."""

from tests.worlds import world

__all__ = ["world"]

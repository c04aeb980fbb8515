"""One world with one worker for this folder."""

from tests.worlds import world

__all__ = ["world"]

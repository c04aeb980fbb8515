"""Faults, one function each, tried on the real product: ``tox -e chaos``. See ``docs/faults.md``."""

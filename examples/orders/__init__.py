"""The online shop of ``durable demo``, from a clone: ``python -m examples.orders``. Its code is ``dashboard/demo``."""

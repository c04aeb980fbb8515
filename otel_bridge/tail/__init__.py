"""From the store to changed runs (``scanner``) and lifecycle events (``changes``)."""
